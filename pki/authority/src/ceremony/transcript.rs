//! The transcript: plain text in blocks, each signed by everybody present over all that stands before.
//!
//! ```text
//! bitaqa key ceremony transcript, version 1
//! title      The first country signing CA of Utopia
//! script     <SHA-256>
//! | <the script, line by line>
//! present    1 Amina Hassan
//! present    3 Omar Saleh
//! begun      2026-11-22T18:00:00Z
//! signed     1 <base64 ECDSA signature>
//! signed     3 ...
//!                                       an empty line before every further block
//! step       2 create-authority
//! before     0
//! custody    <SHA-256 of the custody file>  when the custodians share the secret of a new authority
//! | set up the authority with its first country signing CA
//! approved   2026-11-22T18:04:00Z       signed BEFORE it is done
//! signed     ...
//!
//! result     2 create-authority
//! made       csca <base64 DER>
//! made       key <base64 DER>           the CSCA's SubjectPublicKeyInfo, and
//! token      national                   the label of its token, when it is in one
//! at         2026-11-22T18:04:03Z       signed AFTER it is done
//! signed     ...
//!
//! closed     2026-11-22T18:20:00Z
//! signed     ...
//! ```
//!
//! The signed message is `"bitaqa-ceremony-v1" 00` and every byte of the file up to the signatures of the block.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use openssl::sha::sha256;
use trust::public_key::KeyKind;
use trust::{Certificate, CertificateError, Crl, CrlError, Hash, PublicKey, SignatureAlgorithm};

use super::script::{self, Custody, MAX_SCRIPT, Script, ScriptError, Step};
use crate::key_store::Algorithm;

const TITLE: &str = "bitaqa key ceremony transcript, version 1";
const CONTEXT: &[u8] = b"bitaqa-ceremony-v1\0";
/// The longest transcript, in bytes.
const MAX_TRANSCRIPT: usize = 16 * MAX_SCRIPT;

/// What is signed: all that was written until here.
pub(super) fn message(text: &str) -> Vec<u8> {
    [CONTEXT, text.as_bytes()].concat()
}

/// A block about to be signed.
pub(super) struct Block {
    /// Its first line.
    pub title: String,
    /// Its lines.
    pub text: String,
}

impl Block {
    pub fn header(script: &Script, source: &str, present: &[usize], now: Timestamp) -> Self {
        let mut text = format!("{TITLE}\ntitle      {}\nscript     {}\n", script.title, digest(source));
        quote(&mut text, source);
        for place in present {
            let name = script.custodians.get(*place).map_or("", |custodian| &custodian.name);
            line(&mut text, "present", &format!("{} {name}", place + 1));
        }
        line(&mut text, "begun", &seconds(now));
        Block { title: "the beginning".to_owned(), text }
    }

    pub fn approval(number: usize, step: &Step, before: u64, custody: Option<&str>, now: Timestamp) -> Self {
        let mut text = String::new();
        line(&mut text, "step", &format!("{} {}", number + 1, step.word()));
        line(&mut text, "before", &before.to_string());
        if let Some(hash) = custody {
            line(&mut text, "custody", hash);
        }
        quote(&mut text, &step.words());
        line(&mut text, "approved", &seconds(now));
        Block { title: format!("step {} {}", number + 1, step.word()), text }
    }

    pub fn result(number: usize, step: &Step, made: &[Made], token: Option<&str>, now: Timestamp) -> Self {
        let mut text = String::new();
        line(&mut text, "result", &format!("{} {}", number + 1, step.word()));
        for one in made {
            line(&mut text, "made", &format!("{} {}", one.kind, STANDARD.encode(&one.der)));
        }
        if let Some(label) = token {
            line(&mut text, "token", label);
        }
        line(&mut text, "at", &seconds(now));
        Block { title: format!("the result of step {} {}", number + 1, step.word()), text }
    }

    pub fn closing(now: Timestamp) -> Self {
        let mut text = String::new();
        line(&mut text, "closed", &seconds(now));
        Block { title: "the closing".to_owned(), text }
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{key:10} {value}");
}

fn quote(text: &mut String, source: &str) {
    for quoted in source.split('\n') {
        let _ = writeln!(text, "| {quoted}");
    }
}

fn seconds(moment: Timestamp) -> String {
    crate::x509::whole_seconds(moment).to_string()
}

fn digest(source: &str) -> String {
    hex::encode(sha256(source.as_bytes()))
}

/// Something that a step made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    /// `csca`, `key`, `link` or `revocation-list`.
    pub kind: String,
    /// Its bytes.
    pub der: Vec<u8>,
}

