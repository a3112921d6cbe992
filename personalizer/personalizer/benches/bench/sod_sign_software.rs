//! `sod_sign_software`: security objects signed per second with a key in this process.
//!
//! - value: `DocumentSigner::sign_security_object` for six data groups: digests, signed attributes, signature, CMS
//! - floor: OpenSSL's ECDSA of one digest with a parsed key of the same curve

use std::collections::BTreeMap;
use std::error::Error;

use authority::Profile;
use lds::sod::{HashAlgorithm, LdsSecurityObject};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::sha::sha256;

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
    let digest = sha256(&object);
    let medians =
        TURNS.measure(|| Ok(centre.signer.sign_security_object(&object)?), || Ok(EcdsaSig::sign(&digest, &key)?))?;
    Ok(Row::rate("sod_sign_software", "signature/s", 1.0, &medians))
}

/// The content of a document's security object.
pub fn security_object() -> Vec<u8> {
    let hashes: BTreeMap<u8, Vec<u8>> = DATA_GROUPS.iter().map(|group| (*group, sha256(&[*group]).to_vec())).collect();
    LdsSecurityObject::v0(HashAlgorithm::Sha256, hashes).to_bytes()
}
