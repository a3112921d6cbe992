//! Cards behind a socket: verdicts, exit codes, files.

mod faults;
mod outputs;
mod personas;
pub mod table;
mod terminal;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;
use std::thread;

use assert_cmd::Command;
use authority::BundleRequest;
use authority::defect_list::SeriesDefect;
use channel::hash::Hash;
use channel::suite::Curve;
use jiff::{SignedDuration, Timestamp};
use lds::dg::dg07::{Dg7, DisplayedImage};
use lds::dg::dg16::{Dg16, Person};
use lds::mrz::{Td2, Td3};
use serde_json::Value;
use soft_card::emrtd::ActiveKey;
use soft_card::{SoftCard, State, emrtd, forge, jmrtd, socket};
use tempfile::TempDir;

use crate::issuer::{Active, CAN, Document, Issuer, signature};

/// An authority, an installed trust store, and the socket of one card.
pub struct Post {
    pub issuer: Issuer,
    pub document: Document,
    directory: TempDir,
    pub start: Timestamp,
}

impl Post {
    pub fn new() -> Self {
        let start = Timestamp::now() - SignedDuration::from_hours(24 * 20);
        let mut issuer = Issuer::starting("specimen-uto", start);
        let directory = tempfile::tempdir().unwrap();
        let bundle = issuer.bundle(vec![]);
        fs::write(directory.path().join("bundle.json"), &bundle.bytes).unwrap();
        let post = Post { issuer, document: Document::issued_after(start), directory, start };
        let pin = bundle.pin.to_string();
        let installed =
            post.run(&["trust", "install", &post.path("bundle.json"), "--pin", &pin, "--trust", &post.path("trust")]);
        assert!(installed.status.success(), "{installed:?}");
        post
    }

    pub fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    /// Puts a card with this memory behind a socket of its own.
    pub fn insert(&self, name: &str, state: State) -> String {
        let path = PathBuf::from(self.path(name));
        let listener = socket::listen(&path).unwrap();
        thread::spawn(move || socket::serve_all(&mut SoftCard::from_state(&state), &listener, |_| ()));
        path.to_str().unwrap().to_owned()
    }

    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::cargo_bin("bitaqa-reader").unwrap();
        command.args(args).env_remove("BITAQA_TRUST").output().unwrap()
    }

    fn verify(&self, state: State, more: &[&str]) -> (i32, Value) {
        let socket = self.insert(&format!("card{}", fs::read_dir(self.directory.path()).unwrap().count()), state);
        let trust = self.path("trust");
        let mut args = vec!["verify", "--socket", &socket, "--trust", &trust, "--json"];
        args.extend(more);
        if !more.iter().any(|arg| arg.starts_with("--can") || arg.starts_with("--mrz")) {
            args.extend(["--can", CAN]);
        }
        let output = self.run(&args);
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(stdout.lines().count(), 1, "{stdout}{}", String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), serde_json::from_str(&stdout).unwrap())
    }

    fn state(&self) -> State {
        self.issuer.state(&self.document)
    }
}

fn result<'a>(report: &'a Value, id: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["id"] == id).unwrap()["result"].as_str().unwrap()
}

#[test]
fn a_genuine_card() {
    let post = Post::new();
    let (code, report) = post.verify(post.state(), &[]);
    assert_eq!((code, report["verdict"].as_str()), (0, Some("GENUINE_VALID")), "{report:#}");
    assert_eq!(report["version"], 1);
    assert_eq!(report["holder"]["document_number"], "ZZ0000017");
    assert_eq!(report["trust_bundle_version"], 1);
    assert!(report["access_protocol"].as_str().unwrap().starts_with("PACE with the CAN"));
    for check in report["checks"].as_array().unwrap() {
        assert!(check["id"].is_string() && check["reason"].is_string(), "{check}");
        let word = check["result"].as_str().unwrap();
        assert!(["successful", "not supported"].contains(&word), "{check}");
    }
}

