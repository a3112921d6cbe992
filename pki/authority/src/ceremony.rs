//! A key ceremony: a written script that two or more custodians are led through, and the transcript that they sign.
//!
//! This module knows which steps a script can have, that a step happens only when as many custodians as the script demands
//! confirm and sign it, and how an auditor replays the transcript. It does not know how people are asked: that is a [`Room`].
//!
//! - [`Script`]: what is to happen, in TOML, written and agreed beforehand
//! - [`Credential`]: a custodian's own key pair in an encrypted file
//! - [`run`]: leads through the script, step by step; an interrupted ceremony is continued by running it again
//! - [`verify`]: replays a transcript: every signature, every step, every certificate that was made
//! - [`Credential::countersign`]: a custodian's signature on a trust bundle
//! - [`custody`]: the authority's passphrase or PIN, in pieces that only enough custodians together can put together

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::authority::{Authority, InitError, IssueError, NewName, OpenError};
use crate::files::{self, FileError, Mode};
use crate::key_store::{KeyPlace, NewKey, Signer, Token, TokenAddress, TokenError};
use crate::passphrase::Passphrase;

mod countersign;
mod credential;
pub mod custody;
mod script;
mod transcript;

pub use countersign::CountersignError;
pub use credential::{Credential, CredentialError};
pub use script::{Custodian, Custody, Script, ScriptError, ScriptToken, Step};
pub use transcript::{Made, Replay, ReplayError, StepRecord, verify};

use custody::CustodyError;
use transcript::{Block, message};

/// Where a ceremony takes place: asks people, knows the time.
pub trait Room {
    /// Shows a custodian what is about to be signed; true only when he or she confirms it.
    ///
    /// # Errors
    /// When nobody can be asked.
    fn confirm(&mut self, custodian: &Custodian, text: &str) -> io::Result<bool>;

    /// The time.
    fn now(&mut self) -> Timestamp;
}

/// What a ceremony works on.
pub struct Ceremony<'a> {
    /// The text of the script.
    pub script: &'a str,
    /// The custodians who are present.
    pub credentials: &'a [Credential],
    /// The authority's directory.
    pub directory: &'a Path,
    /// The transcript; one that is not finished is continued.
    pub transcript: &'a Path,
    /// The authority's passphrase or PIN, unless the custodians share it; the PIN that a new token has until they share one.
    pub passphrase: Option<&'a Passphrase>,
    /// The PKCS#11 module of the script's token, when the script does not name it.
    pub module: Option<&'a Path>,
}

/// No shared PIN has more digits.
const MAX_PIN_DIGITS: usize = 24;

