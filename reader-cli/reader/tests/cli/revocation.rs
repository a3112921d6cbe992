//! `citizen --crl`: citizens' cards that are good, exit code 0, and those whose lists say otherwise, or nothing.

use eid::keys::KeyReference;
use iso7816::tlv::{Tag, Writer, encode};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use openssl::hash::MessageDigest;
use openssl::sign::Signer;
use serde_json::Value;
use soft_card::State;
use trust::der::{BIT_STRING, INTEGER, OCTET_STRING, OID, SEQUENCE, context_constructed, oid};

use crate::cards::Post;
use crate::citizen::{Ca, ca, json, key};
use crate::issuer::CAN;
use crate::possession::{PIN, card};

const ENUMERATED: Tag = Tag(0x0A);
const REASON: &[u8] = &[0x55, 0x1D, 0x15];
const NUMBER: &[u8] = &[0x55, 0x1D, 0x14];
const PART: &[u8] = &[0x55, 0x1D, 0x1C];
/// Every certificate of these tests has this one.
const SERIAL: u8 = 7;

/// A revocation list.
#[derive(Clone, Copy)]
struct List {
    /// Days before now when it was made; the next one is due ten days later.
    age: i64,
    /// Whether the certificate is on it, and the code of the reason.
    revoked: Option<u8>,
    /// Whether it is about a part of the certificates.
    part: bool,
}

const FRESH: List = List { age: 1, revoked: None, part: false };

impl List {
    fn sign(self, by: &Ca) -> Vec<u8> {
        let time = |days: i64| {
            let moment = Timestamp::now() - SignedDuration::from_hours(24 * days);
            encode(Tag(0x17), moment.to_zoned(TimeZone::UTC).strftime("%y%m%d%H%M%SZ").to_string())
        };
        let extension = |id: &[u8], critical: bool, value: &[u8]| {
            let critical = if critical { encode(Tag(0x01), [0xFF]) } else { Vec::new() };
            encode(SEQUENCE, [encode(OID, id), critical, encode(OCTET_STRING, value)].concat())
        };
        let algorithm = encode(SEQUENCE, encode(OID, oid::ECDSA_SHA256));
        let mut content = Writer::new();
        content.put(INTEGER, [1]).raw(&algorithm).raw(by.certificate.subject_name().to_der().unwrap());
        content.raw(time(self.age)).raw(time(self.age - 10));
        if let Some(reason) = self.revoked {
            let reason = encode(SEQUENCE, extension(REASON, false, &encode(ENUMERATED, [reason])));
            let entry = [encode(INTEGER, [SERIAL]), time(self.age + 1), reason].concat();
            content.put(SEQUENCE, encode(SEQUENCE, entry));
        }
        let number = extension(NUMBER, false, &encode(INTEGER, [100 - self.age as u8]));
        let point =
            encode(context_constructed(0), encode(context_constructed(0), encode(Tag(0x86), "http://1.example")));
        let part = if self.part { extension(PART, true, &encode(SEQUENCE, point)) } else { Vec::new() };
        content.put(context_constructed(0), encode(SEQUENCE, [number, part].concat()));
        let content = encode(SEQUENCE, content.finish());
        let mut signer = Signer::new(MessageDigest::sha256(), &by.key).unwrap();
        let signature = signer.sign_oneshot_to_vec(&content).unwrap();
        encode(SEQUENCE, [content, algorithm, encode(BIT_STRING, [&[0], &signature[..]].concat())].concat())
    }
}

/// A post with a citizen CA, and a card that has its keys.
struct Place {
    post: Post,
    ca: Ca,
    state: State,
    args: Vec<String>,
}

impl Place {
    fn new() -> Self {
        let (post, ca) = (Post::new(), ca("Citizen CA"));
        std::fs::write(post.path("ca.pem"), ca.certificate.to_pem().unwrap()).unwrap();
        std::fs::write(post.path("pin"), PIN).unwrap();
        let (first, second) = (key(), key());
        let keys = [(KeyReference::Authentication, &first, &first), (KeyReference::Signature, &second, &second)];
        let state = card(&post, &ca, &keys);
        let (trust, pem, pin) = (post.path("trust"), post.path("ca.pem"), post.path("pin"));
        let args = ["citizen", "--trust", &trust, "--citizen-ca", &pem, "--pin-file", &pin, "--can", CAN];
        let args = args.map(str::to_owned).to_vec();
        Place { post, ca, state, args }
    }

