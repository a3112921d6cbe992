//! Every command is killed, and meets a full disk, at every system call that changes files; the directory must open, be
//! whole, account for every act, and the command must work when it is repeated.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod anchors;
mod backups;
mod desk;
mod whole;

use std::env;
use std::path::Path;
use std::time::Instant;

use test_vectors::interruption::{self, Call, Fault, Tracer};

use desk::{Desk, STEPS, Step};

/// The disk fails at every so many calls only: it is the same for a program whether a disk fails or is full.
const EVERY_FAILURE: usize = 5;

/// As `make interruptions` asks: more commands, twice as many calls, many minutes.
fn thorough() -> bool {
    env::var("BITAQA_INTERRUPTIONS").is_ok_and(|which| which == "all")
}

struct Job<'a> {
    step: &'a Step,
    before: &'a Path,
    call: Call,
    fault: Fault,
}

#[test]
fn at_every_write() {
    let Some(tracer) = Tracer::find() else { return };
    let begun = Instant::now();
    let stages = Desk::prepare();
    let mut jobs = Vec::new();
    for (step, before) in STEPS.iter().zip(&stages.before).filter(|(step, _)| !step.thorough || thorough()) {
        let desk = Desk::copy(before);
        let (output, calls) = tracer.calls(&desk.command(step.arguments));
        assert!(output.status.success(), "{}: {}", step.arguments, String::from_utf8_lossy(&output.stderr));
        // Making keys takes time: some of the calls are taken, others for each fault; more of them in a thorough run.
        let every = if thorough() { step.every.div_ceil(2) } else { step.every };
        for (place, call) in calls.into_iter().enumerate() {
            let mut add = |fault| jobs.push(Job { step, before, call: call.clone(), fault });
            if place % every == 0 {
                add(Fault::Kill);
            }
            if place % every == every / 2 {
                add(Fault::Error("ENOSPC"));
            }
            if thorough() && place % EVERY_FAILURE == 0 {
                add(Fault::Error("EIO"));
            }
        }
    }
    let prepared = begun.elapsed();
    interruption::for_each(&jobs, |job| interrupted(&tracer, job));
    println!("{} interruptions in {:?}, prepared in {prepared:?}", jobs.len(), begun.elapsed());
}

fn interrupted(tracer: &Tracer, job: &Job<'_>) {
    let desk = Desk::copy(job.before);
    let place = format!("{} at {} {} ({})", job.step.arguments, job.call.name, job.call.number, job.call.arguments);
    let before = whole::State::of(&desk.pki(), &place);
    let output = tracer.run(&desk.command(job.step.arguments), &job.call, job.fault);
    match job.fault {
        Fault::Kill => assert!(interruption::was_killed(&output), "{place}: was not killed: {output:?}"),
        Fault::Error(_) => whole::failed_in_order(&output, &place),
    }
    let meanwhile = whole::State::of(&desk.pki(), &place);
    meanwhile.follows(&before, &place);

    // Nothing in the way any more: the same command again.
    let again = desk.command(job.step.arguments).output().unwrap();
    let said = String::from_utf8_lossy(&again.stderr);
    if !again.status.success() {
        let finished = job.step.refused_when_done.is_some_and(|words| said.contains(words));
        assert!(finished && meanwhile.is_there, "{place}: again: {said}");
    }
    let after = whole::State::of(&desk.pki(), &place);
    after.follows(&meanwhile, &place);
    assert!(after.is_there, "{place}");
    if again.status.success() {
        assert_eq!(after.leftovers, Vec::<String>::new(), "{place}: left over");
        assert!(after.acts > meanwhile.acts || meanwhile.acts > before.acts, "{place}: nothing is on record");
    }
    for product in job.step.products {
        let file = desk.path().join(product);
        assert!(file.exists(), "{place}: {product} is missing");
    }
}
