//! `bundle export`, `bundle sign`, `bundle delta`; `bundle show` is beside it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use authority::ceremony::{CountersignError, Credential};
use authority::{Authority, BundleRequest, ExportedBundle};
use jiff::Timestamp;
use serde_json::json;
use trust::bundle::{BundleError, Delta, DeltaError, MAX_BUNDLE, PinsError, Sealed};
use trust::files::{directory_of, write_output};
use trust::import::{self, Content};
use trust::{Archive, Bundle, Certificate, Crl, Hash, Pin, Pins, RevokedDocument, chain};

use super::anchors::read_defect_list;
use super::issue::day;
use crate::args::Export;
use crate::failure::{Failure, TRUST, USAGE};
use crate::output::{self, grouped};
use crate::passphrase;

mod show;

pub use show::show;

pub fn export(export: &Export, json: bool) -> Result<(), Failure> {
    let mut authority = Authority::open(&export.place.dir)?;
    let replaced = replaced(&export.out)?;
    let (request, left_out) = request(export, &authority)?;
    let passphrase = passphrase::existing(&export.passphrase, authority.token()?.as_ref())?;
    let exported = authority.export_bundle(request, &passphrase, Timestamp::now())?;
    let key_file = beside(&export.out, ".signer.pem");
    for (path, bytes) in [(&export.out, &exported.bytes[..]), (&key_file, exported.public_key.as_bytes())] {
        write_output(path, bytes, 0o666).map_err(|error| Failure::unwritable(path, &error))?;
    }
    report(&export.out, &key_file, &exported, (replaced, &left_out), json)
}

/// The number of the bundle that stands there and gives way to the new one; anything else stays.
fn replaced(path: &Path) -> Result<Option<u64>, Failure> {
    if fs::metadata(path).is_err() {
        return Ok(None);
    }
    let number = |bytes: &[u8]| Sealed::read(bytes).and_then(|sealed| sealed.number());
    match number(&read(path)?) {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(Failure {
            what: "Nothing was issued.".to_owned(),
            why: format!("{} is there and is no trust bundle", path.display()),
            remedy: "Name another file with --out.".to_owned(),
            exit: USAGE,
        }),
    }
}

/// What is asked for, and the issuers of the lists that nobody in the bundle signed.
fn request(export: &Export, authority: &Authority) -> Result<(BundleRequest, Vec<String>), Failure> {
    let archive = export.archive.as_ref().map_or(Ok(Archive::default()), |path| existing_archive(path))?;
    let documents = export.revoked_documents.as_deref().map(read_documents).transpose()?;
    let (crls, left_out) = lists(&export.crl, &authority.foreign_anchors(&archive).0)?;
    let defect_lists = export.defect_list.iter().map(|path| read_defect_list(path)).collect::<Result<Vec<_>, _>>()?;
    let next_signers =
        export.next_threshold.map(|threshold| Pins::new(threshold, export.next_signer.iter().copied())).transpose()?;
    let request = BundleRequest {
        revoked_documents: documents.unwrap_or_default(),
        include_signers: export.include_signers,
        archive,
        crls,
        defect_lists,
        countries: export.country.iter().cloned().collect(),
        maximum_age_days: export.maximum_age,
        next_signers,
        allow_fewer: export.allow_fewer,
    };
    Ok((request, left_out))
}

/// An empty archive would be a mistake of the command line.
fn existing_archive(path: &Path) -> Result<Archive, Failure> {
    fs::metadata(path.join("archive.json")).map_err(|error| Failure::unreadable(path, &error))?;
    Ok(Archive::open(path)?)
}

