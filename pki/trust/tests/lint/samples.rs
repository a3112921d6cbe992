//! One spoiled object for each rule; the good ones of every kind keep every rule of every edition, but where told.

use std::collections::BTreeMap;

use asn1_rs::oid;
use iso7816::tlv::encode;
use jiff::civil::{Date, date};
use openssl::bn::{BigNum, BigNumContext};
use trust::cvc::{Chat, CvBody, CvCertificate, CvPublicKey, KeyAlgorithm, KeyNumbers, Level, Reference, TerminalType};
use trust::der::{
    BIT_STRING, BOOLEAN, INTEGER, NULL, OCTET_STRING, OID, PRINTABLE_STRING, SEQUENCE, SET, UTF8_STRING, context,
    context_constructed, oid as known,
};
use trust::lint::{self, Edition, Kind, Severity};
use trust::{EllipticCurve, Hash};

use crate::build::*;

/// A good object of this kind.
pub fn good(kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Csca => Cert::csca().der(),
        Kind::Link => Cert::link().der(),
        Kind::DocumentSigner => Cert::document_signer().der(),
        Kind::MasterListSigner => Cert::list_signer(known::MASTER_LIST_SIGNER).der(),
        Kind::DeviationListSigner => Cert::list_signer(known::DEVIATION_LIST_SIGNER).der(),
        Kind::SealSigner => Cert::seal_signer().der(),
        Kind::ResidenceSigner => Cert::residence_signer().der(),
        Kind::Communication => Cert::communication().der(),
        Kind::CitizenCa => Cert::citizen_ca().der(),
        Kind::Citizen => Cert::citizen().der(),
        Kind::OcspResponder => Cert::ocsp_responder().der(),
        Kind::Crl | Kind::CitizenCrl => List::new().der(),
        Kind::MasterList => Signed::master_list().der(),
        Kind::DeviationList => Signed::deviation_list().der(),
        Kind::DefectList => Signed::defect_list().der(),
        Kind::SecurityObject => Signed::security_object().der(),
        Kind::CvCertificate => cv(|_| ()),
    }
}

/// Rules that the good objects of today do not keep, with an object that does.
fn kept_otherwise() -> BTreeMap<&'static str, Vec<u8>> {
    let plain = |cert: Cert| cert.without(known::SUBJECT_ALT_NAME).without(known::ISSUER_ALT_NAME).der();
    BTreeMap::from([
        ("alternative-names-absent-6", plain(Cert::csca())),
        ("alternative-names-absent-signer-6", plain(Cert::document_signer())),
        ("basic-constraints-path-link-6", path(Cert::link(), &[1]).der()),
    ])
}

fn with(mut cert: Cert, change: impl Fn(&mut Cert)) -> Cert {
    change(&mut cert);
    cert
}

fn changed(change: impl Fn(&mut Cert)) -> Vec<u8> {
    with(Cert::document_signer(), change).der()
}

fn list(change: impl Fn(&mut List)) -> Vec<u8> {
    let mut list = List::new();
    change(&mut list);
    list.der()
}

fn signed(mut signed: Signed, change: impl Fn(&mut Signed)) -> Vec<u8> {
    change(&mut signed);
    signed.der()
}

fn hashes(change: impl Fn(&mut Hashes)) -> Vec<u8> {
    let mut hashes = Hashes::default();
    change(&mut hashes);
    hashes.signed().der()
}

fn path(cert: Cert, length: &[u8]) -> Cert {
    let authority = sequence(&[encode(BOOLEAN, [0xFF]), encode(INTEGER, length)]);
    cert.set(known::BASIC_CONSTRAINTS, Some(0xFF), authority)
}

fn keyed(mut cert: Cert, spki: Vec<u8>) -> Vec<u8> {
    cert.spki = spki;
    cert.der()
}

fn usage_period_of(mut cert: Cert, from: &str, to: &str) -> Vec<u8> {
    cert = cert.add(known::PRIVATE_KEY_USAGE_PERIOD, usage_period(from, to));
    cert.der()
}

fn power_of_65537() -> Vec<u8> {
    let (mut product, mut context) = (BigNum::new().unwrap(), BigNumContext::new().unwrap());
    let (base, exponent) = (BigNum::from_u32(65_537).unwrap(), BigNum::from_u32(127).unwrap());
    product.exp(&base, &exponent, &mut context).unwrap();
    product.to_vec()
}

/// The key with the private value one: the curve's base point.
fn base_point(curve: EllipticCurve) -> Vec<u8> {
    ec_spki(&encode(OID, curve.oid()), &curve.domain().unwrap().generator)
}

fn cv_base_point(curve: EllipticCurve) -> CvPublicKey {
    CvPublicKey::ec(KeyAlgorithm::Ecdsa(Hash::Sha256), curve, &curve.domain().unwrap().generator, false).unwrap()
}

