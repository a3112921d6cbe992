//! Good objects of every kind, made piece by piece so that a test can spoil one piece.

use std::sync::LazyLock;

use asn1_rs::oid;
use iso7816::tlv::{Tag, Writer, encode};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::pkey::Private;
use trust::der::{
    BIT_STRING, BOOLEAN, ENUMERATED, GENERALIZED_TIME, INTEGER, NULL, OCTET_STRING, OID, PRINTABLE_STRING, SEQUENCE,
    SET, UTC_TIME, UTF8_STRING, context, context_constructed, oid as known,
};
use trust::{EllipticCurve, Hash};

/// A key for everything that is really signed.
static KEY: LazyLock<EcKey<Private>> =
    LazyLock::new(|| EcKey::generate(&EcGroup::from_curve_name(EllipticCurve::P256.nid()).unwrap()).unwrap());

pub const POLICIES: &[u8] = &oid!(raw 2.5.29.32);
pub const IA5_STRING: Tag = Tag(0x16);

/// The point of the authority's key: the generator will do.
pub fn authority_point() -> Vec<u8> {
    EllipticCurve::P256.domain().unwrap().generator
}

/// The authority's key identifier.
pub fn authority_identifier() -> Vec<u8> {
    openssl::sha::sha1(&authority_point()).to_vec()
}

pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    encode(SEQUENCE, parts.concat())
}

pub fn algorithm(identifier: &[u8], parameters: &[u8]) -> Vec<u8> {
    encode(SEQUENCE, [encode(OID, identifier), parameters.to_vec()].concat())
}

pub fn ecdsa() -> Vec<u8> {
    algorithm(known::ECDSA_SHA256, &[])
}

pub fn name(attributes: &[(&[u8], Tag, &str)]) -> Vec<u8> {
    let relative = |(kind, tag, text): &(&[u8], Tag, &str)| {
        encode(SET, encode(SEQUENCE, [encode(OID, kind), encode(*tag, text)].concat()))
    };
    sequence(&attributes.iter().map(relative).collect::<Vec<_>>())
}

pub fn usual_name(common: &str) -> Vec<u8> {
    name(&[(known::COUNTRY_NAME, PRINTABLE_STRING, "UT"), (known::COMMON_NAME, UTF8_STRING, common)])
}

/// UTCTime or GeneralizedTime, as long as the digits say.
pub fn time(digits: &str) -> Vec<u8> {
    encode(if digits.len() == 12 { UTC_TIME } else { GENERALIZED_TIME }, format!("{digits}Z"))
}

pub fn point() -> Vec<u8> {
    let mut context = BigNumContext::new().unwrap();
    KEY.public_key().to_bytes(KEY.group(), PointConversionForm::UNCOMPRESSED, &mut context).unwrap()
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    encode(BIT_STRING, [&[0], bytes].concat())
}

pub fn ec_spki(parameters: &[u8], point: &[u8]) -> Vec<u8> {
    sequence(&[algorithm(known::EC_PUBLIC_KEY, parameters), bits(point)])
}

pub fn integer(magnitude: &[u8]) -> Vec<u8> {
    let padded = if magnitude[0] & 0x80 != 0 { [&[0], magnitude].concat() } else { magnitude.to_vec() };
    encode(INTEGER, padded)
}

/// Explicit parameters of P-256 with this generator and cofactor.
pub fn explicit(generator: Option<&[u8]>, cofactor: Option<u8>) -> Vec<u8> {
    let domain = EllipticCurve::P256.domain().unwrap();
    sequence(&[
        encode(INTEGER, [1]),
        sequence(&[encode(OID, known::PRIME_FIELD), integer(&domain.p)]),
        sequence(&[encode(OCTET_STRING, &domain.a), encode(OCTET_STRING, &domain.b)]),
        encode(OCTET_STRING, generator.unwrap_or(&domain.generator)),
        integer(&domain.n),
        cofactor.map(|cofactor| encode(INTEGER, [cofactor])).unwrap_or_default(),
    ])
}

