//! One invented document and the host's side of a personalization.

use channel::password::{MrzKey, Password};
use channel::random::OsRandom;
use channel::scp03::{self, KeySet, Scp03Error, SecurityLevel};
use channel::secret::Secret;
use channel::suite::{Cipher, Curve};
use iso7816::tlv::{Tag, encode};
use iso7816::{Aid, Card, Command, Response, Status, TransmitError};
use lds::files;
use lds::globalplatform::dgi::{CAN, CHIP_AUTHENTICATION_KEY, MRZ_INFORMATION};
use lds::globalplatform::life_cycle::ALL_AIDS;
use lds::globalplatform::{
    ChipAuthenticationKey, Dgi, StatusEntry, StoreData, StoreDataEncryption, StoreDataStructure,
    install_for_personalization,
};
use lds::security_infos::{ID_CA_ECDH_3DES, ID_CA_ECDH_AES_128, PublicKeyInfo, SecurityInfo, SecurityInfos};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::nid::Nid;
use soft_card::{BlankOptions, SoftCard};

/// What no answer outside secure messaging may show: it stands in every protected file.
pub const MARKER: &[u8] = b"PROTECTED PERSONAL DATA";
pub const INFORMATION: &str = "L898902C<369080619406236";
pub const DIGITS: &[u8] = b"271828";

/// What binds the chip to the document: anyone may read it, so it says nothing.
pub const BINDING: &[u8] = &[0xB1, 0x4D, 0x09, 0x7C, 0x55, 0xE2, 0x83, 0x1A];

/// What a card without power answers.
pub const NOTHING: [u8; 0] = [];

/// The PACE suites of the document.
pub const SUITES: [(Curve, Cipher); 3] =
    [(Curve::P256, Cipher::Aes128), (Curve::P384, Cipher::Aes192), (Curve::BrainpoolP256r1, Cipher::Aes256)];

/// What is written to a card.
pub struct Document {
    pub files: Vec<Dgi>,
    pub secrets: Vec<Dgi>,
    pub chip_point: Vec<u8>,
}

impl Document {
    /// A document whose face has `face` bytes.
    pub fn new(face: usize) -> Self {
        let (private, point) = chip_key();
        let group = |number: u8, content: Vec<u8>| {
            let file = files::data_group(number).unwrap();
            Dgi::new(file.id, encode(file.tag.unwrap(), content))
        };
        let pattern: Vec<u8> = (0..face).map(|index| (index % 251) as u8).collect();
        let infos = SecurityInfos::new(vec![
            SecurityInfo::chip_authentication(ID_CA_ECDH_3DES, None),
            SecurityInfo::chip_authentication(ID_CA_ECDH_AES_128, None),
            SecurityInfo::chip_authentication_public_key(PublicKeyInfo::standardized(12, &point), None),
        ]);
        let access = SUITES.map(|(curve, cipher)| SecurityInfo::pace(&pace_oid(cipher), curve.parameter_id()));
        let files = vec![
            Dgi::new(0x011C, SecurityInfos::new(access.to_vec()).to_bytes()),
            group(1, encode(Tag(0x5F1F), [MARKER, &[b'<'; 67]].concat())),
            group(2, [MARKER, &pattern].concat()),
            group(3, MARKER.to_vec()),
            group(14, infos.to_bytes()),
            Dgi::new(0x011D, encode(Tag(0x77), MARKER)),
            Dgi::new(0x011E, encode(Tag(0x60), [&encode(Tag(0x5F01), b"0107")[..], MARKER].concat())),
        ];
        let key = ChipAuthenticationKey { parameter_id: 12, key_id: None, private_key: private.into() };
        let secrets = vec![
            Dgi::new(MRZ_INFORMATION, INFORMATION.as_bytes()),
            Dgi::new(CAN, DIGITS),
            Dgi::new(CHIP_AUTHENTICATION_KEY, key.to_bytes().to_vec()),
        ];
        Document { files, secrets, chip_point: point }
    }

    pub fn file(&self, id: u16) -> &[u8] {
        &self.files.iter().find(|dgi| dgi.id == id).unwrap().value
    }
}

fn pace_oid(cipher: Cipher) -> Vec<u8> {
    let arc = match cipher {
        Cipher::TripleDes => 1,
        Cipher::Aes128 => 2,
        Cipher::Aes192 => 3,
        Cipher::Aes256 => 4,
    };
    // id-PACE-ECDH-GM, 0.4.0.127.0.7.2.2.4.2.
    [&[0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x04, 0x02][..], &[arc]].concat()
}

/// A fixed key on P-256: private, and public as an uncompressed point.
fn chip_key() -> (Vec<u8>, Vec<u8>) {
    let private = vec![0x2A; 32];
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let mut point = EcPoint::new(&group).unwrap();
    point.mul_generator2(&group, &BigNum::from_slice(&private).unwrap(), &mut context).unwrap();
    let key = EcKey::from_public_key(&group, &point).unwrap();
    let bytes = key.public_key().to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context).unwrap();
    (private, bytes)
}

pub fn blank() -> SoftCard {
    SoftCard::blank(BlankOptions { serial: Some([0, 0, 0, 1, 0, 1]), ..BlankOptions::default() }).unwrap()
}

pub fn personalized(document: &Document) -> SoftCard {
    let mut card = blank();
    personalize(&mut card, document, SecurityLevel::Full, 200).unwrap();
    card.reset();
    card
}

