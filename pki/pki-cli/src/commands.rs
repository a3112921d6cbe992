//! One function for each command.

mod bundle;
mod cvc;
mod help;
mod issue;
mod status;

use std::process::ExitCode;

use crate::args::{Arguments, Bundle, Command, Crl, Ds};
use crate::failure::Failure;

/// Does what the command line says.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let json = arguments.json;
    match &arguments.command {
        Command::Init(init) => issue::init(init, json)?,
        Command::Ds(Ds::New { name, max_uses, place, key, passphrase, signer_passphrase }) => {
            let key = issue::new_key(key, *max_uses)?;
            issue::new_signer(name.as_deref(), &place.dir, &key, passphrase, signer_passphrase, json)?;
        }
        Command::Ds(Ds::Revoke { name, place }) => issue::revoke(name, &place.dir, json)?,
        Command::Crl(Crl::Issue { place, passphrase }) => issue::crl(&place.dir, passphrase, json)?,
        Command::Bundle(Bundle::Export { out, revoked_documents, include_signers, place, passphrase }) => {
            let request = bundle::request(revoked_documents.as_deref(), *include_signers)?;
            bundle::export(out, request, &place.dir, passphrase, json)?;
        }
        Command::Cvc(command) => return cvc::run(command, json),
        Command::Status(place) => return status::show(&place.dir, json),
        Command::Completions { shell } => help::completions(*shell),
        Command::Man { out } => help::manual(out.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}
