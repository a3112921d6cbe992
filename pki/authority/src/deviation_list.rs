//! The content of a deviation list: what is known to be wrong with documents that were issued (9303-12 §10.2).
//!
//! ```text
//! DeviationList    ::= SEQUENCE { version INTEGER (0), digestAlgorithm AlgorithmIdentifier OPTIONAL, deviations SET OF Deviation }
//! Deviation        ::= SEQUENCE { documents DeviationDocuments, descriptions SET OF DeviationDescription }
//! DeviationDocuments ::= SEQUENCE { documentType [0] PrintableString (SIZE(2)) OPTIONAL, dscIdentifier OPTIONAL,
//!                        issuingDate [4] SEQUENCE { firstIssued, lastIssued GeneralizedTime } OPTIONAL,
//!                        documentNumbers [5] SET OF PrintableString OPTIONAL }
//! dscIdentifier    ::= CHOICE { issuerAndSerialNumber [1], subjectKeyIdentifier [2], certificateDigest [3] }
//! DeviationDescription ::= SEQUENCE { description PrintableString OPTIONAL, deviationType OBJECT IDENTIFIER,
//!                        parameters [0] ANY OPTIONAL, nationalUse [1] ANY OPTIONAL }
//! ```
//!
//! Tags are implicit but for the two ANY. The field nationalUse, whose content each state defines, is not written.

use asn1_rs::oid;
use iso7816::tlv::{Writer, encode};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use trust::der::{GENERALIZED_TIME, oid::SHA256};
use trust::der::{INTEGER, OID, PRINTABLE_STRING, SEQUENCE, SET, context, context_constructed};

use crate::authority::IssueError;
use crate::signed_data::set_of;
use crate::x509::generalized;

/// What is wrong with which documents. All scopes that are given must fit a document.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// Document code of the MRZ, two letters: `ID`.
    pub document_type: Option<String>,
    /// The document signer.
    pub signer: Option<DeviantSigner>,
    /// First and last day of issue.
    pub issued: Option<Issued>,
    /// Document numbers.
    #[serde(default)]
    pub numbers: Vec<String>,
    /// What is wrong, at least one.
    pub defects: Vec<Defect>,
}

/// How a deviation names the document signer; bytes are hexadecimal.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DeviantSigner {
    /// Subject key identifier.
    KeyId(String),
    /// SHA-256 of the certificate.
    Sha256(String),
    /// The whole certificate (DER): named by issuer and serial number.
    Certificate(String),
}

/// Days of issue, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// First day.
    pub first: Date,
    /// Last day.
    pub last: Date,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defect {
    /// What kind of deviation.
    pub kind: DefectKind,
    /// In words, of the characters of a PrintableString.
    pub description: Option<String>,
    /// The data group: 1 to 16, 20 for EF.SOD, 21 for EF.COM; with the two kinds about data groups.
    pub data_group: Option<u8>,
    /// The field of the certificate's body, 0 to 9 in the order of the standard; with the two kinds about encodings.
    pub certificate_field: Option<u8>,
    /// The field of the MRZ, 0 to 9 in the order of the standard; with the two kinds about the MRZ.
    pub mrz_field: Option<u8>,
}

/// The kinds of 9303-12 §10.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefectKind {
    /// id-Deviation-CertOrKey.
    CertificateOrKey,
    /// id-Deviation-CertOrKey-DSSignature.
    SignerSignature,
    /// id-Deviation-CertOrKey-DSEncoding.
    SignerEncoding,
    /// id-Deviation-CertOrKey-CSCAEncoding.
    CscaEncoding,
    /// id-Deviation-CertOrKey-AAKeyCompromised.
    ActiveAuthenticationKeyCompromised,
    /// id-Deviation-LDS.
    Lds,
    /// id-Deviation-LDS-DGMalformed.
    DataGroupMalformed,
    /// id-Deviation-LDS-DGHashWrong.
    DataGroupHashWrong,
    /// id-Deviation-LDS-SODSignatureWrong.
    SecurityObjectSignatureWrong,
    /// id-Deviation-LDS-COMInconsistent.
    ComInconsistent,
    /// id-Deviation-MRZ.
    Mrz,
    /// id-Deviation-MRZ-WrongData.
    MrzWrongData,
    /// id-Deviation-MRZ-WrongCheckDigit.
    MrzWrongCheckDigit,
    /// id-Deviation-Chip.
    Chip,
}

