//! The forms of signed data that real issuers produce, and those that are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use iso7816::tlv::{Tag, encode};
use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use openssl::x509::extension::{KeyUsage, SubjectKeyIdentifier};
use openssl::x509::{X509Builder, X509NameBuilder};
use trust::chain::Document;
use trust::cms::{CmsError, SignedData, SignerError};
use trust::der::{INTEGER, NULL, OCTET_STRING, OID, SEQUENCE, SET, context, context_constructed, oid};
use trust::{Certificate, Leniency, SignatureError};

const CONTENT: &[u8] = &[0x30, 0x03, 0x02, 0x01, 0x05];

/// How the parts of a SignedData are made; the default is what 9303-10 asks for.
#[derive(Clone)]
struct Form {
    version: u8,
    signer_version: u8,
    content_type: &'static [u8],
    signed_type: &'static [u8],
    digest: Vec<u8>,
    by_key_identifier: bool,
    with_key_identifier: bool,
    other_strings: bool,
    algorithm: Algorithm,
    order: Order,
    certificates: usize,
    attributes: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Algorithm {
    Ecdsa,
    EcdsaNull,
    EcdsaPlain,
    RsaV15,
    RsaV15Bare,
    RsaEncryption,
    Pss,
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    Sorted,
    ReversedSignedAsIs,
    ReversedSignedSorted,
    LongLength,
}

impl Default for Form {
    fn default() -> Self {
        Form {
            version: 3,
            signer_version: 1,
            content_type: oid::LDS_SECURITY_OBJECT,
            signed_type: oid::LDS_SECURITY_OBJECT,
            digest: sha256(false),
            by_key_identifier: false,
            with_key_identifier: true,
            other_strings: false,
            algorithm: Algorithm::Ecdsa,
            order: Order::Sorted,
            certificates: 1,
            attributes: true,
        }
    }
}

fn sha256(null: bool) -> Vec<u8> {
    let parameters = if null { encode(NULL, []) } else { Vec::new() };
    encode(SEQUENCE, [encode(OID, oid::SHA256), parameters].concat())
}

fn key(algorithm: Algorithm) -> PKey<Private> {
    if matches!(algorithm, Algorithm::Ecdsa | Algorithm::EcdsaNull | Algorithm::EcdsaPlain) {
        let group = openssl::ec::EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap()
    } else {
        PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
    }
}

fn certificate(key: &PKey<Private>, with_key_identifier: bool) -> Certificate {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("C", "UT").unwrap();
    name.append_entry_by_text("CN", "Signer").unwrap();
    let name = name.build();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(77).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(30).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.append_extension(KeyUsage::new().critical().digital_signature().build().unwrap()).unwrap();
    if with_key_identifier {
        let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(identifier).unwrap();
    }
    builder.sign(key, MessageDigest::sha256()).unwrap();
    Certificate::from_der(&builder.build().to_der().unwrap()).unwrap()
}

impl Form {
    fn make(&self) -> (Vec<u8>, Certificate) {
        let key = key(self.algorithm);
        let certificate = certificate(&key, self.with_key_identifier);
        let mut attributes = [
            attribute(oid::CONTENT_TYPE, &encode(OID, self.signed_type)),
            attribute(oid::MESSAGE_DIGEST, &encode(OCTET_STRING, self.content_digest())),
        ];
        attributes.sort();
        let sorted = attributes.concat();
        match self.order {
            Order::Sorted => {}
            Order::ReversedSignedAsIs | Order::ReversedSignedSorted => attributes.reverse(),
            Order::LongLength => attributes[1].insert(1, 0x81),
        }
        let stored = attributes.concat();
        let as_is = matches!(self.order, Order::ReversedSignedAsIs | Order::LongLength);
        let signed = if as_is { &stored } else { &sorted };
        let (algorithm, signature) = self.sign(&key, &encode(SET, signed));
        let identifier = if self.by_key_identifier {
            encode(context(0), certificate.public_key().key_identifier())
        } else {
            let serial = encode(INTEGER, certificate.serial());
            let mut issuer = certificate.issuer().der().to_vec();
            let text = issuer.windows(6).position(|window| window == b"Signer").unwrap();
            if self.other_strings {
                // PrintableString instead of UTF8String.
                assert_eq!(issuer[text - 2], 0x0C);
                issuer[text - 2] = 0x13;
            }
            encode(SEQUENCE, [issuer, serial].concat())
        };
        let signer = [
            encode(INTEGER, [self.signer_version]),
            identifier,
            self.digest.clone(),
            if self.attributes { encode(context_constructed(0), stored) } else { Vec::new() },
            algorithm,
            encode(OCTET_STRING, signature),
        ];
        let encapsulated =
            [encode(OID, self.content_type), encode(context_constructed(0), encode(OCTET_STRING, CONTENT))];
        let data = [
            encode(INTEGER, [self.version]),
            encode(SET, &self.digest),
            encode(SEQUENCE, encapsulated.concat()),
            match self.certificates {
                0 => Vec::new(),
                count => encode(context_constructed(0), certificate.der().repeat(count)),
            },
            encode(SET, encode(SEQUENCE, signer.concat())),
        ];
        let content = encode(context_constructed(0), encode(SEQUENCE, data.concat()));
        (encode(SEQUENCE, [encode(OID, oid::SIGNED_DATA), content].concat()), certificate)
    }

