//! The content of a certificate's data object (SP 800-73-4 part 1, table 10).
//!
//! ```text
//! 70 certificate | 71 CertInfo: bit 1 compressed with gzip | [72 MSCUID] | FE -
//! ```
//!
//! This project writes no compressed certificate: some clients cannot read one, and a chip of today has room.

use iso7816::tlv::{Reader, Tag, TlvError};

use crate::objects::{ERROR_DETECTION, closed};

const CERTIFICATE: Tag = Tag(0x70);
const INFO: Tag = Tag(0x71);
const MSCUID: Tag = Tag(0x72);
/// Bit 1 of CertInfo; cards from before SP 800-73-3 set bit 8 instead.
const COMPRESSED: u8 = 0x81;

/// A certificate as it lies on a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Container<'a> {
    certificate: &'a [u8],
    compressed: bool,
}

/// Why bytes are no certificate to be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not the data objects that must be there.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// CertInfo is not one byte.
    #[error("CertInfo has {length} bytes, not 1")]
    Info {
        /// Its length.
        length: usize,
    },
    /// The certificate is compressed.
    #[error("the certificate is compressed with gzip: write it to the card as it is")]
    Compressed,
}

impl<'a> Container<'a> {
    /// The content of an object with this certificate (DER), not compressed.
    pub fn write(certificate: &[u8]) -> Vec<u8> {
        closed(|content| {
            content.put(CERTIFICATE, certificate).put(INFO, [0x00]);
        })
    }

    /// Reads the content of a certificate's object.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(content: &'a [u8]) -> Result<Self, CertificateError> {
        let mut reader = Reader::new(content);
        let certificate = reader.expect(CERTIFICATE)?;
        let compressed = match reader.expect(INFO)? {
            [info] => info & COMPRESSED != 0,
            info => return Err(CertificateError::Info { length: info.len() }),
        };
        reader.optional(MSCUID)?;
        reader.optional(ERROR_DETECTION)?;
        reader.end()?;
        Ok(Container { certificate, compressed })
    }

    /// The certificate in DER, as the card holds it.
    ///
    /// # Errors
    /// When it is compressed: what a hostile card unpacks to has no bound.
    pub fn der(&self) -> Result<&'a [u8], CertificateError> {
        if self.compressed { Err(CertificateError::Compressed) } else { Ok(self.certificate) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_certificate_is_read_as_it_was_written() {
        let content = Container::write(&[0x30, 0x00]);
        assert_eq!(hex::encode(&content), "70023000710100fe00");
        assert_eq!(Container::parse(&content).unwrap().der(), Ok(&[0x30, 0x00][..]));
        for compressed in ["70021f8b710101fe00", "70021f8b710180fe00"] {
            let content = hex::decode(compressed).unwrap();
            assert_eq!(Container::parse(&content).unwrap().der(), Err(CertificateError::Compressed));
        }
        for bad in ["", "7000", "70007102", "700071020000", "710100", "7000710100ff00"] {
            assert!(Container::parse(&hex::decode(bad).unwrap()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Container::parse(&bytes).map(|container| container.der().map(<[u8]>::len));
        }
    }
}
