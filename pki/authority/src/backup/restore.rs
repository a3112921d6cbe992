//! Restoring: into an empty place, as a whole or not at all, and so that no number is used a second time.
//!
//! A backup does not know what was issued after it was made. So the numbers of revocation lists, signed lists and bundles jump
//! ahead; so do the sequence numbers of card-verifiable keys; a key whose uses are counted counts as used up. Revocations are taken over
//! from the newest published list. Only who says that nothing was done since then gets everything as it was.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use trust::Crl;

use super::container::{self, Kept};
use super::{BackupError, Manifest};
use crate::acts::{self, Act};
use crate::authority::{Authority, SignerKind};
use crate::citizen_ca;
use crate::cvca::CvStore;
use crate::files::{self, FileError};
use crate::key_store::StoredKey;
use crate::state::{Revoked, STATE_FILE, State};
use crate::x509;

/// How far numbers of lists and bundles jump ahead.
const JUMP: u64 = 1000;
/// How far sequence numbers of card-verifiable keys jump ahead; they have five digits.
const SEQUENCE_JUMP: u32 = 100;

/// What was done after the backup was made.
#[derive(Clone, Debug)]
pub enum Since {
    /// Nothing: everything may be as it was.
    Nothing,
    /// Something, or nobody knows; this is the newest revocation list of the CSCA that was published.
    Until(Box<Crl>),
    /// Something, or nobody knows, in a directory without a CSCA.
    Unknown,
}

/// What was restored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// What the backup says.
    pub manifest: Manifest,
    /// Serial numbers (hexadecimal) that the revocation list had and the backup had not: they are revoked now.
    pub revoked_since: Vec<String>,
    /// The numbers from which lists and bundles go on, when they jumped.
    pub crl_number: Option<u64>,
    /// Document signers and others whose keys now count as used up, because nobody knows how often they signed since.
    pub used_up: Vec<PathBuf>,
    /// Whether there is a citizen CA whose certificates and revocations since then are not known.
    pub citizens_unknown: bool,
}

/// Puts a backup into an empty place: all of it is verified before the first byte is written, and again as it is written; the
/// directory appears as a whole or not at all.
///
/// # Errors
/// When the backup is damaged, the place is taken, or revocations would be lost.
pub fn restore(backup: &Path, directory: &Path, since: &Since, now: Timestamp) -> Result<Restored, BackupError> {
    let directory = std::path::absolute(directory).map_err(|error| failed(directory, error))?;
    let manifest = super::verify(backup)?;
    is_empty(&directory, &manifest)?;
    if matches!(since, Since::Unknown) && manifest.profile.is_some() {
        return Err(BackupError::Since { made: manifest.made });
    }
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
    }
    let fresh = files::fresh_name(&directory);
    if fresh.exists() {
        files::remove(&fresh)?;
    }
    files::directory(&fresh).map_err(|error| failed(&fresh, error))?;
    let restored = unpack(backup, &fresh).and_then(|again| {
        if again != manifest {
            return Err(BackupError::Changed(backup.to_owned()));
        }
        go_on(&fresh, manifest, since, now)
    });
    match restored {
        Ok(restored) => {
            sync_folders(&fresh)?;
            fs::rename(&fresh, &directory)
                .and_then(|()| files::sync_parent(&directory))
                .map_err(|error| failed(&directory, error))?;
            Ok(restored)
        }
        Err(error) => {
            let _ = files::remove(&fresh);
            Err(error)
        }
    }
}

/// A missing or empty directory. An authority there that is ahead of the backup is named as such.
fn is_empty(directory: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    if let Ok(there) = acts::read(directory) {
        let known = manifest.head.as_ref().is_none_or(|head| there.hashes.contains(head));
        let (there, kept) = (there.entries.len() as u64, manifest.acts);
        if known && there > kept {
            return Err(BackupError::Older { directory: directory.to_owned(), there, kept });
        }
    }
    match fs::read_dir(directory).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(BackupError::NotEmpty(directory.to_owned())),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(directory, error).into()),
    }
}

fn failed(path: &Path, error: std::io::Error) -> FileError {
    FileError { path: path.to_owned(), error }
}

fn unpack(backup: &Path, fresh: &Path) -> Result<Manifest, BackupError> {
    let mut open: Option<(PathBuf, File)> = None;
    let manifest = container::read(backup, |kept, piece| {
        let path = fresh.join(&kept.path);
        match (&mut open, piece.is_empty()) {
            (Some((_, file)), false) => file.write_all(piece).map_err(|error| failed(&path, error))?,
            (before, _) => {
                if let Some((path, file)) = before.take() {
                    file.sync_all().map_err(|error| failed(&path, error))?;
                }
                *before = create(fresh, &path, kept)?.map(|file| (path.clone(), file));
            }
        }
        Ok(())
    })?;
    if let Some((path, file)) = open {
        file.sync_all().map_err(|error| failed(&path, error))?;
    }
    Ok(manifest)
}

