//! Certificates, revocation lists and signed data as trees of borrowed bytes: read as far as the structure goes, nothing judged.

use iso7816::tlv::{self, Reader, Tag, Tlv, TlvError};

use crate::der::{self, oid};

/// The most items of one sort (extensions, certificates, attributes) that are read.
const MAX_ITEMS: usize = 4096;
/// The most signers that are read: each is held against every certificate.
const MAX_SIGNERS: usize = 16;

/// AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY OPTIONAL }
#[derive(Clone, Copy)]
pub(super) struct Algorithm<'a> {
    pub raw: &'a [u8],
    pub oid: &'a [u8],
    pub parameters: Option<Tlv<'a>>,
}

impl<'a> Algorithm<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, TlvError> {
        let raw = der::sequence(reader)?;
        Self::of(raw)
    }

    /// From the whole SEQUENCE.
    pub fn of(raw: &'a [u8]) -> Result<Self, TlvError> {
        let (oid, parameters) = der::algorithm(tlv::sole(raw, der::SEQUENCE)?)?;
        Ok(Algorithm { raw, oid, parameters })
    }
}

/// One attribute of a name.
#[derive(Clone, Copy)]
pub(super) struct NameAttribute<'a> {
    pub oid: &'a [u8],
    pub string: Tag,
    pub text: &'a [u8],
}

/// A distinguished name.
pub(super) struct RawName<'a> {
    pub raw: &'a [u8],
    pub attributes: Vec<NameAttribute<'a>>,
}

impl<'a> RawName<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, TlvError> {
        Self::of(der::sequence(reader)?)
    }

    /// From the whole SEQUENCE.
    pub fn of(raw: &'a [u8]) -> Result<Self, TlvError> {
        let mut attributes = Vec::new();
        let mut names = Reader::new(tlv::sole(raw, der::SEQUENCE)?);
        while !names.is_empty() {
            let mut set = Reader::new(names.expect(der::SET)?);
            while !set.is_empty() && attributes.len() < MAX_ITEMS {
                let mut pair = Reader::new(set.expect(der::SEQUENCE)?);
                let oid = pair.expect(der::OID)?;
                let value = pair.next()?.ok_or(TlvError::Missing { tag: der::PRINTABLE_STRING })?;
                pair.end()?;
                attributes.push(NameAttribute { oid, string: value.tag, text: value.value });
            }
        }
        Ok(RawName { raw, attributes })
    }

    pub fn all<'s>(&'s self, kind: &'s [u8]) -> impl Iterator<Item = &'s NameAttribute<'a>> {
        self.attributes.iter().filter(move |attribute| attribute.oid == kind)
    }

    pub fn first(&self, kind: &[u8]) -> Option<&NameAttribute<'a>> {
        self.attributes.iter().find(|attribute| attribute.oid == kind)
    }
}

/// Extension ::= SEQUENCE { extnID, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }
#[derive(Clone, Copy)]
pub(super) struct RawExtension<'a> {
    pub oid: &'a [u8],
    /// Content of the BOOLEAN, when it is there.
    pub critical: Option<&'a [u8]>,
    pub value: &'a [u8],
}

impl<'a> RawExtension<'a> {
    pub fn is_critical(&self) -> bool {
        self.critical.is_some_and(|value| value != [0])
    }

    fn all(list: &'a [u8]) -> Result<Vec<Self>, TlvError> {
        let mut all = Vec::new();
        let mut reader = Reader::new(list);
        while !reader.is_empty() {
            let mut extension = Reader::new(reader.expect(der::SEQUENCE)?);
            let oid = extension.expect(der::OID)?;
            let critical = extension.optional(der::BOOLEAN)?;
            let value = extension.expect(der::OCTET_STRING)?;
            extension.end()?;
            if all.len() == MAX_ITEMS {
                return Err(TlvError::Trailing { count: reader.rest().len() });
            }
            all.push(RawExtension { oid, critical, value });
        }
        Ok(all)
    }
}

