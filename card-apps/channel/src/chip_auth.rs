//! Chip Authentication version 1 (9303-11 §6.2): the chip proves its own key by being able to go on.
//!
//! ```text
//! 3DES  MSE:Set KAT           00 22 41 A6  91 terminal's public key, 84 key identifier (optional)
//! AES   MSE:Set AT            00 22 41 A4  80 object identifier, 84 key identifier (optional)
//!       GENERAL AUTHENTICATE  00 86 00 00  7C{ 80 terminal's public key }  ->  7C{}
//! ```
//!
//! All of it runs inside the session that PACE or BAC opened. Success is not an answer but the first
//! message under the new keys: whoever judges must exchange one, and must have the chip's public key
//! from a data group whose hash is in a verified security object.

use iso7816::tlv::{Reader, Tag, TlvError, Writer, encode, sole};
use iso7816::{Card, Command, Status, TransmitError};

pub use crate::group::KeyError;
use crate::group::{Arithmetic, compressed};
use crate::random::Random;
use crate::role::{Chip, Terminal};
use crate::secret::Secret;
use crate::sm::Session;
use crate::suite::{Cipher, Group};

const OBJECT_IDENTIFIER: Tag = Tag(0x80);
const KEY_IDENTIFIER: Tag = Tag(0x84);
const DYNAMIC_AUTHENTICATION: Tag = Tag(0x7C);
/// The terminal's public key in MSE:Set KAT.
const KAT_PUBLIC_KEY: Tag = Tag(0x91);
/// The terminal's public key in GENERAL AUTHENTICATE.
const PUBLIC_KEY: Tag = Tag(0x80);
const MANAGE_SECURITY_ENVIRONMENT: u8 = 0x22;
const GENERAL_AUTHENTICATE: u8 = 0x86;

/// `id-CA`, 0.4.0.127.0.7.2.2.3; then the arc of the key agreement and the arcs 1 to 4 of the ciphers (9303-11 §6.2.2).
const ID_CA: [u8; 8] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x03];

/// Which Diffie-Hellman; the number is the arc.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KeyAgreement {
    /// With numbers modulo a prime.
    Dh = 1,
    /// With points of a curve.
    Ecdh = 2,
}

impl KeyAgreement {
    /// That of a group.
    pub const fn of(group: Group) -> Self {
        match group {
            Group::Modp(_) => KeyAgreement::Dh,
            Group::Curve(_) => KeyAgreement::Ecdh,
        }
    }
}

/// A cipher suite of Chip Authentication.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChipAuthSuite {
    /// How the secret is shared.
    pub agreement: KeyAgreement,
    /// Cipher of the session to come.
    pub cipher: Cipher,
}

impl ChipAuthSuite {
    /// Every suite.
    pub fn all() -> impl Iterator<Item = ChipAuthSuite> {
        let of = |agreement| Cipher::ALL.map(|cipher| ChipAuthSuite { agreement, cipher });
        [KeyAgreement::Dh, KeyAgreement::Ecdh].into_iter().flat_map(of)
    }

    /// The suite with this object identifier (content octets, without tag and length); `None` for others.
    pub fn from_oid(oid: &[u8]) -> Option<Self> {
        ChipAuthSuite::all().find(|suite| suite.oid() == *oid)
    }

    /// The content octets of the suite's object identifier.
    pub fn oid(self) -> [u8; 10] {
        let [a, b, c, d, e, f, g, h] = ID_CA;
        [a, b, c, d, e, f, g, h, self.agreement as u8, self.cipher as u8 + 1]
    }

    /// What a key stands for that no ChipAuthenticationInfo speaks of: 3DES (9303-11 §9.2.5).
    pub fn implied(group: Group) -> Self {
        ChipAuthSuite { agreement: KeyAgreement::of(group), cipher: Cipher::TripleDes }
    }
}

/// A static public key of the chip, as DG14 or EF.CardSecurity holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChipPublicKey {
    /// Its group.
    pub group: Group,
    /// `04 || x || y`, or a number.
    pub octets: Vec<u8>,
}

