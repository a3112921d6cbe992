//! The authority's passphrase or PIN in the hands of several: nobody knows it, enough custodians together open it.
//!
//! ```text
//! { "format": "bitaqa-custody", "version": 1, "pin_digits": 24, "groups": [ { "pieces": [ { "key": "<custodian>", "sealed": "<base64>" }, ... ] }, ... ] }
//! sealed = ephemeral P-256 SubjectPublicKeyInfo (91 bytes), AES-256-GCM ciphertext (32), tag (16); zero nonce: each key is used once
//! key of AES = SHA-256("bitaqa-custody-v1" 00 || ECDH shared secret || ephemeral key || custodian's key)
//! ```
//!
//! For every group of as many custodians as the threshold, the secret is split into as many random pieces whose
//! exclusive or it is; each piece is sealed to one custodian's key. Fewer pieces say nothing. With nine custodians at most
//! there are 126 groups at most.
//!
//! A passphrase is the secret in hexadecimal. A PIN has so many decimal digits as `pin_digits` says: each byte of the secret gives
//! one, its remainder by ten. Whoever has the PIN of a token's security officer can set another PIN: those are for the safe.
//!
//! The file lies beside the authority's directory and is written before anything is protected by the secret. Its SHA-256 stands in the
//! transcript and is approved with the step: a file that somebody else laid there is not used.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::sha::{Sha256, sha256};
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Credential, Script};
use crate::files::{self, FileError, Mode};
use crate::passphrase::Passphrase;

const FORMAT: &str = "bitaqa-custody";
const VERSION: u32 = 1;
const CONTEXT: &[u8] = b"bitaqa-custody-v1\0";
const SECRET: usize = 32;
const TAG: usize = 16;
/// A SubjectPublicKeyInfo on P-256 by name.
const SPKI: usize = 91;
const NONCE: [u8; 12] = [0; 12];