impl Made {
    pub(super) fn new(kind: &str, der: &[u8]) -> Self {
        Made { kind: kind.to_owned(), der: der.to_vec() }
    }

    /// SHA-256 of the bytes.
    pub fn fingerprint(&self) -> [u8; 32] {
        sha256(&self.der)
    }
}

/// A step that was approved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StepRecord {
    /// The word in the script.
    pub word: &'static str,
    /// What was done.
    pub text: String,
    /// When everybody approved it.
    pub approved: Timestamp,
    /// What it made.
    pub made: Vec<Made>,
    /// Label of the token in which it made the CSCA's key.
    pub token: Option<String>,
    /// SHA-256 of the custody file that was approved with it, hexadecimal; transcripts of the first release have none.
    pub custody: Option<String>,
    /// Whether its effect, if it has one, is recorded.
    pub finished: bool,
    pub(super) before: u64,
}

/// A transcript whose every signature was verified and whose steps are those of its script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replay {
    /// The script's text.
    pub script: String,
    /// Its title.
    pub title: String,
    /// SHA-256 of the script, hexadecimal: to be compared with the paper copy.
    pub script_sha256: String,
    /// How many custodians the script demands, and how many it names.
    pub threshold: (usize, usize),
    /// Places of those present in the script's list, from 0.
    pub present: Vec<usize>,
    /// Names of all custodians with the fingerprints of their keys, hexadecimal.
    pub custodians: Vec<(String, String)>,
    /// When it began.
    pub begun: Timestamp,
    /// The steps.
    pub steps: Vec<StepRecord>,
    /// When it was closed; `None` while it is not finished.
    pub closed: Option<Timestamp>,
    /// The time of the last block.
    pub last: Timestamp,
}

/// Why a transcript is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Not UTF-8, or too long.
    #[error("not a transcript: no text, or longer than 4 MiB")]
    NotText,
    /// A line is not what must stand there.
    #[error("line {line} must be: {expected}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What must stand there.
        expected: String,
    },
    /// A signature does not verify: something before it was altered.
    #[error("line {line}: the signature of {custodian} does not verify; something was altered before it, or in it")]
    Signature {
        /// The line, from 1.
        line: usize,
        /// The custodian.
        custodian: String,
    },
    /// The script in the transcript.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The script in the transcript is not the one it names.
    #[error("the script in the transcript does not have the hash that it gives")]
    ScriptHash,
    /// Too few were present.
    #[error("{present} custodians were present, the script demands {threshold}")]
    TooFew {
        /// How many were.
        present: usize,
        /// How many are demanded.
        threshold: usize,
    },
    /// Time ran backwards.
    #[error("line {0}: the time is before that of the block before")]
    Time(usize),
    /// A certificate that was made.
    #[error("line {line}: {error}")]
    Certificate {
        /// The line, from 1.
        line: usize,
        /// Why.
        error: CertificateError,
    },
    /// A list that was made.
    #[error("line {line}: {error}")]
    Crl {
        /// The line, from 1.
        line: usize,
        /// Why.
        error: CrlError,
    },
    /// What was made does not verify.
    #[error("line {line}: the {kind} does not verify under the keys of this ceremony")]
    Chain {
        /// The line, from 1.
        line: usize,
        /// What it is.
        kind: &'static str,
    },
    /// The end is missing.
    #[error("the transcript is not closed: {done} of {steps} steps are done")]
    NotClosed {
        /// How many steps are done.
        done: usize,
        /// How many the script has.
        steps: usize,
    },
}

/// Replays a closed transcript: every signature, every step of its script, every certificate that was made.
///
/// # Errors
/// When anything in it was altered, is missing, or was never approved by enough custodians.
pub fn verify(bytes: &[u8]) -> Result<Replay, ReplayError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ReplayError::NotText)?;
    let replay = replay(text)?;
    if replay.closed.is_none() {
        let done = replay.steps.iter().filter(|step| step.finished).count();
        return Err(ReplayError::NotClosed { done, steps: Script::parse(&replay.script)?.steps.len() });
    }
    Ok(replay)
}

