//! Certificates, lists and archives made for tests: the library's own writers make none that break a rule.

use iso7816::tlv::{Writer, encode};
use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Extension, X509Name, X509NameBuilder};
use trust::Certificate;
use trust::der::{BIT_STRING, INTEGER, OCTET_STRING, OID, SEQUENCE, SET, UTC_TIME, context, context_constructed, oid};

/// The list signers' purpose.
pub const MASTER_LIST_SIGNER: &str = "2.23.136.1.1.3";
/// The extension of a link certificate between two names.
const NAME_CHANGE: (&str, &[u8]) = ("2.23.136.1.1.6.1", b"\x05\x00");

/// A certificate with its key; roots and signers alike.
pub struct Csca {
    pub certificate: Certificate,
    x509: X509,
    key: PKey<Private>,
}

/// What a signer's certificate says.
#[derive(Clone, Copy)]
pub struct Signed {
    /// Extended key usage.
    pub purpose: Option<&'static str>,
    /// Last moment of validity.
    pub until: &'static str,
    /// More extensions: object identifier and DER.
    pub extensions: &'static [(&'static str, &'static [u8])],
    /// Whether the issuer's key is not named.
    pub unnamed_key: bool,
}

impl Default for Signed {
    fn default() -> Self {
        Signed { purpose: None, until: "20310101000000Z", extensions: &[], unnamed_key: false }
    }
}

impl Csca {
    pub fn root(country: &str, name: &str) -> Self {
        let key = key();
        let name = self::name(country, name);
        let x509 = build(&name, &key, &name, &key, None, true, Signed::default());
        Self::of(x509, key)
    }

    /// The link certificate: the other's name and key, signed by this key; a change of name is said.
    pub fn link_to(&self, next: &Csca) -> Certificate {
        let same = self.certificate.subject().matches(next.certificate.subject());
        self.authority(next, Signed { extensions: if same { &[] } else { &[NAME_CHANGE] }, ..Signed::default() })
    }

    /// A link that does not name the key that signed it.
    pub fn link_by_name_to(&self, next: &Csca) -> Certificate {
        self.authority(next, Signed { unnamed_key: true, ..Signed::default() })
    }

    /// An authority below this one, which 9303-12 does not know.
    pub fn authority_below(&self, next: &Csca) -> Certificate {
        self.authority(next, Signed::default())
    }

    fn authority(&self, next: &Csca, signed: Signed) -> Certificate {
        let (subject, issuer) = (next.x509.subject_name().to_owned().unwrap(), self.x509.subject_name());
        let x509 = build(&subject, &next.key, issuer, &self.key, Some(&self.x509), true, signed);
        Certificate::from_der(&x509.to_der().unwrap()).unwrap()
    }

    pub fn list_signer(&self) -> Csca {
        self.signer("Master List Signer", Signed { purpose: Some(MASTER_LIST_SIGNER), ..Signed::default() })
    }

    pub fn document_signer(&self) -> Csca {
        self.signer("Document Signer", Signed::default())
    }

    pub fn signer(&self, common_name: &str, signed: Signed) -> Csca {
        let issuer = self.x509.subject_name();
        let country = issuer.entries_by_nid(Nid::COUNTRYNAME).next().unwrap().data().to_string().unwrap();
        let key = key();
        let x509 = build(&name(&country, common_name), &key, issuer, &self.key, Some(&self.x509), false, signed);
        Self::of(x509, key)
    }

    /// A revocation list with this certificate on it.
    pub fn revocation_list(&self, revoked: &Certificate) -> Vec<u8> {
        let algorithm = encode(SEQUENCE, encode(OID, oid::ECDSA_SHA256));
        let entry = [encode(INTEGER, revoked.serial()), encode(UTC_TIME, b"261102100000Z")].concat();
        let list = [
            encode(INTEGER, [1]),
            algorithm.clone(),
            self.certificate.subject().der().to_vec(),
            encode(UTC_TIME, b"261103100000Z"),
            encode(UTC_TIME, b"270103100000Z"),
            encode(SEQUENCE, encode(SEQUENCE, entry)),
        ];
        let list = encode(SEQUENCE, list.concat());
        let mut signing = Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        let signature = [vec![0], signing.sign_oneshot_to_vec(&list).unwrap()].concat();
        encode(SEQUENCE, [list, algorithm, encode(BIT_STRING, signature)].concat())
    }

