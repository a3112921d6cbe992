//! The plan of one card: order x profile x time x chip key -> bytes. Pure: the same arguments give the same plan.
//!
//! ```text
//! order, profile --plan--> Plan --sign--> SignedPlan --> data groupings 8001..8005 (enciphered), files
//! ```
//!
//! [`Plan`]'s `Display` is what `--dry-run` prints: files with sizes and digests, steps, sizes on the card; no access
//! number, no key.

mod error;
mod groups;
mod shown;
mod signed;

use std::fmt;
use std::sync::Arc;

use channel::cvc::CvcError;
use channel::password::Password;
use channel::secret::Secret;
use channel::terminal_auth::Trust;
use eid::residence::{Address, Residence};
use jiff::civil::Date as Day;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use lds::com::Com;
use lds::date::{Date, DateError};
use lds::dg::dg01::Dg1;
use lds::dg::dg15::Dg15;
use lds::files::{EF_CARD_ACCESS, EF_COM, File, data_group};
use lds::globalplatform::ChipAuthenticationKey;
use lds::mrz::{self, Mrz, MrzDate, Td1, holder_name};
use lds::security_infos::SecurityInfos;
use lds::transliteration;

pub use self::error::PlanError;
use self::groups::{card_security, dg2, dg11, dg12, dg13, dg14, pace_infos, security_object};
pub use self::signed::SignedPlan;
use crate::applet::Applet;
use crate::citizen::{CertificateHolder, Wanted};
use crate::keys::{ActiveKey, ChipKey, ChipKeys};
use crate::order::{self, CardAccessNumber, Order, PartialDate, Sex};
use crate::portrait::Face;
use crate::profile::{Eac, Eid, LdsVersion, Profile};

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

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plan({}, {} files)", self.document_number, self.files.len())
    }
}
