//! The plan of one card: order x profile x time x chip key -> bytes. Pure: the same arguments give the same plan.
//!
//! ```text
//! order, profile --plan--> Plan --sign--> SignedPlan --> data groupings 8001..8005 (enciphered), files
//! ```
//!
//! [`Plan`]'s `Display` is what `--dry-run` prints: files with sizes and digests, steps, sizes on the card; no access
//! number, no key.

use std::fmt;
use std::sync::Arc;

use channel::active_auth::announcement;
use channel::chip_auth::{ChipAuthSuite, KeyAgreement};
use channel::cvc::CvcError;
use channel::pace::Suite;
use channel::password::Password;
use channel::secret::Secret;
use channel::terminal_auth::Trust;
use eid::residence::{Address, Residence, ResidenceError};
use iso7816::Aid;
use jiff::civil::Date as Day;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use lds::com::Com;
use lds::date::{Date, DateError, DateTime};
use lds::dg::dg01::Dg1;
use lds::dg::dg02::{Dg2, Face as CodedFace};
use lds::dg::dg11::Dg11;
use lds::dg::dg12::Dg12;
use lds::dg::dg13::{Dg13, Field};
use lds::dg::dg14::Dg14;
use lds::dg::dg15::Dg15;
use lds::dg::picture::PictureError;
use lds::files::{EF_CARD_ACCESS, EF_CARD_SECURITY, EF_COM, EF_SOD, File, data_group};
use lds::globalplatform::dgi::{
    ACTIVE_AUTHENTICATION_KEY, CAN, CHIP_AUTHENTICATION_KEY, MAPPING_KEY, MRZ_INFORMATION, TERMINAL_TRUST, number_of,
};
use lds::globalplatform::{ChipAuthenticationKey, Dgi};
use lds::mrz::{self, Mrz, MrzDate, MrzError, NoSurnameRefused, Td1, holder_name};
use lds::security_infos::{SecurityInfo, SecurityInfos};
use lds::sod::{self, HashAlgorithm, LdsSecurityObject};
use lds::transliteration::{self, UnmappedLetter};
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use openssl::sha::sha256;

use crate::applet::Applet;
use crate::citizen::{CertificateHolder, CitizenPlan, Wanted};
use crate::keys::{ActiveKey, ChipKey, ChipKeys};
use crate::order::{self, CardAccessNumber, Order, PartialDate, Sex};
use crate::portrait::Face;
use crate::profile::{CivilField, Eac, Eid, Hash, LdsVersion, PortraitRecord, Profile};

/// Width of the name field of a TD1.
const NAME_WIDTH: usize = 30;
/// Bytes that a CMS signature adds at most, as far as planning goes: certificate, attributes, signature.
const SIGNATURE_ALLOWANCE: usize = 4_000;

/// What the chip needs besides the order: nothing of it is in the order or the profile.
pub struct Inputs<'a> {
    /// The moment of production: DG12, and the day of issue when the order leaves it open.
    pub made_at: Timestamp,
    /// The access number, from the order or drawn.
    pub access_number: &'a CardAccessNumber,
    /// The chip's own keys.
    pub keys: &'a ChipKeys,
}

/// Everything that will be written, but for the signature.
pub struct Plan {
    /// The document number.
    pub document_number: String,
    /// The profile's name.
    pub profile: String,
    /// The machine readable zone.
    pub mrz: Mrz,
    /// True when the name did not fit in the MRZ; DG11 has it whole.
    pub name_truncated: bool,
    /// True when the order names a residence, and cards of this profile have no place for its record.
    pub residence_left_out: bool,
    /// Day of issue.
    pub issued: Day,
    /// Last day of validity.
    pub expires: Day,
    made_at: Timestamp,
    files: Vec<PlannedFile>,
    security_object: Vec<u8>,
    card_security: Option<Vec<u8>>,
    secrets: Secrets,
    terminal_trust: Option<Vec<u8>>,
    block_size: usize,
    issuer_keys: Option<u8>,
    applet: Option<Applet>,
    largest_object: Option<usize>,
    citizen: Option<Wanted>,
}

/// One file.
#[derive(Clone)]
pub struct PlannedFile {
    /// Which.
    pub file: &'static File,
    /// Its whole content, tag included.
    pub bytes: Vec<u8>,
}

