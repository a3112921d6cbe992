//! Card-verifiable certificates: small enough for a chip to judge a terminal with (TR-03110-3 appendix C and D).
//!
//! ```text
//! 7F21 { 7F4E { 5F29 profile (00), 42 authority reference, 7F49 public key, 5F20 holder reference,
//!               7F4C authorisation, 5F25 effective date, 5F24 expiration date, 65 extensions OPTIONAL },
//!        5F37 signature over the whole 7F4E }
//! request:               7F21 { 7F4E { 5F29, 42 OPTIONAL, 7F49, 5F20, 65 OPTIONAL }, 5F37 by the requested key }
//! authenticated request: 67 { 7F21 request, 42, 5F37 over request and 42, by an older key of the holder }
//! ```
//!
//! Signatures are checked over the bytes that were received; the typed bodies are what an issuer writes. A chain is judged by
//! [`chain::verify`], and what a terminal may do is the conjunction of all authorisations in it.
//!
//! - [`CvCertificate`], [`CvRequest`]: parsed, with their bytes
//! - [`Reference`]: who issued, who holds
//! - [`Chat`], [`Level`], [`RIGHTS`]: what a holder is and may do
//! - [`CvPublicKey`], [`VerificationKey`]: ECDSA with inherited domain parameters, RSA
//! - [`chain`]: from a trust point over links to a terminal

pub mod chain;
mod chat;
mod key;
mod reference;

use iso7816::tlv::{self, Reader, Tag, TlvError, Writer};
use jiff::civil::Date;

pub use chat::{Chat, ChatError, Level, RIGHTS, Right, TerminalType};
pub use key::{CvKeyError, CvPublicKey, KeyAlgorithm, KeyKind, KeyNumbers, NotSigned, VerificationKey};
pub use reference::{Reference, ReferenceError};

use crate::suite::Curve;

const OID: Tag = Tag(0x06);
pub(crate) const CERTIFICATE: Tag = Tag(0x7F21);
const BODY: Tag = Tag(0x7F4E);
const SIGNATURE: Tag = Tag(0x5F37);
const PROFILE: Tag = Tag(0x5F29);
const AUTHORITY: Tag = Tag(0x42);
const PUBLIC_KEY: Tag = Tag(0x7F49);
const HOLDER: Tag = Tag(0x5F20);
const CHAT: Tag = Tag(0x7F4C);
pub(crate) const EFFECTIVE: Tag = Tag(0x5F25);
const EXPIRATION: Tag = Tag(0x5F24);
const EXTENSIONS: Tag = Tag(0x65);
const EXTENSION: Tag = Tag(0x73);
const AUTHENTICATION: Tag = Tag(0x67);

/// The only profile there is.
const PROFILE_1: u8 = 0;

/// Why bytes are not a card-verifiable certificate or request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CvcError {
    /// Not the data objects of a certificate.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// A profile that is not known.
    #[error("certificate profile {0} is not known")]
    Profile(String),
    /// A reference.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// An authorisation template.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A date that is not six digits, one a byte, of a day of this century.
    #[error("{0} is not a date")]
    Date(String),
    /// A public key that is not one of TR-03110-3 §D.3.
    #[error("public key algorithm {0} is not known")]
    Algorithm(String),
    /// Neither all nor none of the domain parameters.
    #[error("the public key has some of the domain parameters, but not all")]
    PartialParameters,
}

/// Why a signature of a certificate or request is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CvVerifyError {
    /// The key that should have made it cannot be used.
    #[error(transparent)]
    Key(#[from] CvKeyError),
    /// The signature does not verify.
    #[error(transparent)]
    Signature(#[from] NotSigned),
    /// The request has no outer signature.
    #[error("the request has no outer signature")]
    NotAuthenticated,
}

/// A discretionary data template: an object identifier and data objects that belong to it (TR-03110-3 §C.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extension {
    /// Content bytes of the object identifier.
    pub oid: Vec<u8>,
    /// Tag and value of each data object.
    pub fields: Vec<(Tag, Vec<u8>)>,
}

impl Extension {
    /// What it is, when TR-03110-3 §C.3 names it.
    pub fn name(&self) -> Option<&'static str> {
        use asn1_rs::oid;
        match &self.oid[..] {
            oid if oid == oid!(raw 0.4.0.127.0.7.3.1.3.1) => Some("certificate description"),
            oid if oid == oid!(raw 0.4.0.127.0.7.3.1.3.2) => Some("terminal sector"),
            oid if oid == oid!(raw 0.4.0.127.0.7.3.1.3.3) => Some("terminal sector for pseudonymous signatures"),
            _ => None,
        }
    }

    fn parse(value: &[u8]) -> Result<Self, TlvError> {
        let mut reader = Reader::new(value);
        let oid = reader.expect(OID)?.to_vec();
        let mut fields = Vec::new();
        while let Some(field) = reader.next()? {
            fields.push((field.tag, field.value.to_vec()));
        }
        Ok(Extension { oid, fields })
    }

    fn write(&self, writer: &mut Writer) {
        writer.nest(EXTENSION, |extension| {
            extension.put(OID, &self.oid);
            for (tag, value) in &self.fields {
                extension.put(*tag, value);
            }
        });
    }
}