/// The revocation lists that an anchor of another state signed, and who issued the others.
fn lists(files: &[PathBuf], anchors: &[Certificate]) -> Result<(Vec<Crl>, Vec<String>), Failure> {
    let (mut good, mut left_out) = (Vec::new(), Vec::new());
    for path in files {
        let unusable = |why: String| {
            Failure {
            what: format!("No revocation list of {} can be used; nothing was issued.", path.display()),
            why,
            remedy: "Have the CSCA that issued it believed first, with bitaqa-pki trust import; give its archive with --archive."
                .to_owned(),
            exit: TRUST,
        }
        };
        let bytes = fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
        let pieces = import::read(&bytes, &import::Bounds::default()).map_err(|error| unusable(error.to_string()))?;
        let before = good.len();
        for piece in pieces {
            match piece.content {
                Content::Crl(list) if chain::issuer_of_list(&list, anchors).is_some() => good.push(*list),
                Content::Crl(list) => left_out.push(list.issuer().to_string()),
                _ => {}
            }
        }
        if good.len() == before {
            return Err(unusable("it holds none that a believed anchor signed".to_owned()));
        }
    }
    Ok((good, left_out))
}

fn report(
    out: &Path,
    key_file: &Path,
    exported: &ExportedBundle,
    (replaced, left_out): (Option<u64>, &[String]),
    json: bool,
) -> Result<(), Failure> {
    let bundle = &exported.bundle;
    let unknown = without_code(bundle);
    let fingerprint = |anchor: &Certificate| hex::encode(Hash::Sha256.digest(anchor.der()));
    let refused = exported.anchors_left_out.iter();
    let refused: Vec<_> = refused.map(|anchor| (anchor.subject().to_string(), fingerprint(anchor))).collect();
    let anchors_left_out: Vec<_> =
        refused.iter().map(|(subject, sha256)| json!({ "subject": subject, "sha256": sha256 })).collect();
    let own: Vec<_> = exported.own_distrusted.iter().map(|one| (one.subject().to_string(), fingerprint(one))).collect();
    let own_distrusted: Vec<_> =
        own.iter().map(|(subject, sha256)| json!({ "subject": subject, "sha256": sha256 })).collect();
    let object = json!({
        "file": out, "signer_key": key_file, "signer": exported.pin, "number": bundle.number,
        "issued": bundle.issued.to_string(), "expires": bundle.expires.to_string(),
        "good_until": bundle.stale_after().to_string(),
        "anchors": bundle.anchors.len(), "signers": bundle.signers.len(), "crls": bundle.crls.len(),
        "defect_lists": bundle.defect_lists.len(),
        "revoked_documents": bundle.revoked_documents.len(), "seen_elsewhere": bundle.elsewhere.len(),
        "next_signers": bundle.next_signers, "crls_left_out": left_out, "anchors_left_out": anchors_left_out,
        "own_distrusted": own_distrusted, "replaced": replaced,
        "countries_without_code": unknown,
    });
    let mut words = format!(
        "trust bundle {} written to {}\n  good until         {}\n  anchors            {}\n  revocation lists   {}\n  \
         defect lists       {}\n  revoked documents  {}\n  signer's key       {}\n  fingerprint to pin {}\n",
        bundle.number,
        out.display(),
        day(bundle.stale_after()),
        bundle.anchors.len(),
        bundle.crls.len(),
        bundle.defect_lists.len(),
        bundle.revoked_documents.len(),
        key_file.display(),
        grouped(&exported.pin.to_string()),
    );
    if let Some(number) = replaced {
        words.push_str(&format!("  in place of        bundle {number}, which was in this file\n"));
    }
    for (subject, sha256) in refused {
        words.push_str(&format!(
            "  LEFT OUT           the anchor {subject}: it bears this state's own country and is not of this authority;\n  \
             \x20                  find out which list brought it into the archive\n                     fingerprint {}\n",
            grouped(&sha256)
        ));
    }
    for (subject, sha256) in own {
        words.push_str(&format!(
            "  LEFT OUT           this authority's own {subject}: the archive distrusts its key; cards under it are no longer\n  \
             \x20                  believed. fingerprint {}\n",
            grouped(&sha256)
        ));
    }
    for issuer in left_out {
        words.push_str(&format!("  left out           the list of {issuer}: no anchor signed it\n"));
    }
    for country in unknown {
        words.push_str(&format!("  no code of the MRZ for {country}: give it with --country CODE={country}\n"));
    }
    if let Some(next) = &bundle.next_signers {
        words.push_str(&format!("Now {} of the next signers must sign it: bitaqa-pki bundle sign\n", next.threshold()));
    }
    words.push_str("Send the fingerprint to the posts on another way than the bundle; typed with its spaces it goes into quotation marks.");
    output::show(json, "bundle export", object, &words)
}