struct Secrets {
    mrz_information: Secret,
    access_number: CardAccessNumber,
    chip_key: ChipAuthenticationKey,
    mapping_key: Option<ChipAuthenticationKey>,
    active_key: Option<Arc<ActiveKey>>,
}

/// A plan whose security object is signed.
pub struct SignedPlan {
    plan: Plan,
    security_object_file: Vec<u8>,
    card_security_file: Option<Vec<u8>>,
    citizen: Option<CitizenPlan>,
}

/// Why an order cannot become a card of this profile.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A letter that the profile's table lacks.
    #[error("field {field}: the letter U+{:04X} at character {} is in no table of the profile", .letter.letter as u32, .letter.position)]
    Letter {
        /// The field of the order.
        field: &'static str,
        /// The letter.
        letter: UnmappedLetter,
    },
    /// The holder has no surname and the profile refuses that.
    #[error("field holder.surname: {0}")]
    NoSurname(#[from] NoSurnameRefused),
    /// The document number does not belong to a series of the profile.
    #[error("field document_number: the profile's series are {}", .series.join(", "))]
    Series {
        /// The series.
        series: Vec<String>,
    },
    /// The national number has another length.
    #[error("field national_number: the profile has {expected} digits")]
    NationalNumber {
        /// Digits of the profile.
        expected: usize,
    },
    /// The card would expire before it is issued, or after the profile's validity.
    #[error("field issue.expiry: must lie between the day of issue and {latest}")]
    Expiry {
        /// The last day that the profile allows.
        latest: Day,
    },
    /// The holder would be born after the day of issue.
    #[error("field holder.birth_date: lies after the day of issue, {issued}")]
    Birth {
        /// The day of issue.
        issued: Day,
    },
    /// A date that the chip's format cannot hold.
    #[error("a date of the order cannot be written: {0}")]
    Date(#[from] DateError),
    /// The time zone of the profile is not known to the system.
    #[error("the time zone {name} is not known here; install the Debian package tzdata or correct the profile")]
    TimeZone {
        /// Its name.
        name: String,
    },
    /// The coded portrait is no picture of a known format.
    #[error("the portrait: {0}")]
    Portrait(#[from] PictureError),
    /// Fingers for a card that would give them to everybody, or has no place for them.
    #[error("field fingers: the profile has no data group 3")]
    Fingers,
    /// What the card shall know of terminals cannot be written.
    #[error("the card's first current date: {0}")]
    TerminalTrust(#[from] CvcError),
    /// A field that does not fit in the MRZ.
    #[error("the machine readable zone: {0}")]
    Mrz(#[from] MrzError),
    /// A name that does not fit in a certificate.
    #[error("field {field}: a certificate takes names of at most 64 characters")]
    CertificateName {
        /// The field of the order.
        field: &'static str,
    },
    /// An entry that the residence record cannot hold.
    #[error("field residence: {source}")]
    Residence {
        /// Why.
        source: ResidenceError,
    },
    /// More bytes than the chip holds.
    #[error("the card's files need {needed} bytes, the chip has {capacity}; the portrait takes {portrait} of them")]
    Capacity {
        /// Bytes needed, the signature included.
        needed: usize,
        /// Bytes of the profile's chip.
        capacity: usize,
        /// Bytes of DG2.
        portrait: usize,
    },
    /// A file that is too large for the applet on the card.
    #[error("{file} has {bytes} bytes; {applet} takes files of at most {most}")]
    FileSize {
        /// Its name.
        file: &'static str,
        /// Its size in bytes.
        bytes: usize,
        /// The largest size in bytes.
        most: usize,
        /// Name of the applet.
        applet: &'static str,
    },
    /// A data object that is too large for the applet on the card.
    #[error("{object} may need {bytes} bytes with its command; {applet} takes at most {most} here")]
    ObjectSize {
        /// Its name.
        object: &'static str,
        /// Bytes that it may need.
        bytes: usize,
        /// The largest size in bytes.
        most: usize,
        /// Name of the applet.
        applet: &'static str,
    },
    /// A file that the applet on the card does not have.
    #[error("{applet} has no {file}")]
    NoSuchFile {
        /// Its name.
        file: &'static str,
        /// Name of the applet.
        applet: &'static str,
    },
    /// OpenSSL failed.
    #[error("cryptography failed")]
    OpenSsl(#[from] ErrorStack),
}

/// Makes the plan.
///
/// # Errors
/// When the order does not fit the profile.
pub fn plan(order: &Order, profile: &Profile, face: &Face, inputs: &Inputs<'_>) -> Result<Plan, PlanError> {
    check_numbers(order, profile)?;
    if face.fingers.is_some() && !profile.lds.data_groups.contains(&3) {
        return Err(PlanError::Fingers);
    }
    let (issued, expires) = validity(order, profile, inputs.made_at)?;
    let (mrz, name_truncated) = machine_readable_zone(order, profile, expires)?;
    let mut groups = Vec::new();
    for number in &profile.lds.data_groups {
        let bytes = match number {
            1 => Dg1::new(mrz.clone()).to_bytes(),
            2 => dg2(face, profile)?.to_bytes(),
            3 => match &face.fingers {
                Some(fingers) => fingers.clone(),
                None => continue,
            },
            11 => dg11(order)?.to_bytes(),
            12 => dg12(order, profile, issued, inputs.made_at)?.to_bytes(),
            13 => dg13(order, profile).to_bytes(),
            14 => dg14(profile, inputs.keys).to_bytes(),
            15 => match &inputs.keys.active {
                Some(key) => Dg15::new(key.public().clone()).to_bytes(),
                None => continue,
            },
            _ => continue,
        };
        if let Some(file) = data_group(*number) {
            groups.push(PlannedFile { file, bytes });
        }
    }
    let travels = profile.is_travel_document();
    let security_object = if travels { security_object(profile, &groups)? } else { Vec::new() };
    let numbers: Vec<u8> = groups.iter().filter_map(|planned| planned.file.data_group).collect();
    let com = match profile.lds.version {
        LdsVersion::V1_7 => Com::lds_1_7(numbers),
        LdsVersion::V1_8 => Com::lds_1_8(numbers),
    };
    let mut files = Vec::new();
    if profile.card.applet.is_none() {
        let card_access = SecurityInfos::new(pace_infos(profile));
        files.push(PlannedFile { file: &EF_CARD_ACCESS, bytes: card_access.to_bytes() });
    }
    if travels {
        files.push(PlannedFile { file: &EF_COM, bytes: com.to_bytes() });
    }
    files.extend(groups);
    let plan = Plan {
        document_number: order.document_number.clone(),
        profile: profile.name.clone(),
        secrets: secrets(&mrz, inputs),
        mrz,
        name_truncated,
        // It is kept in the national file set, which cards of others do not have.
        residence_left_out: order.residence.is_some() && (profile.eid.is_none() || profile.card.applet.is_some()),
        issued,
        expires,
        made_at: inputs.made_at,
        files,
        security_object,
        terminal_trust: terminal_trust(profile, inputs.made_at)?,
        card_security: inputs.keys.mapping.as_ref().map(|key| card_security(profile, key).to_bytes()),
        block_size: profile.card.block_size,
        issuer_keys: profile.keys.as_ref().map(|keys| keys.version),
        applet: profile.card.applet,
        largest_object: profile.card.largest_object,
        citizen: profile.eid.as_ref().map(|eid| citizen(order, eid)).transpose()?,
    };
    if travels {
        plan.check_capacity(profile)?;
    }
    if let Some(applet) = plan.applet {
        applet.dialect().check(&plan)?;
    }
    Ok(plan)
}

fn check_numbers(order: &Order, profile: &Profile) -> Result<(), PlanError> {
    let series = &profile.document.series;
    if !series.is_empty() && !series.iter().any(|series| order.document_number.starts_with(series.as_str())) {
        return Err(PlanError::Series { series: series.clone() });
    }
    let expected = profile.document.national_number_digits;
    if order.national_number.len() != expected {
        return Err(PlanError::NationalNumber { expected });
    }
    Ok(())
}

/// Day of issue and last day of validity.
fn validity(order: &Order, profile: &Profile, made_at: Timestamp) -> Result<(Day, Day), PlanError> {
    let zone = || PlanError::TimeZone { name: profile.document.time_zone.clone() };
    let issued = match order.issue.date {
        Some(date) => date,
        None => {
            let zone = match profile.document.time_zone.as_str() {
                "UTC" => TimeZone::UTC,
                name => TimeZone::get(name).map_err(|_| zone())?,
            };
            made_at.to_zoned(zone).date()
        }
    };
    let latest = issued.saturating_add(profile.document.validity_years.years());
    let latest = if profile.document.expiry_is_day_before { latest.saturating_sub(1.day()) } else { latest };
    let expires = order.issue.expiry.unwrap_or(latest);
    if expires <= issued || expires > latest {
        return Err(PlanError::Expiry { latest });
    }
    if order.holder.birth_date.earliest().is_some_and(|birth| birth > issued) {
        return Err(PlanError::Birth { issued });
    }
    Ok((issued, expires))
}

fn machine_readable_zone(order: &Order, profile: &Profile, expires: Day) -> Result<(Mrz, bool), PlanError> {
    let holder = &order.holder;
    let policy = profile.names.transliteration.policy();
    let letters =
        |field, text: &str| transliteration::arabic(text, policy).map_err(|letter| PlanError::Letter { field, letter });
    let given = letters("holder.given_names", &holder.given_names)?;
    let surname = holder.surname.as_deref().map(|surname| letters("holder.surname", surname)).transpose()?;
    let name = holder_name(surname.as_deref(), &given, profile.names.no_surname.policy(), NAME_WIDTH)?;
    let document = &profile.document;
    let td1 = Td1 {
        document_code: document.code.clone(),
        issuing_state: document.state.clone(),
        document_number: order.document_number.clone(),
        optional_1: order.national_number.clone(),
        birth: MrzDate::from(partial(holder.birth_date)?),
        sex: match holder.sex {
            Sex::F => mrz::Sex::Female,
            Sex::M => mrz::Sex::Male,
            Sex::X => mrz::Sex::Unspecified,
        },
        expiry: MrzDate::from(whole(expires)?),
        nationality: document.nationality.clone(),
        optional_2: String::new(),
        name: name.text,
    };
    Ok((td1.to_mrz()?, name.truncated))
}

fn partial(date: PartialDate) -> Result<Date, DateError> {
    let part = |part: Option<i8>| part.and_then(|part| u8::try_from(part).ok());
    Date::partial(u16::try_from(date.year()).ok(), part(date.month()), part(date.day()))
}

fn whole(day: Day) -> Result<Date, DateError> {
    let part = |part: i8| u8::try_from(part).unwrap_or_default();
    Date::new(u16::try_from(day.year()).unwrap_or_default(), part(day.month()), part(day.day()))
}

fn dg2(face: &Face, profile: &Profile) -> Result<Dg2, PlanError> {
    let coded = CodedFace::new(face.coded.clone())?;
    Ok(Dg2::new(match profile.portrait.record {
        PortraitRecord::Iso19794 => coded,
        PortraitRecord::Iso39794 => coded.in_iso39794(),
    }))
}

fn dg11(order: &Order) -> Result<Dg11, PlanError> {
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

fn dg12(order: &Order, profile: &Profile, issued: Day, made_at: Timestamp) -> Result<Dg12, PlanError> {
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

fn dg13(order: &Order, profile: &Profile) -> Dg13 {
    let mut group = Dg13::new();
    for field in &profile.dg13.fields {
        if let Some((field, value)) = civil_fact(order, *field) {
            group.set(field, value);
        }
    }
    group
}

fn citizen(order: &Order, eid: &Eid) -> Result<Wanted, PlanError> {
    let holder = CertificateHolder::of(order).map_err(|field| PlanError::CertificateName { field })?;
    let residence = order.residence.as_ref().map(|residence| residence_record(order, residence)).transpose()?;
    Ok(Wanted { holder, keys: eid.keys(), residence })
}

fn residence_record(order: &Order, entry: &order::Residence) -> Result<Residence, PlanError> {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let address = Address {
        governorate: entry.governorate.clone(),
        district: part(&entry.district),
        sub_district: part(&entry.sub_district),
        quarter: part(&entry.quarter),
        lane: part(&entry.lane),
        house: part(&entry.house),
    };
    let record = Residence {
        national_number: order.national_number.clone(),
        date: whole(entry.date)?,
        office: entry.office.clone(),
        address,
    };
    // Whoever reads the card must be able to read it.
    match Residence::parse(&record.to_bytes()) {
        Ok(_) => Ok(record),
        Err(source) => Err(PlanError::Residence { source }),
    }
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

fn pace_infos(profile: &Profile) -> Vec<SecurityInfo> {
    let info = |suite: &Suite| SecurityInfo::pace(&suite.oid(), suite.group.parameter_id());
    profile.access.suites().iter().map(info).collect()
}

fn dg14(profile: &Profile, keys: &ChipKeys) -> Dg14 {
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
fn card_security(profile: &Profile, key: &ChipKey) -> SecurityInfos {
    let key = SecurityInfo::chip_authentication_public_key(key.public(), None);
    SecurityInfos::new(pace_infos(profile).into_iter().chain([key]).collect())
}

/// The list of hashes that the document signer signs: over the very bytes that are written.
fn security_object(profile: &Profile, groups: &[PlannedFile]) -> Result<Vec<u8>, ErrorStack> {
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

/// Whom the card believes, and the day it takes for the current one: that of its making.
fn terminal_trust(profile: &Profile, made_at: Timestamp) -> Result<Option<Vec<u8>>, CvcError> {
    let points = profile.eac.as_ref().map(Eac::points).unwrap_or_default();
    if points.is_empty() {
        return Ok(None);
    }
    let trust = Trust { points: points.to_vec(), today: made_at.to_zoned(TimeZone::UTC).date() };
    trust.to_bytes().map(Some)
}

fn secrets(mrz: &Mrz, inputs: &Inputs<'_>) -> Secrets {
    let keys = inputs.keys;
    Secrets {
        mrz_information: Secret::new(mrz.information().into_bytes()),
        access_number: inputs.access_number.clone(),
        chip_key: keys.chip.to_chip(),
        mapping_key: keys.mapping.as_ref().map(ChipKey::to_chip),
        active_key: keys.active.clone(),
    }
}

impl Plan {
    /// The files, in the order in which they are written; EF.SOD is not yet among them.
    pub fn files(&self) -> &[PlannedFile] {
        &self.files
    }

    /// The moment of production.
    pub fn made_at(&self) -> Timestamp {
        self.made_at
    }

    /// The LDSSecurityObject (DER) that the document signer signs.
    pub fn security_object(&self) -> &[u8] {
        &self.security_object
    }

    /// The SecurityInfos (DER) of EF.CardSecurity, which the document signer signs too, where the profile has it.
    pub fn card_security(&self) -> Option<&[u8]> {
        self.card_security.as_deref()
    }

    /// The access number as it is printed: nothing on a card that it does not open.
    pub fn printed_access_number(&self) -> &str {
        if self.applet.is_some() { "" } else { self.secrets.access_number.expose() }
    }

    /// The access number.
    pub fn access_number(&self) -> &CardAccessNumber {
        &self.secrets.access_number
    }

    /// Bytes of one block that is written.
    pub fn block_size(&self) -> usize {
        self.block_size
    }

    /// The key of Active Authentication.
    pub(crate) fn active_key(&self) -> Option<&ActiveKey> {
        self.secrets.active_key.as_deref()
    }

    /// The password with which the card is read back.
    pub fn password(&self) -> Password {
        Password::Can(Secret::from(self.secrets.access_number.expose().as_bytes()))
    }

    /// What the citizen application gets.
    pub(crate) fn citizen(&self) -> Option<&Wanted> {
        self.citizen.as_ref()
    }

    /// First and last day, as files have them.
    pub(crate) fn days(&self) -> Result<(Date, Date), PlanError> {
        Ok((whole(self.issued)?, whole(self.expires)?))
    }

    /// Most bytes of a data object with its command, where the card has such a limit.
    pub(crate) fn largest_object(&self) -> Option<usize> {
        self.largest_object
    }

    /// A plan of a card that is no travel document: there is nothing to sign.
    pub(crate) fn unsigned(self) -> SignedPlan {
        SignedPlan { plan: self, security_object_file: Vec::new(), card_security_file: None, citizen: None }
    }

    /// Puts the signatures (CMS ContentInfo) beside the plan: that of the security object, and that of EF.CardSecurity.
    pub fn signed(self, cms: &[u8], card_security: Option<Vec<u8>>) -> SignedPlan {
        SignedPlan {
            plan: self,
            security_object_file: sod::wrap(cms),
            card_security_file: card_security,
            citizen: None,
        }
    }

    fn check_capacity(&self, profile: &Profile) -> Result<(), PlanError> {
        let files: usize = self.files.iter().map(|planned| planned.bytes.len()).sum();
        let card_security = self.card_security.as_ref().map_or(0, |infos| infos.len() + SIGNATURE_ALLOWANCE);
        let needed = files + self.security_object.len() + SIGNATURE_ALLOWANCE + card_security;
        let portrait = self.files.iter().find(|planned| planned.file.data_group == Some(2));
        if needed <= profile.card.capacity {
            return Ok(());
        }
        Err(PlanError::Capacity {
            needed,
            capacity: profile.card.capacity,
            portrait: portrait.map_or(0, |planned| planned.bytes.len()),
        })
    }
}

impl Plan {
    /// The data groupings with secrets, in the order in which they are written.
    fn secret_names(&self) -> impl Iterator<Item = (u16, &'static str)> {
        let Secrets { mapping_key, active_key, .. } = &self.secrets;
        let usual = [
            (MRZ_INFORMATION, "MRZ_information"),
            (CAN, "access number"),
            (CHIP_AUTHENTICATION_KEY, "chip authentication key"),
        ];
        let mapping = mapping_key.as_ref().map(|_| (MAPPING_KEY, "key of chip authentication mapping"));
        let active = active_key.as_ref().map(|_| (ACTIVE_AUTHENTICATION_KEY, "active authentication key"));
        usual.into_iter().chain(mapping).chain(active)
    }
}

impl SignedPlan {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The same with what is written into the citizen application.
    pub(crate) fn with_citizen(self, citizen: Option<CitizenPlan>) -> Self {
        SignedPlan { citizen, ..self }
    }

    /// What is written into the citizen application, but for the certificates.
    pub(crate) fn citizen(&self) -> Option<&CitizenPlan> {
        self.citizen.as_ref()
    }

    /// Every file to be written and read back, EF.SOD last.
    pub fn files(&self) -> Vec<PlannedFile> {
        let sod = PlannedFile { file: &EF_SOD, bytes: self.security_object_file.clone() };
        let sod = (!self.security_object_file.is_empty()).then_some(sod);
        let card_security = self.card_security_file.clone();
        let card_security = card_security.map(|bytes| PlannedFile { file: &EF_CARD_SECURITY, bytes });
        self.plan.files.iter().cloned().chain(card_security).chain(sod).collect()
    }

    /// Bytes of all files.
    pub fn size(&self) -> usize {
        self.files().iter().map(|planned| planned.bytes.len()).sum()
    }

    /// SHA-256 over EF.SOD.
    pub fn security_object_digest(&self) -> [u8; 32] {
        sha256(&self.security_object_file)
    }

    /// The data groupings of the files, plain, and of what the card shall know of terminals.
    pub fn file_groups(&self) -> Vec<Dgi> {
        let files = self.files().into_iter().map(|planned| Dgi::new(number_of(planned.file), planned.bytes));
        let trust = self.plan.terminal_trust.iter().map(|trust| Dgi::new(TERMINAL_TRUST, trust.as_slice()));
        files.chain(trust).collect()
    }

    /// The data groupings that are enciphered before they are written.
    pub fn secret_groups(&self) -> Vec<Dgi> {
        let secrets = &self.plan.secrets;
        let mapping_key = secrets.mapping_key.as_ref().map(|key| Dgi::new(MAPPING_KEY, key.to_bytes().to_vec()));
        let active_key = secrets.active_key.as_ref().map(|key| (ACTIVE_AUTHENTICATION_KEY, key.to_chip().to_bytes()));
        let mut groups = vec![
            Dgi::new(MRZ_INFORMATION, secrets.mrz_information.expose()),
            Dgi::new(CAN, secrets.access_number.expose().as_bytes()),
            Dgi::new(CHIP_AUTHENTICATION_KEY, secrets.chip_key.to_bytes().to_vec()),
        ];
        groups.extend(mapping_key);
        groups.extend(active_key.map(|(id, key)| Dgi::new(id, key.to_vec())));
        groups
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plan({}, {} files)", self.document_number, self.files.len())
    }
}

impl fmt::Debug for SignedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedPlan({})", self.plan.document_number)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "document {} by profile {}", self.document_number, self.profile)?;
        writeln!(f, "  issued {}, valid to {}", self.issued, self.expires)?;
        for line in self.mrz.lines() {
            writeln!(f, "  {line}")?;
        }
        if self.name_truncated {
            writeln!(f, "  the name is truncated in the MRZ")?;
        }
        if self.residence_left_out {
            writeln!(f, "  the residence is left out: cards of this profile have no place for its record")?;
        }
        if !self.files.is_empty() {
            writeln!(f, "files")?;
        }
        for planned in &self.files {
            let PlannedFile { file, bytes } = planned;
            writeln!(
                f,
                "  {:04X} {:<13} {:>6} bytes  {}",
                file.id,
                file.name,
                bytes.len(),
                hex::encode(sha256(bytes))
            )?;
        }
        if let Some(infos) = &self.card_security {
            let number = number_of(&EF_CARD_SECURITY);
            writeln!(f, "  {number:04X} {} signature over {} bytes", EF_CARD_SECURITY.name, infos.len())?;
        }
        if !self.files.is_empty() {
            writeln!(f, "  {:04X} {:<13} signature over {} bytes", EF_SOD.id, EF_SOD.name, self.security_object.len())?;
        }
        if let Some(trust) = &self.terminal_trust {
            writeln!(
                f,
                "  {TERMINAL_TRUST:04X} {:<13} {:>6} bytes  the authority of terminals, and the day",
                "",
                trust.len()
            )?;
        }
        let steps = match self.applet {
            Some(applet) => applet.dialect().steps(self),
            None => {
                let named: Vec<_> = self.secret_names().map(|(id, name)| format!("{id:04X} {name}")).collect();
                writeln!(f, "secrets, enciphered under the card's data encryption key")?;
                writeln!(f, "  {}", named.join(", "))?;
                self.steps()
            }
        };
        writeln!(f, "steps")?;
        for (index, step) in steps.iter().enumerate() {
            writeln!(f, "  {:>2}. {step}", index + 1)?;
        }
        Ok(())
    }
}

impl Plan {
    /// The steps on a card of this project, for people.
    fn steps(&self) -> Vec<String> {
        let blocks = self.files.iter().map(|planned| planned.bytes.len() + 5).sum::<usize>().div_ceil(self.block_size);
        let rotation = self.issuer_keys.map(|version| {
            format!("PUT KEY version {version:02X}, a channel under these keys, DELETE those that the chip came with")
        });
        let before = [
            format!("SELECT {}, GET DATA 9F7F 0045", Aid::issuer_domain()),
            "INITIALIZE UPDATE, EXTERNAL AUTHENTICATE".to_owned(),
            "GET STATUS: application SELECTABLE, no binding".to_owned(),
            "STORE DATA 45: bind the chip to this document".to_owned(),
        ];
        let keys = self.citizen.iter().flat_map(|wanted| &wanted.keys);
        let keys = keys.map(|(key, algorithm)| format!("{:02X} {algorithm:?}", *key as u8));
        let keys = keys.collect::<Vec<_>>().join(", ");
        let citizen = self.citizen.as_ref().map(|wanted| {
            let residence = if wanted.residence.is_some() { ", residence record" } else { "" };
            [
                format!("SELECT {}, a channel on it, GENERATE {keys}", eid::Application::Piv.aid()),
                "a PIN for the moment, the card proves each key: it signs a certificate request, or agrees on a secret"
                    .to_owned(),
                "citizen CA: a certificate for each key".to_owned(),
                format!(
                    "PUT DATA capability container, CHUID, discovery object, security object, certificates, card status{residence}"
                ),
            ]
        });
        let delivered = self.citizen.as_ref().map(|_| {
            [
                "read back the citizen application: objects, certificates, no key works".to_owned(),
                "transport PIN and PUK, and their letter".to_owned(),
                "SET STATUS citizen applications PERSONALIZED".to_owned(),
            ]
        });
        let after = [
            format!("INSTALL [for personalization] {}", Aid::emrtd()),
            format!(
                "STORE DATA {}, enciphered",
                self.secret_names().map(|(id, _)| format!("{id:04X}")).collect::<Vec<_>>().join(" ")
            ),
            format!(
                "STORE DATA files and EF.SOD, {blocks} blocks and those of the signature, {} bytes each",
                self.block_size
            ),
            "SET STATUS application PERSONALIZED".to_owned(),
            match &self.secrets.active_key {
                None => "read back: PACE with the access number, all files, chip authentication; judge".to_owned(),
                Some(_) => "read back: PACE with the access number, all files, chip and active authentication; judge"
                    .to_owned(),
            },
        ];
        let last = "SET STATUS card SECURED".to_owned();
        let steps = before.into_iter().chain(rotation).chain(citizen.into_iter().flatten()).chain(after);
        steps.chain(delivered.into_iter().flatten()).chain([last]).collect()
    }
}
