//! The trust store of an inspection post: the newest bundle it ever installed, and whose signatures it believes.
//!
//! ```text
//! DIR/pin          who is believed, as Pins writes it: one fingerprint, or a threshold and several
//! DIR/bundle.json  the bundle exactly as received; verified again each time the store is opened
//! DIR/number       the highest number ever installed, decimal: without the bundle too, nothing older comes back
//! DIR/maximum-age  days after its issue when a bundle is stale here, decimal; only where the post sets a limit of its own
//! DIR/lock         held while something is installed
//! ```
//!
//! A bundle that names the next signers was signed by enough of both: from then on those whom it names are the pinned ones,
//! whatever `pin` still says. At every moment of an installation, the files that are there make a store that opens.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::archive::Reason;
use crate::bundle::{Bundle, BundleError, DeltaError, MAX_BUNDLE, Pins, Policy, RevokedDocument, Sealed, days_after};
use crate::certificate::Certificate;
use crate::crl::Crl;
use crate::defect_list::DefectList;
use crate::files::{create_directory, replace};
use crate::memory::Memory;

mod folder;
mod installed;

pub use folder::{Bounds, Ignored, Imported, Step, Why};

const PIN: &str = "pin";
const BUNDLE: &str = "bundle.json";
const NUMBER: &str = "number";
const MAXIMUM_AGE: &str = "maximum-age";

/// Whom to believe.
///
/// A store never changes: a newer bundle makes another store. So whatever was found out with it once, and no clock can
/// change, is remembered with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustStore {
    bundle: Bundle,
    defects: Vec<Believed>,
    maximum_age_days: Option<u16>,
    memory: Memory,
}

/// A defect list with the country, upper case, of the CSCA that stands behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Believed {
    list: DefectList,
    country: String,
}