pub fn named() -> Vec<u8> {
    encode(OID, EllipticCurve::P256.oid())
}

pub fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = sequence(&[integer(modulus), integer(exponent)]);
    sequence(&[algorithm(known::RSA_ENCRYPTION, &encode(NULL, [])), bits(&key)])
}

/// An RSA modulus of so many bits without small factors: a power of a prime.
pub fn modulus(bits: i32) -> Vec<u8> {
    let prime = BigNum::from_u32(1_000_003).unwrap();
    let mut product = BigNum::from_u32(1).unwrap();
    while product.num_bits() < bits {
        let mut next = BigNum::new().unwrap();
        next.checked_mul(&product, &prime, &mut BigNumContext::new().unwrap()).unwrap();
        product = next;
    }
    product.to_vec()
}

pub fn usage(first: u8, unused: u8) -> Vec<u8> {
    encode(BIT_STRING, [unused, first])
}

pub fn usage_period(from: &str, to: &str) -> Vec<u8> {
    sequence(&[encode(context(0), format!("{from}Z")), encode(context(1), format!("{to}Z"))])
}

pub fn alternative(locality: &[(&[u8], Tag, &str)], contact: Option<&str>) -> Vec<u8> {
    let contact = contact.map(|contact| encode(context(1), contact)).unwrap_or_default();
    sequence(&[contact, encode(context_constructed(4), name(locality))])
}

pub fn usual_alternative() -> Vec<u8> {
    alternative(&[(known::LOCALITY_NAME, PRINTABLE_STRING, "UTO")], Some("csca@uto.example"))
}

pub fn points(uri: &str) -> Vec<u8> {
    let full = encode(context_constructed(0), encode(context_constructed(0), encode(context(6), uri)));
    sequence(&[sequence(&[full])])
}

pub fn types(version: u8, codes: &[&str]) -> Vec<u8> {
    let codes: Vec<u8> = codes.iter().flat_map(|code| encode(PRINTABLE_STRING, code)).collect();
    sequence(&[encode(INTEGER, [version]), encode(SET, codes)])
}

pub fn purposes(all: &[&[u8]]) -> Vec<u8> {
    sequence(&all.iter().map(|purpose| encode(OID, purpose)).collect::<Vec<_>>())
}

pub fn authority_key(identifier: &[u8]) -> Vec<u8> {
    sequence(&[encode(context(0), identifier)])
}

/// One extension: identifier, content of the critical BOOLEAN, value.
pub type Extension = (Vec<u8>, Option<u8>, Vec<u8>);

fn extensions(all: &[Extension]) -> Vec<u8> {
    let one = |(identifier, critical, value): &Extension| {
        let critical = critical.map(|value| encode(BOOLEAN, [value])).unwrap_or_default();
        sequence(&[encode(OID, identifier), critical, encode(OCTET_STRING, value)])
    };
    sequence(&all.iter().map(one).collect::<Vec<_>>())
}

/// Sets, replaces or removes an extension of a list.
pub trait Extended: Sized {
    fn list(&mut self) -> &mut Vec<Extension>;

    fn set(mut self, identifier: &[u8], critical: Option<u8>, value: Vec<u8>) -> Self {
        let fresh = (identifier.to_vec(), critical, value);
        match self.list().iter_mut().find(|known| known.0 == identifier) {
            Some(known) => *known = fresh,
            None => self.list().push(fresh),
        }
        self
    }

    fn add(self, identifier: &[u8], value: Vec<u8>) -> Self {
        self.set(identifier, None, value)
    }

    fn mark(mut self, identifier: &[u8], critical: Option<u8>) -> Self {
        let value = self.list().iter().find(|known| known.0 == identifier).unwrap().2.clone();
        self.set(identifier, critical, value)
    }

    fn without(mut self, identifier: &[u8]) -> Self {
        self.list().retain(|known| known.0 != identifier);
        self
    }
}

