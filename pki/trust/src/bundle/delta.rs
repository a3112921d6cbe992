//! A delta: how one bundle becomes the next. It saves bytes and adds nothing to believe: applied to the bundle it builds on, it
//! gives the exact payload of the next one, over which that one's own signatures are then verified as ever.
//!
//! ```text
//! { "format": "bitaqa-trust-bundle-delta", "version": 1,
//!   "base": { "number": 7, "sha256": "<SHA-256 of the payload it builds on>" },
//!   "head": <the next payload, its lists empty>,
//!   "lists": { "anchors": [ { "keep": 3 }, { "drop": 1 }, { "add": [der] } ], "signers", "crls", "revoked_documents",
//!              "sources", "origins", "elsewhere", "defect_lists" },
//!   "signatures": <those of the next bundle> }
//! ```
//!
//! A list is edited from its beginning to its end: entries of the old one are kept or dropped, new ones added between them.
//! `defect_lists` is left out where neither bundle has one.

use std::collections::HashMap;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::container::BundleSignature;
use super::payload::{Payload, hexadecimal};
use super::{BundleError, Elsewhere, MAX_BUNDLE, Origin, RevokedDocument, Sealed};

const FORMAT: &str = "bitaqa-trust-bundle-delta";
const VERSION: u32 = 1;

/// A delta's file, read: nothing in it is believed because of that.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delta {
    format: String,
    version: u32,
    base: Base,
    head: Payload,
    lists: Lists,
    signatures: Vec<BundleSignature>,
}

/// What a delta builds on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Number of the bundle.
    pub number: u64,
    /// SHA-256 of its payload.
    #[serde(with = "hexadecimal")]
    pub sha256: [u8; 32],
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    anchors: Vec<Edit<String>>,
    signers: Vec<Edit<String>>,
    crls: Vec<Edit<String>>,
    revoked_documents: Vec<Edit<RevokedDocument>>,
    sources: Vec<Edit<String>>,
    origins: Vec<Edit<Origin>>,
    elsewhere: Vec<Edit<Elsewhere>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    defect_lists: Vec<Edit<String>>,
}

/// One step through a list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Edit<T> {
    /// So many entries of the old list stay.
    Keep(usize),
    /// So many entries of the old list go.
    Drop(usize),
    /// These entries come in.
    Add(Vec<T>),
}

