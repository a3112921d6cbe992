//! `bitaqa-pki`: run the national PKI from the command line.
//!
//! This binary knows arguments, prompts, words for people and exit codes; what is issued is decided in the crate `authority`.
//!
//! Exit codes, never renumbered: 0 good, 1 bug, 2 usage, 40 trust material (also: `status` found something to do).
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod commands;
mod failure;
mod output;
mod passphrase;

use std::process::ExitCode;

use clap::Parser;

use crate::failure::Failure;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
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