/// A static public key with its identifier: one ChipAuthenticationPublicKeyInfo.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedKey {
    /// The key.
    pub key: ChipPublicKey,
    /// Content of the INTEGER; absent where the chip has one key.
    pub key_id: Option<Vec<u8>>,
}

/// The pairs of key and suite that a chip offers, the longest session keys first.
///
/// `suites` are its ChipAuthenticationInfos with their key identifiers. Where there is none at all, each key stands for
/// [`ChipAuthSuite::implied`].
pub fn pairs<'k>(
    suites: &[(ChipAuthSuite, Option<Vec<u8>>)],
    keys: &'k [NamedKey],
) -> Vec<(&'k NamedKey, ChipAuthSuite)> {
    let same =
        |one: &Option<Vec<u8>>, two: &Option<Vec<u8>>| one.as_deref().map(unsigned) == two.as_deref().map(unsigned);
    let mut pairs = Vec::new();
    for key in keys {
        let agreement = KeyAgreement::of(key.key.group);
        let lone = suites.is_empty().then(|| ChipAuthSuite::implied(key.key.group));
        let named = suites.iter().filter(|(suite, id)| suite.agreement == agreement && same(id, &key.key_id));
        pairs.extend(named.map(|(suite, _)| *suite).chain(lone).map(|suite| (key, suite)));
    }
    // A stable sort: of equals the first one offered is tried first.
    pairs.sort_by_key(|(_, suite)| std::cmp::Reverse(suite.cipher as u8));
    pairs
}

/// Why Chip Authentication did not start a session.
#[derive(Debug, thiserror::Error)]
pub enum ChipAuthError {
    /// The card refused a command.
    #[error("the card refused Chip Authentication at instruction {instruction:02X}: {status}")]
    Refused {
        /// Instruction byte of the command.
        instruction: u8,
        /// What the card said.
        status: Status,
    },
    /// The answer to GENERAL AUTHENTICATE is not the empty data object that the standard asks for.
    #[error("the card's answer to GENERAL AUTHENTICATE is malformed")]
    Malformed(#[from] TlvError),
    /// The chip's public key is no element of its group, or no randomness, or OpenSSL failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No answer.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
}

/// What Chip Authentication has opened.
#[derive(Debug)]
pub struct Opened {
    /// The session to go on with.
    pub session: Session<Terminal>,
    /// The terminal's ephemeral public key, compressed: Terminal Authentication signs it.
    pub ephemeral_key: Vec<u8>,
}

/// Runs Chip Authentication over the secured `card`; the caller goes on with the session returned (`Secured::replace`).
///
/// `key_id` is the content of the INTEGER in DG14, when there is one. 3DES goes by MSE:Set KAT, which every
/// chip of that suite knows.
///
/// # Errors
/// See [`ChipAuthError`].
pub fn open(
    card: &mut dyn Card,
    public_key: &ChipPublicKey,
    key_id: Option<&[u8]>,
    suite: ChipAuthSuite,
    random: &mut dyn Random,
) -> Result<Opened, ChipAuthError> {
    let mut arithmetic = Arithmetic::new(public_key.group).map_err(KeyError::from)?;
    let own = arithmetic.generate(None, random)?;
    let shared_secret = arithmetic.shared_secret(&own.private, &public_key.octets)?;
    match suite.cipher {
        Cipher::TripleDes => {
            let data = with_key_id(KAT_PUBLIC_KEY, &own.public, key_id);
            accepted(card, Command::new(0x00, MANAGE_SECURITY_ENVIRONMENT, 0x41, 0xA6).with_data(data))?;
        }
        _ => {
            let data = with_key_id(OBJECT_IDENTIFIER, &suite.oid(), key_id);
            accepted(card, Command::new(0x00, MANAGE_SECURITY_ENVIRONMENT, 0x41, 0xA4).with_data(data))?;
            let data = encode(DYNAMIC_AUTHENTICATION, encode(PUBLIC_KEY, &own.public));
            let command = Command::new(0x00, GENERAL_AUTHENTICATE, 0x00, 0x00).with_data(data).with_ne(256);
            sole(&accepted(card, command)?, DYNAMIC_AUTHENTICATION)?;
        }
    }
    let session = Session::agreed(suite.cipher, shared_secret.expose()).map_err(KeyError::from)?;
    Ok(Opened { session, ephemeral_key: compressed(public_key.group, &own.public) })
}

fn with_key_id(tag: Tag, value: &[u8], key_id: Option<&[u8]>) -> Vec<u8> {
    let mut data = Writer::new();
    data.put(tag, value);
    if let Some(key_id) = key_id {
        data.put(KEY_IDENTIFIER, unsigned(key_id));
    }
    data.finish()
}

/// An INTEGER's octets without leading zeros: how a key identifier travels.
fn unsigned(integer: &[u8]) -> &[u8] {
    match integer {
        [0, rest @ ..] if !rest.is_empty() => unsigned(rest),
        _ => integer,
    }
}

/// The response data of a command that the card must accept.
fn accepted(card: &mut dyn Card, command: Command) -> Result<Vec<u8>, ChipAuthError> {
    let response = card.transmit(&command)?;
    match response.status {
        Status::OK => Ok(response.data),
        status => Err(ChipAuthError::Refused { instruction: command.ins, status }),
    }
}

/// The chip's half of the agreement: its session from its private key and the terminal's public key.
///
/// # Errors
/// When one of the keys does not fit the group.
pub fn agree(key: &ChipKey, cipher: Cipher, terminal_key: &[u8]) -> Result<Session<Chip>, KeyError> {
    let mut arithmetic = Arithmetic::new(key.group)?;
    let own = arithmetic.private_key(&key.private)?;
    let shared_secret = arithmetic.shared_secret(&own, terminal_key)?;
    Ok(Session::agreed(cipher, shared_secret.expose())?)
}

/// A private key for Chip Authentication, and for chip authentication mapping, on the chip.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChipKey {
    /// Its identifier, when the chip has several.
    pub key_id: Option<Vec<u8>>,
    /// Its group.
    pub group: Group,
    /// Big endian, as wide as [`Group::private_length`].
    pub private: Secret,
}