/// Why a delta cannot be made or applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// More bytes than accepted.
    #[error("delta of {0} bytes: larger than 64 MiB")]
    TooLarge(usize),
    /// Not the expected JSON.
    #[error("not a delta of a trust bundle: {0}")]
    Unreadable(String),
    /// A format or version that this program does not know.
    #[error("delta format {format:?} version {version} is not known")]
    Format {
        /// The format named in the file.
        format: String,
        /// The version named in the file.
        version: u32,
    },
    /// It builds on another bundle.
    #[error("the delta makes bundle {makes} of bundle {}; the one here is {here}", .base.number)]
    OtherBase {
        /// What it builds on.
        base: Base,
        /// Number of the bundle that it makes.
        makes: u64,
        /// Number of the bundle it was applied to.
        here: u64,
    },
    /// It does not fit the bundle that it names.
    #[error("the delta does not fit the list {0} of the bundle it names")]
    Script(&'static str),
    /// A bundle whose payload was not written as this program writes it.
    #[error("the payload of bundle {0} is not written as this program writes it")]
    Foreign(u64),
    /// Nothing leads from a bundle to one that is not newer.
    #[error("bundle {new} is not newer than bundle {old}")]
    NotNewer {
        /// Number of the bundle to build on.
        old: u64,
        /// Number of the bundle to make.
        new: u64,
    },
    /// One of the bundles.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

impl Delta {
    /// What leads from one bundle to another. No signature is verified.
    ///
    /// # Errors
    /// When one cannot be read, the second is not newer, of container version 1, or its payload not this program's writing.
    pub fn between(old: &Sealed, new: &Sealed) -> Result<Self, DeltaError> {
        let (from, to) = (Payload::read(old.payload())?, Payload::read(new.payload())?);
        if to.number <= from.number {
            return Err(DeltaError::NotNewer { old: from.number, new: to.number });
        }
        let signatures = new.several().filter(|_| to.to_bytes() == new.payload());
        let signatures = signatures.ok_or(DeltaError::Foreign(to.number))?.to_vec();
        let lists = Lists {
            anchors: edits(&from.anchors, &to.anchors),
            signers: edits(&from.signers, &to.signers),
            crls: edits(&from.crls, &to.crls),
            revoked_documents: edits(&from.revoked_documents, &to.revoked_documents),
            sources: edits(&from.sources, &to.sources),
            origins: edits(&from.origins, &to.origins),
            elsewhere: edits(&from.elsewhere, &to.elsewhere),
            defect_lists: edits(&from.defect_lists, &to.defect_lists),
        };
        let base = Base { number: from.number, sha256: old.payload_sha256() };
        let head = Payload { anchors: vec![], signers: vec![], crls: vec![], revoked_documents: vec![], ..to };
        let head = Payload { sources: vec![], origins: vec![], elsewhere: vec![], defect_lists: vec![], ..head };
        Ok(Delta { format: FORMAT.to_owned(), version: VERSION, base, head, lists, signatures })
    }

    /// Reads a delta's file.
    ///
    /// # Errors
    /// When it is too large, none, or of an unknown version.
    pub fn read(bytes: &[u8]) -> Result<Self, DeltaError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        if bytes.len() > MAX_BUNDLE {
            return Err(DeltaError::TooLarge(bytes.len()));
        }
        let unreadable = |error: serde_json::Error| DeltaError::Unreadable(error.to_string());
        let head: Head = serde_json::from_slice(bytes).map_err(unreadable)?;
        if head.format != FORMAT || head.version != VERSION {
            return Err(DeltaError::Format { format: head.format, version: head.version });
        }
        serde_json::from_slice(bytes).map_err(unreadable)
    }

    /// Whether the first 256 bytes look like a delta's; reading it decides.
    pub fn is_likely(bytes: &[u8]) -> bool {
        super::begins_with(bytes, FORMAT)
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings, numbers and dates always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What it builds on.
    pub fn base(&self) -> Base {
        self.base
    }

    /// Number of the bundle that it makes.
    pub fn number(&self) -> u64 {
        self.head.number
    }

    /// The next bundle, its signatures not verified yet. It is never larger than both files together.
    ///
    /// # Errors
    /// When this is another bundle than the delta builds on, or it does not fit.
    pub fn apply(&self, old: &Sealed) -> Result<Sealed, DeltaError> {
        let from = Payload::read(old.payload())?;
        if old.payload_sha256() != self.base.sha256 {
            return Err(DeltaError::OtherBase { base: self.base, makes: self.head.number, here: from.number });
        }
        let lists = &self.lists;
        let payload = Payload {
            anchors: edited("anchors", from.anchors, &lists.anchors)?,
            signers: edited("signers", from.signers, &lists.signers)?,
            crls: edited("crls", from.crls, &lists.crls)?,
            revoked_documents: edited("revoked_documents", from.revoked_documents, &lists.revoked_documents)?,
            sources: edited("sources", from.sources, &lists.sources)?,
            origins: edited("origins", from.origins, &lists.origins)?,
            elsewhere: edited("elsewhere", from.elsewhere, &lists.elsewhere)?,
            defect_lists: edited("defect_lists", from.defect_lists, &lists.defect_lists)?,
            ..self.head.clone()
        };
        Ok(Sealed::with_signatures(payload.to_bytes(), self.signatures.clone())?)
    }
}

/// Goes through the new list and keeps what stands in the old one behind the last entry that was kept. Lists of two bundles
/// that follow each other have what they share in the same order.
fn edits<T: Clone + Eq + Hash>(old: &[T], new: &[T]) -> Vec<Edit<T>> {
    let places: HashMap<&T, usize> = old.iter().enumerate().map(|(place, entry)| (entry, place)).collect();
    let mut steps = Vec::new();
    let mut next = 0;
    for entry in new {
        match places.get(entry).filter(|place| **place >= next) {
            Some(place) => {
                drop_entries(&mut steps, place - next);
                match steps.last_mut() {
                    Some(Edit::Keep(count)) => *count += 1,
                    _ => steps.push(Edit::Keep(1)),
                }
                next = place + 1;
            }
            None => match steps.last_mut() {
                Some(Edit::Add(entries)) => entries.push(entry.clone()),
                _ => steps.push(Edit::Add(vec![entry.clone()])),
            },
        }
    }
    drop_entries(&mut steps, old.len() - next);
    steps
}

fn drop_entries<T>(steps: &mut Vec<Edit<T>>, count: usize) {
    if count > 0 {
        steps.push(Edit::Drop(count));
    }
}

/// The list after all steps, which must go exactly to its end.
fn edited<T: Clone>(list: &'static str, old: Vec<T>, steps: &[Edit<T>]) -> Result<Vec<T>, DeltaError> {
    let mut rest = old.into_iter();
    let mut new = Vec::new();
    for step in steps {
        match step {
            Edit::Keep(count) | Edit::Drop(count) if *count > rest.len() => return Err(DeltaError::Script(list)),
            Edit::Keep(count) => new.extend(rest.by_ref().take(*count)),
            Edit::Drop(count) => rest.by_ref().take(*count).for_each(drop),
            Edit::Add(entries) => new.extend_from_slice(entries),
        }
    }
    if rest.len() == 0 { Ok(new) } else { Err(DeltaError::Script(list)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn edits_lead_from_any_list_to_any_other(old in prop::collection::vec(0..20u8, 0..30), new in prop::collection::vec(0..20u8, 0..30)) {
            prop_assert_eq!(edited("test", old.clone(), &edits(&old, &new)).unwrap(), new);
        }

        #[test]
        fn steps_that_do_not_fit_are_refused(old in prop::collection::vec(any::<u8>(), 0..30), count in any::<usize>()) {
            let fits = count == old.len();
            for step in [Edit::Keep(count), Edit::Drop(count)] {
                prop_assert_eq!(edited("test", old.clone(), &[step]).is_ok(), fits);
            }
        }
    }

    #[test]
    fn what_stays_is_not_repeated() {
        let (old, new) = ([1, 2, 3, 4, 5], [1, 2, 9, 4, 5, 6]);
        let expected = [Edit::Keep(2), Edit::Add(vec![9]), Edit::Drop(1), Edit::Keep(2), Edit::Add(vec![6])];
        assert_eq!(edits(&old, &new), expected);
    }
}