/// What certificates and revocation lists share.
pub(super) struct Common<'a> {
    pub whole: &'a [u8],
    pub inner: Algorithm<'a>,
    pub outer: Algorithm<'a>,
    /// Content of the version INTEGER, when it is there.
    pub version: Option<&'a [u8]>,
    /// Names with what they name.
    pub names: Vec<(&'static str, RawName<'a>)>,
    /// Moments with what they mean.
    pub times: Vec<(&'static str, Tlv<'a>)>,
    /// `None` when the field is absent.
    pub extensions: Option<Vec<RawExtension<'a>>>,
}

impl<'a> Common<'a> {
    pub fn extension(&self, wanted: &[u8]) -> Option<&RawExtension<'a>> {
        self.all_extensions().find(|extension| extension.oid == wanted)
    }

    pub fn all_extensions(&self) -> impl Iterator<Item = &RawExtension<'a>> {
        self.extensions.iter().flatten()
    }

    pub fn name(&self, which: &str) -> Option<&RawName<'a>> {
        self.names.iter().find(|(name, _)| *name == which).map(|(_, name)| name)
    }

    pub fn time(&self, which: &str) -> Option<Tlv<'a>> {
        self.times.iter().find(|(name, _)| *name == which).map(|(_, time)| *time)
    }
}

/// A certificate.
pub(super) struct RawCertificate<'a> {
    pub common: Common<'a>,
    /// Content of the INTEGER.
    pub serial: &'a [u8],
    /// SubjectPublicKeyInfo, tag included.
    pub spki: &'a [u8],
    pub key_algorithm: Algorithm<'a>,
    /// Content of the key's BIT STRING.
    pub key_bits: &'a [u8],
    pub has_unique_identifier: bool,
}

impl<'a> RawCertificate<'a> {
    pub fn read(whole: &'a [u8]) -> Result<Self, TlvError> {
        let mut certificate = Reader::new(tlv::sole(whole, der::SEQUENCE)?);
        let mut body = Reader::new(certificate.expect(der::SEQUENCE)?);
        let outer = Algorithm::read(&mut certificate)?;
        certificate.expect(der::BIT_STRING)?;
        certificate.end()?;
        let version = match body.optional(der::context_constructed(0))? {
            Some(version) => Some(tlv::sole(version, der::INTEGER)?),
            None => None,
        };
        let serial = body.expect(der::INTEGER)?;
        let inner = Algorithm::read(&mut body)?;
        let issuer = RawName::read(&mut body)?;
        let mut validity = Reader::new(body.expect(der::SEQUENCE)?);
        let times = vec![("notBefore", time(&mut validity)?), ("notAfter", time(&mut validity)?)];
        validity.end()?;
        let subject = RawName::read(&mut body)?;
        let spki = der::sequence(&mut body)?;
        let mut key = Reader::new(tlv::sole(spki, der::SEQUENCE)?);
        let key_algorithm = Algorithm::read(&mut key)?;
        let key_bits = key.expect(der::BIT_STRING)?;
        key.end()?;
        let identifiers = [body.optional(der::context(1))?, body.optional(der::context(2))?];
        let extensions = extensions(&mut body, 3)?;
        body.end()?;
        let names = vec![("issuer", issuer), ("subject", subject)];
        Ok(RawCertificate {
            common: Common { whole, inner, outer, version, names, times, extensions },
            serial,
            spki,
            key_algorithm,
            key_bits,
            has_unique_identifier: identifiers.iter().any(Option::is_some),
        })
    }

