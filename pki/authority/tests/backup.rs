//! Backups: what goes in comes out, nothing is numbered twice afterwards, and no hostile file writes elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use authority::backup::{self, BackupError, Since};
use authority::{Authority, BundleRequest, DocumentSigner, PROFILES, Passphrase, acts};
use jiff::{SignedDuration, Timestamp};
use openssl::sha::sha256;
use test_vectors::interruption::walk;

fn passphrase() -> Passphrase {
    Passphrase::new("a passphrase for tests")
}

fn now() -> Timestamp {
    "2026-11-22T09:00:00Z".parse().unwrap()
}

fn later(days: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * days)
}

struct Place(tempfile::TempDir);

impl Place {
    /// An authority with a signer, and a backup of it.
    fn new() -> Self {
        let place = Place(tempfile::tempdir().unwrap());
        let mut authority = Authority::init(&place.at("pki"), &PROFILES[0], &passphrase(), now()).unwrap();
        authority.new_document_signer(None, &passphrase(), &passphrase(), now()).unwrap();
        backup::make(&place.at("pki"), &place.at("backup"), now()).unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn contents(directory: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let all = walk(directory).into_iter().filter(|path| !path.ends_with("lock"));
    all.map(|path| (path.clone(), fs::read(directory.join(&path)).ok())).collect()
}

#[test]
fn everything_comes_back_as_it_was() {
    let place = Place::new();
    let manifest = backup::verify(&place.at("backup")).unwrap();
    assert_eq!((manifest.acts, manifest.crl_number, manifest.profile.as_deref()), (4, Some(1), Some("specimen-uto")));
    let restored = backup::restore(&place.at("backup"), &place.at("again"), &Since::Nothing, later(1)).unwrap();
    assert_eq!((restored.manifest, restored.crl_number), (manifest, None));
    let (mut before, mut after) = (contents(&place.at("pki")), contents(&place.at("again")));
    let record = |files: &mut Vec<(PathBuf, Option<Vec<u8>>)>| {
        let place = files.iter().position(|(path, _)| path.ends_with("acts.jsonl")).unwrap();
        files.remove(place).1.unwrap()
    };
    // The record goes on with one line: it was restored.
    let (old, new) = (record(&mut before), record(&mut after));
    assert!(new.starts_with(&old) && before == after);
    let audit = acts::audit(&place.at("again"), None).unwrap();
    assert_eq!(audit.acts.entries.last().unwrap().act.kind, "restored");
    assert!(audit.unrecorded.is_empty() && audit.unfinished.is_empty());
    DocumentSigner::load(&place.at("again/ds/ds-0001"), &passphrase()).unwrap();
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &str| fs::metadata(place.at(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("again"), mode("again/csca/key.p8"), mode("again/state.json"), mode("backup")),
        (0o700, 0o600, 0o644, 0o600)
    );
    assert!(matches!(backup::make(&place.at("pki"), &place.at("backup"), now()), Err(BackupError::Exists(_))));
}

#[test]
fn numbers_do_not_go_back_and_revocations_are_not_lost() {
    let place = Place::new();
    let mut authority = Authority::open(&place.at("pki")).unwrap();
    authority.revoke("ds-0001", later(2)).unwrap();
    let (_, crl) = authority.issue_crl(&passphrase(), later(2)).unwrap();
    authority.export_bundle(BundleRequest::default(), &passphrase(), later(2)).unwrap();

    let restore = |since: &Since| backup::restore(&place.at("backup"), &place.at("again"), since, later(3));
    assert!(matches!(restore(&Since::Unknown), Err(BackupError::Since { .. })));
    let stranger = Authority::init(&place.at("other"), &PROFILES[0], &passphrase(), now()).unwrap();
    let (_, foreign) = stranger.current_crl().unwrap().unwrap();
    assert!(matches!(restore(&Since::Until(Box::new(foreign))), Err(BackupError::ForeignList)));
    assert!(!place.at("again").exists() && !place.at(".again.new").exists());

    let restored = restore(&Since::Until(Box::new(crl))).unwrap();
    assert_eq!((restored.revoked_since.len(), restored.crl_number), (1, Some(1002)));
    assert_eq!(restored.used_up, [PathBuf::from("ds/ds-0001")]);
    let mut authority = Authority::open(&place.at("again")).unwrap();
    let signer = &authority.signers().unwrap()[0];
    assert!(signer.revoked.is_some() && signer.is_used_up());
    let (path, next) = authority.issue_crl(&passphrase(), later(4)).unwrap();
    assert!(path.ends_with("crl/1003.crl") && next.revoked_since(signer.certificate.serial()).is_some());
    let bundle = authority.export_bundle(BundleRequest::default(), &passphrase(), later(4)).unwrap();
    assert_eq!(bundle.bundle.number, 1001);
    let audit = acts::audit(&place.at("again"), None).unwrap();
    assert!(audit.unfinished.is_empty(), "{:?}", audit.unfinished);
}

#[test]
fn a_place_that_is_taken_is_left_alone() {
    let place = Place::new();
    let restore = |to: &str| backup::restore(&place.at("backup"), &place.at(to), &Since::Nothing, later(1));
    assert!(matches!(restore("pki"), Err(BackupError::NotEmpty(_))));
    Authority::open(&place.at("pki")).unwrap().issue_crl(&passphrase(), later(1)).unwrap();
    let before = contents(&place.at("pki"));
    assert!(matches!(restore("pki"), Err(BackupError::Older { there: 5, kept: 4, .. })));
    assert_eq!(contents(&place.at("pki")), before);
    fs::create_dir(place.at("empty")).unwrap();
    restore("empty").unwrap();
}

#[test]
fn every_altered_line_and_every_cut_is_seen() {
    let place = Place::new();
    let good = fs::read(place.at("backup")).unwrap();
    let spoiled = place.at("spoiled");
    let refused = |bytes: &[u8]| {
        fs::write(&spoiled, bytes).unwrap();
        let verified = backup::verify(&spoiled);
        assert!(matches!(verified, Err(BackupError::Damaged { .. })), "{verified:?}");
    };
    for place in (0..good.len()).step_by(97) {
        let mut altered = good.clone();
        altered[place] ^= 1;
        refused(&altered);
        refused(&good[..place]);
    }
    refused(&[&good[..], b"{}\n"].concat());
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    for missing in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(missing);
        refused(&fewer.concat());
    }
}

/// A backup of these files by whoever knows the format: every digest is right.
fn forged(place: &Place, files: &[(&str, &[u8])]) -> PathBuf {
    use base64::Engine;
    let good = fs::read_to_string(place.at("backup")).unwrap();
    let mut text = format!("{}\n", good.lines().next().unwrap());
    for (path, bytes) in files {
        let sha256 = hex::encode(sha256(bytes));
        let length = bytes.len();
        text.push_str(&format!(
            "{{\"file\":{path:?},\"private\":false,\"length\":{length},\"sha256\":\"{sha256}\"}}\n"
        ));
        let content = base64::engine::general_purpose::STANDARD.encode(bytes);
        text.push_str(&format!("{{\"content\":\"{content}\"}}\n"));
    }
    let sha256 = hex::encode(sha256(text.as_bytes()));
    text.push_str(&format!("{{\"files\":{},\"sha256\":\"{sha256}\"}}\n", files.len()));
    let path = place.at("forged");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_hostile_backup_writes_nothing() {
    let place = Place::new();
    let record = fs::read(place.at("pki/acts.jsonl")).unwrap();
    let honest = forged(&place, &[("acts.jsonl", &record), ("state.json", b"{}")]);
    backup::verify(&honest).unwrap();
    let outside = place.at("outside");
    for name in ["../outside", "/tmp/outside", "ds/../../outside", ".hidden", "a//b", "a\\u0000b", "z/"] {
        let path = forged(&place, &[("acts.jsonl", &record), (name, b"x")]);
        let refused = backup::restore(&path, &place.at("again"), &Since::Nothing, now());
        assert!(matches!(refused, Err(BackupError::Damaged { .. })), "{name}: {refused:?}");
        assert!(!outside.exists() && !place.at("again").exists() && !place.at(".again.new").exists(), "{name}");
    }
    for twice in [["acts.jsonl", "acts.jsonl"], ["ds", "ds/x"], ["b", "a"]] {
        let path = forged(&place, &[(twice[0], &record), (twice[1], &record)]);
        assert!(matches!(backup::verify(&path), Err(BackupError::Damaged { .. })), "{twice:?}");
    }
    // A record that was altered does not pass, whatever its digest.
    let altered = String::from_utf8(record).unwrap().replace("ds-0001", "ds-0002");
    let path = forged(&place, &[("acts.jsonl", altered.as_bytes())]);
    assert!(matches!(backup::verify(&path), Err(BackupError::Damaged { .. })));
    // A line without end, and a length that never comes.
    let huge = fs::read_to_string(place.at("backup")).unwrap().lines().next().unwrap().to_owned()
        + "\n{\"file\":\"a\",\"private\":true,\"length\":99999999999999,\"sha256\":\"\"}\n";
    fs::write(place.at("huge"), huge).unwrap();
    assert!(matches!(backup::verify(&place.at("huge")), Err(BackupError::Damaged { .. })));
    fs::write(place.at("long"), "a".repeat(5_000_000)).unwrap();
    assert!(matches!(backup::verify(&place.at("long")), Err(BackupError::Damaged { line: 1, .. })));
}

#[test]
fn a_link_in_the_directory_is_not_followed() {
    let place = Place::new();
    std::os::unix::fs::symlink("/etc/hostname", place.at("pki/ds/note")).unwrap();
    assert!(matches!(backup::make(&place.at("pki"), &place.at("second"), now()), Err(BackupError::Unkept(_))));
    assert!(!place.at("second").exists() && !place.at(".second.new").exists());
}

#[test]
fn the_sample_of_version_1_is_restored() {
    let sample = test_vectors::path("backups/version-1.backup");
    let manifest = backup::verify(&sample).unwrap();
    assert_eq!((manifest.made.to_string().as_str(), manifest.acts), ("2026-11-22T09:00:00Z", 4));
    let folder = tempfile::tempdir().unwrap();
    backup::restore(&sample, &folder.path().join("pki"), &Since::Nothing, now()).unwrap();
    let authority = Authority::open(&folder.path().join("pki")).unwrap();
    DocumentSigner::load(&authority.signers().unwrap()[0].directory, &passphrase()).unwrap();
}

/// Writes the sample anew: only when a new version of the format is released, under a new name.
#[test]
#[ignore = "writes into test-vectors"]
fn write_the_sample() {
    let place = Place::new();
    let sample = test_vectors::path("backups/version-1.backup");
    fs::create_dir_all(sample.parent().unwrap()).unwrap();
    fs::copy(place.at("backup"), sample).unwrap();
}