/// What a certificate says, as an issuer writes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CvBody {
    /// Who issued it (42).
    pub authority: Reference,
    /// The key of the holder (7F49).
    pub public_key: CvPublicKey,
    /// Who holds the key (5F20).
    pub holder: Reference,
    /// What the holder is and may do (7F4C).
    pub chat: Chat,
    /// The day it was made (5F25).
    pub effective: Date,
    /// The last day on which it is good (5F24).
    pub expires: Date,
    /// Extensions (65); absent when empty.
    pub extensions: Vec<Extension>,
}

impl CvBody {
    /// The data object 7F4E, which is what gets signed.
    ///
    /// # Errors
    /// When a date is not of this century.
    pub fn encode(&self) -> Result<Vec<u8>, CvcError> {
        let (effective, expires) = (encode_date(self.effective)?, encode_date(self.expires)?);
        let mut writer = Writer::new();
        writer.nest(BODY, |body| {
            body.put(PROFILE, [PROFILE_1]).put(AUTHORITY, self.authority.bytes());
            self.public_key.write(PUBLIC_KEY, body);
            body.put(HOLDER, self.holder.bytes());
            self.chat.write(CHAT, body);
            body.put(EFFECTIVE, effective).put(EXPIRATION, expires);
            write_extensions(&self.extensions, body);
        });
        Ok(writer.finish())
    }

    fn parse(value: &[u8]) -> Result<Self, CvcError> {
        let mut reader = Reader::new(value);
        profile(reader.expect(PROFILE)?)?;
        let body = CvBody {
            authority: Reference::from_bytes(reader.expect(AUTHORITY)?)?,
            public_key: CvPublicKey::parse(reader.expect(PUBLIC_KEY)?)?,
            holder: Reference::from_bytes(reader.expect(HOLDER)?)?,
            chat: Chat::parse(reader.expect(CHAT)?)?,
            effective: date(reader.expect(EFFECTIVE)?)?,
            expires: date(reader.expect(EXPIRATION)?)?,
            extensions: extensions(&mut reader)?,
        };
        reader.end()?;
        Ok(body)
    }
}

/// A certificate, with the bytes it came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CvCertificate {
    raw: Vec<u8>,
    /// Bytes of the outermost length field: some issuers always write three.
    length_bytes: usize,
    signed: Vec<u8>,
    signature: Vec<u8>,
    body: CvBody,
}

impl CvCertificate {
    /// Reads a certificate (tag 7F21 included).
    ///
    /// # Errors
    /// When it is no certificate of this profile.
    pub fn from_bytes(raw: &[u8]) -> Result<Self, CvcError> {
        let value = tlv::sole(raw, CERTIFICATE)?;
        let length_bytes = raw.len() - value.len() - 2;
        let (signed, signature) = split(value)?;
        let body = CvBody::parse(tlv::sole(signed, BODY)?)?;
        let (signed, signature) = (signed.to_vec(), signature.to_vec());
        Ok(CvCertificate { raw: raw.to_vec(), length_bytes, signed, signature, body })
    }

    /// Writes a certificate: an encoded body and the signature over it.
    pub fn assemble(body: &[u8], signature: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(CERTIFICATE, |certificate| {
            certificate.raw(body).put(SIGNATURE, signature);
        });
        writer.finish()
    }

    /// The certificate as received.
    pub fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// Body and signature as received, without the tag around them: what PSO:Verify Certificate carries.
    pub fn content(&self) -> &[u8] {
        tlv::sole(&self.raw, CERTIFICATE).unwrap_or_default()
    }

    /// What it says.
    pub fn body(&self) -> &CvBody {
        &self.body
    }

