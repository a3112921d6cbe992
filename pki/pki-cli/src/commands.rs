//! One function for each command.

mod anchors;
mod backup;
mod bundle;
mod ceremony;
mod citizen;
mod cvc;
mod help;
mod issue;
mod lint;
mod master_key;
mod master_list;
mod record;
mod residence;
mod security_object;
mod signers;
mod status;

use std::process::ExitCode;

use authority::SignerKind;
use master_list::Showing;

use crate::args::{Acts, Arguments, Bundle, Ceremony, Command, Crl, Csca, Ds, MasterList, Publish, Signer, Trust};
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
        Command::Ds(Ds::Ensure(ensure)) => signers::ensure(SignerKind::Document, ensure, json)?,
        Command::Ds(Ds::Sign(arguments)) => security_object::sign(arguments, json)?,
        Command::Ds(Ds::Residence(arguments)) => residence::sign(arguments, json)?,
        Command::Ds(Ds::Revoke { name, place }) => issue::revoke(name.get(), &place.dir, json)?,
        Command::Crl(Crl::Issue { place, passphrase }) => issue::crl(&place.dir, passphrase, json)?,
        Command::Crl(Crl::Ensure(ensure)) => signers::ensure_crl(ensure, json)?,
        Command::Csca(Csca::Rollover(rollover)) => signers::roll_over(rollover, json)?,
        Command::Csca(Csca::Rename(rename)) => signers::rename(rename, json)?,
        Command::Csca(Csca::Show(place)) => signers::generations(&place.dir, json)?,
        Command::Signer(Signer::New { kind, name, max_uses, place, key, passphrase, signer_passphrase }) => {
            let key = issue::new_key(key, *max_uses)?;
            signers::new(*kind, name.as_deref(), &place.dir, &key, (passphrase, signer_passphrase), json)?;
        }
        Command::Signer(Signer::Ensure { kind, ensure }) => signers::ensure((*kind).into(), ensure, json)?,
        Command::Signer(Signer::Revoke { kind, name, place }) => signers::revoke(*kind, name.get(), &place.dir, json)?,
        Command::Publish(Publish::MasterList { certificate, by }) => signers::master_list(certificate, by, json)?,
        Command::Publish(Publish::DefectList { defects, by }) => signers::defect_list(defects, by, json)?,
        Command::Publish(Publish::DeviationList { deviations, by }) => signers::deviation_list(deviations, by, json)?,
        Command::Citizen(command) => citizen::run(command, json)?,
        Command::MasterKey(command) => master_key::run(command, json)?,
        Command::Acts(Acts::Show(place)) => record::show(&place.dir, json)?,
        Command::Acts(Acts::Verify { head, place }) => return record::verify(&place.dir, head.as_deref(), json),
        Command::Ceremony(Ceremony::Credential { name, out, passphrase }) => {
            ceremony::credential(name, out, passphrase, json)?;
        }
        Command::Ceremony(Ceremony::Run(run)) => ceremony::run(run, json)?,
        Command::Ceremony(Ceremony::Verify { transcript, script }) => {
            ceremony::verify(transcript, script.as_deref(), json)?;
        }
        Command::Bundle(Bundle::Export(export)) => bundle::export(export, json)?,
        Command::Bundle(Bundle::Sign { file, sha256, credential, credential_passphrase_file }) => {
            bundle::sign(file, sha256.as_ref(), credential, credential_passphrase_file, json)?;
        }
        Command::Bundle(Bundle::Show { file, pin, threshold }) => return bundle::show(file, pin, *threshold, json),
        Command::Bundle(Bundle::Delta { old, new, out }) => bundle::delta(old, new, out, json)?,
        Command::Cvc(command) => return cvc::run(command, json),
        Command::MasterList(MasterList::Show { file, signer, anchors, certificates, lint }) => {
            let (anchors, certificates, lint) = (anchors.as_deref(), *certificates, *lint);
            return master_list::show(file, &Showing { signers: signer, anchors, certificates, lint }, json);
        }
        Command::MasterList(MasterList::Diff { a, b }) => master_list::diff(a, b, json)?,
        Command::Trust(command) => return archive(command, json),
        Command::Lint(arguments) => return lint::run(arguments, json),
        Command::Status(place) => return status::show(&place.dir, json),
        Command::SigningWorker => security_object::work()?,
        Command::Backup(backup) => backup::run(backup, json)?,
        Command::Restore(restore) => backup::restore(restore, json)?,
        Command::ExpireSoon { days, ics, place } => status::expire_soon(*days, *ics, &place.dir, json)?,
        Command::Completions { shell } => help::completions(*shell)?,
        Command::Man { out } => help::manual(out.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn archive(command: &Trust, json: bool) -> Result<ExitCode, Failure> {
    match command {
        Trust::Import { files, signer, signer_state, confirm, by, dry_run, archive } => {
            let belief = anchors::Belief { signers: signer, signer_states: signer_state, confirmed: confirm, by };
            return anchors::import(&archive.dir, files, &belief, *dry_run, json);
        }
        Trust::List { country, pending, archive } => anchors::list(&archive.dir, country.as_deref(), *pending, json)?,
        Trust::Distrust { fingerprint, because, by, archive } => {
            anchors::distrust(&archive.dir, fingerprint, because, by, json)?;
        }
        Trust::Export { out, country, archive } => anchors::export(&archive.dir, out, country.as_deref(), json)?,
        Trust::Check { file, defect_list, archive } => {
            return anchors::check(&archive.dir, file, defect_list, json);
        }
    }
    Ok(ExitCode::SUCCESS)
}