    pub fn extension(&self, wanted: &[u8]) -> Option<&RawExtension<'a>> {
        self.common.extension(wanted)
    }

    pub fn issuer(&self) -> &[u8] {
        self.common.name("issuer").map_or(&[], |name| name.raw)
    }

    pub fn subject(&self) -> &[u8] {
        self.common.name("subject").map_or(&[], |name| name.raw)
    }

    /// Whether basicConstraints say that it is an authority.
    pub fn is_authority(&self) -> bool {
        self.extension(oid::BASIC_CONSTRAINTS).is_some_and(|extension| {
            basic_constraints(extension.value).is_some_and(|(authority, _)| authority.is_some_and(|value| value != [0]))
        })
    }
}

/// An entry of a revocation list.
pub(super) struct Entry<'a> {
    pub serial: &'a [u8],
    pub since: Tlv<'a>,
    pub extensions: Vec<RawExtension<'a>>,
}

/// A revocation list.
pub(super) struct RawCrl<'a> {
    pub common: Common<'a>,
    /// `None` when the field is absent.
    pub entries: Option<Vec<Entry<'a>>>,
}

impl<'a> RawCrl<'a> {
    pub fn read(whole: &'a [u8]) -> Result<Self, TlvError> {
        let mut list = Reader::new(tlv::sole(whole, der::SEQUENCE)?);
        let mut body = Reader::new(list.expect(der::SEQUENCE)?);
        let outer = Algorithm::read(&mut list)?;
        list.expect(der::BIT_STRING)?;
        list.end()?;
        let version = body.optional(der::INTEGER)?;
        let inner = Algorithm::read(&mut body)?;
        let names = vec![("issuer", RawName::read(&mut body)?)];
        let mut times = vec![("thisUpdate", time(&mut body)?)];
        if let Some(next) = body.clone().next()?.filter(|next| is_time(next.tag)) {
            body.next()?;
            times.push(("nextUpdate", next));
        }
        let entries = body.optional(der::SEQUENCE)?.map(entries).transpose()?;
        let extensions = extensions(&mut body, 0)?;
        body.end()?;
        Ok(RawCrl { common: Common { whole, inner, outer, version, names, times, extensions }, entries })
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().flatten()
    }
}

fn entries(list: &[u8]) -> Result<Vec<Entry<'_>>, TlvError> {
    let mut all = Vec::new();
    let mut reader = Reader::new(list);
    while !reader.is_empty() {
        let mut entry = Reader::new(reader.expect(der::SEQUENCE)?);
        let (serial, since) = (entry.expect(der::INTEGER)?, time(&mut entry)?);
        let extensions = match entry.optional(der::SEQUENCE)? {
            Some(list) => RawExtension::all(list)?,
            None => Vec::new(),
        };
        entry.end()?;
        all.push(Entry { serial, since, extensions });
    }
    Ok(all)
}

fn extensions<'a>(body: &mut Reader<'a>, number: u8) -> Result<Option<Vec<RawExtension<'a>>>, TlvError> {
    match body.optional(der::context_constructed(number))? {
        Some(tagged) => RawExtension::all(tlv::sole(tagged, der::SEQUENCE)?).map(Some),
        None => Ok(None),
    }
}

fn is_time(tag: Tag) -> bool {
    matches!(tag, der::UTC_TIME | der::GENERALIZED_TIME)
}

fn time<'a>(reader: &mut Reader<'a>) -> Result<Tlv<'a>, TlvError> {
    match reader.next()? {
        Some(time) if is_time(time.tag) => Ok(time),
        Some(other) => Err(TlvError::Unexpected { expected: der::UTC_TIME, found: other.tag }),
        None => Err(TlvError::Missing { tag: der::UTC_TIME }),
    }
}

/// The content of cA and of pathLenConstraint, where they are.
pub(super) type Constraints<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }
pub(super) fn basic_constraints(value: &[u8]) -> Option<Constraints<'_>> {
    let mut reader = Reader::new(tlv::sole(value, der::SEQUENCE).ok()?);
    let authority = reader.optional(der::BOOLEAN).ok()?;
    let path = reader.optional(der::INTEGER).ok()?;
    reader.end().ok()?;
    Some((authority, path))
}

