//! What stands in the document: numbers, names, data groups, portrait.

use serde::Deserialize;

/// Numbers, validity, issuing state.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Issuing state in the MRZ, three letters.
    pub state: String,
    /// Nationality in the MRZ, three letters.
    pub nationality: String,
    /// Document code, `I` and one more letter or `<`.
    pub code: String,
    /// First letters a document number may have; any when empty.
    pub series: Vec<String>,
    /// Digits of the national number.
    pub national_number_digits: usize,
    /// Years from issue to expiry.
    pub validity_years: i16,
    /// True when the last day of validity is the day before the anniversary.
    pub expiry_is_day_before: bool,
    /// Time zone of the date of issue (IANA name), for orders that leave it to the day of production.
    pub time_zone: String,
}

/// How names become MRZ letters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// Which table is used.
    pub transliteration: Transliteration,
    /// How a holder without surname is written.
    pub no_surname: NoSurname,
}

/// How a holder without surname is written in the MRZ (9303-3 §4.6; the issuing State decides).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoSurname {
    /// The given name becomes the primary identifier.
    GivenAsPrimary,
    /// Such orders are refused.
    Refuse,
}

impl NoSurname {
    /// The policy as `lds` names it.
    pub fn policy(self) -> lds::mrz::NoSurname {
        match self {
            NoSurname::GivenAsPrimary => lds::mrz::NoSurname::GivenAsPrimary,
            NoSurname::Refuse => lds::mrz::NoSurname::Refuse,
        }
    }
}

/// Table of letters (9303-3 §6.C).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transliteration {
    /// The table as it stands: a letter it lacks is an error.
    Strict,
    /// With the project's labelled extension for five Kurdish letters.
    KurdishExtension,
}

impl Transliteration {
    /// The policy as `lds` names it.
    pub fn policy(self) -> lds::transliteration::Policy {
        match self {
            Transliteration::Strict => lds::transliteration::Policy::Strict,
            Transliteration::KurdishExtension => lds::transliteration::Policy::KurdishExtension,
        }
    }
}

/// The logical data structure.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lds {
    /// Version written in EF.COM or the security object.
    pub version: LdsVersion,
    /// Hash of the data groups.
    pub hash: Hash,
    /// Data groups to write, by number.
    pub data_groups: Vec<u8>,
}

/// LDS version (9303-10 §4.6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub enum LdsVersion {
    /// 0107.
    #[serde(rename = "1.7")]
    V1_7,
    /// 0108: the security object carries the version too.
    #[serde(rename = "1.8")]
    V1_8,
}

/// Hash of the data groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// The face in DG2.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portrait {
    /// Coding.
    pub format: PortraitFormat,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Largest coded size in bytes.
    pub max_bytes: usize,
    /// The record it stands in.
    #[serde(default)]
    pub record: PortraitRecord,
}

/// The record that holds the face in DG2.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub enum PortraitRecord {
    /// ISO/IEC 19794-5:2005, which every reader knows.
    #[default]
    #[serde(rename = "19794-5")]
    Iso19794,
    /// ISO/IEC 39794-5:2019, which readers of today begin to know.
    #[serde(rename = "39794-5")]
    Iso39794,
}

/// Coding of the face in DG2.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortraitFormat {
    /// JPEG.
    Jpeg,
    /// JPEG 2000.
    Jpeg2000,
}

/// Personalization details.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dg12 {
    /// Serial number of the personalization system.
    pub system: String,
}

/// The national data group.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dg13 {
    /// Which facts of the civil register are written.
    pub fields: Vec<CivilField>,
}

/// A fact of the civil register that DG13 can hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CivilField {
    /// Office code.
    Office,
    /// Register number.
    Register,
    /// Page number.
    Page,
    /// Current family number.
    FamilyNumber,
    /// Family number at birth.
    BirthFamilyNumber,
    /// Blood group.
    BloodGroup,
    /// Legal clause of nationality.
    NationalityClause,
    /// Father's place of birth.
    FatherBirthPlace,
    /// Mother's place of birth.
    MotherBirthPlace,
    /// Father's nationality.
    FatherNationality,
    /// Mother's nationality.
    MotherNationality,
}