#[test]
fn the_three_forgeries_have_their_own_exit_codes() {
    let post = Post::new();
    let altered = forge::alter_data_group(&post.state(), 1).unwrap();
    let (code, report) = post.verify(altered, &[]);
    assert_eq!((code, report["verdict"].as_str()), (10, Some("NOT_GENUINE")));
    assert_eq!(result(&report, "dg1-integrity"), "failed");

    let (code, report) = post.verify(forge::new_chip_key(&post.state()).unwrap(), &[]);
    assert_eq!((code, report["verdict"].as_str()), (15, Some("CLONE_SUSPECT")));

    let stranger = Issuer::starting("specimen-uto", Timestamp::now() - SignedDuration::from_hours(24 * 20));
    let (code, report) = post.verify(stranger.state(&post.document), &[]);
    assert_eq!((code, report["verdict"].as_str()), (16, Some("UNTRUSTED_ISSUER")));
    assert_eq!(report["holder"]["authentic"], false);
}

/// Documents whose chip proves itself in other ways than Chip Authentication.
#[test]
fn every_kind_of_chip_is_judged_by_the_proof_it_has() {
    let post = Post::new();
    let without =
        |active_authentication| Document { chip_authentication: false, active_authentication, ..post.document.clone() };
    let mapped = Document { chip_authentication: false, ..faults::with_mapping(&post.document) };
    for (document, check) in [
        (without(Active::Rsa { bits: 1024 }), "active-authentication"),
        (without(Active::Rsa { bits: 2048 }), "active-authentication"),
        (without(Active::Ecdsa(Curve::P256, Hash::Sha256)), "active-authentication"),
        (mapped, "pace-cam"),
    ] {
        let state = post.issuer.state(&document);
        let (code, report) = post.verify(state.clone(), &[]);
        assert_eq!((code, report["verdict"].as_str()), (0, Some("GENUINE_VALID")), "{check}: {report:#}");
        assert_eq!((result(&report, check), result(&report, "chip-authenticity")), ("successful", "successful"));
        assert_eq!(result(&report, "chip-authentication"), "not supported");
        let (code, report) = post.verify(forge::new_chip_key(&state).unwrap(), &[]);
        assert_eq!((code, report["verdict"].as_str()), (15, Some("CLONE_SUSPECT")), "{check}: {report:#}");
        assert_eq!(result(&report, check), "failed");
    }
}

#[test]
fn a_wrong_number_leaves_the_chip_closed() {
    let post = Post::new();
    let page = post.path("wrong-number.html");
    let (code, report) = post.verify(post.state(), &["--can", "654321", "--report", &page]);
    assert_eq!((code, report["verdict"].as_str()), (11, Some("UNREADABLE")));
    assert_eq!(result(&report, "access-protocol"), "failed");
    assert!(report["holder"].is_null() && report["access_protocol"].is_null());
    // Nothing was read, so nothing is said of what the document has.
    assert_eq!(result(&report, "terminal-authentication"), "aborted");
    let attempts = report["access_attempts"].as_array().unwrap();
    assert_eq!((attempts.len(), &attempts[0]["rung"], &attempts[0]["password"]), (1, &"pace".into(), &"CAN".into()));
    assert!(attempts[0]["error"].is_string() && attempts[0]["suite"].as_str().unwrap().starts_with("generic mapping"));
    // The page has them too, and nothing of them where all went well.
    let row = "<h2>Attempts</h2>\n<table>\n<tr><td>pace</td><td><bdi>PACE";
    assert!(fs::read_to_string(&page).unwrap().contains(row));
    assert_eq!(post.verify(post.state(), &["--report", &page]).0, 0);
    assert!(!fs::read_to_string(&page).unwrap().contains("Attempts"));
}

