use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use channel::scp03::KeySet;
use channel::secret::Secret;
use iso7816::{Command, Response};
use openssl::pkey::PKey;
use openssl::sign::Signer;
use perso::citizen::Citizens;
use perso::execute::{Outcome, personalize};
use perso::ledger::Ledger;
use perso::profile::Profile;
use soft_card::BlankOptions;
use soft_card::emrtd::ActiveKey;
use tracing::Level;

use crate::bench::*;
use crate::citizen::{Letters, QuickCa};

/// A small profile with every key that a card can have.
const WHOLE: &str = "extends = \"specimen-uto-eid\"\nname = \"whole\"\n[lds]\n\
    data_groups = [1, 2, 11, 12, 13, 14, 15]\n[access]\nchip_authentication_mapping = true\n\
    [active_authentication]\nkey = \"P-256\"\n[portrait]\nwidth = 100\nheight = 128\nmax_bytes = 3000\n";

thread_local! {
    /// What this thread traced.
    static TRACED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        TRACED.with_borrow_mut(|traced| traced.extend(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Every way in which a secret could stand in something written.
fn writings(secret: &[u8]) -> Vec<Vec<u8>> {
    let lower = hex::encode(secret);
    let spaced: Vec<String> = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal: Vec<String> = secret.iter().map(ToString::to_string).collect();
    let mut all = vec![
        lower.clone().into_bytes(),
        lower.to_uppercase().into_bytes(),
        spaced.join(" ").into_bytes(),
        spaced.join(":").to_uppercase().into_bytes(),
        decimal.join(", ").into_bytes(),
        STANDARD.encode(secret).into_bytes(),
    ];
    // Base64 at the other two alignments: what does not depend on the neighbours.
    for shift in 1..3 {
        let shifted = [vec![0; shift], secret.to_vec()].concat();
        let text = STANDARD_NO_PAD.encode(shifted);
        all.push(text.as_bytes()[4..text.len() - 2].to_vec());
    }
    all
}

fn holds(written: &[u8], piece: &[u8]) -> bool {
    written.windows(piece.len()).any(|window| window == piece)
}

/// True when the digits stand in the text by themselves: a digest may hold any six digits by chance.
fn holds_number(written: &[u8], digits: &[u8]) -> bool {
    let count = digits.len();
    (0..written.len().saturating_sub(count - 1)).any(|at| {
        let alone =
            |index: Option<usize>| index.and_then(|i| written.get(i)).is_none_or(|b| !b.is_ascii_alphanumeric());
        written[at..at + count] == *digits && alone(at.checked_sub(1)) && alone(Some(at + count))
    })
}

/// The key derivation of Amendment D §4.1.5: blocks of CMAC over label, length in bits, counter and both challenges.
fn derive(key: &[u8], constant: u8, bits: u16, context: &[u8]) -> Vec<u8> {
    let cipher = match key.len() {
        16 => openssl::symm::Cipher::aes_128_cbc(),
        _ => openssl::symm::Cipher::aes_256_cbc(),
    };
    let cmac = PKey::cmac(&cipher, key).unwrap();
    let block = |counter: u8| {
        let input = [&[0; 11][..], &[constant, 0x00], &bits.to_be_bytes(), &[counter], context].concat();
        Signer::new_without_digest(&cmac).unwrap().sign_oneshot_to_vec(&input).unwrap()
    };
    (1..=bits.div_ceil(128) as u8).flat_map(block).collect()
}

/// The session keys of every SCP03 session in the trace, derived as Amendment D §4.1.5 says, by the version of the static keys.
fn session_keys(trace: &str, keys: &BTreeMap<u8, &KeySet>) -> Vec<Vec<u8>> {
    let lines: Vec<Vec<u8>> = trace.lines().map(|line| hex::decode(line).unwrap()).collect();
    let mut found = Vec::new();
    for pair in lines.windows(2).filter(|pair| pair[0].starts_with(&[0x80, 0x50])) {
        let host = Command::parse(&pair[0]).unwrap().data;
        let answer = Response::parse(&pair[1]).unwrap().data;
        let context = [&host[..], &answer[13..21]].concat();
        let keys = keys[&answer[10]];
        let bits = keys.enc.expose().len() as u16 * 8;
        for (constant, key) in [(0x04, &keys.enc), (0x06, &keys.mac), (0x07, &keys.mac)] {
            found.push(derive(key.expose(), constant, bits, &context));
        }
        // These are the keys of the session: the card's cryptogram comes from the second.
        let mac = &found[found.len() - 2];
        assert_eq!(derive(mac, 0x00, 0x40, &context)[..8], answer[21..29]);
    }
    found
}

#[test]
fn nothing_written_holds_a_secret() {
    let key = |first: u8| Secret::new((0..16).map(|i| first.wrapping_mul(17).wrapping_add(i * 13)).collect());
    let keys = KeySet { enc: key(3), mac: key(5), dek: key(7) };
    let options = BlankOptions { serial: Some([0x5A; 6]), keys: keys.clone(), eid: true, ..BlankOptions::default() };
    let slot = Slot::with(options);
    let issuer = issuer_keys();
    let profile = Profile::parse("whole", WHOLE).unwrap();
    let (mut ca, mut letters) = (QuickCa::new(), Letters::default());
    let order = &centre().orders[0];
    let face = face(order, &profile);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let mut ledger = Ledger::open(&path).unwrap();

    // The process's own subscriber: one of this thread alone loses whatever another test reaches first.
    tracing_subscriber::fmt().with_max_level(Level::TRACE).with_writer(|| Sink).init();
    tracing::callsite::rebuild_interest_cache();
    let change = Some(rotation(&issuer));
    let citizens = Some(Citizens { ca: &mut ca, letters: &mut letters });
    let outcome = with_whole_line(&slot, &profile, &mut ledger, &keys, change, citizens, |line| {
        personalize(line, job(order, &face))
    });
    let finished = match outcome.unwrap() {
        Outcome::Finished(finished) => finished,
        Outcome::Rejected(rejected) => panic!("{}", rejected.reason),
    };

    // Everything that was written, and everything that a program could print of what it holds.
    let trace = slot.trace.borrow().clone();
    let mut written = TRACED.take();
    assert!(holds(&written, b"personalization begins") && holds(&written, b"ledger"), "the trace is empty");
    written.extend(std::fs::read(&path).unwrap());
    written.extend(trace.as_bytes());
    written.extend(trace.lines().flat_map(|line| hex::decode(line).unwrap()));
    let plan = finished.plan.plan();
    // A printed plan shows the MRZ; nothing else does.
    for line in plan.mrz.lines() {
        assert!(!holds(&written, line.as_bytes()), "a line of the MRZ was written");
        assert!(!holds(format!("{:?}", finished.plan).as_bytes(), line.as_bytes()), "Debug shows the MRZ");
    }
    let report = finished.document.approved().report().unwrap();
    written.extend(format!("{plan}{plan:?}{:?}{keys:?}{order:?}{profile:?}{face:?}", finished.plan).into_bytes());
    written.extend(format!("{report:?}").into_bytes());
    written.extend(serde_json::to_vec(report).unwrap());

    let state = slot.card.borrow().state().clone();
    let chip_key = state.emrtd.chip_key.unwrap().private;
    let mapping_key = state.emrtd.mapping_key.unwrap().private;
    let Some(ActiveKey::Ec { private: active_key, .. }) = state.emrtd.active_key else { panic!("no active key") };
    let number = order.card_access_number.as_ref().unwrap().expose().as_bytes();
    let information = plan.mrz.information();
    let sessions = session_keys(&trace, &[(0x30, &keys), (ISSUER_VERSION, &issuer)].into());
    assert_eq!(sessions.len(), 27, "nine sessions with three keys each");
    let versions: Vec<u8> = slot.card.borrow().state().issuer_domain.keys.keys().copied().collect();
    assert_eq!(versions, [ISSUER_VERSION]);
    let mut secrets: Vec<(&str, Vec<u8>)> = vec![
        ("Key-ENC", keys.enc.expose().to_vec()),
        ("Key-MAC", keys.mac.expose().to_vec()),
        ("Key-DEK", keys.dek.expose().to_vec()),
        ("the issuer's Key-ENC", issuer.enc.expose().to_vec()),
        ("the issuer's Key-MAC", issuer.mac.expose().to_vec()),
        ("the issuer's Key-DEK", issuer.dek.expose().to_vec()),
        ("chip key", chip_key.expose().to_vec()),
        ("mapping key", mapping_key.expose().to_vec()),
        ("active key", active_key.expose().to_vec()),
        ("MRZ_information", information.into_bytes()),
    ];
    secrets.extend(sessions.into_iter().map(|key| ("session key", key)));
    let (pin, puk) = &letters.0[&order.document_number];
    for (name, code) in [("transport PIN", pin), ("PUK", puk)] {
        assert!(!holds_number(&written, code.expose()), "the {name} was written");
        assert!(!holds(&written, hex::encode(code.expose()).as_bytes()), "the {name} was written in hexadecimal");
        assert!(!holds(&written, STANDARD.encode(code.expose()).as_bytes()), "the {name} was written in base64");
    }
    for (name, secret) in &secrets {
        assert!(!holds(&written, secret), "{name} was written as it is");
        for writing in writings(secret) {
            assert!(!holds(&written, &writing), "{name} was written as {}", String::from_utf8_lossy(&writing));
        }
    }
    assert!(!holds_number(&written, number), "the access number was written");
    assert!(!holds(&written, hex::encode(number).as_bytes()), "the access number was written in hexadecimal");
    assert!(!holds(&written, STANDARD.encode(number).as_bytes()), "the access number was written in base64");
}