impl DefectKind {
    fn oid(self) -> &'static [u8] {
        match self {
            Self::CertificateOrKey => &oid!(raw 2.23.136.1.1.7.1),
            Self::SignerSignature => &oid!(raw 2.23.136.1.1.7.1.1),
            Self::SignerEncoding => &oid!(raw 2.23.136.1.1.7.1.2),
            Self::CscaEncoding => &oid!(raw 2.23.136.1.1.7.1.3),
            Self::ActiveAuthenticationKeyCompromised => &oid!(raw 2.23.136.1.1.7.1.4),
            Self::Lds => &oid!(raw 2.23.136.1.1.7.2),
            Self::DataGroupMalformed => &oid!(raw 2.23.136.1.1.7.2.1),
            Self::DataGroupHashWrong => &oid!(raw 2.23.136.1.1.7.2.2),
            Self::SecurityObjectSignatureWrong => &oid!(raw 2.23.136.1.1.7.2.3),
            Self::ComInconsistent => &oid!(raw 2.23.136.1.1.7.2.4),
            Self::Mrz => &oid!(raw 2.23.136.1.1.7.3),
            Self::MrzWrongData => &oid!(raw 2.23.136.1.1.7.3.1),
            Self::MrzWrongCheckDigit => &oid!(raw 2.23.136.1.1.7.3.2),
            Self::Chip => &oid!(raw 2.23.136.1.1.7.4),
        }
    }
}

impl Defect {
    /// The parameter that the kind demands, and no other.
    fn parameter(&self) -> Result<Option<u8>, &'static str> {
        let group = |number: u8| matches!(number, 1..=16 | 20 | 21);
        let field = |number: u8| number <= 9;
        let given = (self.data_group, self.certificate_field, self.mrz_field);
        match (self.kind, given) {
            (DefectKind::DataGroupMalformed | DefectKind::DataGroupHashWrong, (Some(number), None, None)) => {
                if group(number) {
                    Ok(Some(number))
                } else {
                    Err("a data group is 1 to 16, 20 (EF.SOD) or 21 (EF.COM)")
                }
            }
            (DefectKind::SignerEncoding | DefectKind::CscaEncoding, (None, Some(number), None))
            | (DefectKind::MrzWrongData | DefectKind::MrzWrongCheckDigit, (None, None, Some(number))) => {
                if field(number) { Ok(Some(number)) } else { Err("a field is 0 to 9") }
            }
            (DefectKind::DataGroupMalformed | DefectKind::DataGroupHashWrong, _) => {
                Err("this kind needs data_group and no other")
            }
            (DefectKind::SignerEncoding | DefectKind::CscaEncoding, _) => {
                Err("this kind needs certificate_field and no other")
            }
            (DefectKind::MrzWrongData | DefectKind::MrzWrongCheckDigit, _) => {
                Err("this kind needs mrz_field and no other")
            }
            (_, (None, None, None)) => Ok(None),
            _ => Err("this kind has no parameter"),
        }
    }

    fn write(&self) -> Result<Vec<u8>, &'static str> {
        let parameter = self.parameter()?;
        let mut writer = Writer::new();
        if let Some(words) = &self.description {
            writer.put(PRINTABLE_STRING, printable(words)?);
        }
        writer.put(OID, self.kind.oid());
        if let Some(number) = parameter {
            writer.put(context_constructed(0), encode(INTEGER, [number]));
        }
        Ok(encode(SEQUENCE, writer.finish()))
    }
}

impl Deviation {
    fn write(&self) -> Result<Vec<u8>, &'static str> {
        if self.defects.is_empty() {
            return Err("nothing is wrong: give at least one of defects");
        }
        let mut documents = Writer::new();
        if let Some(code) = &self.document_type {
            if code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return Err("a document type has two letters A-Z; one with a filler is no PrintableString");
            }
            documents.put(context(0), code);
        }
        match &self.signer {
            None => {}
            Some(DeviantSigner::KeyId(digits)) => {
                documents.put(context(2), bytes(digits)?);
            }
            Some(DeviantSigner::Sha256(digits)) => {
                documents.put(context(3), bytes(digits)?);
            }
            Some(DeviantSigner::Certificate(digits)) => {
                let certificate =
                    trust::Certificate::from_der(&bytes(digits)?).map_err(|_| "the signer is not a certificate")?;
                documents.nest(context_constructed(1), |named| {
                    named.raw(certificate.issuer().der()).put(INTEGER, certificate.serial());
                });
            }
        }
        if let Some(issued) = self.issued {
            if issued.last < issued.first {
                return Err("the last day of issue is before the first");
            }
            let (first, last) = (moment(issued.first, 0, 0, 0)?, moment(issued.last, 23, 59, 59)?);
            documents.nest(context_constructed(4), |period| {
                period.put(GENERALIZED_TIME, first).put(GENERALIZED_TIME, last);
            });
        }
        if !self.numbers.is_empty() {
            let numbers =
                self.numbers.iter().map(|number| printable(number).map(|text| encode(PRINTABLE_STRING, text)));
            documents.put(context_constructed(5), set_of(numbers.collect::<Result<Vec<_>, _>>()?));
        }
        let defects = self.defects.iter().map(Defect::write).collect::<Result<Vec<_>, _>>()?;
        let mut writer = Writer::new();
        writer.nest(SEQUENCE, |deviation| {
            deviation.put(SEQUENCE, documents.finish()).put(SET, set_of(defects));
        });
        Ok(writer.finish())
    }
}

