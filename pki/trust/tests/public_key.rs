//! Explicit domain parameters are those of a known curve, number by number, or the key is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use iso7816::tlv::{Writer, encode};
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::pkey::PKey;
use trust::der::{BIT_STRING, INTEGER, NULL, OCTET_STRING, OID, SEQUENCE, oid};
use trust::public_key::{DomainParameters, KeyKind};
use trust::{EllipticCurve, PublicKey, PublicKeyError};

fn point(curve: EllipticCurve, form: PointConversionForm) -> Vec<u8> {
    let group = EcGroup::from_curve_name(curve.nid()).unwrap();
    let key = EcKey::generate(&group).unwrap();
    key.public_key().to_bytes(&group, form, &mut BigNumContext::new().unwrap()).unwrap()
}

fn unsigned(magnitude: &[u8]) -> Vec<u8> {
    encode(INTEGER, [&[0], magnitude].concat())
}

fn explicit(domain: &DomainParameters) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |parameters| {
        parameters.put(INTEGER, [1]);
        parameters.nest(SEQUENCE, |field| {
            field.put(OID, oid::PRIME_FIELD).raw(unsigned(&domain.p));
        });
        parameters.nest(SEQUENCE, |curve| {
            curve.put(OCTET_STRING, &domain.a).put(OCTET_STRING, &domain.b);
        });
        parameters.put(OCTET_STRING, &domain.generator).raw(unsigned(&domain.n)).raw(unsigned(&domain.h));
    });
    writer.finish()
}

fn spki(parameters: &[u8], point: &[u8]) -> Vec<u8> {
    let algorithm = encode(SEQUENCE, [encode(OID, oid::EC_PUBLIC_KEY), parameters.to_vec()].concat());
    encode(SEQUENCE, [algorithm, encode(BIT_STRING, [&[0], point].concat())].concat())
}

#[test]
fn every_known_curve_by_name_and_by_its_numbers() {
    for curve in EllipticCurve::ALL {
        let point = point(curve, PointConversionForm::UNCOMPRESSED);
        let named = PublicKey::from_spki(&spki(&encode(OID, curve.oid()), &point)).unwrap();
        let domain = curve.domain().unwrap();
        let by_numbers = PublicKey::from_spki(&spki(&explicit(&domain), &point)).unwrap();
        for key in [&named, &by_numbers] {
            assert_eq!(key.kind(), KeyKind::Ec(curve));
        }
        assert_eq!(named.key_identifier(), by_numbers.key_identifier());

        let mut compressed = domain;
        let half = compressed.generator.len() / 2;
        let sign = 2 | (compressed.generator.last().unwrap() & 1);
        compressed.generator = [&[sign], &compressed.generator[1..=half]].concat();
        assert!(PublicKey::from_spki(&spki(&explicit(&compressed), &point)).is_ok());
    }
}

#[test]
fn one_number_changed_is_another_curve() {
    let point = point(EllipticCurve::P256, PointConversionForm::UNCOMPRESSED);
    let known = EllipticCurve::P256.domain().unwrap();
    let changes: [fn(&mut DomainParameters); 8] = [
        |domain| *domain.p.last_mut().unwrap() ^= 2,
        |domain| *domain.a.last_mut().unwrap() ^= 1,
        |domain| *domain.b.last_mut().unwrap() ^= 1,
        |domain| *domain.generator.last_mut().unwrap() ^= 1,
        // A base point chosen so that a private key is known: any other point of the curve (CVE-2020-0601).
        |domain| domain.generator = other_point(),
        |domain| *domain.n.last_mut().unwrap() ^= 1,
        |domain| domain.h = vec![2],
        |domain| domain.generator.truncate(33),
    ];
    for change in changes {
        let mut domain = known.clone();
        change(&mut domain);
        let refused = PublicKey::from_spki(&spki(&explicit(&domain), &point));
        assert_eq!(refused, Err(PublicKeyError::ForeignParameters));
    }
}

fn other_point() -> Vec<u8> {
    point(EllipticCurve::P256, PointConversionForm::UNCOMPRESSED)
}

#[test]
fn missing_parameters_and_bad_points_are_refused() {
    let good = point(EllipticCurve::P256, PointConversionForm::UNCOMPRESSED);
    let name = encode(OID, EllipticCurve::P256.oid());
    assert_eq!(PublicKey::from_spki(&spki(&[], &good)), Err(PublicKeyError::NoParameters));
    assert_eq!(PublicKey::from_spki(&spki(&encode(NULL, []), &good)), Err(PublicKeyError::NoParameters));
    let unknown = encode(OID, [0x2B, 0x81, 0x04, 0x00, 0x0A]);
    assert!(matches!(PublicKey::from_spki(&spki(&unknown, &good)), Err(PublicKeyError::UnknownCurve(_))));
    let mut off = good.clone();
    *off.last_mut().unwrap() ^= 1;
    for bad in [&off[..], &[0], &[], &good[..40]] {
        assert_eq!(PublicKey::from_spki(&spki(&name, bad)), Err(PublicKeyError::BadPoint(EllipticCurve::P256)));
    }
}

#[test]
fn openssls_own_encodings_are_read() {
    for curve in [EllipticCurve::P384, EllipticCurve::BrainpoolP256r1] {
        for flag in [openssl::ec::Asn1Flag::EXPLICIT_CURVE, openssl::ec::Asn1Flag::NAMED_CURVE] {
            let mut group = EcGroup::from_curve_name(curve.nid()).unwrap();
            group.set_asn1_flag(flag);
            let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
            let read = PublicKey::from_spki(&key.public_key_to_der().unwrap()).unwrap();
            assert_eq!(read.kind(), KeyKind::Ec(curve));
        }
    }
}
