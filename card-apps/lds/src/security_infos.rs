//! SecurityInfos: what a chip can do, in EF.CardAccess and DG14 (9303-11 §9.2).
//!
//! ```text
//! SecurityInfos ::= SET OF SecurityInfo
//! SecurityInfo  ::= SEQUENCE {
//!     protocol      OBJECT IDENTIFIER,
//!     requiredData  ANY DEFINED BY protocol,
//!     optionalData  ANY DEFINED BY protocol OPTIONAL }
//! ```
//!
//! A set that was read keeps its bytes: re-encoding a SET may reorder it, and then its hash is another one.
//! Object identifiers are content octets, without tag and length.

mod curves;
mod groups;
mod oids;
mod public_key;

use std::collections::BTreeSet;

use asn1_rs::oid;
use iso7816::tlv::{Reader, Tag, Tlv, TlvError, Writer, encode, sole};

use crate::files::MAX_FILE;

pub use curves::{curve_name, parameter_id};
pub use oids::{
    ID_AA, ID_CA_ECDH_3DES, ID_CA_ECDH_AES_128, ID_CA_ECDH_AES_192, ID_CA_ECDH_AES_256, ID_PACE_ECDH_GM_AES_128,
    ID_PACE_ECDH_GM_AES_192, ID_PACE_ECDH_GM_AES_256, ID_PK_DH, ID_PK_ECDH, ID_STANDARDIZED_DOMAIN_PARAMETERS, ID_TA,
};
pub use public_key::PublicKeyInfo;

const INTEGER: Tag = Tag(0x02);
const BIT_STRING: Tag = Tag(0x03);
const OCTET_STRING: Tag = Tag(0x04);
const OID: Tag = Tag(0x06);
const SEQUENCE: Tag = Tag(0x30);
const SET: Tag = Tag(0x31);

const ID_PK: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.1);
const ID_CA: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.3);
/// id-PACE-ECDH-CAM, above its ciphers.
const ID_PACE_ECDH_CAM: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.4.6);
const ID_PACE: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.4);

/// How many SecurityInfo one set may hold.
const MAX_INFOS: usize = 64;

/// A set of SecurityInfo with the bytes it was read from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecurityInfos {
    infos: Vec<SecurityInfo>,
    bytes: Vec<u8>,
}

/// One SecurityInfo.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecurityInfo {
    /// PACEInfo (9303-11 §9.2.1).
    Pace {
        /// Protocol with mapping and cipher.
        oid: Vec<u8>,
        /// 2 for PACE as 9303 has it.
        version: u8,
        /// Standardized domain parameters; `None` when the chip has proprietary ones.
        parameter_id: Option<u8>,
    },
    /// ChipAuthenticationInfo (9303-11 §9.2.5).
    ChipAuthentication {
        /// Protocol with key agreement and cipher.
        oid: Vec<u8>,
        /// 1 for the protocol of 9303.
        version: u8,
        /// Names the key, big endian without leading zeros.
        key_id: Option<Vec<u8>>,
    },
    /// ChipAuthenticationPublicKeyInfo (9303-11 §9.2.6).
    ChipAuthenticationPublicKey {
        /// `id-PK-DH` or `id-PK-ECDH`.
        oid: Vec<u8>,
        /// The key.
        key: PublicKeyInfo,
        /// Names the key, big endian without leading zeros.
        key_id: Option<Vec<u8>>,
    },
    /// TerminalAuthenticationInfo (9303-11 §9.2.7).
    TerminalAuthentication {
        /// 1 for the protocol of 9303.
        version: u8,
        /// File identifier and short file identifier of EF.CVCA, where the chip says them.
        cvca_file: Option<Vec<u8>>,
    },
    /// ActiveAuthenticationInfo (9303-11 §9.2.8): there when the key of DG15 is one of ECDSA.
    ActiveAuthentication {
        /// 1.
        version: u8,
        /// Object identifier of the chip's signatures, content octets.
        signature: Vec<u8>,
    },
    /// Anything else, kept as it is.
    Other {
        /// The protocol.
        oid: Vec<u8>,
        /// The whole SecurityInfo, DER.
        raw: Vec<u8>,
    },
}

