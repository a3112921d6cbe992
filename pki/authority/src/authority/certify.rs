//! What the country signing CA certifies beside itself: signers of documents, lists, seals and residence records.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use trust::Certificate;
use trust::der::oid;
use trust::lint::Kind;

use super::issue::serial_number;
use super::{Authority, IssueError, OpenError, is_name, read_certificate, verified_certificate};
use crate::acts::Act;
use crate::document_signer::CERTIFICATE_FILE;
use crate::files::{self, FileError, Mode};
use crate::key_store::{KeyError, KeyPlace, Signer, StoredKey, TokenAddress};
use crate::passphrase::Passphrase;
use crate::profile::Profile;
use crate::state::Revoked;
use crate::x509::{self, Period, Role, Subject};

/// What a signer signs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignerKind {
    /// Security objects of documents.
    #[serde(rename = "document-signer")]
    Document,
    /// Master lists.
    #[serde(rename = "master-list-signer")]
    MasterList,
    /// Deviation lists.
    #[serde(rename = "deviation-list-signer")]
    DeviationList,
    /// Digital seals.
    #[serde(rename = "seal-signer")]
    Seal,
    /// Residence records, and nothing else.
    #[serde(rename = "residence-signer")]
    Residence,
}

impl SignerKind {
    /// Every kind.
    pub const ALL: [SignerKind; 5] =
        [Self::Document, Self::MasterList, Self::DeviationList, Self::Seal, Self::Residence];

    /// The kind as one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Document => "document-signer",
            Self::MasterList => "master-list-signer",
            Self::DeviationList => "deviation-list-signer",
            Self::Seal => "seal-signer",
            Self::Residence => "residence-signer",
        }
    }

    /// Directory of all signers of the kind.
    pub(crate) fn folder(self) -> &'static str {
        if self == Self::Document { "ds" } else { self.word() }
    }

    /// What the names begin with that nobody chose.
    fn stem(self) -> &'static str {
        match self {
            Self::Document => "ds",
            Self::MasterList => "mls",
            Self::DeviationList => "dls",
            Self::Seal => "ss",
            Self::Residence => "rs",
        }
    }

    fn role(self) -> Role {
        match self {
            Self::Document => Role::DocumentSigner,
            Self::MasterList => Role::ListSigner(oid::MASTER_LIST_SIGNER),
            Self::DeviationList => Role::ListSigner(oid::DEVIATION_LIST_SIGNER),
            Self::Seal => Role::SealSigner,
            Self::Residence => Role::ResidenceSigner,
        }
    }

    /// The profile that its certificates keep.
    fn profile(self) -> Kind {
        match self {
            Self::Document => Kind::DocumentSigner,
            Self::MasterList => Kind::MasterListSigner,
            Self::DeviationList => Kind::DeviationListSigner,
            Self::Seal => Kind::SealSigner,
            Self::Residence => Kind::ResidenceSigner,
        }
    }

    /// Use of the private key and validity of the certificate, in months.
    fn months(self, profile: &Profile) -> (i64, i64) {
        match self {
            // A record is judged as long as the card lives that carries it.
            Self::Document | Self::Residence => (profile.signer_usage_months, profile.signer_months()),
            Self::MasterList | Self::DeviationList => (profile.list_signer_months, 2 * profile.list_signer_months),
            Self::Seal => (profile.seal_usage_months, profile.seal_usage_months + profile.sealed_months),
        }
    }

    /// How often the private key may sign.
    fn max_uses(self, profile: &Profile) -> Option<u64> {
        match self {
            Self::Document => Some(profile.signer_uses),
            Self::MasterList | Self::DeviationList => profile.list_signer_uses,
            Self::Seal => profile.seal_uses,
            Self::Residence => Some(profile.residence_uses),
        }
    }

    fn subject(self, profile: &Profile, name: &str) -> Vec<u8> {
        let title = match self {
            Self::Document => profile.signer_name,
            Self::MasterList => "Master List Signer",
            Self::DeviationList => "Deviation List Signer",
            Self::Residence => "Residence Signer",
            Self::Seal => {
                let letters = name.get(..2).unwrap_or_default().to_ascii_uppercase();
                return x509::seal_signer_name(profile.country, &letters);
            }
        };
        x509::name(profile, &format!("{title} {name}"))
    }
}