impl ChipKey {
    /// The public key that belongs to it, for DG14.
    ///
    /// # Errors
    /// When the private key does not fit the group.
    pub fn public_key(&self) -> Result<ChipPublicKey, KeyError> {
        let octets = Arithmetic::new(self.group)?.key_pair(None, &self.private)?.public;
        Ok(ChipPublicKey { group: self.group, octets })
    }

    /// The key that the terminal names; without a name the first. `agreement` is what the terminal asked for, if it did.
    fn find<'a>(
        keys: &'a [ChipKey],
        key_id: Option<&[u8]>,
        agreement: Option<KeyAgreement>,
    ) -> Result<&'a ChipKey, Status> {
        let key_id = key_id.map(unsigned);
        let named = |key: &&ChipKey| key_id.is_none() || key.key_id.as_deref().map(unsigned) == key_id;
        let fits = |key: &&ChipKey| agreement.is_none_or(|agreement| agreement == KeyAgreement::of(key.group));
        keys.iter().filter(named).find(fits).ok_or(Status::REFERENCED_DATA_NOT_FOUND)
    }
}

/// The chip's end: reads the terminal's commands. The session returned starts after the response,
/// which still goes out under the old keys.
#[derive(Debug, Default)]
pub struct ChipAuthentication {
    /// After MSE:Set AT: the suite, and the key if the terminal named one.
    chosen: Option<(ChipAuthSuite, Option<Vec<u8>>)>,
    /// After success: the terminal's ephemeral public key, compressed.
    terminal_key: Option<Vec<u8>>,
}

impl ChipAuthentication {
    /// MSE:Set KAT (3DES): data field `91 public key [84 key identifier]`.
    ///
    /// # Errors
    /// `6A80` for bad data, `6A88` for an unknown key.
    pub fn set_kat(&mut self, data: &[u8], keys: &[ChipKey]) -> Result<Session<Chip>, Status> {
        *self = ChipAuthentication::default();
        let (public_key, key_id) = read(data, KAT_PUBLIC_KEY).map_err(|_| Status::WRONG_DATA)?;
        let key = ChipKey::find(keys, key_id, None)?;
        let session = agree(key, Cipher::TripleDes, public_key).map_err(refusal)?;
        self.terminal_key = Some(compressed(key.group, public_key));
        Ok(session)
    }

