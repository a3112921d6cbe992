//! Master keys of cards: secret keys in a token, from which the keys of each card are derived there.
//!
//! ```text
//! KDF3         an AES key of 16, 24 or 32 bytes that may only sign     CKM_AES_CMAC
//! VISA2, EMV   a two-key 3DES key that may only encipher               CKM_DES3_ECB
//! ```
//!
//! Such a key is found by its label alone, so no two in a token have the same. What is derived comes out of the token: the
//! keys of one card, which open no other.

use std::fmt;
use std::sync::Arc;

use channel::key_set::{Diversification, KeySet};
use channel::secret::Secret;
use channel::single_block::BlockCipher;
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::types::Ulong;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use openssl::symm::Cipher;

use super::key::{ID_LENGTH, is_protected};
use super::{Token, TokenError};

/// What a master key enciphers with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MasterKind {
    /// AES with a key of so many bytes: 16, 24 or 32.
    Aes(usize),
    /// 3DES with two keys, 16 bytes.
    TripleDes,
}

impl MasterKind {
    /// Every kind.
    pub const ALL: [MasterKind; 4] =
        [MasterKind::Aes(16), MasterKind::Aes(24), MasterKind::Aes(32), MasterKind::TripleDes];

    /// Bytes in a key.
    pub const fn length(self) -> usize {
        match self {
            MasterKind::Aes(length) => length,
            MasterKind::TripleDes => 16,
        }
    }

    /// True when cards' keys can be derived by this method.
    pub fn serves(self, method: Diversification) -> bool {
        method.takes(self.length()) && matches!(self, MasterKind::Aes(_)) == (method == Diversification::Kdf3)
    }

    /// The check value that custodians compare: of AES keys the first five bytes of the CMAC of sixteen zero bytes (X9.24-1), of
    /// 3DES keys the first three of eight zero bytes enciphered. For a key that is in no token yet.
    ///
    /// # Errors
    /// When the value is not as long as the kind asks, or OpenSSL fails.
    pub fn check_value(self, value: &Secret) -> Result<Vec<u8>, ErrorStack> {
        let key = value.expose();
        let (input, length) = self.checked();
        let mut result = match self {
            MasterKind::Aes(_) => {
                let cipher = match key.len() {
                    16 => Cipher::aes_128_cbc(),
                    24 => Cipher::aes_192_cbc(),
                    _ => Cipher::aes_256_cbc(),
                };
                let key = PKey::cmac(&cipher, key)?;
                Signer::new_without_digest(&key)?.sign_oneshot_to_vec(input)?
            }
            MasterKind::TripleDes => {
                // Reserved at once: what grows leaves copies behind that nobody wipes.
                let mut three = Vec::with_capacity(24);
                three.extend_from_slice(key);
                three.extend_from_slice(key.get(..8).unwrap_or_default());
                BlockCipher::TripleDes.encipher(&Secret::new(three), input)?
            }
        };
        result.truncate(length);
        Ok(result)
    }

    /// What is put through the key for its check value, and how many bytes of the result are that.
    fn checked(self) -> (&'static [u8], usize) {
        match self {
            MasterKind::Aes(_) => (&[0; 16], 5),
            MasterKind::TripleDes => (&[0; 8], 3),
        }
    }

    fn key_type(self) -> KeyType {
        match self {
            MasterKind::Aes(_) => KeyType::AES,
            MasterKind::TripleDes => KeyType::DES2,
        }
    }

    /// What such a key may do: the one operation of its derivation.
    fn uses(self) -> [Attribute; 4] {
        let aes = matches!(self, MasterKind::Aes(_));
        [Attribute::Sign(aes), Attribute::Encrypt(!aes), Attribute::Decrypt(false), Attribute::Derive(false)]
    }
}

impl fmt::Display for MasterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MasterKind::Aes(length) => write!(f, "aes-{}", length * 8),
            MasterKind::TripleDes => f.write_str("3des"),
        }
    }
}

/// A master key that stays in its token.
pub struct MasterKey {
    token: Arc<Token>,
    label: String,
    kind: MasterKind,
    key: ObjectHandle,
}

impl MasterKey {
    /// Makes a master key inside the token, sensitive and not extractable, and tries it.
    ///
    /// # Errors
    /// When the label is taken; when the token refuses, is full, or does not protect the key.
    pub fn generate(token: &Arc<Token>, label: &str, kind: MasterKind) -> Result<Self, TokenError> {
        let mechanism = match kind {
            MasterKind::Aes(_) => Mechanism::AesKeyGen,
            MasterKind::TripleDes => Mechanism::Des2KeyGen,
        };
        Self::make(token, label, kind, |session, mut template| {
            if let MasterKind::Aes(length) = kind {
                template.push(Attribute::ValueLen(Ulong::from(length as u64)));
            }
            session.generate_key(&mechanism, &template)
        })
    }

    /// Puts a master key of somebody else into the token, such as that of the maker of blanks: it was outside, and whoever had it
    /// then may still.
    ///
    /// # Errors
    /// As [`MasterKey::generate`]; and when the value is not as long as the kind asks.
    pub fn import(token: &Arc<Token>, label: &str, kind: MasterKind, value: &Secret) -> Result<Self, TokenError> {
        if value.expose().len() != kind.length() {
            return Err(TokenError::NotMaster { token: token.label().to_owned(), label: label.to_owned() });
        }
        Self::make(token, label, kind, |session, mut template| {
            template.extend([Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(kind.key_type())]);
            template.push(Attribute::Value(value.expose().to_vec()));
            session.create_object(&template)
        })
    }

