//! Signing the lists that a state publishes: master lists and deviation lists (9303-12 §9, §10), defect lists (TR-03129-2 §7).

use std::fs;
use std::path::PathBuf;

use iso7816::tlv::Writer;
use jiff::Timestamp;
use trust::Certificate;
use trust::cms::{Bounds, SignedData};
use trust::der::{INTEGER, SEQUENCE, SET, oid};
use trust::lint::{self, Kind};
use trust::master_list::MAX_MASTER_LIST;

use super::issue::read_key;
use super::{Authority, IssueError, OpenError, SignerKind};
use crate::acts::Act;
use crate::defect_list::{self, SignerDefects};
use crate::deviation_list::{self, Deviation};
use crate::files::{self, FileError, Mode};
use crate::passphrase::Passphrase;
use crate::signed_data::{self, set_of};

/// A list that was signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedList {
    /// Counts up from 1 for each kind of list.
    pub number: u64,
    /// The file.
    pub path: PathBuf,
    /// Its bytes: a CMS ContentInfo.
    pub bytes: Vec<u8>,
    /// How many certificates or deviations are on it.
    pub entries: usize,
    /// Name of the signer.
    pub signer: String,
}

impl Authority {
    /// Signs a master list: every generation of this CSCA with its links, and the certificates given.
    ///
    /// Without a name, the newest master list signer that may sign is taken. The passphrase is that of the signer's key.
    ///
    /// # Errors
    /// When a certificate is not that of a CSCA, or no signer may sign.
    pub fn sign_master_list(
        &mut self,
        foreign: &[Certificate],
        signer: Option<&str>,
        signer_passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<SignedList, IssueError> {
        let _lock = self.lock()?;
        if let Some(other) = foreign.iter().find(|certificate| !is_csca(certificate)) {
            return Err(IssueError::NotCsca(other.subject().to_string()));
        }
        let own =
            self.generations.iter().flat_map(|generation| [Some(&generation.certificate), generation.link.as_ref()]);
        let mut certificates: Vec<&Certificate> = own.flatten().chain(foreign).collect();
        certificates.sort_by_key(|certificate| certificate.der());
        certificates.dedup_by_key(|certificate| certificate.der());
        let content = master_list(&certificates);
        let kind = ListKind {
            signer: SignerKind::MasterList,
            content_type: oid::MASTER_LIST,
            profile: Kind::MasterList,
            stem: "master-list",
            ending: "ml",
        };
        self.sign_list(&kind, &content, certificates.len(), signer, signer_passphrase, now)
    }

    /// Signs a deviation list.
    ///
    /// # Errors
    /// When a deviation cannot be written as the standard demands, or no signer may sign.
    pub fn sign_deviation_list(
        &mut self,
        deviations: &[Deviation],
        signer: Option<&str>,
        signer_passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<SignedList, IssueError> {
        let _lock = self.lock()?;
        let content = deviation_list::content(deviations)?;
        let kind = ListKind {
            signer: SignerKind::DeviationList,
            content_type: oid::DEVIATION_LIST,
            profile: Kind::DeviationList,
            stem: "deviation-list",
            ending: "dl",
        };
        self.sign_list(&kind, &content, deviations.len(), signer, signer_passphrase, now)
    }

    /// Signs a defect list, with the key of a deviation list signer: the purpose of its own is not known
    /// ([`trust::defect_list`]).
    ///
    /// # Errors
    /// When a defect cannot be written, or no signer may sign.
    pub fn sign_defect_list(
        &mut self,
        defects: &[SignerDefects],
        signer: Option<&str>,
        signer_passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<SignedList, IssueError> {
        let _lock = self.lock()?;
        let content = defect_list::content(defects)?;
        let kind = ListKind {
            signer: SignerKind::DeviationList,
            content_type: oid::DEFECT_LIST,
            profile: Kind::DefectList,
            stem: "defect-list",
            ending: "dfl",
        };
        self.sign_list(&kind, &content, defects.len(), signer, signer_passphrase, now)
    }

    fn sign_list(
        &mut self,
        kind: &ListKind,
        content: &[u8],
        entries: usize,
        signer: Option<&str>,
        passphrase: &Passphrase,
        now: Timestamp,
    ) -> Result<SignedList, IssueError> {
        let signer = self.signer_for(kind.signer, signer, now)?;
        let csca = &self.generation_of(&signer.certificate).ok_or(IssueError::NotVerified)?.certificate;
        let key = read_key(signer.directory.clone(), passphrase)?;
        let bytes = signed_data::sign(kind.content_type, content, &signer.certificate, csca, &key, now)?;
        verified(&bytes, kind.profile, &signer.certificate)?;

        let folder = self.directory.join("lists");
        if !folder.exists() {
            files::create_directory(&folder, |_| Ok(()))?;
        }
        // An older state does not know the numbers: the files do.
        let last = self.state.lists.get(kind.stem).copied().unwrap_or(0).max(self.last_list(kind)?);
        let number = last + 1;
        self.change(|state| {
            state.lists.insert(kind.stem.to_owned(), number);
        })?;
        let act = Act::new(kind.stem, number.to_string()).product(&bytes);
        self.record(now, &[act.note(format!("{entries} entries, signed by {}", signer.name))])?;
        let path = folder.join(kind.file(number));
        files::replace(&path, &bytes, Mode::Public)?;
        Ok(SignedList { number, path, bytes, entries, signer: signer.name })
    }

    fn last_list(&self, kind: &ListKind) -> Result<u64, OpenError> {
        let folder = self.directory.join("lists");
        let failed = |error| FileError { path: folder.clone(), error };
        let mut last = 0;
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            last = last.max(name.to_str().and_then(|name| kind.number(name)).unwrap_or(0));
        }
        Ok(last)
    }
}

struct ListKind {
    signer: SignerKind,
    content_type: &'static [u8],
    profile: Kind,
    stem: &'static str,
    ending: &'static str,
}

impl ListKind {
    fn file(&self, number: u64) -> String {
        format!("{}-{number}.{}", self.stem, self.ending)
    }

    fn number(&self, file: &str) -> Option<u64> {
        file.strip_prefix(self.stem)?.strip_prefix('-')?.strip_suffix(self.ending)?.strip_suffix('.')?.parse().ok()
    }
}

/// CscaMasterList ::= SEQUENCE { version INTEGER (0), certList SET OF Certificate }
fn master_list(certificates: &[&Certificate]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(SEQUENCE, |list| {
        list.put(INTEGER, [0]).put(SET, set_of(certificates.iter().map(|certificate| certificate.der().to_vec())));
    });
    writer.finish()
}

/// Self-signed or link: an authority that may sign certificates.
fn is_csca(certificate: &Certificate) -> bool {
    let extensions = certificate.extensions();
    // Certificates of earlier editions may lack a key usage; one that is present must allow it.
    extensions.basic_constraints.is_some_and(|constraints| constraints.ca)
        && extensions.key_usage.is_none_or(|usage| usage.key_cert_sign())
}

/// What the profile and a verifier say about it, before it is stored.
fn verified(bytes: &[u8], kind: Kind, signer: &Certificate) -> Result<(), IssueError> {
    lint::accept(bytes, kind)?;
    let bounds = Bounds { bytes: MAX_MASTER_LIST, certificates: 2 };
    let signed = SignedData::from_der_within(bytes, bounds).map_err(|_| IssueError::NotVerified)?;
    let info = signed.signers().first().ok_or(IssueError::NotVerified)?;
    let named = info.identifies(signer).is_some_and(|leniencies| leniencies.is_empty());
    match signed.verify(info, signer) {
        Ok(leniencies) if named && leniencies.is_empty() => Ok(()),
        _ => Err(IssueError::NotVerified),
    }
}

#[cfg(test)]
mod tests {
    use iso7816::tlv::encode;

    use super::*;

    #[test]
    fn an_empty_list_is_a_sequence_of_version_and_set() {
        assert_eq!(master_list(&[]), encode(SEQUENCE, [0x02, 0x01, 0x00, 0x31, 0x00]));
    }

    #[test]
    fn numbers_are_read_from_file_names() {
        let kind = ListKind {
            signer: SignerKind::MasterList,
            content_type: &[],
            profile: Kind::MasterList,
            stem: "master-list",
            ending: "ml",
        };
        assert_eq!(kind.number(&kind.file(12)), Some(12));
        for other in [".master-list-1.ml.new", "deviation-list-1.dl", "master-list-x.ml", "master-list-1ml"] {
            assert_eq!(kind.number(other), None, "{other}");
        }
    }
}
