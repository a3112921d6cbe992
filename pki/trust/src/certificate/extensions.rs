//! The extensions of 9303-12 §7, as far as a verifier looks at them.

use iso7816::tlv::{self, Reader};
use jiff::Timestamp;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::X509Extension;

use super::CertificateError;
use crate::der::{self, oid};
use crate::name::Name;

/// What the extensions say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Extensions {
    /// Key identifier of the issuer.
    pub authority_key_identifier: Option<Vec<u8>>,
    /// Key identifier of the subject.
    pub subject_key_identifier: Option<Vec<u8>>,
    /// Key usage.
    pub key_usage: Option<KeyUsage>,
    /// Basic constraints.
    pub basic_constraints: Option<BasicConstraints>,
    /// When the private key may sign.
    pub private_key_usage: Option<PrivateKeyUsage>,
    /// Codes of the documents this signer may sign (9303-12 §7), as in the MRZ.
    pub document_types: Option<Vec<String>>,
    /// Whether an extended key usage is present.
    pub has_extended_key_usage: bool,
    /// The purposes of the extended key usage, as the content bytes of their object identifiers.
    pub purposes: Vec<Vec<u8>>,
    /// Whether this is a link certificate between two names of one CSCA (9303-12 §7.1.1.7, NameChange).
    pub name_change: bool,
    /// The ICAO code of the state, from subjectAltName.
    pub subject_state: Option<String>,
    /// The ICAO code of the state, from issuerAltName.
    pub issuer_state: Option<String>,
    /// Where revocation lists are published.
    pub distribution_points: Vec<String>,
    /// Critical extensions that are not understood, as dotted identifiers.
    pub unknown_critical: Vec<String>,
}

/// The key usage bits that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyUsage {
    /// All bits, first bit lowest, as x509-parser gives them.
    pub flags: u16,
    /// Whether the extension is critical.
    pub critical: bool,
}

impl KeyUsage {
    const DIGITAL_SIGNATURE: u16 = 1;
    const KEY_CERT_SIGN: u16 = 1 << 5;
    const CRL_SIGN: u16 = 1 << 6;

    /// May sign data.
    pub fn digital_signature(self) -> bool {
        self.flags & Self::DIGITAL_SIGNATURE != 0
    }

    /// May sign data and nothing else.
    pub fn only_digital_signature(self) -> bool {
        self.flags == Self::DIGITAL_SIGNATURE
    }

    /// May sign certificates.
    pub fn key_cert_sign(self) -> bool {
        self.flags & Self::KEY_CERT_SIGN != 0
    }

    /// May sign revocation lists.
    pub fn crl_sign(self) -> bool {
        self.flags & Self::CRL_SIGN != 0
    }
}

/// Basic constraints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BasicConstraints {
    /// Whether the subject is an authority.
    pub ca: bool,
    /// How many authorities may follow.
    pub path_length: Option<u32>,
}

/// `PrivateKeyUsagePeriod ::= SEQUENCE { notBefore [0] GeneralizedTime OPTIONAL, notAfter [1] GeneralizedTime OPTIONAL }`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrivateKeyUsage {
    /// First moment.
    pub not_before: Option<Timestamp>,
    /// Last moment.
    pub not_after: Option<Timestamp>,
}

impl PrivateKeyUsage {
    /// Whether the key may sign at this moment.
    pub fn contains(&self, moment: Timestamp) -> bool {
        self.not_before.is_none_or(|start| start <= moment) && self.not_after.is_none_or(|end| moment <= end)
    }
}