/// The file, empty; none for a folder.
fn create(fresh: &Path, path: &Path, kept: &Kept) -> Result<Option<File>, FileError> {
    let folder = if container::is_folder(&kept.path) { path } else { path.parent().unwrap_or(fresh) };
    let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(folder);
    made.map_err(|error| failed(folder, error))?;
    if container::is_folder(&kept.path) {
        return Ok(None);
    }
    let bits = if kept.private { 0o600 } else { 0o644 };
    let opened = OpenOptions::new().write(true).create_new(true).mode(bits).open(path);
    opened.map(Some).map_err(|error| failed(path, error))
}

/// Folders that were made on the way to their files.
fn sync_folders(fresh: &Path) -> Result<(), FileError> {
    let mut folders = vec![fresh.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| failed(&folder, error))?;
        folders.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()));
        files::sync_directory(&folder).map_err(|error| failed(&folder, error))?;
    }
    Ok(())
}

/// Everything that must not be as it was; recorded.
fn go_on(fresh: &Path, manifest: Manifest, since: &Since, now: Timestamp) -> Result<Restored, BackupError> {
    let mut restored =
        Restored { manifest, revoked_since: vec![], crl_number: None, used_up: vec![], citizens_unknown: false };
    if !matches!(since, Since::Nothing) {
        if fresh.join(STATE_FILE).exists() {
            authority(fresh, since, &mut restored)?;
        }
        restored.citizens_unknown = citizen_ca::jump(fresh, JUMP)?;
        CvStore::new(fresh).jump(SEQUENCE_JUMP)?;
        restored.used_up = used_up(fresh)?;
    }
    let manifest = &restored.manifest;
    let mut note = format!("from the backup of {}, {} acts", manifest.made, manifest.acts);
    if let Some(number) = restored.crl_number {
        note.push_str(&format!(", revocation lists go on after {number}"));
    }
    let mut lines = vec![Act::new("restored", manifest.made.to_string()).note(note)];
    let serials = restored.revoked_since.iter().filter_map(|serial| hex::decode(serial).ok());
    lines.extend(serials.map(|serial| Act::new("revocation", "-").serial(&serial).note("from the revocation list")));
    acts::append(fresh, x509::whole_seconds(now), &lines)?;
    Ok(restored)
}

/// Numbers and revocations of the CSCA.
fn authority(fresh: &Path, since: &Since, restored: &mut Restored) -> Result<(), BackupError> {
    let authority = Authority::open(fresh)?;
    let mut state = State::read(fresh)?;
    let known = state.crl_number;
    state.crl_number += JUMP;
    state.bundle_number += JUMP;
    state.lists.values_mut().for_each(|number| *number += JUMP);
    if let Since::Until(crl) = since {
        let certificates = authority.generations().iter().map(|generation| &generation.certificate);
        if !certificates.into_iter().any(|csca| crl.verify_signature(csca.public_key()).is_ok()) {
            return Err(BackupError::ForeignList);
        }
        let given = crl
            .number()
            .unwrap_or_default()
            .iter()
            .fold(0_u64, |number, byte| number.saturating_mul(256).saturating_add(u64::from(*byte)));
        // The last number may be one that was burnt without a list.
        let newest = authority.current_crl()?.map_or(known, |(number, _)| number);
        if given < newest {
            return Err(BackupError::OlderList { given, known: newest });
        }
        state.crl_number = state.crl_number.max(given.saturating_add(JUMP));
        let names = names(&authority)?;
        for (serial, since) in crl.entries() {
            if !state.revoked.iter().any(|entry| entry.serial == serial) {
                let name = names.iter().find(|(known, _)| known == serial).map_or("-", |(_, name)| name);
                restored.revoked_since.push(hex::encode(serial));
                state.revoked.push(Revoked { name: name.to_owned(), serial: serial.to_vec(), since });
            }
        }
    }
    restored.crl_number = Some(state.crl_number);
    state.write(fresh)?;
    Ok(())
}

fn names(authority: &Authority) -> Result<Vec<(Vec<u8>, String)>, BackupError> {
    let mut names = Vec::new();
    for kind in SignerKind::ALL {
        let signers = authority.signers_of(kind)?;
        names.extend(signers.into_iter().map(|signer| (signer.certificate.serial().to_vec(), signer.name)));
    }
    Ok(names)
}

/// How often a signer's key signed since then is not known. The keys of authorities go on: without them nothing does.
fn used_up(fresh: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let mut ended = Vec::new();
    for kind in SignerKind::ALL {
        let counts = super::contents(fresh)?;
        let folder = format!("{}/", kind.folder());
        for path in
            counts.iter().filter(|path| path.starts_with(&folder)).filter_map(|path| path.strip_suffix("/uses.json"))
        {
            let place = fresh.join(path);
            let failed = |error| BackupError::Key { path: place.clone(), error };
            if let Some(uses) = StoredKey::uses(&place).map_err(failed)? {
                uses.use_up().map_err(|error| failed(error.into()))?;
                ended.push(PathBuf::from(path));
            }
        }
    }
    Ok(ended)
}