    /// MSE:Set AT (AES, and 3DES of terminals that prefer it): data field `80 object identifier [84 key identifier]`.
    ///
    /// # Errors
    /// `6A80` for bad data or an unknown suite, `6A88` for an unknown key.
    pub fn set_at(&mut self, data: &[u8], keys: &[ChipKey]) -> Result<(), Status> {
        *self = ChipAuthentication::default();
        let (oid, key_id) = read(data, OBJECT_IDENTIFIER).map_err(|_| Status::WRONG_DATA)?;
        let suite = ChipAuthSuite::from_oid(oid).ok_or(Status::WRONG_DATA)?;
        ChipKey::find(keys, key_id, Some(suite.agreement))?;
        self.chosen = Some((suite, key_id.map(<[u8]>::to_vec)));
        Ok(())
    }

    /// The terminal's ephemeral public key, compressed, after Chip Authentication has succeeded: Terminal Authentication asks for a
    /// signature over it.
    pub fn terminal_key(&self) -> Option<&[u8]> {
        self.terminal_key.as_deref()
    }

    /// True between MSE:Set AT and GENERAL AUTHENTICATE: that command then belongs here.
    pub fn is_expected(&self) -> bool {
        self.chosen.is_some()
    }

    /// GENERAL AUTHENTICATE: data field `7C{ 80 public key }`; the response data and the new session.
    ///
    /// # Errors
    /// `6985` without MSE:Set AT before, `6A80` for bad data.
    pub fn general_authenticate(&mut self, data: &[u8], keys: &[ChipKey]) -> Result<(Vec<u8>, Session<Chip>), Status> {
        let (suite, key_id) = self.chosen.take().ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
        let key = ChipKey::find(keys, key_id.as_deref(), Some(suite.agreement))?;
        let public_key = sole(data, DYNAMIC_AUTHENTICATION).and_then(|inner| sole(inner, PUBLIC_KEY));
        let public_key = public_key.map_err(|_| Status::WRONG_DATA)?;
        let session = agree(key, suite.cipher, public_key).map_err(refusal)?;
        self.terminal_key = Some(compressed(key.group, public_key));
        Ok((encode(DYNAMIC_AUTHENTICATION, []), session))
    }
}

/// The status word for a key that cannot be agreed on.
fn refusal(error: KeyError) -> Status {
    match error {
        KeyError::NotInGroup => Status::WRONG_DATA,
        _ => Status::UNKNOWN_ERROR,
    }
}

/// One data object and the key identifier behind it, if given.
fn read(data: &[u8], tag: Tag) -> Result<(&[u8], Option<&[u8]>), TlvError> {
    let mut objects = Reader::new(data);
    let value = objects.expect(tag)?;
    let key_id = objects.optional(KEY_IDENTIFIER)?;
    objects.end()?;
    Ok((value, key_id))
}

#[cfg(test)]
mod tests {
    use iso7816::Response;
    use proptest::prelude::*;
    use test_vectors::{Vectors, hex_of};

    use super::*;
    use crate::random::{Fixed, OsRandom};
    use crate::sm::Secured;
    use crate::suite::Curve;

    const P256: Group = Group::Curve(Curve::P256);

    /// A card with nothing but Chip Authentication, inside a session that was there before.
    struct Authentic {
        keys: Vec<ChipKey>,
        state: ChipAuthentication,
        session: Session<Chip>,
        plain: Vec<Vec<u8>>,
    }

    impl Authentic {
        fn new(keys: Vec<ChipKey>) -> (Self, Session<Terminal>) {
            let session = Session::agreed(Cipher::Aes128, b"before").unwrap();
            let card = Authentic { keys, state: ChipAuthentication::default(), session, plain: vec![] };
            (card, Session::agreed(Cipher::Aes128, b"before").unwrap())
        }

