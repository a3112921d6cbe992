//! Whom the document names: the data groups that the security object vouches for, in plain terms.

use jiff::civil::Date;
use serde::Serialize;

/// Whom the document names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// True when the security object with these hashes is authentic; false when only the hashes agree with it.
    pub authentic: bool,
}

/// The holder's portrait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portrait {
    /// Media type: `image/jpeg` or `image/jp2`.
    pub media_type: &'static str,
    /// The picture, as it stands in DG2.
    pub image: Vec<u8>,
}

/// Data groups whose hash is the listed one, parsed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {}

impl Contents {
    /// Parses what `bytes` gives for a data group number.
    pub fn parse<'a>(bytes: impl Fn(u8) -> Option<&'a [u8]>) -> Self {
        let _ = bytes(1);
        Contents {}
    }

    pub fn document_code(&self) -> Option<String> {
        None
    }

    pub fn issuing_state(&self) -> Option<String> {
        None
    }

    pub fn document_number(&self) -> Option<String> {
        None
    }

    pub fn date_of_issue(&self) -> Option<Date> {
        None
    }

    pub fn date_of_expiry(&self, _today: Date) -> Option<Date> {
        None
    }
}

impl Holder {
    pub(crate) fn of(_contents: &Contents, _authentic: bool) -> Option<Self> {
        None
    }
}

impl Portrait {
    pub(crate) fn of(_contents: &Contents) -> Option<Self> {
        None
    }
}
