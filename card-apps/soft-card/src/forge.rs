//! Forged cards, to see that they are found out: the faults of a card's memory.
//!
//! None of them makes a new signature: whoever forges a card cannot sign.

use std::ops::Range;
use std::path::{Path, PathBuf};

use channel::random::{OsRandom, Random, RandomError};
use channel::secret::Secret;
use iso7816::tlv::{self, Reader, Tag, Writer};
use lds::files::{self, EF_CARD_ACCESS, EF_CARD_SECURITY, EF_SOD};
use lds::globalplatform::dgi;
use lds::security_infos::SecurityInfos;

use crate::emrtd::{ActiveKey, ChipKey};
use crate::fault::{CloneKey, FORGERIES, Fault, Faults, Seeded};
use crate::persistence::{State, StateError};

/// Why a card cannot be forged.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// The card has no such data group.
    #[error("the card has no data group {number}")]
    NoDataGroup {
        /// Its number.
        number: u8,
    },
    /// The card has no key for Chip Authentication, chip authentication mapping or Active Authentication.
    #[error("the card has no key for Chip Authentication, chip authentication mapping or Active Authentication")]
    NoChipKey,
    /// The card has no EF.SOD with certificates.
    #[error("the card has no EF.SOD with certificates")]
    NoSecurityObject,
    /// The card has no EF.CardSecurity.
    #[error("the card has no EF.CardSecurity")]
    NoCardSecurity,
    /// The card has no EF.CardAccess.
    #[error("the card has no EF.CardAccess")]
    NoCardAccess,
    /// The card knows no terminals.
    #[error("the card believes no terminal, and has no current date")]
    NoTerminals,
    /// No fault forges a memory.
    #[error("no fault in this file changes a card's memory; those that do are {}", FORGERIES.join(", "))]
    NothingForged,
    /// The card that something was to come from cannot be read.
    #[error("the other card, which `of` names: {source}")]
    Other {
        /// What its file says.
        source: StateError,
    },
    /// The card that something was to come from does not have it.
    #[error("the other card, {}, which `of` names, has no {what}", .path.display())]
    OtherLacks {
        /// Its file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// A copy of the card with every fault that forges its memory.
///
/// # Errors
/// When no fault forges a memory, the card lacks what a fault changes, or another card's file cannot be read or lacks it.
pub fn forge(state: &State, faults: &Faults) -> Result<State, ForgeError> {
    if !faults.forge_memory() {
        return Err(ForgeError::NothingForged);
    }
    let mut random = Seeded::new(faults.seed);
    faults.all.iter().try_fold(state.clone(), |state, fault| match fault {
        Fault::Altered { data_group } => alter_data_group(&state, *data_group),
        Fault::Cloned { key } => clone_chip(&state, *key, &mut random),
        Fault::SwappedSecurityObject { of } => {
            let other = Other::load(faults, of)?;
            let sod = other.file(EF_SOD.id, "EF.SOD")?;
            with_security_object(&state, |_| Some(sod.clone()))
        }
        Fault::Certificate { of: None } => with_security_object(&state, |sod| {
            replaced(sod, CERTIFICATES, &|certificates| {
                let mut damaged = certificates.to_vec();
                // The end of the signature.
                damaged.iter_mut().last().into_iter().for_each(|byte| *byte ^= 0x01);
                damaged
            })
        }),
        Fault::Certificate { of: Some(of) } => {
            let other = Other::load(faults, of)?;
            let sod = other.file(EF_SOD.id, "EF.SOD")?;
            let foreign = value_at(sod, CERTIFICATES).ok_or_else(|| other.lacks("certificates in its EF.SOD"))?;
            with_security_object(&state, |sod| replaced(sod, CERTIFICATES, &|_| foreign.to_vec()))
        }
        Fault::SwappedCardSecurity { of, key } => {
            let other = Other::load(faults, of)?;
            let number = dgi::number_of(&EF_CARD_SECURITY);
            let file = other.file(number, "EF.CardSecurity")?;
            let mut forged = state;
            forged.emrtd.files.insert(number, file.clone()).ok_or(ForgeError::NoCardSecurity)?;
            if *key {
                let lacks = || other.lacks("key for chip authentication mapping");
                forged.emrtd.mapping_key = Some(other.state.emrtd.mapping_key.clone().ok_or_else(lacks)?);
            }
            Ok(forged)
        }
        Fault::NoMapping {} => {
            let mut forged = state;
            let file = forged.emrtd.files.get_mut(&EF_CARD_ACCESS.id).ok_or(ForgeError::NoCardAccess)?;
            let infos = SecurityInfos::parse(file).map_err(|_| ForgeError::NoCardAccess)?;
            let others = infos.infos().iter().filter(|info| !info.is_chip_authentication_mapping());
            *file = SecurityInfos::new(others.cloned().collect()).to_bytes();
            Ok(forged)
        }
        Fault::NoPace {} => {
            let mut forged = state;
            forged.emrtd.files.remove(&EF_CARD_ACCESS.id).ok_or(ForgeError::NoCardAccess)?;
            Ok(forged)
        }
        Fault::CardDate { date } => {
            let mut forged = state;
            forged.emrtd.terminal_trust.as_mut().ok_or(ForgeError::NoTerminals)?.today = *date;
            Ok(forged)
        }
        _ => Ok(state),
    })
}

/// The card that something comes from.
struct Other {
    path: PathBuf,
    state: State,
}

impl Other {
    fn load(faults: &Faults, of: &Path) -> Result<Self, ForgeError> {
        let path = faults.folder.join(of);
        match State::load(&path) {
            Ok(state) => Ok(Other { path, state }),
            Err(source) => Err(ForgeError::Other { source }),
        }
    }

    fn file(&self, id: u16, what: &'static str) -> Result<&Vec<u8>, ForgeError> {
        self.state.emrtd.files.get(&id).ok_or_else(|| self.lacks(what))
    }

    fn lacks(&self, what: &'static str) -> ForgeError {
        ForgeError::OtherLacks { path: self.path.clone(), what }
    }
}

/// Changes one character of a data group, in its longest primitive value that holds a capital letter: the last such
/// letter becomes the next of the alphabet. Without any letter, the last byte of the longest value changes.
///
/// The file keeps its structure, and DG1 its check digits; only the hash is wrong.
///
/// # Errors
/// When the card does not have the data group, or nothing is in it.
pub fn alter_data_group(state: &State, number: u8) -> Result<State, ForgeError> {
    let missing = ForgeError::NoDataGroup { number };
    let Some(file) = files::data_group(number) else { return Err(missing) };
    let mut forged = state.clone();
    let Some(contents) = forged.emrtd.files.get_mut(&file.id) else { return Err(missing) };
    let values = primitive_values(contents, 0, MAX_DEPTH);
    let last_letter = |range: &Range<usize>| {
        let value = contents.get(range.clone()).unwrap_or_default();
        value.iter().rposition(u8::is_ascii_uppercase).map(|position| range.start + position)
    };
    let with_letter = values.iter().filter(|range| last_letter(range).is_some()).max_by_key(|range| range.len());
    let position = with_letter.and_then(last_letter);
    let longest = || values.iter().max_by_key(|range| range.len()).map(|range| range.end.saturating_sub(1));
    let position = position.or_else(longest).ok_or(missing)?;
    if let Some(byte) = contents.get_mut(position) {
        *byte = match *byte {
            b'Z' => b'A',
            b'A'..=b'Y' => *byte + 1,
            other => other ^ 0x01,
        };
    }
    Ok(forged)
}

/// How deep data objects of a data group lie in each other at most.
const MAX_DEPTH: usize = 8;

/// Where the primitive values lie in a sequence of data objects that begins at `start`.
fn primitive_values(objects: &[u8], start: usize, depth: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut reader = Reader::new(objects);
    while let Ok(Some(object)) = reader.next() {
        let end = start + objects.len() - reader.rest().len();
        let value = end - object.value.len()..end;
        if object.tag.is_constructed() && depth > 0 {
            ranges.extend(primitive_values(object.value, value.start, depth - 1));
        } else if !value.is_empty() {
            ranges.push(value);
        }
    }
    ranges
}

/// A clone: everything that can be read out, on another chip with another private key, as whoever copies a card
/// gets it. DG14 still shows the public key of the original.
///
/// # Errors
/// When the card has no key to prove itself with, or without randomness.
pub fn new_chip_key(state: &State) -> Result<State, ForgeError> {
    clone_chip(state, CloneKey::Other, &mut OsRandom)
}

/// Everything that can be read out, on another chip.
fn clone_chip(state: &State, kind: CloneKey, random: &mut dyn Random) -> Result<State, ForgeError> {
    let mut forged = state.clone();
    let mut serial = [0; 6];
    random.fill(&mut serial)?;
    // IC serial number and batch: bytes 12 to 17 of the CPLC.
    forged.issuer_domain.cplc.iter_mut().skip(12).zip(serial).for_each(|(to, from)| *to = from);
    let active = forged.emrtd.active_key.take();
    forged.emrtd.active_key = match &active {
        Some(ActiveKey::Ec { parameter_id, private }) if kind != CloneKey::None => {
            Some(ActiveKey::Ec { parameter_id: *parameter_id, private: drawn(private.expose().len(), random)? })
        }
        // Drawing an RSA key takes long; the copy has none.
        _ => None,
    };
    let emrtd = &mut forged.emrtd;
    if active.is_none() && emrtd.chip_key.is_none() && emrtd.mapping_key.is_none() {
        return Err(ForgeError::NoChipKey);
    }
    if kind == CloneKey::None {
        (emrtd.chip_key, emrtd.mapping_key) = (None, None);
        emrtd.further_chip_keys.clear();
        return Ok(forged);
    }
    let mut originals = Vec::new();
    let keys = emrtd.chip_key.iter_mut().chain(&mut emrtd.further_chip_keys).chain(&mut emrtd.mapping_key);
    for key in keys {
        let original = key.clone();
        key.private = drawn(key.private.expose().len(), random)?;
        originals.push((original, key.clone()));
    }
    if kind == CloneKey::Own {
        for (original, own) in originals {
            show_key(&mut forged, &original, &own).ok_or(ForgeError::NoChipKey)?;
        }
    }
    Ok(forged)
}

/// A private key of so many bytes.
fn drawn(length: usize, random: &mut dyn Random) -> Result<Secret, RandomError> {
    let mut private = vec![0; length];
    random.fill(&mut private)?;
    // Clearing the first byte keeps the number below the order of every group in use.
    if let Some(first) = private.first_mut() {
        *first = 0;
    }
    Ok(Secret::new(private))
}

/// Puts the public key of the clone in the place of the original's, wherever it stands: it is as long.
fn show_key(state: &mut State, original: &ChipKey, own: &ChipKey) -> Option<()> {
    let public = |key: &ChipKey| key.key()?.public_key().ok();
    let (old, new) = (public(original)?.octets, public(own)?.octets);
    for content in state.emrtd.files.values_mut() {
        let found = content.windows(old.len().max(1)).position(|window| window == old);
        if let Some(place) = found.and_then(|found| content.get_mut(found..found + old.len()))
            && place.len() == new.len()
        {
            place.copy_from_slice(&new);
        }
    }
    Some(())
}

fn with_security_object(state: &State, change: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Result<State, ForgeError> {
    let mut forged = state.clone();
    let sod = forged.emrtd.files.get_mut(&EF_SOD.id).ok_or(ForgeError::NoSecurityObject)?;
    *sod = change(sod).ok_or(ForgeError::NoSecurityObject)?;
    Ok(forged)
}

/// Where the certificates stand in EF.SOD: 77, ContentInfo, content, SignedData, certificates (RFC 5652 §5.1).
const CERTIFICATES: &[Tag] = &[Tag(0x77), Tag(0x30), Tag(0xA0), Tag(0x30), Tag(0xA0)];

/// The value at a path of tags, the first of each tag among its siblings.
fn value_at<'a>(objects: &'a [u8], path: &[Tag]) -> Option<&'a [u8]> {
    path.iter().try_fold(objects, |objects, tag| tlv::find(objects, *tag).ok().flatten())
}

