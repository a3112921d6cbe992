//! The three steps that both ends take: mapping, key agreement, mutual confirmation.
//!
//! A step consumes the one before it, so none can be left out or repeated. What it sends and what it
//! takes are the data objects inside `7C`, with the tags of its role and of the peer.

use std::marker::PhantomData;

use iso7816::tlv::{Reader, Tag, TlvError, Writer, encode, sole};
use openssl::error::ErrorStack;

use super::{PaceError, Suite};
use crate::block::{Cbc, ZERO_IV, padding};
use crate::curve::{Arithmetic, KeyError, KeyPair};
use crate::kdf::{self, Purpose};
use crate::mac::Mac;
use crate::password::Password;
use crate::random::Random;
use crate::role::Role;
use crate::secret::{Secret, same};
use crate::sm::Session;
use crate::suite::Cipher;

/// Public key data object inside an authentication token (9303-11 §4.4.3.4).
const PUBLIC_KEY: Tag = Tag(0x7F49);
const OBJECT_IDENTIFIER: Tag = Tag(0x06);
const POINT: Tag = Tag(0x86);

/// Enciphers the nonce under the password.
pub(super) fn conceal(cipher: Cipher, password: &Password, nonce: &Secret) -> Result<Vec<u8>, ErrorStack> {
    let key = kdf::derive(password.octets(), cipher, Purpose::Password);
    Cbc::encryptor(cipher, &key)?.message(&ZERO_IV, nonce.expose())
}

/// Deciphers the nonce, which must be whole blocks: any password gives some nonce.
pub(super) fn reveal(cipher: Cipher, password: &Password, concealed: &[u8]) -> Result<Secret, ErrorStack> {
    let key = kdf::derive(password.octets(), cipher, Purpose::Password);
    Cbc::decryptor(cipher, &key)?.message(&ZERO_IV, concealed).map(Secret::new)
}

/// Before the mapping keys are exchanged.
pub(super) struct MappingStep<R> {
    suite: Suite,
    arithmetic: Arithmetic,
    nonce: Secret,
    own: KeyPair,
    role: PhantomData<R>,
}

/// Before the ephemeral public keys are exchanged.
pub(super) struct AgreementStep<R> {
    suite: Suite,
    arithmetic: Arithmetic,
    own: KeyPair,
    role: PhantomData<R>,
}

/// Before the tokens are exchanged.
pub(super) struct ConfirmationStep<R> {
    suite: Suite,
    shared_secret: Secret,
    /// What this end sends.
    own_token: [u8; 8],
    /// What the other end must send.
    expected_token: [u8; 8],
    role: PhantomData<R>,
}

impl<R: Role> MappingStep<R> {
    pub(super) fn begin(suite: Suite, nonce: Secret, random: &mut dyn Random) -> Result<Self, KeyError> {
        let mut arithmetic = Arithmetic::new(suite.curve)?;
        let own = arithmetic.generate(None, random)?;
        Ok(MappingStep { suite, arithmetic, nonce, own, role: PhantomData })
    }

    /// The mapping key to send.
    pub(super) fn object(&self) -> Vec<u8> {
        encode(Tag(R::MAPPING), &self.own.public)
    }

    pub(super) fn finish(mut self, object: &[u8], random: &mut dyn Random) -> Result<AgreementStep<R>, PaceError> {
        let peer = sole(object, Tag(R::Peer::MAPPING)).map_err(malformed(2))?;
        different(&self.own.public, peer)?;
        let common = self.arithmetic.common_point(&self.own.private, peer)?;
        let generator = self.arithmetic.mapped_generator(&self.nonce, &common)?;
        let own = self.arithmetic.generate(Some(&generator), random)?;
        Ok(AgreementStep { suite: self.suite, arithmetic: self.arithmetic, own, role: PhantomData })
    }
}

impl<R: Role> AgreementStep<R> {
    /// The ephemeral public key to send.
    pub(super) fn object(&self) -> Vec<u8> {
        encode(Tag(R::PUBLIC_KEY), &self.own.public)
    }

    pub(super) fn finish(mut self, object: &[u8]) -> Result<ConfirmationStep<R>, PaceError> {
        let peer = sole(object, Tag(R::Peer::PUBLIC_KEY)).map_err(malformed(3))?;
        different(&self.own.public, peer)?;
        let shared_secret = self.arithmetic.shared_secret(&self.own.private, peer)?;
        let mut tokens = Tokens::new(self.suite, &shared_secret).map_err(KeyError::from)?;
        Ok(ConfirmationStep {
            suite: self.suite,
            own_token: tokens.over(peer).map_err(KeyError::from)?,
            expected_token: tokens.over(&self.own.public).map_err(KeyError::from)?,
            shared_secret,
            role: PhantomData,
        })
    }
}

impl<R: Role> ConfirmationStep<R> {
    /// The token to send.
    pub(super) fn object(&self) -> Vec<u8> {
        encode(Tag(R::TOKEN), self.own_token)
    }

    /// Names of certification authorities may follow the token; they belong to Terminal Authentication.
    pub(super) fn finish(self, objects: &[u8]) -> Result<Session<R>, PaceError> {
        let peer = Reader::new(objects).expect(Tag(R::Peer::TOKEN)).map_err(malformed(4))?;
        if !same(&self.expected_token, peer) {
            return Err(PaceError::NotAuthentic);
        }
        Ok(Session::agreed(self.suite.cipher, self.shared_secret.expose()).map_err(KeyError::from)?)
    }
}

fn malformed(step: u8) -> impl Fn(TlvError) -> PaceError {
    move |source| PaceError::Malformed { step, source }
}

/// Equal keys would let one end be played against itself (9303-11 §4.4.1).
fn different(own: &[u8], peer: &[u8]) -> Result<(), PaceError> {
    if own == peer { Err(PaceError::Mirrored) } else { Ok(()) }
}

/// Makes tokens: the MAC over `7F49{ 06 object identifier, 86 the receiver's public key }`.
struct Tokens {
    suite: Suite,
    mac: Mac,
}

impl Tokens {
    fn new(suite: Suite, shared_secret: &Secret) -> Result<Self, ErrorStack> {
        let key = kdf::derive(shared_secret.expose(), suite.cipher, Purpose::Mac);
        Ok(Tokens { suite, mac: Mac::new(suite.cipher, &key)? })
    }

    fn over(&mut self, public: &[u8]) -> Result<[u8; 8], ErrorStack> {
        let input = token_input(self.suite, public);
        let padding = match self.suite.cipher {
            Cipher::TripleDes => padding(input.len(), 8),
            _ => &[],
        };
        self.mac.short_tag(&[&input, padding])
    }
}

pub(super) fn token_input(suite: Suite, public: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(PUBLIC_KEY, |key| {
        key.put(OBJECT_IDENTIFIER, suite.oid()).put(POINT, public);
    });
    writer.finish()
}
