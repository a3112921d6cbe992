//! `bitaqa-reader`: read and judge identity cards.
//!
//! This program owns everything that `inspection` must not: the reader, the clock, the terminal and the files.
#![allow(clippy::print_stderr)]

mod access;
mod args;
mod commands;
mod exit;
mod failure;
mod output;
mod progress;
mod render;
mod secrets;
mod source;
mod terminal;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::failure::{Error, Failure};

fn main() -> ExitCode {
    match Args::try_parse() {
        Ok(args) => match commands::run(args.command) {
            Ok(code) => ExitCode::from(code),
            Err(error) => stopped(&error, args.json),
        },
        Err(error) => refused(&error),
    }
}

/// A command line that cannot be used: in the parser's words, or as every other error where a program asks.
fn refused(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    let unquoted = has_group_of_a_fingerprint(error);
    if json && error.use_stderr() {
        let text = error.render().to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default().trim_start_matches("error: ");
        // What is missing stands line by line; usage and a pointer to the help follow.
        let rest = lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
        let reason = std::iter::once(first).chain(rest).collect::<Vec<_>>().join(" ");
        return stopped(&Error::CommandLine { reason, unquoted }, true);
    }
    // Help that nobody reads to its end is no failure.
    let _ = error.print();
    if unquoted {
        output::note(failure::QUOTES);
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE))
}

/// Whether a word too many is one of the eight groups in which a fingerprint is printed.
fn has_group_of_a_fingerprint(error: &clap::Error) -> bool {
    let unknown = error.kind() == clap::error::ErrorKind::UnknownArgument;
    let word = error.get(clap::error::ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    unknown && word.len() == 8 && word.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn stopped(error: &Error, json: bool) -> ExitCode {
    let failure = error.failure();
    tell(&failure, json);
    ExitCode::from(failure.exit)
}

fn tell(failure: &Failure, json: bool) {
    if json {
        // Where standard output is gone, standard error still tells.
        let _ = output::json(&serde_json::json!({ "version": 1, "error": failure }));
    }
    // Files from a stick have names and say things of their own.
    output::note(&format!("{}: {}\n{}", failure.what, words::isolated(&failure.why), failure.remedy));
}