    fn content_digest(&self) -> Vec<u8> {
        if self.digest == sha256(false) || self.digest == sha256(true) {
            return openssl::sha::sha256(CONTENT).to_vec();
        }
        openssl::sha::sha512(CONTENT).to_vec()
    }

    fn sign(&self, key: &PKey<Private>, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
        let algorithm = match self.algorithm {
            Algorithm::Ecdsa => encode(OID, oid::ECDSA_SHA256),
            Algorithm::EcdsaNull => [encode(OID, oid::ECDSA_SHA256), encode(NULL, [])].concat(),
            Algorithm::EcdsaPlain => {
                let signature = EcdsaSig::from_der(&signer.sign_oneshot_to_vec(message).unwrap()).unwrap();
                let half = |number: &openssl::bn::BigNumRef| number.to_vec_padded(32).unwrap();
                let plain = [half(signature.r()), half(signature.s())].concat();
                return (encode(SEQUENCE, encode(OID, oid::ECDSA_PLAIN_SHA256)), plain);
            }
            Algorithm::RsaV15Bare => encode(OID, oid::RSA_SHA256),
            Algorithm::RsaV15 => [encode(OID, oid::RSA_SHA256), encode(NULL, [])].concat(),
            Algorithm::RsaEncryption => [encode(OID, oid::RSA_ENCRYPTION), encode(NULL, [])].concat(),
            Algorithm::Pss => {
                signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
                signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(20)).unwrap();
                signer.set_rsa_mgf1_md(MessageDigest::sha256()).unwrap();
                let mask = encode(SEQUENCE, [encode(OID, oid::MGF1), sha256(true)].concat());
                let parameters = [encode(context_constructed(0), sha256(true)), encode(context_constructed(1), mask)];
                [encode(OID, oid::RSASSA_PSS), encode(SEQUENCE, parameters.concat())].concat()
            }
        };
        (encode(SEQUENCE, algorithm), signer.sign_oneshot_to_vec(message).unwrap())
    }

    fn verify(&self) -> Result<Vec<Leniency>, SignerError> {
        let (bytes, certificate) = self.make();
        let data = SignedData::from_der(&bytes).unwrap();
        assert_eq!(data.certificates().len(), self.certificates);
        let signer = &data.signers()[0];
        let mut used = signer.identifies(&certificate).unwrap();
        used.extend(data.verify(signer, &certificate)?);
        Ok(used)
    }

    fn refusal(&self) -> CmsError {
        SignedData::from_der(&self.make().0).unwrap_err()
    }
}

fn attribute(kind: &[u8], value: &[u8]) -> Vec<u8> {
    encode(SEQUENCE, [encode(OID, kind), encode(SET, value)].concat())
}

