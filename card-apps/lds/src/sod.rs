//! The content of EF.SOD that is not cryptography (9303-10 §4.6.2): its wrapper and the LDSSecurityObject.
//!
//! ```text
//! EF.SOD = 77 { CMS ContentInfo }
//!
//! LDSSecurityObject ::= SEQUENCE {
//!     version              INTEGER { v0(0), v1(1) },
//!     hashAlgorithm        AlgorithmIdentifier,
//!     dataGroupHashValues  SEQUENCE SIZE (2..16) OF SEQUENCE {
//!         dataGroupNumber      INTEGER (1..16),
//!         dataGroupHashValue   OCTET STRING },
//!     ldsVersionInfo       SEQUENCE {                        -- v1 only
//!         ldsVersion           PrintableString,              -- "0108"
//!         unicodeVersion       PrintableString } OPTIONAL }  -- "040000"
//! ```
//!
//! Whether the signature around it is good is the business of `trust`; it verifies the bytes as read.

use std::collections::BTreeMap;

use asn1_rs::oid;
use iso7816::tlv::{Reader, Tag, TlvError, Writer, sole};

use crate::files;

const INTEGER: Tag = Tag(0x02);
const OCTET_STRING: Tag = Tag(0x04);
const NULL: Tag = Tag(0x05);
const OID: Tag = Tag(0x06);
const PRINTABLE_STRING: Tag = Tag(0x13);
const SEQUENCE: Tag = Tag(0x30);
const EF_SOD: Tag = files::outer_tag(&files::EF_SOD);

/// id-icao-mrtd-security-ldsSecurityObject, `2.23.136.1.1.1`: the eContentType of EF.SOD, as content octets.
pub const LDS_SECURITY_OBJECT: &[u8] = &oid!(raw 2.23.136.1.1.1);