/// Why the shared passphrase is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum CustodyError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what this program writes.
    #[error("{0} is damaged")]
    Damaged(PathBuf),
    /// Another format or version.
    #[error("{0} has a format or version that this program does not know")]
    Version(PathBuf),
    /// Too few, or others.
    #[error("these custodians cannot open it: {0} holds no piece for all of a group of them")]
    TooFew(PathBuf),
    /// A file that nobody approved: whoever laid it there may know its secret. Something may be protected by it.
    #[error("{0} is there and was not approved in this transcript")]
    NotApproved(PathBuf),
    /// OpenSSL failed.
    #[error("the cryptographic library failed: {0}")]
    Library(#[from] ErrorStack),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shares {
    format: String,
    version: u32,
    /// Digits of a PIN; a passphrase when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin_digits: Option<usize>,
    groups: Vec<Group>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    pieces: Vec<Piece>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Piece {
    key: String,
    sealed: String,
}

/// Where the file of an authority's directory is: beside it.
pub fn path(directory: &Path) -> PathBuf {
    let mut name = directory.as_os_str().to_owned();
    name.push(".custody.json");
    name.into()
}

/// Makes the secret of what the script makes, a passphrase or a PIN of so many digits, and shares it among the custodians. The
/// file waits beside its place until they have approved its SHA-256, which is given, hexadecimal.
pub(super) fn prepare(path: &Path, script: &Script, pin_digits: Option<usize>) -> Result<String, CustodyError> {
    if path.exists() {
        return Err(CustodyError::NotApproved(path.to_owned()));
    }
    let mut secret = Zeroizing::new([0; SECRET]);
    openssl::rand::rand_bytes(&mut *secret)?;
    let groups = groups_of(script).iter().map(|keys| group(&secret, keys)).collect::<Result<Vec<_>, _>>()?;
    let shares = Shares { format: FORMAT.to_owned(), version: VERSION, pin_digits, groups };
    // Strings and numbers always serialize.
    let bytes = serde_json::to_vec_pretty(&shares).unwrap_or_default();
    let waiting = files::fresh_name(path);
    let written = files::write(&waiting, &bytes, Mode::Private).and_then(|()| files::sync_parent(&waiting));
    written.map_err(|error| FileError { path: waiting, error })?;
    Ok(hex::encode(sha256(&bytes)))
}

/// The secret of the file that was approved with this SHA-256, hexadecimal; it takes its place if it still waits.
pub(super) fn approved(path: &Path, hash: &str, credentials: &[Credential]) -> Result<Passphrase, CustodyError> {
    let bytes_of = |path: &Path| {
        let bytes = files::read(path)?;
        if hex::encode(sha256(&bytes)) == hash { Ok(bytes) } else { Err(CustodyError::NotApproved(path.to_owned())) }
    };
    if !path.exists() {
        let waiting = files::fresh_name(path);
        bytes_of(&waiting)?;
        let moved = fs::rename(&waiting, path).and_then(|()| files::sync_parent(path));
        moved.map_err(|error| FileError { path: path.to_owned(), error })?;
    }
    opened(&parsed(&bytes_of(path)?, path)?, path, credentials)
}

fn parsed(bytes: &[u8], path: &Path) -> Result<Shares, CustodyError> {
    let damaged = |_| CustodyError::Damaged(path.to_owned());
    let shares: Shares = serde_json::from_slice(bytes).map_err(damaged)?;
    if shares.format != FORMAT || shares.version != VERSION {
        return Err(CustodyError::Version(path.to_owned()));
    }
    Ok(shares)
}

/// Puts the passphrase or PIN together.
///
/// # Errors
/// When the custodians are too few, or the file is damaged.
pub fn open(path: &Path, credentials: &[Credential]) -> Result<Passphrase, CustodyError> {
    opened(&parsed(&files::read(path)?, path)?, path, credentials)
}

fn opened(shares: &Shares, path: &Path, credentials: &[Credential]) -> Result<Passphrase, CustodyError> {
    let damaged = || CustodyError::Damaged(path.to_owned());
    for group in &shares.groups {
        let owners = group.pieces.iter().map(|piece| {
            let owner = credentials.iter().find(|credential| credential.public_key() == piece.key)?;
            Some((piece, owner))
        });
        let Some(owners) = owners.collect::<Option<Vec<_>>>() else { continue };
        let mut secret = Zeroizing::new([0; SECRET]);
        for (piece, owner) in owners {
            let opened = unseal(piece, owner).ok_or_else(damaged)?;
            secret.iter_mut().zip(opened.iter()).for_each(|(one, two)| *one ^= two);
        }
        return Ok(spelled(&secret, shares.pin_digits));
    }
    Err(CustodyError::TooFew(path.to_owned()))
}

/// The secret as a PIN or a passphrase.
fn spelled(secret: &[u8; SECRET], pin_digits: Option<usize>) -> Passphrase {
    if let Some(length) = pin_digits {
        return Passphrase::new(secret.iter().take(length).map(|byte| b'0' + byte % 10).collect::<Vec<u8>>());
    }
    let mut digits = Zeroizing::new([0; 2 * SECRET]);
    // The places fit: two digits a byte.
    let _ = hex::encode_to_slice(secret, &mut *digits);
    Passphrase::new(digits.to_vec())
}

fn group(secret: &[u8; SECRET], keys: &[&str]) -> Result<Group, CustodyError> {
    let mut last = Zeroizing::new(*secret);
    let mut pieces = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        let mut piece = Zeroizing::new([0; SECRET]);
        if place + 1 == keys.len() {
            piece.copy_from_slice(&*last);
        } else {
            openssl::rand::rand_bytes(&mut *piece)?;
            last.iter_mut().zip(piece.iter()).for_each(|(one, two)| *one ^= two);
        }
        pieces.push(Piece { key: (*key).to_owned(), sealed: seal(&piece, key)? });
    }
    Ok(Group { pieces })
}

fn seal(piece: &[u8; SECRET], key: &str) -> Result<String, ErrorStack> {
    let recipient = PKey::public_key_from_der(&STANDARD.decode(key).unwrap_or_default())?;
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let ephemeral = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let own = ephemeral.public_key_to_der()?;
    let secret = agreed(&ephemeral, &recipient, &own, key)?;
    let mut tag = [0; TAG];
    let sealed = encrypt_aead(Cipher::aes_256_gcm(), &*secret, Some(&NONCE), &[], piece, &mut tag)?;
    Ok(STANDARD.encode([&own[..], &sealed, &tag].concat()))
}

