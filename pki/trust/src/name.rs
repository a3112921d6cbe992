//! Distinguished names: an index to certificates, never an identity.

use std::fmt;

use iso7816::tlv::Reader;

use crate::der::{self, oid};

/// A distinguished name with its bytes as received.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Name {
    raw: Vec<u8>,
    attributes: Vec<(Vec<u8>, String)>,
}

impl Name {
    /// Reads an RDNSequence (tag 30 included). What is not a readable attribute is left out of the text but kept in the bytes.
    pub fn from_der(raw: &[u8]) -> Self {
        let mut attributes = Vec::new();
        let mut names = Reader::new(iso7816::tlv::sole(raw, der::SEQUENCE).unwrap_or_default());
        while let Ok(Some(relative)) = names.next() {
            let mut set = relative.reader();
            while let Ok(Some(attribute)) = set.next() {
                let mut pair = attribute.reader();
                if let (Ok(kind), Ok(Some(value))) = (pair.expect(der::OID), pair.next()) {
                    attributes.push((kind.to_vec(), String::from_utf8_lossy(value.value).into_owned()));
                }
            }
        }
        Name { raw: raw.to_vec(), attributes }
    }

    /// The bytes as received, tag included.
    pub fn der(&self) -> &[u8] {
        &self.raw
    }

    /// The countryName attribute (two letters).
    pub fn country(&self) -> Option<&str> {
        self.attribute(oid::COUNTRY_NAME)
    }

    /// The commonName attribute.
    pub fn common_name(&self) -> Option<&str> {
        self.attribute(oid::COMMON_NAME)
    }

    /// The serialNumber attribute, which tells apart who has the same name.
    pub fn serial_number(&self) -> Option<&str> {
        self.attribute(oid::SERIAL_NUMBER)
    }

    /// The localityName attribute; in the alternative names of 9303-12 the ICAO code of the state.
    pub fn locality(&self) -> Option<&str> {
        self.attribute(oid::LOCALITY_NAME)
    }

    /// Equal without regard to string types, letter case and runs of spaces (RFC 5280 §7.1 in short).
    pub fn matches(&self, other: &Name) -> bool {
        self.raw == other.raw
            || (!self.attributes.is_empty()
                && self.attributes.len() == other.attributes.len()
                && self
                    .attributes
                    .iter()
                    .zip(&other.attributes)
                    .all(|(one, two)| one.0 == two.0 && folded(&one.1) == folded(&two.1)))
    }

    /// A text that is the same for names that match: an index, never an identity.
    pub fn folded(&self) -> String {
        let parts = self.attributes.iter().map(|(kind, text)| format!("{}={}", hex::encode(kind), folded(text)));
        parts.collect::<Vec<_>>().join("\n")
    }

    fn attribute(&self, kind: &[u8]) -> Option<&str> {
        self.attributes.iter().find(|(oid, _)| oid == kind).map(|(_, text)| text.as_str())
    }
}

impl fmt::Display for Name {
    /// Control characters are shown escaped: a name comes from a hostile file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, text)) in self.attributes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{}={}", label(kind), text.escape_debug())?;
        }
        Ok(())
    }
}

fn label(kind: &[u8]) -> &'static str {
    match kind {
        oid::COMMON_NAME => "CN",
        oid::SURNAME => "SN",
        oid::GIVEN_NAME => "GN",
        oid::COUNTRY_NAME => "C",
        oid::LOCALITY_NAME => "L",
        oid::SERIAL_NUMBER => "serialNumber",
        oid::ORGANIZATION_NAME => "O",
        oid::ORGANIZATIONAL_UNIT_NAME => "OU",
        _ => "?",
    }
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