/// Replays whole blocks.
pub(super) fn replay(text: &str) -> Result<Replay, ReplayError> {
    if text.len() > MAX_TRANSCRIPT {
        return Err(ReplayError::NotText);
    }
    let mut lines = Lines { text, offset: 0, number: 0 };
    let (script, mut replay) = header(&mut lines)?;
    let keys = keys(&script, &replay)?;
    lines.signatures(&keys)?;
    let mut chain = Anchors::default();
    let mut last = replay.begun;
    while !lines.is_empty() {
        lines.exactly("")?;
        if replay.steps.len() == script.steps.len() && replay.steps.iter().all(|step| step.finished) {
            replay.closed = Some(lines.moment("closed", &mut last)?);
            replay.last = last;
            lines.signatures(&keys)?;
            return if lines.is_empty() { Ok(replay) } else { Err(lines.wrong("the end")) };
        }
        let done = replay.steps.len();
        match replay.steps.last_mut().filter(|step| !step.finished) {
            Some(open) => {
                lines.exactly(&format!("{:10} {done} {}", "result", open.word))?;
                open.made = lines.made(&mut chain)?;
                let step = script.steps.get(done.saturating_sub(1));
                open.token = lines.token(step)?;
                if let Some(step) = step {
                    complete(step, open, &lines)?;
                }
                lines.moment("at", &mut last)?;
                open.finished = true;
            }
            None => {
                let record = approval(&mut lines, &script, done, &mut last)?;
                replay.steps.push(record);
            }
        }
        lines.signatures(&keys)?;
        replay.last = last;
    }
    Ok(replay)
}

fn header(lines: &mut Lines<'_>) -> Result<(Script, Replay), ReplayError> {
    lines.exactly(TITLE)?;
    let title = lines.text_of("title", |_| true)?.to_owned();
    let hash = lines.text_of("script", |value| value.len() == 64)?.to_owned();
    let source = lines.quoted();
    let script = Script::parse(&source)?;
    if digest(&source) != hash || script.title != title {
        return Err(ReplayError::ScriptHash);
    }
    let mut present = Vec::new();
    for (place, custodian) in script.custodians.iter().enumerate() {
        if lines.skip(&format!("{:10} {} {}", "present", place + 1, custodian.name)) {
            present.push(place);
        }
    }
    if present.len() < script.threshold {
        return Err(ReplayError::TooFew { present: present.len(), threshold: script.threshold });
    }
    let mut begun = Timestamp::MIN;
    lines.moment("begun", &mut begun)?;
    let mut custodians = Vec::new();
    for custodian in &script.custodians {
        custodians.push((custodian.name.clone(), hex::encode(custodian.public_key()?.fingerprint())));
    }
    let threshold = (script.threshold, script.custodians.len());
    let replay = Replay {
        script: source,
        title,
        script_sha256: hash,
        threshold,
        present,
        custodians,
        begun,
        steps: Vec::new(),
        closed: None,
        last: begun,
    };
    Ok((script, replay))
}

/// Everybody present: the number in the script, the name, the key.
fn keys(script: &Script, replay: &Replay) -> Result<Vec<(usize, String, PublicKey)>, ReplayError> {
    let mut keys = Vec::new();
    for place in &replay.present {
        if let Some(custodian) = script.custodians.get(*place) {
            keys.push((place + 1, custodian.name.clone(), custodian.public_key()?));
        }
    }
    Ok(keys)
}

fn approval(
    lines: &mut Lines<'_>,
    script: &Script,
    index: usize,
    last: &mut Timestamp,
) -> Result<StepRecord, ReplayError> {
    let step = script.steps.get(index).ok_or_else(|| lines.wrong("the end"))?;
    lines.exactly(&format!("{:10} {} {}", "step", index + 1, step.word()))?;
    let before = lines.text_of("before", |value| value.parse::<u64>().is_ok())?.parse().unwrap_or_default();
    let shared = matches!(step, Step::CreateAuthority { .. }) && script.custody == Custody::Shared;
    let custody = match lines.peek() {
        Some(line) if shared && line.starts_with("custody ") => {
            Some(lines.text_of("custody", |value| value.len() == 64)?.to_owned())
        }
        _ => None,
    };
    let text = lines.quoted();
    if text != step.words() {
        return Err(lines.wrong("the text of the step as the script has it"));
    }
    let approved = lines.moment("approved", last)?;
    Ok(StepRecord {
        word: step.word(),
        text,
        approved,
        made: Vec::new(),
        token: None,
        custody,
        finished: !step.has_effect(),
        before,
    })
}

