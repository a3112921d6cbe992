//! The anchor archive: the old one or the new one, never neither.

use std::fs;
use std::path::Path;
use std::process::Command;

use test_vectors::interruption::{self, Fault, Tracer};
use trust::Archive;

use crate::desk::Desk;
use crate::whole::failed_in_order;

/// How many certificates an archive has.
fn certificates(folder: &Path, place: &str) -> usize {
    let archive = Archive::open(&folder.join("anchors")).unwrap_or_else(|error| panic!("{place}: {error}"));
    archive.certificates().count()
}

#[test]
fn an_archive_is_the_old_one_or_the_new_one() {
    let Some(tracer) = Tracer::find() else { return };
    let begin = Desk::empty();
    for (name, profile) in [("one", "specimen-uto"), ("two", "iq-nid-compat")] {
        let output = begin.command(&format!("init --profile {profile} --dir {name}")).output().unwrap();
        assert!(output.status.success());
        fs::copy(begin.path().join(name).join("csca/certificate.der"), begin.path().join(format!("{name}.der")))
            .unwrap();
        fs::remove_dir_all(begin.path().join(name)).unwrap();
    }
    let import = |desk: &Desk, name: &str| -> Command {
        desk.command(&format!("trust import --dir anchors --by amina {name}.der"))
    };
    let later = Desk::copy(begin.path());
    assert!(import(&later, "one").status().unwrap().success());
    let mut jobs = Vec::new();
    for (before, name, old) in [(&begin, "one", 0), (&later, "two", 1)] {
        let desk = Desk::copy(before.path());
        let (output, calls) = tracer.calls(&import(&desk, name));
        assert!(output.status.success() && calls.len() > 3, "{calls:?}");
        for call in calls {
            for fault in [Fault::Kill, Fault::Error("ENOSPC"), Fault::Error("EIO")] {
                jobs.push((before, name, old, call.clone(), fault));
            }
        }
    }
    interruption::for_each(&jobs, |(before, name, old, call, fault)| {
        let place = format!("trust import {name} at {} {} ({}), {fault:?}", call.name, call.number, call.arguments);
        let desk = Desk::copy(before.path());
        let output = tracer.run(&import(&desk, name), call, *fault);
        match fault {
            Fault::Kill => assert!(interruption::was_killed(&output), "{place}: {output:?}"),
            Fault::Error(_) => failed_in_order(&output, &place),
        }
        let now = certificates(desk.path(), &place);
        assert!(now == *old || now == old + 1, "{place}: {now}");
        let again = import(&desk, name).output().unwrap();
        assert!(again.status.success(), "{place}: again: {again:?}");
        assert_eq!(certificates(desk.path(), &place), old + 1, "{place}");
    });
}
