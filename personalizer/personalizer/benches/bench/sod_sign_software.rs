//! `sod_sign_software`: security objects signed per second with a key in this process.
//!
//! - value: `DocumentSigner::sign_security_object` for six data groups: digests, signed attributes, signature, CMS
//! - floor: the cryptography of it and nothing else: SHA-256 of the content, SHA-256 of as many bytes as the signed attributes
//!   have, OpenSSL's ECDSA of that digest with a parsed key of the same curve

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;

use authority::Profile;
use iso7816::tlv::{Reader, Tlv, encode};
use lds::sod::{HashAlgorithm, LdsSecurityObject};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::sha::sha256;
use trust::der::SET;

use crate::centre::{Centre, PROFILE};
use crate::report::Row;
use crate::turns::Turns;

const TURNS: Turns = Turns { rounds: 100, repetitions: 200 };
const DATA_GROUPS: [u8; 6] = [1, 2, 11, 12, 13, 14];

/// The row.
pub fn row(centre: &Centre) -> Result<Row, Box<dyn Error>> {
    let object = security_object();
    let algorithm = Profile::find(PROFILE).ok_or("no such profile")?.signer_algorithm;
    let curve = algorithm.curve().ok_or("the profile's signers are not on a curve")?;
    let key = EcKey::generate(EcGroup::from_curve_name(curve.nid())?.as_ref())?;
    let attributes = signed_attributes(&centre.signer.sign_security_object(&object)?)?;
    let medians = TURNS.measure(
        || Ok(centre.signer.sign_security_object(&object)?),
        || {
            black_box(sha256(&object));
            Ok(EcdsaSig::sign(&sha256(&attributes), &key)?)
        },
    )?;
    Ok(Row::rate("sod_sign_software", "signature/s", 1.0, &medians))
}

/// What is signed of a security object: its signed attributes.
pub fn signed_attributes(object: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let part = |bytes, number| Some(child(bytes, number)?.value);
    // ContentInfo, its content, SignedData, signerInfos, the first of them, its attributes.
    let found = [0, 1, 0, 4, 0, 3].into_iter().try_fold(object, part);
    Ok(encode(SET, found.ok_or("no attributes were signed")?))
}

/// One of the data objects that stand one after another.
pub fn child(bytes: &[u8], number: usize) -> Option<Tlv<'_>> {
    let mut reader = Reader::new(bytes);
    (0..number).try_for_each(|_| reader.next().ok()?.map(drop))?;
    reader.next().ok()?
}

/// The content of a document's security object.
pub fn security_object() -> Vec<u8> {
    let hashes: BTreeMap<u8, Vec<u8>> = DATA_GROUPS.iter().map(|group| (*group, sha256(&[*group]).to_vec())).collect();
    LdsSecurityObject::v0(HashAlgorithm::Sha256, hashes).to_bytes()
}
