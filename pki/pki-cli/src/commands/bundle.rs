//! `bundle export`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use authority::{Authority, BundleRequest, ExportedBundle};
use jiff::Timestamp;
use serde_json::json;
use trust::RevokedDocument;

use super::issue::day;
use crate::args::PassphraseSource;
use crate::failure::{Failure, USAGE};
use crate::output::{grouped, show};
use crate::passphrase;

/// What is asked for on the command line.
pub fn request(revoked: Option<&Path>, include_signers: bool) -> Result<BundleRequest, Failure> {
    let revoked_documents = match revoked {
        Some(path) => read_documents(path)?,
        None => Vec::new(),
    };
    Ok(BundleRequest { revoked_documents, include_signers })
}

pub fn export(
    out: &Path,
    request: BundleRequest,
    directory: &Path,
    source: &PassphraseSource,
    json: bool,
) -> Result<(), Failure> {
    let mut authority = Authority::open(directory)?;
    let passphrase = passphrase::existing(source, authority.token()?.as_ref())?;
    let exported = authority.export_bundle(request, &passphrase, Timestamp::now())?;
    let key_file = beside(out, ".signer.pem");
    for (path, bytes) in [(out, &exported.bytes[..]), (&key_file, exported.public_key.as_bytes())] {
        replace(path, bytes).map_err(|error| Failure::unwritable(path, &error))?;
    }
    report(out, &key_file, &exported, json);
    Ok(())
}

fn report(out: &Path, key_file: &Path, exported: &ExportedBundle, json: bool) {
    let bundle = &exported.bundle;
    let object = json!({
        "file": out, "signer_key": key_file, "signer": exported.pin.to_string(), "number": bundle.number,
        "issued": bundle.issued.to_string(), "expires": bundle.expires.to_string(),
        "anchors": bundle.anchors.len(), "signers": bundle.signers.len(), "crls": bundle.crls.len(),
        "revoked_documents": bundle.revoked_documents.len(),
    });
    let words = format!(
        "trust bundle {} written to {}\n  good until         {}\n  revoked documents  {}\n  signer's key       {}\n  fingerprint to pin {}\nSend the fingerprint to the posts on another way than the bundle.",
        bundle.number,
        out.display(),
        day(bundle.expires),
        bundle.revoked_documents.len(),
        key_file.display(),
        grouped(&exported.pin.to_string()),
    );
    show(json, "bundle export", object, &words);
}

fn read_documents(path: &Path) -> Result<Vec<RevokedDocument>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(index, line)| document(line).map_err(|why| bad_line(path, index + 1, &why))).collect()
}

fn document(line: &str) -> Result<RevokedDocument, String> {
    let document: RevokedDocument = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if document.number.is_empty() || !document.number.bytes().all(plain) {
        return Err(format!("{:?} is not a document number of letters A-Z and digits 0-9", document.number));
    }
    Ok(document)
}

fn bad_line(path: &Path, line: usize, why: &str) -> Failure {
    Failure {
        what: "The list of revoked documents cannot be used; nothing was issued.".to_owned(),
        why: format!("{} line {line}: {why}", path.display()),
        remedy: "Correct the line; bitaqa-pki bundle export --help shows an example.".to_owned(),
        exit: USAGE,
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Old or new, never half a file.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = beside(path, ".new");
    let mut file = fs::File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}