    /// The signed bytes as received (7F4E).
    pub fn signed_bytes(&self) -> &[u8] {
        &self.signed
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The certificate written anew from what was understood of it: lengths in their shortest form, but the outermost in the
    /// width it came in.
    pub fn encode(&self) -> Vec<u8> {
        // A date that was read is one that can be written.
        let strict = Self::assemble(&self.body.encode().unwrap_or_default(), &self.signature);
        let value = tlv::sole(&strict, CERTIFICATE).unwrap_or_default();
        if strict.len() - value.len() - 2 >= self.length_bytes {
            return strict;
        }
        let digits = self.length_bytes - 1;
        let length = value.len().to_be_bytes();
        let (tag, first) = (&[0x7F, 0x21], 0x80 | digits.to_le_bytes()[0]);
        [tag, &[first][..], length.get(length.len() - digits..).unwrap_or_default(), value].concat()
    }

    /// Whether every length is in its shortest form, as an issuer has to write it (DER).
    pub fn is_strict(&self) -> bool {
        self.raw == Self::assemble(&self.body.encode().unwrap_or_default(), &self.signature)
    }

    /// Whether holder and issuer are the same: the first certificate of a CVCA.
    pub fn is_self_signed(&self) -> bool {
        self.body.authority == self.body.holder
    }

    /// Whether it hands over from one key of a CVCA to the next.
    pub fn is_link(&self) -> bool {
        self.body.chat.level() == Level::Cvca && !self.is_self_signed()
    }

    /// The key of the holder; `inherited` is the curve of the certificate's CVCA, for keys without domain parameters.
    ///
    /// # Errors
    /// When the key is not acceptable.
    pub fn key(&self, inherited: Option<Curve>) -> Result<VerificationKey, CvKeyError> {
        self.body.public_key.resolve(inherited)
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// When it was not made by this key.
    pub fn verify(&self, issuer: &VerificationKey) -> Result<(), NotSigned> {
        issuer.verify(&self.signed, &self.signature)
    }
}

/// The certificates in a file that holds one after another.
///
/// # Errors
/// When something else is in it.
pub fn certificates(bytes: &[u8]) -> Result<Vec<CvCertificate>, CvcError> {
    let (mut reader, mut all) = (Reader::new(bytes), Vec::new());
    while let Some(object) = reader.next()? {
        all.push(CvCertificate::from_bytes(object.raw)?);
    }
    Ok(all)
}

/// What a request says, as a requester writes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CvRequestBody {
    /// The authority it is meant for (42).
    pub authority: Option<Reference>,
    /// The key to be certified, with its domain parameters (7F49).
    pub public_key: CvPublicKey,
    /// The name asked for (5F20).
    pub holder: Reference,
    /// Extensions (65); absent when empty.
    pub extensions: Vec<Extension>,
}

impl CvRequestBody {
    /// The data object 7F4E, which is what gets signed.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(BODY, |body| {
            body.put(PROFILE, [PROFILE_1]);
            if let Some(authority) = &self.authority {
                body.put(AUTHORITY, authority.bytes());
            }
            self.public_key.write(PUBLIC_KEY, body);
            body.put(HOLDER, self.holder.bytes());
            write_extensions(&self.extensions, body);
        });
        writer.finish()
    }

    fn parse(value: &[u8]) -> Result<Self, CvcError> {
        let mut reader = Reader::new(value);
        profile(reader.expect(PROFILE)?)?;
        let body = CvRequestBody {
            authority: reader.optional(AUTHORITY)?.map(Reference::from_bytes).transpose()?,
            public_key: CvPublicKey::parse(reader.expect(PUBLIC_KEY)?)?,
            holder: Reference::from_bytes(reader.expect(HOLDER)?)?,
            extensions: extensions(&mut reader)?,
        };
        reader.end()?;
        Ok(body)
    }
}

/// A request for a certificate, self-signed or authenticated, with the bytes it came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CvRequest {
    raw: Vec<u8>,
    signed: Vec<u8>,
    signature: Vec<u8>,
    body: CvRequestBody,
    outer: Option<Outer>,
}

