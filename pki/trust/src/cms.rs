//! CMS SignedData (RFC 5652 §5) as 9303-10 §4.6.2 profiles it, judged on the bytes that were received.
//!
//! ```text
//! ContentInfo ::= SEQUENCE { contentType OBJECT IDENTIFIER (signedData), content [0] SignedData }
//! SignedData  ::= SEQUENCE { version INTEGER (3), digestAlgorithms SET, encapContentInfo SEQUENCE { type, [0] OCTET STRING },
//!                            certificates [0] OPTIONAL, crls [1] OPTIONAL, signerInfos SET OF SignerInfo }
//! SignerInfo  ::= SEQUENCE { version INTEGER, sid (issuerAndSerialNumber | [0] subjectKeyIdentifier), digestAlgorithm,
//!                            signedAttrs [0], signatureAlgorithm, signature OCTET STRING, unsignedAttrs [1] OPTIONAL }
//! ```
//!
//! Nothing is encoded again before it is hashed, with one exception that is recorded as a leniency: signed attributes
//! whose signature only verifies over their DER order.

use std::sync::OnceLock;

use iso7816::tlv::{self, Reader, Tag, Tlv, TlvError, encode};
use jiff::Timestamp;

use crate::certificate::Certificate;
use crate::der::{self, oid};
use crate::leniency::Leniency;
use crate::name::Name;
use crate::signature::{Hash, SignatureAlgorithm, SignatureError, hash_algorithm};

/// The largest SignedData that is read unless other [`Bounds`] are given, in bytes.
pub const MAX_SIGNED_DATA: usize = 1024 * 1024;
const MAX_SIGNERS: usize = 8;
const MAX_ATTRIBUTES: usize = 64;

/// How much is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Bytes of the whole.
    pub bytes: usize,
    /// Certificates that come along.
    pub certificates: usize,
}

impl Default for Bounds {
    /// Enough for any security object.
    fn default() -> Self {
        Bounds { bytes: MAX_SIGNED_DATA, certificates: 16 }
    }
}

/// SignedData that could be read; nothing is verified yet.
#[derive(Clone, Debug)]
pub struct SignedData {
    content_type: Vec<u8>,
    content: Vec<u8>,
    raw_certificates: Vec<Vec<u8>>,
    certificates: OnceLock<Vec<Certificate>>,
    signers: Vec<SignerInfo>,
}

/// One signer.
#[derive(Clone, Debug)]
pub struct SignerInfo {
    identifier: SignerIdentifier,
    digest: Hash,
    attributes: Attributes,
    algorithm: SignatureAlgorithm,
    /// Whether the algorithm's parameters are there or not there as its standard says.
    good_parameters: bool,
    signature: Vec<u8>,
}

