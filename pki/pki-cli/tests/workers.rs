//! A key behind several processes: what happens when they die, hang, or have signed enough.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use authority::{
    Authority, NewKey, PROFILES, Passphrase, Signer, SigningError, UseError, WorkerError, WorkerKey, Workers,
};
use jiff::Timestamp;

const WORDS: &str = "a passphrase for tests";

struct Desk {
    folder: tempfile::TempDir,
    signer: PathBuf,
}

impl Desk {
    fn new(max_uses: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (words, now) = (Passphrase::new(WORDS), Timestamp::now());
        let mut authority = Authority::init(&folder.path().join("pki"), &PROFILES[0], &words, now).unwrap();
        authority.make_keys(NewKey { max_uses: Some(max_uses), ..NewKey::default() });
        let signer = authority.new_document_signer(None, &words, &words, now).unwrap().directory;
        Desk { folder, signer }
    }

    fn workers(&self, count: usize) -> WorkerKey {
        WorkerKey::start(workers(count), &self.signer, Passphrase::new(WORDS)).unwrap()
    }

    fn uses(&self) -> u64 {
        let authority = Authority::open(&self.folder.path().join("pki")).unwrap();
        authority.signers().unwrap()[0].uses.unwrap().reserved
    }
}

fn workers(count: usize) -> Workers {
    let (program, arguments) = (assert_cmd::cargo::cargo_bin("bitaqa-pki"), vec!["signing-worker".into()]);
    Workers { program, arguments, count, patience: Duration::from_secs(5) }
}

/// The processes that this thread started: tests run in threads of one process.
fn children() -> Vec<String> {
    let path = fs::read_link("/proc/thread-self").unwrap();
    let text = fs::read_to_string(PathBuf::from("/proc").join(path).join("children")).unwrap();
    text.split_whitespace().map(str::to_owned).collect()
}

fn signal(name: &str, process: &str) {
    assert!(Command::new("kill").args([name, process]).status().unwrap().success());
}

#[test]
fn threads_share_workers_and_the_bound_holds() {
    let desk = Desk::new(100);
    let key = desk.workers(2);
    let spki = {
        use iso7816::tlv::encode;
        use trust::der::{BIT_STRING, OID, SEQUENCE, oid};
        let curve = encode(OID, key.algorithm().curve().unwrap().oid());
        let algorithm = encode(SEQUENCE, [encode(OID, oid::EC_PUBLIC_KEY), curve].concat());
        encode(SEQUENCE, [algorithm, encode(BIT_STRING, [&[0], key.public_bits()].concat())].concat())
    };
    let public = trust::PublicKey::from_spki(&spki).unwrap();
    let made: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let (key, public) = (&key, &public);
                scope.spawn(move || {
                    let mut made = 0;
                    for round in 0..40 {
                        let message = format!("message {round} of thread {number}").into_bytes();
                        match key.sign(&message) {
                            Ok(signature) => {
                                key.algorithm().signature().verify(public, &message, &signature).unwrap();
                                made += 1;
                            }
                            Err(SigningError::Uses(UseError::Exhausted { most: 100 })) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                    made
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // One worker may hold the last uses while the other is told that there are none.
    assert!((50..=100).contains(&made), "{made}");
    drop(key);
    assert_eq!(desk.uses(), made as u64);
}

#[test]
fn a_worker_that_dies_or_hangs_costs_one_signature() {
    let desk = Desk::new(10_000);
    let key = desk.workers(1);
    key.sign(b"message").unwrap();
    let first = children();
    assert_eq!(first.len(), 1);
    for part in ["cmdline", "environ"] {
        let text = fs::read(format!("/proc/{}/{part}", first[0])).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(WORDS), "{part}");
    }
    signal("-KILL", &first[0]);
    let lost = key.sign(b"message");
    assert!(matches!(lost, Err(SigningError::Worker(WorkerError::Died))), "{lost:?}");
    key.sign(b"message").unwrap();
    let second = children();
    assert!(second.len() == 1 && second != first, "{second:?}");

    signal("-STOP", &second[0]);
    let begun = Instant::now();
    let lost = key.sign(b"message");
    assert!(matches!(lost, Err(SigningError::Worker(WorkerError::Silent))), "{lost:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    key.sign(b"message").unwrap();
    let third = children();
    assert!(third.len() == 1 && third != second, "{third:?}");
    drop(key);
    assert_eq!(children(), Vec::<String>::new());
    // Three were made; what the lost workers had reserved is lost with them.
    assert!((3..=3 + 2 * 16).contains(&desk.uses()), "{}", desk.uses());
}

#[test]
fn what_cannot_be_opened_is_not_tried_again() {
    let desk = Desk::new(100);
    let refused = WorkerKey::start(workers(4), &desk.signer, Passphrase::new("another passphrase")).err().unwrap();
    assert!(matches!(&refused, WorkerError::Refused(why) if why.contains("passphrase is wrong")), "{refused}");
    let no_program = Workers { program: "/nowhere/bitaqa-pki".into(), ..workers(1) };
    let refused = WorkerKey::start(no_program, &desk.signer, Passphrase::new(WORDS)).err().unwrap();
    assert!(matches!(refused, WorkerError::Start { .. }), "{refused}");
    let silent = Workers { program: "/bin/sleep".into(), arguments: vec!["60".into()], ..workers(1) };
    let refused = WorkerKey::start(silent, &desk.signer, Passphrase::new(WORDS)).err().unwrap();
    assert!(matches!(refused, WorkerError::Silent), "{refused}");

    // The key is taken away under the feet of a pool.
    let key = desk.workers(1);
    fs::rename(desk.signer.join("key.p8"), desk.signer.join("elsewhere")).unwrap();
    signal("-KILL", &children()[0]);
    assert!(matches!(key.sign(b"m"), Err(SigningError::Worker(WorkerError::Died))));
    for _ in 0..2 {
        let refused = key.sign(b"m");
        assert!(matches!(refused, Err(SigningError::Worker(WorkerError::Refused(_)))), "{refused:?}");
    }
}