pub fn default_keys() -> KeySet {
    BlankOptions::default().keys
}

pub fn mrz() -> Password {
    Password::Mrz(MrzKey::from_information(INFORMATION))
}

pub fn can() -> Password {
    Password::Can(Secret::from(DIGITS))
}

/// Why a personalization stopped.
#[derive(Debug)]
pub enum Stopped {
    Lost,
    Refused(u8, Status),
    #[expect(dead_code, reason = "shown by Debug when a test fails")]
    Other(String),
}

impl From<TransmitError> for Stopped {
    fn from(error: TransmitError) -> Self {
        match error {
            TransmitError::Lost => Stopped::Lost,
            other => Stopped::Other(other.to_string()),
        }
    }
}

impl From<Scp03Error> for Stopped {
    fn from(error: Scp03Error) -> Self {
        match error {
            Scp03Error::Transmit(error) => error.into(),
            Scp03Error::Refused { instruction, status } => Stopped::Refused(instruction, status),
            other => Stopped::Other(other.to_string()),
        }
    }
}

/// Sends a command that must succeed.
pub fn must(card: &mut dyn Card, command: &Command) -> Result<Vec<u8>, Stopped> {
    let response = card.transmit(command)?;
    if response.status.is_ok() { Ok(response.data) } else { Err(Stopped::Refused(command.ins, response.status)) }
}

/// Sends bytes given as hexadecimal.
pub fn send(card: &mut SoftCard, text: &str) -> Response {
    let bytes = hex::decode(text.replace(' ', "")).unwrap();
    Response::parse(&card.process(&bytes)).expect("a powered card answers")
}

/// The status word of the answer, as number.
pub fn status(card: &mut SoftCard, text: &str) -> u16 {
    send(card, text).status.0
}

pub fn select(aid: &Aid) -> Command {
    Command::new(0x00, 0xA4, 0x04, 0x00).with_data(aid.as_bytes()).with_ne(256)
}

pub fn set_status(scope: u8, state: u8, aid: Option<Aid>) -> Command {
    Command::new(0x80, 0xF0, scope, state).with_data(aid.map(|aid| aid.as_bytes().to_vec()).unwrap_or_default())
}

pub fn get_status(scope: u8) -> Command {
    Command::new(0x80, 0xF2, scope, 0x02).with_data(ALL_AIDS).with_ne(256)
}

pub fn open(card: &mut dyn Card, level: SecurityLevel) -> Result<scp03::Channel<&mut dyn Card>, Stopped> {
    must(card, &select(&Aid::issuer_domain()))?;
    Ok(scp03::open(card, 0x30, &default_keys(), level, &mut OsRandom)?)
}

/// The life cycle bytes of the card and of the application.
pub fn life_cycles(card: &mut dyn Card) -> (u8, u8) {
    let mut channel = open(card, SecurityLevel::Full).unwrap();
    [0x80, 0x40]
        .map(|scope| StatusEntry::parse_all(&must(&mut channel, &get_status(scope)).unwrap()).unwrap()[0].state)
        .into()
}

/// The whole dialogue, in blocks of `size` bytes.
pub fn personalize(card: &mut dyn Card, document: &Document, level: SecurityLevel, size: usize) -> Result<(), Stopped> {
    let mut channel = open(card, level)?;
    must(&mut channel, &Command::new(0x80, 0xE2, 0x90, 0x00).with_data(encode(Tag(0x45), BINDING)))?;
    must(&mut channel, &install_for_personalization(&Aid::emrtd()))?;
    store_all(&mut channel, document, size)?;
    must(&mut channel, &set_status(0x40, 0x0F, Some(Aid::emrtd())))?;
    must(&mut channel, &set_status(0x80, 0x0F, None))?;
    Ok(())
}

/// Every data grouping: files plain, then secrets encrypted.
pub fn store_all(channel: &mut scp03::Channel<&mut dyn Card>, document: &Document, size: usize) -> Result<(), Stopped> {
    for command in blocks(channel, document, size) {
        must(channel, &command)?;
    }
    Ok(())
}

pub fn blocks(channel: &scp03::Channel<&mut dyn Card>, document: &Document, size: usize) -> Vec<Command> {
    blocks_of(document, size, |plain| channel.encrypt_dek(plain).unwrap())
}

/// The same with secrets enciphered by `encipher`.
pub fn blocks_of(document: &Document, size: usize, encipher: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Command> {
    let stream = |groupings: &[Dgi]| -> Vec<u8> { groupings.iter().flat_map(|dgi| dgi.to_bytes().unwrap()).collect() };
    let encrypted: Vec<Dgi> = document.secrets.iter().map(|dgi| Dgi::new(dgi.id, encipher(&dgi.value))).collect();
    let plain = stream(&document.files);
    let encrypted = stream(&encrypted);
    let runs = plain
        .chunks(size)
        .map(|block| (StoreDataEncryption::Plain, block))
        .chain(encrypted.chunks(size).map(|block| (StoreDataEncryption::Encrypted, block)));
    let blocks: Vec<_> = runs.collect();
    let last = blocks.len() - 1;
    blocks
        .into_iter()
        .enumerate()
        .map(|(index, (encryption, block))| {
            let p1 = StoreData { last: index == last, encryption, structure: StoreDataStructure::Dgi }.to_p1();
            Command::new(0x80, 0xE2, p1, index as u8).with_data(block)
        })
        .collect()
}