    fn ask(&self, name: &str, more: &[&str]) -> std::process::Output {
        let socket = self.post.insert(name, self.state.clone());
        let args: Vec<&str> = self.args.iter().map(String::as_str).chain(["--socket", &socket]).collect();
        self.post.run(&[&args[..], more].concat())
    }

    /// Options that name these lists.
    fn lists(&self, name: &str, lists: &[Vec<u8>]) -> Vec<String> {
        let named = |(number, list): (usize, &Vec<u8>)| {
            let path = self.post.path(&format!("{name}-{number}.crl"));
            std::fs::write(&path, list).unwrap();
            ["--crl".to_owned(), path]
        };
        lists.iter().enumerate().flat_map(named).collect()
    }
}

#[test]
fn a_card_is_good_until_a_list_says_otherwise() {
    let place = Place::new();
    let (mine, namesake) = (&place.ca, &ca("Citizen CA"));
    let by = |list: List| list.sign(mine);
    let old = |reason| by(List { age: 8, revoked: Some(reason), ..FRESH });
    let stale = |revoked| by(List { age: 30, revoked, ..FRESH });
    let now = |reason| by(List { revoked: Some(reason), ..FRESH });
    for (name, lists, exit, judgement, words) in [
        ("good", vec![by(FRESH)], 0, "good", "not revoked; list of "),
        ("none", vec![], 11, "certificates-good", "no revocation list was given"),
        ("revoked", vec![now(1)], 13, "revoked", "(key compromise)"),
        ("revoked-before", vec![by(FRESH), old(5)], 13, "revoked", "(cessation of operation)"),
        ("revoked-long-ago", vec![stale(Some(4))], 13, "revoked", "(superseded)"),
        ("on-hold", vec![now(6)], 13, "revoked", "(on hold)"),
        ("held-no-more", vec![old(6), by(FRESH)], 0, "good", "not revoked"),
        ("stale", vec![stale(None)], 11, "certificates-good", "out of date since "),
        ("namesake", vec![FRESH.sign(namesake)], 11, "certificates-good", "not signed by the key that signed it"),
        (
            "accused-by-a-namesake",
            vec![List { revoked: Some(1), ..FRESH }.sign(namesake), by(FRESH)],
            0,
            "good",
            "not revoked",
        ),
        ("another-part", vec![by(List { part: true, ..FRESH })], 11, "certificates-good", "about this certificate"),
    ] {
        let options = place.lists(name, &lists);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let output = place.ask(name, &[&options[..], &["--json"]].concat());
        let report = json(&output);
        assert_eq!((output.status.code(), &report["judgement"]), (Some(exit), &judgement.into()), "{name}: {report:#}");
        let reason = report["certificates"][0]["revocation"]["reason"].as_str().unwrap();
        assert!(reason.contains(words), "{name}: {reason}");
        let open = report["not_judged"].as_array().unwrap();
        let wanted: &[Value] = if exit == 11 { &["revocation".into()] } else { &[] };
        assert_eq!(open, wanted, "{name}: {report:#}");
    }
    // People see the same.
    let text = |name: &str, lists: &[Vec<u8>]| {
        let options = place.lists(name, lists);
        let output = place.ask(name, &options.iter().map(String::as_str).collect::<Vec<_>>());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let good = text("good-words", &[by(FRESH)]);
    assert!(good.contains("\nGOOD\n") && !good.contains("not judged:") && good.contains("revoked   no: "), "{good}");
    let revoked = text("revoked-words", &[now(1)]);
    assert!(revoked.contains("\nREVOKED\n") && revoked.contains("revoked   YES: revoked since "), "{revoked}");
}

#[test]
fn lists_are_taken_from_the_trust_store_where_none_is_named() {
    let place = Place::new();
    let folder = place.post.path("trust/citizen-crl");
    std::fs::create_dir_all(&folder).unwrap();
    let pem = openssl::x509::X509Crl::from_der(&FRESH.sign(&place.ca)).unwrap().to_pem().unwrap();
    std::fs::write(format!("{folder}/one.pem"), pem).unwrap();
    let output = place.ask("store", &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    std::fs::write(format!("{folder}/two.crl"), List { revoked: Some(0), ..FRESH }.sign(&place.ca)).unwrap();
    let output = place.ask("revoked", &[]);
    assert_eq!(output.status.code(), Some(13), "{output:?}");
    // What is no list is not passed over in silence.
    std::fs::write(format!("{folder}/three.crl"), b"nothing").unwrap();
    let output = place.ask("garbage", &[]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(40) && text.contains("That is no revocation list"), "{text}");
    let output = place.ask("missing", &["--crl", &place.post.path("nowhere.crl")]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
