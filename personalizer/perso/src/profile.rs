//! Card profiles: everything about a card that is policy and not protocol, as TOML.
//!
//! The profiles of the toolkit are compiled in; a file of the centre's own may override any value:
//!
//! ```toml
//! extends = "specimen-uto"
//! [document]
//! validity_years = 5
//! ```
//!
//! Unknown keys are refused at every level, so a misspelt override cannot pass for one.

use std::path::Path;
use std::str::FromStr;

use channel::cvc::chain::TrustPoint;
use channel::cvc::{Reference, TerminalType};
use channel::key_set::{Diversification, MethodError};
use channel::pace::{self, Mapping};
use channel::scp03::{Counted, Options, SecurityLevel, Size};
use channel::suite::{Cipher, Curve};
use eid::keys::{Algorithm, KeyReference, ManagementAlgorithm};
use serde::Deserialize;
use toml::{Table, Value};

use crate::applet::Applet;

/// The version of the profile format.
pub const FORMAT: u32 = 1;

/// Name and source of the profiles that are compiled in.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("specimen-uto", include_str!("../../profiles/specimen-uto.toml")),
    ("specimen-uto-eid", include_str!("../../profiles/specimen-uto-eid.toml")),
    ("specimen-uto-pivapplet", include_str!("../../profiles/specimen-uto-pivapplet.toml")),
    ("specimen-uto-openfips201", include_str!("../../profiles/specimen-uto-openfips201.toml")),
    ("specimen-uto-jmrtd", include_str!("../../profiles/specimen-uto-jmrtd.toml")),
    ("specimen-uto-eac", include_str!("../../profiles/specimen-uto-eac.toml")),
    ("specimen-uto-full", include_str!("../../profiles/specimen-uto-full.toml")),
    ("specimen-uto-cam", include_str!("../../profiles/specimen-uto-cam.toml")),
    ("iq-nid-compat", include_str!("../../profiles/iq-nid-compat.toml")),
];

/// More SCP03 attempts with a wrong cryptogram than this are never made on one chip.
pub const ATTEMPTS_CAP: u32 = 3;

/// A card profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of this format.
    pub format: u32,
    /// Name, as given on the command line.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Numbers, validity, issuing state.
    pub document: Document,
    /// How names become MRZ letters.
    pub names: Names,
    /// The logical data structure.
    pub lds: Lds,
    /// PACE.
    pub access: Access,
    /// Chip Authentication.
    pub chip_authentication: Suite,
    /// Active Authentication; without it no DG15 is written.
    pub active_authentication: Option<ActiveAuthentication>,
    /// The face in DG2.
    pub portrait: Portrait,
    /// The blank.
    pub card: Card,
    /// The issuer's keys; without them a card keeps the keys it came with.
    pub keys: Option<Keys>,
    /// The citizen application; without it nothing is written there.
    pub eid: Option<Eid>,
    /// Terminal Authentication; without it the card believes no terminal, and has no fingers.
    pub eac: Option<Eac>,
    /// Personalization details.
    pub dg12: Dg12,
    /// The national data group.
    pub dg13: Dg13,
    /// Templates of the printed faces.
    pub faces: Faces,
}

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

/// PACE: curve and cipher, and what it is offered with.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    curve: CurveName,
    cipher: CipherName,
    /// Whether chip authentication mapping is offered beside generic mapping; EF.CardSecurity then holds the chip's key for it.
    #[serde(default)]
    pub chip_authentication_mapping: bool,
}

impl Access {
    /// The curve of the key agreement.
    pub fn curve(self) -> Curve {
        self.curve.curve()
    }

    /// The cipher of the session.
    pub fn cipher(self) -> Cipher {
        self.cipher.cipher()
    }

    /// What EF.CardAccess offers, the mapping that every terminal knows first.
    pub fn suites(self) -> Vec<pace::Suite> {
        let of = |mapping| pace::Suite { mapping, group: self.curve().into(), cipher: self.cipher() };
        let mapped = self.chip_authentication_mapping.then_some(Mapping::ChipAuthentication);
        [Mapping::Generic].into_iter().chain(mapped).map(of).collect()
    }
}

/// Active Authentication (9303-11 §6.1).
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActiveAuthentication {
    /// The key in DG15.
    pub key: ActiveKeyKind,
}

