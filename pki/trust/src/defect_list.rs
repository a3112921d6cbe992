//! Defect lists: what is known to be wrong with whole series of documents, by their document signer (TR-03129-2 §7).
//!
//! ```text
//! DefectList  ::= SEQUENCE { version INTEGER (0), hashAlg OBJECT IDENTIFIER, defects SET OF Defect }
//! Defect      ::= SEQUENCE { signerIdentifier SignerIdentifier (RFC 5652), certificateHash OCTET STRING OPTIONAL,
//!                            knownDefects SET OF KnownDefect }
//! KnownDefect ::= SEQUENCE { defectType OBJECT IDENTIFIER, parameters ANY DEFINED BY defectType OPTIONAL }
//! ```
//!
//! in CMS SignedData of the type 0.4.0.127.0.7.3.1.5. Structure and object identifiers are those on which several
//! independent programs agree; the guideline's own text was not at hand. Defects whose identifier is not known for certain
//! (AuthenticationProtocolFailure, ValidityPeriodIncorrect, IssuingCountryDefect and the like) are read as
//! [`KnownDefect::Other`]. Nor is the purpose known that the guideline gives to signers of these lists: here a signer of
//! deviation lists (9303-12 §7.1.1.3) may sign them, or whoever is pinned himself.

use std::fmt;

use iso7816::tlv::{self, Reader, TlvError};
use jiff::Timestamp;

use crate::certificate::Certificate;
use crate::cms::{Bounds, CmsError, SignedData, SignerIdentifier, SignerInfo, issuer_and_serial};
use crate::der::{self, oid};
use crate::leniency::Leniency;
use crate::master_list::{Verification, certifies, nobody_behind, signing_time};
use crate::outcome::{Finding, Outcome};
use crate::signature::Hash;

/// The largest defect list that is read, in bytes.
pub const MAX_DEFECT_LIST: usize = 8 * 1024 * 1024;
/// How many document signers a list may speak about.
pub const MAX_DEFECTS: usize = 20_000;
const MAX_KNOWN: usize = 64;
const MAX_ENCLOSED: usize = 64;

/// Names of the findings about a list, in the order in which they are given.
pub mod id {
    /// The signer's signature over the list, whoever he is.
    pub const SIGNATURE: &str = "defect-list-signature";
    /// Whether a believed certificate stands behind the signer.
    pub const TRUST: &str = "defect-list-trust-status";
    /// Whether the signer may sign defect lists.
    pub const PURPOSE: &str = "defect-list-signer-purpose";
    /// Whether the signer's certificate was valid when the list says it was signed.
    pub const SIGNING_TIME: &str = "defect-list-signing-time";
}

/// A defect list that could be read; nothing is verified yet. Two are equal when their bytes are.
#[derive(Clone, Debug)]
pub struct DefectList {
    raw: Vec<u8>,
    fingerprint: [u8; 32],
    data: SignedData,
    hash: Option<Hash>,
    defects: Vec<Defect>,
}

/// What is wrong with the documents of one signer.
#[derive(Clone, Debug)]
pub struct Defect {
    /// The document signer.
    pub signer: SignerIdentifier,
    /// Hash of his certificate, where his name alone does not tell it from another.
    pub certificate_hash: Option<Vec<u8>>,
    /// What is wrong.
    pub known: Vec<KnownDefect>,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KnownDefect {
    /// id-CertRevoked: the document signer's certificate is revoked.
    CertificateRevoked(RevocationStatus),
    /// id-CertReplaced: it is malformed; SHA-256 of the certificate that stands for it.
    CertificateReplaced([u8; 32]),
    /// id-ChipAuthKeyRevoked: private keys of Chip Authentication are known to others.
    ChipAuthenticationKeyRevoked,
    /// id-ActiveAuthKeyRevoked: private keys of Active Authentication are known to others.
    ActiveAuthenticationKeyRevoked,
    /// id-ePassportDGMalformed: these data groups are not encoded as they should be.
    DataGroupsMalformed(Vec<u8>),
    /// id-SODInvalid: EF.SOD is wrong.
    SecurityObjectInvalid,
    /// id-COMSODDiscrepancy: EF.COM and EF.SOD list other data groups.
    ComDiffers,
    /// id-CardSecurityMalformed: EF.CardSecurity is wrong.
    CardSecurityMalformed,
    /// id-ChipSecurityMalformed: EF.ChipSecurity is wrong.
    ChipSecurityMalformed,
    /// id-PowerDownReq: the chip must be powered down between two protocols.
    PowerDownRequired,
    /// id-DSMalformed: the document signer's certificate is malformed.
    SignerMalformed,
    /// Another one: content bytes of its object identifier.
    Other(Vec<u8>),
}

/// Why and by whom a certificate is revoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RevocationStatus(pub u64);

impl RevocationStatus {
    /// What it makes of the trust in the document signer (TR-03135-1 §5.8): not trusted, or not to be told.
    pub fn outcome(self) -> Outcome {
        if matches!(self.0, 0 | 2 | 3 | 4) { Outcome::Failed } else { Outcome::Undetermined }
    }
}

impl fmt::Display for RevocationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("no reason given"),
            1 => f.write_str("under investigation"),
            2 => f.write_str("used for tests"),
            3 => f.write_str("by its issuer"),
            4 => f.write_str("by the signer of the defect list"),
            code => write!(f, "status {code}"),
        }
    }
}