/// The outer signature of an authenticated request.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Outer {
    authority: Reference,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl CvRequest {
    /// Reads a request (tag 7F21), or an authenticated one (tag 67).
    ///
    /// # Errors
    /// When it is neither.
    pub fn from_bytes(raw: &[u8]) -> Result<Self, CvcError> {
        if Reader::new(raw).next()?.is_some_and(|first| first.tag == AUTHENTICATION) {
            return Self::authenticated(raw);
        }
        let (signed, signature) = split(tlv::sole(raw, CERTIFICATE)?)?;
        let body = CvRequestBody::parse(tlv::sole(signed, BODY)?)?;
        let (signed, signature) = (signed.to_vec(), signature.to_vec());
        Ok(CvRequest { raw: raw.to_vec(), signed, signature, body, outer: None })
    }

    fn authenticated(raw: &[u8]) -> Result<Self, CvcError> {
        let value = tlv::sole(raw, AUTHENTICATION)?;
        let mut reader = Reader::new(value);
        let request = reader.next()?.filter(|request| request.tag == CERTIFICATE);
        let request = request.ok_or(TlvError::Missing { tag: CERTIFICATE })?;
        let authority = Reference::from_bytes(reader.expect(AUTHORITY)?)?;
        let signed = value.get(..value.len() - reader.rest().len()).unwrap_or_default().to_vec();
        let signature = reader.expect(SIGNATURE)?.to_vec();
        reader.end()?;
        let outer = Some(Outer { authority, signed, signature });
        Ok(CvRequest { raw: raw.to_vec(), outer, ..Self::from_bytes(request.raw)? })
    }

    /// What the outer signature of an authenticated request is made over: the request and the reference of the key that signs.
    pub fn to_authenticate(request: &[u8], signer: &Reference) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.raw(request).put(AUTHORITY, signer.bytes());
        writer.finish()
    }

    /// Writes an authenticated request: what [`CvRequest::to_authenticate`] gave, and the signature over it.
    pub fn assemble_authenticated(to_authenticate: &[u8], signature: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.nest(AUTHENTICATION, |request| {
            request.raw(to_authenticate).put(SIGNATURE, signature);
        });
        writer.finish()
    }

    /// The request as received.
    pub fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// What it says.
    pub fn body(&self) -> &CvRequestBody {
        &self.body
    }

    /// The key that made the outer signature, when there is one.
    pub fn authenticated_by(&self) -> Option<&Reference> {
        self.outer.as_ref().map(|outer| &outer.authority)
    }

    /// The request written anew from what was understood of it.
    pub fn encode(&self) -> Vec<u8> {
        let request = CvCertificate::assemble(&self.body.encode(), &self.signature);
        match &self.outer {
            Some(outer) => {
                let to_authenticate = Self::to_authenticate(&request, &outer.authority);
                Self::assemble_authenticated(&to_authenticate, &outer.signature)
            }
            None => request,
        }
    }

    /// Checks the inner signature: that the requester has the key he asks a certificate for.
    ///
    /// # Errors
    /// When the key is not acceptable or did not make the signature.
    pub fn verify_inner(&self) -> Result<VerificationKey, CvVerifyError> {
        let key = self.body.public_key.resolve(None)?;
        key.verify(&self.signed, &self.signature)?;
        Ok(key)
    }

    /// Checks the outer signature: that an older key of the holder, or another authority, vouches for the request.
    ///
    /// # Errors
    /// When there is none, or another key made it.
    pub fn verify_outer(&self, key: &VerificationKey) -> Result<(), CvVerifyError> {
        let outer = self.outer.as_ref().ok_or(CvVerifyError::NotAuthenticated)?;
        Ok(key.verify(&outer.signed, &outer.signature)?)
    }
}

/// The body (tag included) and the signature of a certificate's value.
fn split(value: &[u8]) -> Result<(&[u8], &[u8]), TlvError> {
    let mut reader = Reader::new(value);
    let body = match reader.next()? {
        Some(body) if body.tag == BODY => body.raw,
        Some(other) => return Err(TlvError::Unexpected { expected: BODY, found: other.tag }),
        None => return Err(TlvError::Missing { tag: BODY }),
    };
    let signature = reader.expect(SIGNATURE)?;
    reader.end()?;
    Ok((body, signature))
}

fn profile(value: &[u8]) -> Result<(), CvcError> {
    if value == [PROFILE_1] { Ok(()) } else { Err(CvcError::Profile(hex::encode(value))) }
}

fn extensions(reader: &mut Reader<'_>) -> Result<Vec<Extension>, TlvError> {
    let Some(value) = reader.optional(EXTENSIONS)? else { return Ok(Vec::new()) };
    let (mut inner, mut extensions) = (Reader::new(value), Vec::new());
    while !inner.is_empty() {
        extensions.push(Extension::parse(inner.expect(EXTENSION)?)?);
    }
    Ok(extensions)
}

fn write_extensions(extensions: &[Extension], body: &mut Writer) {
    if !extensions.is_empty() {
        body.nest(EXTENSIONS, |inner| extensions.iter().for_each(|extension| extension.write(inner)));
    }
}

/// `YYMMDD`, one digit a byte; the century is this one (TR-03110-3 §D.2.1.3).
pub(crate) fn date(value: &[u8]) -> Result<Date, CvcError> {
    let wrong = || CvcError::Date(hex::encode(value));
    let [y1, y2, m1, m2, d1, d2] = value else { return Err(wrong()) };
    if value.iter().any(|digit| *digit > 9) {
        return Err(wrong());
    }
    let two = |tens: &u8, ones: &u8| (tens * 10 + ones) as i8;
    Date::new(2000 + i16::from(two(y1, y2)), two(m1, m2), two(d1, d2)).map_err(|_| wrong())
}

pub(crate) fn encode_date(date: Date) -> Result<[u8; 6], CvcError> {
    let year = date.year().checked_sub(2000).filter(|year| (0..100).contains(year));
    let year = year.and_then(|year| u8::try_from(year).ok()).ok_or_else(|| CvcError::Date(date.to_string()))?;
    let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
    Ok([year / 10, year % 10, month / 10, month % 10, day / 10, day % 10])
}