/// Whether a step made what it must make, no more and no less, and with the script's algorithm.
fn complete(step: &Step, record: &StepRecord, lines: &Lines<'_>) -> Result<(), ReplayError> {
    let key = record.token.as_ref().map(|_| "key");
    let expected: Vec<&str> = match step {
        Step::Say { .. } => Vec::new(),
        Step::CreateAuthority { .. } => ["csca"].into_iter().chain(key).chain(["revocation-list"]).collect(),
        Step::RollOver { .. } => ["csca"].into_iter().chain(key).chain(["link", "revocation-list"]).collect(),
        Step::IssueRevocationList {} => vec!["revocation-list"],
    };
    if !record.made.iter().map(|made| &*made.kind).eq(expected.iter().copied()) {
        return Err(lines.wrong(&format!("made by this step: {}", expected.join(", "))));
    }
    let Step::CreateAuthority { algorithm: Some(name), .. } = step else { return Ok(()) };
    let csca = record.made.first().and_then(|made| Certificate::from_der(&made.der).ok());
    let as_named = script::offered(name).zip(csca).is_some_and(|(named, csca)| is_of(named, &csca));
    if as_named { Ok(()) } else { Err(lines.wrong(&format!("a CSCA that signs with {name}"))) }
}

fn is_of(algorithm: Algorithm, csca: &Certificate) -> bool {
    let kind = match algorithm {
        Algorithm::Ecdsa(curve) => KeyKind::Ec(curve),
        Algorithm::RsaV15(size) | Algorithm::RsaPss(size) => KeyKind::Rsa { bits: size.bits() },
    };
    csca.public_key().kind() == kind && csca.algorithm() == algorithm.signature()
}

/// Where the last block ends that everybody present signed.
pub(super) fn whole_blocks(text: &str) -> usize {
    let present =
        text.lines().take_while(|line| !line.starts_with("begun ")).filter(|line| line.starts_with("present "));
    let present = present.count();
    let (mut end, mut offset, mut signed) = (0, 0, 0);
    for line in text.split_inclusive('\n') {
        offset += line.len();
        signed = if line.starts_with("signed ") && line.ends_with('\n') { signed + 1 } else { 0 };
        if signed == present && present > 0 {
            end = offset;
        }
    }
    end
}

/// The country signing CA as this ceremony shows it.
#[derive(Default)]
struct Anchors {
    current: Option<Certificate>,
    previous: Option<Certificate>,
}

impl Anchors {
    fn csca(&mut self, certificate: Certificate, line: usize) -> Result<(), ReplayError> {
        if certificate.verify_signature(certificate.public_key()).is_err() {
            return Err(ReplayError::Chain { line, kind: "self-signed certificate" });
        }
        let key = certificate.public_key().key_hash();
        if self.current.as_ref().is_some_and(|before| before.public_key().key_hash() == key) {
            return Err(ReplayError::Chain { line, kind: "new key, which is the old one," });
        }
        self.previous = self.current.replace(certificate);
        Ok(())
    }

    fn key(&self, spki: &[u8], line: usize) -> Result<(), ReplayError> {
        let own = self.current.as_ref().is_some_and(|csca| csca.public_key().spki() == spki);
        if own { Ok(()) } else { Err(ReplayError::Chain { line, kind: "public key" }) }
    }

    fn link(&self, link: &Certificate, line: usize) -> Result<(), ReplayError> {
        // A link that the new key signed itself comes from no key before it.
        let new = self.current.as_ref().is_some_and(|new| {
            new.public_key().spki() == link.public_key().spki() && link.verify_signature(new.public_key()).is_err()
        });
        // The key before may be one of an earlier ceremony; then only the new one can be compared.
        let old = self.previous.as_ref().is_none_or(|old| link.verify_signature(old.public_key()).is_ok());
        if new && old { Ok(()) } else { Err(ReplayError::Chain { line, kind: "link certificate" }) }
    }

    fn list(&self, crl: &Crl, line: usize) -> Result<(), ReplayError> {
        let by = self.current.as_ref().is_none_or(|csca| crl.verify_signature(csca.public_key()).is_ok());
        if by { Ok(()) } else { Err(ReplayError::Chain { line, kind: "revocation list" }) }
    }
}

