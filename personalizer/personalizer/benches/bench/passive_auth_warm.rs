//! `passive_auth_warm`: security objects of one signer judged per second, as at a post where many travellers come from one
//! State.
//!
//! - value: `security_object::parse` and `judge` of a security object over six data groups, with a store that has met the
//!   signer before: CMS, digests, every rule of the chain; each judgement must prove the object authentic
//! - floor: the cryptography that such a judgement cannot do without and nothing else: SHA-256 of the content and of the signed
//!   attributes, and one signature verification, OpenSSL's ECDSA with a parsed key of the same curve

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;

use jiff::Timestamp;
use lds::sod::{HashAlgorithm, LdsSecurityObject};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::sha::sha256;
use trust::chain::Document;
use trust::public_key::KeyKind;
use trust::security_object;

use crate::centre::Centre;
use crate::report::Row;
use crate::sod_sign_software::signed_attributes;
use crate::turns::Turns;

const TURNS: Turns = Turns { rounds: 100, repetitions: 100 };
const DATA_GROUPS: [u8; 6] = [1, 2, 11, 12, 13, 14];

/// The row.
pub fn row(centre: &Centre) -> Result<Row, Box<dyn Error>> {
    let hashes: BTreeMap<u8, Vec<u8>> = DATA_GROUPS.iter().map(|group| (*group, sha256(&[*group]).to_vec())).collect();
    let object = LdsSecurityObject::v0(HashAlgorithm::Sha256, hashes).to_bytes();
    let signed = centre.signer.sign_security_object(&object)?;
    let now = Timestamp::now();
    let document = Document { now, code: Some("I".into()), issuing_state: Some("UTO".into()), issued: None };

    let KeyKind::Ec(curve) = centre.signer.certificate().public_key().kind() else {
        return Err("the document signer's key is not on a curve".into());
    };
    let key = EcKey::generate(EcGroup::from_curve_name(curve.nid())?.as_ref())?;
    let attributes = signed_attributes(&signed)?;
    let signature = EcdsaSig::sign(&sha256(&attributes), &key)?;
    let medians = TURNS.measure(
        || {
            let judgement = security_object::parse(&signed)?.judge(&centre.trust, &document);
            if judgement.authentic().is_some() { Ok(judgement) } else { Err("not authentic".into()) }
        },
        || {
            black_box(sha256(&object));
            if signature.verify(&sha256(&attributes), &key)? {
                Ok(())
            } else {
                Err("the signature does not verify".into())
            }
        },
    )?;
    Ok(Row::rate("passive_auth_warm", "judgement/s", 1.0, &medians))
}