/// The kinds of key that a chip signs with. The hash is SHA-256, or SHA-384 with P-384.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub enum ActiveKeyKind {
    /// RSA with 1024 bits: all that some applets take, and nothing for new cards of this project.
    #[serde(rename = "RSA-1024")]
    Rsa1024,
    /// RSA with 2048 bits; its signatures need extended length.
    #[serde(rename = "RSA-2048")]
    Rsa2048,
    /// RSA with 3072 bits; its signatures need extended length.
    #[serde(rename = "RSA-3072")]
    Rsa3072,
    /// ECDSA over P-256.
    #[serde(rename = "P-256")]
    P256,
    /// ECDSA over P-384.
    #[serde(rename = "P-384")]
    P384,
    /// ECDSA over brainpoolP256r1.
    #[serde(rename = "brainpoolP256r1")]
    BrainpoolP256r1,
}

/// Curve and cipher of a protocol.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Key agreement.
    curve: CurveName,
    /// Session cipher.
    cipher: CipherName,
}

impl Suite {
    /// The curve of the key agreement.
    pub fn curve(self) -> Curve {
        self.curve.curve()
    }

    /// The cipher of the session.
    pub fn cipher(self) -> Cipher {
        self.cipher.cipher()
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum CurveName {
    #[serde(rename = "P-256")]
    P256,
    #[serde(rename = "P-384")]
    P384,
    #[serde(rename = "brainpoolP256r1")]
    BrainpoolP256r1,
}

impl CurveName {
    fn curve(self) -> Curve {
        match self {
            CurveName::P256 => Curve::P256,
            CurveName::P384 => Curve::P384,
            CurveName::BrainpoolP256r1 => Curve::BrainpoolP256r1,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum CipherName {
    #[serde(rename = "AES-128")]
    Aes128,
    #[serde(rename = "AES-192")]
    Aes192,
    #[serde(rename = "AES-256")]
    Aes256,
}

impl CipherName {
    fn cipher(self) -> Cipher {
        match self {
            CipherName::Aes128 => Cipher::Aes128,
            CipherName::Aes192 => Cipher::Aes192,
            CipherName::Aes256 => Cipher::Aes256,
        }
    }
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

/// Which terminals the card will believe (TR-03110 EAC1).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eac {
    /// Country and mnemonic of the country verifying CA of inspection systems, whose certificate the program is given with
    /// `--cvca`.
    pub authority: String,
    /// The same of the country verifying CA of residence offices, which replace the residence record; without it nobody but the
    /// issuer does.
    pub residence_authority: Option<String>,
    /// Its trust points, the newest first; see [`Profile::believe`].
    #[serde(skip)]
    points: Vec<TrustPoint>,
}

impl Eac {
    /// The trust points that cards get.
    pub fn points(&self) -> &[TrustPoint] {
        &self.points
    }

    /// Whom the travel document believes, and so names in EF.CVCA.
    pub fn inspection_points(&self) -> impl Iterator<Item = &TrustPoint> {
        self.points.iter().filter(|point| type_of(point) == TerminalType::Inspection)
    }

    /// The authority that cards believe for terminals of a type.
    fn authority_of(&self, terminal_type: TerminalType) -> Option<&str> {
        match terminal_type {
            TerminalType::Inspection => Some(&self.authority),
            TerminalType::Authentication => self.residence_authority.as_deref(),
            TerminalType::Signature => None,
        }
    }
}

fn type_of(point: &TrustPoint) -> TerminalType {
    point.certificate().body().chat.terminal_type()
}

/// Why a card cannot be made to believe a country verifying CA.
#[derive(Debug, thiserror::Error)]
pub enum BeliefError {
    /// The profile has no such table.
    #[error("the profile has no table [eac]: its cards believe no terminal")]
    NotAsked,
    /// Another CA.
    #[error(
        "the certificate for terminals of type {terminal_type} is that of {found}; the profile's cards believe {expected}"
    )]
    OtherAuthority {
        /// The type of terminals that it is for.
        terminal_type: &'static str,
        /// Whose certificate it is.
        found: String,
        /// Country and mnemonic of the profile.
        expected: String,
    },
    /// None, or too many.
    #[error("a card takes one or two certificates of {authority}, not {found}")]
    Count {
        /// Country and mnemonic of the profile.
        authority: String,
        /// How many were given.
        found: usize,
    },
}

/// The blank and how it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Version of the keys the blank arrives with.
    pub key_version: u8,
    /// How the blank's keys come from what its maker told.
    #[serde(default)]
    pub key_derivation: KeyDerivation,
    /// Security level of the channel (GPCS Amendment D §7.1.2.2).
    security_level: u8,
    /// Data bytes in one STORE DATA.
    pub block_size: usize,
    /// Bytes of SCP03's challenges, cryptograms and MACs: 8, or 16 (S16).
    #[serde(default = "eight")]
    pub proofs: u8,
    /// Which commands move SCP03's encryption counter.
    #[serde(default)]
    pub counts: Counts,
    /// Bytes of files that fit in the chip.
    pub capacity: usize,
    /// Openings of the channel with a wrong cryptogram before a chip is left alone.
    pub attempts: u32,
    /// The applet of other people that the cards have; without it they are cards of this project.
    pub applet: Option<Applet>,
    /// Most bytes of a data object with its command, where the applet has a limit.
    pub largest_object: Option<usize>,
    /// Of which kind the issuer's management key of PivApplet is.
    #[serde(default)]
    pub management: ManagementCipher,
}

/// The kind of a management key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub enum ManagementCipher {
    /// Triple DES: what most builds of PivApplet have.
    #[default]
    #[serde(rename = "3DES")]
    TripleDes,
    /// AES with 128 bits.
    #[serde(rename = "AES-128")]
    Aes128,
    /// AES with 256 bits.
    #[serde(rename = "AES-256")]
    Aes256,
}

impl ManagementCipher {
    /// As the card's language has it.
    pub(crate) fn algorithm(self) -> ManagementAlgorithm {
        match self {
            ManagementCipher::TripleDes => ManagementAlgorithm::TripleDes,
            ManagementCipher::Aes128 => ManagementAlgorithm::Aes128,
            ManagementCipher::Aes256 => ManagementAlgorithm::Aes256,
        }
    }
}

impl Card {
    /// How the channel is held.
    pub fn channel(&self) -> Options {
        Options {
            level: SecurityLevel::from_byte(self.security_level).unwrap_or(SecurityLevel::Full),
            size: if self.proofs == 16 { Size::S16 } else { Size::S8 },
            counted: match self.counts {
                Counts::EveryCommand => Counted::EveryCommand,
                Counts::CommandsWithData => Counted::CommandsWithData,
            },
        }
    }
}

/// Which commands move the encryption counter of SCP03.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counts {
    /// Every one, as the standard has it.
    #[default]
    EveryCommand,
    /// Only those with data: some cards of the field.
    CommandsWithData,
}