/// Why bytes are not SecurityInfos.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecurityInfosError {
    /// The data objects are not the expected ones.
    #[error("SecurityInfos: {0}")]
    Structure(#[from] TlvError),
    /// More bytes or entries than any chip has.
    #[error("SecurityInfos: too large ({bytes} bytes, {entries} entries)")]
    TooLarge {
        /// Bytes given.
        bytes: usize,
        /// Entries read so far.
        entries: usize,
    },
    /// A number is negative or larger than any that a standard gives.
    #[error("SecurityInfos: {field} {value:02X?} is out of range")]
    Number {
        /// Which number.
        field: &'static str,
        /// Its content octets.
        value: Vec<u8>,
    },
    /// A public key whose bit string is empty or not made of whole bytes.
    #[error("SecurityInfos: the public key is not a string of whole bytes")]
    PublicKey,
}

impl SecurityInfos {
    /// A set to be written, in the order DER demands.
    pub fn new(infos: Vec<SecurityInfo>) -> Self {
        let encoded: BTreeSet<Vec<u8>> = infos.iter().map(SecurityInfo::to_bytes).collect();
        let bytes = encode(SET, encoded.into_iter().collect::<Vec<_>>().concat());
        SecurityInfos { infos, bytes }
    }

    /// Reads a set: the whole of EF.CardAccess, or the content of DG14.
    ///
    /// # Errors
    /// When it is not a SET of SecurityInfo, or one of a known protocol is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, SecurityInfosError> {
        let too_large = |entries| SecurityInfosError::TooLarge { bytes: bytes.len(), entries };
        if bytes.len() > MAX_FILE {
            return Err(too_large(0));
        }
        let mut infos = Vec::new();
        let mut reader = Reader::new(sole(bytes, SET)?);
        while let Some(tlv) = reader.next()? {
            if infos.len() == MAX_INFOS {
                return Err(too_large(infos.len()));
            }
            infos.push(SecurityInfo::parse(&tlv)?);
        }
        Ok(SecurityInfos { infos, bytes: bytes.to_vec() })
    }

    /// The entries.
    pub fn infos(&self) -> &[SecurityInfo] {
        &self.infos
    }

    /// The set as read, or as it will be written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same as an owned copy.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }
}

impl SecurityInfo {
    /// PACEInfo, version 2.
    pub fn pace(oid: &[u8], parameter_id: u8) -> Self {
        SecurityInfo::Pace { oid: oid.to_vec(), version: 2, parameter_id: Some(parameter_id) }
    }

    /// ChipAuthenticationInfo, version 1.
    pub fn chip_authentication(oid: &[u8], key_id: Option<&[u8]>) -> Self {
        SecurityInfo::ChipAuthentication { oid: oid.to_vec(), version: 1, key_id: key_id.map(<[u8]>::to_vec) }
    }

    /// ChipAuthenticationPublicKeyInfo of a key on a curve or in a group of RFC 5114.
    pub fn chip_authentication_public_key(key: PublicKeyInfo, key_id: Option<&[u8]>) -> Self {
        let key_id = key_id.map(<[u8]>::to_vec);
        let oid = if key.parameter_id.is_some_and(groups::is_group) { ID_PK_DH } else { ID_PK_ECDH };
        SecurityInfo::ChipAuthenticationPublicKey { oid: oid.to_vec(), key, key_id }
    }

    /// The protocol.
    pub fn oid(&self) -> &[u8] {
        match self {
            Self::Pace { oid, .. }
            | Self::ChipAuthentication { oid, .. }
            | Self::ChipAuthenticationPublicKey { oid, .. }
            | Self::Other { oid, .. } => oid,
            Self::TerminalAuthentication { .. } => ID_TA,
            Self::ActiveAuthentication { .. } => ID_AA,
        }
    }

    /// True for a PACEInfo of chip authentication mapping, with whatever cipher.
    pub fn is_chip_authentication_mapping(&self) -> bool {
        matches!(self, Self::Pace { oid, .. } if oid.starts_with(ID_PACE_ECDH_CAM))
    }