struct Lines<'a> {
    text: &'a str,
    offset: usize,
    /// The number of the line read last.
    number: usize,
}

impl<'a> Lines<'a> {
    fn is_empty(&self) -> bool {
        self.offset == self.text.len()
    }

    fn peek(&self) -> Option<&'a str> {
        self.text.get(self.offset..)?.split_once('\n').map(|(line, _)| line)
    }

    fn next(&mut self) -> Option<&'a str> {
        let line = self.peek()?;
        self.offset += line.len() + 1;
        self.number += 1;
        Some(line)
    }

    fn wrong(&self, expected: &str) -> ReplayError {
        ReplayError::Line { line: self.number, expected: expected.to_owned() }
    }

    fn exactly(&mut self, expected: &str) -> Result<(), ReplayError> {
        if self.next() == Some(expected) { Ok(()) } else { Err(self.wrong(expected)) }
    }

    fn skip(&mut self, expected: &str) -> bool {
        let there = self.peek() == Some(expected);
        if there {
            self.next();
        }
        there
    }

    fn text_of(&mut self, key: &str, fits: impl Fn(&str) -> bool) -> Result<&'a str, ReplayError> {
        let value = self.next().and_then(|line| line.strip_prefix(format!("{key:10} ").as_str()));
        value.filter(|value| fits(value)).ok_or_else(|| self.wrong(key))
    }

    /// The lines that begin with `| `, put together.
    fn quoted(&mut self) -> String {
        let mut lines = Vec::new();
        while let Some(quoted) = self.peek().and_then(|line| line.strip_prefix("| ")) {
            lines.push(quoted);
            self.next();
        }
        lines.join("\n")
    }

    fn moment(&mut self, key: &str, last: &mut Timestamp) -> Result<Timestamp, ReplayError> {
        let text = self.text_of(key, |_| true)?;
        let moment: Timestamp = text.parse().map_err(|_| self.wrong(key))?;
        if moment < *last {
            return Err(ReplayError::Time(self.number));
        }
        *last = moment;
        Ok(moment)
    }

    fn made(&mut self, chain: &mut Anchors) -> Result<Vec<Made>, ReplayError> {
        let mut all = Vec::new();
        while self.peek().is_some_and(|line| line.starts_with("made ")) {
            let value = self.text_of("made", |_| true)?;
            let (kind, encoded) = value.split_once(' ').ok_or_else(|| self.wrong("made"))?;
            let der = STANDARD.decode(encoded).map_err(|_| self.wrong("base64"))?;
            let line = self.number;
            let certificate = || Certificate::from_der(&der).map_err(|error| ReplayError::Certificate { line, error });
            match kind {
                "csca" => chain.csca(certificate()?, line)?,
                "key" => chain.key(&der, line)?,
                "link" => chain.link(&certificate()?, line)?,
                "revocation-list" => {
                    chain.list(&Crl::from_der(&der).map_err(|error| ReplayError::Crl { line, error })?, line)?;
                }
                _ => return Err(self.wrong("csca, key, link or revocation-list")),
            }
            all.push(Made { kind: kind.to_owned(), der });
        }
        Ok(all)
    }

    /// The token in which a step made a key: the one that its script names.
    fn token(&mut self, step: Option<&Step>) -> Result<Option<String>, ReplayError> {
        let told = match self.peek() {
            Some(line) if line.starts_with("token ") => Some(self.text_of("token", |_| true)?.to_owned()),
            _ => None,
        };
        match step {
            Some(Step::CreateAuthority { token, .. }) if token.as_ref().map(|token| &token.label) != told.as_ref() => {
                Err(self.wrong("the token as the script has it"))
            }
            _ => Ok(told),
        }
    }

    /// One signature of everybody present, in order, over all that stands before.
    fn signatures(&mut self, keys: &[(usize, String, PublicKey)]) -> Result<(), ReplayError> {
        let signed = message(self.text.get(..self.offset).unwrap_or_default());
        for (number, name, key) in keys {
            let encoded = self.text_of("signed", |_| true)?;
            let refused = || ReplayError::Signature { line: self.number, custodian: name.clone() };
            let encoded = encoded.strip_prefix(format!("{number} ").as_str()).ok_or_else(refused)?;
            let signature = STANDARD.decode(encoded).map_err(|_| refused())?;
            SignatureAlgorithm::Ecdsa(Hash::Sha256).verify(key, &signed, &signature).map_err(|_| refused())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::Authority;
    use crate::ceremony::Credential;
    use crate::passphrase::Passphrase;

    fn now() -> Timestamp {
        "2026-11-22T09:00:00Z".parse().unwrap()
    }

    /// A closed transcript of these steps with these results, signed as it must be.
    fn transcript(source: &str, credentials: &[Credential], results: &[Vec<Made>]) -> String {
        let script = Script::parse(source).unwrap();
        let mut blocks = vec![Block::header(&script, source, &[0, 1], now())];
        for (number, (step, made)) in script.steps.iter().zip(results).enumerate() {
            blocks.push(Block::approval(number, step, 0, None, now()));
            blocks.push(Block::result(number, step, made, None, now()));
        }
        blocks.push(Block::closing(now()));
        let mut text = String::new();
        for block in blocks {
            text = if text.is_empty() { block.text } else { format!("{text}\n{}", block.text) };
            let message = message(&text);
            for (place, credential) in credentials.iter().enumerate() {
                let signature = STANDARD.encode(credential.sign(&message).unwrap());
                text.push_str(&format!("signed     {} {signature}\n", place + 1));
            }
        }
        text
    }

    #[test]
    fn every_step_made_what_it_must_make() {
        let folder = tempfile::tempdir().unwrap();
        let words = Passphrase::new("the words of a custodian");
        let credentials = ["one", "two"].map(|name| Credential::create(&folder.path().join(name), &words).unwrap());
        let profile = crate::Profile::find("specimen-uto").unwrap();
        let mut authority = Authority::init(&folder.path().join("pki"), profile, &words, now()).unwrap();
        let newest = |authority: &Authority| {
            let generation = authority.generations().last().unwrap().clone();
            let (_, crl) = authority.current_crl().unwrap().unwrap();
            let link = generation.link.map(|link| Made::new("link", link.der()));
            let csca = Made::new("csca", generation.certificate.der());
            (csca, link, Made::new("revocation-list", crl.der()))
        };
        let (csca, _, crl) = newest(&authority);
        authority.roll_over(None, None, &words, now()).unwrap();
        let (new, link, new_crl) = newest(&authority);
        let link = link.unwrap();
        let custodians: String = credentials
            .iter()
            .enumerate()
            .map(|(place, one)| format!("[[custodian]]\nname = \"{place}\"\nkey = \"{}\"\n", one.public_key()))
            .collect();
        let script = |algorithm: &str| {
            format!(
                "format = \"bitaqa-ceremony\"\nversion = 1\ntitle = \"t\"\nprofile = \"specimen-uto\"\nthreshold = 2\n\
                 {custodians}[[step]]\ndo = \"create-authority\"\n{algorithm}[[step]]\ndo = \"roll-over\"\n"
            )
        };
        let checked = |source: &str, first: &[&Made], second: &[&Made]| {
            let made = |all: &[&Made]| all.iter().map(|one| (*one).clone()).collect();
            verify(transcript(source, &credentials, &[made(first), made(second)]).as_bytes())
        };
        let plain = script("");
        checked(&plain, &[&csca, &crl], &[&new, &link, &new_crl]).unwrap();
        for (first, second) in [
            (vec![], vec![&new, &link, &new_crl]),
            (vec![&csca], vec![&new, &link, &new_crl]),
            (vec![&csca, &crl], vec![]),
            (vec![&csca, &crl], vec![&new, &new_crl]),
            (vec![&csca, &crl], vec![&csca, &link, &crl]),
            (vec![&csca, &crl], vec![&new, &new, &link, &new_crl]),
        ] {
            let kinds = |all: &[&Made]| all.iter().map(|made| made.kind.clone()).collect::<Vec<_>>();
            assert!(checked(&plain, &first, &second).is_err(), "{:?} {:?}", kinds(&first), kinds(&second));
        }
        let own = profile.csca_algorithm.to_string();
        checked(&script(&format!("algorithm = \"{own}\"\n")), &[&csca, &crl], &[&new, &link, &new_crl]).unwrap();
        let other = Algorithm::OFFERED.into_iter().find(|one| *one != profile.csca_algorithm).unwrap();
        let named = script(&format!("algorithm = \"{other}\"\n"));
        assert!(matches!(checked(&named, &[&csca, &crl], &[&new, &link, &new_crl]), Err(ReplayError::Line { .. })));
    }
}
