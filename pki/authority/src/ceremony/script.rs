//! The script of a ceremony (TOML).
//!
//! ```toml
//! format = "bitaqa-ceremony"
//! version = 1
//! title = "The first country signing CA of Utopia"
//! profile = "specimen-uto"
//! threshold = 2                 # so many of the custodians must be present and sign every step
//! custody = "shared"            # or "passphrase": the operator gives the authority's passphrase
//!
//! [[custodian]]
//! name = "Amina Hassan"
//! key = "MFkwEwYHKoZIzj0C..."   # as bitaqa-pki ceremony credential prints it
//!
//! [[step]]
//! do = "say"
//! text = "The room is closed. The machine was started from its sealed disk."
//!
//! [[step]]
//! do = "create-authority"
//! algorithm = "ecdsa-p-384"     # what the CSCA's key signs with; the profile's choice when left out
//! token = { label = "national", module = "/usr/lib/softhsm/libsofthsm2.so" }    # in encrypted files when left out
//! ```
//!
//! The module may be left to the command line: its path is that of the machine.

use std::collections::BTreeSet;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use trust::public_key::KeyKind;
use trust::{EllipticCurve, PublicKey};

use crate::key_store::Algorithm;
use crate::profile::Profile;

const FORMAT: &str = "bitaqa-ceremony";
const VERSION: u32 = 1;
/// The longest script, in bytes.
pub(super) const MAX_SCRIPT: usize = 256 * 1024;
/// More custodians would make too many groups of them.
const MAX_CUSTODIANS: usize = 9;
const MAX_STEPS: usize = 200;

/// What is to happen.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    format: String,
    version: u32,
    /// What it is about.
    pub title: String,
    /// The authority's profile.
    profile: String,
    /// So many custodians must be present and sign every step.
    pub threshold: usize,
    /// Who holds the authority's passphrase.
    #[serde(default)]
    pub custody: Custody,
    /// Everybody who may take part.
    #[serde(rename = "custodian")]
    pub custodians: Vec<Custodian>,
    /// The steps, in order.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// Who holds the authority's passphrase.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Custody {
    /// The operator gives it.
    #[default]
    Passphrase,
    /// Nobody knows it; as many custodians as the threshold put it together.
    Shared,
}

/// Somebody who may take part.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Custodian {
    /// The name.
    pub name: String,
    /// The public key: SubjectPublicKeyInfo in base64.
    pub key: String,
}

impl Custodian {
    /// The key.
    ///
    /// # Errors
    /// When it is not on the curve P-256.
    pub fn public_key(&self) -> Result<PublicKey, ScriptError> {
        let key = STANDARD.decode(&self.key).ok().and_then(|spki| PublicKey::from_spki(&spki).ok());
        key.filter(|key| key.kind() == KeyKind::Ec(EllipticCurve::P256))
            .ok_or_else(|| ScriptError::Key(self.name.clone()))
    }
}

/// One step.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Something that is said, read or done by people, and confirmed.
    Say {
        /// What.
        text: String,
    },
    /// The authority is set up: its first country signing CA.
    CreateAuthority {
        /// What the CSCA's key signs with; the profile's choice when left out.
        algorithm: Option<String>,
        /// The token in which the keys are made; in encrypted files when left out.
        token: Option<ScriptToken>,
    },
    /// The country signing CA gets a new key, linked from the old one; with a common name, a new name too.
    RollOver {
        /// New common name.
        common_name: Option<String>,
        /// New organisation; only with a common name.
        organization: Option<String>,
        /// New organisational unit; only with a common name.
        unit: Option<String>,
    },
    /// The next revocation list is issued.
    IssueRevocationList {},
}

/// A token that a script names.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptToken {
    /// The label that it was initialised with.
    pub label: String,
    /// The vendor's PKCS#11 module; left to the command line when the script does not say it.
    pub module: Option<PathBuf>,
}

impl Step {
    /// The word in the script.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Say { .. } => "say",
            Self::CreateAuthority { .. } => "create-authority",
            Self::RollOver { .. } => "roll-over",
            Self::IssueRevocationList {} => "issue-revocation-list",
        }
    }

    pub(super) fn has_effect(&self) -> bool {
        !matches!(self, Self::Say { .. })
    }

    fn check(&self, number: usize) -> Result<(), ScriptError> {
        match self {
            Self::RollOver { common_name: None, organization, unit } if organization.is_some() || unit.is_some() => {
                Err(ScriptError::HalfName(number))
            }
            Self::CreateAuthority { token: Some(token), .. } if !is_line(&token.label) => {
                Err(ScriptError::Line(token.label.clone()))
            }
            Self::CreateAuthority { algorithm: Some(name), .. } if offered(name).is_none() => {
                Err(ScriptError::Algorithm { step: number, name: name.clone() })
            }
            _ => Ok(()),
        }
    }

    /// What is said about it in the transcript.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Say { text } => text.clone(),
            Self::CreateAuthority { algorithm, token } => {
                let key = algorithm.as_ref().map_or_else(String::new, |name| format!(", its key for {name}"));
                let place = token.as_ref().map(|token| format!(", all keys made inside the token {}", token.label));
                let place = place.unwrap_or_default();
                format!("set up the authority with its first country signing CA{key}{place}")
            }
            Self::RollOver { common_name: None, .. } => "give the country signing CA a new key".to_owned(),
            Self::RollOver { common_name: Some(name), .. } => {
                format!("give the country signing CA a new key and the name {name}")
            }
            Self::IssueRevocationList {} => "issue the next revocation list".to_owned(),
        }
    }
}

