//! `ds sign`: security objects for documents that another machine makes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use authority::{DocumentSigner, Signer, Workers};
use indicatif::ProgressBar;
use iso7816::tlv::{Reader, Tag};
use lds::files;
use lds::sod::{self, HashAlgorithm, LdsSecurityObject};
use serde_json::json;
use trust::files::replace;
use trust::{Hash, security_object};

use crate::args::DsSign;
use crate::failure::{Failure, USAGE};
use crate::output::show;
use crate::passphrase;

/// How long a signing worker may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Signs the data groups of every folder. A folder that has a security object of the same data groups keeps it.
pub fn sign(arguments: &DsSign, json: bool) -> Result<(), Failure> {
    let directory = &arguments.signer;
    let token = DocumentSigner::token(directory)?;
    let secret = passphrase::existing(&arguments.passphrase, token.as_ref())?;
    let count = usize::from(arguments.signing_workers);
    if count == 1 {
        return sign_with(&DocumentSigner::load(directory, &secret)?, &arguments.folders, count, json);
    }
    let program = std::env::current_exe().map_err(|error| Failure::unreadable(Path::new("/proc/self/exe"), &error))?;
    let workers = Workers { program, arguments: vec!["signing-worker".into()], count, patience: PATIENCE };
    sign_with(&DocumentSigner::load_with_workers(directory, secret, workers)?, &arguments.folders, count, json)
}

/// Signs for a process that started this one, until it has had enough.
pub fn work() -> Result<(), Failure> {
    // The files behind standard input and output, which the standard library buffers.
    let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
    let served =
        own(io::stdin().as_fd()).and_then(|mut input| authority::serve(&mut input, &mut own(io::stdout().as_fd())?));
    served.map_err(|error| Failure {
        what: "Nothing more is signed.".to_owned(),
        why: error.to_string(),
        remedy: "This command is started by others, with --signing-workers.".to_owned(),
        exit: USAGE,
    })
}

fn sign_with<K: Signer + Sync>(
    signer: &DocumentSigner<K>,
    folders: &[PathBuf],
    threads: usize,
    json: bool,
) -> Result<(), Failure> {
    // Read before anything is signed: a wrong file is found before the first signature.
    let documents = folders.iter().map(|folder| Document::read(folder, signer.hash()));
    let documents = documents.collect::<Result<Vec<_>, _>>()?;
    let (progress, next) = (ProgressBar::new(documents.len() as u64), AtomicUsize::new(0));
    let work = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(document) = documents.get(place) else { return Ok(done) };
            // Whoever fails stops all.
            let made = document.sign(signer).inspect_err(|_| next.store(documents.len(), Ordering::Relaxed))?;
            done.push((place, &document.path, made));
            progress.inc(1);
        }
    };
    let mut done = thread::scope(|scope| {
        let threads: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let first: Result<Vec<_>, Failure> = work();
        let rest = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        std::iter::once(first).chain(rest).collect::<Result<Vec<_>, _>>()
    })?
    .concat();
    progress.finish_and_clear();
    done.sort_unstable();
    let of = |wanted| done.iter().filter(move |(_, _, made)| *made == wanted).map(|(_, path, _)| *path);
    let (made, kept): (Vec<_>, Vec<_>) = (of(true).collect(), of(false).collect());
    let words = format!("{} signed, {} signed before", made.len(), kept.len());
    let certificate = super::issue::certificate(signer.certificate());
    show(json, "ds sign", json!({ "signer": certificate, "signed": made, "signed_before": kept }), &words)?;
    Ok(())
}

/// The data groups of one document.
struct Document {
    /// Of EF.SOD.
    path: PathBuf,
    /// The LDSSecurityObject.
    content: Vec<u8>,
}

impl Document {
    fn read(folder: &Path, hash: Hash) -> Result<Self, Failure> {
        let unreadable = |error| Failure::unreadable(folder, &error);
        let mut hashes = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let Some(file) = file_of(&path) else { continue };
            let (Some(number), Some(tag)) = (file.data_group, file.tag) else { continue };
            let bytes = read(&path)?;
            if !is_one_object(&bytes, tag) {
                return Err(unusable(&path, &format!("it is not one data object with the tag of {}", file.name)));
            }
            if hashes.insert(number, hash.digest(&bytes)).is_some() {
                return Err(unusable(folder, &format!("it holds {} twice", file.name)));
            }
        }
        if !hashes.contains_key(&1) {
            return Err(unusable(folder, "it does not hold EF.DG1"));
        }
        let content = LdsSecurityObject::v0(lds_hash(hash), hashes).to_bytes();
        Ok(Document { path: folder.join("EF_SOD.bin"), content })
    }

    /// Signs it, unless that was done before; whether it was done now.
    fn sign<K: Signer>(&self, signer: &DocumentSigner<K>) -> Result<bool, Failure> {
        if self.is_signed()? {
            return Ok(false);
        }
        let cms = signer.sign_security_object(&self.content)?;
        replace(&self.path, &sod::wrap(&cms)).map_err(|error| Failure::unwritable(&self.path, &error))?;
        Ok(true)
    }

    /// Whether there is a security object already. One of other data groups is an error: nothing is overwritten.
    fn is_signed(&self) -> Result<bool, Failure> {
        if !self.path.exists() {
            return Ok(false);
        }
        let file = read(&self.path)?;
        let same = security_object::parse_file(&file).is_ok_and(|there| there.claimed().content() == self.content);
        if same { Ok(true) } else { Err(unusable(&self.path, "it is the security object of other data groups")) }
    }
}

/// `EF.DG1`, `dg1.bin`, and `EF_DG1.bin` as bitaqa-reader writes it.
fn file_of(path: &Path) -> Option<&'static files::File> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".bin").unwrap_or(name);
    files::by_name(&name.replace('_', "."))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let length = fs::metadata(path).map_err(|error| Failure::unreadable(path, &error))?.len();
    if length > files::MAX_FILE as u64 {
        return Err(unusable(path, &format!("it has {length} bytes, more than any data group")));
    }
    fs::read(path).map_err(|error| Failure::unreadable(path, &error))
}

fn is_one_object(bytes: &[u8], tag: Tag) -> bool {
    let mut reader = Reader::new(bytes);
    reader.expect(tag).is_ok() && reader.end().is_ok()
}

fn lds_hash(hash: Hash) -> HashAlgorithm {
    match hash {
        Hash::Sha1 => HashAlgorithm::Sha1,
        Hash::Sha224 => HashAlgorithm::Sha224,
        Hash::Sha256 => HashAlgorithm::Sha256,
        Hash::Sha384 => HashAlgorithm::Sha384,
        Hash::Sha512 => HashAlgorithm::Sha512,
    }
}

fn unusable(path: &Path, why: &str) -> Failure {
    Failure {
        what: format!("{} cannot be signed.", path.display()),
        why: why.to_owned(),
        remedy: "Give one folder for each document, with its data groups in files such as EF_DG1.bin.".to_owned(),
        exit: USAGE,
    }
}
