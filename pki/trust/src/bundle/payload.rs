//! The payload as JSON. What [`Bundle::to_payload`] writes is the one way to write it, byte for byte.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Bundle, BundleError, Elsewhere, MAX_DEFECT_LIST_BYTES, MAX_DEFECT_LISTS, Origin, Pins, Policy, RevokedDocument,
};
use crate::certificate::Certificate;
use crate::crl::Crl;
use crate::defect_list::DefectList;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payload {
    pub issuer: String,
    pub number: u64,
    pub issued: Timestamp,
    pub expires: Timestamp,
    pub anchors: Vec<String>,
    #[serde(default)]
    pub signers: Vec<String>,
    #[serde(default)]
    pub crls: Vec<String>,
    pub policy: Policy,
    #[serde(default)]
    pub revoked_documents: Vec<RevokedDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_signers: Option<Pins>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Origin>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Elsewhere>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defect_lists: Vec<String>,
}

impl Payload {
    pub fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        serde_json::from_slice(bytes).map_err(|error| BundleError::Payload(error.to_string()))
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings, numbers and dates always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Bundle {
    /// The payload bytes to be signed.
    pub fn to_payload(&self) -> Vec<u8> {
        let certificates = |list: &[Certificate]| list.iter().map(|one| STANDARD.encode(one.der())).collect();
        let payload = Payload {
            issuer: self.issuer.clone(),
            number: self.number,
            issued: self.issued,
            expires: self.expires,
            anchors: certificates(&self.anchors),
            signers: certificates(&self.signers),
            crls: self.crls.iter().map(|crl| STANDARD.encode(crl.der())).collect(),
            policy: self.policy.clone(),
            revoked_documents: self.revoked_documents.values().cloned().collect(),
            next_signers: self.next_signers.clone(),
            sources: self.sources.clone(),
            origins: self.origins.clone(),
            elsewhere: self.elsewhere.clone(),
            defect_lists: self.defect_lists.iter().map(|list| STANDARD.encode(list.der())).collect(),
        };
        payload.to_bytes()
    }

    /// Reads a payload. Nothing in it is to be believed because of that: [`super::open`] checks the signatures first.
    ///
    /// # Errors
    /// When it is no payload of this version, or something in it cannot be read.
    pub fn from_payload(bytes: &[u8]) -> Result<Self, BundleError> {
        let payload = Payload::read(bytes)?;
        let named = payload.origins.iter().map(|origin| origin.source);
        let named = named.chain(payload.elsewhere.iter().flat_map(|known| known.sources.iter().copied()));
        if let Some(missing) = named.into_iter().find(|source| *source >= payload.sources.len()) {
            return Err(BundleError::Source(missing));
        }
        Ok(Bundle {
            issuer: payload.issuer,
            number: payload.number,
            issued: payload.issued,
            expires: payload.expires,
            anchors: certificates("anchors", &payload.anchors)?,
            signers: certificates("signers", &payload.signers)?,
            crls: crls(&payload.crls)?,
            policy: payload.policy,
            revoked_documents: payload
                .revoked_documents
                .into_iter()
                .map(|document| (document.key(), document))
                .collect(),
            next_signers: payload.next_signers,
            sources: payload.sources,
            origins: payload.origins,
            elsewhere: payload.elsewhere,
            defect_lists: defect_lists(&payload.defect_lists)?,
        })
    }
}

fn certificates(list: &'static str, texts: &[String]) -> Result<Vec<Certificate>, BundleError> {
    let read = |(index, text): (usize, &String)| {
        let raw = STANDARD.decode(text).map_err(|error| BundleError::Payload(error.to_string()))?;
        Certificate::from_der(&raw).map_err(|error| BundleError::Certificate { list, index, error })
    };
    texts.iter().enumerate().map(read).collect()
}

fn crls(texts: &[String]) -> Result<Vec<Crl>, BundleError> {
    let read = |(index, text): (usize, &String)| {
        let raw = STANDARD.decode(text).map_err(|error| BundleError::Payload(error.to_string()))?;
        Crl::from_der(&raw).map_err(|error| BundleError::Crl { index, error })
    };
    texts.iter().enumerate().map(read).collect()
}

fn defect_lists(texts: &[String]) -> Result<Vec<DefectList>, BundleError> {
    let decode = |text| STANDARD.decode(text).map_err(|error| BundleError::Payload(error.to_string()));
    let files = texts.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
    bounded(files.iter().map(Vec::len))?;
    let read = |(index, raw): (usize, &Vec<u8>)| {
        DefectList::from_der(raw).map_err(|error| BundleError::DefectList { index, error })
    };
    files.iter().enumerate().map(read).collect()
}

/// Whether a bundle may have defect lists of these lengths.
pub(super) fn bounded(lengths: impl ExactSizeIterator<Item = usize>) -> Result<(), BundleError> {
    let (lists, bytes) = (lengths.len(), lengths.sum());
    if lists > MAX_DEFECT_LISTS || bytes > MAX_DEFECT_LIST_BYTES {
        return Err(BundleError::TooManyDefectLists { lists, bytes });
    }
    Ok(())
}

/// Bytes that are hexadecimal in a file.
pub(super) mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<Vec<u8>>>(deserializer: D) -> Result<T, D::Error> {
        let bytes = hex::decode(String::deserialize(deserializer)?).map_err(de::Error::custom)?;
        T::try_from(bytes).map_err(|_| de::Error::custom("not the right number of hexadecimal digits"))
    }
}