impl fmt::Display for KnownDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CertificateRevoked(status) => write!(f, "the document signer is revoked ({status})"),
            Self::CertificateReplaced(other) => write!(f, "its certificate is replaced by {}", hex::encode(other)),
            Self::ChipAuthenticationKeyRevoked => f.write_str("keys of Chip Authentication are known to others"),
            Self::ActiveAuthenticationKeyRevoked => f.write_str("keys of Active Authentication are known to others"),
            Self::DataGroupsMalformed(groups) => write!(f, "data groups {groups:?} are malformed"),
            Self::SecurityObjectInvalid => f.write_str("EF.SOD is wrong"),
            Self::ComDiffers => f.write_str("EF.COM and EF.SOD list other data groups"),
            Self::CardSecurityMalformed => f.write_str("EF.CardSecurity is malformed"),
            Self::ChipSecurityMalformed => f.write_str("EF.ChipSecurity is malformed"),
            Self::PowerDownRequired => f.write_str("the chip must be powered down between two protocols"),
            Self::SignerMalformed => f.write_str("the document signer's certificate is malformed"),
            Self::Other(oid) => write!(f, "a defect that is not known here ({})", der::dotted(oid)),
        }
    }
}

/// Why bytes are not a defect list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefectListError {
    /// Not acceptable signed data.
    #[error(transparent)]
    Cms(#[from] CmsError),
    /// Signed data of another kind.
    #[error("the signed content is not a defect list")]
    ContentType,
    /// The content is not a list of defects.
    #[error("the content of the defect list: {0}")]
    Content(#[from] TlvError),
    /// A version that is not known.
    #[error("the version of the defect list is not 0")]
    Version,
    /// Certificates are named by a hash that cannot be computed here.
    #[error("the hash algorithm of the defect list is not known")]
    HashAlgorithm,
    /// A parameter that its defect cannot have.
    #[error("the parameter of a defect is malformed")]
    Parameter,
    /// More than is read.
    #[error("too many {0}")]
    TooMany(&'static str),
}

impl PartialEq for DefectList {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for DefectList {}

impl DefectList {
    /// Reads a ContentInfo.
    ///
    /// # Errors
    /// When the bytes are not exactly one signed defect list.
    pub fn from_der(raw: &[u8]) -> Result<Self, DefectListError> {
        let bounds = Bounds { bytes: MAX_DEFECT_LIST, certificates: MAX_ENCLOSED };
        let data = SignedData::from_der_within(raw, bounds)?;
        if data.content_type() != oid::DEFECT_LIST {
            return Err(DefectListError::ContentType);
        }
        let (hash, defects) = content(data.content())?;
        Ok(DefectList { raw: raw.to_vec(), fingerprint: openssl::sha::sha256(raw), data, hash, defects })
    }

    /// The file.
    pub fn der(&self) -> &[u8] {
        &self.raw
    }

    /// SHA-256 of the file.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Every document signer with what is wrong.
    pub fn defects(&self) -> &[Defect] {
        &self.defects
    }

    /// What is known to be wrong with the documents of this signer.
    pub fn about(&self, signer: &Certificate) -> impl Iterator<Item = &KnownDefect> {
        let meant = move |defect: &&Defect| {
            let same_hash = |wanted: &Vec<u8>| self.hash.is_some_and(|hash| hash.digest(signer.der()) == *wanted);
            defect.signer.identifies(signer).is_some() && defect.certificate_hash.as_ref().is_none_or(same_hash)
        };
        self.defects.iter().filter(meant).flat_map(|defect| &defect.known)
    }

    /// Whose list it is and of when, for people.
    pub fn describe(&self) -> String {
        let signer = self.data.signers().first();
        let when =
            signer.and_then(SignerInfo::signing_time).map(|signed| format!(" of {}", signed.strftime("%Y-%m-%d")));
        let whose = self.data.certificates().iter().find_map(|one| one.subject().country());
        let whose = whose.map_or_else(|| "a".to_owned(), |country| format!("{}'s", country.to_uppercase()));
        format!("{whose} defect list{}", when.unwrap_or_default())
    }

    /// Says whether one of these certificates stands behind the list: the signer's own, or that of the CSCA that certified him.
    pub fn verify(&self, pins: &[Certificate], now: Timestamp) -> Verification {
        let mut leniencies = self.data.leniencies();
        let mut refused = None;
        for info in self.data.signers() {
            for certificate in self.data.certificates().iter().chain(pins) {
                let Some(identified) = info.identifies(certificate) else { continue };
                match self.data.verify(info, certificate) {
                    Ok(used) => {
                        leniencies.extend(identified.into_iter().chain(used));
                        return signed_by(info, certificate, pins, now, leniencies);
                    }
                    Err(error) => refused = Some(error),
                }
            }
        }
        let signature = match refused {
            Some(error) => Finding::failed(id::SIGNATURE, error.to_string()),
            None => Finding::undetermined(id::SIGNATURE, "the certificate of the list signer is not at hand"),
        };
        let unknown = |id| Finding::undetermined(id, "the list signer is not known");
        let findings = vec![signature, unknown(id::TRUST), unknown(id::PURPOSE), unknown(id::SIGNING_TIME)];
        Verification { findings, signer: None, pinned: None, issuer: None, signed: None, leniencies }
    }
}

fn signed_by(
    info: &SignerInfo,
    signer: &Certificate,
    pins: &[Certificate],
    now: Timestamp,
    mut leniencies: Vec<Leniency>,
) -> Verification {
    let pinned = pins.iter().find(|pin| *pin == signer);
    let behind = pinned.or_else(|| pins.iter().find(|pin| certifies(pin, signer)));
    let trust = match behind {
        Some(pin) if pin == signer => Finding::successful(id::TRUST, "the list signer is pinned"),
        Some(pin) => Finding::successful(id::TRUST, format!("the list signer is certified by {}", pin.subject())),
        None => nobody_behind(id::TRUST, signer, pins),
    };
    let findings = vec![
        Finding::successful(id::SIGNATURE, format!("signed by {}", signer.subject())),
        trust,
        purpose(signer, pinned.is_some(), &mut leniencies),
        signing_time(id::SIGNING_TIME, info.signing_time(), signer, now),
    ];
    let (pinned, issuer) = (behind.cloned(), behind.cloned());
    Verification { findings, signer: Some(signer.clone()), pinned, issuer, signed: info.signing_time(), leniencies }
}

/// Whom a CSCA certified for something else may not speak about document signers.
fn purpose(signer: &Certificate, pinned: bool, leniencies: &mut Vec<Leniency>) -> Finding {
    let extensions = signer.extensions();
    if let Some(oid) = extensions.unknown_critical.first() {
        return Finding::failed(id::PURPOSE, format!("the list signer has the unknown critical extension {oid}"));
    }
    if !signer.is_authority() && extensions.purposes.iter().any(|purpose| purpose == oid::DEVIATION_LIST_SIGNER) {
        leniencies.push(Leniency::DefectListSignerForDeviations);
        return Finding::successful(id::PURPOSE, "the signer's certificate is for deviation lists");
    }
    if pinned {
        return Finding::successful(id::PURPOSE, "the signer himself is pinned, whatever else he may sign");
    }
    Finding::failed(id::PURPOSE, "the signer's certificate is not for deviation lists, and he himself is not pinned")
}

/// The hash algorithm and the defects of a DefectList.
pub(crate) fn content(bytes: &[u8]) -> Result<(Option<Hash>, Vec<Defect>), DefectListError> {
    let mut reader = Reader::new(tlv::sole(bytes, der::SEQUENCE)?);
    if reader.expect(der::INTEGER)? != [0] {
        return Err(DefectListError::Version);
    }
    let hash = Hash::from_oid(reader.expect(der::OID)?);
    let mut set = Reader::new(reader.expect(der::SET)?);
    reader.end()?;
    let mut defects = Vec::new();
    while !set.is_empty() {
        if defects.len() == MAX_DEFECTS {
            return Err(DefectListError::TooMany("document signers"));
        }
        defects.push(defect(set.expect(der::SEQUENCE)?)?);
    }
    if hash.is_none() && defects.iter().any(|defect| defect.certificate_hash.is_some()) {
        return Err(DefectListError::HashAlgorithm);
    }
    Ok((hash, defects))
}

fn defect(value: &[u8]) -> Result<Defect, DefectListError> {
    let mut reader = Reader::new(value);
    let signer = match reader.optional(der::context(0))? {
        Some(key) => SignerIdentifier::KeyIdentifier(key.to_vec()),
        None => issuer_and_serial(reader.expect(der::SEQUENCE)?)?,
    };
    let certificate_hash = reader.optional(der::OCTET_STRING)?.map(<[u8]>::to_vec);
    let mut set = Reader::new(reader.expect(der::SET)?);
    reader.end()?;
    let mut known = Vec::new();
    while !set.is_empty() {
        if known.len() == MAX_KNOWN {
            return Err(DefectListError::TooMany("defects of one document signer"));
        }
        known.push(known_defect(set.expect(der::SEQUENCE)?)?);
    }
    Ok(Defect { signer, certificate_hash, known })
}

fn known_defect(value: &[u8]) -> Result<KnownDefect, DefectListError> {
    let mut reader = Reader::new(value);
    let kind = reader.expect(der::OID)?;
    let parameter = reader.next()?;
    reader.end()?;
    let wanted = |tag| parameter.filter(|one| one.tag == tag).map(|one| one.value).ok_or(DefectListError::Parameter);
    Ok(match kind {
        oid::CERT_REVOKED => {
            // One program of several writes no status; it says no more than "no reason given".
            let status = if parameter.is_none() { Some(0) } else { der::small_integer(wanted(der::ENUMERATED)?) };
            KnownDefect::CertificateRevoked(RevocationStatus(status.ok_or(DefectListError::Parameter)?))
        }
        oid::CERT_REPLACED => {
            wanted(der::SEQUENCE)?;
            KnownDefect::CertificateReplaced(openssl::sha::sha256(parameter.map(|one| one.raw).unwrap_or_default()))
        }
        oid::CHIP_AUTH_KEY_REVOKED => KnownDefect::ChipAuthenticationKeyRevoked,
        oid::ACTIVE_AUTH_KEY_REVOKED => KnownDefect::ActiveAuthenticationKeyRevoked,
        oid::DG_MALFORMED => {
            let mut numbers = Reader::new(wanted(der::SET)?);
            let mut groups = Vec::new();
            while !numbers.is_empty() {
                match numbers.expect(der::INTEGER)? {
                    [number @ 1..=16] if !groups.contains(number) => groups.push(*number),
                    _ => return Err(DefectListError::Parameter),
                }
            }
            KnownDefect::DataGroupsMalformed(groups)
        }
        oid::SOD_INVALID => KnownDefect::SecurityObjectInvalid,
        oid::COM_SOD_DISCREPANCY => KnownDefect::ComDiffers,
        oid::CARD_SECURITY_MALFORMED => KnownDefect::CardSecurityMalformed,
        oid::CHIP_SECURITY_MALFORMED => KnownDefect::ChipSecurityMalformed,
        oid::POWER_DOWN_REQUIRED => KnownDefect::PowerDownRequired,
        oid::DS_MALFORMED => KnownDefect::SignerMalformed,
        other => KnownDefect::Other(other.to_vec()),
    })
}