/// Why a script cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ScriptError {
    /// Not the expected TOML.
    #[error("the script cannot be read: {0}")]
    Toml(String),
    /// Too long, too many steps or custodians.
    #[error("the script has too many {0}")]
    TooMany(&'static str),
    /// Another format or version.
    #[error("the script has format {format} version {version}, which this program does not know")]
    Version {
        /// The format it names.
        format: String,
        /// The version it names.
        version: u32,
    },
    /// The profile is not known.
    #[error("the script names the unknown profile {0}")]
    Profile(String),
    /// Dual control needs two.
    #[error("the script demands {threshold} of {custodians} custodians: at least two, and no more than there are")]
    Threshold {
        /// What it demands.
        threshold: usize,
        /// How many it names.
        custodians: usize,
    },
    /// A custodian's key.
    #[error("the key of custodian {0:?} is not a P-256 public key")]
    Key(String),
    /// Two custodians with one name or key.
    #[error("custodian {0:?} appears twice, by name or by key")]
    Twice(String),
    /// A name that cannot stand on one line.
    #[error("{0:?} is empty or holds control characters")]
    Line(String),
    /// What the key is to sign with.
    #[error("step {step} names {name:?}, which no new key signs with")]
    Algorithm {
        /// The step, from 1.
        step: usize,
        /// The name.
        name: String,
    },
    /// A new organisation without a new common name.
    #[error("step {0} changes organization or unit without common_name")]
    HalfName(usize),
}

impl Script {
    /// Reads a script and checks that it can be carried out under dual control.
    ///
    /// # Errors
    /// When it cannot.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        if text.len() > MAX_SCRIPT {
            return Err(ScriptError::TooMany("bytes"));
        }
        let script: Script = toml::from_str(text).map_err(|error| ScriptError::Toml(error.to_string()))?;
        if script.format != FORMAT || script.version != VERSION {
            return Err(ScriptError::Version { format: script.format, version: script.version });
        }
        script.profile()?;
        script.check_custodians()?;
        if script.steps.len() > MAX_STEPS {
            return Err(ScriptError::TooMany("steps"));
        }
        script.steps.iter().enumerate().try_for_each(|(index, step)| step.check(index + 1))?;
        Ok(script)
    }

    /// The token in which the script makes the authority's keys, if it does so.
    pub fn token(&self) -> Option<&ScriptToken> {
        self.steps.iter().find_map(|step| match step {
            Step::CreateAuthority { token, .. } => token.as_ref(),
            _ => None,
        })
    }

    /// The profile.
    ///
    /// # Errors
    /// When it is not known.
    pub fn profile(&self) -> Result<&'static Profile, ScriptError> {
        Profile::find(&self.profile).ok_or_else(|| ScriptError::Profile(self.profile.clone()))
    }

    fn check_custodians(&self) -> Result<(), ScriptError> {
        if self.custodians.len() > MAX_CUSTODIANS {
            return Err(ScriptError::TooMany("custodians"));
        }
        if self.threshold < 2 || self.threshold > self.custodians.len() {
            return Err(ScriptError::Threshold { threshold: self.threshold, custodians: self.custodians.len() });
        }
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        let lines = self.custodians.iter().map(|custodian| &custodian.name).chain([&self.title]);
        for line in lines {
            if !is_line(line) {
                return Err(ScriptError::Line(line.clone()));
            }
        }
        for custodian in &self.custodians {
            let key = custodian.public_key()?;
            if !names.insert(&custodian.name) || !keys.insert(key.fingerprint()) {
                return Err(ScriptError::Twice(custodian.name.clone()));
            }
        }
        Ok(())
    }
}

fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && !text.chars().any(char::is_control)
}

/// An algorithm that new keys are made for.
pub(super) fn offered(name: &str) -> Option<Algorithm> {
    Algorithm::OFFERED.into_iter().find(|one| one.to_string() == name)
}