/// How a signer names his certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SignerIdentifier {
    /// By issuer and serial number (content bytes).
    IssuerAndSerial {
        /// The issuer's name.
        issuer: Name,
        /// The serial number's content bytes.
        serial: Vec<u8>,
    },
    /// By subject key identifier.
    KeyIdentifier(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Attributes {
    /// The attributes with the tag of a SET OF: what is signed.
    signed: Vec<u8>,
    /// The same in DER order.
    sorted: Vec<u8>,
    content_type: Vec<u8>,
    message_digest: Vec<u8>,
    signing_time: Option<Timestamp>,
    lengths_are_der: bool,
}

/// Why bytes are not an acceptable SignedData.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CmsError {
    /// More bytes than accepted.
    #[error("signed data of {found} bytes: larger than {limit}")]
    TooLarge {
        /// How many there are.
        found: usize,
        /// How many are read.
        limit: usize,
    },
    /// Not data objects, or bytes left over.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// Another content type than SignedData.
    #[error("the content is not CMS signed data")]
    NotSignedData,
    /// A version that the content does not allow.
    #[error("version {found} of {object}, expected {expected}")]
    Version {
        /// `SignedData` or `SignerInfo`.
        object: &'static str,
        /// What it says.
        found: u64,
        /// What RFC 5652 demands.
        expected: u64,
    },
    /// There is no content.
    #[error("the signed content is missing")]
    NoContent,
    /// The content came along where only its signature is expected.
    #[error("the signed content is enclosed")]
    Enclosed,
    /// There is no signer.
    #[error("there is no signer")]
    NoSigner,
    /// More certificates, signers or attributes than accepted.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// Signed attributes are missing; they are mandatory.
    #[error("the signed attributes are missing")]
    NoSignedAttributes,
    /// An attribute is missing, appears twice or cannot be read.
    #[error("signed attribute {0} is missing, doubled or malformed")]
    Attribute(&'static str),
    /// The digest or signature algorithm is not acceptable.
    #[error(transparent)]
    Algorithm(#[from] SignatureError),
}

/// Why a signer's signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// The attribute names another content type than the content has.
    #[error("the signed content type is not that of the content")]
    ContentType,
    /// The content was altered, or never belonged to this signature.
    #[error("the signed message digest is not that of the content")]
    MessageDigest,
    /// The signature does not verify.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl SignedData {
    /// Reads a ContentInfo.
    ///
    /// # Errors
    /// When the bytes are not exactly one SignedData of the version that belongs to it, with content, signers and signed attributes.
    pub fn from_der(raw: &[u8]) -> Result<Self, CmsError> {
        Self::from_der_within(raw, Bounds::default())
    }

    /// Reads a ContentInfo of other bounds.
    ///
    /// # Errors
    /// As [`SignedData::from_der`].
    pub fn from_der_within(raw: &[u8], bounds: Bounds) -> Result<Self, CmsError> {
        Self::read(raw, None, bounds)
    }

    /// Reads a ContentInfo whose content lies elsewhere (RFC 5652 §5.2): it is these bytes that were signed, or were not.
    ///
    /// # Errors
    /// As [`SignedData::from_der`], and when a content is enclosed: two contents could be taken for each other.
    pub fn from_detached(raw: &[u8], content: &[u8]) -> Result<Self, CmsError> {
        Self::read(raw, Some(content), Bounds::default())
    }

    fn read(raw: &[u8], detached: Option<&[u8]>, bounds: Bounds) -> Result<Self, CmsError> {
        if raw.len() > bounds.bytes {
            return Err(CmsError::TooLarge { found: raw.len(), limit: bounds.bytes });
        }
        let mut info = Reader::new(tlv::sole(raw, der::SEQUENCE)?);
        if info.expect(der::OID)? != oid::SIGNED_DATA {
            return Err(CmsError::NotSignedData);
        }
        let content = info.expect(der::context_constructed(0))?;
        info.end()?;
        let mut reader = Reader::new(tlv::sole(content, der::SEQUENCE)?);
        let stated = reader.expect(der::INTEGER)?;
        reader.expect(der::SET)?;
        let (content_type, enclosed) = encapsulated(reader.expect(der::SEQUENCE)?)?;
        let content = match (enclosed, detached) {
            (Some(content), None) => content,
            (None, Some(content)) => content.to_vec(),
            (None, None) => return Err(CmsError::NoContent),
            (Some(_), Some(_)) => return Err(CmsError::Enclosed),
        };
        let enclosed = reader.optional(der::context_constructed(0))?.unwrap_or_default();
        let raw_certificates = certificates(enclosed, bounds.certificates)?;
        reader.optional(der::context_constructed(1))?;
        let signers = signer_infos(reader.expect(der::SET)?)?;
        reader.end()?;
        // RFC 5652 §5.1: 1 for plain data whose signers are all named by issuer and serial number.
        let by_key = |signer: &SignerInfo| matches!(signer.identifier, SignerIdentifier::KeyIdentifier(_));
        let plain = content_type == oid::DATA && !signers.iter().any(by_key);
        version("SignedData", stated, if plain { 1 } else { 3 })?;
        Ok(SignedData { content_type, content, raw_certificates, certificates: OnceLock::new(), signers })
    }

    /// The content type's object identifier (content bytes).
    pub fn content_type(&self) -> &[u8] {
        &self.content_type
    }

    /// The content, whoever signed it.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The certificates that came along and could be read: one, several or none.
    pub fn certificates(&self) -> &[Certificate] {
        self.certificates
            .get_or_init(|| self.raw_certificates.iter().filter_map(|raw| Certificate::from_der(raw).ok()).collect())
    }

    /// The certificates that came along, as received.
    pub fn raw_certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.raw_certificates.iter().map(Vec::as_slice)
    }

    /// The signers, at least one.
    pub fn signers(&self) -> &[SignerInfo] {
        &self.signers
    }

    /// Tolerances used while reading.
    pub fn leniencies(&self) -> Vec<Leniency> {
        self.leniencies_with(self.certificates().len())
    }

    /// The same, when it is known how many certificates could be read.
    pub(crate) fn leniencies_with(&self, readable: usize) -> Vec<Leniency> {
        let mut used = Vec::new();
        if readable < self.raw_certificates.len() {
            used.push(Leniency::UnreadableCertificates);
        }
        if self.signers.len() > 1 {
            used.push(Leniency::SeveralSigners);
        }
        used
    }

    /// Checks one signer's signature with a certificate that [`SignerInfo::identifies`] found.
    ///
    /// # Errors
    /// When the content, its type or the signature does not match.
    pub fn verify(&self, signer: &SignerInfo, certificate: &Certificate) -> Result<Vec<Leniency>, SignerError> {
        let attributes = &signer.attributes;
        if attributes.content_type != self.content_type {
            return Err(SignerError::ContentType);
        }
        if attributes.message_digest != signer.digest.digest(&self.content) {
            return Err(SignerError::MessageDigest);
        }
        let mut used = Vec::new();
        let check = |signed: &[u8]| signer.algorithm.verify(certificate.public_key(), signed, &signer.signature);
        let sorted = attributes.signed == attributes.sorted;
        match check(&attributes.signed) {
            Ok(()) if !sorted => used.push(Leniency::SignedAttributesNotSorted),
            Ok(()) => {}
            Err(error) if sorted => return Err(error.into()),
            Err(_) => {
                check(&attributes.sorted)?;
                used.push(Leniency::SignedAttributesSignedSorted);
            }
        }
        if !attributes.lengths_are_der {
            used.push(Leniency::SignedAttributesNotDer);
        }
        if !signer.good_parameters {
            used.push(Leniency::AlgorithmParameters);
        }
        if signer.digest != signer.algorithm.hash() {
            used.push(Leniency::DigestsDiffer);
        }
        if matches!(signer.algorithm, SignatureAlgorithm::EcdsaPlain(_)) {
            used.push(Leniency::PlainSignature);
        }
        if signer.algorithm.hash() == Hash::Sha1 || signer.digest == Hash::Sha1 {
            used.push(Leniency::LegacySha1);
        }
        Ok(used)
    }
}

