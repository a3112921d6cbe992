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

mod card;
mod document;
mod protocols;
mod rules;

use std::path::Path;

use channel::cvc::chain::TrustPoint;
use serde::Deserialize;
use toml::{Table, Value};

pub use card::{Card, Counts, Eid, KeyDerivation, Keys, ManagementCipher};
pub use document::{
    CivilField, Dg12, Dg13, Document, Hash, Lds, LdsVersion, Names, NoSurname, Portrait, PortraitFormat,
    PortraitRecord, Transliteration,
};
pub use protocols::{Access, ActiveAuthentication, ActiveKeyKind, BeliefError, Eac, Suite};

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
        self.eac.as_mut().ok_or(BeliefError::NotAsked)?.believe(points)?;
        Ok(self)
    }

    /// False for cards that have the citizen application alone.
    pub fn is_travel_document(&self) -> bool {
        self.card.applet.is_none_or(|applet| applet.dialect().is_travel_document())
    }
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
    use channel::suite::Curve;
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