/// One signer of signed data.
pub(super) struct RawSigner<'a> {
    pub version: &'a [u8],
    pub identifier: Identifier<'a>,
    pub digest: Algorithm<'a>,
    /// Content of the signed attributes, when there are any.
    pub attributes: Option<Vec<Attribute<'a>>>,
    pub algorithm: Algorithm<'a>,
    pub signature: &'a [u8],
    pub has_unsigned_attributes: bool,
}

/// How a signer is named.
pub(super) enum Identifier<'a> {
    IssuerAndSerial { issuer: &'a [u8], serial: &'a [u8] },
    Key(&'a [u8]),
}

/// An attribute with its values.
pub(super) struct Attribute<'a> {
    pub raw: &'a [u8],
    pub oid: &'a [u8],
    pub values: Vec<Tlv<'a>>,
}

/// CMS SignedData in its ContentInfo.
pub(super) struct RawSigned<'a> {
    pub whole: &'a [u8],
    pub version: &'a [u8],
    pub digests: Vec<Algorithm<'a>>,
    pub content_type: &'a [u8],
    /// The content's bytes, when they came along.
    pub content: Option<&'a [u8]>,
    /// Certificates as they came, tag included.
    pub certificates: Vec<&'a [u8]>,
    pub has_crls: bool,
    pub signers: Vec<RawSigner<'a>>,
}

impl<'a> RawSigned<'a> {
    pub fn read(whole: &'a [u8]) -> Result<Self, TlvError> {
        let mut info = Reader::new(tlv::sole(whole, der::SEQUENCE)?);
        let kind = info.next()?.ok_or(TlvError::Missing { tag: der::OID })?;
        if kind.tag != der::OID || kind.value != oid::SIGNED_DATA {
            return Err(TlvError::Missing { tag: der::OID });
        }
        let content = info.expect(der::context_constructed(0))?;
        info.end()?;
        let mut data = Reader::new(tlv::sole(content, der::SEQUENCE)?);
        let version = data.expect(der::INTEGER)?;
        let mut digests = Vec::new();
        let mut set = Reader::new(data.expect(der::SET)?);
        while !set.is_empty() && digests.len() < MAX_ITEMS {
            digests.push(Algorithm::read(&mut set)?);
        }
        let mut encapsulated = Reader::new(data.expect(der::SEQUENCE)?);
        let content_type = encapsulated.expect(der::OID)?;
        let content = match encapsulated.optional(der::context_constructed(0))? {
            Some(content) => Some(tlv::sole(content, der::OCTET_STRING)?),
            None => None,
        };
        encapsulated.end()?;
        let certificates = raws(data.optional(der::context_constructed(0))?.unwrap_or_default())?;
        let has_crls = data.optional(der::context_constructed(1))?.is_some();
        let mut signers = Vec::new();
        let mut set = Reader::new(data.expect(der::SET)?);
        while !set.is_empty() && signers.len() < MAX_SIGNERS {
            signers.push(signer(set.expect(der::SEQUENCE)?)?);
        }
        data.end()?;
        Ok(RawSigned { whole, version, digests, content_type, content, certificates, has_crls, signers })
    }
}

fn signer(value: &[u8]) -> Result<RawSigner<'_>, TlvError> {
    let mut reader = Reader::new(value);
    let version = reader.expect(der::INTEGER)?;
    let identifier = match reader.optional(der::context(0))? {
        Some(key) => Identifier::Key(key),
        None => {
            let mut pair = Reader::new(reader.expect(der::SEQUENCE)?);
            let (issuer, serial) = (der::sequence(&mut pair)?, pair.expect(der::INTEGER)?);
            pair.end()?;
            Identifier::IssuerAndSerial { issuer, serial }
        }
    };
    let digest = Algorithm::read(&mut reader)?;
    let attributes = reader.optional(der::context_constructed(0))?.map(attributes).transpose()?;
    let algorithm = Algorithm::read(&mut reader)?;
    let signature = reader.expect(der::OCTET_STRING)?;
    let has_unsigned_attributes = reader.optional(der::context_constructed(1))?.is_some();
    reader.end()?;
    Ok(RawSigner { version, identifier, digest, attributes, algorithm, signature, has_unsigned_attributes })
}