fn unseal(piece: &Piece, owner: &Credential) -> Option<Zeroizing<Vec<u8>>> {
    let sealed = STANDARD.decode(&piece.sealed).ok()?;
    let (own, rest) = sealed.split_at_checked(SPKI)?;
    let (text, tag) = rest.split_at_checked(SECRET)?;
    let ephemeral = PKey::public_key_from_der(own).ok()?;
    let secret = agreed(owner.private(), &ephemeral, own, &piece.key).ok()?;
    let opened = decrypt_aead(Cipher::aes_256_gcm(), &*secret, Some(&NONCE), &[], text, tag).ok()?;
    (tag.len() == TAG).then(|| Zeroizing::new(opened))
}

fn agreed(
    private: &PKey<Private>,
    public: &PKey<Public>,
    ephemeral: &[u8],
    custodian: &str,
) -> Result<Zeroizing<[u8; 32]>, ErrorStack> {
    let mut deriver = Deriver::new(private)?;
    deriver.set_peer(public)?;
    let shared = Zeroizing::new(deriver.derive_to_vec()?);
    let mut hash = Sha256::new();
    for part in [CONTEXT, &shared, ephemeral, custodian.as_bytes()] {
        hash.update(part);
    }
    Ok(Zeroizing::new(hash.finish()))
}

/// The keys of every group of the script's custodians that can open the secret.
fn groups_of(script: &Script) -> Vec<Vec<&str>> {
    let key = |place: &usize| script.custodians.get(*place).map(|custodian| custodian.key.as_str());
    let choices = choices(script.custodians.len(), script.threshold);
    choices.iter().map(|members| members.iter().filter_map(key).collect()).collect()
}

/// Every choice of so many places out of `count`, each in ascending order.
fn choices(count: usize, size: usize) -> Vec<Vec<usize>> {
    let all = 0..1_u32 << count.min(16);
    let members = |mask: u32| (0..count).filter(move |place| mask >> place & 1 == 1);
    all.filter(|mask| mask.count_ones() as usize == size).map(|mask| members(mask).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_there_once() {
        assert_eq!(choices(3, 2), [vec![0, 1], vec![0, 2], vec![1, 2]]);
        assert_eq!(choices(9, 5).len(), 126);
    }

    #[test]
    fn any_two_of_three_open_it_and_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let words = Passphrase::new("a custodian's words");
        let credential = |name: &str| Credential::create(&directory.path().join(name), &words).unwrap();
        let credentials = [credential("one"), credential("two"), credential("three")];
        let mut text = "format = \"bitaqa-ceremony\"\nversion = 1\ntitle = \"t\"\nprofile = \"specimen-uto\"\n\
            threshold = 2\nstep = []\n"
            .to_owned();
        for (place, one) in credentials.iter().enumerate() {
            text.push_str(&format!("[[custodian]]\nname = \"{place}\"\nkey = \"{}\"\n", one.public_key()));
        }
        let path = directory.path().join("custody.json");
        let script = Script::parse(&text).unwrap();
        let hash = prepare(&path, &script, None).unwrap();
        assert!(!path.exists());
        let secret = approved(&path, &hash, &credentials).unwrap();
        assert_eq!(secret.expose().len(), 64);
        let [one, two, three] = credentials;
        let pair = [one, three];
        assert_eq!(open(&path, &pair).unwrap().expose(), secret.expose());
        let [one, three] = pair;
        let credentials = [two, three];
        assert_eq!(open(&path, &credentials).unwrap().expose(), secret.expose());
        assert!(matches!(open(&path, &[one]), Err(CustodyError::TooFew(_))));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(std::str::from_utf8(secret.expose()).unwrap()));

        // What was approved is opened again; a file that was not approved is neither adopted nor replaced.
        assert_eq!(approved(&path, &hash, &credentials).unwrap().expose(), secret.expose());
        assert!(matches!(prepare(&path, &script, None), Err(CustodyError::NotApproved(_))));
        let other = approved(&path, &"00".repeat(32), &credentials);
        assert!(matches!(other, Err(CustodyError::NotApproved(_))), "{other:?}");
        let path = directory.path().join("pin.json");
        let hash = prepare(&path, &script, Some(12)).unwrap();
        fs::write(files::fresh_name(&path), b"planted").unwrap();
        assert!(matches!(approved(&path, &hash, &credentials), Err(CustodyError::NotApproved(_))));
        let hash = prepare(&path, &script, Some(12)).unwrap();
        let pin = approved(&path, &hash, &credentials).unwrap();
        assert!(pin.expose().len() == 12 && pin.expose().iter().all(u8::is_ascii_digit));
        assert_eq!(open(&path, &credentials).unwrap().expose(), pin.expose());
    }
}
