//! Where `--report`, `--save-evidence` and `--journal` write, and where they do not.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::process::{Command, Output};
use std::thread;

use serde_json::Value;
use soft_card::forge;

use super::Post;
use crate::issuer::{CAN, Issuer};

/// `verify` of a card that answers, with these options more.
fn verify(post: &Post, socket: &str, more: &[&str]) -> Output {
    let trust = post.path("trust");
    post.run(&[&["verify", "--socket", socket, "--trust", &trust, "--can", CAN], more].concat())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn is_link(path: &str) -> bool {
    fs::symlink_metadata(path).unwrap().is_symlink()
}

#[test]
fn links_are_followed_and_what_is_no_file_is_written_to() {
    let post = Post::new();
    let socket = post.insert("streams", post.state());
    let at = |name: &str| post.path(name);
    // A link planted under the name that a file has while it is written leads nowhere.
    symlink(at("elsewhere"), at("evidence.json.new")).unwrap();
    symlink(at("evidence.json"), at("link")).unwrap();
    symlink("/dev/full", at("full")).unwrap();
    assert_eq!(verify(&post, &socket, &["--save-evidence", &at("link")]).status.code(), Some(0));
    assert!(is_link(&at("link")) && fs::metadata(at("elsewhere")).is_err());
    let stored = fs::symlink_metadata(at("evidence.json")).unwrap();
    assert!(stored.is_file() && stored.permissions().mode() & 0o777 == 0o600);

    for option in ["--report", "--save-evidence", "--journal"] {
        let full = verify(&post, &socket, &[option, &at("full")]);
        assert!(full.status.code() == Some(2) && stderr(&full).contains("No space left"), "{}", stderr(&full));
        assert!(is_link(&at("full")));

        let pipe = at(&format!("pipe{option}"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let read = thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        assert_eq!(verify(&post, &socket, &[option, &pipe]).status.code(), Some(0));
        assert!(read.join().unwrap().len() > 1000);
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
    }
}

#[test]
fn standard_output_takes_a_page_where_it_leads_to_a_file_too() {
    let post = Post::new();
    let socket = post.insert("stdout", post.state());
    let at = |name: &str| post.path(name);
    symlink("/dev/stdout", at("out")).unwrap();
    let piped = verify(&post, &socket, &["--report", &at("out")]).stdout;
    let trust = at("trust");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bitaqa-reader"));
    command.args(["verify", "--socket", &socket, "--trust", &trust, "--can", CAN, "--report", &at("out")]);
    assert!(command.stdout(File::create(at("both")).unwrap()).status().unwrap().success());
    for written in [piped, fs::read(at("both")).unwrap()] {
        let text = String::from_utf8(written).unwrap();
        let (page, told) = text.split_once("</html>\n").unwrap();
        assert!(page.starts_with("<!doctype html>") && told.starts_with("GENUINE_VALID\n"), "{told}");
    }
    assert!(is_link(&at("out")));
}

#[test]
fn two_results_are_never_one_file() {
    let post = Post::new();
    let nowhere = post.path("nowhere");
    let (one, round) = (post.path("one"), post.path("trust/../one"));
    symlink("one", post.path("two")).unwrap();
    let two = post.path("two");
    for options in [
        ["--report", &one, "--save-evidence", &one],
        ["--report", &one, "--save-evidence", &round],
        ["--report", &two, "--save-evidence", &one],
        ["--journal", &one, "--report", &round],
        ["--journal", &one, "--save-evidence", &one],
    ] {
        let output = verify(&post, &nowhere, &options);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{options:?}: {told}");
        assert!(told.contains(options[0]) && told.contains(options[2]) && told.contains("a path of its own"), "{told}");
        assert!(fs::metadata(&one).is_err(), "nothing was written");
    }
}

#[test]
fn a_result_replaces_only_one_of_its_kind() {
    let post = Post::new();
    let (nowhere, socket) = (post.path("nowhere"), post.insert("kinds", post.state()));
    let (page, evidence) = (post.path("page.html"), post.path("evidence.json"));
    fs::write(&page, "").unwrap();
    for _ in 0..2 {
        let both = verify(&post, &socket, &["--report", &page, "--save-evidence", &evidence]);
        assert_eq!(both.status.code(), Some(0), "{}", stderr(&both));
    }
    let (order, own) = (post.path("order.jsonl"), post.path("own.html"));
    fs::write(&order, "{\"version\":1,\"document_number\":\"ZZ0000017\"}\n").unwrap();
    fs::write(&own, "<!doctype html>\n<title>A page of somebody else</title>\n").unwrap();
    for (option, path) in [
        ("--report", &order),
        ("--report", &evidence),
        ("--report", &own),
        ("--save-evidence", &order),
        ("--save-evidence", &page),
    ] {
        let before = fs::read(path).unwrap();
        // Nobody listens there: a card that was asked for would be exit code 20.
        let output = verify(&post, &nowhere, &[option, path]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{option} {path}: {told}");
        assert!(told.contains("Choose another name"), "{told}");
        assert_eq!(fs::read(path).unwrap(), before);
    }
    let judged = post.run(&["judge", &evidence, "--trust", &post.path("trust"), "--report", &order]);
    assert!(judged.status.code() == Some(2) && stderr(&judged).contains("order.jsonl"), "{}", stderr(&judged));

    let journal = verify(&post, &nowhere, &["--journal", &order]);
    let told = stderr(&journal);
    assert!(journal.status.code() == Some(2) && told.contains("never written over anything"), "{told}");
    assert!(told.contains("Choose another name"), "{told}");
}

/// What is said of the data must not depend on whether somebody looks at the text or at the page.
#[test]
fn a_card_that_is_not_genuine_does_not_look_like_a_good_one() {
    let post = Post::new();
    let page = post.path("page.html");
    let of = |name: &str, state| {
        let output = verify(&post, &post.insert(name, state), &["--report", &page]);
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), fs::read_to_string(&page).unwrap())
    };
    let (code, text, html) = of("good", post.state());
    assert_eq!(code, 0);
    assert!(
        text.contains("Holder (from authentic data)") && !text.contains("not shown") && !html.contains("not shown")
    );
    assert_eq!(html.matches("(from authentic data)</span>").count(), 2, "beside the portrait and above the table");
    assert!(!html.contains("in a card that is") && html.contains("<section class=\"who good\""));

    let (code, text, html) = of("dg1", forge::alter_data_group(&post.state(), 1).unwrap());
    assert_eq!(code, 10);
    assert!(text.contains("\n  not shown: DG1, which was altered\n"), "{text}");
    assert!(html.contains("<p class=\"warn\">not shown: DG1, which was altered</p>"));
    assert_eq!(html.matches("in a card that is NOT_GENUINE").count(), 2);
    assert!(html.contains("<section class=\"who bad\"") && html.contains(".who.bad img{border"));
    // The reason first: a title says what should be so.
    let ground =
        "<li>because: <bdi>DG1 is not the file that was signed</bdi> <span class=\"id\">dg1-integrity</span></li>";
    assert!(html.contains(ground) && !html.contains("is as signed: "), "{html}");
    let both = forge::alter_data_group(&forge::alter_data_group(&post.state(), 1).unwrap(), 2).unwrap();
    let (_, text, html) = of("both", both);
    assert!(text.contains("not shown: DG1, DG2, which were altered") && html.contains("DG1, DG2, which were altered"));

    let stranger = Issuer::starting("specimen-uto", post.start);
    let (code, text, html) = of("stranger", stranger.state(&post.document));
    assert_eq!(code, 16);
    assert!(text.contains("Holder (NOT AUTHENTIC: nobody trusted vouches for these data)"), "{text}");
    assert_eq!(html.matches("<span class=\"warn\">(NOT AUTHENTIC").count(), 2, "{html}");
}

#[test]
fn a_file_that_is_no_evidence_is_a_wrong_file_and_no_unreadable_card() {
    let post = Post::new();
    let (file, trust) = (post.path("file"), post.path("trust"));
    let later = br#"{"version":99}"#;
    for bytes in [&b""[..], &[0xA7; 100], b"{\"version\":1,\"document_number\":\"ZZ0000017\"}", later] {
        fs::write(&file, bytes).unwrap();
        let output = post.run(&["verify", "--evidence", &file, "--trust", &trust, "--json"]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &told["error"]["exit"]), (Some(2), &2.into()), "{told}");
        assert!(told["error"]["why"].as_str().unwrap().contains(&file), "{told}");
    }
}