fn eight() -> u8 {
    8
}

/// The issuer's keys, which take the place of those that a blank came with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Their version.
    pub version: u8,
    /// Whether each card has keys of its own, made from a master key.
    pub derivation: KeyDerivation,
}

/// How the keys of a card come from what the issuer has: `none`, the same three keys on every card, or the method by which they are
/// made from a master key and the chip's key diversification data ([`Diversification`], by name or as a template).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyDerivation(Option<Diversification>);

impl KeyDerivation {
    /// How a card's keys are made from a master key; `None` when they are not.
    pub fn method(self) -> Option<Diversification> {
        self.0
    }
}

impl FromStr for KeyDerivation {
    type Err = MethodError;

    fn from_str(text: &str) -> Result<Self, MethodError> {
        let method = (text != "none").then(|| text.parse());
        Ok(KeyDerivation(method.transpose()?))
    }
}

impl TryFrom<String> for KeyDerivation {
    type Error = MethodError;

    fn try_from(text: String) -> Result<Self, MethodError> {
        text.parse()
    }
}

/// The citizen application (PIV) beside the travel document.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eid {
    keys: Vec<EidKey>,
    #[serde(default)]
    algorithms: EidAlgorithms,
}

impl Eid {
    /// The keys that are made on the card, each with a certificate of the citizen CA.
    pub fn keys(&self) -> Vec<(KeyReference, Algorithm)> {
        let EidAlgorithms { authentication, signature, key_management } = self.algorithms;
        let of = |key: &EidKey| match key {
            EidKey::Authentication => (KeyReference::Authentication, authentication),
            EidKey::Signature => (KeyReference::Signature, signature),
            EidKey::KeyManagement => (KeyReference::KeyManagement, key_management),
        };
        self.keys.iter().map(of).map(|(key, algorithm)| (key, algorithm.algorithm())).collect()
    }
}

/// What each key is; P-256 where nothing is said.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct EidAlgorithms {
    authentication: EidAlgorithm,
    signature: EidAlgorithm,
    key_management: EidAlgorithm,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum EidAlgorithm {
    #[default]
    #[serde(rename = "P-256")]
    P256,
    #[serde(rename = "P-384")]
    P384,
    #[serde(rename = "RSA-2048")]
    Rsa2048,
    #[serde(rename = "RSA-3072")]
    Rsa3072,
}

