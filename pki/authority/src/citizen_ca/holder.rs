//! Whose certificate it is and what for, and the name that it bears.

use asn1_rs::oid;
use serde::{Deserialize, Serialize};
use trust::der::{PRINTABLE_STRING, UTF8_STRING, oid as known};

use super::CitizenError;
use crate::x509;

/// The longest name or number of a holder, in characters (RFC 5280, ub-name and friends).
const MAX_NAME: usize = 64;

/// What a citizen's key is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To show who one is.
    Authentication,
    /// To sign.
    Signature,
    /// To decrypt what others encrypted for the citizen.
    KeyManagement,
}

impl Purpose {
    /// The purpose as a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Signature => "signature",
            Self::KeyManagement => "key-management",
        }
    }
}

/// Whose certificate it is, as established by the registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Given names.
    pub given_names: String,
    /// Surname.
    pub surname: String,
    /// A number that tells apart who has the same name: of letters, digits and hyphens.
    pub number: String,
}

impl Holder {
    /// `C`, `serialNumber`, `SN`, `GN`, `CN`.
    pub(super) fn name(&self, country: &str) -> Result<Vec<u8>, CitizenError> {
        let plain = |text: &str| (1..=MAX_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if !plain(&self.given_names) {
            return Err(CitizenError::Holder("given names"));
        }
        if !plain(&self.surname) {
            return Err(CitizenError::Holder("surname"));
        }
        let common_name = format!("{} {}", self.given_names, self.surname);
        let common_name: String = common_name.chars().take(MAX_NAME).collect();
        if !plain(&self.number) || !self.number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(CitizenError::Holder("number"));
        }
        Ok(x509::distinguished_name(&[
            (known::COUNTRY_NAME, PRINTABLE_STRING, country),
            (&oid!(raw 2.5.4.5), PRINTABLE_STRING, &self.number),
            (&oid!(raw 2.5.4.4), UTF8_STRING, &self.surname),
            (&oid!(raw 2.5.4.42), UTF8_STRING, &self.given_names),
            (known::COMMON_NAME, UTF8_STRING, &common_name),
        ]))
    }
}