#[test]
fn mother_and_her_father_are_no_other_names_of_the_holder() {
    let post = Post::new();
    let mut document = post.document.clone();
    document.personal.other_names.push("زەینەب عەلی".into());
    let (socket, page) = (post.insert("mother", post.issuer.state(&document)), post.path("mother.html"));
    let verify = ["verify", "--socket", &socket, "--trust", &post.path("trust"), "--can", CAN, "--report", &page];
    let json: Value = serde_json::from_slice(&post.run(&[&verify[..], &["--json"]].concat()).stdout).unwrap();
    assert_eq!(json["holder"]["mother"], "فاطمة محمد");
    assert_eq!(json["holder"]["other_names"], serde_json::json!(["زەینەب عەلی"]));
    let text = String::from_utf8(post.run(&verify).stdout).unwrap();
    assert!(text.contains("Mother and her father   \u{2068}فاطمة محمد\u{2069}"), "{text}");
    assert!(text.contains("Other names             \u{2068}زەینەب عەلی\u{2069}"), "{text}");
    let page = fs::read_to_string(page).unwrap();
    for words in ["<th scope=\"row\">Mother and her father</th>", "اسم الأم وأبيها", "ناوی دایک و باوکی دایک"]
    {
        assert!(page.contains(words), "{words}");
    }
}

/// The same document on a bought chip with the passport applet of the JMRTD project.
fn on_a_jmrtd_applet(state: State) -> State {
    let emrtd::Memory { files, mrz_information, active_key, .. } = state.emrtd;
    let sizes = files.iter().map(|(id, bytes)| (*id, bytes.len() as i16)).collect();
    let mut memory = jmrtd::Memory { locked: true, files, sizes, mrz_information, ..Default::default() };
    if let Some(ActiveKey::Rsa { private }) = active_key {
        let key = openssl::rsa::Rsa::private_key_from_der(private.expose()).unwrap();
        memory.modulus = Some(key.n().to_vec());
        memory.private_exponent = Some(key.d().to_vec().as_slice().into());
    }
    State { emrtd: emrtd::Memory::empty(), jmrtd: Some(memory), ..state }
}

#[test]
fn a_jmrtd_applet_is_read_by_bac_where_that_is_allowed_and_judged_by_its_proof() {
    let post = Post::new();
    let document = |active_authentication| Document {
        pace: Vec::new(),
        chip_authentication: false,
        active_authentication,
        ..post.document.clone()
    };
    let state = |active| on_a_jmrtd_applet(post.issuer.state(&document(active)));
    let mrz = post.document.mrz().to_string();
    let by_bac = ["--mrz", &mrz, "--bac", "allowed"];
    let proved = state(Active::Rsa { bits: 1024 });
    let (code, report) = post.verify(proved.clone(), &by_bac);
    assert_eq!((code, report["verdict"].as_str()), (0, Some("GENUINE_VALID")), "{report:#}");
    assert!(report["access_protocol"].as_str().unwrap().starts_with("BAC"), "{}", report["access_protocol"]);
    assert_eq!(result(&report, "active-authentication"), "successful");

    let (code, report) = post.verify(proved.clone(), &["--mrz", &mrz]);
    assert_eq!((code, report["verdict"].as_str()), (11, Some("UNREADABLE")), "{report:#}");
    let access = report["checks"].as_array().unwrap().iter().find(|check| check["id"] == "access-protocol").unwrap();
    assert!(access["remedy"].as_str().unwrap().contains("--bac allowed"), "{access}");
    // A copy with a key of its own; a card that never had one.
    let mut copy = proved;
    copy.jmrtd.as_mut().unwrap().modulus = state(Active::Rsa { bits: 1024 }).jmrtd.unwrap().modulus;
    let (code, report) = post.verify(copy, &by_bac);
    assert_eq!((code, report["verdict"].as_str()), (15, Some("CLONE_SUSPECT")), "{report:#}");
    let (code, report) = post.verify(state(Active::No), &by_bac);
    assert_eq!((code, report["verdict"].as_str()), (11, Some("UNREADABLE")), "{report:#}");
    assert_eq!(result(&report, "chip-authenticity"), "not supported");
}