/// A domestic document verifier's certificate, changed.
fn cv(change: impl Fn(&mut CvBody)) -> Vec<u8> {
    let curve = EllipticCurve::P256;
    let mut body = CvBody {
        authority: Reference::new("UT", "CVCA", "00001").unwrap(),
        public_key: CvPublicKey::ec(KeyAlgorithm::Ecdsa(Hash::Sha256), curve, &point(), false).unwrap(),
        holder: Reference::new("UT", "DV", "00001").unwrap(),
        chat: Chat::all(TerminalType::Inspection, Level::DomesticDv),
        effective: date(2026, 1, 1),
        expires: date(2026, 3, 1),
        extensions: Vec::new(),
    };
    change(&mut body);
    CvCertificate::assemble(&body.encode().unwrap(), &[1; 64])
}

fn cv_of(level: Level, expires: Date) -> Vec<u8> {
    cv(|body| {
        body.chat = Chat::all(TerminalType::Inspection, level);
        body.expires = expires;
    })
}

fn with_domain(body: &mut CvBody, cofactor: u8) {
    if let KeyNumbers::Ec { domain, .. } = &mut body.public_key.numbers {
        let mut known = EllipticCurve::P256.domain().unwrap();
        known.h = vec![cofactor];
        *domain = Some(Box::new(known));
    }
}

