//! `bitaqa-pki master-list` and `bitaqa-pki trust` as a user types them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use authority::defect_list::{DefectiveSigner, SeriesDefect, SignerDefects};
use authority::{Authority, PROFILES, Passphrase, SignerKind};
use jiff::Timestamp;
use serde_json::Value;

fn pki(arguments: &[&str]) -> Output {
    Command::cargo_bin("bitaqa-pki").unwrap().args(arguments).env("USER", "tester").output().unwrap()
}

/// Exit code and JSON lines.
fn json(arguments: &[&str]) -> (i32, Vec<Value>) {
    let output = pki(&[arguments, &["--json"]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

struct World {
    directory: tempfile::TempDir,
    signer: PathBuf,
}

impl World {
    /// An authority with a document signer and a master list of its own root.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let passphrase = Passphrase::new("a passphrase for tests");
        let now = Timestamp::now();
        let mut authority = Authority::init(&directory.path().join("pki"), &PROFILES[0], &passphrase, now).unwrap();
        let signer = authority.new_document_signer(None, &passphrase, &passphrase, now).unwrap();
        authority.new_signer(SignerKind::MasterList, None, &passphrase, &passphrase, now).unwrap();
        let list = authority.sign_master_list(&[], None, &passphrase, now).unwrap();
        std::fs::write(directory.path().join("uto.ml"), list.bytes).unwrap();
        authority.new_signer(SignerKind::DeviationList, None, &passphrase, &passphrase, now).unwrap();
        let defects = [SignerDefects {
            signer: DefectiveSigner::Certificate(hex::encode(signer.certificate.der())),
            known: vec![SeriesDefect::CertificateRevoked { status: 1 }],
        }];
        let list = authority.sign_defect_list(&defects, None, &passphrase, now).unwrap();
        std::fs::write(directory.path().join("uto.dfl"), list.bytes).unwrap();
        std::fs::write(directory.path().join("csca.cer"), authority.csca().der()).unwrap();
        World { signer: signer.directory.join("certificate.der"), directory }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn from_a_list_to_a_judgement() {
    let world = World::new();
    let (list, csca, archive) = (world.path("uto.ml"), world.path("csca.cer"), world.path("anchors"));
    let signer = world.signer.to_str().unwrap();

    let (code, shown) = json(&["master-list", "show", &list, "--signer", &csca]);
    let shown = &shown[0];
    assert_eq!((code, &shown["signature"], &shown["trust"]), (0, &"successful".into(), &"successful".into()));
    assert_eq!((&shown["lint"]["objects"], &shown["lint"]["clean"]), (&1.into(), &1.into()));
    for (key, value) in [("certificates", 1), ("self_signed", 1), ("link", 0), ("missing_issuer", 0), ("countries", 1)]
    {
        assert_eq!(shown[key], value, "{key}");
    }
    let (code, unpinned) = json(&["master-list", "show", &list]);
    assert_eq!((code, &unpinned[0]["trust"], &unpinned[0]["believed"]), (0, &"undetermined".into(), &false.into()));
    let (_, diff) = json(&["master-list", "diff", &list, &list]);
    assert_eq!((&diff[0]["unchanged"], diff[0]["added"].as_array().unwrap().len()), (&1.into(), 0));

    // Not believed yet: the advice names the key and the list that has it.
    let (code, imported) = json(&["trust", "import", "--dir", &archive, &list]);
    assert_eq!((code, &imported[0]["changes"][0]["change"]), (0, &"pending".into()));
    let (code, checked) = json(&["trust", "check", "--dir", &archive, signer]);
    assert_eq!(code, 40);
    let remedy = checked[0]["findings"][1]["remedy"].as_str().unwrap();
    let key = shown["entries"][0]["key_id"].as_str().unwrap();
    assert!(remedy.contains(key) && remedy.contains("uto.ml, not verified yet"), "{remedy}");

    // What would change is shown and not done.
    let with_pin = ["trust", "import", "--dir", &archive, &list, "--signer", &csca];
    let (code, planned) = json(&[&with_pin[..], &["--dry-run"]].concat());
    assert_eq!((code, &planned[0]["changes"][0]["change"]), (0, &"now-believed".into()));
    assert_eq!(json(&["trust", "list", "--dir", &archive]).1[0]["believed"], 0);

    assert_eq!(json(&with_pin).0, 0);
    let (_, listed) = json(&["trust", "list", "--dir", &archive]);
    assert_eq!((&listed[0]["believed"], &listed[0]["keys"]), (&1.into(), &1.into()));
    assert_eq!(listed[0]["sources"][1]["by"], "tester");
    assert_eq!(listed[0]["certificates"][0]["reasons"][0]["reason"], "listed");
    let (code, checked) = json(&["trust", "check", "--dir", &archive, signer]);
    assert_eq!((code, &checked[0]["findings"][1]["outcome"]), (0, &"successful".into()));
    // A defect list under the believed CSCA takes the trust away; under an archive that knows nobody it is not used.
    let defects = world.path("uto.dfl");
    let (code, checked) = json(&["trust", "check", "--dir", &archive, signer, "--defect-list", &defects]);
    let trust = &checked[0]["findings"][1];
    assert_eq!((code, &trust["outcome"]), (40, &"undetermined".into()));
    assert!(trust["reason"].as_str().unwrap().contains("UT's defect list of "), "{trust}");
    let (nobody, arguments) = (world.path("nobody"), ["--defect-list", &defects]);
    std::fs::create_dir(&nobody).unwrap();
    let (code, refused) = json(&[&["trust", "check", "--dir", &nobody, signer][..], &arguments].concat());
    assert_eq!(code, 40);
    assert!(refused[0]["error"]["what"].as_str().unwrap().contains("is not believed"), "{}", refused[0]);
    // The same again changes nothing.
    assert_eq!(json(&with_pin).1[0]["changes"].as_array().unwrap().len(), 0);
    assert_eq!(json(&["trust", "list", "--dir", &archive]).1[0]["generation"], listed[0]["generation"]);

    let out = world.path("anchors.pem");
    assert_eq!(json(&["trust", "export", "--dir", &archive, "--out", &out]).1[0]["certificates"], 1);
    let exported = trust::Certificate::from_pem(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(exported.der(), std::fs::read(&csca).unwrap());
    let words = String::from_utf8(pki(&["trust", "list", "--dir", &archive]).stdout).unwrap();
    assert!(words.contains("believed: a root in a verified master list; UT's master list of "), "{words}");
}

#[test]
fn what_is_no_master_list_is_refused_with_advice() {
    let world = tempfile::tempdir().unwrap();
    let file = world.path().join("notes.txt");
    std::fs::write(&file, "hello").unwrap();
    let file = file.to_str().unwrap();
    let (code, shown) = json(&["master-list", "show", file]);
    assert_eq!(code, 2);
    assert!(shown[0]["error"]["remedy"].as_str().unwrap().contains("master list"));
    let archive = world.path().join("a");
    assert_eq!(json(&["trust", "import", "--dir", archive.to_str().unwrap(), file, "--confirm", "12"]).0, 2);
}

#[test]
fn the_public_lists_and_the_indonesian_links() {
    let Some(lists) = test_vectors::shared("data/masterlists") else { return };
    let file = |name: &str| lists.join(name).to_str().unwrap().to_owned();
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("anchors").to_str().unwrap().to_owned();
    let (dutch, german) = (file("NL_ML_2025-07-29.ml"), file("DE_ML_2024-08-07-07-38-24.ml"));
    let (code, shown) = json(&["master-list", "show", &dutch, "--signer", &file("NL_ROOT_CA.cer")]);
    assert_eq!((code, &shown[0]["certificates"], &shown[0]["countries"]), (0, &394.into(), &120.into()));
    assert_eq!(json(&["trust", "import", "--dir", &archive, &dutch, "--signer", &file("NL_ROOT_CA.cer")]).0, 0);

    let (code, shown) = json(&["master-list", "show", &german]);
    assert_eq!((code, &shown[0]["signature"]), (0, &"successful".into()));
    let counts = ["certificates", "self_signed", "link", "missing_issuer", "countries"].map(|key| &shown[0][key]);
    assert_eq!(counts, [541, 358, 176, 7, 109]);
    // Every certificate is linted along the way; what real states issue is far from clean.
    let lint = &shown[0]["lint"];
    assert_eq!(lint["objects"], 541);
    assert!(lint["errors"].as_u64().unwrap() > 100 && lint["clean"].as_u64().unwrap() > 100, "{lint}");
    assert!(lint["rules"].as_array().unwrap().iter().all(|rule| rule["rule"] != "structure"), "{lint}");
    let (_, detailed) = json(&["master-list", "show", &german, "--lint"]);
    let departures = |entry: &Value| entry["lint"].as_array().unwrap().len() as u64;
    let sum: u64 = detailed[0]["entries"].as_array().unwrap().iter().map(departures).sum();
    assert_eq!(sum, ["errors", "warnings", "notices"].map(|key| lint[key].as_u64().unwrap()).iter().sum::<u64>());

    // It is older than the German root beside it: with that pinned, the output says so and what helps.
    let (code, shown) = json(&["master-list", "show", &german, "--signer", &file("DE_ROOT_CA_CSCA07.cer")]);
    assert_eq!((code, &shown[0]["trust"], &shown[0]["believed"]), (40, &"undetermined".into(), &false.into()));
    let finding = &shown[0]["findings"][1];
    assert!(finding["reason"].as_str().unwrap().contains("pinned is another generation of it"), "{finding}");
    assert!(finding["remedy"].as_str().unwrap().contains("another state's verified master list"), "{finding}");
    // The Dutch list holds the generation that certified its signer.
    let (code, shown) = json(&["master-list", "show", &german, "--anchors", &archive]);
    assert_eq!((code, &shown[0]["believed"]), (0, &true.into()));
    let because = shown[0]["pinned_because"][0].as_str().unwrap();
    assert!(because.contains("a root in a verified master list; NL's master list of 2025-07-30"), "{because}");
    let (code, imported) = json(&["trust", "import", "--dir", &archive, &german, "--signer-state", "DE"]);
    assert_eq!((code, &imported[0]["lists"][0]["believed"]), (0, &true.into()));
    assert_eq!(imported[0]["lists"][0]["pinned_because"][0], because);

    let (code, diff) = json(&["master-list", "diff", &german, &dutch]);
    assert_eq!((code, &diff[0]["unchanged"]), (0, &338.into()));
    let counted = ["added", "removed"].map(|key| diff[0][key].as_array().unwrap().len());
    assert_eq!((counted, diff[0]["countries_added"].as_array().unwrap().len()), ([56, 203], 11));

    let chain = directory.path().join("idn").to_str().unwrap().to_owned();
    let first = file("IDN/2010-12_CSCA.cer");
    let fingerprint = |file: &str| hex::encode(trust::archive::fingerprint(&std::fs::read(Path::new(file)).unwrap()));
    let names = ["2020-10_CSCA_LINK", "2020-10_CSCA", "2016-01_CSCA_LINK", "2016-01_CSCA"];
    let files: Vec<String> = names.iter().map(|name| file(&format!("IDN/{name}.cer"))).collect();
    // The links change the name and do not say so (9303-12 §7.1): they are confirmed like the first root.
    let confirmed = [&first, &files[0], &files[2]].map(|file| fingerprint(file));
    let mut arguments = vec!["trust", "import", "--dir", &chain];
    arguments.extend(confirmed.iter().flat_map(|one| ["--confirm", one]));
    arguments.extend(files.iter().chain([&first]).map(String::as_str));
    assert_eq!(json(&arguments).0, 0);
    let (_, listed) = json(&["trust", "list", "--dir", &chain, "--country", "id"]);
    assert_eq!((&listed[0]["believed"], &listed[0]["keys"], &listed[0]["pending"]), (&5.into(), &3.into(), &0.into()));
    // Each later root is believed for its link.
    let word = |reason: &Value| match reason.as_object() {
        Some(with_issuer) => with_issuer.keys().next().unwrap().clone(),
        None => reason.as_str().unwrap().to_owned(),
    };
    let each = listed[0]["certificates"].as_array().unwrap().iter();
    let mut reasons: Vec<_> =
        each.map(|one| (one["not_before"].to_string(), word(&one["reasons"][0]["reason"]))).collect();
    reasons.sort();
    assert_eq!(reasons[0].1, "confirmed");
    assert_eq!(reasons.iter().filter(|(_, reason)| *reason == "confirmed").count(), 3);
    assert_eq!(reasons.iter().filter(|(_, reason)| *reason == "same-key-as").count(), 2);
}