fn attributes(list: &[u8]) -> Result<Vec<Attribute<'_>>, TlvError> {
    let mut all = Vec::new();
    let mut reader = Reader::new(list);
    while let Some(item) = reader.next()? {
        if all.len() == MAX_ITEMS {
            return Err(TlvError::Trailing { count: reader.rest().len() });
        }
        let mut attribute = Reader::new(tlv::sole(item.raw, der::SEQUENCE)?);
        let oid = attribute.expect(der::OID)?;
        let values = items(attribute.expect(der::SET)?)?;
        attribute.end()?;
        all.push(Attribute { raw: item.raw, oid, values });
    }
    Ok(all)
}

/// Every data object of a list.
pub(super) fn items(list: &[u8]) -> Result<Vec<Tlv<'_>>, TlvError> {
    let mut all = Vec::new();
    let mut reader = Reader::new(list);
    while let Some(item) = reader.next()? {
        if all.len() == MAX_ITEMS {
            return Err(TlvError::Trailing { count: reader.rest().len() });
        }
        all.push(item);
    }
    Ok(all)
}

fn raws(list: &[u8]) -> Result<Vec<&[u8]>, TlvError> {
    Ok(items(list)?.into_iter().map(|item| item.raw).collect())
}

/// CscaMasterList ::= SEQUENCE { version INTEGER (0), certList SET OF Certificate }: version and certificates.
pub(super) fn master_list(content: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
    let mut reader = Reader::new(tlv::sole(content, der::SEQUENCE).ok()?);
    let version = reader.expect(der::INTEGER).ok()?;
    let certificates = raws(reader.expect(der::SET).ok()?).ok()?;
    reader.end().ok()?;
    Some((version, certificates))
}

/// The parts of an LDSSecurityObject (9303-10 §4.6.2.2).
pub(super) struct RawHashes<'a> {
    pub version: &'a [u8],
    pub algorithm: Algorithm<'a>,
    /// Number (content of the INTEGER) and hash of each data group.
    pub groups: Vec<(&'a [u8], &'a [u8])>,
    /// LDS and Unicode version.
    pub lds: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> RawHashes<'a> {
    pub fn read(content: &'a [u8]) -> Result<Self, TlvError> {
        let mut reader = Reader::new(tlv::sole(content, der::SEQUENCE)?);
        let version = reader.expect(der::INTEGER)?;
        let algorithm = Algorithm::read(&mut reader)?;
        let mut groups = Vec::new();
        let mut list = Reader::new(reader.expect(der::SEQUENCE)?);
        while !list.is_empty() && groups.len() < MAX_ITEMS {
            let mut group = Reader::new(list.expect(der::SEQUENCE)?);
            groups.push((group.expect(der::INTEGER)?, group.expect(der::OCTET_STRING)?));
            group.end()?;
        }
        let lds = match reader.optional(der::SEQUENCE)? {
            Some(info) => {
                let mut info = Reader::new(info);
                let versions = (info.expect(der::PRINTABLE_STRING)?, info.expect(der::PRINTABLE_STRING)?);
                info.end()?;
                Some(versions)
            }
            None => None,
        };
        reader.end()?;
        Ok(RawHashes { version, algorithm, groups, lds })
    }
}

/// The gate before a document signer signs: its content keeps every rule about LDSSecurityObject of the current edition.
///
/// The frame around the content is the same for every document: the first security object that a signer makes is linted as a
/// whole, signed data, content and the certificate inside.
///
/// # Errors
/// The first departure.
pub fn security_object_content(content: &[u8]) -> Result<(), super::Refused> {
    super::rules::security_object_content(content)
}
