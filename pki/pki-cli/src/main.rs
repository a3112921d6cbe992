//! `bitaqa-pki`: run the national PKI from the command line.
//!
//! This binary knows arguments, prompts, words for people and exit codes; what is issued is decided in the crate `authority`.
//!
//! Exit codes, never renumbered: 0 good, 1 bug, 2 usage or a result that cannot be written, 40 trust material (also: `status` found something to do).
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod commands;
mod failure;
mod output;
mod passphrase;

use std::process::ExitCode;

use crate::failure::Failure;

fn main() -> ExitCode {
    let arguments = match args::Arguments::of_process() {
        Ok(arguments) => arguments,
        Err(error) => return refused(&error),
    };
    let result = match std::env::args_os().find(|argument| argument.to_str().is_none()) {
        Some(argument) => Err(Failure::no_text(&argument)),
        None => commands::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            failure.show(arguments.json);
            ExitCode::from(failure.exit)
        }
    }
}

/// A command line that cannot be used: in the parser's words, or as every other error where a program asks.
fn refused(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if !json || !error.use_stderr() {
        // Help that nobody reads to its end is no failure.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(failure::USAGE));
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ");
    // What is missing stands line by line; usage and a pointer to the help follow.
    let rest = lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let failure = Failure {
        what: "The command line cannot be used.".to_owned(),
        why: std::iter::once(first).chain(rest).collect::<Vec<_>>().join(" "),
        remedy: "bitaqa-pki COMMAND --help lists what there is.".to_owned(),
        exit: failure::USAGE,
    };
    failure.show(true);
    ExitCode::from(failure.exit)
}
