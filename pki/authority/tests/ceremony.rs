//! Key ceremonies: dual control, interruptions, and transcripts that cannot be altered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use authority::ceremony::{
    self, Ceremony, CeremonyError, Credential, Custodian, ReplayError, Room, ScriptError, custody, verify,
};
use authority::{Authority, Passphrase};
use jiff::{SignedDuration, Timestamp};

/// Everybody says yes, until `patience` runs out; every question takes a second.
struct Office {
    now: Timestamp,
    patience: usize,
    asked: Vec<String>,
}

impl Office {
    fn new() -> Self {
        Office { now: "2026-11-22T09:00:00Z".parse().unwrap(), patience: usize::MAX, asked: Vec::new() }
    }

    fn later(minutes: usize) -> Self {
        let mut office = Self::new();
        office.now += SignedDuration::from_mins(i64::try_from(minutes).unwrap());
        office
    }
}

impl Room for Office {
    fn confirm(&mut self, custodian: &Custodian, _: &str) -> io::Result<bool> {
        self.asked.push(custodian.name.clone());
        self.now += SignedDuration::from_secs(1);
        Ok(self.asked.len() <= self.patience)
    }

    fn now(&mut self) -> Timestamp {
        self.now
    }
}

struct Stage {
    folder: tempfile::TempDir,
    credentials: Vec<Credential>,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let words = Passphrase::new("the words of a custodian");
        let make = |number| Credential::create(&folder.path().join(format!("custodian-{number}.pem")), &words).unwrap();
        let credentials = (1..=3).map(make).collect();
        Stage { folder, credentials }
    }

    fn script(&self, steps: &str) -> String {
        let mut text = "format = \"bitaqa-ceremony\"\nversion = 1\ntitle = \"The CSCA of Utopia\"\n\
            profile = \"specimen-uto\"\nthreshold = 2\ncustody = \"shared\"\n"
            .to_owned();
        for (name, credential) in ["Amina Hassan", "Omar Saleh", "Leyla Aziz"].iter().zip(&self.credentials) {
            text.push_str(&format!("[[custodian]]\nname = \"{name}\"\nkey = \"{}\"\n", credential.public_key()));
        }
        text + steps
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, script: &str, present: &[usize], room: &mut Office) -> Result<ceremony::Replay, CeremonyError> {
        self.run_into(script, present, room, &self.path("transcript.txt"))
    }

    fn run_into(
        &self,
        script: &str,
        present: &[usize],
        room: &mut Office,
        transcript: &Path,
    ) -> Result<ceremony::Replay, CeremonyError> {
        let words = Passphrase::new("the words of a custodian");
        let open = |number: &usize| Credential::open(&self.path(&format!("custodian-{number}.pem")), &words).unwrap();
        let credentials: Vec<Credential> = present.iter().map(open).collect();
        let ceremony = Ceremony {
            script,
            credentials: &credentials,
            directory: &self.path("pki"),
            transcript,
            passphrase: None,
            module: None,
        };
        ceremony::run(&ceremony, room)
    }
}

const CREATE: &str = "[[step]]\ndo = \"say\"\ntext = \"\"\"The room is closed.\nThe machine is not on a network.\"\"\"\n\
    [[step]]\ndo = \"create-authority\"\n";
const ROLL_OVER: &str = "[[step]]\ndo = \"roll-over\"\ncommon_name = \"CSCA Utopia New\"\n\
    [[step]]\ndo = \"issue-revocation-list\"\n";

#[test]
fn custodians_create_an_authority_and_roll_it_over() {
    let stage = Stage::new();
    let replay = stage.run(&stage.script(CREATE), &[3, 1], &mut Office::new()).unwrap();
    assert_eq!((replay.present.clone(), replay.threshold, replay.steps.len()), (vec![0, 2], (2, 3), 2));
    let authority = Authority::open(&stage.path("pki")).unwrap();
    assert_eq!(replay.steps[1].made[0].der, authority.csca().der());
    let bytes = fs::read(stage.path("transcript.txt")).unwrap();
    assert_eq!(verify(&bytes).unwrap(), replay);

    // Another ceremony with another pair: the passphrase is put together again.
    let second = stage.path("second.txt");
    let replay = stage.run_into(&stage.script(ROLL_OVER), &[2, 3], &mut Office::new(), &second).unwrap();
    let kinds: Vec<&str> = replay.steps[0].made.iter().map(|made| made.kind.as_str()).collect();
    assert_eq!(kinds, ["csca", "link", "revocation-list"]);
    let authority = Authority::open(&stage.path("pki")).unwrap();
    assert_eq!(authority.generations().len(), 2);
    assert_eq!(authority.csca().subject().common_name(), Some("CSCA Utopia New"));
    assert_eq!(authority.current_crl().unwrap().unwrap().0, 3);
    verify(&fs::read(second).unwrap()).unwrap();
    assert!(custody::path(&stage.path("pki")).exists());
}