/// Countries that have an anchor and no code of the MRZ: nothing can be said of their documents' issuing state.
fn without_code(bundle: &Bundle) -> BTreeSet<String> {
    let countries = bundle.anchors.iter().filter_map(|anchor| anchor.subject().country()).map(str::to_uppercase);
    let known = |country: &String| bundle.policy.countries.values().any(|known| known.eq_ignore_ascii_case(country));
    countries.filter(|country| !known(country)).collect()
}

/// What a custodian signs is shown to him first, unless he says what he has seen.
pub fn sign(
    file: &Path,
    seen: Option<&[u8; 32]>,
    credentials: &[PathBuf],
    passphrases: &[PathBuf],
    json: bool,
) -> Result<(), Failure> {
    let before = Sealed::read(&read(file)?)?;
    before.check_signatures()?;
    match seen {
        Some(seen) if *seen == before.payload_sha256() => {}
        Some(_) => return Err(not_signed("it is not the bundle with this SHA-256 of the payload".to_owned())),
        None => confirm(file, &before)?,
    }
    let credentials = passphrase::credentials(credentials, passphrases)?;
    let (sealed, signed) = add_signatures(file, &before, &credentials)?;
    let (number, count) = (sealed.number()?, sealed.countersignatures().len());
    let object = json!({ "file": file, "number": number, "signers": signed, "signatures": count });
    let mut words = format!("trust bundle {number} in {} has {count} signatures", file.display());
    for pin in signed {
        words.push_str(&format!("\n  signed now by, fingerprint to pin {}", grouped(&pin.to_string())));
    }
    output::show(json, "bundle sign", object, &words)?;
    Ok(())
}

/// Signs the file as it is now, when that is still the payload that was confirmed: others may have signed it meanwhile. Until
/// it is written, nobody else signs a bundle in its directory.
fn add_signatures(file: &Path, confirmed: &Sealed, credentials: &[Credential]) -> Result<(Sealed, Vec<Pin>), Failure> {
    let directory = directory_of(file);
    let lock = File::open(directory).and_then(|lock| lock.lock().map(|()| lock));
    let _lock = lock.map_err(|error| Failure::unwritable(directory, &error))?;
    let mut sealed = Sealed::read(&read(file)?)?;
    if sealed.payload() != confirmed.payload() {
        return Err(not_signed("another bundle took its place in the meantime".to_owned()));
    }
    sealed.check_signatures()?;
    let signed = credentials.iter().map(|one| one.countersign(&mut sealed)).collect::<Result<Vec<_>, _>>()?;
    write_output(file, &sealed.to_bytes(), 0o666).map_err(|error| Failure::unwritable(file, &error))?;
    Ok((sealed, signed))
}

/// Shows the bundle to whoever is at the terminal, who types yes.
fn confirm(file: &Path, sealed: &Sealed) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(not_signed("there is no terminal to confirm it on".to_owned()));
    }
    let words = show::words(file, sealed)?;
    let mut out = io::stderr();
    let mut answer = String::new();
    let asked = writeln!(out, "{words}")
        .and_then(|()| write!(out, "Do you sign this? Type yes: "))
        .and_then(|()| out.flush())
        .and_then(|()| io::stdin().read_line(&mut answer));
    asked.map_err(|error| not_signed(error.to_string()))?;
    if answer.trim() == "yes" { Ok(()) } else { Err(not_signed("it was not confirmed with yes".to_owned())) }
}

fn not_signed(why: String) -> Failure {
    Failure {
        what: "The bundle was not signed.".to_owned(),
        why,
        remedy: "See with bitaqa-pki bundle show what is in it; then sign at a terminal, or give the SHA-256 of the payload \
                 that it shows with --sha256."
            .to_owned(),
        exit: USAGE,
    }
}

