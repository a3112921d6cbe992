//! The file that a bundle travels in: its payload, byte by byte, and the signatures over it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::payload::Payload;
use super::{Bundle, BundleError, MAX_BUNDLE, Pin, Pins};
use crate::public_key::{EllipticCurve, KeyKind, PublicKey};
use crate::signature::{Hash, SignatureAlgorithm, SignatureError};

pub(super) const FORMAT: &str = "bitaqa-trust-bundle";
/// The most signatures that a file may carry.
pub const MAX_SIGNATURES: usize = 32;

/// A bundle's file, read: nothing in it is believed because of that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    version: Version,
    payload: Vec<u8>,
    signatures: Vec<BundleSignature>,
}

/// The versions of the container.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Version {
    /// One signature.
    One,
    /// Any number of signatures.
    Two,
}

impl Version {
    /// Stands before the payload bytes in what is signed, so that no other signature of the same key can be taken for one.
    fn context(self) -> &'static [u8] {
        match self {
            Version::One => b"bitaqa-trust-bundle-v1\0",
            Version::Two => b"bitaqa-trust-bundle-v2\0",
        }
    }
}

/// Somebody's signature.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BundleSignature {
    #[serde(with = "base64_bytes")]
    signer: Vec<u8>,
    #[serde(with = "base64_bytes")]
    signature: Vec<u8>,
}

/// One of the signatures of a file, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Countersignature {
    /// SHA-256 of the signer's key as it stands in the file.
    pub signer: Pin,
    /// Whether it is this key's signature over the payload.
    pub good: bool,
}

/// What every version begins with.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContainerOne {
    format: String,
    version: u32,
    #[serde(with = "base64_bytes")]
    signer: Vec<u8>,
    #[serde(with = "base64_bytes")]
    payload: Vec<u8>,
    #[serde(with = "base64_bytes")]
    signature: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContainerTwo {
    format: String,
    version: u32,
    #[serde(with = "base64_bytes")]
    payload: Vec<u8>,
    signatures: Vec<BundleSignature>,
}

impl Sealed {
    /// A payload which nobody has signed yet.
    pub fn unsigned(payload: Vec<u8>) -> Self {
        Sealed { version: Version::Two, payload, signatures: Vec::new() }
    }

