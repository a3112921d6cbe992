//! Every fault of `hardware-docs/cards/faults/` against `bitaqa-reader verify`: the table in `hardware-docs/cards/faults.md` is
//! what was seen here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use channel::pace::{Mapping, Suite};
use channel::suite::{Cipher, Curve};
use lds::security_infos::SecurityInfo;
use serde_json::Value;
use soft_card::fault::Faults;
use soft_card::{SoftCard, socket};

use super::{CAN, Issuer, Post, table};

/// No card holds a reader longer: the inspection's budget would allow two minutes.
const LONGEST: Duration = Duration::from_secs(60);
/// How many checks without a result are named.
const SHOWN: usize = 3;

/// How the counter asks.
const ASKED: [(&str, &[&str]); 2] =
    [("`--can`", &["--can", CAN]), ("`--mrz-file --bac allowed`", &["--mrz-file", "mrz.txt", "--bac", "allowed"])];

#[test]
fn every_fault_is_found_out_and_none_holds_the_reader() {
    let post = Post::new();
    let stranger = Issuer::starting("specimen-uto", post.start);
    stranger.state(&post.document).create(Path::new(&post.path("stranger.card"))).unwrap();
    let other = super::Document { td1: other_number(&post), ..post.document.clone() };
    let other = post.issuer.state(&with_mapping(&other));
    other.create(Path::new(&post.path("other.card"))).unwrap();
    let both = post.issuer.state(&with_mapping(&post.document));
    let mapped = post.issuer.state(&super::Document { chip_authentication: false, ..with_mapping(&post.document) });
    fs::write(post.path("mrz.txt"), post.document.mrz().to_string()).unwrap();
    let genuine = post.state();

    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hardware-docs/cards");
    let mut files: Vec<PathBuf> = fs::read_dir(docs.join("faults")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 25);
    let work: Vec<(PathBuf, usize)> = files
        .iter()
        .flat_map(|file| {
            // Basic Access Control is only of interest where PACE is hidden.
            let hidden = file.ends_with("no-pace.toml");
            (0..=usize::from(hidden)).map(|asked| (file.clone(), asked)).collect::<Vec<_>>()
        })
        .collect();
    let (queue, rows) = (Mutex::new(work.iter().enumerate()), Mutex::new(vec![String::new(); work.len()]));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some((index, (file, asked))) = next else { break };
                    let met = match file.file_name().unwrap().to_str().unwrap() {
                        name if name.starts_with("cam-") => &mapped,
                        name if name.starts_with("both-") => &both,
                        _ => &genuine,
                    };
                    let row = row(&post, file, met, ASKED[*asked]);
                    rows.lock().unwrap()[index] = row;
                }
            });
        }
    });
    let written = format!(
        "| file | what the card does | asked | checks that fail, or end without a result | verdict | exit |\n|---|---|---|---|---|---|\n{}",
        rows.into_inner().unwrap().concat()
    );

    table::compare("faults.md", &written);
}

/// The same document with PACE by chip authentication mapping too.
pub(super) fn with_mapping(document: &super::Document) -> super::Document {
    let group = Curve::BrainpoolP256r1.into();
    let suite = Suite { mapping: Mapping::ChipAuthentication, group, cipher: Cipher::Aes128 };
    let cam = SecurityInfo::pace(&suite.oid(), suite.group.parameter_id());
    super::Document { pace: [document.pace.clone(), vec![cam]].concat(), ..document.clone() }
}

fn other_number(post: &Post) -> lds::mrz::Td1 {
    lds::mrz::Td1 { document_number: "ZZ0000025".into(), ..post.document.td1.clone() }
}

/// One run of the program, as a line of the table.
fn row(post: &Post, file: &Path, genuine: &soft_card::State, (asked, options): (&str, &[&str])) -> String {
    let name = file.file_stem().unwrap().to_str().unwrap();
    let text = fs::read_to_string(file).unwrap();
    let what = text.lines().next().unwrap().strip_prefix("# ").unwrap();
    // The other cards that a fault names are in the folder of this test.
    let faults = Faults::parse(&text, Path::new(&post.path("faults.toml"))).unwrap();
    let mut card = SoftCard::from_state(genuine).with_faults(&faults).unwrap();
    let path = post.path(&format!("{name}-{}", options.len()));
    let listener = socket::listen(Path::new(&path)).unwrap();
    thread::spawn(move || socket::serve_all(&mut card, &listener, |_| ()));

    let begun = Instant::now();
    let trust = post.path("trust");
    let options: Vec<String> = options
        .iter()
        .map(|option| if *option == "mrz.txt" { post.path(option) } else { (*option).to_owned() })
        .collect();
    let mut args = vec!["verify", "--socket", &path, "--trust", &trust, "--json"];
    args.extend(options.iter().map(String::as_str));
    let output = post.run(&args);
    assert!(begun.elapsed() < LONGEST, "{name}: {:?}", begun.elapsed());
    let code = output.status.code().expect("no signal ends the reader");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{name}: {stdout}"));
    let verdict = report["verdict"].as_str().unwrap_or_else(|| panic!("{name}: {report:#}"));
    format!("| `{name}` | {what} | {asked} | {} | {verdict} | {code} |\n", complaints(&report))
}

/// Every failed check; where none failed, what has no result.
fn complaints(report: &Value) -> String {
    let checks = report["checks"].as_array().unwrap();
    let with = |results: &[&str]| -> Vec<String> {
        let wanted = checks.iter().filter(|check| results.contains(&check["result"].as_str().unwrap()));
        wanted.map(|check| format!("`{}`", check["id"].as_str().unwrap())).collect()
    };
    let failed = with(&["failed"]);
    if !failed.is_empty() {
        return failed.join(" ");
    }
    let open = with(&["aborted", "undetermined"]);
    let more = open.len() > SHOWN;
    let shown = open.into_iter().take(SHOWN).collect::<Vec<_>>().join(" ");
    if more { format!("{shown} and others have no result") } else { shown }
}