/// Why a ceremony does not take place, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    /// The script.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// A credential is of nobody in the script.
    #[error("the credential with the key {0} is none of the script's custodians")]
    Stranger(String),
    /// Too few custodians.
    #[error("{present} custodians are present, the script demands {threshold}")]
    TooFew {
        /// How many are present.
        present: usize,
        /// How many the script demands.
        threshold: usize,
    },
    /// The transcript that is there cannot be continued.
    #[error("the transcript {path} cannot be continued: {why}")]
    Transcript {
        /// The file.
        path: PathBuf,
        /// Why.
        why: ReplayError,
    },
    /// A file that is no transcript is not overwritten.
    #[error("{0} is there and holds no whole block of a transcript")]
    NotTranscript(PathBuf),
    /// The transcript is of other custodians or another script.
    #[error("the transcript that is there is of another script, or other custodians began it")]
    OtherTranscript,
    /// The ceremony is over.
    #[error("the transcript is closed: this ceremony is over")]
    Closed,
    /// A ceremony with another transcript began on this directory and was not closed.
    #[error("the ceremony with the transcript {transcript} is open on this directory, as {mark} says")]
    OtherOpen {
        /// The transcript of that ceremony.
        transcript: String,
        /// The file beside the directory that names it.
        mark: PathBuf,
    },
    /// A custodian does not confirm.
    #[error("{custodian} does not confirm {step}")]
    Declined {
        /// The name.
        custodian: String,
        /// The block of the transcript.
        step: String,
    },
    /// The clock runs backwards.
    #[error("the clock says {now}, the transcript goes until {last}")]
    Clock {
        /// What the clock says.
        now: Timestamp,
        /// The time of the last block.
        last: Timestamp,
    },
    /// Nobody can be asked.
    #[error("the custodians cannot be asked: {0}")]
    Room(#[from] io::Error),
    /// The passphrase is missing.
    #[error(
        "the script leaves the authority's passphrase or the token's first PIN to the operator, and none was given"
    )]
    NoPassphrase,
    /// The module of a token is not known.
    #[error(
        "the keys are to be made in the token {0:?}: its module must be named in the script or on the command line"
    )]
    Module(String),
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// There is an authority already.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// There is an authority, and it was not made by the step that was interrupted.
    #[error("the authority in {0} was not made by this script: its key has another passphrase, algorithm or place")]
    OtherAuthority(PathBuf),
    /// The authority.
    #[error(transparent)]
    Init(#[from] InitError),
    /// The authority.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A certificate or list.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A custodian's key.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The shared passphrase.
    #[error(transparent)]
    Custody(#[from] CustodyError),
}

/// Leads through a script, or goes on where an earlier run stopped; gives the closed transcript, replayed.
///
/// # Errors
/// When too few custodians are present, one does not confirm, or a step fails. What was signed until then stays signed.
pub fn run(ceremony: &Ceremony<'_>, room: &mut dyn Room) -> Result<Replay, CeremonyError> {
    let script = Script::parse(ceremony.script)?;
    let present = present(&script, ceremony.credentials)?;
    let open = open_mark(ceremony.directory)?;
    let transcript = std::path::absolute(ceremony.transcript)?.to_string_lossy().into_owned();
    let named = unclosed(ceremony.directory)?;
    let text = match continued(ceremony, &present) {
        // A crash came between the closing signature and the mark's end.
        Err(CeremonyError::Closed) if named.as_ref() == Some(&transcript) => {
            files::remove(&open)?;
            return Err(CeremonyError::Closed);
        }
        text => text?,
    };
    if let Some(other) = named.filter(|named| *named != transcript) {
        return Err(CeremonyError::OtherOpen { transcript: other, mark: open });
    }
    let mut session = Session { ceremony, script, present, text };
    if session.text.is_empty() {
        let block = session.header(room.now());
        session.sign(block, room)?;
    }
    // Only now: a beginning that nobody signed keeps no other ceremony away.
    files::replace(&open, transcript.as_bytes(), Mode::Public)?;
    for number in session.done()?..session.script.steps.len() {
        session.step(number, room)?;
    }
    let block = Block::closing(session.now(room)?);
    session.sign(block, room)?;
    files::remove(&open)?;
    session.replay()
}

/// The transcript of a ceremony that made this authority, or changed it, and was not closed yet.
///
/// # Errors
/// When the mark that [`run`] leaves beside the directory until then cannot be read.
pub fn unclosed(directory: &Path) -> Result<Option<String>, FileError> {
    let open = open_mark(directory).map_err(|error| FileError { path: directory.to_owned(), error })?;
    Ok(files::read_optional(&open)?.map(|path| String::from_utf8_lossy(&path).into_owned()))
}

/// The file beside the directory that is there until the ceremony is closed.
fn open_mark(directory: &Path) -> io::Result<PathBuf> {
    // Without a slash at the end, however the directory was named.
    let directory: PathBuf = std::path::absolute(directory)?.components().collect();
    let mut name = directory.into_os_string();
    name.push(".ceremony-open");
    Ok(name.into())
}

/// Positions of those present in the script's list, in its order.
fn present(script: &Script, credentials: &[Credential]) -> Result<Vec<usize>, CeremonyError> {
    let mut present = Vec::new();
    for credential in credentials {
        let place = script.custodians.iter().position(|custodian| custodian.key == credential.public_key());
        present.push(place.ok_or_else(|| CeremonyError::Stranger(credential.public_key().to_owned()))?);
    }
    present.sort_unstable();
    present.dedup();
    if present.len() < script.threshold {
        return Err(CeremonyError::TooFew { present: present.len(), threshold: script.threshold });
    }
    Ok(present)
}

/// The whole blocks of the transcript that is there; a block that a crash cut off was never signed by all.
fn continued(ceremony: &Ceremony<'_>, present: &[usize]) -> Result<String, CeremonyError> {
    let path = ceremony.transcript;
    let bytes = files::read_optional(path)?.unwrap_or_default();
    if bytes.is_empty() {
        return Ok(String::new());
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let whole = text.get(..transcript::whole_blocks(&text)).unwrap_or_default();
    if whole.is_empty() {
        return Err(CeremonyError::NotTranscript(path.to_owned()));
    }
    let replay = transcript::replay(whole).map_err(|why| CeremonyError::Transcript { path: path.to_owned(), why })?;
    if replay.closed.is_some() {
        return Err(CeremonyError::Closed);
    }
    if replay.script != ceremony.script || replay.present != present {
        return Err(CeremonyError::OtherTranscript);
    }
    Ok(whole.to_owned())
}

struct Session<'a> {
    ceremony: &'a Ceremony<'a>,
    script: Script,
    present: Vec<usize>,
    /// The transcript so far: whole blocks.
    text: String,
}

impl Session<'_> {
    fn header(&self, now: Timestamp) -> Block {
        Block::header(&self.script, self.ceremony.script, &self.present, now)
    }

    fn replay(&self) -> Result<Replay, CeremonyError> {
        let path = || self.ceremony.transcript.to_owned();
        transcript::replay(&self.text).map_err(|why| CeremonyError::Transcript { path: path(), why })
    }

    /// How many steps are done with their results.
    fn done(&self) -> Result<usize, CeremonyError> {
        Ok(self.replay()?.steps.iter().filter(|step| step.finished).count())
    }

    fn step(&mut self, number: usize, room: &mut dyn Room) -> Result<(), CeremonyError> {
        let Some(step) = self.script.steps.get(number).cloned() else { return Ok(()) };
        let approved = self.replay()?.steps.get(number).cloned();
        let (before, custody) = match approved {
            Some(record) => (record.before, record.custody),
            None => {
                let (before, custody) = (self.before(&step)?, self.prepared(&step)?);
                let block = Block::approval(number, &step, before, custody.as_deref(), self.now(room)?);
                self.sign(block, room)?;
                (before, custody)
            }
        };
        if !step.has_effect() {
            return Ok(());
        }
        let authority = self.effect(&step, before, custody.as_deref(), self.now(room)?)?;
        let token = token(&authority, &step)?;
        let block = Block::result(number, &step, &made(&authority, &step)?, token.as_deref(), self.now(room)?);
        self.sign(block, room)
    }

    /// The time, which must not be before that of the last block: nobody could replay that.
    fn now(&self, room: &mut dyn Room) -> Result<Timestamp, CeremonyError> {
        let (now, last) = (crate::x509::whole_seconds(room.now()), self.replay()?.last);
        if now < last { Err(CeremonyError::Clock { now, last }) } else { Ok(now) }
    }

    /// What a step's effect is recognised by after a crash: how many generations or lists there were before it.
    fn before(&self, step: &Step) -> Result<u64, CeremonyError> {
        match step {
            Step::Say { .. } => Ok(0),
            Step::CreateAuthority { .. } if self.ceremony.directory.exists() => {
                Err(CeremonyError::Exists(self.ceremony.directory.to_owned()))
            }
            Step::CreateAuthority { algorithm, token } => {
                // What is missing is missed before anybody signs.
                let keys = self.new_keys(algorithm.as_deref(), token.as_ref())?;
                keys.place.token().map_or(Ok(0), |token| Ok(Token::pin_lengths(token).map(|_| 0)?))
            }
            Step::RollOver { .. } => Ok(Authority::open(self.ceremony.directory)?.generations().len() as u64),
            Step::IssueRevocationList {} => {
                Ok(Authority::open(self.ceremony.directory)?.current_crl()?.map_or(0, |(number, _)| number))
            }
        }
    }

    /// The custody file of a new authority is made before anybody approves it: its SHA-256, hexadecimal.
    fn prepared(&self, step: &Step) -> Result<Option<String>, CeremonyError> {
        let Step::CreateAuthority { algorithm, token } = step else { return Ok(None) };
        if self.script.custody == Custody::Passphrase {
            return Ok(None);
        }
        let place = self.new_keys(algorithm.as_deref(), token.as_ref())?.place;
        let digits = place.token().map(Token::pin_lengths).transpose()?;
        let digits = digits.map(|(least, most)| most.min(MAX_PIN_DIGITS).max(least));
        Ok(Some(custody::prepare(&custody::path(self.ceremony.directory), &self.script, digits)?))
    }

    /// Does what was approved, unless a run before this one did it and could not say so any more.
    fn effect(
        &self,
        step: &Step,
        before: u64,
        custody: Option<&str>,
        now: Timestamp,
    ) -> Result<Authority, CeremonyError> {
        let directory = self.ceremony.directory;
        if let Step::CreateAuthority { algorithm, token } = step {
            let keys = self.new_keys(algorithm.as_deref(), token.as_ref())?;
            let secret = self.approved_secret(custody)?;
            if directory.exists() {
                self.is_product(&keys, &secret)?;
            } else {
                self.take_over(&keys.place, &secret)?;
                Authority::init_with(directory, self.script.profile()?, &keys, secret.get(self.ceremony)?, now)?;
            }
        }
        let mut authority = Authority::open(directory)?;
        let generations = authority.generations().len() as u64;
        let number = authority.current_crl()?.map_or(0, |(number, _)| number);
        match step {
            Step::Say { .. } | Step::CreateAuthority { .. } => {}
            Step::RollOver { common_name, organization, unit } => {
                let passphrase = self.passphrase()?;
                let name = common_name.clone().map(|common_name| NewName {
                    common_name,
                    organization: organization.clone(),
                    unit: unit.clone(),
                });
                if generations == before {
                    authority.roll_over(name.as_ref(), None, passphrase.get(self.ceremony)?, now)?;
                } else if authority.current_crl()?.is_none_or(|(_, crl)| !authority.is_current(&crl)) {
                    authority.issue_crl(passphrase.get(self.ceremony)?, now)?;
                }
            }
            Step::IssueRevocationList {} if number > before => {}
            Step::IssueRevocationList {} => {
                authority.issue_crl(self.passphrase()?.get(self.ceremony)?, now)?;
            }
        }
        Ok(authority)
    }

    /// Where and how the keys of a new authority are made.
    fn new_keys(&self, algorithm: Option<&str>, token: Option<&ScriptToken>) -> Result<NewKey, CeremonyError> {
        let place = match token {
            None => KeyPlace::Software,
            Some(ScriptToken { label, module }) => {
                let module = match (module.as_deref(), self.ceremony.module) {
                    (Some(one), None) | (None, Some(one)) => one,
                    (Some(one), Some(two)) if one == two => one,
                    _ => return Err(CeremonyError::Module(label.clone())),
                };
                KeyPlace::Token(TokenAddress { module: module.to_owned(), label: label.clone() })
            }
        };
        Ok(NewKey { place, algorithm: algorithm.and_then(script::offered), max_uses: None })
    }

    /// The secret of a new authority: that of the custody file with this SHA-256.
    fn approved_secret(&self, custody: Option<&str>) -> Result<Secret, CeremonyError> {
        if self.script.custody == Custody::Passphrase {
            return Ok(Secret::Given);
        }
        let path = custody::path(self.ceremony.directory);
        let hash = custody.ok_or_else(|| CustodyError::NotApproved(path.clone()))?;
        Ok(Secret::Shared(custody::approved(&path, hash, self.ceremony.credentials)?))
    }

    /// A token is given the shared PIN in place of the one that it was set up with.
    fn take_over(&self, place: &KeyPlace, secret: &Secret) -> Result<(), CeremonyError> {
        let (Some(token), Secret::Shared(shared)) = (place.token(), secret) else { return Ok(()) };
        match Token::change_pin(token, self.ceremony.passphrase.ok_or(CeremonyError::NoPassphrase)?, shared) {
            // A run before this one may have changed it.
            Err(TokenError::WrongPin { .. }) => Ok(Token::open(token, shared).map(drop)?),
            other => Ok(other?),
        }
    }

    /// An authority that is there already is what an interrupted run of this step made: the secret opens its key, which is of
    /// the script's algorithm and in the script's place.
    fn is_product(&self, keys: &NewKey, secret: &Secret) -> Result<(), CeremonyError> {
        let directory = self.ceremony.directory;
        let other = || CeremonyError::OtherAuthority(directory.to_owned());
        let authority = Authority::open(directory)?;
        let key = match (authority.csca_key(secret.get(self.ceremony)?), secret) {
            (Err(_), Secret::Shared(_)) => return Err(other()),
            (key, _) => key?,
        };
        let (profile, token) = (self.script.profile()?, authority.token()?);
        let same = key.algorithm() == keys.algorithm.unwrap_or(profile.csca_algorithm)
            && token.as_ref().map(|token| &token.label) == keys.place.token().map(|token| &token.label)
            && authority.profile().id == profile.id
            && authority.generations().len() == 1;
        if same { Ok(()) } else { Err(other()) }
    }

    fn passphrase(&self) -> Result<Secret, CeremonyError> {
        if self.script.custody == Custody::Passphrase {
            return Ok(Secret::Given);
        }
        Ok(Secret::Shared(custody::open(&custody::path(self.ceremony.directory), self.ceremony.credentials)?))
    }

    /// Everybody present confirms and signs; then the block is on the disk.
    fn sign(&mut self, block: Block, room: &mut dyn Room) -> Result<(), CeremonyError> {
        let body = if self.text.is_empty() { block.text } else { format!("\n{}", block.text) };
        let signed = format!("{}{body}", self.text);
        let mut signatures = String::new();
        for place in &self.present {
            let Some(custodian) = self.script.custodians.get(*place) else { continue };
            if !room.confirm(custodian, &body)? {
                return Err(CeremonyError::Declined { custodian: custodian.name.clone(), step: block.title });
            }
            let own = self.ceremony.credentials.iter().find(|credential| credential.public_key() == custodian.key);
            let Some(own) = own else { continue };
            let signature = STANDARD.encode(own.sign(&message(&signed))?);
            signatures.push_str(&format!("signed     {} {signature}\n", place + 1));
        }
        let text = format!("{signed}{signatures}");
        files::replace(self.ceremony.transcript, text.as_bytes(), Mode::Public)?;
        self.text = text;
        Ok(())
    }
}

