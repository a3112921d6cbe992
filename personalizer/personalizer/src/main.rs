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

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    // Nothing is logged unless asked for: RUST_LOG=debug, on stderr.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match commands::run(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.show(arguments.json);
            ExitCode::from(failure.exit)
        }
    }
}
