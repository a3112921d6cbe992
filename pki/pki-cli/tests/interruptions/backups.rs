//! Backup and restore: there as a whole or not at all.

use std::fs;

use authority::backup;
use test_vectors::interruption::{self, Fault, Tracer};

use crate::desk::Desk;
use crate::whole::{State, failed_in_order};

#[test]
fn a_backup_and_what_is_restored_are_there_as_a_whole_or_not_at_all() {
    let Some(tracer) = Tracer::find() else { return };
    let begin = Desk::empty();
    let done = |desk: &Desk, arguments: &str| {
        let output = desk.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments}: {output:?}");
    };
    done(&begin, "init --profile specimen-uto --dir pki");
    done(&begin, "cvc init --dir pki --mnemonic ISCVCA --type is");
    let lost = Desk::copy(begin.path());
    done(&lost, "backup --dir pki --out a.backup");
    fs::copy(lost.path().join("pki/crl/1.crl"), lost.path().join("1.crl")).unwrap();
    fs::remove_dir_all(lost.pki()).unwrap();

    let mut jobs = Vec::new();
    let steps = [
        (&begin, "backup --dir pki --out a.backup", "a.backup exists"),
        (&lost, "restore a.backup --dir pki --crl 1.crl", "it is older"),
    ];
    for (before, arguments, when_done) in steps {
        let desk = Desk::copy(before.path());
        let (output, calls) = tracer.calls(&desk.command(arguments));
        assert!(output.status.success() && calls.len() > 4, "{arguments}: {output:?}");
        for call in calls {
            for fault in [Fault::Kill, Fault::Error("ENOSPC")] {
                jobs.push((before, arguments, when_done, call.clone(), fault));
            }
        }
    }
    interruption::for_each(&jobs, |(before, arguments, when_done, call, fault)| {
        let place = format!("{arguments} at {} {} ({}), {fault:?}", call.name, call.number, call.arguments);
        let desk = Desk::copy(before.path());
        let (authority, file) = (State::of(&desk.pki(), &place), desk.path().join("a.backup"));
        let output = tracer.run(&desk.command(arguments), call, *fault);
        match fault {
            Fault::Kill => assert!(interruption::was_killed(&output), "{place}: {output:?}"),
            Fault::Error(_) => failed_in_order(&output, &place),
        }
        if file.exists() {
            backup::verify(&file).unwrap_or_else(|error| panic!("{place}: {error}"));
        }
        State::of(&desk.pki(), &place).follows(&authority, &place);
        let again = desk.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&again.stderr);
        assert!(again.status.success() || said.contains(when_done), "{place}: again: {said}");
        assert!(file.exists() && State::of(&desk.pki(), &place).is_there, "{place}");
        let left = fs::read_dir(desk.path()).unwrap().flatten().map(|entry| entry.file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".new")).collect();
        assert!(left.is_empty(), "{place}: {left:?}");
    });
}