/// No other MRZ helps there.
#[test]
fn a_chip_that_refuses_before_the_mrz_matters_may_have_no_document() {
    let post = Post::new();
    let mrz = post.document.mrz().to_string();
    let by_bac = ["--mrz", &mrz, "--bac", "allowed"];
    let empty = State { emrtd: emrtd::Memory::empty(), ..post.state() };
    let blank = State { jmrtd: Some(jmrtd::Memory::default()), ..empty.clone() };
    for (name, state) in [("own", empty), ("jmrtd", blank)] {
        let (code, report) = post.verify(state, &by_bac);
        assert_eq!((code, report["verdict"].as_str()), (11, Some("UNREADABLE")), "{name}: {report:#}");
        let access =
            report["checks"].as_array().unwrap().iter().find(|check| check["id"] == "access-protocol").unwrap();
        let reason = access["reason"].as_str().unwrap();
        assert!(reason.contains("there may be no document in the chip"), "{name}: {access}");
        let remedy = access["remedy"].as_str().unwrap();
        assert!(remedy.contains("a personalized card") && !remedy.contains("Compare"), "{name}: {access}");
    }
    // With a document in it, another card's MRZ is what is wrong.
    let state = post.issuer.state(&Document { pace: Vec::new(), ..post.document.clone() });
    let (_, report) = post.verify(state, &["--mrz", "ZZ0000018,990101,350101", "--bac", "allowed"]);
    let access = report["checks"].as_array().unwrap().iter().find(|check| check["id"] == "access-protocol").unwrap();
    assert!(access["remedy"].as_str().unwrap().starts_with("Compare"), "{access}");
}

