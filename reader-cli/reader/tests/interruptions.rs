//! Installing trust is killed, and meets a full disk, at every system call that changes files: the post then has the old bundle
//! or the new one, never neither.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use test_vectors::interruption::{self, Fault, Tracer};

#[path = "../../inspection/tests/inspection/issuer.rs"]
#[allow(dead_code, reason = "shared with the tests of inspection, which use more of it")]
mod issuer;

use issuer::Issuer;

fn reader(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bitaqa-reader"));
    command.current_dir(folder).args(arguments.split_whitespace()).env_remove("BITAQA_TRUST");
    command
}

/// The number of the bundle that is installed; `None` where nothing is.
fn installed(folder: &Path, place: &str) -> Option<u64> {
    if !folder.join("trust/bundle.json").exists() {
        return None;
    }
    let output = reader(folder, "trust show --trust trust --json").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{place}: {output:?}");
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["number"].as_u64()
}

#[test]
fn a_post_has_the_old_bundle_or_the_new_one() {
    let Some(tracer) = Tracer::find() else { return };
    let start = Timestamp::now() - SignedDuration::from_hours(24 * 20);
    let mut issuer = Issuer::starting("specimen-uto", start);
    let (stages, mut pin) = (tempfile::tempdir().unwrap(), String::new());
    let (nothing, older) = (stages.path().join("nothing"), stages.path().join("older"));
    fs::create_dir(&nothing).unwrap();
    for name in ["1.bundle", "2.bundle"] {
        let bundle = issuer.bundle(vec![]);
        fs::write(nothing.join(name), &bundle.bytes).unwrap();
        pin = bundle.pin.to_string();
    }
    interruption::copy(&nothing, &older);
    let first = format!("trust install 1.bundle --pin {pin} --trust trust");
    let next = "trust install 2.bundle --trust trust".to_owned();
    assert!(reader(&older, &first).status().unwrap().success());

    let mut jobs = Vec::new();
    for (stage, command, old, new) in [(&nothing, &first, None, 1), (&older, &next, Some(1), 2)] {
        let desk = tempfile::tempdir().unwrap();
        interruption::copy(stage, desk.path());
        let (output, calls) = tracer.calls(&reader(desk.path(), command));
        assert!(output.status.success() && calls.len() > 6, "{command}: {calls:?}");
        for call in calls {
            for fault in [Fault::Kill, Fault::Error("ENOSPC")] {
                jobs.push((stage, command, old, new, call.clone(), fault));
            }
        }
    }
    interruption::for_each(&jobs, |(stage, command, old, new, call, fault)| {
        let place = format!("{command} at {} {} ({}), {fault:?}", call.name, call.number, call.arguments);
        let desk = tempfile::tempdir().unwrap();
        interruption::copy(stage, desk.path());
        let output = tracer.run(&reader(desk.path(), command), call, *fault);
        if *fault == Fault::Kill {
            assert!(interruption::was_killed(&output), "{place}: {output:?}");
        } else if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            // 2: the result could not be printed.
            let expected = if call.arguments.starts_with("1,") { 2 } else { 40 };
            assert_eq!(output.status.code(), Some(expected), "{place}: {said}");
            assert!(said.contains("os error"), "{place}: {said}");
        }
        let now = installed(desk.path(), &place);
        assert!(now == *old || now == Some(*new), "{place}: {now:?}");
        let again = reader(desk.path(), command).output().unwrap();
        assert!(again.status.success(), "{place}: again: {again:?}");
        assert_eq!(installed(desk.path(), &place), Some(*new), "{place}");
        let left = interruption::walk(&desk.path().join("trust"));
        let left: Vec<_> = left.iter().filter(|path| path.extension().is_some_and(|ending| ending == "new")).collect();
        assert!(left.is_empty(), "{place}: {left:?}");
    });
}