#[test]
fn no_byte_of_a_transcript_can_be_altered() {
    let stage = Stage::new();
    stage.run(&stage.script(CREATE), &[1, 2, 3], &mut Office::new()).unwrap();
    let bytes = fs::read(stage.path("transcript.txt")).unwrap();
    verify(&bytes).unwrap();
    // Every byte at the end and every 31st before; each is verified with all its signatures.
    let places = (0..bytes.len()).filter(|place| place % 31 == 0 || *place + 150 > bytes.len());
    for place in places {
        let mut altered = bytes.clone();
        altered[place] ^= 1;
        assert!(verify(&altered).is_err(), "byte {place}");
    }
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(verify(&bytes[..bytes.len() - 1]).is_err());
    assert!(verify(format!("{text}\n").as_bytes()).is_err());
    let last = text.trim_end().rfind('\n').unwrap();
    assert!(verify(&bytes[..=last]).is_err(), "without the last signature");
    let closing = text.find("\nclosed").unwrap();
    assert!(matches!(verify(&bytes[..closing]), Err(ReplayError::NotClosed { done: 2, steps: 2 })));
    for signed in text.lines().filter(|line| line.starts_with("signed     3")) {
        assert!(verify(text.replace(&format!("{signed}\n"), "").as_bytes()).is_err());
    }
}

#[test]
fn too_few_custodians_begin_nothing() {
    let stage = Stage::new();
    let script = stage.script(CREATE);
    let refused = stage.run(&script, &[2], &mut Office::new());
    assert!(matches!(refused, Err(CeremonyError::TooFew { present: 1, threshold: 2 })));
    // One person with the same credential twice is one person.
    assert!(matches!(stage.run(&script, &[2, 2], &mut Office::new()), Err(CeremonyError::TooFew { present: 1, .. })));
    assert!(!stage.path("transcript.txt").exists() && !stage.path("pki").exists());
    let single = script.replace("threshold = 2", "threshold = 1");
    assert!(matches!(
        stage.run(&single, &[1, 2], &mut Office::new()),
        Err(CeremonyError::Script(ScriptError::Threshold { threshold: 1, custodians: 3 }))
    ));
    // A transcript whose script demands more than were present does not verify either.
    stage.run(&script, &[1, 2], &mut Office::new()).unwrap();
    let text = fs::read_to_string(stage.path("transcript.txt")).unwrap();
    let without: String = text.split_inclusive('\n').filter(|line| !line.starts_with("present    2")).collect();
    assert!(matches!(verify(without.as_bytes()), Err(ReplayError::TooFew { present: 1, threshold: 2 })));
}

#[test]
fn a_stranger_takes_no_part() {
    let (stage, other) = (Stage::new(), Stage::new());
    let refused = stage.run(&other.script(CREATE), &[1, 2], &mut Office::new());
    assert!(matches!(refused, Err(CeremonyError::Stranger(_))));
}

#[test]
fn nothing_is_done_that_was_not_confirmed_and_the_rest_goes_on_later() {
    let stage = Stage::new();
    let script = stage.script(&format!("{CREATE}{ROLL_OVER}"));
    // Two are asked for each block. The runs go on: none signs, one signs, both sign the beginning, both sign the first step.
    for patience in 0..=3 {
        let mut room = Office { patience, ..Office::later(patience) };
        let stopped = stage.run(&script, &[1, 2], &mut room);
        let Err(CeremonyError::Declined { custodian, .. }) = stopped else { panic!("{patience}: {stopped:?}") };
        assert_eq!(custodian, if room.asked.len() % 2 == 1 { "Amina Hassan" } else { "Omar Saleh" });
        assert!(!stage.path("pki").exists());
    }
    // From here on each run gets one block further, then is cut off in the middle of a line as well.
    let transcript = stage.path("transcript.txt");
    let mut runs = 0;
    loop {
        runs += 1;
        assert!(runs < 12);
        let result = stage.run(&script, &[1, 2], &mut Office { patience: 3, ..Office::later(20 + runs) });
        let mut text = fs::read(&transcript).unwrap();
        match result {
            Ok(_) => break,
            Err(CeremonyError::Declined { .. }) => text.extend_from_slice(b"\nstep       9 sa"),
            Err(other) => panic!("{other}"),
        }
        fs::write(&transcript, text).unwrap();
    }
    let replay = verify(&fs::read(&transcript).unwrap()).unwrap();
    assert_eq!(replay.steps.len(), 4);
    // However often it was interrupted, everything was done once.
    let authority = Authority::open(&stage.path("pki")).unwrap();
    assert_eq!((authority.generations().len(), authority.current_crl().unwrap().unwrap().0), (2, 3));
    assert!(matches!(stage.run(&script, &[1, 2], &mut Office::new()), Err(CeremonyError::Closed)));
}

