//! The citizen application as computers of today see it: the real pcscd, OpenSC, ssh-keygen and OpenSSL, none of
//! them with a special option. `make interop` shows each step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

mod applets;
mod issuer;
mod passport;
mod real;
mod steps;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output};
use std::time::{Duration, Instant};

use eid::keys::Algorithm;
use test_vectors::pcscd::PrivatePcscd;

/// The name by which `cargo test NAME` finds it.
const NAME: &str = "standard_tools_use_the_card";

/// A card in the one reader of a pcscd, and a folder for what the tools write.
struct Desk {
    pcscd: PrivatePcscd,
    card: Child,
    folder: PathBuf,
    passed: u32,
}

impl Desk {
    fn new(pcscd: PrivatePcscd, state: &Path) -> Self {
        let card = Command::new(env!("CARGO_BIN_EXE_bitaqa-soft-card"))
            .args(["run".as_ref(), "--state".as_ref(), state.as_os_str(), "--connect".as_ref()])
            .arg(pcscd.slot(0))
            .spawn()
            .unwrap();
        let desk = Desk { pcscd, card, folder: state.parent().unwrap().into(), passed: 0 };
        let begun = Instant::now();
        while !desk.run("opensc-tool", &["-a"]).status.success() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the card does not come up: {}", desk.pcscd.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        desk
    }

    /// Runs a program in the folder; a home of its own keeps OpenSC's caches and settings away.
    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = self.pcscd.command(program);
        command.args(arguments).current_dir(&self.folder).env("HOME", &self.folder).env("LC_ALL", "C");
        command.env("XDG_CACHE_HOME", self.folder.join("cache")).env("PIV_EXT_AUTH_KEY", self.folder.join("9b.hex"));
        command.output().unwrap_or_else(|error| panic!("{program}: {error}"))
    }

    /// What a program prints, on both outputs; it must succeed.
    fn must(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        let text = said(&output);
        assert!(output.status.success(), "{program} {arguments:?}: {text}");
        text
    }

    /// What a program prints that must fail.
    fn refused(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        let text = said(&output);
        assert!(!output.status.success(), "{program} {arguments:?} went through: {text}");
        text
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(name)).unwrap()
    }

    /// One thing that works.
    fn pass(&mut self, what: &str) {
        self.passed += 1;
        let _ = writeln!(std::io::stderr(), "  ok  {what}");
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.card.kill();
        let _ = self.card.wait();
    }
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

/// The programs without which nothing can be tried.
fn tools_are_here() -> bool {
    ["opensc-tool", "pkcs15-tool", "pkcs11-tool", "piv-tool", "ssh-keygen", "openssl"].iter().all(|program| {
        let there = Command::new(program).arg("-h").output().is_ok();
        if !there {
            test_vectors::missing(&format!(
                "{program} is not installed (Debian: apt-get install opensc openssh-client)"
            ));
        }
        there
    })
}

/// A program of its own, so that its last line is the sum. It is run like a test: other names, and lists, are not its affair.
fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    if words.any(|word| word == "--list" || !(word.starts_with('-') || NAME.contains(&word))) || !tools_are_here() {
        return ExitCode::SUCCESS;
    }
    let curves = [Algorithm::P256, Algorithm::P384, Algorithm::P256, Algorithm::P256];
    let rsa = [Algorithm::Rsa2048, Algorithm::Rsa3072, Algorithm::Rsa2048, Algorithm::Rsa2048];
    let results = std::thread::scope(|scope| {
        let cards = [curves, rsa].map(|algorithms| scope.spawn(move || citizen_s_card(algorithms)));
        let real = scope.spawn(real::real_objects_are_read_back);
        let theirs = ["pivapplet", "openfips201"].map(|name| scope.spawn(move || applets::their_card(name)));
        let passport = scope.spawn(passport::jmrtd_applet);
        cards.into_iter().chain([real, passport]).chain(theirs).map(|card| card.join()).collect::<Vec<_>>()
    });
    // A card whose thread gave up has said why.
    let failed = results.iter().filter(|result| result.is_err()).count();
    let passed: Option<u32> = results.into_iter().flatten().sum();
    // Without a pcscd there is nothing to sum up.
    if passed.is_some() || failed > 0 {
        let _ = writeln!(std::io::stderr(), "interop: {} passed, {failed} failed", passed.unwrap_or(0));
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many steps passed; `None` where no pcscd can be run.
fn citizen_s_card(algorithms: [Algorithm; 4]) -> Option<u32> {
    let pcscd = PrivatePcscd::start(1).unwrap()?;
    let folder = tempfile::tempdir().unwrap();
    let citizen = issuer::personalized(folder.path(), algorithms);
    let mut desk = Desk::new(pcscd, &citizen.state);
    steps::all(&mut desk, &citizen);
    Some(desk.passed)
}
