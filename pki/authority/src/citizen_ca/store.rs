//! What the citizen CA keeps: its state, and the files beside it.

use std::path::{Path, PathBuf};

use asn1_rs::oid;
use iso7816::tlv::{Writer, encode};
use jiff::Timestamp;
use openssl::x509::X509Crl;
use serde::{Deserialize, Serialize};
use trust::der::{OID, SEQUENCE, context, oid as known};
use trust::lint::{self, Kind};
use trust::{Certificate, PublicKey};

use super::{CitizenError, Purpose};
use crate::authority::{Authority, IssueError};
use crate::document_signer::CERTIFICATE_FILE;
use crate::files::{self, FileError, Mode};
use crate::key_store::StoredKey;
use crate::passphrase::Passphrase;
use crate::profile::CitizenProfile;
use crate::x509;

pub(super) const FOLDER: &str = "citizen-ca";
pub(super) const STATE_FILE: &str = "state.json";
const FORMAT: &str = "bitaqa-citizen-ca";
const VERSION: u32 = 1;
/// So many ranges may have been begun after a backup was made.
const MORE_RANGES: usize = 100;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub format: String,
    pub version: u32,
    /// Serial numbers that were given, used or not.
    pub issued: u64,
    /// The last number of each range's revocation list.
    pub lists: Vec<u64>,
    pub revoked: Vec<Revoked>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revoked {
    #[serde(with = "crate::state::hexadecimal")]
    pub serial: Vec<u8>,
    pub since: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRecord {
    pub serial: String,
    pub purpose: Purpose,
    /// SHA-256 of the subject's name.
    pub subject: String,
}

/// The citizen CA of an authority.
pub(super) struct CitizenCa {
    pub directory: PathBuf,
    pub profile: CitizenProfile,
    pub certificate: Certificate,
    pub state: State,
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
    pub(super) fn open(authority: &Authority) -> Result<Self, CitizenError> {
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

    pub(super) fn key(&self, passphrase: &Passphrase) -> Result<StoredKey, CitizenError> {
        StoredKey::open(&self.directory, passphrase)
            .map_err(|error| IssueError::Key { path: self.directory.clone(), error }.into())
    }

    pub(super) fn write(&self) -> Result<(), FileError> {
        files::replace(&self.directory.join(STATE_FILE), &self.state.to_bytes(), Mode::Public)
    }

    /// The serial number of a key: that of the certificate it has, or a new one, which is on the disk before it is used. An
    /// interrupted attempt may have signed with its number: the next one takes another.
    pub(super) fn serial_for(
        &mut self,
        key: &PublicKey,
        purpose: Purpose,
        subject: &[u8],
    ) -> Result<KeyRecord, CitizenError> {
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

    /// The serial number of the certificate that a key has.
    pub(super) fn serial_of(&self, key_identifier: &str) -> Result<Option<String>, CitizenError> {
        let Ok(identifier) = hex::decode(key_identifier) else { return Ok(None) };
        let path = self.directory.join("keys").join(hex::encode(identifier));
        if !path.exists() {
            return Ok(None);
        }
        let record: KeyRecord =
            serde_json::from_slice(&files::read(&path)?).map_err(|error| CitizenError::State(error.to_string()))?;
        let issued = self.certificate_path(&record)?.1.exists();
        Ok(issued.then_some(record.serial))
    }

    /// The range and the file of the certificate that a key has or will have.
    pub(super) fn certificate_path(&self, record: &KeyRecord) -> Result<(u64, PathBuf), CitizenError> {
        let damaged = || CitizenError::State("a serial number is damaged".to_owned());
        let serial = hex::decode(&record.serial).map_err(|_| damaged())?;
        let range = range_of(&serial).ok_or_else(damaged)?;
        let folder = self.directory.join("certificates").join(range.to_string());
        Ok((range, folder.join(format!("{}.der", hex::encode(serial)))))
    }

    pub(super) fn burn_list_number(&mut self, range: u64) -> Result<u64, CitizenError> {
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

    pub(super) fn revoked_in(&self, range: u64) -> x509::Revocations {
        let entries = self.state.revoked.iter().map(|entry| (entry.serial.clone(), entry.since));
        entries.filter(|(serial, _)| range_of(serial) == Some(range)).collect()
    }

    pub(super) fn verify_list(&self, raw: &[u8]) -> Result<(), CitizenError> {
        lint::accept(raw, Kind::CitizenCrl).map_err(IssueError::Lint)?;
        let crl = X509Crl::from_der(raw)?;
        let key = openssl::pkey::PKey::public_key_from_der(self.certificate.public_key().spki())?;
        if crl.verify(&key)? { Ok(()) } else { Err(IssueError::NotVerified.into()) }
    }

    pub(super) fn responder(&self, number: u32) -> PathBuf {
        self.directory.join(format!("responder-{number}"))
    }

    pub(super) fn list_uri(&self, range: u64) -> String {
        format!("{}/crl/{range}.crl", self.profile.base_uri)
    }

    /// Where the revocation list, the status and the CA's certificate are found.
    pub(super) fn published(&self, extensions: &mut Writer, range: u64) {
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
    /// Of a CA that issued nothing yet.
    pub(super) fn first() -> Self {
        State { format: FORMAT.to_owned(), version: VERSION, issued: 0, lists: vec![], revoked: vec![] }
    }

    pub(super) fn read(directory: &Path) -> Result<Option<Self>, CitizenError> {
        let Some(bytes) = files::read_optional(&directory.join(STATE_FILE))? else { return Ok(None) };
        let state: State = serde_json::from_slice(&bytes).map_err(|error| CitizenError::State(error.to_string()))?;
        if state.format != FORMAT || state.version != VERSION {
            return Err(CitizenError::State(format!("format {} version {}", state.format, state.version)));
        }
        Ok(Some(state))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        files::json(self)
    }
}

/// The range of a serial number of this CA.
pub(super) fn range_of(serial: &[u8]) -> Option<u64> {
    match serial {
        [1, a, b, c, d, ..] if serial.len() == 16 => Some(u64::from(u32::from_be_bytes([*a, *b, *c, *d]))),
        _ => None,
    }
}
