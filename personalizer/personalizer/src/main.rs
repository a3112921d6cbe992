//! `bitaqa-personalizer`: make cards from orders.
//!
//! This binary knows arguments, prompts, files, readers, printers and words for people; what is done to a card is decided in
//! the crate `perso`.
//!
//! Exit codes, never renumbered: see [`exit`].
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod citizens;
mod commands;
mod exit;
mod faces;
mod failure;
mod input;
mod keys;
mod line;
mod output;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

fn main() -> ExitCode {
    let arguments = match args::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refused(&error),
    };
    // Nothing is logged unless asked for: RUST_LOG=debug, on stderr.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    done(commands::run(&arguments), arguments.json)
}

/// A command line that cannot be used: in the parser's words, or as every other error where a program asks.
fn refused(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if !json || !error.use_stderr() {
        error.exit();
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ");
    // What is missing stands line by line; usage and a pointer to the help follow.
    let rest = lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let why = std::iter::once(first).chain(rest).collect::<Vec<_>>().join(" ");
    let remedy = "`bitaqa-personalizer COMMAND --help` lists what there is.";
    done(Err(Failure::new("The command line cannot be used.", why, remedy, exit::USAGE)), json)
}

fn done(result: Result<u8, Failure>, json: bool) -> ExitCode {
    let code = match result {
        Ok(code) => code,
        Err(failure) => {
            failure.show(json);
            failure.exit
        }
    };
    match output::lost() {
        None => ExitCode::from(code),
        Some(lost) => {
            // On stderr, whatever was asked for: standard output is what does not work.
            lost.show(false);
            // What is wrong with a card is graver.
            ExitCode::from(if code == exit::GOOD { lost.exit } else { code })
        }
    }
}