    fn of(x509: X509, key: PKey<Private>) -> Self {
        Csca { certificate: Certificate::from_der(&x509.to_der().unwrap()).unwrap(), x509, key }
    }
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn name(country: &str, common_name: &str) -> X509Name {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("C", country).unwrap();
    name.append_entry_by_text("CN", common_name).unwrap();
    name.build()
}

fn build(
    subject: &openssl::x509::X509NameRef,
    key: &PKey<Private>,
    issuer: &openssl::x509::X509NameRef,
    issuer_key: &PKey<Private>,
    issuer_certificate: Option<&X509>,
    authority: bool,
    signed: Signed,
) -> X509 {
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(64, MsbOption::MAYBE_ZERO, false).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(subject).unwrap();
    builder.set_issuer_name(issuer).unwrap();
    builder.set_not_before(&Asn1Time::from_str("20260101000000Z").unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_str(signed.until).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    let mut extensions = vec![];
    let mut usage = KeyUsage::new();
    if authority {
        extensions.push(BasicConstraints::new().critical().ca().pathlen(0).build().unwrap());
        usage.critical().key_cert_sign().crl_sign();
    } else {
        usage.critical().digital_signature();
    }
    extensions.push(usage.build().unwrap());
    if let Some(purpose) = signed.purpose {
        extensions.push(ExtendedKeyUsage::new().critical().other(purpose).build().unwrap());
    }
    for extension in extensions {
        builder.append_extension(extension).unwrap();
    }
    for (kind, der) in signed.extensions {
        let (kind, der) = (Asn1Object::from_str(kind).unwrap(), Asn1OctetString::new_from_bytes(der).unwrap());
        builder.append_extension(X509Extension::new_from_der(&kind, false, &der).unwrap()).unwrap();
    }
    let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(identifier).unwrap();
    if !signed.unnamed_key {
        let context = builder.x509v3_context(issuer_certificate.map(std::convert::AsRef::as_ref), None);
        let identifier = AuthorityKeyIdentifier::new().keyid(true).build(&context).unwrap();
        builder.append_extension(identifier).unwrap();
    }
    builder.sign(issuer_key, MessageDigest::sha256()).unwrap();
    builder.build()
}

/// CscaMasterList.
pub fn list_of<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let set: Vec<u8> = certificates.into_iter().flatten().copied().collect();
    encode(SEQUENCE, [encode(INTEGER, [0]), encode(SET, set)].concat())
}

/// A signed list; the signer's certificate comes along, and those `enclosed`.
pub fn master_list(content: &[u8], signer: &Csca, enclosed: &[&Certificate]) -> Vec<u8> {
    let sha256 = encode(SEQUENCE, encode(OID, oid::SHA256));
    let attribute = |kind: &[u8], value: Vec<u8>| encode(SEQUENCE, [encode(OID, kind), encode(SET, value)].concat());
    let mut attributes = [
        attribute(oid::CONTENT_TYPE, encode(OID, oid::MASTER_LIST)),
        attribute(oid::MESSAGE_DIGEST, encode(OCTET_STRING, openssl::sha::sha256(content))),
        attribute(oid::SIGNING_TIME, encode(UTC_TIME, b"261101100000Z")),
    ];
    attributes.sort();
    let attributes = attributes.concat();
    let mut signing = Signer::new(MessageDigest::sha256(), &signer.key).unwrap();
    let signature = signing.sign_oneshot_to_vec(&encode(SET, &attributes)).unwrap();

    let mut data = Writer::new();
    data.put(INTEGER, [3]).put(SET, &sha256);
    data.nest(SEQUENCE, |encapsulated| {
        encapsulated.put(OID, oid::MASTER_LIST).put(context_constructed(0), encode(OCTET_STRING, content));
    });
    let certificates = std::iter::once(&signer.certificate).chain(enclosed.iter().copied());
    data.put(context_constructed(0), certificates.flat_map(|one| one.der().to_vec()).collect::<Vec<_>>());
    data.nest(SET, |signers| {
        signers.nest(SEQUENCE, |info| {
            info.put(INTEGER, [3]).put(context(0), signer.certificate.key_identifier()).raw(&sha256);
            info.put(context_constructed(0), &attributes).raw(encode(SEQUENCE, encode(OID, oid::ECDSA_SHA256)));
            info.put(OCTET_STRING, signature);
        });
    });
    let data = encode(context_constructed(0), encode(SEQUENCE, data.finish()));
    encode(SEQUENCE, [encode(OID, oid::SIGNED_DATA), data].concat())
}

/// A zip archive.
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