impl SignerInfo {
    /// How the signer names his certificate.
    pub fn identifier(&self) -> &SignerIdentifier {
        &self.identifier
    }

    /// When the signer says he signed. Signed, but as trustworthy as the signer's clock.
    pub fn signing_time(&self) -> Option<Timestamp> {
        self.attributes.signing_time
    }

    /// How it was signed.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Whether this is the certificate the signer names, and with which tolerances.
    pub fn identifies(&self, certificate: &Certificate) -> Option<Vec<Leniency>> {
        self.identifier.identifies(certificate)
    }
}

impl SignerIdentifier {
    /// Whether this is the certificate that is named, and with which tolerances.
    pub fn identifies(&self, certificate: &Certificate) -> Option<Vec<Leniency>> {
        match self {
            SignerIdentifier::IssuerAndSerial { issuer, serial } => {
                if certificate.serial() != serial || !certificate.issuer().matches(issuer) {
                    return None;
                }
                let same = certificate.issuer().der() == issuer.der();
                Some(if same { Vec::new() } else { vec![Leniency::NameEncodingsDiffer] })
            }
            SignerIdentifier::KeyIdentifier(wanted) => match &certificate.extensions().subject_key_identifier {
                Some(present) => (present == wanted).then(Vec::new),
                None => (certificate.public_key().key_identifier() == *wanted)
                    .then(|| vec![Leniency::ComputedKeyIdentifier]),
            },
        }
    }
}

