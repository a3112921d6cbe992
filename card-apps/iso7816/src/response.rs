//! Responses: data and a status word.

use std::fmt;

use crate::Status;

/// A response APDU (7816-4 §5.1): up to 65,536 data bytes and the status word.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// The response data field, without the status bytes.
    pub data: Vec<u8>,
    /// The two status bytes.
    pub status: Status,
}

impl Response {
    /// A response with data and `9000`.
    pub fn ok(data: impl Into<Vec<u8>>) -> Self {
        Response { data: data.into(), status: Status::OK }
    }

    /// A response that is only a status word.
    pub fn status(status: Status) -> Self {
        Response { data: Vec::new(), status }
    }

    /// Splits received bytes; `None` when there are fewer than two (a lost card).
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (data, sw) = bytes.split_last_chunk::<2>()?;
        Some(Response { data: data.to_vec(), status: Status(u16::from_be_bytes(*sw)) })
    }

    /// Data followed by the two status bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.data.clone();
        bytes.extend(self.status.0.to_be_bytes());
        bytes
    }
}

/// Shows the length and the status only: response data may hold personal data.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes] {:?}", self.data.len(), self.status)
    }
}