#[test]
fn the_mark_of_an_open_ceremony_ends_with_it_and_keeps_others_away() {
    let stage = Stage::new();
    let (script, directory) = (stage.script(CREATE), stage.path("pki"));
    let (first, second) = (stage.path("transcript.txt"), stage.path("second.txt"));
    let open = || ceremony::unclosed(&directory).unwrap().map(PathBuf::from);
    // A beginning that nobody signed marks nothing.
    stage.run(&script, &[1, 2], &mut Office { patience: 0, ..Office::new() }).unwrap_err();
    assert_eq!(open(), None);
    stage.run(&script, &[1, 2], &mut Office { patience: 3, ..Office::later(1) }).unwrap_err();
    assert_eq!(open().as_ref(), Some(&first));
    let mark = fs::read(stage.path("pki.ceremony-open")).unwrap();
    let mut room = Office::later(2);
    let other = stage.run_into(&script, &[1, 2], &mut room, &second);
    let Err(CeremonyError::OtherOpen { transcript, .. }) = other else { panic!("{other:?}") };
    assert_eq!((Path::new(&transcript), open().as_ref()), (first.as_path(), Some(&first)));
    assert!(room.asked.is_empty() && !second.exists());
    stage.run(&script, &[1, 2], &mut Office::later(3)).unwrap();
    assert_eq!(open(), None);
    // As a crash after the closing signature leaves it; another ceremony's mark stays.
    for (named, left) in [(&mark[..], None), (b"/elsewhere.txt", Some(PathBuf::from("/elsewhere.txt")))] {
        fs::write(stage.path("pki.ceremony-open"), named).unwrap();
        assert!(matches!(stage.run(&script, &[1, 2], &mut Office::later(4)), Err(CeremonyError::Closed)));
        assert_eq!(open(), left);
    }
}

#[test]
fn a_clock_that_was_set_back_stops_the_ceremony_before_anything_is_signed() {
    let stage = Stage::new();
    let script = stage.script(CREATE);
    stage.run(&script, &[1, 2], &mut Office { patience: 3, ..Office::later(9) }).unwrap_err();
    let before = fs::read(stage.path("transcript.txt")).unwrap();
    assert!(matches!(stage.run(&script, &[1, 2], &mut Office::new()), Err(CeremonyError::Clock { .. })));
    assert_eq!(fs::read(stage.path("transcript.txt")).unwrap(), before);
}

#[test]
fn others_do_not_continue_what_two_began() {
    let stage = Stage::new();
    let script = stage.script(CREATE);
    stage.run(&script, &[1, 2], &mut Office { patience: 5, ..Office::new() }).unwrap_err();
    assert!(matches!(stage.run(&script, &[1, 3], &mut Office::new()), Err(CeremonyError::OtherTranscript)));
    let other = script.replace("The room is closed.", "The room is open.");
    assert!(matches!(stage.run(&other, &[1, 2], &mut Office::new()), Err(CeremonyError::OtherTranscript)));
    assert!(!stage.path("pki").exists());
}

#[test]
fn an_authority_that_is_there_is_left_alone() {
    let stage = Stage::new();
    let words = Passphrase::new("another passphrase");
    let now = "2026-11-22T08:00:00Z".parse().unwrap();
    Authority::init(&stage.path("pki"), &authority::PROFILES[0], &words, now).unwrap();
    let refused = stage.run(&stage.script(CREATE), &[1, 2], &mut Office::new());
    assert!(matches!(refused, Err(CeremonyError::Exists(_))));
}

