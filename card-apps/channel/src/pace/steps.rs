//! The three steps that both ends take: mapping, key agreement, mutual confirmation.
//!
//! A step consumes the one before it, so none can be left out or repeated. What it sends and what it
//! takes are the data objects inside `7C`, with the tags of its role and of the peer.

use std::marker::PhantomData;

use iso7816::tlv::{Reader, Tag, TlvError, Writer, encode, find, sole};
use openssl::error::ErrorStack;

use super::cam::{self, MappingProof};
use super::integrated::pseudo_random;
use super::terminal::Opened;
use super::{CHIP_AUTHENTICATION_DATA, Mapping, PaceError, Suite};
use crate::block::{Cbc, ZERO_IV, padding};
use crate::group::{Arithmetic, Element, KeyError, KeyPair, compressed};
use crate::kdf::{self, Purpose};
use crate::mac::Mac;
use crate::password::Password;
use crate::random::Random;
use crate::role::{Chip, Role, Terminal};
use crate::secret::{Secret, same};
use crate::sm::Session;
use crate::suite::{Cipher, Group};

/// Public key data object inside an authentication token (9303-11 §4.4.3.4).
const PUBLIC_KEY: Tag = Tag(0x7F49);
const OBJECT_IDENTIFIER: Tag = Tag(0x06);
const POINT: Tag = Tag(0x86);
const NUMBER: Tag = Tag(0x84);

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

/// Before the mapping data are exchanged.
pub(super) struct MappingStep<R> {
    suite: Suite,
    arithmetic: Arithmetic,
    nonce: Secret,
    own: Contribution,
    role: PhantomData<R>,
}

/// What an end gives to the mapping.
enum Contribution {
    /// Generic and chip authentication mapping.
    Key(KeyPair),
    /// Integrated mapping: the second nonce, which the terminal draws.
    Nonce(Secret),
    /// Integrated mapping: the chip has nothing to add.
    Nothing,
}

/// Before the ephemeral public keys are exchanged.
pub(super) struct AgreementStep<R> {
    suite: Suite,
    arithmetic: Arithmetic,
    own: KeyPair,
    mapping_keys: Option<MappingKeys>,
    role: PhantomData<R>,
}

/// The mapping keys, kept for the proof of chip authentication mapping.
struct MappingKeys {
    own: KeyPair,
    peer: Vec<u8>,
}

/// Before the tokens are exchanged.
pub(super) struct ConfirmationStep<R> {
    suite: Suite,
    arithmetic: Arithmetic,
    mapping_keys: Option<MappingKeys>,
    shared_secret: Secret,
    /// The chip's ephemeral public key, compressed.
    chip_identity: Vec<u8>,
    /// What this end sends.
    own_token: [u8; 8],
    /// What the other end must send.
    expected_token: [u8; 8],
    role: PhantomData<R>,
}

impl<R: Role> MappingStep<R> {
    pub(super) fn begin(suite: Suite, nonce: Secret, random: &mut dyn Random) -> Result<Self, KeyError> {
        let mut arithmetic = Arithmetic::new(suite.group)?;
        let own = match suite.mapping {
            Mapping::Generic | Mapping::ChipAuthentication => Contribution::Key(arithmetic.generate(None, random)?),
            Mapping::Integrated if !R::IS_CHIP => {
                let mut second = Secret::new(vec![0; suite.cipher.key_length()]);
                random.fill(second.expose_mut())?;
                Contribution::Nonce(second)
            }
            Mapping::Integrated => Contribution::Nothing,
        };
        Ok(MappingStep { suite, arithmetic, nonce, own, role: PhantomData })
    }

    /// The mapping data to send.
    pub(super) fn object(&self) -> Vec<u8> {
        let tag = Tag(R::MAPPING);
        match &self.own {
            Contribution::Key(own) => encode(tag, &own.public),
            Contribution::Nonce(second) => encode(tag, second.expose()),
            Contribution::Nothing => encode(tag, []),
        }
    }

    pub(super) fn finish(mut self, object: &[u8], random: &mut dyn Random) -> Result<AgreementStep<R>, PaceError> {
        let expected = Tag(R::Peer::MAPPING);
        let mut mapping_keys = None;
        let generator = match self.own {
            Contribution::Key(own) => {
                let peer = sole(object, expected).map_err(malformed(2))?;
                different(&own.public, peer)?;
                let generator = self.arithmetic.generic_generator(&self.nonce, &own.private, peer)?;
                if self.suite.mapping == Mapping::ChipAuthentication {
                    mapping_keys = Some(MappingKeys { own, peer: peer.to_vec() });
                }
                generator
            }
            Contribution::Nonce(second) => {
                let mut reader = Reader::new(object);
                let nothing = reader.optional(expected).map_err(malformed(2))?;
                reader.end().map_err(malformed(2))?;
                if let Some(length) = nothing.map(<[u8]>::len).filter(|length| *length != 0) {
                    return Err(PaceError::NonceLength { length });
                }
                integrated_generator(&mut self.arithmetic, self.suite, &self.nonce, &second)?
            }
            Contribution::Nothing => {
                let second = Secret::from(sole(object, expected).map_err(malformed(2))?);
                integrated_generator(&mut self.arithmetic, self.suite, &self.nonce, &second)?
            }
        };
        let own = self.arithmetic.generate(Some(&generator), random)?;
        Ok(AgreementStep { suite: self.suite, arithmetic: self.arithmetic, own, mapping_keys, role: PhantomData })
    }
}