        fn answer(&mut self, command: &Command) -> Result<(Vec<u8>, Option<Session<Chip>>), Status> {
            match (command.ins, command.p2) {
                (0x22, 0xA6) => Ok((vec![], Some(self.state.set_kat(&command.data, &self.keys)?))),
                (0x22, 0xA4) => self.state.set_at(&command.data, &self.keys).map(|()| (vec![], None)),
                (0x86, _) => {
                    let (data, session) = self.state.general_authenticate(&command.data, &self.keys)?;
                    Ok((data, Some(session)))
                }
                _ => Ok((command.data.clone(), None)),
            }
        }
    }

    impl Card for Authentic {
        fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
            let plain = match self.session.open_command(command) {
                Ok(plain) => plain,
                Err(error) => return Ok(Response::status(error.status())),
            };
            self.plain.push(plain.to_bytes());
            let (response, next) = match self.answer(&plain) {
                Ok((data, next)) => (Response::ok(data), next),
                Err(status) => (Response::status(status), None),
            };
            let response = self.session.protect_response(&response).unwrap();
            self.session = next.unwrap_or_else(|| std::mem::replace(&mut self.session, spare()));
            Ok(response)
        }
    }

    fn spare() -> Session<Chip> {
        Session::agreed(Cipher::Aes128, b"spare").unwrap()
    }

    fn key(group: Group, fill: u8, key_id: Option<u8>) -> ChipKey {
        let mut private = vec![fill; group.private_length()];
        // The order of P-521 begins with a single bit.
        private[0] &= 1;
        ChipKey { key_id: key_id.map(|id| vec![id]), group, private: Secret::new(private) }
    }

    fn ecdh(cipher: Cipher) -> ChipAuthSuite {
        ChipAuthSuite { agreement: KeyAgreement::Ecdh, cipher }
    }

    fn echo(secured: &mut Secured<Authentic>) -> Result<Response, TransmitError> {
        secured.transmit(&Command::new(0, 0xB0, 0, 0).with_data(vec![7; 300]).with_ne(256))
    }

    #[test]
    fn both_ends_agree_in_every_suite_in_every_group() {
        for cipher in Cipher::ALL {
            for group in Group::all() {
                let suite = ChipAuthSuite { agreement: KeyAgreement::of(group), cipher };
                assert_eq!(ChipAuthSuite::from_oid(&suite.oid()), Some(suite));
                let keys = vec![key(group, 0x11, Some(1)), key(group, 0x22, Some(2))];
                let public_key = keys[1].public_key().unwrap();
                let (card, session) = Authentic::new(keys);
                let mut secured = Secured::new(session, card);
                let next = open(&mut secured, &public_key, Some(&[2]), suite, &mut OsRandom).unwrap();
                assert_eq!(next.session.cipher(), cipher);
                let ephemeral_key = next.ephemeral_key;
                secured.replace(next.session);
                assert_eq!(echo(&mut secured).unwrap(), Response::ok(vec![7; 300]));
                assert_eq!(secured.into_inner().state.terminal_key(), Some(&ephemeral_key[..]));
            }
        }
        assert_eq!(ChipAuthSuite::from_oid(&ecdh(Cipher::Aes128).oid()[..9]), None);
    }

    #[test]
    fn a_clone_with_another_key_cannot_go_on() {
        for cipher in [Cipher::TripleDes, Cipher::Aes128] {
            let genuine = key(P256, 0x11, None).public_key().unwrap();
            let (card, session) = Authentic::new(vec![key(P256, 0x12, None)]);
            let mut secured = Secured::new(session, card);
            let next = open(&mut secured, &genuine, None, ecdh(cipher), &mut OsRandom).unwrap();
            secured.replace(next.session);
            assert!(matches!(
                echo(&mut secured),
                Err(TransmitError::Unprotected { status: Status::SM_OBJECTS_INCORRECT })
            ));
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        for cipher in [Cipher::TripleDes, Cipher::Aes256] {
            let keys = vec![key(Curve::P384.into(), 0x11, Some(1))];
            let public_key = keys[0].public_key().unwrap();
            let (card, session) = Authentic::new(keys);
            let mut secured = Secured::new(session, card);
            let result = open(&mut secured, &public_key, Some(&[9]), ecdh(cipher), &mut OsRandom);
            assert!(matches!(
                result.map(drop),
                Err(ChipAuthError::Refused { instruction: 0x22, status: Status::REFERENCED_DATA_NOT_FOUND })
            ));
        }
    }

    /// The agreement of the EAC example; its keys come from version 2, which this crate does not speak.
    #[test]
    fn the_chip_agrees_as_in_the_worked_example() {
        let vectors = Vectors::load("eac2-worked-example-ecdh");
        let bytes = |name: &str| vectors.bytes(&format!("/chip_authentication/{name}"));
        let private = Secret::new(bytes("sk_picc"));
        let chip_key = ChipKey { key_id: None, group: Curve::BrainpoolP256r1.into(), private };
        let public_key = chip_key.public_key().unwrap();
        assert_eq!(public_key.octets, bytes("pk_picc"));
        let mut arithmetic = Arithmetic::new(chip_key.group).unwrap();
        let chip = arithmetic.key_pair(None, &chip_key.private).unwrap();
        let shared_secret = arithmetic.shared_secret(&chip.private, &bytes("pk_pcd")).unwrap();
        assert_eq!(shared_secret.expose(), bytes("shared_secret_k"));

        // The terminal's key is printed with a leading zero byte.
        let (card, session) = Authentic::new(vec![chip_key]);
        let mut secured = Secured::new(session, card);
        let mut random = Fixed::new(&bytes("sk_pcd")[1..]);
        let suite = ecdh(Cipher::Aes128);
        let next = open(&mut secured, &public_key, None, suite, &mut random).unwrap();
        secured.replace(next.session);
        assert!(echo(&mut secured).is_ok());
        let card = secured.into_inner();
        assert_eq!(hex::encode(&card.plain[0]), "0022 41a4 0c 800a 04007f00070202030202".replace(' ', ""));
        assert!(hex::encode(&card.plain[1]).ends_with(&format!("7c438041{}00", hex::encode(bytes("pk_pcd")))));
    }

    fn cipher_named(name: &str) -> Cipher {
        match name {
            "3DES" => Cipher::TripleDes,
            "AES-128" => Cipher::Aes128,
            "AES-192" => Cipher::Aes192,
            "AES-256" => Cipher::Aes256,
            other => panic!("{other}"),
        }
    }

    /// The session that a case starts in.
    fn first_session<R: crate::role::Role>(case: &serde_json::Value) -> Session<R> {
        let key = |name: &str| Secret::new(hex_of(&case[name]));
        let cipher = cipher_named(case["session_cipher"].as_str().unwrap());
        Session::with_keys(cipher, &key("ks_enc"), &key("ks_mac"), u64::from(hex_of(&case["ssc"])[0])).unwrap()
    }

    /// Answers what was recorded, in order, to the commands that were recorded.
    struct Recording(std::collections::VecDeque<(Vec<u8>, Vec<u8>)>);

    impl Card for Recording {
        fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
            let (expected, answer) = self.0.pop_front().unwrap();
            assert_eq!(hex::encode(command.to_bytes()), hex::encode(expected));
            Ok(Response::parse(&answer).unwrap())
        }
    }

    #[test]
    fn the_terminal_speaks_the_computed_sessions() {
        let vectors = Vectors::load("chip-authentication-sessions");
        for case in vectors.list("/cases") {
            let exchanges = case["exchanges"].as_array().unwrap();
            let exchanges = exchanges.iter().map(|exchange| (hex_of(&exchange["c"]), hex_of(&exchange["r"])));
            let mut secured = Secured::new(first_session(case), Recording(exchanges.collect()));
            let group = Group::from_parameter_id(case["domain_parameter_id"].as_u64().unwrap() as u8).unwrap();
            let public_key = ChipPublicKey { group, octets: hex_of(&case["chip_public_key"]) };
            let key_id = case.get("key_id").map(hex_of);
            let suite = ChipAuthSuite::from_oid(&hex_of(&case["chip_authentication_oid"])).unwrap();
            let mut random = Fixed::new(hex_of(&case["sk_ifd"]));
            let next = open(&mut secured, &public_key, key_id.as_deref(), suite, &mut random).unwrap();
            assert_eq!(next.session.cipher(), cipher_named(case["new_session_cipher"].as_str().unwrap()));
            secured.replace(next.session);
            let select = Command::new(0x00, 0xA4, 0x02, 0x0C).with_data([0x01, 0x0E]);
            assert_eq!(secured.transmit(&select).unwrap(), Response::ok([]));
            assert!(secured.into_inner().0.is_empty());
        }
    }

    #[test]
    fn the_chip_speaks_the_computed_sessions() {
        let vectors = Vectors::load("chip-authentication-sessions");
        for case in vectors.list("/cases") {
            let group = Group::from_parameter_id(case["domain_parameter_id"].as_u64().unwrap() as u8).unwrap();
            let key = ChipKey { key_id: None, group, private: Secret::new(hex_of(&case["chip_private_key"])) };
            let cipher = cipher_named(case["new_session_cipher"].as_str().unwrap());
            let mut session = first_session::<Chip>(case);
            let mut next = None;
            for exchange in case["exchanges"].as_array().unwrap() {
                let command = Command::parse(&hex_of(&exchange["c"])).unwrap();
                let plain = session.open_command(&command).unwrap();
                let mut answer = vec![];
                let mut terminal_point = None;
                match (plain.ins, plain.p2) {
                    (GENERAL_AUTHENTICATE, _) => {
                        let inner = iso7816::tlv::sole(&plain.data, DYNAMIC_AUTHENTICATION).unwrap();
                        terminal_point = iso7816::tlv::find(inner, Tag(0x80)).unwrap();
                        answer = encode(DYNAMIC_AUTHENTICATION, []);
                    }
                    (0x22, 0xA6) => terminal_point = iso7816::tlv::find(&plain.data, Tag(0x91)).unwrap(),
                    _ => {}
                }
                if let Some(point) = terminal_point {
                    next = Some(agree(&key, cipher, point).unwrap());
                }
                let response = session.protect_response(&Response::ok(answer)).unwrap();
                assert_eq!(response.to_bytes(), hex_of(&exchange["r"]), "{}", case["name"]);
                if let Some(agreed) = next.take() {
                    session = agreed;
                }
            }
        }
    }

    #[test]
    fn a_key_of_the_agreement_that_was_asked_for_is_taken() {
        let modp = Group::from_parameter_id(0).unwrap();
        let keys = vec![key(modp, 0x11, None), key(P256, 0x22, None)];
        for chosen in 0..2 {
            let public_key = keys[chosen].public_key().unwrap();
            let suite = ChipAuthSuite { agreement: KeyAgreement::of(keys[chosen].group), cipher: Cipher::Aes192 };
            let (card, session) = Authentic::new(keys.clone());
            let mut secured = Secured::new(session, card);
            let next = open(&mut secured, &public_key, None, suite, &mut OsRandom).unwrap();
            secured.replace(next.session);
            assert!(echo(&mut secured).is_ok());
        }
    }

    #[test]
    fn a_key_of_which_nothing_is_said_stands_for_3des() {
        let named = |group: Group, key_id: Option<u8>| NamedKey {
            key: key(group, 0x11, None).public_key().unwrap(),
            key_id: key_id.map(|id| vec![id]),
        };
        let modp = Group::from_parameter_id(1).unwrap();
        let keys = [named(P256, Some(1)), named(modp, Some(2))];
        let implied: Vec<ChipAuthSuite> = pairs(&[], &keys).into_iter().map(|(_, suite)| suite).collect();
        assert_eq!(implied, [ChipAuthSuite::implied(P256), ChipAuthSuite::implied(modp)]);
        let dh = ChipAuthSuite { agreement: KeyAgreement::Dh, cipher: Cipher::Aes256 };
        let suites = [
            (ecdh(Cipher::TripleDes), Some(vec![1])),
            (ecdh(Cipher::Aes128), Some(vec![0, 1])),
            (dh, Some(vec![2])),
            (dh, Some(vec![1])),
        ];
        let found = pairs(&suites, &keys);
        let expected = [(&keys[1], dh), (&keys[0], ecdh(Cipher::Aes128)), (&keys[0], ecdh(Cipher::TripleDes))];
        assert_eq!(found, expected);
        assert!(pairs(&suites[..1], &[named(P256, None)]).is_empty());
    }

    #[test]
    fn general_authenticate_without_its_command_before_is_refused() {
        let keys = [key(P256, 0x11, None)];
        let mut state = ChipAuthentication::default();
        let public_key = key(P256, 0x22, None).public_key().unwrap().octets;
        let data = encode(DYNAMIC_AUTHENTICATION, encode(PUBLIC_KEY, &public_key));
        let again = |state: &mut ChipAuthentication| state.general_authenticate(&data, &keys).map(drop);
        assert_eq!(again(&mut state), Err(Status::CONDITIONS_NOT_SATISFIED));
        state.set_at(&encode(OBJECT_IDENTIFIER, ecdh(Cipher::Aes128).oid()), &keys).unwrap();
        assert_eq!(again(&mut state), Ok(()));
        assert_eq!(again(&mut state), Err(Status::CONDITIONS_NOT_SATISFIED));
    }

    #[test]
    fn key_identifiers_are_numbers() {
        assert_eq!(unsigned(&[0x00, 0xC3]), [0xC3]);
        assert_eq!(unsigned(&[0x00]), [0x00]);
        assert!(unsigned(&[]).is_empty());
        let keys = [key(P256, 0x11, None), ChipKey { key_id: Some(vec![0, 5]), ..key(P256, 0x22, None) }];
        assert_eq!(ChipKey::find(&keys, Some(&[5]), None), Ok(&keys[1]));
        assert_eq!(ChipKey::find(&keys, None, None), Ok(&keys[0]));
        assert_eq!(ChipKey::find(&keys, Some(&[6]), None), Err(Status::REFERENCED_DATA_NOT_FOUND));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn hostile_terminals_never_agree(
            data in prop::collection::vec(any::<u8>(), 0..80),
            tag in prop::sample::select(vec![0x91u32, 0x80, 0x7C]),
        ) {
            let keys = [key(P256, 0x11, None)];
            let mut state = ChipAuthentication::default();
            for data in [data.clone(), encode(Tag(tag), &data)] {
                prop_assert!(state.set_kat(&data, &keys).is_err());
                prop_assert!(state.set_at(&data, &keys).is_err());
                prop_assert!(state.general_authenticate(&data, &keys).is_err());
                state.set_at(&encode(OBJECT_IDENTIFIER, ecdh(Cipher::Aes128).oid()), &keys).unwrap();
                prop_assert!(state.general_authenticate(&data, &keys).is_err());
            }
            prop_assert!(agree(&keys[0], Cipher::Aes128, &data).is_err());
            let bad = ChipKey { key_id: None, group: P256, private: Secret::new(data.clone()) };
            prop_assert!(agree(&bad, Cipher::Aes128, &data).is_err());
        }

        #[test]
        fn hostile_chips_never_cause_a_panic(
            point in prop::collection::vec(any::<u8>(), 0..100),
            data in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            struct Hostile(Vec<u8>);
            impl Card for Hostile {
                fn transmit(&mut self, _: &Command) -> Result<Response, TransmitError> {
                    Ok(Response::ok(self.0.clone()))
                }
            }
            let suite = ecdh(Cipher::Aes128);
            let mut card = Hostile(data);
            let bad = ChipPublicKey { group: P256, octets: point };
            prop_assert!(open(&mut card, &bad, None, suite, &mut OsRandom).is_err());
            let good = key(P256, 0x11, None).public_key().unwrap();
            let _ = open(&mut card, &good, None, suite, &mut OsRandom);
        }
    }
}
