//! The citizen CA: certificates for the keys of citizens, after RFC 5280 and apart from the document PKI.
//!
//! ```text
//! DIR/citizen-ca/                            certificate.der, key.json, key.p8, state.json
//! DIR/citizen-ca/certificates/<range>/       <serial>.der
//! DIR/citizen-ca/keys/<key identifier>       which serial number this key was given
//! DIR/citizen-ca/crl/<range>-<number>.crl    the revocation lists of a range of serial numbers
//! DIR/citizen-ca/responder-<n>/              certificate.der, key.json, key.p8: signs answers about the status (RFC 6960)
//! ```
//!
//! A serial number is `01`, the range in four bytes and eleven random bytes: all of a range lie together. Each range has a
//! revocation list of its own, named in its certificates and as the list's issuing distribution point; so no list
//! grows with the number of citizens.
//!
//! It knows no person: who asks for a certificate is established before. It does not answer status questions and writes no
//! certificate policies or qualified statements, which are a matter of national law.

use std::path::{Path, PathBuf};

use asn1_rs::oid;
use iso7816::tlv::{Writer, encode};
use jiff::Timestamp;
use openssl::x509::{X509Crl, X509Req};
use serde::{Deserialize, Serialize};
use trust::der::{
    BIT_STRING, BOOLEAN, INTEGER, NULL, OCTET_STRING, OID, PRINTABLE_STRING, SEQUENCE, UTF8_STRING, context,
    context_constructed, oid as known,
};
use trust::lint::{self, Kind};
use trust::public_key::KeyKind;
use trust::{Certificate, EllipticCurve, PublicKey};

use crate::acts::Act;
use crate::authority::{Authority, IssueError};
use crate::document_signer::CERTIFICATE_FILE;
use crate::files::{self, FileError, Mode};
use crate::key_store::{Algorithm, KeyPlace, Signer, StoredKey, TokenAddress};
use crate::passphrase::Passphrase;
use crate::profile::CitizenProfile;
use crate::x509::{self, Period};

mod overview;

pub(crate) use overview::{CitizenKey, Overview, RangeState};

const FOLDER: &str = "citizen-ca";
const STATE_FILE: &str = "state.json";
const FORMAT: &str = "bitaqa-citizen-ca";
const VERSION: u32 = 1;
/// So many ranges may have been begun after a backup was made.
const MORE_RANGES: usize = 100;
/// The longest request that is read, in bytes.
const MAX_REQUEST: usize = 16 * 1024;
/// The longest name or number of a holder, in characters (RFC 5280, ub-name and friends).
const MAX_NAME: usize = 64;
/// Key usage nonRepudiation (contentCommitment) as a BIT STRING's value.
const NON_REPUDIATION: &[u8] = &[0x06, 0x40];

/// Key usage keyEncipherment, of RSA keys that decrypt.
const KEY_ENCIPHERMENT: &[u8] = &[0x05, 0x20];
/// Key usage keyAgreement, of keys on curves that decrypt.
const KEY_AGREEMENT: &[u8] = &[0x03, 0x08];

/// What a citizen's key is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To show who one is.
    Authentication,
    /// To sign.
    Signature,
    /// To decrypt what others encrypted for the citizen.
    KeyManagement,
}

impl Purpose {
    /// The purpose as a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Signature => "signature",
            Self::KeyManagement => "key-management",
        }
    }
}

/// Whose certificate it is, as established by the registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Given names.
    pub given_names: String,
    /// Surname.
    pub surname: String,
    /// A number that tells apart who has the same name: of letters, digits and hyphens.
    pub number: String,
}

/// A certificate that a citizen has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CitizenCertificate {
    /// The certificate.
    pub certificate: Certificate,
    /// The file.
    pub path: PathBuf,
    /// Its range of serial numbers.
    pub range: u64,
    /// Whether it was made now; asking again for the same key and holder gives the same certificate.
    pub made: bool,
}

/// A revocation list of one range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeList {
    /// The range.
    pub range: u64,
    /// Its number.
    pub number: u64,
    /// The file.
    pub path: PathBuf,
    /// How many certificates are on it.
    pub revoked: usize,
    /// When the next one is due.
    pub next_update: Timestamp,
}

