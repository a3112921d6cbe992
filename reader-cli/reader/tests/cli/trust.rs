//! Whom a post believes: several signers, deltas, folders, limits.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use authority::ceremony::Credential;
use authority::{Authority, BundleRequest, Passphrase, Profile};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use trust::Pins;
use trust::bundle::{Delta, Sealed};

/// An authority, two custodians, and what they hand out.
struct Ministry {
    folder: TempDir,
    authority: Authority,
    custodians: Vec<Credential>,
}

impl Ministry {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let words = Passphrase::new("a passphrase for tests");
        let profile = Profile::find("specimen-uto").unwrap();
        let start = Timestamp::now() - SignedDuration::from_hours(24 * 40);
        let authority = Authority::init(&folder.path().join("pki"), profile, &words, start).unwrap();
        let custodian = |name| Credential::create(&folder.path().join(name), &words).unwrap();
        let custodians = ["amina", "omar"].map(custodian).into();
        Ministry { folder, authority, custodians }
    }

    fn pins(&self) -> Vec<String> {
        let own = self.authority.pin().unwrap();
        let custodians = self.custodians.iter().map(|one| one.pin().unwrap());
        std::iter::once(own).chain(custodians).map(|pin| pin.to_string()).collect()
    }

    /// A bundle that was made so many days ago, signed by the authority and so many custodians.
    fn bundle(&mut self, name: &str, days: i64, custodians: usize, next: Option<Pins>) -> Vec<u8> {
        let request = BundleRequest { next_signers: next, ..BundleRequest::default() };
        let made = Timestamp::now() - SignedDuration::from_hours(24 * days);
        let words = Passphrase::new("a passphrase for tests");
        let exported = self.authority.export_bundle(request, &words, made).unwrap();
        let mut sealed = Sealed::read(&exported.bytes).unwrap();
        for one in self.custodians.iter().take(custodians) {
            one.countersign(&mut sealed).unwrap();
        }
        self.write(name, &sealed.to_bytes())
    }

    fn delta(&self, name: &str, old: &[u8], new: &[u8]) {
        let delta = Delta::between(&Sealed::read(old).unwrap(), &Sealed::read(new).unwrap()).unwrap();
        self.write(name, &delta.to_bytes());
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Vec<u8> {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
        bytes.to_vec()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The exit code, what was printed as JSON, and on standard error.
    fn trust(&self, words: &[&str]) -> (i32, Value, String) {
        let mut command = Command::cargo_bin("bitaqa-reader").unwrap();
        command.current_dir(self.folder.path()).args([&["trust"], words, &["--trust", "store", "--json"]].concat());
        let output = command.env_remove("BITAQA_TRUST").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), serde_json::from_str(&text).unwrap_or_default(), said)
    }

    fn words(&self, words: &[&str]) -> String {
        let mut command = Command::cargo_bin("bitaqa-reader").unwrap();
        command.current_dir(self.folder.path()).args([&["trust"], words, &["--trust", "store"]].concat());
        String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
    }
}

#[test]
fn two_of_three_signers_and_their_successors() {
    let mut ministry = Ministry::new();
    ministry.bundle("alone", 3, 0, None);
    ministry.bundle("two", 2, 1, None);
    let pins = ministry.pins();
    let given: Vec<&str> = pins.iter().flat_map(|pin| ["--pin", pin]).collect();
    let install = |file: &str, more: &[&str]| ministry.trust(&[&["install", file], &given[..], more].concat());
    let (code, _, said) = install("two", &[]);
    assert!(code == 2 && said.contains("--threshold"), "{said}");
    assert_eq!(install("two", &["--threshold", "4"]).0, 2);
    let (code, _, said) = install("alone", &["--threshold", "2"]);
    assert!(code == 40 && said.contains("signed by 1 of the 2 signers that are needed, of 3"), "{said}");
    assert!(!ministry.path("store").exists());
    let (code, shown, _) = install("two", &["--threshold", "2"]);
    assert_eq!((code, shown["number"].as_u64(), shown["pins"]["threshold"].as_u64()), (0, Some(2), Some(2)));
    assert_eq!(shown["pins"]["fingerprints"].as_array().unwrap().len(), 3);
    assert!(ministry.words(&["show"]).contains("2 of these 3"));
    assert_eq!(ministry.trust(&["install", "two"]).0, 0, "the same again is no error");

    let next = Pins::new(1, [ministry.custodians[1].pin().unwrap()]).unwrap();
    ministry.bundle("half", 1, 1, Some(next.clone()));
    let (code, _, said) = ministry.trust(&["install", "half"]);
    assert!(code == 40 && said.contains("next signers"), "{said}");
    ministry.bundle("turn", 1, 2, Some(next));
    let (code, shown, _) = ministry.trust(&["install", "turn"]);
    assert_eq!((code, shown["pins"]["threshold"].as_u64()), (0, Some(1)));
    ministry.bundle("old-signers", 0, 1, None);
    assert_eq!(ministry.trust(&["install", "old-signers"]).0, 40);
    let (code, _, said) = ministry.trust(&["install", "turn", "--pin", &pins[0]]);
    assert!(code == 40 && said.contains("Leave --pin out"), "{said}");
}