#[test]
fn the_mrz_opens_the_chip_from_argument_file_and_standard_input() {
    let post = Post::new();
    let mrz = post.document.mrz().to_string();
    let (code, report) = post.verify(post.state(), &["--mrz", &mrz]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(result(&report, "printed-mrz"), "successful");

    let file = post.path("mrz.txt");
    fs::write(&file, &mrz).unwrap();
    assert_eq!(post.verify(post.state(), &["--mrz-file", &file]).0, 0);

    let socket = post.insert("stdin", post.state());
    let mut command = Command::cargo_bin("bitaqa-reader").unwrap();
    let args = ["verify", "--socket", &socket, "--trust", &post.path("trust"), "--json", "--can-file", "-"];
    command.args(args).write_stdin(format!("{CAN}\n")).assert().success();
}

/// Documents of the other two sizes, opened with the zone as it is printed, over PACE and over BAC.
#[test]
fn a_passport_and_a_td2_are_opened_with_their_zone() {
    let post = Post::new();
    let td1 = &post.document.td1;
    let passport = Td3 {
        document_code: "P".into(),
        issuing_state: "UTO".into(),
        name: "ERIKSSON<<ANNA<MARIA".into(),
        document_number: "ZZ8902C36".into(),
        nationality: "UTO".into(),
        birth: td1.birth,
        sex: td1.sex,
        expiry: td1.expiry,
        personal_number: "199900000011".into(),
    };
    let td2 = Td2 {
        document_code: "I".into(),
        issuing_state: "UTO".into(),
        name: "ERIKSSON<<ANNA<MARIA".into(),
        // Three characters run over into the optional data.
        document_number: "ZZ0000017XYZ".into(),
        nationality: "UTO".into(),
        birth: td1.birth,
        sex: td1.sex,
        expiry: td1.expiry,
        optional: String::new(),
    };
    for (format, zone, verdict, number) in [
        // The signer is one of identity cards only: it may not sign a passport, and that is seen.
        ("TD3", passport.to_mrz().unwrap(), "UNTRUSTED_ISSUER", "ZZ8902C36"),
        ("TD2", td2.to_mrz().unwrap(), "GENUINE_VALID", "ZZ0000017XYZ"),
    ] {
        let printed = zone.to_string();
        for (pace, protocol) in [(post.document.pace.clone(), "PACE with the MRZ"), (Vec::new(), "BAC")] {
            let document = Document { zone: Some(zone.clone()), pace, ..post.document.clone() };
            let (_, report) = post.verify(post.issuer.state(&document), &["--mrz", &printed, "--bac", "allowed"]);
            let access = report["access_protocol"].as_str().unwrap();
            assert!(access.starts_with(protocol), "{format}: {access}");
            assert_eq!(report["verdict"], verdict, "{format} {report:#}");
            for id in ["dg1-integrity", "printed-mrz", "mrz-check-digits", "sod-signature"] {
                assert_eq!(result(&report, id), "successful", "{format} {id}");
            }
            // A chip proves nothing by a key that nobody who may has signed.
            let trusted = verdict == "GENUINE_VALID";
            let proved = if trusted { "successful" } else { "undetermined" };
            let allowed = if trusted { "successful" } else { "failed" };
            assert_eq!(
                (result(&report, "chip-authentication"), result(&report, "ds-document-type")),
                (proved, allowed)
            );
            let holder = &report["holder"];
            assert_eq!((&holder["mrz_format"], &holder["document_number"]), (&format.into(), &number.into()));
            assert_eq!(holder["mrz_primary"], "ERIKSSON");
        }
        // Number and dates alone make the same key.
        let fields = format!("{number},{},{}", td1.birth.as_str(), td1.expiry.as_str());
        let document = Document { zone: Some(zone.clone()), ..post.document.clone() };
        let (_, report) = post.verify(post.issuer.state(&document), &["--mrz", &fields]);
        assert_eq!(
            (&report["verdict"], result(&report, "printed-mrz")),
            (&verdict.into(), "not supported"),
            "{format}"
        );
    }
}

#[test]
fn pictures_and_persons_of_other_states_are_shown_and_written() {
    let post = Post::new();
    let person =
        Person { name: Some("ERIKSSON<<LARS".into()), telephone: Some("46855512345".into()), ..Person::default() };
    let extra = BTreeMap::from([
        (7, Dg7::new(DisplayedImage::new(signature()).unwrap()).to_bytes()),
        (16, Dg16::new(vec![person]).unwrap().to_bytes()),
    ]);
    let state = post.issuer.state(&Document { extra, ..post.document.clone() });
    let page = post.path("report.html");
    let (code, report) = post.verify(state.clone(), &["--report", &page]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(
        report["displayed"],
        serde_json::json!([
            { "data_group": 7, "media_type": "image/jpeg", "width": 60, "height": 20 }
        ])
    );
    assert_eq!(report["holder"]["persons_to_notify"][0]["name"], "LARS ERIKSSON");
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("<figcaption>Signature or usual mark") && html.contains("LARS ERIKSSON, 46855512345"));

    let socket = post.insert("pictures", state);
    let text = post.run(&["verify", "--socket", &socket, "--trust", &post.path("trust"), "--can", CAN]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("jpeg, 60x20 pixels") && text.contains("LARS ERIKSSON"), "{text}");
    let out = post.path("out");
    let output = post.run(&["read", "--socket", &socket, "--can", CAN, "--out", &out]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read(format!("{out}/signature.jpg")).unwrap(), signature());
}

#[test]
fn files_on_disk_are_shown_field_by_field() {
    let post = Post::new();
    let socket = post.insert("shown", post.state());
    let out = post.path("shown-files");
    let read = post.run(&["read", "--socket", &socket, "--can", CAN, "--out", &out]);
    assert_eq!(read.status.code(), Some(0), "{}", String::from_utf8_lossy(&read.stderr));
    for (name, words) in [
        ("COM", "data groups             1, 2, 11, 12, 13, 14"),
        ("SOD", "hash                    SHA-256"),
        ("DG1", "document number         ZZ0000017"),
        ("DG2", "Iso19794, Jpeg, 240x320 pixels"),
        ("DG11", "زينب"),
        ("DG12", "issuing authority"),
        ("DG13", "BloodGroup: O+"),
        ("DG14", "Chip Authentication version 1: ECDH, AES-128"),
        ("CardAccess", "PACE version 2: "),
    ] {
        let shown = post.run(&["show", &format!("{out}/EF_{name}.bin")]);
        let text = String::from_utf8(shown.stdout).unwrap();
        assert_eq!(shown.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&shown.stderr));
        assert!(text.contains(words) && text.contains("not judged") && !text.contains("never to be shown"), "{text}");
    }
    let json = post.run(&["show", "--json", "--as", "dg1", &format!("{out}/EF_DG1.bin")]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&json["name"], &json["judged"], &json["fields"][0]["value"]),
        (&"EF.DG1".into(), &false.into(), &"TD1".into())
    );
    for (kind, words) in [("EF.DG2", "data group"), ("nothing", "no file is called")] {
        let refused = post.run(&["show", "--json", "--as", kind, &format!("{out}/EF_DG1.bin")]);
        let told: Value = serde_json::from_slice(&refused.stdout).unwrap();
        assert_eq!(refused.status.code(), Some(2));
        assert!(told["error"]["why"].as_str().unwrap().contains(words), "{told}");
    }
}