/// The hash algorithms of 9303-10 and 9303-12.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum HashAlgorithm {
    /// SHA-1: only ever read, in documents of earlier editions.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// All of them.
    pub const ALL: [HashAlgorithm; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The object identifier's content octets.
    pub fn oid(self) -> &'static [u8] {
        match self {
            Self::Sha1 => &oid!(raw 1.3.14.3.2.26),
            Self::Sha224 => &oid!(raw 2.16.840.1.101.3.4.2.4),
            Self::Sha256 => &oid!(raw 2.16.840.1.101.3.4.2.1),
            Self::Sha384 => &oid!(raw 2.16.840.1.101.3.4.2.2),
            Self::Sha512 => &oid!(raw 2.16.840.1.101.3.4.2.3),
        }
    }

    /// The algorithm with this object identifier (content octets).
    pub fn from_oid(oid: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.oid() == oid)
    }

    /// Bytes of one hash value.
    pub fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The name as usually printed: `SHA-256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }
}

/// ldsVersionInfo of a version 1 object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LdsVersion {
    /// LDS version as four digits: `0108`.
    pub lds: String,
    /// Unicode version as six digits: `040000`.
    pub unicode: String,
}

impl LdsVersion {
    /// LDS 1.8 with Unicode 4.0.0.
    pub fn lds_1_8() -> Self {
        LdsVersion { lds: "0108".into(), unicode: "040000".into() }
    }
}

/// What the document signer signs: one hash for each data group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LdsSecurityObject {
    /// 0 for LDS 1.7, 1 for LDS 1.8.
    pub version: u8,
    /// The algorithm of every hash.
    pub hash: HashAlgorithm,
    /// Data group number (1 to 16) to the hash of the whole file as written.
    pub hashes: BTreeMap<u8, Vec<u8>>,
    /// Present in version 1 objects.
    pub lds_version: Option<LdsVersion>,
}

/// Why bytes are not an EF.SOD or an LDSSecurityObject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SodError {
    /// The data objects are not the expected ones.
    #[error("security object: {0}")]
    Structure(#[from] TlvError),
    /// The content of EF.SOD is not a CMS ContentInfo.
    #[error("EF.SOD does not hold a CMS structure")]
    NotCms,
    /// A version other than 0 and 1, or version information that does not fit the version.
    #[error("LDSSecurityObject version {version:02X?} with its version information is not supported")]
    Version {
        /// Content octets of the version.
        version: Vec<u8>,
    },
    /// A hash algorithm that 9303 does not name.
    #[error("hash algorithm {oid:02X?} is not one of 9303-12")]
    HashAlgorithm {
        /// Content octets of the object identifier.
        oid: Vec<u8>,
    },
    /// A data group number outside 1 to 16, or the same number twice.
    #[error("data group number {number:02X?} is out of range or repeated")]
    DataGroup {
        /// Content octets of the number.
        number: Vec<u8>,
    },
    /// A hash that does not have the length of its algorithm.
    #[error("the hash of data group {number} has {length} bytes")]
    HashLength {
        /// The data group.
        number: u8,
        /// Bytes found.
        length: usize,
    },
    /// A version text that is not printable.
    #[error("ldsVersionInfo is not printable text")]
    VersionText,
}

impl LdsSecurityObject {
    /// A version 0 object (LDS 1.7).
    pub fn v0(hash: HashAlgorithm, hashes: BTreeMap<u8, Vec<u8>>) -> Self {
        LdsSecurityObject { version: 0, hash, hashes, lds_version: None }
    }

    /// A version 1 object (LDS 1.8).
    pub fn v1(hash: HashAlgorithm, hashes: BTreeMap<u8, Vec<u8>>) -> Self {
        LdsSecurityObject { version: 1, hash, hashes, lds_version: Some(LdsVersion::lds_1_8()) }
    }

    /// The DER encoding. The hash algorithm is written without parameters (RFC 5754 §2).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(SEQUENCE, |w| {
            w.put(INTEGER, [self.version]);
            w.nest(SEQUENCE, |w| {
                w.put(OID, self.hash.oid());
            });
            w.nest(SEQUENCE, |w| {
                for (number, hash) in &self.hashes {
                    w.nest(SEQUENCE, |w| {
                        w.put(INTEGER, [*number]).put(OCTET_STRING, hash);
                    });
                }
            });
            if let Some(version) = &self.lds_version {
                w.nest(SEQUENCE, |w| {
                    w.put(PRINTABLE_STRING, &version.lds).put(PRINTABLE_STRING, &version.unicode);
                });
            }
        });
        writer.finish()
    }

    /// Reads the content that was signed.
    ///
    /// # Errors
    /// When it is not exactly such an object, names an unknown hash or repeats a data group.
    pub fn parse(bytes: &[u8]) -> Result<Self, SodError> {
        let mut reader = Reader::new(sole(bytes, SEQUENCE)?);
        let version = reader.expect(INTEGER)?;
        let hash = hash_algorithm(reader.expect(SEQUENCE)?)?;
        let hashes = hash_values(reader.expect(SEQUENCE)?, hash)?;
        let lds_version = reader.optional(SEQUENCE)?.map(lds_version).transpose()?;
        reader.end()?;
        match (version, &lds_version) {
            ([version @ 0], None) | ([version @ 1], Some(_)) => {
                Ok(LdsSecurityObject { version: *version, hash, hashes, lds_version })
            }
            _ => Err(SodError::Version { version: version.to_vec() }),
        }
    }
}

/// EF.SOD around a CMS ContentInfo.
pub fn wrap(cms: &[u8]) -> Vec<u8> {
    iso7816::tlv::encode(EF_SOD, cms)
}

/// The CMS ContentInfo in EF.SOD, byte for byte.
///
/// # Errors
/// When the file is not one data object 77 that holds one SEQUENCE.
pub fn unwrap(file: &[u8]) -> Result<&[u8], SodError> {
    let cms = sole(file, EF_SOD)?;
    sole(cms, SEQUENCE).map_err(|_| SodError::NotCms)?;
    Ok(cms)
}

fn hash_algorithm(value: &[u8]) -> Result<HashAlgorithm, SodError> {
    let mut reader = Reader::new(value);
    let oid = reader.expect(OID)?;
    // Absent parameters and NULL mean the same (9303-12 §7.1.3, RFC 5754 §2).
    reader.optional(NULL)?;
    reader.end()?;
    HashAlgorithm::from_oid(oid).ok_or_else(|| SodError::HashAlgorithm { oid: oid.to_vec() })
}

fn hash_values(value: &[u8], algorithm: HashAlgorithm) -> Result<BTreeMap<u8, Vec<u8>>, SodError> {
    let mut hashes = BTreeMap::new();
    let mut reader = Reader::new(value);
    while !reader.is_empty() {
        let mut entry = Reader::new(reader.expect(SEQUENCE)?);
        let number_octets = entry.expect(INTEGER)?;
        let hash = entry.expect(OCTET_STRING)?;
        entry.end()?;
        let wrong_number = || SodError::DataGroup { number: number_octets.to_vec() };
        let [number @ 1..=16] = number_octets else { return Err(wrong_number()) };
        if hash.len() != algorithm.length() {
            return Err(SodError::HashLength { number: *number, length: hash.len() });
        }
        if hashes.insert(*number, hash.to_vec()).is_some() {
            return Err(wrong_number());
        }
    }
    Ok(hashes)
}

fn lds_version(value: &[u8]) -> Result<LdsVersion, SodError> {
    let mut reader = Reader::new(value);
    let mut text = || {
        let text = reader.expect(PRINTABLE_STRING)?;
        let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| (0x20..0x7F).contains(&byte)));
        text.map(str::to_owned).ok_or(SodError::VersionText)
    };
    let version = LdsVersion { lds: text()?, unicode: text()? };
    reader.end()?;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use iso7816::tlv::find;
    use proptest::prelude::*;
    use test_vectors::shared;

    use super::*;

    fn hashes(length: usize) -> BTreeMap<u8, Vec<u8>> {
        BTreeMap::from([(1, vec![0x11; length]), (14, vec![0x14; length])])
    }

    #[test]
    fn version_0_bytes_and_meaning() {
        let object = LdsSecurityObject::v0(HashAlgorithm::Sha256, hashes(32));
        let bytes = object.to_bytes();
        let expected = format!(
            "3060020100300b0609608648016503040201304e30250201010420{}302502010e0420{}",
            "11".repeat(32),
            "14".repeat(32)
        );
        assert_eq!(hex::encode(&bytes), expected);
        assert_eq!(LdsSecurityObject::parse(&bytes).unwrap(), object);
    }

    #[test]
    fn version_1_carries_its_lds_version() {
        let object = LdsSecurityObject::v1(HashAlgorithm::Sha384, hashes(48));
        let bytes = object.to_bytes();
        assert!(hex::encode(&bytes).ends_with("300e1304303130381306303430303030"));
        assert_eq!(LdsSecurityObject::parse(&bytes).unwrap(), object);
    }

    #[test]
    fn contradictions_are_refused() {
        let mut object = LdsSecurityObject::v1(HashAlgorithm::Sha256, hashes(32));
        object.version = 0;
        assert_eq!(LdsSecurityObject::parse(&object.to_bytes()), Err(SodError::Version { version: vec![0] }));
        let short = LdsSecurityObject::v0(HashAlgorithm::Sha256, hashes(20));
        let wrong = SodError::HashLength { number: 1, length: 20 };
        assert_eq!(LdsSecurityObject::parse(&short.to_bytes()), Err(wrong));
        let beyond = LdsSecurityObject::v0(HashAlgorithm::Sha1, BTreeMap::from([(17, vec![0; 20])]));
        assert_eq!(LdsSecurityObject::parse(&beyond.to_bytes()), Err(SodError::DataGroup { number: vec![17] }));
    }

    #[test]
    fn the_wrapper_gives_back_the_very_bytes() {
        let cms = [0x30, 0x81, 0x02, 0x05, 0x00];
        assert_eq!(unwrap(&wrap(&cms)).unwrap(), cms);
        assert_eq!(unwrap(&wrap(&[0x31, 0x00])), Err(SodError::NotCms));
    }

    #[test]
    fn the_specimen() {
        let Some(file) = shared("data/lds-specimen/EF_SOD.bin") else { return };
        let file = std::fs::read(file).unwrap();
        let signed_data = find(sole(unwrap(&file).unwrap(), SEQUENCE).unwrap(), Tag(0xA0)).unwrap().unwrap();
        let content_info = find(sole(signed_data, SEQUENCE).unwrap(), SEQUENCE).unwrap().unwrap();
        let mut content_info = Reader::new(content_info);
        assert_eq!(content_info.expect(OID).unwrap(), LDS_SECURITY_OBJECT);
        let content = sole(content_info.expect(Tag(0xA0)).unwrap(), OCTET_STRING).unwrap();
        let object = LdsSecurityObject::parse(content).unwrap();
        assert_eq!((object.version, object.hash), (0, HashAlgorithm::Sha1));
        assert_eq!(object.hashes.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 14]);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = LdsSecurityObject::parse(&bytes);
            let _ = unwrap(&bytes);
        }

        #[test]
        fn an_altered_byte_never_panics(at in 0usize..120, value: u8) {
            let mut bytes = LdsSecurityObject::v1(HashAlgorithm::Sha256, hashes(32)).to_bytes();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            let _ = LdsSecurityObject::parse(&bytes);
        }

        #[test]
        fn written_objects_read_back(groups in prop::collection::btree_map(1u8..=16, prop::array::uniform32(any::<u8>()), 2..16)) {
            let hashes = groups.into_iter().map(|(number, hash)| (number, hash.to_vec())).collect();
            let object = LdsSecurityObject::v1(HashAlgorithm::Sha256, hashes);
            prop_assert_eq!(LdsSecurityObject::parse(&object.to_bytes()).unwrap(), object);
        }
    }
}
