//! What the files hold: data groups, EF.CardSecurity, the list of hashes.

use channel::active_auth::announcement;
use channel::chip_auth::{ChipAuthSuite, KeyAgreement};
use channel::pace::Suite;
use jiff::Timestamp;
use jiff::civil::Date as Day;
use jiff::tz::TimeZone;
use lds::date::DateTime;
use lds::dg::dg02::{Dg2, Face as CodedFace};
use lds::dg::dg11::Dg11;
use lds::dg::dg12::Dg12;
use lds::dg::dg13::{Dg13, Field};
use lds::dg::dg14::Dg14;
use lds::security_infos::{SecurityInfo, SecurityInfos};
use lds::sod::{HashAlgorithm, LdsSecurityObject};
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};

use super::{PlanError, PlannedFile, partial, whole};
use crate::keys::{ChipKey, ChipKeys};
use crate::order::Order;
use crate::portrait::Face;
use crate::profile::{CivilField, Hash, LdsVersion, PortraitRecord, Profile};

pub(super) fn dg2(face: &Face, profile: &Profile) -> Result<Dg2, PlanError> {
    let coded = CodedFace::new(face.coded.clone())?;
    Ok(Dg2::new(match profile.portrait.record {
        PortraitRecord::Iso19794 => coded,
        PortraitRecord::Iso39794 => coded.in_iso39794(),
    }))
}

pub(super) fn dg11(order: &Order) -> Result<Dg11, PlanError> {
    let holder = &order.holder;
    let mother = [holder.mother.as_deref(), holder.maternal_grandfather.as_deref()];
    let mother: Vec<&str> = mother.into_iter().flatten().collect();
    let mut other_names = Vec::new();
    if !mother.is_empty() {
        other_names.push(mother.join("<"));
    }
    other_names.extend(holder.kurdish_name.clone());
    Ok(Dg11 {
        full_name: Some(holder.name_components().join("<")),
        other_names,
        personal_number: Some(order.national_number.clone()),
        birth_date: Some(partial(holder.birth_date)?),
        birth_place: holder.birth_place.components().into_iter().map(str::to_owned).collect(),
        ..Dg11::default()
    })
}

pub(super) fn dg12(order: &Order, profile: &Profile, issued: Day, made_at: Timestamp) -> Result<Dg12, PlanError> {
    let made = made_at.to_zoned(TimeZone::UTC);
    let part = |part: i8| u8::try_from(part).unwrap_or_default();
    let moment = DateTime::new(whole(made.date())?, part(made.hour()), part(made.minute()), part(made.second()))?;
    Ok(Dg12 {
        authority: Some(order.issue.authority.clone()),
        issue_date: Some(whole(issued)?),
        personalized: Some(moment),
        system: Some(profile.dg12.system.clone()),
        ..Dg12::default()
    })
}

pub(super) fn dg13(order: &Order, profile: &Profile) -> Dg13 {
    let mut group = Dg13::new();
    for field in &profile.dg13.fields {
        if let Some((field, value)) = civil_fact(order, *field) {
            group.set(field, value);
        }
    }
    group
}

/// A fact of the civil register with its place in DG13; `None` when the order does not give it.
fn civil_fact(order: &Order, field: CivilField) -> Option<(Field, &str)> {
    let record = order.civil_record.as_ref();
    let (field, value) = match field {
        CivilField::Office => (Field::Office, record.map(|record| &record.office)),
        CivilField::Register => (Field::Register, record.map(|record| &record.register)),
        CivilField::Page => (Field::Page, record.map(|record| &record.page)),
        CivilField::FamilyNumber => (Field::FamilyNumber, record.map(|record| &record.family_number)),
        CivilField::BirthFamilyNumber => (Field::BirthFamilyNumber, record?.birth_family_number.as_ref()),
        CivilField::BloodGroup => (Field::BloodGroup, order.holder.blood_group.as_ref()),
        CivilField::NationalityClause => (Field::NationalityClause, record?.nationality_clause.as_ref()),
        CivilField::FatherBirthPlace => (Field::FatherBirthPlace, record?.father_birth_place.as_ref()),
        CivilField::MotherBirthPlace => (Field::MotherBirthPlace, record?.mother_birth_place.as_ref()),
        CivilField::FatherNationality => (Field::FatherNationality, record?.father_nationality.as_ref()),
        CivilField::MotherNationality => (Field::MotherNationality, record?.mother_nationality.as_ref()),
    };
    Some((field, value?.as_str()))
}

pub(super) fn pace_infos(profile: &Profile) -> Vec<SecurityInfo> {
    let info = |suite: &Suite| SecurityInfo::pace(&suite.oid(), suite.group.parameter_id());
    profile.access.suites().iter().map(info).collect()
}

pub(super) fn dg14(profile: &Profile, keys: &ChipKeys) -> Dg14 {
    let suite = ChipAuthSuite { agreement: KeyAgreement::Ecdh, cipher: profile.chip_authentication.cipher() };
    let mut infos = vec![
        SecurityInfo::chip_authentication(&suite.oid(), None),
        SecurityInfo::chip_authentication_public_key(keys.chip.public(), None),
    ];
    infos.extend(pace_infos(profile));
    let hash = keys.active.as_ref().and_then(|key| key.announced());
    infos.extend(hash.map(|hash| SecurityInfo::ActiveAuthentication { version: 1, signature: announcement(hash) }));
    Dg14::new(SecurityInfos::new(infos))
}

/// What EF.CardSecurity holds: what EF.CardAccess offers, and the key of chip authentication mapping (9303-11 §9.2.11).
pub(super) fn card_security(profile: &Profile, key: &ChipKey) -> SecurityInfos {
    let key = SecurityInfo::chip_authentication_public_key(key.public(), None);
    SecurityInfos::new(pace_infos(profile).into_iter().chain([key]).collect())
}

/// The list of hashes that the document signer signs: over the very bytes that are written.
pub(super) fn security_object(profile: &Profile, groups: &[PlannedFile]) -> Result<Vec<u8>, ErrorStack> {
    let (algorithm, digest) = match profile.lds.hash {
        Hash::Sha256 => (HashAlgorithm::Sha256, MessageDigest::sha256()),
        Hash::Sha384 => (HashAlgorithm::Sha384, MessageDigest::sha384()),
        Hash::Sha512 => (HashAlgorithm::Sha512, MessageDigest::sha512()),
    };
    let entry = |planned: &PlannedFile| {
        let number = planned.file.data_group?;
        Some(hash(digest, &planned.bytes).map(|hash| (number, hash.to_vec())))
    };
    let hashes = groups.iter().filter_map(entry).collect::<Result<_, _>>()?;
    let object = match profile.lds.version {
        LdsVersion::V1_7 => LdsSecurityObject::v0(algorithm, hashes),
        LdsVersion::V1_8 => LdsSecurityObject::v1(algorithm, hashes),
    };
    Ok(object.to_bytes())
}