#[test]
fn evidence_is_judged_again_offline() {
    let post = Post::new();
    let (evidence, page) = (post.path("evidence.json"), post.path("report.html"));
    let (code, live) = post.verify(post.state(), &["--save-evidence", &evidence, "--report", &page]);
    assert_eq!(code, 0);
    let mode = fs::metadata(&evidence).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let trust = post.path("trust");
    let again = post.run(&["verify", "--evidence", &evidence, "--trust", &trust, "--json"]);
    let offline: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(offline["checks"], live["checks"]);
    assert_eq!(offline["holder"], live["holder"]);

    let later =
        post.run(&["verify", "--evidence", &evidence, "--trust", &trust, "--json", "--at", "2099-01-01T00:00:00Z"]);
    assert_eq!(later.status.code(), Some(12), "{}", String::from_utf8_lossy(&later.stdout));

    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("GENUINE_VALID") && html.contains("<bdi>زينب علي حسين التجريبي</bdi>"));
    assert!(html.contains("data:image/jpeg;base64,"));
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("<script"));
}

/// From what the State exports to the verdict at the post.
#[test]
fn a_defect_list_in_the_trust_bundle_decides() {
    let mut post = Post::new();
    let evidence = post.path("evidence.json");
    assert_eq!(post.verify(post.state(), &["--save-evidence", &evidence]).0, 0);
    let (bundle, trust) = (post.path("next.json"), post.path("trust"));
    for (known, verdict) in [
        (SeriesDefect::PowerDownRequired, "GENUINE_VALID"),
        (SeriesDefect::CertificateRevoked { status: 4 }, "UNTRUSTED_ISSUER"),
    ] {
        let defect_lists = vec![post.issuer.defect_list(None, known)];
        let exported = post.issuer.export(BundleRequest { defect_lists, ..BundleRequest::default() });
        fs::write(&bundle, &exported.bytes).unwrap();
        let installed = post.run(&["trust", "install", &bundle, "--trust", &trust, "--json"]);
        let installed: Value = serde_json::from_slice(&installed.stdout).unwrap();
        assert_eq!(installed["defect_lists"], 1, "{installed}");
        let (code, verified) = post.verify(post.state(), &[]);
        let judged = post.run(&["verify", "--evidence", &evidence, "--trust", &trust, "--json"]);
        assert_eq!(judged.status.code(), Some(code));
        for report in [verified, serde_json::from_slice(&judged.stdout).unwrap()] {
            assert_eq!((report["verdict"].as_str(), result(&report, "known-defects")), (Some(verdict), "failed"));
        }
    }
    let shown = post.run(&["trust", "show", "--trust", &trust]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("defects    UT's defect list of ") && shown.contains(": 1 document signers"), "{shown}");
}

fn all_words(files: &[String]) -> Vec<&str> {
    files.iter().map(String::as_str).collect()
}

