//! `bundle show`: what is in a bundle, who signed it, and whether that is enough.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use trust::bundle::{Countersignature, Delta, Sealed};
use trust::{Bundle, Certificate, Crl, Pin, Pins};

use super::super::anchors::reason;
use super::read;
use crate::failure::{Failure, TRUST};
use crate::output::{self, grouped, printable};

pub fn show(file: &Path, pins: &[Pin], threshold: Option<usize>, json: bool) -> Result<ExitCode, Failure> {
    let bytes = read(file)?;
    if Delta::is_likely(&bytes) {
        show_delta(file, &Delta::read(&bytes)?, bytes.len(), json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let pins = match pins {
        [] => None,
        pins => Some(Pins::new(threshold.unwrap_or(pins.len()), pins.iter().copied())?),
    };
    let shown = Shown::new(&Sealed::read(&bytes)?, pins)?;
    output::show(json, "bundle show", shown.object(file), &shown.words(file))?;
    let good = shown.signatures.iter().all(|one| one.good) && shown.satisfied != Some(false);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(TRUST) })
}

/// What is in a bundle and who signed it, for people.
pub fn words(file: &Path, sealed: &Sealed) -> Result<String, Failure> {
    Ok(Shown::new(sealed, None)?.words(file))
}

fn show_delta(file: &Path, delta: &Delta, bytes: usize, json: bool) -> Result<(), Failure> {
    let base = delta.base();
    let object = json!({
        "file": file, "kind": "delta", "base": base.number, "base_sha256": hex::encode(base.sha256),
        "number": delta.number(), "bytes": bytes,
    });
    let words = format!(
        "delta from bundle {} to bundle {} in {}\n  payload of the first one {}\nIts signatures are over the bundle that it \
         makes: a post verifies them there.",
        base.number,
        delta.number(),
        file.display(),
        grouped(&hex::encode(base.sha256)),
    );
    output::show(json, "bundle show", object, &words)
}

struct Shown {
    bundle: Bundle,
    payload_sha256: String,
    signatures: Vec<Countersignature>,
    pins: Option<Pins>,
    satisfied: Option<bool>,
    next_satisfied: Option<bool>,
}

impl Shown {
    fn new(sealed: &Sealed, pins: Option<Pins>) -> Result<Self, Failure> {
        let bundle = Bundle::from_payload(sealed.payload())?;
        Ok(Shown {
            next_satisfied: bundle.next_signers.as_ref().map(|next| sealed.satisfies(next).is_ok()),
            satisfied: pins.as_ref().map(|pins| sealed.satisfies(pins).is_ok()),
            signatures: sealed.countersignatures(),
            payload_sha256: hex::encode(sealed.payload_sha256()),
            bundle,
            pins,
        })
    }

    fn is_pinned(&self, one: &Countersignature) -> Option<bool> {
        self.pins.as_ref().map(|pins| pins.contains(&one.signer))
    }

    fn object(&self, file: &Path) -> Value {
        let bundle = &self.bundle;
        let signature =
            |one: &Countersignature| json!({ "signer": one.signer, "good": one.good, "pinned": self.is_pinned(one) });
        let anchor = |one: &Certificate| {
            let origins = bundle.origins_of(one).map(|(reason, source)| json!({ "reason": reason, "source": source }));
            json!({
                "subject": one.subject().to_string(), "country": one.subject().country().map(str::to_uppercase),
                "not_after": one.not_after().to_string(), "key_id": hex::encode(one.key_identifier()),
                "fingerprint": hex::encode(one.fingerprint()), "origins": origins.collect::<Vec<_>>(),
            })
        };
        let list = |one: &Crl| {
            json!({
                "issuer": one.issuer().to_string(), "revoked": one.len(),
                "this_update": one.this_update().to_string(), "next_update": one.next_update().to_string(),
            })
        };
        let defects = bundle.verified_defect_lists().map(|(list, verification)| {
            json!({
                "list": list.describe(), "signers": list.defects().len(), "believed": verification.is_believed(),
                "fingerprint": hex::encode(list.fingerprint()),
            })
        });
        json!({
            "file": file, "kind": "bundle", "payload_sha256": self.payload_sha256, "issuer": bundle.issuer, "number": bundle.number,
            "issued": bundle.issued.to_string(), "expires": bundle.expires.to_string(),
            "good_until": bundle.stale_after().to_string(), "policy": bundle.policy,
            "signatures": self.signatures.iter().map(signature).collect::<Vec<_>>(),
            "pins": self.pins, "pins_satisfied": self.satisfied,
            "next_signers": bundle.next_signers, "next_signers_satisfied": self.next_satisfied,
            "anchors": bundle.anchors.iter().map(anchor).collect::<Vec<_>>(),
            "crls": bundle.crls.iter().map(list).collect::<Vec<_>>(),
            "defect_lists": defects.collect::<Vec<_>>(),
            "signers": bundle.signers.len(), "revoked_documents": bundle.revoked_documents.len(),
            "seen_elsewhere": bundle.elsewhere.len(), "sources": bundle.sources,
        })
    }

