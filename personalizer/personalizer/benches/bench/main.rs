//! `make bench`: how near each slow part comes to what the machine allows.
//!
//! Every row holds a value and its floor: the same bytes without our code, measured in the same run and in turns.
//! The table goes to standard output, the rows to `target/bench.json`:
//!
//! ```text
//! [ { "name", "value", "unit", "floor", "ratio", "better" }, .. ]      ratio = value / floor, better = lower | higher
//! ```
//!
//! `cargo bench -p personalizer -- sod_sign` measures only the rows whose names begin so.
//!
//! What stands in a value and in its floor is said at the head of each row's module. A row that cannot be measured
//! here is left out, and standard error says why.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod centre;
mod inspection_full;
mod master_list_import;
mod pace;
mod passive_auth_warm;
mod pcsc_roundtrip;
mod reading;
mod report;
mod secure_messaging;
mod sod_sign_pkcs11;
mod sod_sign_software;
mod turns;

use std::env;
use std::error::Error;

use centre::Centre;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [first, client @ ..] = arguments.as_slice() {
        match first.as_str() {
            pcsc_roundtrip::CLIENT => return pcsc_roundtrip::client(client),
            sod_sign_pkcs11::CLIENT => return sod_sign_pkcs11::client(client),
            sod_sign_pkcs11::WORKER => return sod_sign_pkcs11::worker(),
            _ => {}
        }
    }
    // `cargo test --all-targets` starts this program too, built without optimisation: there is nothing to test.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let named: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|start| name.starts_with(*start));
    let centre = Centre::new()?;
    let mut rows = Vec::new();
    if wanted("pcsc_roundtrip") {
        rows.extend(turns::on_one_cpu(pcsc_roundtrip::row)??);
    }
    if wanted("secure_messaging") {
        rows.push(secure_messaging::row()?);
    }
    if wanted("pace") {
        rows.extend(pace::rows()?);
    }
    if wanted("sod_sign_software") {
        rows.push(sod_sign_software::row(&centre)?);
    }
    if wanted("sod_sign_pkcs11") {
        rows.extend(sod_sign_pkcs11::rows()?);
    }
    if wanted("passive_auth_warm") {
        rows.push(passive_auth_warm::row(&centre)?);
    }
    if wanted("master_list_import") {
        rows.push(master_list_import::row()?);
    }
    if wanted("inspection_full") {
        rows.push(inspection_full::row(&centre)?);
    }
    if wanted("read_apdus") || wanted("read_bytes") {
        rows.extend(reading::rows(&centre)?);
    }
    report::print(&rows);
    report::write(&rows)
}