    /// The SecurityInfo, DER.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        if let Self::Other { raw, .. } = self {
            return raw.clone();
        }
        writer.nest(SEQUENCE, |w| {
            w.put(OID, self.oid());
            match self {
                Self::Pace { version, parameter_id, .. } => {
                    put_unsigned(w, &[*version]);
                    put_optional(w, parameter_id.map(|id| vec![id]).as_deref());
                }
                Self::ChipAuthentication { version, key_id, .. } => {
                    put_unsigned(w, &[*version]);
                    put_optional(w, key_id.as_deref());
                }
                Self::ChipAuthenticationPublicKey { key, key_id, .. } => {
                    w.raw(&key.raw);
                    put_optional(w, key_id.as_deref());
                }
                Self::TerminalAuthentication { version, cvca_file } => {
                    put_unsigned(w, &[*version]);
                    if let Some(file) = cvca_file {
                        w.raw(file);
                    }
                }
                Self::ActiveAuthentication { version, signature } => {
                    put_unsigned(w, &[*version]);
                    w.put(OID, signature);
                }
                Self::Other { .. } => {}
            }
        });
        writer.finish()
    }

    fn parse(tlv: &Tlv<'_>) -> Result<Self, SecurityInfosError> {
        let mut reader = Reader::new(tlv.raw);
        let mut reader = Reader::new(reader.expect(SEQUENCE)?);
        let oid = reader.expect(OID)?.to_vec();
        // A protocol is its arc plus one or two further arcs below 128, one octet each.
        let below = |arc: &[u8]| oid.strip_prefix(arc).map(<[u8]>::len);
        let info = if below(ID_PACE) == Some(2) {
            let version = small(reader.expect(INTEGER)?, "PACE version")?;
            let parameter_id = reader.optional(INTEGER)?.map(|id| small(id, "parameter id")).transpose()?;
            Self::Pace { oid, version, parameter_id }
        } else if below(ID_CA) == Some(2) {
            let version = small(reader.expect(INTEGER)?, "chip authentication version")?;
            Self::ChipAuthentication { oid, version, key_id: key_id(&mut reader)? }
        } else if below(ID_PK) == Some(1) {
            let key = PublicKeyInfo::parse(&mut reader)?;
            Self::ChipAuthenticationPublicKey { oid, key, key_id: key_id(&mut reader)? }
        } else if oid == ID_TA {
            let version = small(reader.expect(INTEGER)?, "terminal authentication version")?;
            let cvca_file = reader.next()?.map(|file| file.raw.to_vec());
            Self::TerminalAuthentication { version, cvca_file }
        } else if oid == ID_AA {
            let version = small(reader.expect(INTEGER)?, "active authentication version")?;
            Self::ActiveAuthentication { version, signature: reader.expect(OID)?.to_vec() }
        } else {
            return Ok(Self::Other { oid, raw: tlv.raw.to_vec() });
        };
        reader.end()?;
        Ok(info)
    }
}

fn trim(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|byte| **byte == 0).count();
    integer.get(zeros..).unwrap_or_default()
}

fn small(integer: &[u8], field: &'static str) -> Result<u8, SecurityInfosError> {
    match integer {
        [value] if *value < 0x80 => Ok(*value),
        [0x00, value] => Ok(*value),
        _ => Err(SecurityInfosError::Number { field, value: integer.to_vec() }),
    }
}

fn key_id(reader: &mut Reader<'_>) -> Result<Option<Vec<u8>>, SecurityInfosError> {
    let Some(id) = reader.optional(INTEGER)? else { return Ok(None) };
    let out_of_range = id.is_empty() || id.len() > 16 || id.first().is_some_and(|first| first & 0x80 != 0);
    if out_of_range {
        return Err(SecurityInfosError::Number { field: "key identifier", value: id.to_vec() });
    }
    let trimmed = trim(id);
    Ok(Some(if trimmed.is_empty() { vec![0] } else { trimmed.to_vec() }))
}

fn put_optional(writer: &mut Writer, integer: Option<&[u8]>) {
    if let Some(integer) = integer {
        put_unsigned(writer, integer);
    }
}

