//! `SIGNED { ... }` of X.509: certificates and revocation lists alike.
//!
//! ```text
//! SEQUENCE { toBeSigned SEQUENCE, algorithm AlgorithmIdentifier, signature BIT STRING }
//! ```

use iso7816::tlv::{self, Reader, TlvError};

use crate::der;

/// The three parts, borrowed.
pub(crate) struct Signed<'a> {
    /// The signed bytes, tag included.
    pub to_be_signed: &'a [u8],
    /// The AlgorithmIdentifier, tag included.
    pub algorithm: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> Signed<'a> {
    pub(crate) fn split(raw: &'a [u8]) -> Result<Self, TlvError> {
        let mut reader = Reader::new(tlv::sole(raw, der::SEQUENCE)?);
        let (to_be_signed, algorithm) = (der::sequence(&mut reader)?, der::sequence(&mut reader)?);
        let signature = reader.expect(der::BIT_STRING)?;
        reader.end()?;
        let signature = der::whole_bits(signature).ok_or(TlvError::Missing { tag: der::BIT_STRING })?;
        Ok(Signed { to_be_signed, algorithm, signature })
    }

    /// The algorithm inside the signed part of a certificate: after `[0] version` and the serial number.
    pub(crate) fn algorithm_of_certificate(&self) -> Result<&'a [u8], TlvError> {
        let mut reader = Reader::new(tlv::sole(self.to_be_signed, der::SEQUENCE)?);
        reader.optional(der::context_constructed(0))?;
        reader.expect(der::INTEGER)?;
        der::sequence(&mut reader)
    }

    /// The algorithm inside the signed part of a revocation list: after the version.
    pub(crate) fn algorithm_of_list(&self) -> Result<&'a [u8], TlvError> {
        let mut reader = Reader::new(tlv::sole(self.to_be_signed, der::SEQUENCE)?);
        reader.optional(der::INTEGER)?;
        der::sequence(&mut reader)
    }
}
