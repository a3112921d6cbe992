//! `bitaqa-printer-sim`: a card printer in software behind a pseudo-terminal.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use printing::simulator::{Fault, Kind, Options, Printer, Pty, Station, serve};
use signal_hook::consts::{SIGINT, SIGTERM};

/// A card printer in software: it answers on a pseudo-terminal as an Evolis printer does and draws what it is sent.
#[derive(Parser)]
#[command(name = "bitaqa-printer-sim", version)]
struct Arguments {
    /// Link to make to the pseudo-terminal; give this path to the personalizer
    #[arg(long, value_name = "PATH")]
    port: PathBuf,
    /// Directory for the pictures of printed cards, <n>-front.png and <n>-back.png
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// What the printer says its model is
    #[arg(long, default_value = "Quantum")]
    model: String,
    /// Virtual cards in the feeder (ignored with --blanks)
    #[arg(long, value_name = "CARDS", default_value_t = 100)]
    feeder: u64,
    /// How many cards the reject box holds
    #[arg(long, value_name = "CARDS", default_value_t = 30)]
    reject_box: u64,
    /// A fault and the card at which it happens once: NAME@CARD; may be repeated
    #[arg(long = "fault", value_name = "NAME@CARD", long_help = fault_help())]
    faults: Vec<Fault>,
    /// Directory of soft-card states *.card that serve as blanks; finished cards go to DIR/good or DIR/reject
    #[arg(long, value_name = "DIR", requires = "station", requires = "soft_card")]
    blanks: Option<PathBuf>,
    /// Socket of the virtual reader's slot that is the chip station
    #[arg(long, value_name = "SLOT_SOCKET", requires = "blanks")]
    station: Option<PathBuf>,
    /// The soft card's program
    #[arg(long, value_name = "BIN", requires = "blanks")]
    soft_card: Option<PathBuf>,
}

fn fault_help() -> String {
    let names: Vec<&str> = Kind::names().collect();
    format!("A fault and the card at which it happens once, NAME@CARD; may be repeated. Names: {}", names.join(", "))
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bitaqa-printer-sim: {error}");
            // 30: printer, as in the exit codes of the other tools.
            ExitCode::from(30)
        }
    }
}

fn run(arguments: Arguments) -> io::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    if let Some(directory) = &arguments.output {
        fs::create_dir_all(directory)?;
    }
    let station = arguments
        .blanks
        .zip(arguments.station)
        .zip(arguments.soft_card)
        .map(|((blanks, slot), program)| Station::new(blanks, slot, program));
    let mut printer = Printer::new(Options {
        model: arguments.model,
        feeder: arguments.feeder,
        reject_box: arguments.reject_box,
        faults: arguments.faults,
        output: arguments.output,
        station,
    });
    let port = arguments.port.as_path();
    // A link that leads nowhere was left behind; another printer's is not taken away from it.
    if port.symlink_metadata().is_ok_and(|found| found.file_type().is_symlink()) && port.exists() {
        let why = "leads to a terminal that is there: end the other simulator, or remove the link";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("--port {}: it {why}", port.display())));
    }
    let mut pty = Pty::open()?;
    pty.link(port).map_err(|error| {
        io::Error::new(error.kind(), format!("--port {}: the link cannot be made: {error}", port.display()))
    })?;
    println!("ready {} -> {}", arguments.port.display(), pty.port().display());
    io::stdout().flush()?;
    serve(&mut pty, &mut printer, &stop, |trouble| eprintln!("bitaqa-printer-sim: {trouble}"))
}