/// A certificate's pieces, each with its tag.
#[derive(Clone)]
pub struct Cert {
    pub version: Vec<u8>,
    pub serial: Vec<u8>,
    pub inner: Vec<u8>,
    pub outer: Vec<u8>,
    pub issuer: Vec<u8>,
    pub not_before: Vec<u8>,
    pub not_after: Vec<u8>,
    pub subject: Vec<u8>,
    pub spki: Vec<u8>,
    pub unique: Vec<u8>,
    pub extensions: Vec<Extension>,
}

impl Extended for Cert {
    fn list(&mut self) -> &mut Vec<Extension> {
        &mut self.extensions
    }
}

impl Cert {
    fn new(issuer: &str, subject: &str, not_after: &str) -> Self {
        Cert {
            version: encode(context_constructed(0), encode(INTEGER, [2])),
            serial: encode(INTEGER, [0x4A, 1, 2, 3]),
            inner: ecdsa(),
            outer: ecdsa(),
            issuer: usual_name(issuer),
            not_before: time("260101000000"),
            not_after: time(not_after),
            subject: usual_name(subject),
            spki: ec_spki(&explicit(None, Some(1)), &point()),
            unique: Vec::new(),
            extensions: Vec::new(),
        }
        .add(known::AUTHORITY_KEY_IDENTIFIER, authority_key(&authority_identifier()))
    }

    pub fn own_key() -> Vec<u8> {
        openssl::sha::sha1(&point()).to_vec()
    }

    fn named_and_published(self) -> Self {
        self.add(known::SUBJECT_ALT_NAME, usual_alternative())
            .add(known::ISSUER_ALT_NAME, usual_alternative())
            .add(known::CRL_DISTRIBUTION_POINTS, points("https://pki.uto.example/UTO.crl"))
    }

    pub fn csca() -> Self {
        let authority = sequence(&[encode(BOOLEAN, [0xFF]), encode(INTEGER, [0])]);
        let mut csca = Cert::new("CSCA", "CSCA", "410401000000");
        csca.spki = ec_spki(&explicit(None, Some(1)), &authority_point());
        csca.add(known::SUBJECT_KEY_IDENTIFIER, encode(OCTET_STRING, authority_identifier()))
            .set(known::KEY_USAGE, Some(0xFF), usage(0x06, 1))
            .set(known::BASIC_CONSTRAINTS, Some(0xFF), authority)
            .add(known::PRIVATE_KEY_USAGE_PERIOD, usage_period("20260101000000", "20310101000000"))
            .named_and_published()
    }

    pub fn link() -> Self {
        Cert::csca().add(known::AUTHORITY_KEY_IDENTIFIER, authority_key(&[7; 20]))
    }

    pub fn document_signer() -> Self {
        Cert::new("CSCA", "DS", "360401000000")
            .set(known::KEY_USAGE, Some(0xFF), usage(0x80, 7))
            .add(known::PRIVATE_KEY_USAGE_PERIOD, usage_period("20260101000000", "20260401000000"))
            .add(known::DOCUMENT_TYPE_LIST, types(0, &["I", "P"]))
            .named_and_published()
    }

    pub fn list_signer(purpose: &[u8]) -> Self {
        Cert::document_signer()
            .without(known::DOCUMENT_TYPE_LIST)
            .set(known::EXTENDED_KEY_USAGE, Some(0xFF), purposes(&[purpose]))
            .add(known::SUBJECT_KEY_IDENTIFIER, encode(OCTET_STRING, Cert::own_key()))
    }

    pub fn residence_signer() -> Self {
        Cert::document_signer().add(known::DOCUMENT_TYPE_LIST, types(0, &["RR"])).set(
            known::EXTENDED_KEY_USAGE,
            Some(0xFF),
            purposes(&[known::RESIDENCE_SIGNER]),
        )
    }