#[test]
fn files_without_their_card_are_judged_as_far_as_files_go() {
    let post = Post::new();
    let state = post.state();
    let file = |id: u16| {
        let path = post.path(&format!("{id:04X}.bin"));
        fs::write(&path, &state.emrtd.files[&id]).unwrap();
        path
    };
    let trust = post.path("trust");
    let judge = |files: &[String]| {
        let mut args = vec!["judge", "--trust", &trust, "--json"];
        args.extend(files.iter().map(String::as_str));
        let output = post.run(&args);
        (output.status.code().unwrap(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let all: Vec<String> = state.emrtd.files.keys().filter(|id| **id != 0x011C).map(|id| file(*id)).collect();
    let (code, report) = judge(&all);
    assert_eq!((code, &report["verdict"]), (11, &"UNREADABLE".into()), "{report}");
    assert!(report["meaning"].as_str().unwrap().ends_with("whatever they prove, they can be a copy."));
    for id in ["sod-signature", "trust-status", "ds-revocation", "sod-signing-time", "dg1-integrity", "dg14-integrity"]
    {
        assert_eq!(result(&report, id), "successful", "{id}");
    }
    assert_eq!((result(&report, "access-protocol"), result(&report, "chip-authentication")), ("aborted", "aborted"));

    // What `read` stored beside them and nothing signed lists is left out, and that is said.
    let known_authorities = post.path("EF_CVCA.bin");
    fs::write(&known_authorities, &state.emrtd.files[&0x011C]).unwrap();
    let output =
        post.run(&[&["judge", "--trust", &trust, "--json", &known_authorities], &all_words(&all)[..]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(11) && said.contains("EF_CVCA.bin: left out"), "{said}");
    assert_eq!(result(&serde_json::from_slice(&output.stdout).unwrap(), "dg14-integrity"), "successful");

    // What is not given has no result, and accuses nobody.
    let (code, report) = judge(&[file(0x011D), file(0x0101)]);
    assert_eq!((code, result(&report, "dg2-integrity")), (11, "undetermined"), "{report}");
    assert_eq!(result(&report, "chip-authentication"), "aborted");
    // Nor does another file pass for the signed one.
    let mut forged = state.emrtd.files[&0x0101].clone();
    *forged.last_mut().unwrap() ^= 1;
    let path = post.path("forged.bin");
    fs::write(&path, forged).unwrap();
    let (code, report) = judge(&[file(0x011D), path]);
    assert_eq!((code, result(&report, "dg1-integrity")), (10, "failed"));
    // Files that are none, or twice the same.
    let stray = post.path("bundle.json");
    for (files, words) in [([file(0x011D), stray], "not EF.SOD"), ([file(0x011D), file(0x011D)], "second EF.SOD")] {
        let (code, told) = judge(&files);
        assert_eq!(code, 2);
        assert!(told["error"]["why"].as_str().unwrap().contains(words), "{told}");
    }
}

#[test]
fn the_specimen_of_a_standard_hangs_together_but_nobody_known_vouches_for_it() {
    let Some(specimen) = test_vectors::shared("data/lds-specimen") else { return };
    let post = Post::new();
    let files = ["SOD", "COM", "DG1", "DG2", "DG14"].map(|name| specimen.join(format!("EF_{name}.bin")));
    let trust = post.path("trust");
    let mut args = vec!["judge", "--trust", &trust, "--json"];
    args.extend(files.iter().map(|file| file.to_str().unwrap()));
    let output = post.run(&args);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &report["verdict"]), (Some(16), &"UNTRUSTED_ISSUER".into()), "{report}");
    for id in ["sod-signature", "sod-com", "dg1-integrity", "dg2-integrity", "dg14-integrity", "mrz-check-digits"] {
        assert_eq!(result(&report, id), "successful", "{id}");
    }
    for id in ["ds-certificate-signature", "trust-status", "csca-validity", "ds-revocation", "chip-authentication"] {
        assert_eq!(result(&report, id), "undetermined", "{id}");
    }
    // It states no time of signature; it is of a time when SHA-1 was allowed, with NULL where nothing belongs.
    assert_eq!(result(&report, "sod-signing-time"), "not supported");
    assert_eq!(report["leniencies"], serde_json::json!(["algorithm-parameters", "legacy-sha1"]));
    assert_eq!(report["holder"]["authentic"], false);
}

#[test]
fn without_the_portrait_no_card_is_called_unaltered() {
    let post = Post::new();
    for (name, state) in [("whole", post.state()), ("altered", forge::alter_data_group(&post.state(), 2).unwrap())] {
        let socket = post.insert(name, state);
        let trust = post.path("trust");
        let output = post.run(&["verify", "--socket", &socket, "--trust", &trust, "--can", CAN, "--skip-image"]);
        assert_eq!(output.status.code(), Some(14), "{name}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("GENUINE_STATUS_UNKNOWN\n"), "{text}");
        assert!(text.contains("Not checked: the portrait (DG2)."), "{text}");
    }
}

#[test]
fn a_report_for_people_says_the_verdict_first() {
    let post = Post::new();
    let socket = post.insert("human", post.state());
    let output = post.run(&["verify", "--socket", &socket, "--trust", &post.path("trust"), "--can", CAN]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("GENUINE_VALID\nThe card is genuine, unaltered and in force.\n\u{2068}البطاقة أصلية\u{2069}"),
        "{text}"
    );
    assert!(text.contains("\u{2068}زينب علي حسين التجريبي\u{2069}"));
    assert!(!text.contains('\x1b'));
}

#[test]
fn files_are_read_into_a_private_directory_and_not_judged() {
    let post = Post::new();
    let socket = post.insert("read", forge::alter_data_group(&post.state(), 2).unwrap());
    let out = post.path("out");
    let output = post.run(&["read", "--socket", &socket, "--can", CAN, "--out", &out, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["judged"], false);
    for name in ["EF_SOD.bin", "EF_DG1.bin", "EF_DG2.bin", "portrait.jpg", "evidence.json"] {
        let file = PathBuf::from(&out).join(name);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    let judged =
        post.run(&["verify", "--evidence", &format!("{out}/evidence.json"), "--trust", &post.path("trust"), "--json"]);
    assert_eq!(judged.status.code(), Some(10));
    let again = post.run(&["read", "--socket", &socket, "--can", CAN, "--out", &out]);
    assert_eq!(again.status.code(), Some(2), "files of two cards are never mixed");
}

#[test]
fn commands_are_sent_as_they_are_and_answers_explained() {
    let post = Post::new();
    let socket = post.insert("apdu", post.state());
    let journal = post.path("journal");
    let good = post.run(&["apdu", "--socket", &socket, "--journal", &journal, "00 A4 04 0C 07 A0000002471001"]);
    assert_eq!(String::from_utf8_lossy(&good.stdout), "> 00A4040C07A0000002471001\n  9000 (success)\n");
    assert_eq!(good.status.code(), Some(0));
    assert!(fs::read_to_string(&journal).unwrap().contains("00a4040c"));

    let refused = post.run(&["apdu", "--socket", &socket, "--json", "00A4040C05A000000001"]);
    assert_eq!(refused.status.code(), Some(21));
    let answer: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(answer["status"], "6A82");
}

#[test]
fn an_older_bundle_is_never_installed_over_a_newer_one() {
    let mut post = Post::new();
    let newer = post.issuer.bundle(vec![]);
    let file = post.path("newer.json");
    fs::write(&file, &newer.bytes).unwrap();
    let trust = post.path("trust");
    // The pin is the one of the first installation.
    assert_eq!(post.run(&["trust", "install", &file, "--trust", &trust]).status.code(), Some(0));
    let older = post.run(&["trust", "install", &post.path("bundle.json"), "--trust", &trust, "--json"]);
    assert_eq!(older.status.code(), Some(40));
    let failure: Value = serde_json::from_slice(&older.stdout).unwrap();
    assert_eq!(failure["error"]["exit"], 40);
    let shown = post.run(&["trust", "show", "--trust", &trust, "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["number"], 2);

    let first = post.run(&["trust", "install", &file, "--trust", &post.path("other")]);
    assert_eq!(first.status.code(), Some(2), "the first installation needs a pin");
    let wrong = post.run(&["trust", "install", &file, "--trust", &post.path("other"), "--pin", &"00".repeat(32)]);
    assert_eq!(wrong.status.code(), Some(40));
}

#[test]
fn no_card_no_trust_no_password() {
    let post = Post::new();
    let trust = post.path("trust");
    let absent = post.run(&["verify", "--socket", &post.path("nowhere"), "--trust", &trust, "--can", CAN]);
    assert_eq!(absent.status.code(), Some(20), "{}", String::from_utf8_lossy(&absent.stderr));
    let untrusting =
        post.run(&["verify", "--socket", &post.path("nowhere"), "--trust", &post.path("empty"), "--can", CAN]);
    assert_eq!(untrusting.status.code(), Some(40));
    let locked = post.run(&["verify", "--socket", &post.path("nowhere"), "--trust", &trust]);
    assert_eq!(locked.status.code(), Some(2));
}