impl fmt::Display for SignerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word().replace('-', " "))
    }
}

/// A signer as the authority knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignerRecord {
    /// What it signs.
    pub kind: SignerKind,
    /// Name of its directory.
    pub name: String,
    /// That directory.
    pub directory: PathBuf,
    /// Its certificate.
    pub certificate: Certificate,
    /// Since when it is revoked.
    pub revoked: Option<Timestamp>,
    /// How often its key was used, as counted in this directory; `None` when it is not bounded.
    pub uses: Option<Uses>,
    /// The token that its key is in.
    pub token: Option<TokenAddress>,
    usage_end: Timestamp,
}

/// The counted uses of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uses {
    /// Made, or reserved by a process that may have made them.
    pub reserved: u64,
    /// How often the key may be used.
    pub most: u64,
}

impl SignerRecord {
    /// The last moment at which its key may sign.
    pub fn usage_end(&self) -> Timestamp {
        self.usage_end
    }

    /// Whether its key may sign now.
    pub fn may_sign(&self, now: Timestamp) -> bool {
        let from = self.certificate.extensions().private_key_usage.and_then(|usage| usage.not_before);
        let from = from.unwrap_or(self.certificate.not_before());
        self.revoked.is_none() && !self.is_used_up() && from <= now && now <= self.usage_end
    }

    /// Whether its key was used as often as it may be.
    pub fn is_used_up(&self) -> bool {
        self.uses.is_some_and(|uses| uses.reserved >= uses.most)
    }
}

/// What ensuring a signer did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ensured {
    /// This one can still sign for long enough; nothing was made.
    Stands(SignerRecord),
    /// This one was made.
    Made(SignerRecord),
}

impl Ensured {
    /// The signer.
    pub fn signer(&self) -> &SignerRecord {
        match self {
            Self::Stands(signer) | Self::Made(signer) => signer,
        }
    }
}