    pub fn seal_signer() -> Self {
        let mut signer = Cert::new("CSCA", "", "310101000000");
        signer.subject =
            name(&[(known::COUNTRY_NAME, PRINTABLE_STRING, "UT"), (known::COMMON_NAME, PRINTABLE_STRING, "AB")]);
        signer.add(known::DOCUMENT_TYPE_LIST, types(0, &["V"])).set(
            known::EXTENDED_KEY_USAGE,
            Some(0xFF),
            purposes(&[known::SEAL_SIGNER]),
        )
    }

    pub fn communication() -> Self {
        Cert::list_signer(&oid!(raw 2.23.136.1.1.10.1))
    }

    pub fn citizen_ca() -> Self {
        let mut authority = Cert::csca();
        authority.spki = ec_spki(&named(), &authority_point());
        let kept = [
            known::AUTHORITY_KEY_IDENTIFIER,
            known::SUBJECT_KEY_IDENTIFIER,
            known::KEY_USAGE,
            known::BASIC_CONSTRAINTS,
        ];
        authority.extensions.retain(|extension| kept.contains(&&extension.0[..]));
        authority
    }

    pub fn citizen() -> Self {
        let mut citizen = Cert::new("Citizen CA", "A Citizen", "310101000000");
        citizen.spki = ec_spki(&named(), &point());
        citizen
            .set(known::KEY_USAGE, Some(0xFF), usage(0x80, 7))
            .add(known::EXTENDED_KEY_USAGE, purposes(&[&oid!(raw 1.3.6.1.5.5.7.3.2)]))
            .add(known::CRL_DISTRIBUTION_POINTS, points("http://pki.uto.example/citizens.crl"))
    }

    pub fn ocsp_responder() -> Self {
        Cert::citizen()
            .add(known::EXTENDED_KEY_USAGE, purposes(&[&oid!(raw 1.3.6.1.5.5.7.3.9)]))
            .add(&oid!(raw 1.3.6.1.5.5.7.48.1.5), vec![5, 0])
    }

    fn body(&self) -> Vec<u8> {
        let extensions = match self.extensions.as_slice() {
            [] => Vec::new(),
            all => encode(context_constructed(3), extensions(all)),
        };
        sequence(&[
            self.version.clone(),
            self.serial.clone(),
            self.inner.clone(),
            self.issuer.clone(),
            sequence(&[self.not_before.clone(), self.not_after.clone()]),
            self.subject.clone(),
            self.spki.clone(),
            self.unique.clone(),
            extensions,
        ])
    }

    pub fn der(&self) -> Vec<u8> {
        sequence(&[self.body(), self.outer.clone(), bits(&[0x30, 0x00])])
    }
}

/// A revocation list's pieces.
#[derive(Clone)]
pub struct List {
    pub version: Vec<u8>,
    pub issuer: Vec<u8>,
    pub this_update: Vec<u8>,
    pub next_update: Vec<u8>,
    pub entries: Option<Vec<Vec<u8>>>,
    pub extensions: Vec<Extension>,
}

impl Extended for List {
    fn list(&mut self) -> &mut Vec<Extension> {
        &mut self.extensions
    }
}

pub fn entry(serial: &[u8], since: &str, all: &[Extension]) -> Vec<u8> {
    let inside = if all.is_empty() { Vec::new() } else { extensions(all) };
    sequence(&[encode(INTEGER, serial), time(since), inside])
}

impl List {
    pub fn new() -> Self {
        List {
            version: encode(INTEGER, [1]),
            issuer: usual_name("CSCA"),
            this_update: time("260101000000"),
            next_update: time("260401000000"),
            entries: Some(vec![entry(&[5], "251231000000", &[])]),
            extensions: Vec::new(),
        }
        .add(known::AUTHORITY_KEY_IDENTIFIER, authority_key(&authority_identifier()))
        .add(known::CRL_NUMBER, encode(INTEGER, [3]))
    }

    pub fn entry(entry: Vec<u8>) -> Self {
        List { entries: Some(vec![entry]), ..List::new() }
    }