impl std::fmt::Display for SignerIdentifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::IssuerAndSerial { issuer, serial } => write!(f, "serial {} of {issuer}", hex::encode(serial)),
            Self::KeyIdentifier(identifier) => write!(f, "key id {}", hex::encode(identifier)),
        }
    }
}

fn version(object: &'static str, value: &[u8], expected: u64) -> Result<(), CmsError> {
    match der::small_integer(value) {
        Some(found) if found == expected => Ok(()),
        found => Err(CmsError::Version { object, found: found.unwrap_or(u64::MAX), expected }),
    }
}

/// The content's type, and the content where it is enclosed.
fn encapsulated(value: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), CmsError> {
    let mut reader = Reader::new(value);
    let content_type = reader.expect(der::OID)?.to_vec();
    let explicit = reader.optional(der::context_constructed(0))?;
    reader.end()?;
    let content = explicit.map(|explicit| tlv::sole(explicit, der::OCTET_STRING)).transpose()?;
    Ok((content_type, content.map(<[u8]>::to_vec)))
}

fn certificates(value: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, CmsError> {
    let mut raw = Vec::new();
    let mut reader = Reader::new(value);
    while let Some(item) = reader.next()? {
        if raw.len() == limit {
            return Err(CmsError::TooMany("certificates"));
        }
        raw.push(item.raw.to_vec());
    }
    Ok(raw)
}

fn signer_infos(value: &[u8]) -> Result<Vec<SignerInfo>, CmsError> {
    let mut signers = Vec::new();
    let mut reader = Reader::new(value);
    while !reader.is_empty() {
        if signers.len() == MAX_SIGNERS {
            return Err(CmsError::TooMany("signers"));
        }
        signers.push(signer_info(reader.expect(der::SEQUENCE)?)?);
    }
    if signers.is_empty() { Err(CmsError::NoSigner) } else { Ok(signers) }
}

fn signer_info(value: &[u8]) -> Result<SignerInfo, CmsError> {
    let mut reader = Reader::new(value);
    let stated = reader.expect(der::INTEGER)?;
    let identifier = match reader.optional(der::context(0))? {
        Some(identifier) => SignerIdentifier::KeyIdentifier(identifier.to_vec()),
        None => issuer_and_serial(reader.expect(der::SEQUENCE)?)?,
    };
    let expected = if matches!(identifier, SignerIdentifier::KeyIdentifier(_)) { 3 } else { 1 };
    version("SignerInfo", stated, expected)?;
    let digest = hash_algorithm(der::sequence(&mut reader)?)?;
    let attributes = reader.optional(der::context_constructed(0))?.ok_or(CmsError::NoSignedAttributes)?;
    let attributes = Attributes::read(attributes)?;
    let identifier_of_algorithm = der::sequence(&mut reader)?;
    let algorithm = SignatureAlgorithm::from_der(identifier_of_algorithm, Some(digest))?;
    let (_, parameters) = der::algorithm(tlv::sole(identifier_of_algorithm, der::SEQUENCE)?)?;
    let good_parameters = match algorithm {
        SignatureAlgorithm::Ecdsa(_) | SignatureAlgorithm::EcdsaPlain(_) => parameters.is_none(),
        SignatureAlgorithm::RsaV15(_) | SignatureAlgorithm::RsaPss { .. } => parameters.is_some(),
    };
    let signature = reader.expect(der::OCTET_STRING)?.to_vec();
    reader.optional(der::context_constructed(1))?;
    reader.end()?;
    Ok(SignerInfo { identifier, digest, attributes, algorithm, good_parameters, signature })
}

pub(crate) fn issuer_and_serial(value: &[u8]) -> Result<SignerIdentifier, TlvError> {
    let mut reader = Reader::new(value);
    let issuer = Name::from_der(der::sequence(&mut reader)?);
    let serial = reader.expect(der::INTEGER)?.to_vec();
    reader.end()?;
    Ok(SignerIdentifier::IssuerAndSerial { issuer, serial })
}

impl Attributes {
    fn read(value: &[u8]) -> Result<Self, CmsError> {
        let mut all: Vec<Tlv<'_>> = Vec::new();
        let mut reader = Reader::new(value);
        while let Some(attribute) = reader.next()? {
            if all.len() == MAX_ATTRIBUTES {
                return Err(CmsError::TooMany("signed attributes"));
            }
            all.push(attribute);
        }
        let mut sorted: Vec<&[u8]> = all.iter().map(|attribute| attribute.raw).collect();
        sorted.sort_unstable();
        let content_type = attribute(&all, oid::CONTENT_TYPE, "contentType")?;
        let message_digest = attribute(&all, oid::MESSAGE_DIGEST, "messageDigest")?;
        let signing_time = attribute(&all, oid::SIGNING_TIME, "signingTime").ok();
        Ok(Attributes {
            signed: encode(der::SET, value),
            sorted: encode(der::SET, sorted.concat()),
            content_type: expect(content_type, der::OID, "contentType")?,
            message_digest: expect(message_digest, der::OCTET_STRING, "messageDigest")?,
            signing_time: signing_time.and_then(|time| signing_moment(time.tag, time.value)),
            lengths_are_der: all.iter().all(|attribute| is_shortest(*attribute)),
        })
    }
}

/// The single value of the single attribute of this type.
fn attribute<'a>(all: &[Tlv<'a>], wanted: &[u8], name: &'static str) -> Result<Tlv<'a>, CmsError> {
    let bad = CmsError::Attribute(name);
    let mut found = None;
    for attribute in all {
        let mut reader = attribute.reader();
        if reader.expect(der::OID)? == wanted {
            let mut values = Reader::new(reader.expect(der::SET)?);
            let value = values.next()?.ok_or(bad.clone())?;
            values.end().map_err(|_| bad.clone())?;
            if found.replace(value).is_some() {
                return Err(bad);
            }
        }
    }
    found.ok_or(bad)
}

fn expect(value: Tlv<'_>, tag: Tag, name: &'static str) -> Result<Vec<u8>, CmsError> {
    if value.tag == tag { Ok(value.value.to_vec()) } else { Err(CmsError::Attribute(name)) }
}

fn signing_moment(tag: Tag, value: &[u8]) -> Option<Timestamp> {
    match tag {
        der::GENERALIZED_TIME => der::generalized_time(value),
        der::UTC_TIME => {
            // RFC 5652 §11.3: UTCTime for the years 1950 to 2049.
            let century: &[u8] = if value.first()? >= &b'5' { b"19" } else { b"20" };
            der::generalized_time(&[century, value].concat())
        }
        _ => None,
    }
}

fn is_shortest(item: Tlv<'_>) -> bool {
    encode(item.tag, item.value) == item.raw
        && (!item.tag.is_constructed() || {
            let mut reader = item.reader();
            let mut shortest = true;
            while let Ok(Some(inner)) = reader.next() {
                shortest &= encode(inner.tag, inner.value) == inner.raw;
            }
            shortest
        })
}