#[test]
fn no_file_is_taken_for_a_transcript_and_overwritten() {
    let stage = Stage::new();
    let script = stage.script(CREATE);
    stage.run(&script, &[1, 2], &mut Office { patience: 3, ..Office::new() }).unwrap_err();
    let signed = fs::read_to_string(stage.path("transcript.txt")).unwrap();
    let notes = "what was said at noon\n".to_owned();
    for other in [notes, signed.replace("present    ", "presemt    "), signed[..signed.len() / 2].to_owned()] {
        fs::write(stage.path("transcript.txt"), &other).unwrap();
        let refused = stage.run(&script, &[1, 2], &mut Office::new());
        assert!(matches!(refused, Err(CeremonyError::NotTranscript(_))), "{refused:?}");
        assert_eq!(fs::read_to_string(stage.path("transcript.txt")).unwrap(), other);
    }
}

#[test]
fn neither_a_planted_secret_nor_a_planted_authority_is_adopted() {
    let stage = Stage::new();
    let script = stage.script(CREATE);
    // A custody file that was there before anybody approved it.
    let file = custody::path(&stage.path("pki"));
    fs::write(&file, b"{}").unwrap();
    let refused = stage.run(&script, &[1, 2], &mut Office::new());
    assert!(matches!(refused, Err(CeremonyError::Custody(custody::CustodyError::NotApproved(_)))), "{refused:?}");
    fs::remove_file(&file).unwrap();
    // Approved, and interrupted before the result is signed.
    let mut room = Office { patience: 3, ..Office::later(1) };
    stage.run(&script, &[1, 2], &mut room).unwrap_err();
    let genuine = (fs::read(&file).unwrap(), stage.path("genuine"));
    fs::write(&file, b"{}").unwrap();
    let refused = stage.run(&script, &[1, 2], &mut Office::later(2));
    assert!(matches!(refused, Err(CeremonyError::Custody(custody::CustodyError::NotApproved(_)))), "{refused:?}");
    fs::write(&file, &genuine.0).unwrap();
    fs::rename(stage.path("pki"), &genuine.1).unwrap();
    let now = "2026-11-22T09:00:00Z".parse().unwrap();
    Authority::init(&stage.path("pki"), &authority::PROFILES[0], &Passphrase::new("the operator's"), now).unwrap();
    let refused = stage.run(&script, &[1, 2], &mut Office::later(3));
    assert!(matches!(refused, Err(CeremonyError::OtherAuthority(_))), "{refused:?}");
    fs::rename(stage.path("pki"), stage.path("planted")).unwrap();
    fs::rename(&genuine.1, stage.path("pki")).unwrap();
    stage.run(&script, &[1, 2], &mut Office::later(4)).unwrap();
}

#[test]
fn scripts_that_cannot_be_carried_out_are_refused() {
    let stage = Stage::new();
    let script = stage.script(CREATE);
    let parse = |text: &str| ceremony::Script::parse(text).unwrap_err();
    assert!(matches!(parse(&script.replace("version = 1", "version = 9")), ScriptError::Version { version: 9, .. }));
    assert!(matches!(parse(&script.replace("specimen-uto", "nowhere")), ScriptError::Profile(_)));
    assert!(matches!(parse(&script.replace("Omar Saleh", "Amina Hassan")), ScriptError::Twice(_)));
    assert!(matches!(parse(&script.replace("Omar Saleh", "Omar\\nSaleh")), ScriptError::Line(_)));
    let keys: Vec<&str> = stage.credentials.iter().map(Credential::public_key).collect();
    assert!(matches!(parse(&script.replace(keys[1], keys[0])), ScriptError::Twice(_)));
    assert!(matches!(parse(&script.replace(keys[1], "AAAA")), ScriptError::Key(_)));
    assert!(matches!(parse(&script.replace("do = \"say\"", "do = \"say\"\nextra = 1")), ScriptError::Toml(_)));
    assert!(matches!(parse(&format!("{script}extra = 1\n")), ScriptError::Toml(_)));
    assert!(matches!(parse("title"), ScriptError::Toml(_)));
}

#[test]
fn the_script_to_begin_with_can_be_carried_out() {
    let stage = Stage::new();
    let mut text = include_str!("../../demo/ceremony.toml").to_owned();
    for credential in &stage.credentials {
        text = text.replacen("\"...\"", &format!("{:?}", credential.public_key()), 1);
    }
    let script = ceremony::Script::parse(&text).unwrap();
    assert_eq!((script.threshold, script.custodians.len(), script.steps.len()), (2, 3, 2));
}
