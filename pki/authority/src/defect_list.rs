//! The content of a defect list: what is known to be wrong with whole series of documents, by their document signer
//! (TR-03129-2 §7; the structure is told at [`trust::defect_list`]).
//!
//! Only defects are written whose identifier and parameter are known for certain.

use iso7816::tlv::{Writer, encode};
use serde::Deserialize;
use trust::Certificate;
use trust::der::{
    ENUMERATED, INTEGER, OCTET_STRING, OID, SEQUENCE, SET, context,
    oid::{self, SHA256},
};

use crate::authority::IssueError;
use crate::signed_data::set_of;

/// What is wrong with the documents of one signer.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignerDefects {
    /// The document signer.
    pub signer: DefectiveSigner,
    /// What is wrong, at least one.
    pub known: Vec<SeriesDefect>,
}

/// How a defect list names the document signer; bytes are hexadecimal.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DefectiveSigner {
    /// Subject key identifier.
    KeyId(String),
    /// The whole certificate (DER): named by issuer, serial number and its SHA-256.
    Certificate(String),
}

/// One thing that is wrong with all documents of a signer.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SeriesDefect {
    /// id-CertRevoked.
    CertificateRevoked {
        /// 0 no reason given, 1 under investigation, 2 used for tests, 3 by its issuer, 4 by the list's signer, 32 to 127 own use.
        status: u8,
    },
    /// id-CertReplaced.
    CertificateReplaced {
        /// The certificate that stands for it (DER, hexadecimal).
        replacement: String,
    },
    /// id-ChipAuthKeyRevoked.
    ChipAuthenticationKeyRevoked,
    /// id-ActiveAuthKeyRevoked.
    ActiveAuthenticationKeyRevoked,
    /// id-ePassportDGMalformed.
    DataGroupsMalformed {
        /// Numbers, 1 to 16.
        data_groups: Vec<u8>,
    },
    /// id-COMSODDiscrepancy.
    ComDiffers,
    /// id-PowerDownReq.
    PowerDownRequired,
    /// id-DSMalformed.
    SignerMalformed,
}

impl SeriesDefect {
    fn write(&self) -> Result<Vec<u8>, &'static str> {
        let (kind, parameter) = match self {
            Self::CertificateRevoked { status: status @ (0..=4 | 32..=127) } => {
                (oid::CERT_REVOKED, encode(ENUMERATED, [*status]))
            }
            Self::CertificateRevoked { .. } => return Err("a status is 0 to 4, or 32 to 127 for own use"),
            Self::CertificateReplaced { replacement } => (oid::CERT_REPLACED, certificate(replacement)?.der().to_vec()),
            Self::ChipAuthenticationKeyRevoked => (oid::CHIP_AUTH_KEY_REVOKED, Vec::new()),
            Self::ActiveAuthenticationKeyRevoked => (oid::ACTIVE_AUTH_KEY_REVOKED, Vec::new()),
            Self::DataGroupsMalformed { data_groups } => {
                if data_groups.is_empty() || data_groups.iter().any(|number| !(1..=16).contains(number)) {
                    return Err("data groups are 1 to 16, at least one");
                }
                let numbers = set_of(data_groups.iter().map(|number| encode(INTEGER, [*number])));
                (oid::DG_MALFORMED, encode(SET, numbers))
            }
            Self::ComDiffers => (oid::COM_SOD_DISCREPANCY, Vec::new()),
            Self::PowerDownRequired => (oid::POWER_DOWN_REQUIRED, Vec::new()),
            Self::SignerMalformed => (oid::DS_MALFORMED, Vec::new()),
        };
        Ok(encode(SEQUENCE, [encode(OID, kind), parameter].concat()))
    }
}

impl SignerDefects {
    fn write(&self) -> Result<Vec<u8>, &'static str> {
        if self.known.is_empty() {
            return Err("nothing is wrong: give at least one of known");
        }
        let mut defect = Writer::new();
        match &self.signer {
            DefectiveSigner::KeyId(digits) => {
                defect.put(context(0), bytes(digits)?);
            }
            DefectiveSigner::Certificate(digits) => {
                let signer = certificate(digits)?;
                defect.nest(SEQUENCE, |name| {
                    name.raw(signer.issuer().der()).put(INTEGER, signer.serial());
                });
                defect.put(OCTET_STRING, signer.fingerprint());
            }
        }
        let known = self.known.iter().map(SeriesDefect::write).collect::<Result<Vec<_>, _>>()?;
        defect.put(SET, set_of(known));
        Ok(encode(SEQUENCE, defect.finish()))
    }
}

/// The DER content of the list.
pub(crate) fn content(defects: &[SignerDefects]) -> Result<Vec<u8>, IssueError> {
    let mut written = Vec::new();
    for (index, defect) in defects.iter().enumerate() {
        written.push(defect.write().map_err(|why| IssueError::Defect { index: index + 1, why })?);
    }
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |list| {
        list.put(INTEGER, [0]).put(OID, SHA256).put(SET, set_of(written));
    });
    Ok(writer.finish())
}

fn bytes(digits: &str) -> Result<Vec<u8>, &'static str> {
    hex::decode(digits).ok().filter(|bytes| !bytes.is_empty()).ok_or("a signer is given in hexadecimal digits")
}

fn certificate(digits: &str) -> Result<Certificate, &'static str> {
    Certificate::from_der(&bytes(digits)?).map_err(|_| "a certificate is given whole, DER in hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_key(known: Vec<SeriesDefect>) -> SignerDefects {
        SignerDefects { signer: DefectiveSigner::KeyId("0102".into()), known }
    }

    #[test]
    fn a_list_is_written_as_several_programs_read_it() {
        let known = vec![
            SeriesDefect::CertificateRevoked { status: 3 },
            SeriesDefect::DataGroupsMalformed { data_groups: vec![2] },
        ];
        let expected = concat!(
            "303c",
            "020100",
            "0609608648016503040201",
            "312c",
            "302a",
            "80020102",
            "3124",
            "300f060a04007f000703010501010a0103",
            "3011060a04007f000703010502013103020102",
        );
        let written = hex::encode(content(&[by_key(known)]).unwrap());
        assert_eq!(written, expected);
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        for known in [
            vec![],
            vec![SeriesDefect::CertificateRevoked { status: 7 }],
            vec![SeriesDefect::CertificateReplaced { replacement: "3000".into() }],
            vec![SeriesDefect::DataGroupsMalformed { data_groups: vec![17] }],
            vec![SeriesDefect::DataGroupsMalformed { data_groups: vec![] }],
        ] {
            assert!(matches!(content(&[by_key(known)]), Err(IssueError::Defect { index: 1, .. })));
        }
        let nobody =
            SignerDefects { signer: DefectiveSigner::Certificate("00".into()), known: vec![SeriesDefect::ComDiffers] };
        assert!(content(&[nobody]).is_err());
    }
}