/// Why the citizen CA issued nothing.
#[derive(Debug, thiserror::Error)]
pub enum CitizenError {
    /// As for everything that is issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// It was not set up.
    #[error("this authority has no citizen CA")]
    Missing,
    /// The state file.
    #[error("the state of the citizen CA cannot be used: {0}")]
    State(String),
    /// The request.
    #[error("the request is refused: {0}")]
    Request(&'static str),
    /// The holder's name.
    #[error("the holder's {0} is empty, too long, or has characters that do not belong there")]
    Holder(&'static str),
    /// The key has a certificate already, for another holder or purpose.
    #[error("this key has the certificate {0} for another holder or purpose; each certificate needs a key of its own")]
    KeyInUse(String),
    /// There is no such certificate.
    #[error("no certificate has the serial number {0}")]
    NoSuchCertificate(String),
    /// The CA's key may no longer sign certificates.
    #[error("the citizen CA's key may sign certificates until {0} only")]
    KeyEnded(Timestamp),
}

impl From<FileError> for CitizenError {
    fn from(error: FileError) -> Self {
        IssueError::from(error).into()
    }
}

impl From<openssl::error::ErrorStack> for CitizenError {
    fn from(error: openssl::error::ErrorStack) -> Self {
        IssueError::from(error).into()
    }
}

impl From<jiff::Error> for CitizenError {
    fn from(error: jiff::Error) -> Self {
        IssueError::from(error).into()
    }
}

impl From<crate::key_store::SigningError> for CitizenError {
    fn from(error: crate::key_store::SigningError) -> Self {
        IssueError::from(error).into()
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    format: String,
    version: u32,
    /// Serial numbers that were given, used or not.
    issued: u64,
    /// The last number of each range's revocation list.
    lists: Vec<u64>,
    revoked: Vec<Revoked>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoked {
    #[serde(with = "crate::state::hexadecimal")]
    serial: Vec<u8>,
    since: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRecord {
    serial: String,
    purpose: Purpose,
    /// SHA-256 of the subject's name.
    subject: String,
}

/// The citizen CA of an authority.
struct CitizenCa {
    directory: PathBuf,
    profile: CitizenProfile,
    certificate: Certificate,
    state: State,
}

impl Authority {
    /// Sets up the citizen CA with a key of its own; one that is there stays as it is.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub fn create_citizen_ca(&mut self, passphrase: &Passphrase, now: Timestamp) -> Result<Certificate, CitizenError> {
        let _lock = self.lock()?;
        match CitizenCa::open(self) {
            Ok(ca) => return Ok(ca.certificate),
            Err(CitizenError::Missing) => {}
            Err(error) => return Err(error),
        }
        let profile = self.profile().citizens;
        let algorithm = Algorithm::Ecdsa(profile.curve);
        let mut key = self
            .fresh_key("bitaqa-citizen-ca", algorithm, None, KeyPlace::Software, passphrase)
            .map_err(IssueError::NewKey)?;
        let name = x509::name(self.profile(), profile.name);
        let body = Body {
            serial: &crate::authority::serial_number(16)?,
            issuer: &name,
            subject: &name,
            validity: Period::months(now, profile.usage_months + profile.months)?,
            spki: &x509::named_spki(&key.key),
        };
        let raw = body.sign(&key.key, |extensions| {
            key_identifiers(extensions, &x509::key_identifier(&key.key), None);
            x509::extension(extensions, known::KEY_USAGE, true, &encode(BIT_STRING, x509::CERTIFICATES_AND_LISTS));
            let constraints = [encode(BOOLEAN, [0xFF]), encode(INTEGER, [0])].concat();
            x509::extension(extensions, known::BASIC_CONSTRAINTS, true, &encode(SEQUENCE, constraints));
        })?;
        let own = PublicKey::from_spki(body.spki).map_err(|_| IssueError::NotVerified)?;
        let certificate = verified(&raw, Kind::CitizenCa, &own)?;
        let state = State { format: FORMAT.to_owned(), version: VERSION, issued: 0, lists: vec![], revoked: vec![] };
        self.record(now, &[act("citizen-ca", "1", &certificate)]).map_err(IssueError::Acts)?;
        let directory = self.directory().join(FOLDER);
        let created = files::create_directory(&directory, |fresh| {
            files::write(&fresh.join(CERTIFICATE_FILE), certificate.der(), Mode::Public)?;
            key.write(fresh)?;
            for folder in ["certificates", "keys", "crl"] {
                files::directory(&fresh.join(folder))?;
            }
            files::write(&fresh.join(STATE_FILE), &state.to_bytes(), Mode::Public)
        });
        key.keep_in(&directory);
        created?;
        Ok(certificate)
    }

    /// The token that the citizen CA's key is in.
    ///
    /// # Errors
    /// When there is no citizen CA, or the record of the key cannot be read.
    pub fn citizen_ca_token(&self) -> Result<Option<TokenAddress>, CitizenError> {
        let ca = CitizenCa::open(self)?;
        StoredKey::token(&ca.directory).map_err(|error| IssueError::Key { path: ca.directory, error }.into())
    }

    /// Certifies a citizen's key. The request (PKCS#10, DER or PEM) proves that its sender holds the key; nothing else of it is
    /// believed. Asking again for the same key, holder and purpose gives the same certificate.
    ///
    /// # Errors
    /// When the request does not verify, its key is weak or in use, or a passphrase is wrong.
    pub fn issue_citizen_certificate(
        &mut self,
        request: &[u8],
        purpose: Purpose,
        holder: &Holder,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<CitizenCertificate, CitizenError> {
        self.certify_citizen(proven_key(request)?, purpose, holder, passphrase, now)
    }

    /// Certifies a citizen's key for key agreement, which cannot sign a request. That the citizen holds it the caller has seen: the
    /// key agreed with one of the caller's own (RFC 4211 §4, raVerified). Asked again it gives the same certificate.
    ///
    /// # Errors
    /// When the key (SubjectPublicKeyInfo, DER) is not on P-256 or P-384, or is in use; when a passphrase is wrong.
    pub fn issue_agreement_certificate(
        &mut self,
        spki: &[u8],
        holder: &Holder,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<CitizenCertificate, CitizenError> {
        let key = accepted_key(spki)?;
        match key.kind() {
            KeyKind::Ec(_) => self.certify_citizen(key, Purpose::KeyManagement, holder, passphrase, now),
            _ => Err(CitizenError::Request("a key that can sign proves itself: it needs a request of its own")),
        }
    }

    fn certify_citizen(
        &mut self,
        key: PublicKey,
        purpose: Purpose,
        holder: &Holder,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<CitizenCertificate, CitizenError> {
        let _lock = self.lock()?;
        let mut ca = CitizenCa::open(self)?;
        let subject = holder.name(self.profile().country)?;
        let end = Period::months(ca.certificate.not_before(), ca.profile.usage_months)?.to;
        if now > end {
            return Err(CitizenError::KeyEnded(end));
        }
        let record = ca.serial_for(&key, purpose, &subject)?;
        let serial = hex::decode(&record.serial).map_err(|error| CitizenError::State(error.to_string()))?;
        let (range, path) = ca.certificate_path(&record)?;
        if path.exists() {
            let certificate = Certificate::from_der(&files::read(&path)?).map_err(|_| IssueError::NotVerified)?;
            return Ok(CitizenCertificate { certificate, path, range, made: false });
        }
        let signer = ca.key(passphrase)?;
        let body = Body {
            serial: &serial,
            issuer: ca.certificate.subject().der(),
            subject: &subject,
            validity: Period::months(now, ca.profile.months)?,
            spki: key.spki(),
        };
        let raw = body.sign(&signer, |extensions| {
            key_identifiers(extensions, &key.key_identifier(), Some(&ca.certificate.key_identifier()));
            let usage = match purpose {
                Purpose::Authentication => x509::DIGITAL_SIGNATURE,
                Purpose::Signature => NON_REPUDIATION,
                Purpose::KeyManagement if matches!(key.kind(), KeyKind::Ec(_)) => KEY_AGREEMENT,
                Purpose::KeyManagement => KEY_ENCIPHERMENT,
            };
            x509::extension(extensions, known::KEY_USAGE, true, &encode(BIT_STRING, usage));
            if purpose == Purpose::Authentication {
                x509::extended_key_usage(extensions, false, &[&oid!(raw 1.3.6.1.5.5.7.3.2)]);
            }
            ca.published(extensions, range);
        })?;
        let certificate = verified(&raw, Kind::Citizen, ca.certificate.public_key())?;
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            files::create_directory(folder, |_| Ok(()))?;
        }
        // The holder's name stays out of the record.
        let line = Act::new("citizen-certificate", purpose.word()).serial(&serial).product(&raw);
        self.record(now, &[line]).map_err(IssueError::Acts)?;
        files::replace(&path, &raw, Mode::Public)?;
        Ok(CitizenCertificate { certificate, path, range, made: true })
    }

    /// Certifies a new key for answers about the status (RFC 6960 §4.2.2.2); it cannot be revoked itself and is valid for few months.
    ///
    /// # Errors
    /// When a passphrase is wrong or too short.
    pub fn new_citizen_responder(
        &mut self,
        passphrase: &Passphrase,
        responder_passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<(PathBuf, Certificate), CitizenError> {
        let _lock = self.lock()?;
        let ca = CitizenCa::open(self)?;
        let signer = ca.key(passphrase)?;
        let number = (1..).find(|number| !ca.responder(*number).exists()).unwrap_or(1);
        let (label, algorithm) = (format!("bitaqa-citizen-responder-{number}"), Algorithm::Ecdsa(EllipticCurve::P256));
        let mut key = self
            .fresh_key(&label, algorithm, None, KeyPlace::Software, responder_passphrase)
            .map_err(IssueError::NewKey)?;
        let body = Body {
            serial: &crate::authority::serial_number(16)?,
            issuer: ca.certificate.subject().der(),
            subject: &x509::name(self.profile(), &format!("{} Status {number}", ca.profile.name)),
            validity: Period::months(now, ca.profile.responder_months)?,
            spki: &x509::named_spki(&key.key),
        };
        let raw = body.sign(&signer, |extensions| {
            let issuer = ca.certificate.key_identifier();
            key_identifiers(extensions, &x509::key_identifier(&key.key), Some(&issuer));
            x509::extension(extensions, known::KEY_USAGE, true, &encode(BIT_STRING, x509::DIGITAL_SIGNATURE));
            x509::extended_key_usage(extensions, false, &[&oid!(raw 1.3.6.1.5.5.7.3.9)]);
            x509::extension(extensions, &oid!(raw 1.3.6.1.5.5.7.48.1.5), false, &encode(NULL, []));
        })?;
        let certificate = verified(&raw, Kind::OcspResponder, ca.certificate.public_key())?;
        self.record(now, &[act("citizen-responder", &number.to_string(), &certificate)]).map_err(IssueError::Acts)?;
        let place = ca.responder(number);
        let created = files::create_directory(&place, |fresh| {
            files::write(&fresh.join(CERTIFICATE_FILE), certificate.der(), Mode::Public)?;
            key.write(fresh)
        });
        key.keep_in(&place);
        created?;
        Ok((place, certificate))
    }

    /// Revokes a citizen's certificate by its serial number (hexadecimal); again changes nothing. Gives the range whose list
    /// is to be issued.
    ///
    /// # Errors
    /// When there is no such certificate.
    pub fn revoke_citizen_certificate(&mut self, serial: &str, now: Timestamp) -> Result<u64, CitizenError> {
        let _lock = self.lock()?;
        let mut ca = CitizenCa::open(self)?;
        let missing = || CitizenError::NoSuchCertificate(serial.to_owned());
        let bytes = hex::decode(serial).map_err(|_| missing())?;
        let (range, serial) = (range_of(&bytes).ok_or_else(missing)?, hex::encode(&bytes));
        let path = ca.directory.join("certificates").join(range.to_string()).join(format!("{serial}.der"));
        if !path.exists() {
            return Err(missing());
        }
        if !ca.state.revoked.iter().any(|entry| entry.serial == bytes) {
            let line = Act::new("citizen-revocation", "-").serial(&bytes);
            self.record(now, &[line]).map_err(IssueError::Acts)?;
            ca.state.revoked.push(Revoked { serial: bytes, since: x509::whole_seconds(now) });
            ca.write()?;
        }
        Ok(range)
    }

    /// Issues the next revocation list of a range, or of every range.
    ///
    /// # Errors
    /// When the passphrase is wrong or a list cannot be written.
    pub fn issue_citizen_lists(
        &mut self,
        range: Option<u64>,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<Vec<RangeList>, CitizenError> {
        let _lock = self.lock()?;
        let mut ca = CitizenCa::open(self)?;
        let signer = ca.key(passphrase)?;
        let last = ca.state.issued.saturating_sub(1) / ca.profile.range;
        let ranges = range.map_or(0..=last, |range| range..=range.min(last));
        let mut lists = Vec::new();
        for range in ranges {
            let number = ca.burn_list_number(range)?;
            let revoked = ca.revoked_in(range);
            let update = Period::days(now, ca.profile.crl_days)?;
            let point = ca.list_uri(range);
            let raw = x509::revocation_list(
                ca.certificate.subject().der(),
                update,
                number,
                &revoked,
                &signer,
                |extensions| {
                    let point = encode(SEQUENCE, x509::distribution_point_name(&point));
                    x509::extension(extensions, &oid!(raw 2.5.29.28), true, &point);
                },
            )?;
            ca.verify_list(&raw)?;
            let file = format!("{range}-{number}.crl");
            let line = Act::new("citizen-revocation-list", &file).product(&raw);
            let words = format!("{} revoked, next update {}", revoked.len(), update.to);
            self.record(now, &[line.note(words)]).map_err(IssueError::Acts)?;
            let path = ca.directory.join("crl").join(file);
            files::replace(&path, &raw, Mode::Public)?;
            lists.push(RangeList { range, number, path, revoked: revoked.len(), next_update: update.to });
        }
        Ok(lists)
    }
}

/// The serial numbers of citizens' certificates that are revoked, hexadecimal; none where there is no citizen CA.
pub(crate) fn revoked_serials(directory: &Path) -> Result<Vec<String>, CitizenError> {
    let state = State::read(&directory.join(FOLDER))?;
    Ok(state.map(|state| state.revoked.iter().map(|entry| hex::encode(&entry.serial)).collect()).unwrap_or_default())
}

/// Lets the numbers of revocation lists jump ahead, those of ranges that may have been begun too; whether there is a citizen CA.
pub(crate) fn jump(directory: &Path, by: u64) -> Result<bool, CitizenError> {
    let folder = directory.join(FOLDER);
    let Some(mut state) = State::read(&folder)? else { return Ok(false) };
    state.lists.resize(state.lists.len() + MORE_RANGES, 0);
    state.lists.iter_mut().for_each(|number| *number += by);
    files::replace(&folder.join(STATE_FILE), &state.to_bytes(), Mode::Public)?;
    Ok(true)
}

impl CitizenCa {
    fn open(authority: &Authority) -> Result<Self, CitizenError> {
        let directory = authority.directory().join(FOLDER);
        if !directory.exists() {
            return Err(CitizenError::Missing);
        }
        let certificate = Certificate::from_der(&files::read(&directory.join(CERTIFICATE_FILE))?)
            .map_err(|error| CitizenError::State(error.to_string()))?;
        let state = State::read(&directory)?;
        let state = state.ok_or_else(|| CitizenError::State(format!("{STATE_FILE} is missing")))?;
        Ok(CitizenCa { directory, profile: authority.profile().citizens, certificate, state })
    }

    fn key(&self, passphrase: &Passphrase) -> Result<StoredKey, CitizenError> {
        StoredKey::open(&self.directory, passphrase)
            .map_err(|error| IssueError::Key { path: self.directory.clone(), error }.into())
    }

    fn write(&self) -> Result<(), FileError> {
        files::replace(&self.directory.join(STATE_FILE), &self.state.to_bytes(), Mode::Public)
    }

    /// The serial number of a key: that of the certificate it has, or a new one, which is on the disk before it is used. An
    /// interrupted attempt may have signed with its number: the next one takes another.
    fn serial_for(&mut self, key: &PublicKey, purpose: Purpose, subject: &[u8]) -> Result<KeyRecord, CitizenError> {
        let path = self.directory.join("keys").join(hex::encode(key.key_identifier()));
        let subject = hex::encode(openssl::sha::sha256(subject));
        if path.exists() {
            let record: KeyRecord =
                serde_json::from_slice(&files::read(&path)?).map_err(|error| CitizenError::State(error.to_string()))?;
            let certificate = self.certificate_path(&record)?.1;
            files::discard_leftover(&certificate)?;
            match (certificate.exists(), record.purpose == purpose && record.subject == subject) {
                (true, true) => return Ok(record),
                (true, false) => return Err(CitizenError::KeyInUse(record.serial)),
                (false, _) => {}
            }
        }
        let range = self.state.issued / self.profile.range;
        self.state.issued += 1;
        self.write()?;
        let mut serial = [0; 16];
        openssl::rand::rand_bytes(&mut serial)?;
        let head = [&[1], &u32::try_from(range).unwrap_or(u32::MAX).to_be_bytes()[..]].concat();
        serial.iter_mut().zip(head).for_each(|(byte, head)| *byte = head);
        let record = KeyRecord { serial: hex::encode(serial), purpose, subject };
        // Strings always serialize.
        files::replace(&path, &serde_json::to_vec(&record).unwrap_or_default(), Mode::Public)?;
        Ok(record)
    }

    /// The range and the file of the certificate that a key has or will have.
    fn certificate_path(&self, record: &KeyRecord) -> Result<(u64, PathBuf), CitizenError> {
        let damaged = || CitizenError::State("a serial number is damaged".to_owned());
        let serial = hex::decode(&record.serial).map_err(|_| damaged())?;
        let range = range_of(&serial).ok_or_else(damaged)?;
        let folder = self.directory.join("certificates").join(range.to_string());
        Ok((range, folder.join(format!("{}.der", hex::encode(serial)))))
    }

    fn burn_list_number(&mut self, range: u64) -> Result<u64, CitizenError> {
        let place = usize::try_from(range).unwrap_or(usize::MAX);
        if self.state.lists.len() <= place {
            self.state.lists.resize(place + 1, 0);
        }
        let number = self.state.lists.get_mut(place).map_or(1, |number| {
            *number += 1;
            *number
        });
        self.write()?;
        Ok(number)
    }

    fn revoked_in(&self, range: u64) -> x509::Revocations {
        let entries = self.state.revoked.iter().map(|entry| (entry.serial.clone(), entry.since));
        entries.filter(|(serial, _)| range_of(serial) == Some(range)).collect()
    }

    fn verify_list(&self, raw: &[u8]) -> Result<(), CitizenError> {
        lint::accept(raw, Kind::CitizenCrl).map_err(IssueError::Lint)?;
        let crl = X509Crl::from_der(raw)?;
        let key = openssl::pkey::PKey::public_key_from_der(self.certificate.public_key().spki())?;
        if crl.verify(&key)? { Ok(()) } else { Err(IssueError::NotVerified.into()) }
    }

    fn responder(&self, number: u32) -> PathBuf {
        self.directory.join(format!("responder-{number}"))
    }

    fn list_uri(&self, range: u64) -> String {
        format!("{}/crl/{range}.crl", self.profile.base_uri)
    }

    /// Where the revocation list, the status and the CA's certificate are found.
    fn published(&self, extensions: &mut Writer, range: u64) {
        let list = x509::distribution_point(&self.list_uri(range));
        x509::extension(extensions, known::CRL_DISTRIBUTION_POINTS, false, &list);
        let base = self.profile.base_uri;
        let access = [
            encode(OID, oid!(raw 1.3.6.1.5.5.7.48.1)),
            encode(context(6), format!("{base}/ocsp")),
            encode(OID, oid!(raw 1.3.6.1.5.5.7.48.2)),
            encode(context(6), format!("{base}/ca.cer")),
        ];
        let [ocsp, status, issuers, certificate] = access;
        let descriptions =
            [encode(SEQUENCE, [ocsp, status].concat()), encode(SEQUENCE, [issuers, certificate].concat())];
        x509::extension(extensions, &oid!(raw 1.3.6.1.5.5.7.1.1), false, &encode(SEQUENCE, descriptions.concat()));
    }
}

impl State {
    fn read(directory: &Path) -> Result<Option<Self>, CitizenError> {
        let Some(bytes) = files::read_optional(&directory.join(STATE_FILE))? else { return Ok(None) };
        let state: State = serde_json::from_slice(&bytes).map_err(|error| CitizenError::State(error.to_string()))?;
        if state.format != FORMAT || state.version != VERSION {
            return Err(CitizenError::State(format!("format {} version {}", state.format, state.version)));
        }
        Ok(Some(state))
    }

    fn to_bytes(&self) -> Vec<u8> {
        // Strings, numbers and dates always serialize.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

impl Holder {
    /// `C`, `serialNumber`, `SN`, `GN`, `CN`.
    fn name(&self, country: &str) -> Result<Vec<u8>, CitizenError> {
        let plain = |text: &str| (1..=MAX_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if !plain(&self.given_names) {
            return Err(CitizenError::Holder("given names"));
        }
        if !plain(&self.surname) {
            return Err(CitizenError::Holder("surname"));
        }
        let common_name = format!("{} {}", self.given_names, self.surname);
        let common_name: String = common_name.chars().take(MAX_NAME).collect();
        if !plain(&self.number) || !self.number.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(CitizenError::Holder("number"));
        }
        Ok(x509::distinguished_name(&[
            (known::COUNTRY_NAME, PRINTABLE_STRING, country),
            (&oid!(raw 2.5.4.5), PRINTABLE_STRING, &self.number),
            (&oid!(raw 2.5.4.4), UTF8_STRING, &self.surname),
            (&oid!(raw 2.5.4.42), UTF8_STRING, &self.given_names),
            (known::COMMON_NAME, UTF8_STRING, &common_name),
        ]))
    }
}

/// The key of a request whose signature proves its possession.
fn proven_key(request: &[u8]) -> Result<PublicKey, CitizenError> {
    let refused = CitizenError::Request;
    if request.len() > MAX_REQUEST {
        return Err(refused("it is longer than 16 KiB"));
    }
    let pem = request.starts_with(b"-----");
    let parsed = if pem { X509Req::from_pem(request) } else { X509Req::from_der(request) };
    let parsed = parsed.map_err(|_| refused("it is no PKCS#10 request"))?;
    let key = parsed.public_key().map_err(|_| refused("its key cannot be read"))?;
    if !parsed.verify(&key).is_ok_and(|good| good) {
        return Err(refused("its signature does not verify: the sender did not prove that the key is his"));
    }
    accepted_key(&key.public_key_to_der()?)
}

/// A key that is strong enough and well encoded. RSA of 2048 bits is what PIV cards of today have (SP 800-78-4 §3.1).
fn accepted_key(spki: &[u8]) -> Result<PublicKey, CitizenError> {
    let refused = CitizenError::Request;
    let key = PublicKey::from_spki(spki).map_err(|_| refused("its key is not acceptable"))?;
    let named = |curve: EllipticCurve| key.spki().windows(curve.oid().len()).any(|window| window == curve.oid());
    match key.kind() {
        KeyKind::Ec(curve @ (EllipticCurve::P256 | EllipticCurve::P384)) if named(curve) => Ok(key),
        KeyKind::Rsa { bits } if bits >= 2048 => Ok(key),
        _ => Err(refused("its key is not on P-256 or P-384 by name, nor RSA of 2048 bits or more")),
    }
}

/// The range of a serial number of this CA.
fn range_of(serial: &[u8]) -> Option<u64> {
    match serial {
        [1, a, b, c, d, ..] if serial.len() == 16 => Some(u64::from(u32::from_be_bytes([*a, *b, *c, *d]))),
        _ => None,
    }
}

struct Body<'a> {
    serial: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    validity: Period,
    spki: &'a [u8],
}

impl Body<'_> {
    fn sign(&self, issuer: &dyn Signer, write: impl FnOnce(&mut Writer)) -> Result<Vec<u8>, CitizenError> {
        let mut writer = Writer::new();
        writer.nest(SEQUENCE, |body| {
            body.put(context_constructed(0), encode(INTEGER, [2]));
            body.put(INTEGER, self.serial);
            body.raw(issuer.algorithm().signature_identifier()).raw(self.issuer);
            body.nest(SEQUENCE, |validity| {
                validity.raw(x509::time(self.validity.from)).raw(x509::time(self.validity.to));
            });
            body.raw(self.subject).raw(self.spki);
            body.nest(context_constructed(3), |tagged| {
                tagged.nest(SEQUENCE, write);
            });
        });
        Ok(x509::signed(&writer.finish(), issuer)?)
    }
}

fn key_identifiers(extensions: &mut Writer, subject: &[u8], issuer: Option<&[u8]>) {
    if let Some(issuer) = issuer {
        let identifier = encode(SEQUENCE, encode(context(0), issuer));
        x509::extension(extensions, known::AUTHORITY_KEY_IDENTIFIER, false, &identifier);
    }
    x509::extension(extensions, known::SUBJECT_KEY_IDENTIFIER, false, &encode(OCTET_STRING, subject));
}

/// What the profile and a verifier say about it, before it is stored.
fn verified(raw: &[u8], kind: Kind, issuer: &PublicKey) -> Result<Certificate, CitizenError> {
    lint::accept(raw, kind).map_err(IssueError::Lint)?;
    let certificate = Certificate::from_der(raw).map_err(|_| IssueError::NotVerified)?;
    certificate.verify_signature(issuer).map_err(|_| IssueError::NotVerified)?;
    Ok(certificate)
}

fn act(kind: &str, name: &str, certificate: &Certificate) -> Act {
    Act::new(kind, name).serial(certificate.serial()).product(certificate.der()).note(format!(
        "{}, valid until {}",
        certificate.subject(),
        certificate.not_after()
    ))
}