/// Writes an unsigned big-endian number as a DER INTEGER.
fn put_unsigned(writer: &mut Writer, number: &[u8]) {
    let mut value = trim(number).to_vec();
    if value.first().is_none_or(|first| first & 0x80 != 0) {
        value.insert(0, 0x00);
    }
    writer.put(INTEGER, value);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_vectors::{Vectors, shared};

    use super::*;

    #[test]
    fn card_access_of_the_eac_worked_example() {
        let bytes = Vectors::load("eac2-worked-example-ecdh").bytes("/ef_card_access");
        let infos = SecurityInfos::parse(&bytes).unwrap();
        assert_eq!(infos.as_bytes(), bytes);
        assert!(infos.infos().contains(&SecurityInfo::pace(ID_PACE_ECDH_GM_AES_128, 13)));
        assert!(infos.infos().contains(&SecurityInfo::TerminalAuthentication { version: 2, cvca_file: None }));
        let oid = ID_CA_ECDH_AES_128.to_vec();
        let chip = SecurityInfo::ChipAuthentication { oid, version: 2, key_id: Some(vec![1]) };
        assert!(infos.infos().contains(&chip));
        let others = infos.infos().iter().filter(|info| matches!(info, SecurityInfo::Other { .. }));
        assert_eq!(others.count(), infos.infos().len() - 3);
        let again: Vec<u8> = infos.infos().iter().flat_map(SecurityInfo::to_bytes).collect();
        assert_eq!(encode(SET, again), bytes);
    }

    #[test]
    fn a_written_set_is_sorted_and_reads_back() {
        let infos = SecurityInfos::new(vec![
            SecurityInfo::TerminalAuthentication { version: 1, cvca_file: None },
            SecurityInfo::pace(ID_PACE_ECDH_GM_AES_128, 12),
        ]);
        assert_eq!(
            hex::encode(infos.as_bytes()),
            "3123300d060804007f0007020202020101\
             3012060a04007f000702020402020201020201\
             0c"
        );
        let read = SecurityInfos::parse(infos.as_bytes()).unwrap();
        assert_eq!(read.infos().len(), 2);
        assert_eq!(read.infos()[1], SecurityInfo::pace(ID_PACE_ECDH_GM_AES_128, 12));
    }

    #[test]
    fn the_hash_of_active_authentication_reads_back() {
        let signature = oid!(raw 0.4.0.127.0.7.1.1.4.1.3).to_vec();
        let info = SecurityInfo::ActiveAuthentication { version: 1, signature };
        let infos = SecurityInfos::new(vec![info.clone()]);
        let expected = "31193017060667810801010502010106 0a04007f00070101040103".replace(' ', "");
        assert_eq!(hex::encode(infos.as_bytes()), expected);
        assert_eq!(SecurityInfos::parse(infos.as_bytes()).unwrap().infos(), [info]);
    }

    #[test]
    fn public_keys_read_back_in_both_forms() {
        let point = [&[0x04][..], &[0x33; 64]].concat();
        for key in [PublicKeyInfo::explicit(13, &point).unwrap(), PublicKeyInfo::standardized(13, &point)] {
            let written = SecurityInfo::chip_authentication_public_key(key, Some(&[0x81]));
            let infos = SecurityInfos::new(vec![written.clone()]);
            assert_eq!(SecurityInfos::parse(infos.as_bytes()).unwrap().infos(), [written]);
        }
        assert_eq!(PublicKeyInfo::explicit(2, &point), None);
    }

    #[test]
    fn the_specimen_chip_key_is_on_brainpool_224() {
        let Some(file) = shared("data/lds-specimen/EF_DG14.bin") else { return };
        let bytes = std::fs::read(file).unwrap();
        let infos = SecurityInfos::parse(sole(&bytes, Tag(0x6E)).unwrap()).unwrap();
        let key = infos.infos().iter().find_map(|info| match info {
            SecurityInfo::ChipAuthenticationPublicKey { key, .. } => Some(key),
            _ => None,
        });
        assert_eq!(key.unwrap().parameter_id.and_then(curve_name), Some("brainpoolP224r1"));
        assert!(infos.infos().contains(&SecurityInfo::chip_authentication(ID_CA_ECDH_3DES, None)));
        assert!(infos.infos().contains(&SecurityInfo::TerminalAuthentication { version: 1, cvca_file: None }));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = SecurityInfos::parse(&bytes);
            let _ = SecurityInfos::parse(&encode(SET, &bytes));
            let _ = parameter_id(&bytes);
        }

        #[test]
        fn an_altered_byte_never_panics(at in 0usize..400, value: u8) {
            let key = PublicKeyInfo::explicit(12, &[4; 65]).unwrap();
            let mut bytes = SecurityInfos::new(vec![SecurityInfo::chip_authentication_public_key(key, None)]).to_bytes();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            let _ = SecurityInfos::parse(&bytes);
        }
    }
}