impl EidAlgorithm {
    fn algorithm(self) -> Algorithm {
        match self {
            EidAlgorithm::P256 => Algorithm::P256,
            EidAlgorithm::P384 => Algorithm::P384,
            EidAlgorithm::Rsa2048 => Algorithm::Rsa2048,
            EidAlgorithm::Rsa3072 => Algorithm::Rsa3072,
        }
    }
}

/// A key of the holder that gets a certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EidKey {
    /// `9A`.
    Authentication,
    /// `9C`.
    Signature,
    /// `9D`.
    KeyManagement,
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

/// Templates of the printed faces: a name of the toolkit's own, or a path.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faces {
    /// Front.
    pub front: String,
    /// Back.
    pub back: String,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Neither the name of an embedded profile nor a file.
    #[error("there is no profile {name}")]
    NotFound {
        /// What was asked for.
        name: String,
    },
    /// The file cannot be read.
    #[error("profile {name}: {source}")]
    Unreadable {
        /// The file.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("profile {name}: {source}")]
    Format {
        /// The profile.
        name: String,
        /// What the TOML reader said.
        source: Box<toml::de::Error>,
    },
    /// A profile format of another version.
    #[error("profile {name} has format {found}; this version reads format {FORMAT}")]
    Version {
        /// The profile.
        name: String,
        /// The version found.
        found: u32,
    },
    /// A value that cannot be used.
    #[error("profile {name}: {key} must be {expected}")]
    Value {
        /// The profile.
        name: String,
        /// The key with its table.
        key: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl Profile {
    /// The embedded profile of that name, or the profile in that file.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        if let Some((_, source)) = EMBEDDED.iter().find(|(known, _)| *known == name) {
            return Self::parse(name, source);
        }
        let path = Path::new(name);
        if !path.is_file() {
            return Err(ProfileError::NotFound { name: name.to_owned() });
        }
        let unreadable = |source| ProfileError::Unreadable { name: name.to_owned(), source };
        Self::parse(name, &std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Reads a profile; `name` is used in messages.
    ///
    /// # Errors
    /// When it is not a profile or a value cannot be used.
    pub fn parse(name: &str, source: &str) -> Result<Self, ProfileError> {
        let format = |source| ProfileError::Format { name: name.to_owned(), source: Box::new(source) };
        let table = whole(name, source)?;
        let profile: Profile = table.try_into().map_err(format)?;
        profile.check(name)?;
        Ok(profile)
    }

    /// The same profile, whose cards believe these trust points, of each authority the newest first.
    ///
    /// # Errors
    /// When the profile has no table `[eac]`, a certificate is that of another authority, or an authority has none or more than
    /// two.
    pub fn believe(mut self, points: Vec<TrustPoint>) -> Result<Self, BeliefError> {
        let eac = self.eac.as_mut().ok_or(BeliefError::NotAsked)?;
        for point in &points {
            let found = point.certificate().body().holder.to_string();
            let expected = eac.authority_of(type_of(point));
            // The sequence number changes with each key.
            if expected.is_none() || found.len().checked_sub(5).and_then(|end| found.get(..end)) != expected {
                let terminal_type = type_of(point).name();
                let expected = expected.unwrap_or("none of them").to_owned();
                return Err(BeliefError::OtherAuthority { terminal_type, found, expected });
            }
        }
        for terminal_type in TerminalType::ALL {
            let found = points.iter().filter(|point| type_of(point) == terminal_type).count();
            if let Some(authority) = eac.authority_of(terminal_type).filter(|_| !matches!(found, 1 | 2)) {
                return Err(BeliefError::Count { authority: authority.to_owned(), found });
            }
        }
        eac.points = points;
        Ok(self)
    }

    /// False for cards that have the citizen application alone.
    pub fn is_travel_document(&self) -> bool {
        self.card.applet.is_none_or(|applet| applet.dialect().is_travel_document())
    }

    fn check(&self, name: &str) -> Result<(), ProfileError> {
        if self.format != FORMAT {
            return Err(ProfileError::Version { name: name.to_owned(), found: self.format });
        }
        let letters = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_uppercase());
        let code = |text: &str| text.len() == 2 && text.starts_with(['A', 'C', 'I']);
        let groups = &self.lds.data_groups;
        let other = |version: u8| (0x01..=0x7F).contains(&version) && version != self.card.key_version;
        let rules: [(bool, &'static str, &'static str); 19] = [
            (letters(&self.document.state, 3), "document.state", "three capital letters"),
            (letters(&self.document.nationality, 3), "document.nationality", "three capital letters"),
            (code(&self.document.code), "document.code", "two characters, the first of them A, C or I (9303-5)"),
            (
                (1..=15).contains(&self.document.validity_years),
                "document.validity_years",
                "between 1 and 15 (two-digit years are not unique beyond)",
            ),
            (
                (9..=15).contains(&self.document.national_number_digits),
                "document.national_number_digits",
                "between 9 and 15",
            ),
            (
                groups.iter().all(|group| [1, 2, 3, 11, 12, 13, 14, 15].contains(group)),
                "lds.data_groups",
                "numbers among 1, 2, 3, 11, 12, 13, 14, 15",
            ),
            (
                self.eac.is_some() || !groups.contains(&3),
                "lds.data_groups",
                "a list without 3: fingers are only for cards with the table [eac], which ask who reads them",
            ),
            (
                self.eac.as_ref().is_none_or(|eac| is_authority(&eac.authority) && self.card.applet.is_none()),
                "eac.authority",
                "country and mnemonic of the country verifying CA, such as UTISCVCA; on chips of this project only",
            ),
            (
                self.eac.as_ref().and_then(|eac| Some((eac, eac.residence_authority.as_ref()?))).is_none_or(
                    |(eac, offices)| is_authority(offices) && *offices != eac.authority && self.eid.is_some(),
                ),
                "eac.residence_authority",
                "country and mnemonic of another country verifying CA, such as UTATCVCA; for cards with the table [eid], which \
                 have a residence record",
            ),
            (
                !self.is_travel_document()
                    || [1, 2].iter().all(|group| groups.contains(group))
                        && (self.card.applet.is_some() || groups.contains(&14)),
                "lds.data_groups",
                "a list with 1, 2 and 14: MRZ, face and chip authentication are never left out",
            ),
            (
                self.active_authentication.is_some() == groups.contains(&15),
                "lds.data_groups",
                "a list with 15 when there is a table [active_authentication], and only then",
            ),
            (
                self.card.applet.is_some()
                    || self.active_authentication.is_none_or(|active| active.key != ActiveKeyKind::Rsa1024),
                "active_authentication.key",
                "\"P-256\", \"P-384\", \"brainpoolP256r1\", \"RSA-2048\" or \"RSA-3072\"; RSA-1024 is for applets that take nothing else",
            ),
            (
                self.card.security_level == 0x33
                    || self.card.security_level == 0x03
                    || self.card.security_level == 0x13,
                "card.security_level",
                "0x03, 0x13 or 0x33: commands are always encrypted",
            ),
            (matches!(self.card.proofs, 8 | 16), "card.proofs", "8 or 16"),
            (
                (16..=self.card.channel().short_data().min(239)).contains(&self.card.block_size),
                "card.block_size",
                "between 16 and 239, or 223 with proofs of 16 bytes",
            ),
            (
                self.keys.as_ref().is_none_or(|keys| other(keys.version)),
                "keys.version",
                "between 0x01 and 0x7F, and another than card.key_version",
            ),
            (
                self.eid
                    .as_ref()
                    .is_none_or(|eid| !eid.keys.is_empty() && eid.keys.is_sorted_by(|key, next| key < next)),
                "eid.keys",
                "one or more of \"authentication\", \"signature\", \"key-management\", in this order",
            ),
            ((1..=ATTEMPTS_CAP).contains(&self.card.attempts), "card.attempts", "between 1 and 3"),
            (
                (100..=4000).contains(&self.portrait.width)
                    && (100..=4000).contains(&self.portrait.height)
                    && (2_000..=60_000).contains(&self.portrait.max_bytes),
                "portrait",
                "100 to 4000 pixels a side and 2000 to 60000 bytes",
            ),
        ];
        let broken = rules.into_iter().find(|(holds, ..)| !holds).map(|(_, key, expected)| (key, expected));
        let broken = broken.or_else(|| self.card.applet.and_then(|applet| applet.dialect().misfit(self)));
        match broken {
            Some((key, expected)) => Err(ProfileError::Value { name: name.to_owned(), key, expected }),
            None => Ok(()),
        }
    }
}

/// Country and mnemonic, as in a certificate holder reference.
fn is_authority(name: &str) -> bool {
    name.split_at_checked(2).is_some_and(|(country, mnemonic)| Reference::new(country, mnemonic, "00000").is_ok())
}

/// A profile's table, over that of the embedded profile which it extends.
fn whole(name: &str, source: &str) -> Result<Table, ProfileError> {
    let format = |source| ProfileError::Format { name: name.to_owned(), source: Box::new(source) };
    let mut table: Table = source.parse().map_err(format)?;
    let Some(Value::String(base)) = table.remove("extends") else { return Ok(table) };
    let not_found = || ProfileError::NotFound { name: base.clone() };
    let (_, base_source) = EMBEDDED.iter().find(|(known, _)| *known == base).ok_or_else(not_found)?;
    // No embedded profile extends itself.
    let mut merged = whole(name, base_source)?;
    merge(&mut merged, table);
    Ok(merged)
}

/// Values of `over` replace those of `base`, table by table.
fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(values)) => merge(inner, values),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_embedded_profiles_load_under_their_names() {
        for (name, _) in EMBEDDED {
            let profile = Profile::load(name).unwrap();
            assert_eq!(profile.name, *name);
            assert!(profile.document.series.contains(&"ZZ".to_owned()));
        }
        assert_eq!(Profile::load("specimen-uto").unwrap().access.curve(), Curve::BrainpoolP256r1);
    }

    #[test]
    fn a_file_overrides_single_values() {
        let source = "extends = \"specimen-uto\"\nname = \"mine\"\n[document]\nvalidity_years = 5\n";
        let profile = Profile::parse("mine", source).unwrap();
        assert_eq!((profile.name.as_str(), profile.document.validity_years), ("mine", 5));
        assert_eq!(profile.document.state, "UTO");
    }

    #[test]
    fn misspelt_keys_and_unusable_values_are_refused() {
        for (line, expected) in [
            ("[document]\nvaliditie = 5", "unknown field"),
            ("[card]\nattempts = 4", "card.attempts must be between 1 and 3"),
            ("[keys]\nderivation = \"none\"\nversion = 0x30", "another than card.key_version"),
            ("[keys]\nderivation = \"kdf3\"\nversion = 0x80", "between 0x01 and 0x7F"),
            ("[keys]\n", "missing field `version`"),
            ("[keys]\nversion = 0x31\nderivation = \"guess\"", "\"guess\" is no method"),
            ("[keys]\nversion = 0x31\nderivation = \"$0 $k\"", "sixteen parts, this one has 2"),
            ("[eid]\nkeys = []", "eid.keys must be"),
            ("[eid]\nkeys = [\"signature\", \"authentication\"]", "in this order"),
            ("[eid]\nkeys = [\"signature\"]\nalgorithms = { signature = \"RSA-1024\" }", "unknown variant"),
            ("[active_authentication]\nkey = \"RSA-1000\"", "unknown variant"),
            ("[active_authentication]\nkey = \"P-256\"", "a list with 15"),
            ("[active_authentication]\nkey = \"RSA-1024\"\n[lds]\ndata_groups = [1, 2, 14, 15]", "applets"),
            ("[access]\nchip_authentication_mapping = \"yes\"", "expected a boolean"),
            ("[card]\nsecurity_level = 1", "commands are always encrypted"),
            ("[lds]\ndata_groups = [1, 2]", "never left out"),
            ("[lds]\ndata_groups = [1, 2, 4, 14]", "numbers among"),
            ("[lds]\ndata_groups = [1, 2, 3, 14]", "a list without 3"),
            ("[eac]\nauthority = \"cvca\"", "eac.authority must be"),
            ("[eac]\npoints = []", "unknown field"),
            ("[eac]\nauthority = \"UTISCVCA\"\nresidence_authority = \"UTATCVCA\"", "with the table [eid]"),
            (
                "[eid]\nkeys = [\"signature\"]\n[eac]\nauthority = \"UTISCVCA\"\nresidence_authority = \"UTISCVCA\"",
                "of another country verifying CA",
            ),
            ("format = 2", "has format 2"),
            ("[document]\nstate = \"Uto\"", "three capital letters"),
        ] {
            let error = Profile::parse("mine", &format!("extends = \"specimen-uto\"\n{line}\n")).unwrap_err();
            assert!(error.to_string().contains(expected), "{line}: {error}");
        }
        assert!(matches!(Profile::load("no-such-profile"), Err(ProfileError::NotFound { .. })));
        assert!(matches!(Profile::parse("x", "extends = \"y\""), Err(ProfileError::NotFound { .. })));
    }

    proptest! {
        #[test]
        fn any_text_is_a_profile_or_an_error(text in "\\PC{0,200}") {
            let _ = Profile::parse("x", &text);
        }
    }
}