#[test]
fn algorithms_and_certificates_in_every_accepted_form() {
    use Algorithm::{Ecdsa, Pss, RsaEncryption, RsaV15};
    for algorithm in [Ecdsa, RsaV15, RsaEncryption, Pss] {
        for null in [false, true] {
            let form = Form { algorithm, digest: sha256(null), ..Form::default() };
            assert_eq!(form.verify(), Ok(vec![]));
        }
    }
    for certificates in [0, 1, 3] {
        assert_eq!(Form { certificates, ..Form::default() }.verify(), Ok(vec![]));
    }
}

#[test]
fn attributes_out_of_order_are_a_named_leniency() {
    let verify = |order| Form { order, ..Form::default() }.verify();
    assert_eq!(verify(Order::ReversedSignedAsIs), Ok(vec![Leniency::SignedAttributesNotSorted]));
    assert_eq!(verify(Order::ReversedSignedSorted), Ok(vec![Leniency::SignedAttributesSignedSorted]));
}

#[test]
fn the_signer_is_found_by_key_identifier_present_or_computed() {
    let form = Form { by_key_identifier: true, signer_version: 3, ..Form::default() };
    assert_eq!(form.verify(), Ok(vec![]));
    let form = Form { with_key_identifier: false, ..form };
    assert_eq!(form.verify(), Ok(vec![Leniency::ComputedKeyIdentifier]));
}

#[test]
fn parameters_and_forms_of_signatures_are_named_leniencies() {
    for (algorithm, leniency) in [
        (Algorithm::EcdsaNull, Leniency::AlgorithmParameters),
        (Algorithm::RsaV15Bare, Leniency::AlgorithmParameters),
        (Algorithm::EcdsaPlain, Leniency::PlainSignature),
    ] {
        assert_eq!(Form { algorithm, ..Form::default() }.verify(), Ok(vec![leniency]));
    }
    // A plain signature of an odd length is none.
    let (bytes, certificate) = Form { algorithm: Algorithm::EcdsaPlain, ..Form::default() }.make();
    let cut = bytes.windows(2).rposition(|window| window == [0x04, 64]).unwrap();
    let mut altered = bytes.clone();
    altered[cut + 5] ^= 1;
    let data = SignedData::from_der(&altered).unwrap();
    let refused = data.verify(&data.signers()[0], &certificate);
    assert_eq!(refused, Err(SignerError::Signature(SignatureError::Mismatch)));
}

#[test]
fn a_digest_of_another_kind_than_the_signature_is_a_named_leniency() {
    let sha512 = encode(SEQUENCE, encode(OID, oid::SHA512));
    assert_eq!(Form { digest: sha512, ..Form::default() }.verify(), Ok(vec![Leniency::DigestsDiffer]));
}

#[test]
fn old_content_types_of_security_objects_are_a_named_leniency() {
    let store = trust::Archive::default().trust_store(trust::Policy::default());
    let document = Document { now: Timestamp::now(), code: None, issuing_state: None, issued: None };
    for content_type in [oid::LDS_SECURITY_OBJECT_OLD, oid::LDS_SECURITY_OBJECT_SDU] {
        let (bytes, _) = Form { content_type, signed_type: content_type, ..Form::default() }.make();
        let judgement = trust::security_object::parse(&bytes).unwrap().judge(&store, &document);
        assert!(judgement.signature.is_successful());
        assert_eq!(judgement.leniencies, [Leniency::LegacyContentType]);
    }
}

#[test]
fn several_signers_and_unreadable_certificates_are_named_leniencies() {
    use iso7816::tlv::{Reader, sole};
    // The parts of a good one, taken apart and put together again.
    let (bytes, _) = Form::default().make();
    let mut info = Reader::new(sole(&bytes, SEQUENCE).unwrap());
    let kind = info.next().unwrap().unwrap().raw.to_vec();
    let data = sole(info.next().unwrap().unwrap().value, SEQUENCE).unwrap().to_vec();
    let parts = |data: &[u8]| {
        let (mut reader, mut parts) = (Reader::new(data), Vec::new());
        while let Some(part) = reader.next().unwrap() {
            parts.push((part.tag, part.value.to_vec()));
        }
        parts
    };
    let whole = |parts: &[(Tag, Vec<u8>)]| {
        let data: Vec<u8> = parts.iter().flat_map(|(tag, value)| encode(*tag, value)).collect();
        let content = encode(context_constructed(0), encode(SEQUENCE, data));
        SignedData::from_der(&encode(SEQUENCE, [kind.clone(), content].concat())).unwrap()
    };
    let good = parts(&data);
    assert_eq!(whole(&good).leniencies(), []);

    let mut twice = good.clone();
    twice[4].1 = good[4].1.repeat(2);
    assert_eq!(whole(&twice).leniencies(), [Leniency::SeveralSigners]);
    let mut odd = good.clone();
    odd[3].1.extend(encode(SEQUENCE, []));
    assert_eq!(whole(&odd).leniencies(), [Leniency::UnreadableCertificates]);
}