/// What a bundle says of a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DocumentStatus<'a> {
    /// It was reported as no longer valid.
    Revoked(&'a RevokedDocument),
    /// The list of its state has it not.
    NotListed,
    /// The bundle has no list of its state.
    NoList,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file is missing or cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The pin file does not hold fingerprints.
    #[error("{0} does not hold the fingerprints of bundle signers")]
    Pin(PathBuf),
    /// The number file does not hold a number.
    #[error("{0} does not hold the number of a bundle")]
    Number(PathBuf),
    /// The file of the maximum age does not hold a number of days.
    #[error("{0} does not hold a number of days")]
    MaximumAge(PathBuf),
    /// The stored bundle is older than one that was installed here.
    #[error("the stored bundle has number {stored}; number {installed} was installed before")]
    Rollback {
        /// Number of the stored bundle.
        stored: u64,
        /// The highest number ever installed.
        installed: u64,
    },
    /// The stored bundle is not believed.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// Why a bundle is not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The new bundle is not believed.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A delta leads to no bundle.
    #[error(transparent)]
    Delta(#[from] DeltaError),
    /// A delta, and nothing installed that it could build on.
    #[error("the delta makes bundle {makes} of bundle {base}, and no bundle is installed")]
    NoBase {
        /// Number of the bundle that it builds on.
        base: u64,
        /// Number of the bundle that it makes.
        makes: u64,
    },
    /// The store that is there cannot be opened.
    #[error("the installed trust store: {0}")]
    Installed(OpenError),
    /// The first installation needs to know whom to believe.
    #[error("no signer is pinned yet")]
    NoPins,
    /// The store is pinned to other signers.
    #[error("this store is pinned to {installed}; given was {given}")]
    OtherPins {
        /// The pins of the store.
        installed: Pins,
        /// The pins that were given.
        given: Pins,
    },
    /// An older bundle, or another one with the same number.
    #[error("bundle number {offered} is not newer than the installed number {installed}")]
    Rollback {
        /// Number of the installed bundle.
        installed: u64,
        /// Number of the offered bundle.
        offered: u64,
    },
    /// The folder to install from cannot be read.
    #[error("{path}: {error}")]
    Read {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Nothing is installed, and the folder has nothing that can be.
    #[error("none of the {} files in it can be installed{}", .0.len(), first(.0))]
    NothingFound(Vec<Ignored>),
    /// A file cannot be written.
    #[error("{path}: {error}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl TrustStore {
    /// A store that lives in memory only. It knows the defect lists of the bundle that an anchor of it stands behind.
    pub fn from_bundle(mut bundle: Bundle) -> Self {
        let lists = std::mem::take(&mut bundle.defect_lists);
        let issued = bundle.issued;
        let store = TrustStore { bundle, maximum_age_days: None, defects: Vec::new(), memory: Memory::default() };
        store.knowing_defects(lists, issued)
    }

    /// The same store, where a bundle is stale so many days after its issue.
    #[must_use]
    pub fn with_maximum_age(mut self, days: Option<u16>) -> Self {
        self.maximum_age_days = days;
        self
    }

    /// Opens the store in this directory; the bundle's signatures are verified again.
    ///
    /// # Errors
    /// When a file is missing, altered or unreadable, or the bundle older than one that was installed before.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let pins = read_pins(directory)?;
        let (_, bundle) = read_bundle(directory, &pins)?;
        Ok(Self::from_bundle(bundle).with_maximum_age(read_maximum_age(directory)?))
    }

    /// Sets how many days after its issue a bundle is stale at this post, or lets the bundle alone decide.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn set_maximum_age(directory: &Path, days: Option<u16>) -> Result<(), InstallError> {
        let path = directory.join(MAXIMUM_AGE);
        let written = create_directory(directory).and_then(|()| match days {
            Some(days) => replace(&path, format!("{days}\n").as_bytes()),
            None if path.exists() => fs::remove_file(&path),
            None => Ok(()),
        });
        written.map_err(|error| write_error(&path, error))
    }

    /// Whose signatures the store in this directory believes.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn pinned(directory: &Path) -> Result<Pins, OpenError> {
        let pins = read_pins(directory)?;
        let (_, bundle) = read_bundle(directory, &pins)?;
        Ok(bundle.next_signers.unwrap_or(pins))
    }

    /// The country signing certificates.
    pub fn anchors(&self) -> &[Certificate] {
        &self.bundle.anchors
    }

    /// Why an anchor is believed and where it came from; nothing for the issuer's own.
    pub fn origins_of(&self, anchor: &Certificate) -> impl Iterator<Item = (Reason, &str)> {
        self.bundle.origins_of(anchor)
    }

    /// Document signers for security objects that carry none.
    pub fn signers(&self) -> &[Certificate] {
        &self.bundle.signers
    }

    /// The revocation lists.
    pub fn crls(&self) -> &[Crl] {
        &self.bundle.crls
    }

    /// Where a country signing key was seen that is known and not believed.
    pub fn seen_elsewhere<'a>(&'a self, key_identifier: &'a [u8]) -> impl Iterator<Item = &'a str> {
        let same = self.bundle.elsewhere.iter().filter(move |known| known.key == key_identifier);
        same.flat_map(|known| &known.sources).filter_map(|source| self.bundle.sources.get(*source).map(String::as_str))
    }

    /// The same store which also knows these defect lists. Those that no country signing CA of the store stands behind, and those
    /// of the future, are left out: the guideline has them ignored (TR-03129-2 §7). So are those whose signer is revoked.
    #[must_use]
    pub fn knowing_defects(mut self, lists: Vec<DefectList>, now: Timestamp) -> Self {
        for list in lists {
            let verification = list.verify(self.anchors(), now).unless_revoked(self.crls(), self.anchors());
            let behind = verification.pinned.as_ref().filter(|_| verification.is_believed());
            let country = behind.and_then(|anchor| anchor.subject().country()).map(str::to_uppercase);
            if let Some(country) = country.filter(|_| self.defect_lists().all(|known| *known != list)) {
                self.defects.push(Believed { list, country });
            }
        }
        self
    }

    /// The defect lists that are believed.
    pub fn defect_lists(&self) -> impl ExactSizeIterator<Item = &DefectList> {
        self.defects.iter().map(|believed| &believed.list)
    }

    /// The believed lists that may speak about this document signer: those of its own state, and those of the state that
    /// issues the bundle, which decides for its posts whom to believe. No other state can take the trust from a signer.
    pub fn defect_lists_about<'a>(&'a self, signer: &Certificate) -> impl Iterator<Item = &'a DefectList> + use<'a> {
        let of = signer.subject().country().map(str::to_uppercase);
        let own = self.bundle.own_country().map(str::to_uppercase);
        let may = move |country: &String| of.as_ref() == Some(country) || own.as_ref() == Some(country);
        self.defects.iter().filter(move |believed| may(&believed.country)).map(|believed| &believed.list)
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.bundle.policy
    }

    /// Whether a document of this state, as in the MRZ, was reported as no longer valid. Fillers at the end are ignored.
    ///
    /// The bundle has the list of its issuer's own state, be it empty, and those of the states that it names at a document.
    pub fn document_status(&self, state: &str, number: &str) -> DocumentStatus<'_> {
        let (state, number) = (state.trim_end_matches('<'), number.trim_end_matches('<').to_owned());
        let listed = &self.bundle.revoked_documents;
        let country = self.policy().countries.get(state);
        let own = country.zip(self.bundle.own_country()).is_some_and(|(one, own)| one.eq_ignore_ascii_case(own));
        let of_no_state = own.then(|| listed.get(&(None, number.clone()))).flatten();
        if let Some(document) = listed.get(&(Some(state.to_owned()), number)).or(of_no_state) {
            return DocumentStatus::Revoked(document);
        }
        let first = (Some(state.to_owned()), String::new());
        let named = listed.range(first..).next().is_some_and(|((of, _), _)| of.as_deref() == Some(state));
        if own || named { DocumentStatus::NotListed } else { DocumentStatus::NoList }
    }

    /// The bundle's number.
    pub fn number(&self) -> u64 {
        self.bundle.number
    }

    /// Who issued the bundle.
    pub fn issuer(&self) -> &str {
        &self.bundle.issuer
    }

    /// When the bundle was issued.
    pub fn issued(&self) -> Timestamp {
        self.bundle.issued
    }

    /// When the bundle expires, whatever its maximum age.
    pub fn expires(&self) -> Timestamp {
        self.bundle.expires
    }

    /// After so many days a bundle is stale at this post; `None` where the bundle alone decides.
    pub fn maximum_age_days(&self) -> Option<u16> {
        self.maximum_age_days
    }

    /// After this moment the bundle is stale: it has expired, or is older than the bundle or the post allows.
    pub fn stale_after(&self) -> Timestamp {
        let own = self.bundle.stale_after();
        self.maximum_age_days.map_or(own, |days| own.min(days_after(self.bundle.issued, days)))
    }
}