    pub fn der(&self) -> Vec<u8> {
        let entries = self.entries.as_ref().map(|entries| sequence(entries)).unwrap_or_default();
        let extensions = match self.extensions.as_slice() {
            [] => Vec::new(),
            all => encode(context_constructed(0), extensions(all)),
        };
        let body = sequence(&[
            self.version.clone(),
            ecdsa(),
            self.issuer.clone(),
            self.this_update.clone(),
            self.next_update.clone(),
            entries,
            extensions,
        ]);
        sequence(&[body, ecdsa(), bits(&[0x30, 0x00])])
    }
}

/// The pieces of signed data.
#[derive(Clone)]
pub struct Signed {
    pub version: u8,
    pub digests: Vec<Vec<u8>>,
    pub content_type: Vec<u8>,
    pub content: Option<Vec<u8>>,
    pub certificates: Vec<Vec<u8>>,
    pub crls: bool,
    pub signers: usize,
    pub signer_version: u8,
    pub by_key: bool,
    pub digest: Vec<u8>,
    /// In the order in which they are written and signed.
    pub attributes: Option<Vec<Vec<u8>>>,
    pub algorithm: Vec<u8>,
    pub unsigned: bool,
    pub signer: Cert,
}

pub fn sha256() -> Vec<u8> {
    algorithm(known::SHA256, &[])
}

pub fn attribute(kind: &[u8], value: Vec<u8>) -> Vec<u8> {
    sequence(&[encode(OID, kind), encode(SET, value)])
}

/// A defect list about one signer with these defects.
pub fn defect_list(defects: &[Vec<u8>]) -> Vec<u8> {
    let defect = sequence(&[encode(context(0), Cert::own_key()), encode(SET, defects.concat())]);
    sequence(&[encode(INTEGER, [0]), encode(OID, known::SHA256), encode(SET, defect)])
}

impl Signed {
    fn new(content_type: &[u8], content: Vec<u8>, signer: Cert) -> Self {
        let mut attributes = vec![
            attribute(known::CONTENT_TYPE, encode(OID, content_type)),
            attribute(known::MESSAGE_DIGEST, encode(OCTET_STRING, Hash::Sha256.digest(&content))),
            attribute(known::SIGNING_TIME, time("260201000000")),
        ];
        attributes.sort();
        Signed {
            version: 3,
            digests: vec![sha256()],
            content_type: content_type.to_vec(),
            content: Some(content),
            certificates: vec![signer.der()],
            crls: false,
            signers: 1,
            signer_version: 1,
            by_key: false,
            digest: sha256(),
            attributes: Some(attributes),
            algorithm: ecdsa(),
            unsigned: false,
            signer,
        }
    }

    pub fn with_content(mut self, content: Vec<u8>) -> Self {
        let fresh = Signed::new(&self.content_type, content, self.signer.clone());
        (self.content, self.attributes) = (fresh.content, fresh.attributes);
        self
    }

    pub fn signed_by(mut self, signer: Cert) -> Self {
        let old = self.signer.der();
        self.certificates.retain(|certificate| *certificate != old);
        self.certificates.push(signer.der());
        self.signer = signer;
        self.certificates.sort();
        self
    }

    fn list(content_type: &[u8], content: Vec<u8>, purpose: &[u8]) -> Self {
        let mut list = Signed::new(content_type, content, Cert::list_signer(purpose));
        (list.by_key, list.signer_version) = (true, 3);
        list.certificates.push(Cert::csca().der());
        list.certificates.sort();
        list
    }

    pub fn master_list() -> Self {
        Signed::list(
            known::MASTER_LIST,
            certificates(0, &mut [Cert::csca().der(), Cert::link().der()]),
            known::MASTER_LIST_SIGNER,
        )
    }

    pub fn deviation_list() -> Self {
        let content = sequence(&[encode(INTEGER, [0]), encode(SET, [])]);
        Signed::list(known::DEVIATION_LIST, content, known::DEVIATION_LIST_SIGNER)
    }