    fn make(
        token: &Arc<Token>,
        label: &str,
        kind: MasterKind,
        make: impl FnOnce(&Session, Vec<Attribute>) -> Result<ObjectHandle, Error>,
    ) -> Result<Self, TokenError> {
        if !labelled(token, label)?.is_empty() {
            return Err(TokenError::LabelTaken { token: token.label().to_owned(), label: label.to_owned() });
        }
        let mut id = vec![0; ID_LENGTH];
        openssl::rand::rand_bytes(&mut id)
            .map_err(|_| TokenError::NotMaster { token: token.label().to_owned(), label: label.to_owned() })?;
        let mut template = vec![Attribute::Label(label.as_bytes().to_vec()), Attribute::Id(id)];
        template.extend([Attribute::Token(true), Attribute::Private(true)]);
        template.extend([Attribute::Sensitive(true), Attribute::Extractable(false)]);
        template.extend(kind.uses());
        let handle = token.with_write_session(|session| make(session, template))?;
        Self::find(token, label).and_then(|key| key.check_value().map(|_| key)).inspect_err(|_| {
            // Best effort: the caller learns why the key is not good, not that its remains could not be removed.
            let _ = token.with_write_session(|session| session.destroy_object(handle));
        })
    }

    /// Finds a master key by its label.
    ///
    /// # Errors
    /// When it is not there, not alone, not protected, or no master key.
    pub fn find(token: &Arc<Token>, label: &str) -> Result<Self, TokenError> {
        let named = || (token.label().to_owned(), label.to_owned());
        let key = match labelled(token, label)?[..] {
            [] => {
                let (token, label) = named();
                return Err(TokenError::NoMaster { token, label });
            }
            [key] => key,
            ref several => {
                let (token, label) = named();
                return Err(TokenError::SeveralMasters { token, label, count: several.len() });
            }
        };
        if !token.with_session(|session| is_protected(session, key))? {
            let (token, label) = named();
            return Err(TokenError::Unprotected { token, label });
        }
        let kind = token.with_session(|session| kind(session, key))?;
        let kind = kind.ok_or_else(|| {
            let (token, label) = named();
            TokenError::NotMaster { token, label }
        })?;
        Ok(MasterKey { token: Arc::clone(token), label: label.to_owned(), kind, key })
    }

    /// Its label in the token.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What it enciphers with.
    pub fn kind(&self) -> MasterKind {
        self.kind
    }

    /// The check value that custodians compare, as [`MasterKind::check_value`] says, made in the token.
    ///
    /// # Errors
    /// When the token refuses.
    pub fn check_value(&self) -> Result<Vec<u8>, TokenError> {
        let (input, length) = self.kind.checked();
        Ok(self.apply(input)?.expose().iter().take(length).copied().collect())
    }

    /// The keys of the card with this key diversification data.
    ///
    /// # Errors
    /// When the token refuses, or the key is none for this method.
    pub fn card_keys(&self, method: Diversification, data: &[u8; 10]) -> Result<KeySet, TokenError> {
        if !self.kind.serves(method) {
            return Err(self.unusable());
        }
        method.keys_by(self.kind.length(), data, |input| self.apply(input))
    }

    /// Removes the key from the token, for good.
    ///
    /// # Errors
    /// When the token refuses.
    pub fn destroy(self) -> Result<(), TokenError> {
        self.token.with_write_session(|session| session.destroy_object(self.key))
    }

    /// CMAC or 3DES-ECB inside of the token.
    fn apply(&self, input: &[u8]) -> Result<Secret, TokenError> {
        let (result, length) = match self.kind {
            MasterKind::Aes(_) => (self.token.with_session(|s| s.sign(&Mechanism::AesCMac, self.key, input)), 16),
            MasterKind::TripleDes => {
                (self.token.with_session(|s| s.encrypt(&Mechanism::Des3Ecb, self.key, input)), input.len())
            }
        };
        let result = Secret::new(result?);
        if result.expose().len() == length { Ok(result) } else { Err(self.unusable()) }
    }

    fn unusable(&self) -> TokenError {
        TokenError::NotMaster { token: self.token.label().to_owned(), label: self.label.clone() }
    }
}

fn labelled(token: &Token, label: &str) -> Result<Vec<ObjectHandle>, TokenError> {
    let wanted = [
        Attribute::Label(label.as_bytes().to_vec()),
        Attribute::Token(true),
        Attribute::Class(ObjectClass::SECRET_KEY),
    ];
    token.with_session(|session| session.find_objects(&wanted))
}

/// What a key is, by what the token says of it; `None` for a key that is no master key, or may do more than one should.
fn kind(session: &Session, key: ObjectHandle) -> Result<Option<MasterKind>, Error> {
    let asked = [AttributeType::KeyType, AttributeType::Sign, AttributeType::Encrypt, AttributeType::Decrypt];
    let attributes = session.get_attributes(key, &asked)?;
    let is = |attribute| attributes.contains(&attribute);
    let kind = if is(Attribute::KeyType(KeyType::DES2)) {
        Some(MasterKind::TripleDes)
    } else if is(Attribute::KeyType(KeyType::AES)) {
        let length = session.get_attributes(key, &[AttributeType::ValueLen])?;
        MasterKind::ALL.into_iter().find(|kind| {
            matches!(kind, MasterKind::Aes(_))
                && length.contains(&Attribute::ValueLen(Ulong::from(kind.length() as u64)))
        })
    } else {
        None
    };
    Ok(kind.filter(|kind| kind.uses().iter().take(3).all(|wanted| attributes.contains(wanted))))
}