/// The bundle in this directory, verified, and not older than one that was installed before.
fn read_bundle(directory: &Path, pins: &Pins) -> Result<(Sealed, Bundle), OpenError> {
    let sealed = Sealed::read(&read(&directory.join(BUNDLE), MAX_BUNDLE)?)?;
    let bundle = sealed.verify(pins)?;
    let installed = read_number(directory)?;
    if bundle.number < installed {
        return Err(OpenError::Rollback { stored: bundle.number, installed });
    }
    Ok((sealed, bundle))
}

fn read_pins(directory: &Path) -> Result<Pins, OpenError> {
    let path = directory.join(PIN);
    let text = read(&path, 4096)?;
    std::str::from_utf8(&text).ok().and_then(|text| Pins::from_text(text).ok()).ok_or(OpenError::Pin(path))
}

/// The highest number ever installed; zero in a store of a version that did not write it, until the next installation.
fn read_number(directory: &Path) -> Result<u64, OpenError> {
    Ok(optional(&directory.join(NUMBER), OpenError::Number)?.unwrap_or(0))
}

fn read_maximum_age(directory: &Path) -> Result<Option<u16>, OpenError> {
    optional(&directory.join(MAXIMUM_AGE), OpenError::MaximumAge)
}

/// A number from a file that need not be there.
fn optional<N: std::str::FromStr>(path: &Path, wrong: fn(PathBuf) -> OpenError) -> Result<Option<N>, OpenError> {
    match read(path, 64) {
        Ok(text) => {
            let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
            number.map(Some).ok_or_else(|| wrong(path.to_owned()))
        }
        Err(OpenError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(path: &Path, limit: usize) -> Result<Vec<u8>, OpenError> {
    let failed = |error| OpenError::Read { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn write_error(path: &Path, error: io::Error) -> InstallError {
    InstallError::Write { path: path.to_owned(), error }
}

fn first(ignored: &[Ignored]) -> String {
    let telling = ignored.iter().find(|one| matches!(one.why, Why::Refused(_))).or(ignored.first());
    telling.map_or_else(String::new, |one| format!("; {:?}: {}", one.path, one.why))
}