    pub fn defect_list() -> Self {
        let revoked = sequence(&[encode(OID, known::CERT_REVOKED), encode(ENUMERATED, [0])]);
        Signed::list(known::DEFECT_LIST, defect_list(&[revoked]), known::DEVIATION_LIST_SIGNER)
    }

    pub fn security_object() -> Self {
        Signed::new(known::LDS_SECURITY_OBJECT, Hashes::default().der(), Cert::document_signer())
    }

    pub fn der(&self) -> Vec<u8> {
        let attributes = self.attributes.as_ref().map(|attributes| attributes.concat());
        let message = match &attributes {
            Some(attributes) => encode(SET, attributes),
            None => self.content.clone().unwrap_or_default(),
        };
        let signature = EcdsaSig::sign(&Hash::Sha256.digest(&message), &KEY).unwrap().to_der().unwrap();
        let identifier = match self.by_key {
            true => encode(context(0), Cert::own_key()),
            false => sequence(&[self.signer.issuer.clone(), self.signer.serial.clone()]),
        };
        let signer = sequence(&[
            encode(INTEGER, [self.signer_version]),
            identifier,
            self.digest.clone(),
            attributes.map(|attributes| encode(context_constructed(0), attributes)).unwrap_or_default(),
            self.algorithm.clone(),
            encode(OCTET_STRING, signature),
            if self.unsigned {
                encode(context_constructed(1), attribute(known::SIGNING_TIME, time("260201000000")))
            } else {
                Vec::new()
            },
        ]);
        let content =
            self.content.as_ref().map(|content| encode(context_constructed(0), encode(OCTET_STRING, content)));
        let data = sequence(&[
            encode(INTEGER, [self.version]),
            encode(SET, self.digests.concat()),
            sequence(&[encode(OID, &self.content_type), content.unwrap_or_default()]),
            if self.certificates.is_empty() {
                Vec::new()
            } else {
                encode(context_constructed(0), self.certificates.concat())
            },
            if self.crls { encode(context_constructed(1), List::new().der()) } else { Vec::new() },
            encode(SET, vec![signer; self.signers].concat()),
        ]);
        let mut info = Writer::new();
        info.nest(SEQUENCE, |info| {
            info.put(OID, known::SIGNED_DATA).put(context_constructed(0), data);
        });
        info.finish()
    }
}

/// A CscaMasterList with these certificates in DER order.
pub fn certificates(version: u8, all: &mut [Vec<u8>]) -> Vec<u8> {
    all.sort();
    sequence(&[encode(INTEGER, [version]), encode(SET, all.concat())])
}

/// The pieces of an LDSSecurityObject.
#[derive(Clone)]
pub struct Hashes {
    pub version: u8,
    pub algorithm: Vec<u8>,
    pub groups: Vec<(u8, usize)>,
    pub info: Option<(&'static str, &'static str)>,
}

impl Default for Hashes {
    fn default() -> Self {
        Hashes { version: 1, algorithm: sha256(), groups: vec![(1, 32), (2, 32)], info: Some(("0108", "040000")) }
    }
}

impl Hashes {
    pub fn der(&self) -> Vec<u8> {
        let group = |(number, length): &(u8, usize)| {
            sequence(&[encode(INTEGER, [*number]), encode(OCTET_STRING, vec![*number; *length])])
        };
        let info = self
            .info
            .map(|(lds, unicode)| sequence(&[encode(PRINTABLE_STRING, lds), encode(PRINTABLE_STRING, unicode)]));
        sequence(&[
            encode(INTEGER, [self.version]),
            self.algorithm.clone(),
            sequence(&self.groups.iter().map(group).collect::<Vec<_>>()),
            info.unwrap_or_default(),
        ])
    }

    pub fn signed(&self) -> Signed {
        Signed::security_object().with_content(self.der())
    }
}