/// The same objects with another value at a path.
fn replaced(objects: &[u8], path: &[Tag], change: &dyn Fn(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
    let Some((tag, rest)) = path.split_first() else { return Some(change(objects)) };
    let mut writer = Writer::new();
    let mut reader = Reader::new(objects);
    let mut found = false;
    while let Some(object) = reader.next().ok()? {
        if object.tag == *tag && !found {
            found = true;
            writer.put(*tag, replaced(object.value, rest, change)?);
        } else {
            writer.raw(object.raw);
        }
    }
    found.then(|| writer.finish())
}

#[cfg(test)]
mod tests {
    use iso7816::tlv::{encode, find, sole};

    use super::*;
    use crate::blank::BlankOptions;

    fn altered(number: u8, content: &[u8]) -> Vec<u8> {
        let mut state = State::blank(BlankOptions::default()).unwrap();
        let file = files::data_group(number).unwrap();
        state.emrtd.files.insert(file.id, encode(file.tag.unwrap(), content));
        let forged = alter_data_group(&state, number).unwrap();
        sole(&forged.emrtd.files[&file.id], file.tag.unwrap()).unwrap().to_vec()
    }

    #[test]
    fn a_character_changes_and_the_structure_stays() {
        // The length of the MRZ, 5A, is a capital letter too.
        let mrz =
            [&b"I<UTOD231458907<<<<<<<<<<<<<<<7408122F1204159UTO<<<<<<<<<<<6"[..], b"ERIKSSON<<ANNA<MARIA<<<<<<<<<<"]
                .concat();
        let content = altered(1, &encode(Tag(0x5F1F), &mrz));
        let read = sole(&content, Tag(0x5F1F)).unwrap();
        assert!(read.ends_with(b"ERIKSSON<<ANNA<MARIB<<<<<<<<<<"), "{}", String::from_utf8_lossy(read));

        let name = encode(Tag(0x5F0E), [0xD8; 0x41]);
        let place = encode(Tag(0x5F11), b"ZZZ");
        let content = altered(11, &[name.clone(), place].concat());
        assert_eq!(find(&content, Tag(0x5F0E)).unwrap().unwrap(), [0xD8; 0x41]);
        assert_eq!(find(&content, Tag(0x5F11)).unwrap().unwrap(), b"ZZA");

        let content = altered(11, &name);
        assert_eq!(sole(&content, Tag(0x5F0E)).unwrap().last(), Some(&0xD9));
    }

    #[test]
    fn nothing_to_alter_is_an_error() {
        let mut state = State::blank(BlankOptions::default()).unwrap();
        assert!(matches!(alter_data_group(&state, 1), Err(ForgeError::NoDataGroup { number: 1 })));
        state.emrtd.files.insert(0x0101, vec![0x61, 0x00]);
        assert!(matches!(alter_data_group(&state, 1), Err(ForgeError::NoDataGroup { number: 1 })));
        assert!(matches!(new_chip_key(&state), Err(ForgeError::NoChipKey)));
    }
}