pub fn delta(old: &Path, new: &Path, out: &Path, json: bool) -> Result<(), Failure> {
    let (from, to) = (Sealed::read(&read(old)?)?, Sealed::read(&read(new)?)?);
    let delta = Delta::between(&from, &to)?;
    if delta.apply(&from)? != to {
        return Err(DeltaError::Foreign(delta.number()).into());
    }
    let bytes = delta.to_bytes();
    write_output(out, &bytes, 0o666).map_err(|error| Failure::unwritable(out, &error))?;
    let (base, number, full) = (delta.base().number, delta.number(), to.to_bytes().len());
    let object = json!({ "file": out, "base": base, "number": number, "bytes": bytes.len(), "bundle_bytes": full });
    let words = format!(
        "delta from bundle {base} to bundle {number} written to {}: {} bytes instead of {full}",
        out.display(),
        bytes.len()
    );
    output::show(json, "bundle delta", object, &words)?;
    Ok(())
}

/// A bundle or a delta; one byte more than is accepted tells that it is too large.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BUNDLE as u64 + 1).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|error| Failure::unreadable(path, &error))
}

fn read_documents(path: &Path) -> Result<Vec<RevokedDocument>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(index, line)| document(line).map_err(|why| bad_line(path, index + 1, &why))).collect()
}

fn document(line: &str) -> Result<RevokedDocument, String> {
    let document: RevokedDocument = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if document.number.is_empty() || !document.number.bytes().all(plain) {
        return Err(format!("{:?} is not a document number of letters A-Z and digits 0-9", document.number));
    }
    let code = |state: &String| (1..=3).contains(&state.len()) && state.bytes().all(|byte| byte.is_ascii_uppercase());
    if let Some(state) = document.state.as_ref().filter(|state| !code(state)) {
        return Err(format!("{state:?} is not the code of a state as in the MRZ, without fillers"));
    }
    Ok(document)
}

fn bad_line(path: &Path, line: usize, why: &str) -> Failure {
    Failure {
        what: "The list of revoked documents cannot be used; nothing was issued.".to_owned(),
        why: format!("{} line {line}: {why}", path.display()),
        remedy: "Correct the line; bitaqa-pki bundle export --help shows an example.".to_owned(),
        exit: USAGE,
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        let remedy = match &error {
            BundleError::OneSignatureOnly => "Export a new bundle, and sign that one.",
            BundleError::Unsigned | BundleError::SignedOtherwise(_) => {
                "Export the bundle again; do not sign this one, and find out who changed it."
            }
            BundleError::TooManySignatures(_) => "Export a new bundle, and have only those sign it whom posts pin.",
            _ => "Get the bundle again from whoever made it.",
        };
        let why = output::printable(&error.to_string());
        Failure { what: "The bundle cannot be used.".to_owned(), why, remedy: remedy.to_owned(), exit: TRUST }
    }
}

impl From<DeltaError> for Failure {
    fn from(error: DeltaError) -> Self {
        let (remedy, exit) = match error {
            DeltaError::Bundle(error) => return error.into(),
            DeltaError::NotNewer { .. } => ("Name the older bundle first, then the newer one.", USAGE),
            DeltaError::Foreign(_) => ("Hand out the full bundle; export the next one with this program.", TRUST),
            _ => ("Get the delta again, or use the full bundle.", TRUST),
        };
        let why = output::printable(&error.to_string());
        Failure { what: "The delta cannot be used.".to_owned(), why, remedy: remedy.to_owned(), exit }
    }
}

impl From<PinsError> for Failure {
    fn from(error: PinsError) -> Self {
        Failure {
            what: "The signers make no sense.".to_owned(),
            why: error.to_string(),
            remedy: "Name each signer once, and a threshold between one and their number.".to_owned(),
            exit: USAGE,
        }
    }
}

impl From<CountersignError> for Failure {
    fn from(error: CountersignError) -> Self {
        match error {
            CountersignError::Credential(error) => error.into(),
            CountersignError::Bundle(error) => error.into(),
        }
    }
}