impl Extensions {
    pub(super) fn read<'a>(all: impl Iterator<Item = &'a X509Extension<'a>>) -> Result<Self, CertificateError> {
        let mut read = Extensions::default();
        for extension in all {
            read.take(extension)?;
        }
        Ok(read)
    }

    fn take(&mut self, extension: &X509Extension<'_>) -> Result<(), CertificateError> {
        let unreadable = || CertificateError::Extension(extension.oid.to_id_string());
        match (extension.oid.as_bytes(), extension.parsed_extension()) {
            (oid::PRIVATE_KEY_USAGE_PERIOD, _) => {
                self.private_key_usage = Some(private_key_usage(extension.value).ok_or_else(unreadable)?);
            }
            (oid::DOCUMENT_TYPE_LIST, _) => {
                self.document_types = Some(document_types(extension.value).ok_or_else(unreadable)?);
            }
            (_, ParsedExtension::ParseError { .. }) => return Err(unreadable()),
            (_, ParsedExtension::AuthorityKeyIdentifier(identifier)) => {
                self.authority_key_identifier = identifier.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            (_, ParsedExtension::SubjectKeyIdentifier(identifier)) => {
                self.subject_key_identifier = Some(identifier.0.to_vec());
            }
            (_, ParsedExtension::KeyUsage(usage)) => {
                self.key_usage = Some(KeyUsage { flags: usage.flags, critical: extension.critical });
            }
            (_, ParsedExtension::BasicConstraints(constraints)) => {
                let (ca, path_length) = (constraints.ca, constraints.path_len_constraint);
                self.basic_constraints = Some(BasicConstraints { ca, path_length });
            }
            (_, ParsedExtension::SubjectAlternativeName(names)) => {
                self.subject_state = locality(&names.general_names);
            }
            (_, ParsedExtension::IssuerAlternativeName(names)) => {
                self.issuer_state = locality(&names.general_names);
            }
            (_, ParsedExtension::CRLDistributionPoints(_)) => {
                self.distribution_points = distribution_points(extension.value);
            }
            (oid::NAME_CHANGE, _) => self.name_change = true,
            (_, ParsedExtension::ExtendedKeyUsage(_)) => {
                self.has_extended_key_usage = true;
                self.purposes = purposes(extension.value).ok_or_else(unreadable)?;
            }
            _ if extension.critical => self.unknown_critical.push(extension.oid.to_id_string()),
            _ => {}
        }
        Ok(())
    }
}

fn locality(names: &[GeneralName<'_>]) -> Option<String> {
    names.iter().find_map(|name| match name {
        GeneralName::DirectoryName(name) => Name::from_der(name.as_raw()).locality().map(str::to_owned),
        _ => None,
    })
}

fn private_key_usage(value: &[u8]) -> Option<PrivateKeyUsage> {
    let mut reader = Reader::new(tlv::sole(value, der::SEQUENCE).ok()?);
    let mut moment = |number| match reader.optional(der::context(number)) {
        Ok(Some(text)) => der::generalized_time(text).map(Some),
        Ok(None) => Some(None),
        Err(_) => None,
    };
    let usage = PrivateKeyUsage { not_before: moment(0)?, not_after: moment(1)? };
    reader.end().ok()?;
    Some(usage)
}

/// DocumentTypeListSyntax ::= SEQUENCE { version INTEGER (0), docTypeList SET OF PrintableString (SIZE (1..2)) }
fn document_types(value: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::new(tlv::sole(value, der::SEQUENCE).ok()?);
    reader.expect(der::INTEGER).ok()?;
    let mut set = Reader::new(reader.expect(der::SET).ok()?);
    let mut types = Vec::new();
    while let Some(item) = set.next().ok()? {
        let text = std::str::from_utf8(item.value).ok()?;
        let letters = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'<');
        if item.tag != der::PRINTABLE_STRING || !matches!(text.len(), 1..=2) || !letters {
            return None;
        }
        types.push(text.to_owned());
    }
    Some(types)
}

/// ExtKeyUsageSyntax ::= SEQUENCE OF OBJECT IDENTIFIER
fn purposes(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = Reader::new(tlv::sole(value, der::SEQUENCE).ok()?);
    let mut purposes = Vec::new();
    while !reader.is_empty() {
        purposes.push(reader.expect(der::OID).ok()?.to_vec());
    }
    Some(purposes)
}

/// Every URI of `SEQUENCE OF SEQUENCE { distributionPoint [0] { fullName [0] { uniformResourceIdentifier [6] } } }`.
fn distribution_points(value: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut points = Reader::new(tlv::sole(value, der::SEQUENCE).unwrap_or_default());
    while let Ok(Some(point)) = points.next() {
        let name = tlv::find(point.value, der::context_constructed(0)).ok().flatten().unwrap_or_default();
        let full = tlv::find(name, der::context_constructed(0)).ok().flatten().unwrap_or_default();
        let mut names = Reader::new(full);
        while let Ok(Some(name)) = names.next() {
            if name.tag == der::context(6) {
                found.push(String::from_utf8_lossy(name.value).into_owned());
            }
        }
    }
    found
}
