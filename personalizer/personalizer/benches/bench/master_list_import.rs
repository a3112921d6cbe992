//! `master_list_import`: certificates of a master list imported per second.
//!
//! - value: a signed list of [`COUNTRIES`] roots, as many as the largest public lists have and more, read, verified to its
//!   pinned CSCA and planned into an empty anchor archive; every certificate must end up believed
//! - floor: the cryptography of it and nothing else, through OpenSSL with parsed keys: a digest and a signature check for each
//!   root, the list and its signer

use std::error::Error;
use std::hint::black_box;

use authority::{Authority, Passphrase, Profile, SignerKind};
use jiff::Timestamp;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;
use openssl::x509::extension::{AuthorityKeyIdentifier, BasicConstraints, KeyUsage, SubjectKeyIdentifier};
use openssl::x509::{X509Builder, X509NameBuilder};
use trust::archive::{self, Archive, Request};
use trust::import::{self, Bounds};
use trust::public_key::KeyKind;
use trust::{Certificate, Hash};

use crate::centre::PROFILE;
use crate::report::Row;
use crate::sod_sign_software::{child, signed_attributes};
use crate::turns::Turns;

const TURNS: Turns = Turns { rounds: 20, repetitions: 1 };
/// Two letters count them.
const COUNTRIES: usize = 26 * 23;

/// The row.
pub fn row() -> Result<Row, Box<dyn Error>> {
    let now = Timestamp::now();
    let keys = (0..COUNTRIES).map(|_| key(Nid::X9_62_PRIME256V1)).collect::<Result<Vec<_>, _>>()?;
    let roots = keys.iter().enumerate().map(|(number, key)| root(number, key)).collect::<Result<Vec<_>, _>>()?;
    let folder = tempfile::tempdir()?;
    let passphrase = Passphrase::new("authority of the bench");
    let profile = Profile::find(PROFILE).ok_or("no such profile")?;
    let mut authority = Authority::init(&folder.path().join("authority"), profile, &passphrase, now)?;
    let signer = authority.new_signer(SignerKind::MasterList, None, &passphrase, &passphrase, now)?;
    let list = authority.sign_master_list(&roots, None, &passphrase, now)?.bytes;
    let pin = authority.csca().clone();

    let import = || {
        let pieces = import::read(&list, &Bounds::default())?;
        let sha256 = archive::fingerprint(&list);
        let plan = Archive::default().plan(&Request {
            file: "bench.ml",
            sha256,
            pieces: &pieces,
            pins: std::slice::from_ref(&pin),
            confirmed: &[],
            now,
            by: "bench",
        });
        let believed = plan.archive.certificates().filter(|held| held.is_believed()).count();
        if believed == COUNTRIES + 1 { Ok(plan) } else { Err(format!("{believed} certificates are believed").into()) }
    };

    let checks = keys
        .iter()
        .zip(&roots)
        .map(|(key, root)| Check::new(key, Hash::Sha256, signed_part(root)?))
        .chain([
            // The authority's own root and its list signer's certificate, then the list: all of it, and its attributes.
            Check::new(&key(curve(&pin)?)?, Hash::Sha384, signed_part(&pin)?),
            Check::new(&key(curve(&pin)?)?, Hash::Sha384, signed_part(&signer.certificate)?),
            Check::new(&key(curve(&signer.certificate)?)?, Hash::Sha256, &signed_attributes(&list)?),
        ])
        .collect::<Result<Vec<_>, _>>()?;
    let medians = TURNS.measure(import, || {
        black_box(sha256(&list));
        checks.iter().try_for_each(Check::make)
    })?;
    Ok(Row::rate("master_list_import", "certificate/s", (COUNTRIES + 1) as f64, &medians))
}

/// A signature check with everything parsed.
struct Check {
    key: EcKey<Private>,
    hash: Hash,
    message: Vec<u8>,
    signature: EcdsaSig,
}

impl Check {
    fn new(key: &PKey<Private>, hash: Hash, message: &[u8]) -> Result<Self, Box<dyn Error>> {
        let key = key.ec_key()?;
        let signature = EcdsaSig::sign(&hash.digest(message), &key)?;
        Ok(Check { key, hash, message: message.to_vec(), signature })
    }

    fn make(&self) -> Result<(), Box<dyn Error>> {
        let good = self.signature.verify(&self.hash.digest(&self.message), &self.key)?;
        if good { Ok(()) } else { Err("does not verify".into()) }
    }
}

/// The part of a certificate that is signed.
fn signed_part(certificate: &Certificate) -> Result<&[u8], Box<dyn Error>> {
    let parts = child(certificate.der(), 0).ok_or("no certificate")?.value;
    Ok(child(parts, 0).ok_or("no certificate")?.raw)
}

fn key(curve: Nid) -> Result<PKey<Private>, Box<dyn Error>> {
    Ok(PKey::from_ec_key(EcKey::generate(EcGroup::from_curve_name(curve)?.as_ref())?)?)
}

fn curve(certificate: &Certificate) -> Result<Nid, Box<dyn Error>> {
    match certificate.public_key().kind() {
        KeyKind::Ec(curve) => Ok(curve.nid()),
        _ => Err("a key of the authority is not on a curve".into()),
    }
}

/// A State's root: its country from `AA` on.
fn root(number: usize, key: &PKey<Private>) -> Result<Certificate, Box<dyn Error>> {
    let letter = |index: usize| char::from(b'A' + (index % 26) as u8);
    let country: String = [letter(number / 26), letter(number)].into_iter().collect();
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("C", &country)?;
    name.append_entry_by_text("CN", "CSCA")?;
    let name = name.build();
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    let mut serial = BigNum::new()?;
    serial.rand(64, MsbOption::MAYBE_ZERO, false)?;
    builder.set_serial_number(serial.to_asn1_integer()?.as_ref())?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    builder.set_not_after(Asn1Time::days_from_now(5000)?.as_ref())?;
    builder.set_pubkey(key)?;
    builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
    builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
    let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(identifier)?;
    let identifier = AuthorityKeyIdentifier::new().keyid(true).build(&builder.x509v3_context(None, None))?;
    builder.append_extension(identifier)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(Certificate::from_der(&builder.build().to_der()?)?)
}