#[test]
fn long_lengths_and_other_string_types_are_named_leniencies() {
    let form = Form { order: Order::LongLength, ..Form::default() };
    assert_eq!(form.verify(), Ok(vec![Leniency::SignedAttributesNotDer]));
    let form = Form { other_strings: true, ..Form::default() };
    assert_eq!(form.verify(), Ok(vec![Leniency::NameEncodingsDiffer]));
}

#[test]
fn versions_must_fit() {
    for version in [1, 2, 4] {
        let refused = Form { version, ..Form::default() }.refusal();
        assert_eq!(refused, CmsError::Version { object: "SignedData", found: u64::from(version), expected: 3 });
    }
    let refused = Form { signer_version: 3, ..Form::default() }.refusal();
    assert_eq!(refused, CmsError::Version { object: "SignerInfo", found: 3, expected: 1 });
    let refused = Form { by_key_identifier: true, ..Form::default() }.refusal();
    assert_eq!(refused, CmsError::Version { object: "SignerInfo", found: 1, expected: 3 });
}

#[test]
fn attributes_are_mandatory_and_bind_the_content_type() {
    assert_eq!(Form { attributes: false, ..Form::default() }.refusal(), CmsError::NoSignedAttributes);
    let other = Form { signed_type: oid::SIGNED_DATA, ..Form::default() };
    assert_eq!(other.verify(), Err(SignerError::ContentType));
    let (bytes, _) = Form { content_type: oid::MGF1, signed_type: oid::MGF1, ..Form::default() }.make();
    assert!(matches!(
        trust::security_object::parse(&bytes),
        Err(trust::security_object::SecurityObjectError::ContentType(_))
    ));
}

#[test]
fn unknown_algorithms_are_refused_and_keys_must_fit() {
    let md5 = encode(SEQUENCE, encode(OID, [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x05]));
    let refused = Form { digest: md5, ..Form::default() }.refusal();
    assert!(matches!(refused, CmsError::Algorithm(SignatureError::UnknownAlgorithm(_))));

    let (bytes, _) = Form::default().make();
    let (_, rsa) = Form { algorithm: Algorithm::RsaV15, ..Form::default() }.make();
    let data = SignedData::from_der(&bytes).unwrap();
    let refused = data.verify(&data.signers()[0], &rsa);
    assert_eq!(refused, Err(SignerError::Signature(SignatureError::KeyMismatch)));
}

#[test]
fn a_doubled_attribute_is_refused() {
    let (bytes, _) = Form::default().make();
    let digest = attribute(oid::MESSAGE_DIGEST, &encode(OCTET_STRING, openssl::sha::sha256(CONTENT)));
    let kind = attribute(oid::CONTENT_TYPE, &encode(OID, oid::LDS_SECURITY_OBJECT));
    // The second attribute takes the type of the first: same length is kept by cutting its value.
    let place = bytes.windows(digest.len()).position(|window| window == digest).unwrap();
    let mut doubled = bytes.clone();
    let padding = digest.len() - kind.len();
    let value = [encode(OID, oid::LDS_SECURITY_OBJECT), encode(OCTET_STRING, vec![0; padding - 2])].concat();
    doubled[place..place + digest.len()].copy_from_slice(&attribute(oid::CONTENT_TYPE, &value));
    assert_eq!(SignedData::from_der(&doubled).unwrap_err(), CmsError::Attribute("contentType"));
    assert!(SignedData::from_der(&bytes).is_ok());
    assert!(SignedData::from_der(&encode(Tag(0x30), [])).is_err());
}