    /// Reads a bundle's file.
    ///
    /// # Errors
    /// When it is too large, none, or of an unknown version.
    pub fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > MAX_BUNDLE {
            return Err(BundleError::TooLarge(bytes.len()));
        }
        let unreadable = |error: serde_json::Error| BundleError::Container(error.to_string());
        let head: Head = serde_json::from_slice(bytes).map_err(unreadable)?;
        match (head.format.as_str(), head.version) {
            (FORMAT, 1) => {
                let one: ContainerOne = serde_json::from_slice(bytes).map_err(unreadable)?;
                let signature = BundleSignature { signer: one.signer, signature: one.signature };
                Ok(Sealed { version: Version::One, payload: one.payload, signatures: vec![signature] })
            }
            (FORMAT, 2) => {
                let two: ContainerTwo = serde_json::from_slice(bytes).map_err(unreadable)?;
                Self::with_signatures(two.payload, two.signatures)
            }
            _ => Err(BundleError::Format { format: head.format, version: head.version }),
        }
    }

    pub(super) fn with_signatures(payload: Vec<u8>, signatures: Vec<BundleSignature>) -> Result<Self, BundleError> {
        if signatures.len() > MAX_SIGNATURES {
            return Err(BundleError::TooManySignatures(signatures.len()));
        }
        Ok(Sealed { version: Version::Two, payload, signatures })
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let format = FORMAT.to_owned();
        let payload = self.payload.clone();
        // Strings and numbers always serialize.
        match (self.version, self.signatures.as_slice()) {
            (Version::One, [BundleSignature { signer, signature }]) => {
                let (signer, signature) = (signer.clone(), signature.clone());
                serde_json::to_vec(&ContainerOne { format, version: 1, signer, payload, signature }).unwrap_or_default()
            }
            _ => {
                let signatures = self.signatures.clone();
                serde_json::to_vec(&ContainerTwo { format, version: 2, payload, signatures }).unwrap_or_default()
            }
        }
    }

    /// The signed bytes.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The number that the payload states, whoever signed it.
    ///
    /// # Errors
    /// When the payload cannot be read.
    pub fn number(&self) -> Result<u64, BundleError> {
        Ok(Payload::read(&self.payload)?.number)
    }

    /// SHA-256 of the signed bytes, by which a delta names what it builds on.
    pub fn payload_sha256(&self) -> [u8; 32] {
        openssl::sha::sha256(&self.payload)
    }

    /// The signatures of a file that can carry several.
    pub(super) fn several(&self) -> Option<&[BundleSignature]> {
        (self.version == Version::Two).then_some(&self.signatures)
    }

    /// The bytes that a signature is made over.
    pub fn message(&self) -> Vec<u8> {
        [self.version.context(), &self.payload].concat()
    }

    /// Adds a signature over [`Sealed::message`]; an earlier one of the same key gives way to it.
    ///
    /// # Errors
    /// When it does not verify, or the file cannot carry another one.
    pub fn add_signature(&mut self, signer: &PublicKey, signature: &[u8]) -> Result<(), BundleError> {
        if self.version == Version::One {
            return Err(BundleError::OneSignatureOnly);
        }
        verify(signer, &self.message(), signature).map_err(BundleError::Signature)?;
        let signature = BundleSignature { signer: signer.spki().to_vec(), signature: signature.to_vec() };
        self.signatures.retain(|other| other.signer != signature.signer);
        if self.signatures.len() == MAX_SIGNATURES {
            return Err(BundleError::TooManySignatures(MAX_SIGNATURES + 1));
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// A custodian adds his signature only to a bundle that its issuer signed, and that nobody changed since: the first
    /// signature and all others must be good.
    ///
    /// # Errors
    /// When there is none, or one is not over this bundle.
    pub fn check_signatures(&self) -> Result<(), BundleError> {
        let signatures = self.countersignatures();
        match signatures.iter().find(|one| !one.good) {
            Some(bad) => Err(BundleError::SignedOtherwise(bad.signer)),
            None if signatures.is_empty() => Err(BundleError::Unsigned),
            None => Ok(()),
        }
    }

    /// Every signature, checked: this says who signed, not that he may.
    pub fn countersignatures(&self) -> Vec<Countersignature> {
        let message = self.message();
        let check = |one: &BundleSignature| {
            let good =
                PublicKey::from_spki(&one.signer).is_ok_and(|key| verify(&key, &message, &one.signature).is_ok());
            Countersignature { signer: one.pin(), good }
        };
        self.signatures.iter().map(check).collect()
    }

    /// The bundle, when enough of the pinned signers signed it, and, when it names the next signers, enough of them too.
    ///
    /// # Errors
    /// When too few signed, or it holds something that cannot be read.
    pub fn verify(&self, pins: &Pins) -> Result<Bundle, BundleError> {
        self.satisfies(pins)?;
        let bundle = Bundle::from_payload(&self.payload)?;
        if let Some(next) = &bundle.next_signers {
            self.satisfies(next).map_err(|error| match error {
                BundleError::TooFewSignatures { good, altered, .. } => {
                    BundleError::TooFewNextSignatures { good, altered, next: next.clone() }
                }
                other => other,
            })?;
        }
        Ok(bundle)
    }

    /// Whether so many of these signers signed.
    ///
    /// # Errors
    /// When fewer did.
    pub fn satisfies(&self, pins: &Pins) -> Result<(), BundleError> {
        let pinned: Vec<_> = self.signatures.iter().filter(|one| pins.contains(&one.pin())).collect();
        let message = if pinned.is_empty() { Vec::new() } else { self.message() };
        // One key written in two ways is one signer.
        let mut keys = BTreeSet::new();
        let mut altered = Vec::new();
        for one in pinned {
            match PublicKey::from_spki(&one.signer) {
                Ok(key) if verify(&key, &message, &one.signature).is_ok() => drop(keys.insert(canonical(&key))),
                _ => altered.push(one.pin()),
            }
        }
        if keys.len() >= pins.threshold() {
            return Ok(());
        }
        let found = self.signatures.iter().map(BundleSignature::pin).collect();
        Err(BundleError::TooFewSignatures { good: keys.len(), altered, found, pins: pins.clone() })
    }
}

impl BundleSignature {
    fn pin(&self) -> Pin {
        Pin(openssl::sha::sha256(&self.signer))
    }
}

/// A key as OpenSSL writes it, however it stands in the file.
fn canonical(key: &PublicKey) -> Vec<u8> {
    key.openssl().public_key_to_der().unwrap_or_else(|_| key.spki().to_vec())
}

fn verify(signer: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    algorithm(signer)?.verify(signer, message, signature)
}

/// How a key signs bundles: ECDSA with the hash that fits the curve.
fn algorithm(signer: &PublicKey) -> Result<SignatureAlgorithm, SignatureError> {
    match signer.kind() {
        KeyKind::Ec(EllipticCurve::P256 | EllipticCurve::BrainpoolP256r1) => {
            Ok(SignatureAlgorithm::Ecdsa(Hash::Sha256))
        }
        KeyKind::Ec(EllipticCurve::P384 | EllipticCurve::BrainpoolP384r1) => {
            Ok(SignatureAlgorithm::Ecdsa(Hash::Sha384))
        }
        _ => Err(SignatureError::KeyMismatch),
    }
}

/// Bytes that are base64 in a file.
mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