impl Authority {
    /// A new document signer: [`Authority::new_signer`].
    ///
    /// # Errors
    /// As there.
    pub fn new_document_signer(
        &mut self,
        name: Option<&str>,
        passphrase: &Passphrase,
        signer_passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<SignerRecord, IssueError> {
        self.new_signer(SignerKind::Document, name, passphrase, signer_passphrase, now)
    }

    /// A new signer. Its key has its own secret, because it goes elsewhere: the passphrase of its file, or the PIN of its
    /// token ([`Authority::make_keys`]).
    ///
    /// Without a name, the next free one of `ds-0001`, `ds-0002`, ... is taken. The name of a seal signer begins with the two
    /// letters that stand in its seals.
    ///
    /// # Errors
    /// When the name is taken, a passphrase is wrong or too short, or the CSCA's key may no longer sign.
    pub fn new_signer(
        &mut self,
        kind: SignerKind,
        name: Option<&str>,
        passphrase: &Passphrase,
        signer_passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<SignerRecord, IssueError> {
        let _lock = self.lock()?;
        self.certify(kind, name, passphrase, signer_passphrase, now)
    }

    /// Makes the next signer of a kind when none can sign for so many more days; otherwise changes nothing.
    ///
    /// # Errors
    /// As [`Authority::new_signer`].
    pub fn ensure_signer(
        &mut self,
        kind: SignerKind,
        days: i64,
        passphrase: &Passphrase,
        signer_passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<Ensured, IssueError> {
        let _lock = self.lock()?;
        match self.standing_signer(kind, days, now)? {
            Some(signer) => Ok(Ensured::Stands(signer)),
            None => self.certify(kind, None, passphrase, signer_passphrase, now).map(Ensured::Made),
        }
    }

    /// The signer that [`Authority::ensure_signer`] is content with.
    ///
    /// # Errors
    /// When a certificate cannot be read.
    pub fn standing_signer(
        &self,
        kind: SignerKind,
        days: i64,
        now: Timestamp,
    ) -> Result<Option<SignerRecord>, IssueError> {
        let until = Period::days(now, days)?.to;
        let signers = self.signers_of(kind)?.into_iter().filter(|signer| signer.may_sign(now));
        Ok(signers.max_by_key(SignerRecord::usage_end).filter(|signer| signer.usage_end() > until))
    }

    /// Revokes a document signer: [`Authority::revoke_signer`].
    ///
    /// # Errors
    /// As there.
    pub fn revoke(&mut self, name: &str, now: Timestamp) -> Result<SignerRecord, IssueError> {
        self.revoke_signer(SignerKind::Document, name, now)
    }

    /// Revokes a signer from now on; revoking it again changes nothing. It is published by the next revocation list.
    ///
    /// # Errors
    /// When there is no such signer, or the state cannot be written.
    pub fn revoke_signer(&mut self, kind: SignerKind, name: &str, now: Timestamp) -> Result<SignerRecord, IssueError> {
        let _lock = self.lock()?;
        let mut signer = self.signer(kind, name)?;
        if signer.revoked.is_none() {
            let since = x509::whole_seconds(now);
            let serial = signer.certificate.serial().to_vec();
            let act = Act::new("revocation", name).serial(signer.certificate.serial()).note(kind.word());
            self.record(now, &[act])?;
            self.change(|state| state.revoked.push(Revoked { name: name.to_owned(), serial, since }))?;
            signer.revoked = Some(since);
        }
        Ok(signer)
    }

    /// Every document signer, by name.
    ///
    /// # Errors
    /// When a certificate cannot be read.
    pub fn signers(&self) -> Result<Vec<SignerRecord>, OpenError> {
        self.signers_of(SignerKind::Document)
    }

    /// Every signer of a kind, by name.
    ///
    /// # Errors
    /// When a certificate cannot be read.
    pub fn signers_of(&self, kind: SignerKind) -> Result<Vec<SignerRecord>, OpenError> {
        let folder = self.directory.join(kind.folder());
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let failed = |error| FileError { path: folder.clone(), error };
        let mut signers = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if is_name(&name) {
                let certificate = read_certificate(&folder.join(&name).join(CERTIFICATE_FILE))?;
                signers.push(self.signer_record(kind, name, certificate)?);
            }
        }
        signers.sort_by(|one, two| one.name.cmp(&two.name));
        Ok(signers)
    }

    /// One signer.
    pub(super) fn signer(&self, kind: SignerKind, name: &str) -> Result<SignerRecord, IssueError> {
        let signers = self.signers_of(kind)?;
        let found = signers.into_iter().find(|signer| signer.name == name);
        found.ok_or_else(|| IssueError::NoSuchSigner { kind, name: name.to_owned() })
    }

    /// The signer of this name; without a name, the newest that may sign.
    ///
    /// # Errors
    /// When there is none, or it may not sign.
    pub fn signer_for(&self, kind: SignerKind, name: Option<&str>, now: Timestamp) -> Result<SignerRecord, IssueError> {
        let missing = || IssueError::NoSuchSigner { kind, name: "any that may sign".to_owned() };
        let able = || self.signers_of(kind).map(|all| all.into_iter().filter(|signer| signer.may_sign(now)));
        let signer = match name {
            Some(name) => self.signer(kind, name)?,
            None => able()?.max_by_key(SignerRecord::usage_end).ok_or_else(missing)?,
        };
        if signer.may_sign(now) { Ok(signer) } else { Err(IssueError::SignerEnded { kind, name: signer.name }) }
    }

    fn signer_record(
        &self,
        kind: SignerKind,
        name: String,
        certificate: Certificate,
    ) -> Result<SignerRecord, OpenError> {
        let revoked = self.state.revoked.iter().find(|entry| entry.serial == certificate.serial());
        let revoked = revoked.map(|entry| entry.since);
        let directory = self.directory.join(kind.folder()).join(&name);
        // A seal signer's certificate has no place for the period; the profile states it (9303-12 §7.1.3).
        let by_profile = Period::months(certificate.not_before(), kind.months(self.profile).0).map(|period| period.to);
        let stated = certificate.extensions().private_key_usage.and_then(|usage| usage.not_after);
        let usage_end = stated.or(by_profile.ok()).unwrap_or(certificate.not_after());
        let key = |error| OpenError::Key { path: directory.clone(), error };
        let token = StoredKey::token(&directory).map_err(key)?;
        let uses = uses(&directory).map_err(key)?;
        Ok(SignerRecord { kind, name, directory, certificate, revoked, uses, token, usage_end })
    }

    /// The lock is held.
    fn certify(
        &mut self,
        kind: SignerKind,
        name: Option<&str>,
        passphrase: &Passphrase,
        signer_passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<SignerRecord, IssueError> {
        let name = self.free_name(kind, name)?;
        self.csca_may_sign(now)?;
        let csca = self.csca_key(passphrase)?;
        let asked = self.new_keys.as_ref().and_then(|keys| keys.max_uses);
        let max_uses = asked.or(kind.max_uses(self.profile));
        let algorithm = self.profile.signer_algorithm;
        let label = format!("bitaqa-{name}");
        let mut fresh_key = self.fresh_key(&label, algorithm, max_uses, KeyPlace::Software, signer_passphrase)?;
        let certificate = self.signer_certificate(kind, &name, &fresh_key.key, &csca, now)?;
        let folder = self.directory.join(kind.folder());
        if !folder.exists() {
            files::create_directory(&folder, |_| Ok(()))?;
        }
        self.record(now, &[certificate_act(kind.word(), &name, &certificate)])?;
        let created = files::create_directory(&folder.join(&name), |fresh| {
            files::write(&fresh.join(CERTIFICATE_FILE), certificate.der(), Mode::Public)?;
            fresh_key.write(fresh)
        });
        fresh_key.keep_in(&folder.join(&name));
        created?;
        Ok(self.signer_record(kind, name, certificate)?)
    }

    pub(super) fn csca_may_sign(&self, now: Timestamp) -> Result<(), IssueError> {
        let end = self.csca.extensions().private_key_usage.and_then(|usage| usage.not_after);
        match end.filter(|end| now > *end) {
            Some(end) => Err(IssueError::CscaKeyEnded(end)),
            None => Ok(()),
        }
    }

    fn free_name(&self, kind: SignerKind, wanted: Option<&str>) -> Result<String, IssueError> {
        let taken = |name: &str| self.directory.join(kind.folder()).join(name).exists();
        let letters = |name: &str| {
            let (letters, rest) = (name.get(..2).unwrap_or_default(), name.get(2..).unwrap_or_default());
            letters.len() == 2
                && letters.bytes().all(|byte| byte.is_ascii_lowercase())
                && (rest.is_empty() || rest.starts_with('-'))
        };
        match wanted {
            Some(name) if !is_name(name) => Err(IssueError::Name(name.to_owned())),
            Some(name) if kind == SignerKind::Seal && !letters(name) => Err(IssueError::SealLetters(name.to_owned())),
            Some(name) if taken(name) => Err(IssueError::NameTaken { kind, name: name.to_owned() }),
            Some(name) => Ok(name.to_owned()),
            None => (1..=9999)
                .map(|number| format!("{}-{number:04}", kind.stem()))
                .find(|name| !taken(name))
                .ok_or_else(|| IssueError::NameTaken { kind, name: format!("{}-9999", kind.stem()) }),
        }
    }

    fn signer_certificate(
        &self,
        kind: SignerKind,
        name: &str,
        key: &dyn Signer,
        csca: &dyn Signer,
        now: Timestamp,
    ) -> Result<Certificate, IssueError> {
        let profile = self.profile;
        let (usage, validity) = kind.months(profile);
        // A seal names its certificate by the serial number, so that of a seal signer is short.
        let serial = serial_number(if kind == SignerKind::Seal { 8 } else { 16 })?;
        let subject = Subject {
            serial: &serial,
            issuer: self.csca.subject().der(),
            subject: &kind.subject(profile, name),
            validity: Period::months(now, validity)?,
            key_usage: Period::months(now, usage)?,
            spki: &x509::explicit_spki(key)?,
            key_identifier: &x509::key_identifier(key),
            role: kind.role(),
        };
        let raw = x509::certificate(profile, &subject, csca)?;
        verified_certificate(&raw, kind.profile(), self.csca.public_key())
    }
}

fn uses(directory: &Path) -> Result<Option<Uses>, KeyError> {
    let Some(count) = StoredKey::uses(directory)? else { return Ok(None) };
    Ok(Some(Uses { reserved: count.reserved()?, most: count.most() }))
}

/// The line for a certificate about to be given out.
pub(crate) fn certificate_act(kind: &str, name: &str, certificate: &Certificate) -> Act {
    Act::new(kind, name).serial(certificate.serial()).product(certificate.der()).note(format!(
        "{}, valid until {}",
        certificate.subject(),
        certificate.not_after()
    ))
}