enum Secret {
    /// The operator's.
    Given,
    /// The custodians'.
    Shared(Passphrase),
}

impl Secret {
    fn get<'a>(&'a self, ceremony: &'a Ceremony<'_>) -> Result<&'a Passphrase, CeremonyError> {
        match self {
            Secret::Given => ceremony.passphrase.ok_or(CeremonyError::NoPassphrase),
            Secret::Shared(passphrase) => Ok(passphrase),
        }
    }
}

/// Label of the token in which a step made a key.
fn token(authority: &Authority, step: &Step) -> Result<Option<String>, CeremonyError> {
    match step {
        Step::CreateAuthority { .. } | Step::RollOver { .. } => Ok(authority.token()?.map(|token| token.label)),
        Step::Say { .. } | Step::IssueRevocationList {} => Ok(None),
    }
}

/// What the authority shows after a step.
fn made(authority: &Authority, step: &Step) -> Result<Vec<Made>, CeremonyError> {
    let newest = authority.generations().last();
    let mut made = Vec::new();
    if !matches!(step, Step::IssueRevocationList {}) {
        made.extend(newest.map(|generation| Made::new("csca", generation.certificate.der())));
        let in_token = newest.filter(|_| matches!(token(authority, step), Ok(Some(_))));
        made.extend(in_token.map(|generation| Made::new("key", generation.certificate.public_key().spki())));
        made.extend(newest.and_then(|generation| generation.link.as_ref()).map(|link| Made::new("link", link.der())));
    }
    made.extend(authority.current_crl()?.map(|(_, crl)| Made::new("revocation-list", crl.der())));
    Ok(made)
}
