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
use crate::failure::Failure;

fn main() -> ExitCode {
    let args = Args::parse();
    let json = args.command.json();
    match commands::run(args.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let failure = error.failure();
            tell(&failure, json);
            ExitCode::from(failure.exit)
        }
    }
}

fn tell(failure: &Failure, json: bool) {
    if json {
        // Where standard output is gone, standard error still tells.
        let _ = output::json(&serde_json::json!({ "version": 1, "error": failure }));
    }
    // Files from a stick have names and say things of their own.
    eprintln!("{}: {}", failure.what, words::isolated(&failure.why));
    eprintln!("{}", failure.remedy);
}