    /// Writing to a string cannot fail.
    fn words(&self, file: &Path) -> String {
        let bundle = &self.bundle;
        let mut text = format!("trust bundle {} of {} in {}", bundle.number, printable(&bundle.issuer), file.display());
        let _ = write!(text, "\n  issued            {}\n  good until        {}", bundle.issued, bundle.stale_after());
        let _ = write!(text, "\n  SHA-256 to sign   {}", grouped(&self.payload_sha256));
        if let Some(days) = bundle.policy.maximum_age_days {
            let _ = write!(text, "\n  maximum age       {days} days");
        }
        self.write_signatures(&mut text);
        for anchor in &bundle.anchors {
            let _ = write!(text, "\n  anchor            {}", printable(&anchor.subject().to_string()));
            let _ = write!(text, ", until {}", super::day(anchor.not_after()));
            for (why, source) in bundle.origins_of(anchor) {
                let _ = write!(text, "\n                      {}; {}", reason(why), printable(source));
            }
        }
        for list in &bundle.crls {
            let issuer = printable(&list.issuer().to_string());
            let until = super::day(list.next_update());
            let _ = write!(text, "\n  revocation list   {issuer}: {} revoked, next update {until}", list.len());
        }
        for (list, verification) in bundle.verified_defect_lists() {
            let (words, signers) = (printable(&list.describe()), list.defects().len());
            let believed = if verification.is_believed() { "" } else { "; NO ANCHOR STANDS BEHIND IT" };
            let _ = write!(text, "\n  defects           {words}: {signers} document signers{believed}");
        }
        let codes: Vec<String> =
            bundle.policy.countries.iter().map(|(code, country)| printable(&format!("{code}={country}"))).collect();
        let counts = (bundle.signers.len(), bundle.revoked_documents.len(), bundle.elsewhere.len());
        let _ = write!(text, "\n  countries         {}", codes.join(" "));
        let _ = write!(text, "\n  document signers  {}\n  revoked documents {}", counts.0, counts.1);
        let _ = write!(text, "\n  keys not believed {} known with the lists that have them", counts.2);
        text
    }

    fn write_signatures(&self, text: &mut String) {
        for one in &self.signatures {
            let state = if one.good { "good" } else { "NOT OVER THIS BUNDLE" };
            let pinned = self.is_pinned(one).map_or("", |pinned| if pinned { ", pinned" } else { ", not pinned" });
            let signer = grouped(&one.signer.to_string());
            let _ = write!(text, "\n  signed by         {signer}: {state}{pinned}");
        }
        if self.signatures.is_empty() {
            text.push_str("\n  signed by         nobody");
        }
        if let (Some(pins), Some(satisfied)) = (&self.pins, self.satisfied) {
            let word = if satisfied { "enough" } else { "NOT ENOUGH" };
            let _ = write!(text, "\n  pins              {word}: {} of {} must sign", pins.threshold(), pins.count());
        }
        if let (Some(next), Some(satisfied)) = (&self.bundle.next_signers, self.next_satisfied) {
            let word = if satisfied { "enough of them signed" } else { "NOT ENOUGH of them signed" };
            let _ = write!(text, "\n  next signers      {} of {}; {word}", next.threshold(), next.count());
            for pin in next.fingerprints() {
                let _ = write!(text, "\n                    {}", grouped(&pin.to_string()));
            }
        }
    }
}