/// A spoiled object for every rule.
#[expect(clippy::too_many_lines, reason = "a table")]
fn spoiled() -> Vec<(&'static str, Kind, Vec<u8>)> {
    use Kind::*;
    let signer = Cert::document_signer;
    let csca = Cert::csca;
    let truncated = good(Csca)[..200].to_vec();
    let long_length = {
        let bytes = good(DocumentSigner);
        let value = iso7816::tlv::sole(&bytes, SEQUENCE).unwrap();
        [&[0x30, 0x84], &(value.len() as u32).to_be_bytes()[..], value].concat()
    };
    let reversed_set = {
        let parts = [
            sequence(&[encode(OID, known::COUNTRY_NAME), encode(PRINTABLE_STRING, "UT")]),
            sequence(&[encode(OID, known::COMMON_NAME), encode(UTF8_STRING, "DS")]),
        ];
        let mut parts = parts.to_vec();
        parts.sort();
        parts.reverse();
        encode(SEQUENCE, encode(SET, parts.concat()))
    };
    let unknown = algorithm(&oid!(raw 1.3.101.112), &[]);
    let sha1 = algorithm(known::ECDSA_SHA1, &[]);
    let null = algorithm(known::ECDSA_SHA256, &encode(NULL, []));
    let pss = algorithm(
        known::RSASSA_PSS,
        &sequence(&[
            encode(context_constructed(0), sha256()),
            encode(context_constructed(1), algorithm(known::MGF1, &sha256())),
            encode(context_constructed(2), encode(INTEGER, [20])),
        ]),
    );
    let algorithms = |algorithm: &Vec<u8>| {
        changed(|cert| {
            cert.inner = algorithm.clone();
            cert.outer = algorithm.clone();
        })
    };
    let foreign = {
        let mut generator = authority_point();
        let last = generator.len() - 1;
        generator[last] ^= 1;
        explicit(Some(&generator), Some(1))
    };
    let compressed = {
        let point = point();
        [&[2 | (point[64] & 1)], &point[1..33]].concat()
    };
    let off_curve = [&[4][..], &[0; 63], &[1]].concat();
    let subject = |attributes: &[(&[u8], iso7816::tlv::Tag, &str)]| changed(|cert| cert.subject = name(attributes));
    let country = (known::COUNTRY_NAME, PRINTABLE_STRING, "UT");
    let internet = sequence(&[sequence(&[encode(OID, oid!(raw 1.3.6.1.5.5.7.48.1)), encode(context(6), "http://x")])]);
    let reason = |critical| vec![(oid!(raw 2.5.29.21).to_vec(), critical, vec![0x0A, 0x01, 0x01])];
    let issuer_entry = vec![(oid!(raw 2.5.29.29).to_vec(), Some(0xFF), sequence(&[]))];
    let part = List::new().add(&oid!(raw 2.5.29.28), sequence(&[encode(context(1), [0xFF])]));
    let no_purpose = |purpose: &[u8]| Cert::list_signer(purpose).without(known::EXTENDED_KEY_USAGE);
    let other_state = alternative(&[(known::LOCALITY_NAME, PRINTABLE_STRING, "Utopia")], Some("a@b"));
    let more_state = alternative(
        &[(known::LOCALITY_NAME, PRINTABLE_STRING, "UTO"), (known::COMMON_NAME, UTF8_STRING, "x")],
        Some("a@b"),
    );
    let no_contact = alternative(&[(known::LOCALITY_NAME, PRINTABLE_STRING, "UTO")], None);
    let with_reasons = sequence(&[sequence(&[
        encode(context_constructed(0), encode(context_constructed(0), encode(context(6), "http://x"))),
        encode(context(1), [1, 2]),
    ])]);
    let sha1_digest = algorithm(known::SHA1, &[]);
    let null_digest = algorithm(known::SHA256, &encode(NULL, []));
    let authority_signer = Signed::master_list().signed_by(Cert::list_signer(known::MASTER_LIST_SIGNER).set(
        known::BASIC_CONSTRAINTS,
        Some(0xFF),
        sequence(&[encode(BOOLEAN, [0xFF])]),
    ));
    let attribute_of =
        |wanted: &'static [u8]| move |attribute: &Vec<u8>| attribute.windows(wanted.len()).any(|w| w == wanted);
    let replaced = |wanted: &'static [u8], fresh: Vec<u8>| {
        signed(Signed::master_list(), |signed| {
            let all = signed.attributes.as_mut().unwrap();
            all.retain(|attribute| !attribute_of(wanted)(attribute));
            all.push(attribute(wanted, fresh.clone()));
            all.sort();
        })
    };
    let master = |content: Vec<u8>| Signed::master_list().with_content(content).der();
    vec![
        ("structure", Csca, truncated),
        ("der-lengths", DocumentSigner, long_length),
        ("der-booleans", DocumentSigner, signer().mark(known::KEY_USAGE, Some(1)).der()),
        ("der-integers", DocumentSigner, changed(|cert| cert.serial = encode(INTEGER, [0, 1]))),
        ("der-bit-strings", DocumentSigner, signer().set(known::KEY_USAGE, Some(0xFF), usage(0x81, 7)).der()),
        ("der-sets", DocumentSigner, changed(|cert| cert.subject = reversed_set.clone())),
        ("default-critical", DocumentSigner, signer().mark(known::SUBJECT_ALT_NAME, Some(0)).der()),
        (
            "default-authority",
            Citizen,
            Cert::citizen().set(known::BASIC_CONSTRAINTS, Some(0xFF), sequence(&[encode(BOOLEAN, [0])])).der(),
        ),
        ("printable-alphabet", DocumentSigner, subject(&[country, (known::COMMON_NAME, PRINTABLE_STRING, "D_S")])),
        ("time-form", DocumentSigner, changed(|cert| cert.not_after = time("20360401000000"))),
        ("algorithm-match", DocumentSigner, changed(|cert| cert.inner = algorithm(known::ECDSA_SHA384, &[]))),
        ("extension-once", DocumentSigner, changed(|cert| cert.extensions.push(cert.extensions[0].clone()))),
        (
            "extension-private-critical",
            DocumentSigner,
            signer().set(&oid!(raw 1.3.6.1.4.1.99999.1), Some(0xFF), vec![5, 0]).der(),
        ),
        ("certificate-version", DocumentSigner, changed(|cert| cert.version = Vec::new())),
        ("serial-positive", DocumentSigner, changed(|cert| cert.serial = encode(INTEGER, [0]))),
        ("serial-length", DocumentSigner, changed(|cert| cert.serial = encode(INTEGER, [1; 21]))),
        ("unique-identifiers", DocumentSigner, changed(|cert| cert.unique = encode(context(1), [0, 1]))),
        ("name-country", DocumentSigner, subject(&[(known::COMMON_NAME, UTF8_STRING, "DS")])),
        ("name-country-form", DocumentSigner, subject(&[(known::COUNTRY_NAME, UTF8_STRING, "UT")])),
        ("name-country-case", DocumentSigner, subject(&[(known::COUNTRY_NAME, PRINTABLE_STRING, "ut")])),
        ("name-country-match", DocumentSigner, subject(&[(known::COUNTRY_NAME, PRINTABLE_STRING, "XX")])),
        ("name-common", DocumentSigner, subject(&[country])),
        ("name-strings", DocumentSigner, subject(&[country, (known::COMMON_NAME, IA5_STRING, "DS")])),
        ("name-serial-number", DocumentSigner, subject(&[country, (&oid!(raw 2.5.4.5), UTF8_STRING, "1")])),
        ("name-issuer-present", DocumentSigner, changed(|cert| cert.issuer = name(&[]))),
        ("name-subject-present", Citizen, with(Cert::citizen(), |cert| cert.subject = name(&[])).der()),
        ("csca-self-issued", Csca, with(csca(), |cert| cert.subject = usual_name("Other")).der()),
        ("seal-subject", SealSigner, with(Cert::seal_signer(), |cert| cert.subject = usual_name("ABC")).der()),
        ("signature-algorithm", DocumentSigner, algorithms(&unknown)),
        ("signature-hash", DocumentSigner, algorithms(&sha1)),
        ("signature-hash-legacy", DocumentSigner, algorithms(&sha1)),
        ("signature-parameters", DocumentSigner, algorithms(&null)),
        ("signature-pss", DocumentSigner, algorithms(&pss)),
        ("key-algorithm", DocumentSigner, keyed(signer(), sequence(&[unknown.clone(), encode(BIT_STRING, [0; 33])]))),
        ("key-readable", DocumentSigner, keyed(signer(), ec_spki(&explicit(None, Some(1)), &off_curve))),
        ("key-ec-explicit", DocumentSigner, keyed(signer(), ec_spki(&named(), &point()))),
        ("key-ec-cofactor", DocumentSigner, keyed(signer(), ec_spki(&explicit(None, None), &point()))),
        ("key-ec-known-curve", DocumentSigner, keyed(signer(), ec_spki(&foreign, &point()))),
        ("key-ec-uncompressed", DocumentSigner, keyed(signer(), ec_spki(&explicit(None, Some(1)), &compressed))),
        ("key-ec-named", Citizen, keyed(Cert::citizen(), ec_spki(&explicit(None, Some(1)), &point()))),
        ("key-size", Csca, keyed(csca(), rsa_spki(&modulus(2048), &[1, 0, 1]))),
        ("key-size", DocumentSigner, keyed(Cert::document_signer(), base_point(EllipticCurve::P192))),
        ("key-size", Csca, keyed(csca(), base_point(EllipticCurve::BrainpoolP224r1))),
        ("key-size-citizen", Citizen, keyed(Cert::citizen(), rsa_spki(&modulus(1024), &[1, 0, 1]))),
        ("key-rsa-exponent", DocumentSigner, keyed(signer(), rsa_spki(&modulus(2048), &[3]))),
        ("key-rsa-small-factors", DocumentSigner, keyed(signer(), rsa_spki(&[0xFF; 256], &[1, 0, 1]))),
        ("key-rsa-roca", DocumentSigner, keyed(signer(), rsa_spki(&power_of_65537(), &[1, 0, 1]))),
        ("seal-ecdsa", SealSigner, keyed(Cert::seal_signer(), rsa_spki(&modulus(2048), &[1, 0, 1]))),
        ("extensions-present", DocumentSigner, changed(|cert| cert.extensions.clear())),
        ("extension-readable", DocumentSigner, signer().add(known::SUBJECT_ALT_NAME, sequence(&[])).der()),
        ("extension-prohibited", DocumentSigner, signer().add(&oid!(raw 2.5.29.46), points("http://x")).der()),
        ("extension-not-critical", DocumentSigner, signer().mark(known::SUBJECT_ALT_NAME, Some(0xFF)).der()),
        ("extension-internet-6", DocumentSigner, signer().add(&oid!(raw 1.3.6.1.5.5.7.1.1), internet).der()),
        ("seal-extensions", SealSigner, Cert::seal_signer().set(known::KEY_USAGE, Some(0xFF), usage(0x80, 7)).der()),
        ("authority-key-present", DocumentSigner, signer().without(known::AUTHORITY_KEY_IDENTIFIER).der()),
        (
            "authority-key-identifier",
            DocumentSigner,
            signer().add(known::AUTHORITY_KEY_IDENTIFIER, sequence(&[])).der(),
        ),
        ("authority-key-self", Csca, Cert::link().der()),
        ("subject-key-present", Csca, csca().without(known::SUBJECT_KEY_IDENTIFIER).der()),
        (
            "subject-key-method",
            Link,
            Cert::link().add(known::SUBJECT_KEY_IDENTIFIER, encode(OCTET_STRING, [9; 20])).der(),
        ),
        ("key-usage-present", DocumentSigner, signer().without(known::KEY_USAGE).der()),
        ("key-usage-critical", DocumentSigner, signer().mark(known::KEY_USAGE, None).der()),
        ("key-usage-csca", Csca, csca().set(known::KEY_USAGE, Some(0xFF), usage(0x86, 1)).der()),
        ("key-usage-signer", DocumentSigner, signer().set(known::KEY_USAGE, Some(0xFF), usage(0xC0, 6)).der()),
        ("key-usage-citizen-ca", CitizenCa, Cert::citizen_ca().set(known::KEY_USAGE, Some(0xFF), usage(0x04, 2)).der()),
        ("key-usage-end-entity", Citizen, Cert::citizen().set(known::KEY_USAGE, Some(0xFF), usage(0x84, 2)).der()),
        ("private-key-usage-present", DocumentSigner, signer().without(known::PRIVATE_KEY_USAGE_PERIOD).der()),
        ("private-key-usage-form", DocumentSigner, usage_period_of(signer(), "260101000000", "260401000000")),
        ("alternative-names-absent-6", Csca, csca().der()),
        ("alternative-names-absent-signer-6", DocumentSigner, signer().der()),
        ("subject-alternative-present", DocumentSigner, signer().without(known::SUBJECT_ALT_NAME).der()),
        ("issuer-alternative-present", DocumentSigner, signer().without(known::ISSUER_ALT_NAME).der()),
        ("alternative-state", DocumentSigner, signer().add(known::SUBJECT_ALT_NAME, other_state.clone()).der()),
        ("alternative-state-only", DocumentSigner, signer().add(known::ISSUER_ALT_NAME, more_state).der()),
        ("alternative-contact", DocumentSigner, signer().add(known::SUBJECT_ALT_NAME, no_contact.clone()).der()),
        ("alternative-same", Csca, csca().add(known::SUBJECT_ALT_NAME, no_contact).der()),
        ("basic-constraints-authority", Csca, csca().without(known::BASIC_CONSTRAINTS).der()),
        ("basic-constraints-path", Csca, path(csca(), &[1]).der()),
        ("basic-constraints-path-6", Csca, path(csca(), &[1]).der()),
        ("basic-constraints-path-link-6", Link, Cert::link().der()),
        ("basic-constraints-absent", DocumentSigner, signer().add(known::BASIC_CONSTRAINTS, sequence(&[])).der()),
        ("not-an-authority", DocumentSigner, path(signer(), &[0]).der()),
        (
            "purpose-absent",
            DocumentSigner,
            signer().set(known::EXTENDED_KEY_USAGE, Some(0xFF), purposes(&[known::MASTER_LIST_SIGNER])).der(),
        ),
        (
            "purpose-critical",
            MasterListSigner,
            Cert::list_signer(known::MASTER_LIST_SIGNER).mark(known::EXTENDED_KEY_USAGE, None).der(),
        ),
        ("purpose-master-list", MasterListSigner, no_purpose(known::MASTER_LIST_SIGNER).der()),
        ("purpose-deviation-list", DeviationListSigner, Cert::list_signer(known::MASTER_LIST_SIGNER).der()),
        ("purpose-seal", SealSigner, Cert::seal_signer().without(known::EXTENDED_KEY_USAGE).der()),
        (
            "purpose-residence",
            ResidenceSigner,
            Cert::residence_signer()
                .set(known::EXTENDED_KEY_USAGE, Some(0xFF), purposes(&[known::RESIDENCE_SIGNER, known::SEAL_SIGNER]))
                .der(),
        ),
        ("purpose-communication", Communication, no_purpose(known::MASTER_LIST_SIGNER).der()),
        ("purpose-ocsp", OcspResponder, Cert::citizen().der()),
        (
            "purpose-any",
            Citizen,
            Cert::citizen().add(known::EXTENDED_KEY_USAGE, purposes(&[&oid!(raw 2.5.29.37.0)])).der(),
        ),
        ("ocsp-no-check", OcspResponder, Cert::citizen().der()),
        ("revocation-information", Citizen, Cert::citizen().without(known::CRL_DISTRIBUTION_POINTS).der()),
        ("distribution-points-present", DocumentSigner, signer().without(known::CRL_DISTRIBUTION_POINTS).der()),
        (
            "distribution-points-scheme",
            DocumentSigner,
            signer().add(known::CRL_DISTRIBUTION_POINTS, points("file:///etc/crl")).der(),
        ),
        ("distribution-points-plain", DocumentSigner, signer().add(known::CRL_DISTRIBUTION_POINTS, with_reasons).der()),
        ("name-change-place", DocumentSigner, signer().add(known::NAME_CHANGE, vec![5, 0]).der()),
        ("name-change-form", Csca, csca().add(known::NAME_CHANGE, vec![4, 0]).der()),
        ("name-change-stated", Link, with(Cert::link(), |cert| cert.subject = usual_name("New")).der()),
        ("document-types-present", DocumentSigner, signer().without(known::DOCUMENT_TYPE_LIST).der()),
        (
            "document-types-residence",
            ResidenceSigner,
            Cert::residence_signer().add(known::DOCUMENT_TYPE_LIST, types(0, &["I", "RR"])).der(),
        ),
        ("document-types-place", Csca, csca().add(known::DOCUMENT_TYPE_LIST, types(0, &["P"])).der()),
        ("document-types-form", DocumentSigner, signer().add(known::DOCUMENT_TYPE_LIST, types(0, &["PAS"])).der()),
        (
            "policies-not-critical",
            DocumentSigner,
            signer().set(POLICIES, Some(0xFF), sequence(&[sequence(&[encode(OID, [0x2A, 3])])])).der(),
        ),
        ("validity-order", DocumentSigner, changed(|cert| cert.not_after = time("251231000000"))),
        ("private-key-usage-order", DocumentSigner, usage_period_of(signer(), "20260401000000", "20260101000000")),
        ("private-key-usage-within", DocumentSigner, usage_period_of(signer(), "20250101000000", "20260401000000")),
        ("csca-usage-maximum", Csca, usage_period_of(csca(), "20260101000000", "20320101000000")),
        ("csca-usage-minimum", Csca, usage_period_of(csca(), "20260101000000", "20280101000000")),
        ("csca-validity-maximum", Csca, with(csca(), |cert| cert.not_after = time("490101000000")).der()),
        ("csca-outlives-signers", Csca, with(csca(), |cert| cert.not_after = time("320101000000")).der()),
        ("signer-usage-maximum", DocumentSigner, usage_period_of(signer(), "20260101000000", "20260801000000")),
        ("signer-validity-maximum", DocumentSigner, changed(|cert| cert.not_after = time("400101000000"))),
        ("signer-outlives-documents", DocumentSigner, changed(|cert| cert.not_after = time("260501000000"))),
        (
            "seal-validity-maximum",
            SealSigner,
            with(Cert::seal_signer(), |cert| cert.not_after = time("400101000000")).der(),
        ),
        ("crl-version", Crl, list(|list| list.version = Vec::new())),
        ("crl-next-update", Crl, list(|list| list.next_update = Vec::new())),
        ("crl-period", Crl, list(|list| list.next_update = time("260501000000"))),
        ("crl-frequency", Crl, list(|list| list.next_update = time("260102000000"))),
        ("crl-no-empty-list", Crl, list(|list| list.entries = Some(Vec::new()))),
        ("crl-extensions-present", Crl, list(|list| list.extensions.clear())),
        ("crl-authority-key", Crl, List::new().without(known::AUTHORITY_KEY_IDENTIFIER).der()),
        ("crl-number", Crl, List::new().add(known::CRL_NUMBER, encode(INTEGER, [1; 21])).der()),
        ("crl-extensions-not-critical", Crl, List::new().mark(known::CRL_NUMBER, Some(0xFF)).der()),
        ("crl-complete", Crl, part.clone().der()),
        ("crl-part-critical", CitizenCrl, part.der()),
        (
            "crl-entry-once",
            Crl,
            list(|list| list.entries = Some(vec![entry(&[5], "251231000000", &[]), entry(&[5], "251230000000", &[])])),
        ),
        ("crl-entry-serial", Crl, List::entry(entry(&[0x80], "251231000000", &[])).der()),
        ("crl-entry-date-form", Crl, List::entry(entry(&[5], "20251231000000", &[])).der()),
        ("crl-entry-date", Crl, List::entry(entry(&[5], "260301000000", &[])).der()),
        ("crl-entry-extensions", Crl, List::entry(entry(&[5], "251231000000", &reason(None))).der()),
        ("crl-entry-extensions-6", Crl, List::entry(entry(&[5], "251231000000", &reason(None))).der()),
        ("crl-entry-issuer", Crl, List::entry(entry(&[5], "251231000000", &issuer_entry)).der()),
        ("crl-entry-not-critical", Crl, List::entry(entry(&[5], "251231000000", &reason(Some(0xFF)))).der()),
        ("signed-version", MasterList, signed(Signed::master_list(), |signed| signed.version = 1)),
        ("signed-type-master-list", MasterList, Signed::deviation_list().der()),
        ("signed-type-deviation-list", DeviationList, Signed::master_list().der()),
        ("signed-type-security-object", SecurityObject, Signed::master_list().der()),
        ("signed-content", MasterList, signed(Signed::master_list(), |signed| signed.content = None)),
        ("signed-no-crls", MasterList, signed(Signed::master_list(), |signed| signed.crls = true)),
        ("signed-one-signer", MasterList, signed(Signed::master_list(), |signed| signed.signers = 2)),
        ("signed-signer-present", MasterList, signed(Signed::master_list(), |signed| signed.signers = 0)),
        ("signer-version", MasterList, signed(Signed::master_list(), |signed| signed.signer_version = 1)),
        ("signer-by-key", MasterList, signed(Signed::master_list(), |signed| signed.by_key = false)),
        ("signer-by-serial", SecurityObject, signed(Signed::security_object(), |signed| signed.by_key = true)),
        ("signer-digest-listed", MasterList, signed(Signed::master_list(), |signed| signed.digests.clear())),
        ("signer-hash", MasterList, signed(Signed::master_list(), |signed| signed.digest = sha1_digest.clone())),
        ("signer-hash-legacy", MasterList, signed(Signed::master_list(), |signed| signed.digest = sha1_digest.clone())),
        ("signer-algorithm", MasterList, signed(Signed::master_list(), |signed| signed.algorithm = unknown.clone())),
        ("signer-parameters", MasterList, signed(Signed::master_list(), |signed| signed.algorithm = null.clone())),
        (
            "signer-digest-parameters",
            MasterList,
            signed(Signed::master_list(), |signed| signed.digest = null_digest.clone()),
        ),
        (
            "signer-digest-parameters-object",
            SecurityObject,
            signed(Signed::security_object(), |signed| signed.digest = null_digest.clone()),
        ),
        ("signer-attributes", MasterList, signed(Signed::master_list(), |signed| signed.attributes = None)),
        (
            "signer-attributes-order",
            MasterList,
            signed(Signed::master_list(), |signed| signed.attributes.as_mut().unwrap().reverse()),
        ),
        (
            "signer-signing-time",
            MasterList,
            signed(Signed::master_list(), |signed| {
                signed.attributes.as_mut().unwrap().retain(|one| !attribute_of(known::SIGNING_TIME)(one));
            }),
        ),
        ("signer-content-type", MasterList, replaced(known::CONTENT_TYPE, encode(OID, known::DEVIATION_LIST))),
        ("signer-message-digest", MasterList, replaced(known::MESSAGE_DIGEST, encode(OCTET_STRING, [0; 32]))),
        ("signer-signature", MasterList, {
            let mut bytes = good(MasterList);
            *bytes.last_mut().unwrap() ^= 1;
            bytes
        }),
        ("signer-certificate", MasterList, signed(Signed::master_list(), |signed| signed.certificates.clear())),
        (
            "signer-authority",
            MasterList,
            signed(Signed::master_list(), |signed| {
                signed.certificates = vec![signed.signer.der()];
            }),
        ),
        ("signer-not-authority", MasterList, authority_signer.der()),
        (
            "signer-purpose-master-list",
            MasterList,
            Signed::master_list().signed_by(Cert::list_signer(known::DEVIATION_LIST_SIGNER)).der(),
        ),
        (
            "signer-purpose-deviation-list",
            DeviationList,
            Signed::deviation_list().signed_by(Cert::list_signer(known::MASTER_LIST_SIGNER)).der(),
        ),
        (
            "signer-no-unsigned-attributes",
            SecurityObject,
            signed(Signed::security_object(), |signed| signed.unsigned = true),
        ),
        ("master-list-content", MasterList, master(certificates(1, &mut [good(Csca)]))),
        ("master-list-certificates", MasterList, master(certificates(0, &mut []))),
        ("master-list-authorities", MasterList, master(certificates(0, &mut [good(Csca), good(DocumentSigner)]))),
        ("master-list-order", MasterList, master(certificates(0, &mut [good(Csca), good(Csca)]))),
        (
            "master-list-own",
            MasterList,
            master(certificates(
                0,
                &mut [keyed(csca().without(known::SUBJECT_KEY_IDENTIFIER), ec_spki(&named(), &point()))],
            )),
        ),
        (
            "deviation-list-content",
            DeviationList,
            Signed::deviation_list().with_content(sequence(&[encode(INTEGER, [1]), encode(SET, [])])).der(),
        ),
        ("cv-encoding", Kind::CvCertificate, {
            let bytes = good(Kind::CvCertificate);
            let value = iso7816::tlv::sole(&bytes, iso7816::tlv::Tag(0x7F21)).unwrap();
            [&[0x7F, 0x21, 0x83, 0], &(value.len() as u16).to_be_bytes()[..], value].concat()
        }),
        ("cv-references", Kind::CvCertificate, cv(|body| body.holder = Reference::from_bytes(b"ut").unwrap())),
        ("cv-dates", Kind::CvCertificate, cv(|body| body.expires = date(2025, 12, 1))),
        (
            "cv-domain-present",
            Kind::CvCertificate,
            cv(|body| {
                body.chat = Chat::all(TerminalType::Inspection, Level::Cvca);
                body.holder = body.authority.clone();
            }),
        ),
        ("cv-domain-absent", Kind::CvCertificate, cv(|body| with_domain(body, 1))),
        ("cv-domain-known", Kind::CvCertificate, cv(|body| with_domain(body, 2))),
        ("cv-hash", Kind::CvCertificate, cv(|body| body.public_key.algorithm = KeyAlgorithm::Ecdsa(Hash::Sha1))),
        ("cv-key-size", Kind::CvCertificate, cv(|body| body.public_key = cv_base_point(EllipticCurve::P192))),
        ("cv-self-signed", Kind::CvCertificate, cv(|body| body.holder = body.authority.clone())),
        ("cv-validity-cvca", Kind::CvCertificate, cv_of(Level::Cvca, date(2030, 1, 1))),
        ("cv-validity-verifier", Kind::CvCertificate, cv_of(Level::ForeignDv, date(2026, 6, 1))),
        ("cv-validity-terminal", Kind::CvCertificate, cv_of(Level::Terminal, date(2026, 3, 1))),
        ("signed-type-defect-list", Kind::DefectList, signed(Signed::defect_list(), |list| list.content_type[0] ^= 1)),
        ("defect-list-content", Kind::DefectList, Signed::defect_list().with_content(sequence(&[])).der()),
        ("defect-list-entries", Kind::DefectList, Signed::defect_list().with_content(defect_list(&[])).der()),
        ("sod-content", SecurityObject, Signed::security_object().with_content(sequence(&[])).der()),
        ("sod-version", SecurityObject, hashes(|hashes| hashes.version = 0)),
        ("sod-version-info", SecurityObject, hashes(|hashes| hashes.info = Some(("1.8", "040000")))),
        ("sod-hash", SecurityObject, hashes(|hashes| hashes.algorithm = sha1_digest.clone())),
        ("sod-hash-legacy", SecurityObject, hashes(|hashes| hashes.algorithm = sha1_digest.clone())),
        ("sod-hash-parameters", SecurityObject, hashes(|hashes| hashes.algorithm = null_digest.clone())),
        ("sod-hash-length", SecurityObject, hashes(|hashes| hashes.groups[0].1 = 20)),
        ("sod-data-groups", SecurityObject, hashes(|hashes| hashes.groups[1].0 = 17)),
        ("sod-data-group-order", SecurityObject, hashes(|hashes| hashes.groups.reverse())),
    ]
}