/// The DER content of the list.
pub(crate) fn content(deviations: &[Deviation]) -> Result<Vec<u8>, IssueError> {
    let mut written = Vec::new();
    for (index, deviation) in deviations.iter().enumerate() {
        written.push(deviation.write().map_err(|why| IssueError::Deviation { index: index + 1, why })?);
    }
    let digests = deviations.iter().any(|deviation| matches!(deviation.signer, Some(DeviantSigner::Sha256(_))));
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |list| {
        list.put(INTEGER, [0]);
        if digests {
            list.put(SEQUENCE, encode(OID, SHA256));
        }
        list.put(SET, set_of(written));
    });
    Ok(writer.finish())
}

fn moment(day: Date, hour: i8, minute: i8, second: i8) -> Result<String, &'static str> {
    let zoned =
        day.at(hour, minute, second, 0).to_zoned(TimeZone::UTC).map_err(|_| "a day of issue is out of range")?;
    Ok(generalized(zoned.timestamp()))
}

fn bytes(digits: &str) -> Result<Vec<u8>, &'static str> {
    hex::decode(digits).ok().filter(|bytes| !bytes.is_empty()).ok_or("a signer is given in hexadecimal digits")
}

fn printable(text: &str) -> Result<&str, &'static str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte);
    if !text.is_empty() && text.bytes().all(fits) {
        Ok(text)
    } else {
        Err("a text has characters that a PrintableString has not")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defect(kind: DefectKind) -> Defect {
        Defect { kind, description: None, data_group: None, certificate_field: None, mrz_field: None }
    }

    #[test]
    fn tags_are_those_of_the_standard() {
        let deviation = Deviation {
            document_type: Some("ID".into()),
            signer: Some(DeviantSigner::KeyId("0102".into())),
            issued: Some(Issued { first: "2026-01-01".parse().unwrap(), last: "2026-01-31".parse().unwrap() }),
            numbers: vec!["B2".into(), "A1".into()],
            defects: vec![Defect { data_group: Some(2), ..defect(DefectKind::DataGroupHashWrong) }],
        };
        let expected = concat!(
            "304b",
            "3036",
            "80024944",
            "82020102",
            "a422",
            "180f32303236303130313030303030305a",
            "180f32303236303133313233353935395a",
            "a508",
            "13024131",
            "13024232",
            "3111",
            "300f",
            "06086781080101070202",
            "a003020102",
        );
        let written = hex::encode(deviation.write().unwrap());
        assert_eq!(written, expected);
    }

    #[test]
    fn parameters_fit_their_kind() {
        assert_eq!(defect(DefectKind::Chip).parameter(), Ok(None));
        assert!(Defect { data_group: Some(2), ..defect(DefectKind::Chip) }.parameter().is_err());
        assert!(defect(DefectKind::DataGroupMalformed).parameter().is_err());
        assert!(Defect { data_group: Some(17), ..defect(DefectKind::DataGroupMalformed) }.parameter().is_err());
        assert_eq!(Defect { mrz_field: Some(4), ..defect(DefectKind::MrzWrongData) }.parameter(), Ok(Some(4)));
        assert!(Defect { mrz_field: Some(10), ..defect(DefectKind::MrzWrongData) }.parameter().is_err());
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let none = Deviation { document_type: None, signer: None, issued: None, numbers: vec![], defects: vec![] };
        assert!(matches!(content(std::slice::from_ref(&none)), Err(IssueError::Deviation { index: 1, .. })));
        let bad = Deviation { numbers: vec!["A<1".into()], defects: vec![defect(DefectKind::Chip)], ..none };
        assert!(matches!(content(&[bad]), Err(IssueError::Deviation { index: 1, .. })));
    }
}