#[test]
fn deltas_and_folders() {
    let mut ministry = Ministry::new();
    let pins = ministry.pins();
    let fulls: Vec<Vec<u8>> =
        (0..4).map(|number| ministry.bundle(&format!("full/{number}"), 4 - number, 0, None)).collect();
    ministry.delta("stick/new/1-2", &fulls[0], &fulls[1]);
    ministry.delta("stick/new/2-4", &fulls[1], &fulls[3]);
    ministry.delta("stick/3-4", &fulls[2], &fulls[3]);
    ministry.write("stick/\u{1b}[31mred.txt", b"holiday");
    let (code, _, said) = ministry.trust(&["install", "stick/3-4", "--pin", &pins[0]]);
    assert!(code == 40 && said.contains("Install the full bundle number 4."), "{said}");
    assert_eq!(ministry.trust(&["install", "stick", "--pin", &pins[0]]).0, 40);
    assert_eq!(ministry.trust(&["install", "full/0", "--pin", &pins[0]]).0, 0);
    let (code, _, said) = ministry.trust(&["install", "stick/3-4"]);
    assert!(code == 40 && said.contains("Install the full bundle number 4, or the delta from 1."), "{said}");
    let told = ministry.words(&["install", "stick"]);
    assert!(told.contains("installed bundle 4 from stick/new/2-4 (a delta on bundle 2)"), "{told}");
    assert!(told.contains("ignored stick/3-4: ") && !told.contains('\u{1b}'), "{told}");
    assert_eq!(fs::read(ministry.path("store/bundle.json")).unwrap(), fulls[3]);
    let (code, again, _) = ministry.trust(&["install", "stick"]);
    assert_eq!((code, again["installed"].as_array().unwrap().len()), (0, 0));
    assert_eq!(again["ignored"].as_array().unwrap().len(), 4);
    let (code, _, said) = ministry.trust(&["install", "stick/new/1-2"]);
    assert!(code == 40 && said.contains("delta"), "{said}");
    // A folder without any is not one without a newer one.
    ministry.write("empty/readme.txt", b"no bundle");
    let (code, _, said) = ministry.trust(&["install", "empty"]);
    assert!(code == 40 && said.contains("empty has no trust bundle and no delta"), "{said}");
    // What claims to be a bundle and is not believed is no quiet success.
    let mut strange = Ministry::new();
    ministry.write("stick/strange", &strange.bundle("full", 10, 0, None));
    let (code, refused, _) = ministry.trust(&["install", "stick"]);
    assert_eq!((code, refused["installed"].as_array().unwrap().len()), (40, 0));
}

#[test]
fn a_posts_own_limit() {
    let mut ministry = Ministry::new();
    let pins = ministry.pins();
    ministry.bundle("full", 10, 0, None);
    assert_eq!(ministry.trust(&["limit", "--maximum-age", "7"]).0, 40, "nothing is installed");
    let (_, shown, _) = ministry.trust(&["install", "full", "--pin", &pins[0]]);
    assert_eq!((&shown["stale"], &shown["good_until"]), (&false.into(), &shown["expires"]));
    let (code, shown, _) = ministry.trust(&["limit", "--maximum-age", "7"]);
    assert_eq!((code, &shown["stale"], &shown["maximum_age_days"]), (0, &true.into(), &7.into()));
    assert!(ministry.words(&["show"]).contains("out of date"));
    assert_eq!(ministry.trust(&["limit", "--none"]).1["stale"], false);
    assert_eq!(ministry.trust(&["limit"]).0, 2);
    assert!(Path::new(&ministry.path("store/bundle.json")).exists());
}