fn found(der: &[u8], kind: Kind, edition: Edition) -> Vec<&'static str> {
    lint::lint(der, kind, edition).findings.iter().map(|finding| finding.rule.id).collect()
}

#[test]
fn every_rule_has_an_object_that_keeps_it_and_one_that_does_not() {
    let spoiled = spoiled();
    let kept = kept_otherwise();
    let mut wrong = Vec::new();
    for rule in lint::rules() {
        let samples: Vec<_> = spoiled.iter().filter(|(id, ..)| *id == rule.id).collect();
        if samples.is_empty() {
            wrong.push(format!("{}: no spoiled object", rule.id));
        }
        for (_, kind, der) in samples {
            for edition in rule.editions {
                if !rule.applies(*kind, *edition) || !found(der, *kind, *edition).contains(&rule.id) {
                    wrong.push(format!("{} is not found in its spoiled {kind}, edition {edition}", rule.id));
                }
            }
        }
        for kind in rule.kinds {
            let keeps = kept.get(rule.id).cloned().unwrap_or_else(|| good(*kind));
            for edition in rule.editions {
                if found(&keeps, *kind, *edition).contains(&rule.id) {
                    wrong.push(format!("{} is found in a good {kind}, edition {edition}", rule.id));
                }
            }
        }
    }
    for (id, ..) in &spoiled {
        if lint::Rule::find(id).is_none() {
            wrong.push(format!("{id} is no rule"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn good_objects_have_no_finding_and_are_recognised() {
    for kind in Kind::ALL {
        let der = good(kind);
        let report = lint::lint(&der, kind, kind.edition());
        assert!(report.findings.is_empty() && report.rules > 10, "{kind}: {:?}", report.findings);
        assert!(lint::accept(&der, kind).is_ok());
        // Bytes do not tell the two authorities and their lists apart.
        let told = match kind {
            Kind::CitizenCa => Kind::Csca,
            Kind::CitizenCrl => Kind::Crl,
            other => other,
        };
        assert_eq!(lint::detect(&der), Some(told));
    }
}

#[test]
fn nothing_is_accepted_against_a_requirement() {
    let refused = lint::accept(&Cert::csca().without(known::KEY_USAGE).der(), Kind::Csca).unwrap_err();
    assert_eq!((refused.kind, refused.rule), (Kind::Csca, "key-usage-present"));
    assert_eq!(refused.to_string(), "rule key-usage-present (9303-12 §7.1; RFC 5280 §4.2.1.3): absent");
    let warned = lint::accept(&usage_period_of(Cert::csca(), "20260101000000", "20320101000000"), Kind::Csca).unwrap();
    assert_eq!((warned.count(Severity::Error), warned.count(Severity::Warning)), (0, 1));
}

/// CMS, content and the certificate inside: a departure of any of them is one of the security object.
#[test]
fn signed_data_are_linted_as_a_whole() {
    let weak = Cert::document_signer().without(known::KEY_USAGE);
    let whole = Signed::security_object().signed_by(weak.clone()).der();
    let report = lint::lint(&whole, Kind::SecurityObject, Edition::Eighth);
    let finding = report.error().unwrap();
    assert_eq!((finding.rule.id, finding.seen.as_str()), ("key-usage-present", "signer's certificate: absent"));
    let certificate = lint::lint(&weak.der(), Kind::DocumentSigner, Edition::Eighth);
    let frame = lint::rules().filter(|rule| rule.applies(Kind::SecurityObject, Edition::Eighth)).count();
    assert_eq!(report.rules, frame + certificate.rules);
    assert_eq!(lint::accept(&whole, Kind::SecurityObject).unwrap_err().rule, "key-usage-present");
    for (list, kind) in [(Signed::master_list(), Kind::MasterList), (Signed::deviation_list(), Kind::DeviationList)] {
        let signer = list.signer.clone().without(known::SUBJECT_ALT_NAME);
        assert_eq!(lint::accept(&list.signed_by(signer).der(), kind).unwrap_err().rule, "subject-alternative-present");
    }
}

#[test]
fn the_content_of_a_security_object_is_judged_alone() {
    assert!(lint::security_object_content(&Hashes::default().der()).is_ok());
    let twice = Hashes { groups: vec![(1, 32), (1, 32)], ..Hashes::default() };
    assert_eq!(lint::security_object_content(&twice.der()).unwrap_err().rule, "sod-data-groups");
    assert_eq!(lint::security_object_content(&[0x30, 0x00]).unwrap_err().rule, "sod-content");
}
