//! Setting up an authority.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use trust::lint::Kind;
use trust::{Certificate, PublicKey};

use super::certify::certificate_act;
use super::generations::Lifetime;
use super::issue::serial_number;
use super::{
    Authority, Generation, InitError, IssueError, PUBLIC_KEY_FILE, crl_file, verified_certificate, verified_crl,
};
use crate::acts::{self, ACTS_FILE, Act};
use crate::document_signer::CERTIFICATE_FILE;
use crate::files::{self, FileError, Mode};
use crate::key_store::{FreshKey, NewKey, Signer, pem};
use crate::passphrase::Passphrase;
use crate::profile::Profile;
use crate::state::{STATE_FILE, State};
use crate::x509::{self, Period, Role, Subject};

impl Authority {
    /// Sets up an authority with its keys in encrypted files, as the profile says.
    ///
    /// # Errors
    /// As [`Authority::init_with`].
    pub fn init(
        directory: &Path,
        profile: &'static Profile,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<Self, InitError> {
        Self::init_with(directory, profile, &NewKey::default(), passphrase, now)
    }

    /// Sets up an authority: CSCA, bundle signer and a first, empty revocation list. It appears whole or not at all.
    ///
    /// Both keys are made where `keys` says; its algorithm is the CSCA's. The secret is the passphrase of their files or the
    /// PIN of the token.
    ///
    /// # Errors
    /// When the directory is not empty or something cannot be made.
    pub fn init_with(
        directory: &Path,
        profile: &'static Profile,
        keys: &NewKey,
        secret: &Passphrase,
        now: Timestamp,
    ) -> Result<Self, InitError> {
        if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(InitError::NotEmpty(directory.to_owned()));
        }
        let fresh_key = |algorithm, label| {
            FreshKey::generate(&keys.place, algorithm, label, None, secret).map_err(IssueError::NewKey)
        };
        let mut csca = fresh_key(keys.algorithm.unwrap_or(profile.csca_algorithm), "bitaqa-csca")?;
        let lifetime = Lifetime::whole(profile, now)?;
        let certificate = csca_certificate(profile, &x509::name(profile, profile.csca_name), &csca.key, lifetime)?;
        let crl = first_crl(profile, &csca.key, &certificate, now)?;
        let mut bundle_signer = fresh_key(profile.bundle_algorithm, "bitaqa-bundle-signer")?;
        let mut state = State::new(profile.id);
        state.crl_number = 1;
        let record = acts::begin(
            x509::whole_seconds(now),
            &[
                certificate_act("csca", "1", &certificate),
                Act::new("bundle-signer", "1").product(&x509::named_spki(&bundle_signer.key)),
                Act::new("revocation-list", "1").product(&crl),
            ],
        );
        let fill = |fresh: &Path| {
            let place = |name: &str, files: &[(&str, &[u8])], key: Option<&FreshKey>| {
                let directory = fresh.join(name);
                files::directory(&directory)?;
                for (file, bytes) in files {
                    files::write(&directory.join(file), bytes, Mode::Public)?;
                }
                key.map_or(Ok(()), |key| key.write(&directory))?;
                files::sync_directory(&directory)
            };
            let public = pem("PUBLIC KEY", &x509::named_spki(&bundle_signer.key));
            place("csca", &[(CERTIFICATE_FILE, certificate.der())], Some(&csca))?;
            place("bundle-signer", &[(PUBLIC_KEY_FILE, &public)], Some(&bundle_signer))?;
            place("crl", &[(&crl_file(1), &crl)], None)?;
            place("ds", &[], None)?;
            files::write(&fresh.join(ACTS_FILE), &record, Mode::Public)?;
            files::write(&fresh.join(STATE_FILE), &state.to_bytes(), Mode::Public)
        };
        // `.` and a name with a slash at its end have no last component to rename to.
        let failed = |error| IssueError::File(FileError { path: directory.to_owned(), error });
        let directory = std::path::absolute(directory).map_err(failed)?;
        if let Some(parent) = directory.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        let created = files::create_directory(&directory, fill);
        csca.keep_in(&directory);
        bundle_signer.keep_in(&directory);
        created.map_err(IssueError::File)?;
        let first = Generation { number: 1, certificate: certificate.clone(), link: None };
        Ok(Authority { directory, profile, state, csca: certificate, generations: vec![first], new_keys: None })
    }
}

/// A self-signed certificate of the country signing CA under this name.
pub(super) fn csca_certificate(
    profile: &Profile,
    name: &[u8],
    key: &dyn Signer,
    lifetime: Lifetime,
) -> Result<Certificate, IssueError> {
    let subject = Subject {
        serial: &serial_number(16)?,
        issuer: name,
        subject: name,
        validity: lifetime.validity,
        key_usage: lifetime.key_usage,
        spki: &x509::explicit_spki(key)?,
        key_identifier: &x509::key_identifier(key),
        role: Role::CountrySigningCa,
    };
    let raw = x509::certificate(profile, &subject, key)?;
    let own = PublicKey::from_spki(subject.spki).map_err(|_| IssueError::NotVerified)?;
    verified_certificate(&raw, Kind::Csca, &own)
}

fn first_crl(profile: &Profile, key: &dyn Signer, csca: &Certificate, now: Timestamp) -> Result<Vec<u8>, IssueError> {
    let update = Period::days(now, profile.crl_days)?;
    let raw = x509::revocation_list(csca.subject().der(), update, 1, &Vec::new(), key, |_| {})?;
    verified_crl(&raw, csca)?;
    Ok(raw)
}
