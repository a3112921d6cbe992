//! `ds sign`: security objects for documents that another machine makes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use authority::DocumentSigner;
use indicatif::ProgressBar;
use iso7816::tlv::{Reader, Tag};
use lds::files;
use lds::sod::{self, HashAlgorithm, LdsSecurityObject};
use serde_json::json;
use trust::{Hash, security_object};

use super::bundle::replace;
use crate::args::DsSign;
use crate::failure::{Failure, USAGE};
use crate::output::show;
use crate::passphrase;

/// Signs the data groups of every folder. A folder that has a security object of the same data groups keeps it.
pub fn sign(arguments: &DsSign, json: bool) -> Result<(), Failure> {
    let token = DocumentSigner::token(&arguments.signer)?;
    let signer =
        DocumentSigner::load(&arguments.signer, &passphrase::existing(&arguments.passphrase, token.as_ref())?)?;
    let (mut made, mut kept) = (Vec::new(), Vec::new());
    // Read before anything is signed: a wrong file is found before the first signature.
    let documents = arguments.folders.iter().map(|folder| Document::read(folder, signer.hash()));
    let documents = documents.collect::<Result<Vec<_>, _>>()?;
    for document in ProgressBar::new(documents.len() as u64).wrap_iter(documents.into_iter()) {
        if document.is_signed()? {
            kept.push(document.path);
            continue;
        }
        let cms = signer.sign_security_object(&document.content)?;
        replace(&document.path, &sod::wrap(&cms)).map_err(|error| Failure::unwritable(&document.path, &error))?;
        made.push(document.path);
    }
    let words = format!("{} signed, {} signed before", made.len(), kept.len());
    let certificate = super::issue::certificate(signer.certificate());
    show(json, "ds sign", json!({ "signer": certificate, "signed": made, "signed_before": kept }), &words);
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