/// The generator of integrated mapping: each nonce must have its length, or both ends would feed the function differently.
pub(super) fn integrated_generator(
    arithmetic: &mut Arithmetic,
    suite: Suite,
    nonce: &Secret,
    second: &Secret,
) -> Result<Element, PaceError> {
    for (nonce, expected) in [(nonce, suite.nonce_length()), (second, suite.cipher.key_length())] {
        let length = nonce.expose().len();
        if length != expected {
            return Err(PaceError::NonceLength { length });
        }
    }
    let bytes = pseudo_random(suite.cipher, suite.group, nonce, second).map_err(KeyError::from)?;
    Ok(arithmetic.integrated_generator(&bytes)?)
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
        let of_chip = if R::IS_CHIP { &self.own.public } else { peer };
        Ok(ConfirmationStep {
            chip_identity: compressed(self.suite.group, of_chip),
            suite: self.suite,
            arithmetic: self.arithmetic,
            mapping_keys: self.mapping_keys,
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

    /// Checks the other end's token, which comes first.
    fn check(&self, objects: &mut Reader<'_>) -> Result<(), PaceError> {
        let peer = objects.expect(Tag(R::Peer::TOKEN)).map_err(malformed(4))?;
        if same(&self.expected_token, peer) { Ok(()) } else { Err(PaceError::NotAuthentic) }
    }

    /// What Terminal Authentication calls this run by (9303-11 §7.1.2).
    pub(super) fn chip_identity(&self) -> &[u8] {
        &self.chip_identity
    }

    fn session(&self) -> Result<Session<R>, KeyError> {
        Ok(Session::agreed(self.suite.cipher, self.shared_secret.expose())?)
    }
}

impl ConfirmationStep<Terminal> {
    /// Names of certification authorities may follow the token; they belong to Terminal Authentication.
    pub(super) fn finish(self, objects: &[u8]) -> Result<Opened, PaceError> {
        let mut reader = Reader::new(objects);
        self.check(&mut reader)?;
        let session = self.session()?;
        let (Some(keys), Some(curve)) = (self.mapping_keys, self.suite.group.curve()) else {
            return Ok(Opened { session, chip_identity: self.chip_identity, mapping_proof: None });
        };
        let concealed = find(reader.rest(), CHIP_AUTHENTICATION_DATA).map_err(malformed(4))?.unwrap_or_default();
        let data = cam::reveal(self.suite.cipher, &self.shared_secret, concealed).map_err(KeyError::from)?;
        let mapping_proof = Some(MappingProof { curve, mapping_key: keys.peer, data });
        Ok(Opened { session, chip_identity: self.chip_identity, mapping_proof })
    }
}

impl ConfirmationStep<Chip> {
    /// The data objects to send, and the session; `static_key` is that of chip authentication mapping.
    pub(super) fn finish(
        mut self,
        objects: &[u8],
        static_key: Option<&Secret>,
    ) -> Result<(Vec<u8>, Session<Chip>), PaceError> {
        self.check(&mut Reader::new(objects))?;
        let session = self.session()?;
        let mut answer = self.object();
        if let (Some(keys), Some(key), Arithmetic::Curve(curve)) =
            (&self.mapping_keys, static_key, &mut self.arithmetic)
        {
            let key = curve.private_key(key)?;
            let data = curve.quotient(&key, &keys.own.private).map_err(KeyError::from)?;
            let concealed = cam::conceal(self.suite.cipher, &self.shared_secret, &data).map_err(KeyError::from)?;
            answer.extend(encode(CHIP_AUTHENTICATION_DATA, concealed));
        }
        Ok((answer, session))
    }
}

fn malformed(step: u8) -> impl Fn(TlvError) -> PaceError {
    move |source| PaceError::Malformed { step, source }
}

/// Equal keys would let one end be played against itself (9303-11 §4.4.1).
fn different(own: &[u8], peer: &[u8]) -> Result<(), PaceError> {
    if own == peer { Err(PaceError::Mirrored) } else { Ok(()) }
}

/// Makes tokens: the MAC over `7F49{ 06 object identifier, 86 or 84 the receiver's public key }`, as it was sent.
pub(super) struct Tokens {
    suite: Suite,
    mac: Mac,
}

impl Tokens {
    pub(super) fn new(suite: Suite, shared_secret: &Secret) -> Result<Self, ErrorStack> {
        let key = kdf::derive(shared_secret.expose(), suite.cipher, Purpose::Mac);
        Ok(Tokens { suite, mac: Mac::new(suite.cipher, &key)? })
    }

    pub(super) fn over(&mut self, public: &[u8]) -> Result<[u8; 8], ErrorStack> {
        let input = token_input(self.suite, public);
        let padding = match self.suite.cipher {
            Cipher::TripleDes => padding(input.len(), 8),
            _ => &[],
        };
        self.mac.short_tag(&[&input, padding])
    }
}

pub(super) fn token_input(suite: Suite, public: &[u8]) -> Vec<u8> {
    let tag = match suite.group {
        Group::Curve(_) => POINT,
        Group::Modp(_) => NUMBER,
    };
    let mut writer = Writer::new();
    writer.nest(PUBLIC_KEY, |key| {
        key.put(OBJECT_IDENTIFIER, suite.oid()).put(tag, public);
    });
    writer.finish()
}
