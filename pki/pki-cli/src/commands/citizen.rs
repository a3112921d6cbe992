//! `citizen`: certificates for the keys of citizens.

use std::fs;
use std::path::Path;

use authority::Authority;
use authority::citizen_ca::Holder;
use jiff::Timestamp;
use serde_json::json;

use super::issue::{certificate, day, new_key};
use crate::args::{Citizen, CitizenIssue};
use crate::failure::Failure;
use crate::output::show;
use crate::passphrase;

pub fn run(command: &Citizen, json: bool) -> Result<(), Failure> {
    match command {
        Citizen::Init { place, key, another, passphrase } => {
            let mut authority = Authority::open(&place.dir)?;
            let key = new_key(key, None)?;
            let secret = passphrase::new(passphrase, &key.place)?;
            authority.make_keys(key);
            let ca = authority.create_citizen_ca(*another, &secret, Timestamp::now())?;
            let words =
                format!("citizen CA\n  name           {}\n  valid until    {}", ca.subject(), day(ca.not_after()));
            show(json, "citizen init", certificate(&ca), &words)?;
        }
        Citizen::Issue(arguments) => issue(arguments, json)?,
        Citizen::Responder { place, key, passphrase, signer_passphrase } => {
            let mut authority = Authority::open(&place.dir)?;
            let (token, key) = (authority.citizen_ca_token()?, new_key(key, None)?);
            let secret = passphrase::existing(passphrase, token.as_ref())?;
            let own = passphrase::signer(signer_passphrase, &key.place, token.as_ref(), || Ok(()))?;
            let own = own.as_ref().unwrap_or(&secret);
            authority.make_keys(key);
            let (path, made) = authority.new_citizen_responder(&secret, own, Timestamp::now())?;
            let words = format!(
                "responder for status questions certified\n  valid until    {}\n  directory      {}",
                day(made.not_after()),
                path.display()
            );
            let object = json!({ "directory": path, "certificate": certificate(&made) });
            show(json, "citizen responder", object, &words)?;
        }
        Citizen::Revoke { serial, place } => {
            let range = Authority::open(&place.dir)?.revoke_citizen_certificate(serial, Timestamp::now())?;
            let words = format!(
                "certificate {serial} is revoked\nnext: bitaqa-pki citizen crl --dir {} --range {range}",
                place.dir.display()
            );
            show(json, "citizen revoke", json!({ "serial": serial, "range": range }), &words)?;
        }
        Citizen::Crl { range, place, passphrase } => lists(*range, &place.dir, passphrase, json)?,
    }
    Ok(())
}

fn issue(arguments: &CitizenIssue, json: bool) -> Result<(), Failure> {
    let path = &arguments.csr;
    let request = fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    let holder = Holder {
        given_names: arguments.given_names.clone(),
        surname: arguments.surname.clone(),
        number: arguments.number.clone(),
    };
    let mut authority = Authority::open(&arguments.place.dir)?;
    let secret = passphrase::existing(&arguments.passphrase, authority.citizen_ca_token()?.as_ref())?;
    let purpose = arguments.purpose.into();
    let issued = authority.issue_citizen_certificate(&request, purpose, &holder, &secret, Timestamp::now())?;
    let first = if issued.made { "certificate issued" } else { "this key has its certificate already" };
    let words = format!(
        "{first}\n  serial         {}\n  valid until    {}\n  file           {}",
        hex::encode(issued.certificate.serial()),
        day(issued.certificate.not_after()),
        issued.path.display()
    );
    let object = json!({
        "file": issued.path, "made": issued.made, "range": issued.range, "certificate": certificate(&issued.certificate),
    });
    show(json, "citizen issue", object, &words)?;
    Ok(())
}

fn lists(
    range: Option<u64>,
    directory: &Path,
    source: &crate::args::PassphraseSource,
    json: bool,
) -> Result<(), Failure> {
    let mut authority = Authority::open(directory)?;
    let secret = passphrase::existing(source, authority.citizen_ca_token()?.as_ref())?;
    let lists = authority.issue_citizen_lists(range, &secret, Timestamp::now())?;
    let mut words = format!("{} revocation lists issued", lists.len());
    let mut objects = Vec::new();
    for list in &lists {
        words.push_str(&format!(
            "\n  range {:6} number {:4} revoked {:6} next until {}  {}",
            list.range,
            list.number,
            list.revoked,
            day(list.next_update),
            list.path.display()
        ));
        objects.push(json!({
            "range": list.range, "number": list.number, "revoked": list.revoked, "file": list.path,
            "next_update": list.next_update.to_string(),
        }));
    }
    show(json, "citizen crl", json!({ "lists": objects }), &words)?;
    Ok(())
}
