//! `cvc`: card-verifiable certificates.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use authority::cvca::{CvGrant, CvHolder, CvMade, CvPeriod, CvStore, NewCvca};
use authority::{Algorithm, Authority, RsaSize};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use trust::cvc::chain::{self, TrustPoint};
use trust::cvc::{Chat, CvCertificate, CvPublicKey, CvRequest, KeyAlgorithm, KeyKind, KeyNumbers, Level, Reference};
use trust::files::write_output;
use trust::{EllipticCurve, Hash};

use super::issue::place;
use crate::args::cvc::{self as args, Cvc, CvcName};
use crate::args::{PassphraseSource, SignerPassphraseSource, TokenOptions};
use crate::failure::{Failure, TRUST, USAGE};
use crate::output::{grouped, show};
use crate::passphrase;

/// What keys of a hierarchy sign with when nobody says otherwise.
const USUAL: Algorithm = Algorithm::Ecdsa(EllipticCurve::BrainpoolP256r1);

/// Does what the command line says.
pub fn run(command: &Cvc, json: bool) -> Result<ExitCode, Failure> {
    match command {
        Cvc::Init(arguments) => init(arguments, json)?,
        Cvc::Dv(arguments) => {
            let level = if arguments.domestic { Level::DomesticDv } else { Level::ForeignDv };
            let grant = CvGrant { level, rights: arguments.terms.rights.clone(), period: arguments.terms.period() };
            let sources = (&arguments.passphrase, &arguments.signer_passphrase);
            let store = store(&arguments.place.dir, &arguments.key)?;
            let name = name(&arguments.name, &arguments.place.dir)?;
            certify("cvc dv", &arguments.by, &name, &grant, &store, sources, json)?;
        }
        Cvc::Terminal(arguments) => {
            let terms = &arguments.terms;
            let grant = CvGrant { level: Level::Terminal, rights: terms.rights.clone(), period: terms.period() };
            let sources = (&arguments.passphrase, &arguments.signer_passphrase);
            let store = store(&arguments.place.dir, &arguments.key)?;
            let name = name(&arguments.name, &arguments.place.dir)?;
            certify("cvc terminal", &arguments.by, &name, &grant, &store, sources, json)?;
        }
        Cvc::Request(arguments) => request(arguments, json)?,
        Cvc::Accept(arguments) => accept(arguments, json)?,
        Cvc::Issue(arguments) => issue(arguments, json)?,
        Cvc::List(place) => list(&place.dir, json)?,
        Cvc::Show { files } => show_files(files, json)?,
        Cvc::Verify(arguments) => verify(arguments, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn init(arguments: &args::CvcInit, json: bool) -> Result<(), Failure> {
    let directory = &arguments.place.dir;
    let (country, mnemonic) = name(&arguments.name, directory)?;
    let name = [country.as_str(), &mnemonic].concat();
    let (store, now) = (store(directory, &arguments.key.place)?, Timestamp::now());
    let place = store.next_place(&name)?;
    let period = arguments.months.map(CvPeriod::Months);
    let made = match arguments.r#type {
        Some(terminal_type) => {
            let new = NewCvca {
                country,
                mnemonic,
                terminal_type: terminal_type.into(),
                rights: arguments.rights.clone(),
                algorithm: arguments.key.key.unwrap_or(USUAL),
                period,
            };
            store.create_cvca(&new, &passphrase::new(&arguments.passphrase, &place)?, now)?
        }
        None => {
            // Before anybody is asked for a passphrase.
            let current = store.holder(&name)?.place()?;
            let secret = passphrase::existing(&arguments.passphrase, current.token())?;
            let next = passphrase::next(&arguments.signer_passphrase, &place, &current)?;
            let secrets = (&secret, next.as_ref().unwrap_or(&secret));
            store.roll_over(&name, arguments.key.key, period, secrets, now)?
        }
    };
    report_made("cvc init", &made, json)
}

fn certify(
    command: &str,
    issuer: &str,
    (country, mnemonic): &(String, String),
    grant: &CvGrant,
    store: &CvStore,
    (source, own_source): (&PassphraseSource, &SignerPassphraseSource),
    json: bool,
) -> Result<(), Failure> {
    let issued_by = store.holder(issuer)?;
    let issuer_place = issued_by.place()?;
    let place = store.next_place(&[country.as_str(), mnemonic].concat())?;
    let secret = passphrase::existing(source, issuer_place.token())?;
    let own = passphrase::signer(own_source, &place, issuer_place.token(), || Ok(issued_by.opens(&secret)?))?;
    let own = own.as_ref().unwrap_or(&secret);
    let made = store.certify(issuer, (country, mnemonic), grant, &secret, own, Timestamp::now())?;
    report_made(command, &made, json)
}

/// The store of this directory, making keys where the command line says.
fn store(directory: &Path, options: &TokenOptions) -> Result<CvStore, Failure> {
    let mut store = CvStore::new(directory);
    if let Some(place) = place(options)? {
        store.make_keys(place);
    }
    Ok(store)
}

fn report_made(command: &str, made: &CvMade, as_json: bool) -> Result<(), Failure> {
    let mut object = certificate_object(&made.certificate);
    if let Some(fields) = object.as_object_mut() {
        fields.insert("directory".to_owned(), json!(made.directory));
        fields.insert("link".to_owned(), json!(made.link.as_ref().map(certificate_object)));
    }
    let mut words = format!("{}\n  folder       {}", certificate_words(&made.certificate), made.directory.display());
    if made.certificate.body().chat.level() == Level::Terminal
        && let Some(terminal) = made.directory.parent().and_then(Path::parent)
    {
        words.push_str(&format!(
            "\n  give this folder to the post, whole, again after each new key: {}",
            terminal.display()
        ));
    }
    if made.link.is_some() {
        words.push_str("\n  link         link.cvcert in this folder: give it to every document verifier and terminal");
    }
    show(as_json, command, object, &words)
}

fn request(arguments: &args::CvcRequest, json: bool) -> Result<(), Failure> {
    let directory = &arguments.place.dir;
    let (country, mnemonic) = name(&arguments.name, directory)?;
    let (authority, algorithm) = match &arguments.authority {
        Some(path) => {
            let certificate = sole_certificate(path)?;
            let algorithm = algorithm_of(&certificate).ok_or_else(|| unusable_authority(path))?;
            (Some(certificate), algorithm)
        }
        None => (None, arguments.key.key.unwrap_or(USUAL)),
    };
    let store = store(directory, &arguments.key.place)?;
    let holder = [country.as_str(), &mnemonic].concat();
    let place = store.next_place(&holder)?;
    let (secret, next) = match store.holder(&holder) {
        Ok(holder) if holder.current().is_some() => {
            let current = holder.place()?;
            let secret = passphrase::existing(&arguments.passphrase, current.token())?;
            (secret, passphrase::next(&arguments.signer_passphrase, &place, &current)?)
        }
        Ok(_) | Err(_) => (passphrase::new(&arguments.passphrase, &place)?, None),
    };
    let secrets = (&secret, next.as_ref().unwrap_or(&secret));
    let (_, request) =
        store.request((&country, &mnemonic), authority.as_ref(), algorithm, secrets, Timestamp::now())?;
    write(&arguments.out, request.bytes())?;
    let object = with_file(request_object(&request), &arguments.out);
    let words = format!(
        "{}\n  written to   {}\nSend it to the issuer, and the fingerprint on another way.",
        request_words(&request),
        arguments.out.display()
    );
    show(json, "cvc request", object, &words)?;
    Ok(())
}

fn accept(arguments: &args::CvcAccept, json: bool) -> Result<(), Failure> {
    let answer = all_certificates(&arguments.files)?;
    let trusted = arguments.trust.iter().map(|path| trust_point(path)).collect::<Result<Vec<_>, _>>()?;
    let made = CvStore::new(&arguments.place.dir).accept(&arguments.holder, &answer, &trusted, Timestamp::now())?;
    report_made("cvc accept", &made, json)
}

fn issue(arguments: &args::CvcIssue, json: bool) -> Result<(), Failure> {
    let request = CvRequest::from_bytes(&read(&arguments.request)?)
        .map_err(|error| not_readable(&arguments.request, &error.to_string()))?;
    let voucher = arguments.voucher.as_deref().map(trust_point).transpose()?;
    let terms = &arguments.terms;
    let grant = CvGrant { level: arguments.level.into(), rights: terms.rights.clone(), period: terms.period() };
    let store = CvStore::new(&arguments.place.dir);
    let place = store.holder(&arguments.by)?.place()?;
    let secret = passphrase::existing(&arguments.passphrase, place.token())?;
    let certificate = store.issue(&arguments.by, &request, voucher.as_ref(), &grant, &secret, Timestamp::now())?;
    write(&arguments.out, certificate.bytes())?;
    let object = with_file(certificate_object(&certificate), &arguments.out);
    let words = format!("{}\n  written to   {}", certificate_words(&certificate), arguments.out.display());
    show(json, "cvc issue", object, &words)?;
    Ok(())
}

fn list(directory: &Path, json: bool) -> Result<(), Failure> {
    let (holders, today) = (CvStore::new(directory).holders()?, today());
    let lines: Vec<String> = holders.iter().map(|holder| holder_line(holder, today)).collect();
    let objects: Vec<Value> = holders.iter().map(|holder| holder_object(holder, today)).collect();
    let words =
        if lines.is_empty() { "no holders of card-verifiable certificates".to_owned() } else { lines.join("\n") };
    show(json, "cvc list", json!({ "holders": objects }), &words)?;
    Ok(())
}

fn holder_line(holder: &CvHolder, today: Date) -> String {
    let waiting = holder.generations().iter().any(|generation| generation.certificate.is_none());
    let waiting = if waiting { ", a request is under way" } else { "" };
    match holder.current() {
        Some((_, certificate)) => {
            let body = certificate.body();
            let end = if today > body.expires { "expired after" } else { "good until" };
            let chat = (body.chat.terminal_type().name(), body.chat.level());
            format!("{:<17} {} {:<12} {end} {}{waiting}", body.holder.to_string(), chat.0, chat.1.name(), body.expires)
        }
        None => format!("{:<17} no certificate yet{waiting}", holder.name()),
    }
}

fn holder_object(holder: &CvHolder, today: Date) -> Value {
    let generations = holder.generations().iter().map(|generation| {
        json!({
            "sequence": generation.sequence, "directory": generation.directory,
            "certificate": generation.certificate.as_ref().map(certificate_object),
            "link": generation.link.as_ref().map(certificate_object),
            "request": generation.request.as_ref().map(request_object),
        })
    });
    let current = holder.current().map(|(_, certificate)| certificate.body());
    json!({
        "name": holder.name(), "current": current.map(|body| body.holder.to_string()),
        "expires": current.map(|body| body.expires.to_string()),
        "expired": current.is_none_or(|body| today > body.expires),
        "generations": generations.collect::<Vec<_>>(),
    })
}

fn show_files(files: &[PathBuf], json: bool) -> Result<(), Failure> {
    let (mut objects, mut words) = (Vec::new(), Vec::new());
    for path in files {
        let bytes = read(path)?;
        if let Ok(request) = CvRequest::from_bytes(&bytes) {
            objects.push(with_file(request_object(&request), path));
            words.push(request_words(&request));
            continue;
        }
        for certificate in certificates(path, &bytes)? {
            objects.push(with_file(certificate_object(&certificate), path));
            words.push(certificate_words(&certificate));
        }
    }
    show(json, "cvc show", json!({ "objects": objects }), &words.join("\n"))?;
    Ok(())
}

fn verify(arguments: &args::CvcVerify, json: bool) -> Result<(), Failure> {
    let points = arguments.trust.iter().map(|path| trust_point(path)).collect::<Result<Vec<_>, _>>()?;
    let all = all_certificates(&arguments.files)?;
    // Who knows a newer key of the CVCA does not need the links that lead to it.
    let known = |certificate: &CvCertificate| {
        points.iter().any(|point| point.certificate().body().holder == certificate.body().authority)
    };
    let from = all.iter().position(known).unwrap_or(0);
    let day = arguments.date.unwrap_or_else(today);
    let verified = chain::verify(&points, all.get(from..).unwrap_or_default(), day).map_err(|error| Failure {
        what: "The chain is not believed.".to_owned(),
        why: error.to_string(),
        remedy: "Get the missing or newer certificate from its issuer; give the files in the order CVCA, document verifier, terminal.".to_owned(),
        exit: TRUST,
    })?;
    let (body, effective) = (verified.last().body(), verified.effective());
    let links: Vec<String> =
        verified.trust_points().iter().map(|point| point.certificate().body().holder.to_string()).collect();
    let object = json!({
        "holder": body.holder.to_string(), "date": day.to_string(), "terminal_type": effective.terminal_type().name(),
        "level": effective.level().name(), "effective_rights": effective.right_names(),
        "effective_template": hex::encode(effective.template()), "new_trust_points": links,
        "card_date": verified.card_date().map(|date| date.to_string()),
    });
    let mut words = format!("{} is believed on {day}\n  may          {}", body.holder, rights_words(effective));
    if !links.is_empty() {
        words.push_str(&format!("\n  a card learns the CVCA key of {}", links.join(", ")));
    }
    show(json, "cvc verify", object, &words)?;
    Ok(())
}

fn certificate_object(certificate: &CvCertificate) -> Value {
    let body = certificate.body();
    let extensions =
        body.extensions.iter().map(|extension| json!({ "oid": hex::encode(&extension.oid), "name": extension.name() }));
    json!({
        "kind": "certificate", "holder": body.holder.to_string(), "authority": body.authority.to_string(),
        "terminal_type": body.chat.terminal_type().name(), "level": body.chat.level().name(),
        "rights": body.chat.right_names(), "template": hex::encode(body.chat.template()),
        "algorithm": body.public_key.algorithm.to_string(), "curve": curve_name(&body.public_key),
        "domain_parameters": body.public_key.has_domain(),
        "effective": body.effective.to_string(), "expires": body.expires.to_string(),
        "self_signed": certificate.is_self_signed(), "is_link": certificate.is_link(),
        "extensions": extensions.collect::<Vec<_>>(), "strict": certificate.is_strict(),
        "sha256": fingerprint(certificate.bytes()),
    })
}

fn certificate_words(certificate: &CvCertificate) -> String {
    let body = certificate.body();
    let issued = if certificate.is_self_signed() { "itself".to_owned() } else { body.authority.to_string() };
    format!(
        "certificate {}\n  issued by    {issued}\n  level        {} {}{}\n  rights       {}\n  key          {}\n  valid        {} until {}\n  fingerprint  {}",
        body.holder,
        body.chat.terminal_type().name(),
        body.chat.level(),
        if certificate.is_link() { " (link)" } else { "" },
        rights_words(body.chat),
        key_words(&body.public_key),
        body.effective,
        body.expires,
        grouped(&fingerprint(certificate.bytes())),
    )
}

fn request_object(request: &CvRequest) -> Value {
    let body = request.body();
    json!({
        "kind": "request", "holder": body.holder.to_string(), "authority": body.authority.as_ref().map(Reference::to_string),
        "algorithm": body.public_key.algorithm.to_string(), "curve": curve_name(&body.public_key),
        "authenticated_by": request.authenticated_by().map(Reference::to_string),
        "inner_signature": request.verify_inner().is_ok(), "sha256": fingerprint(request.bytes()),
    })
}

fn request_words(request: &CvRequest) -> String {
    let body = request.body();
    let or_nobody = |reference: Option<&Reference>| reference.map_or_else(|| "nobody".to_owned(), Reference::to_string);
    format!(
        "request for {}\n  meant for    {}\n  vouched for  by {}\n  key          {}\n  own key      {}\n  fingerprint  {}",
        body.holder,
        or_nobody(body.authority.as_ref()),
        or_nobody(request.authenticated_by()),
        key_words(&body.public_key),
        if request.verify_inner().is_ok() { "proved" } else { "NOT proved" },
        grouped(&fingerprint(request.bytes())),
    )
}

fn rights_words(chat: Chat) -> String {
    let names = chat.right_names();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn key_words(key: &CvPublicKey) -> String {
    match curve_name(key) {
        Some(curve) => format!("{} {curve}", key.algorithm),
        None if matches!(key.numbers, KeyNumbers::Ec { .. }) => format!("{} on the curve of its CVCA", key.algorithm),
        None => key.algorithm.to_string(),
    }
}

fn curve_name(key: &CvPublicKey) -> Option<&'static str> {
    key.resolve(None).ok()?.curve().map(EllipticCurve::name)
}

fn fingerprint(bytes: &[u8]) -> String {
    hex::encode(Hash::Sha256.digest(bytes))
}

/// What the key of this certificate signs with, as far as new keys may be of that kind.
fn algorithm_of(certificate: &CvCertificate) -> Option<Algorithm> {
    let key = certificate.key(None).ok()?;
    let size = |bits| RsaSize::ALL.into_iter().find(|size| size.bits() == bits);
    let algorithm = match (key.algorithm(), key.kind()) {
        (KeyAlgorithm::Ecdsa(_), KeyKind::Ec(curve)) => Algorithm::Ecdsa(curve),
        (KeyAlgorithm::RsaV15(_), KeyKind::Rsa { bits }) => Algorithm::RsaV15(size(bits)?),
        (KeyAlgorithm::RsaPss(_), KeyKind::Rsa { bits }) => Algorithm::RsaPss(size(bits)?),
        _ => return None,
    };
    (algorithm.hash() == key.algorithm().hash()).then_some(algorithm)
}

/// Country and mnemonic.
fn name(name: &CvcName, directory: &Path) -> Result<(String, String), Failure> {
    let country = match &name.country {
        Some(country) => Ok(country.clone()),
        None => Authority::open(directory).map(|authority| authority.profile().country.to_owned()).map_err(|error| {
            Failure {
                what: "The country of the name is missing.".to_owned(),
                why: format!("there is no authority to take it from: {error}"),
                remedy: "Give --country CC, two capital letters.".to_owned(),
                exit: USAGE,
            }
        }),
    };
    Ok((country?, name.mnemonic.clone()))
}

fn trust_point(path: &Path) -> Result<TrustPoint, Failure> {
    TrustPoint::new(sole_certificate(path)?).map_err(|error| not_readable(path, &error.to_string()))
}

fn sole_certificate(path: &Path) -> Result<CvCertificate, Failure> {
    CvCertificate::from_bytes(&read(path)?).map_err(|error| not_readable(path, &error.to_string()))
}

fn all_certificates(paths: &[PathBuf]) -> Result<Vec<CvCertificate>, Failure> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(certificates(path, &read(path)?)?);
    }
    Ok(all)
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CvCertificate>, Failure> {
    authority::cvca::certificates(bytes).map_err(|error| not_readable(path, &error.to_string()))
}

/// The largest file of certificates or a request that is read.
const MAX_FILE: u64 = 1024 * 1024;

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| io::Read::read_to_end(&mut io::Read::take(file, MAX_FILE), &mut bytes))
        .map(|_| bytes)
        .map_err(|error| Failure::unreadable(path, &error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_output(path, bytes, 0o666).map_err(|error| Failure::unwritable(path, &error))
}

fn with_file(mut object: Value, path: &Path) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("file".to_owned(), json!(path));
    }
    object
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

fn not_readable(path: &Path, why: &str) -> Failure {
    Failure {
        what: format!("{} cannot be used.", path.display()),
        why: why.to_owned(),
        remedy: "Name a file with card-verifiable certificates or a request as TR-03110-3 defines them.".to_owned(),
        exit: TRUST,
    }
}

fn unusable_authority(path: &Path) -> Failure {
    not_readable(path, "its key has no domain parameters, or is of a kind that no new keys are made of")
}
