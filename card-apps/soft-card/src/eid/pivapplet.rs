//! PivApplet as it answers (`arekinath/PivApplet`, release 0.9.0 without attestation): a PIV card with the extensions of a YubiKey.
//!
//! ```text
//! 00 F7 00 <key>        metadata of a key, of the PIN (80) and the PUK (81)
//! 00 F8 00 00           serial number, four bytes that were drawn at installation
//! 00 FA <PIN> <PUK>     other numbers of tries; PIN and PUK become what everybody knows
//! 00 FB 00 00           back to delivery, when PIN and PUK are both blocked
//! 00 FD 00 00           version, 5.4.0
//! 00 FE <alg> <key>     import: 06 scalar | [AA policy] [AB touch]
//! 00 FF FF FF           management key: <alg> 9B <length> <key>
//! ```
//!
//! What differs from this project's application: known values for everything at delivery, writing only after the management key, `6A80`
//! for its wrong proof, PINs compared before they are looked at, no transport PIN, 255 bytes in an answer, certificates that
//! stay when a key pair is replaced. Not here: RSA 1024 and the import of RSA keys (`6A81`), retired keys (`6A86`),
//! attestation (`6D00`, as in builds without it), the objects `5FFF..`.

mod references;

use channel::random::{Random, RandomError};
use channel::secret::Secret;
use eid::authentication::{INS_GENERAL_AUTHENTICATE, Template};
use eid::capability::{Capability, OWN_LENGTH};
use eid::chuid::FASC_N_LENGTH;
use eid::discovery::Discovery;
use eid::keys::{Algorithm, INS_GENERATE, KeyReference, KeyUse, MANAGEMENT_KEY, ManagementAlgorithm};
use eid::objects::{
    Access, CARD_CAPABILITY_CONTAINER, CARD_HOLDER_UNIQUE_IDENTIFIER, DISCOVERY_OBJECT, INS_GET_DATA, INS_PUT_DATA,
    KEY_HISTORY_OBJECT, Object, by_tag,
};
use eid::pin::{INS_CHANGE_REFERENCE_DATA, INS_RESET_RETRY_COUNTER, INS_VERIFY, LENGTH, PIN, PUK};
use eid::{Application, PIV_AID};
use iso7816::tlv::{self, Reader, Tag, Writer};
use iso7816::{Command as Apdu, Response, Status};

use super::Program;
use super::applet::{Applet, Defaults, PivApplet};
use super::authentication::{self, Manners};
use super::keys::{self, Operation};
use super::state::{ManagementKey, Memory, Reference, Volatile};
use references::{change, set_tries, unblock, verify};

/// Data bytes in one answer.
pub(super) const PIECE: u32 = 255;
/// What a build of today takes; old ones took less than a kilobyte.
pub(crate) const LONGEST_OBJECT: usize = 12_000;

const DEFAULT_PIN: [u8; LENGTH] = *b"123456\xFF\xFF";
const DEFAULT_PUK: [u8; LENGTH] = *b"12345678";
const DEFAULT_KEY: [u8; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8];
const PIN_TRIES: u8 = 5;
const PUK_TRIES: u8 = 3;

const NAME: &str = "PivApplet v0.9.0/REexaD";
const LOCATION: &str = "github.com/arekinath/PivApplet";
const VERSION: [u8; 3] = [5, 4, 0];
/// As the answer to SELECT lists them: one stands for its family.
const ALGORITHMS: [u8; 5] = [0x03, 0x0C, 0x07, 0x11, 0x14];
/// The last object that there is a place for.
const LAST_TAG: u32 = 0x5F_C117;

const MANNERS: Manners = Manners { wrong: Status::WRONG_DATA, unasked: Status::WRONG_DATA };

/// What the program holds after its installation.
pub(super) fn delivered(longest_object: usize, random: &mut dyn Random) -> Result<Memory, RandomError> {
    let mut serial = [0; 4];
    random.fill(&mut serial)?;
    let [first, ..] = &mut serial;
    *first |= 0x80;
    let defaults = Defaults { pin: true, puk: true, management_key: true };
    let applet = PivApplet { serial, policies: Default::default(), imported: Vec::new(), longest_object, defaults };
    Ok(Memory { applet: Applet::Pivapplet(applet), ..contents(random)? })
}

/// Everything that a reset brings back.
fn contents(random: &mut dyn Random) -> Result<Memory, RandomError> {
    let mut guid = [0; 16];
    random.fill(&mut guid)?;
    let mut card = [0; OWN_LENGTH];
    random.fill(&mut card)?;
    let mut chuid = Writer::new();
    chuid.put(Tag(0x30), [0; FASC_N_LENGTH]).put(Tag(0x34), guid).put(Tag(0x35), b"20500101");
    chuid.put(Tag(0x3E), []).put(Tag(0xFE), []);
    let objects = [
        (&CARD_HOLDER_UNIQUE_IDENTIFIER, chuid.finish()),
        (&CARD_CAPABILITY_CONTAINER, Capability { card }.to_bytes()),
        (&KEY_HISTORY_OBJECT, vec![0xC1, 0x01, 0x00, 0xC2, 0x01, 0x00, 0xFE, 0x00]),
    ];
    Ok(Memory {
        objects: objects.into_iter().map(|(object, content)| (object.tag.0, content)).collect(),
        pin: Some(Reference::new(&Secret::from(&DEFAULT_PIN[..]), PIN_TRIES)),
        transport: false,
        puk: Some(Reference::new(&Secret::from(&DEFAULT_PUK[..]), PUK_TRIES)),
        management_key: ManagementKey::new(ManagementAlgorithm::TripleDes, &DEFAULT_KEY),
        keys: Default::default(),
        applet: Applet::Bitaqa,
        life_cycles: None,
    })
}

pub(super) fn is_possible(applet: &PivApplet) -> bool {
    applet.policies.iter().all(|(key, policy)| KeyReference::from_byte(*key).is_some() && (1..=3).contains(policy))
}

/// The answer to SELECT.
pub(super) fn property_template() -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(Tag(0x61), |inside| {
        inside.put(Tag(0x4F), PIV_AID).nest(Tag(0x79), |authority| {
            authority.put(Tag(0x4F), PIV_AID.get(..5).unwrap_or_default());
        });
        inside.put(Tag(0x50), NAME).put(Tag(0x5F50), LOCATION);
        for algorithm in ALGORITHMS {
            inside.nest(Tag(0xAC), |template| {
                template.put(Tag(0x80), [algorithm]).put(Tag(0x06), [0x00]);
            });
        }
    });
    writer.finish()
}

/// Carries out a whole command.
pub(super) fn execute(
    apdu: &Apdu,
    memory: &mut Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
    program: &mut Program<'_>,
) -> Result<Response, Status> {
    let fresh = std::mem::take(&mut volatile.fresh);
    if apdu.ins != super::INS_GET_RESPONSE {
        volatile.forget_answer();
    }
    let data = apdu.data.as_slice();
    if data.len() > applet(memory)?.longest_object {
        return Err(Status::NOT_ENOUGH_MEMORY);
    }
    match (apdu.ins, apdu.p1, apdu.p2) {
        (INS_GET_DATA, 0x3F, 0xFF) => get(data, memory, volatile),
        (INS_PUT_DATA, 0x3F, 0xFF) => put(data, memory, volatile),
        (INS_VERIFY, 0x00 | 0xFF, PIN) => verify(apdu.p1, data, memory, volatile, program),
        (INS_CHANGE_REFERENCE_DATA, 0x00, PIN | PUK) => change(apdu.p2, data, memory, volatile, program),
        (INS_RESET_RETRY_COUNTER, 0x00, PIN) => unblock(data, memory, volatile, program),
        (INS_VERIFY, 0x00 | 0xFF, _) | (INS_CHANGE_REFERENCE_DATA | INS_RESET_RETRY_COUNTER, 0x00, _) => {
            Err(Status::REFERENCED_DATA_NOT_FOUND)
        }
        (INS_GENERATE, 0x00, key) => generate(key, data, memory, volatile),
        (INS_GENERAL_AUTHENTICATE, algorithm, MANAGEMENT_KEY) => manage(algorithm, data, memory, volatile, random),
        (INS_GENERAL_AUTHENTICATE, algorithm, key) => use_key(algorithm, key, data, fresh, memory, volatile),
        (super::INS_GET_RESPONSE, ..) => volatile.next_answer(apdu.ne),
        (0xF7, 0x00, key) => metadata(key, memory),
        (0xF8, ..) => Ok(Response::ok(applet(memory)?.serial)),
        (0xFA, pin, puk) => set_tries(pin, puk, memory, volatile),
        (0xFB, ..) => reset(memory, volatile, random),
        (0xFD, ..) => Ok(Response::ok(VERSION)),
        (0xFE, algorithm, key) => import(algorithm, key, data, memory, volatile),
        (0xFF, 0xFF, 0xFF) => set_management_key(data, memory, volatile),
        (
            INS_GET_DATA
            | INS_PUT_DATA
            | INS_VERIFY
            | INS_CHANGE_REFERENCE_DATA
            | INS_RESET_RETRY_COUNTER
            | INS_GENERATE
            | 0xF7
            | 0xFF,
            ..,
        ) => Err(Status::INCORRECT_P1_P2),
        _ => Err(Status::INSTRUCTION_NOT_SUPPORTED),
    }
}

fn applet(memory: &Memory) -> Result<&PivApplet, Status> {
    match &memory.applet {
        Applet::Pivapplet(applet) => Ok(applet),
        _ => Err(Status::UNKNOWN_ERROR),
    }
}

fn applet_mut(memory: &mut Memory) -> Result<&mut PivApplet, Status> {
    match &mut memory.applet {
        Applet::Pivapplet(applet) => Ok(applet),
        _ => Err(Status::UNKNOWN_ERROR),
    }
}

fn managed(volatile: &Volatile) -> Result<(), Status> {
    if volatile.managed { Ok(()) } else { Err(Status::SECURITY_NOT_SATISFIED) }
}

/// The object of a tag list; `otherwise` for a tag that has no place.
fn named(list: &[u8], otherwise: Status) -> Result<&'static Object, Status> {
    let tag = match list {
        [0x5F, 0xC1, last] => Tag(0x5F_C100 | u32::from(*last)),
        _ => return Err(otherwise),
    };
    by_tag(Application::Piv, tag).filter(|object| object.tag.0 <= LAST_TAG).ok_or(otherwise)
}

fn get(data: &[u8], memory: &Memory, volatile: &Volatile) -> Result<Response, Status> {
    let list = tlv::sole(data, Tag(0x5C)).map_err(|_| Status::WRONG_DATA)?;
    if list == [0x7E] {
        return Ok(Response::ok(DISCOVERY_OBJECT.encode(&Discovery::own().to_bytes())));
    }
    let object = named(list, Status::FILE_NOT_FOUND)?;
    if object.read == Access::Pin && !volatile.verified {
        return Err(Status::SECURITY_NOT_SATISFIED);
    }
    super::objects::get(object, memory)
}

fn put(data: &[u8], memory: &mut Memory, volatile: &Volatile) -> Result<Response, Status> {
    let mut reader = Reader::new(data);
    let list = reader.expect(Tag(0x5C)).map_err(|_| Status::WRONG_DATA)?;
    managed(volatile)?;
    let object = named(list, Status::FUNCTION_NOT_SUPPORTED)?;
    let content = reader.expect(Tag(0x53)).map_err(|_| Status::WRONG_DATA)?;
    reader.end().map_err(|_| Status::WRONG_DATA)?;
    super::objects::put(object, content, memory)
}

fn manage(
    algorithm: u8,
    data: &[u8],
    memory: &Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
) -> Result<Response, Status> {
    let template = Template::parse(data).map_err(|_| Status::WRONG_DATA)?;
    // The default algorithm is triple DES, whatever the key is of.
    let algorithm = ManagementAlgorithm::from_byte(if algorithm == 0 { 0x03 } else { algorithm });
    let algorithm = algorithm.ok_or(Status::INCORRECT_P1_P2)?;
    authentication::management(Some(algorithm), &template, MANNERS, memory, volatile, random)
}

/// When a key may be used, as it was made.
fn policy(key: KeyReference, memory: &Memory) -> Result<u8, Status> {
    let usual = match key.access() {
        KeyUse::Free => 1,
        KeyUse::Pin => 2,
        KeyUse::PinAlways => 3,
    };
    Ok(applet(memory)?.policies.get(&(key as u8)).copied().unwrap_or(usual))
}

fn use_key(
    algorithm: u8,
    key: u8,
    data: &[u8],
    fresh: bool,
    memory: &Memory,
    volatile: &Volatile,
) -> Result<Response, Status> {
    let key = KeyReference::from_byte(key).ok_or(Status::INCORRECT_P1_P2)?;
    let granted = match policy(key, memory)? {
        1 => true,
        2 => volatile.verified,
        _ => volatile.verified && fresh,
    };
    if !granted {
        return Err(Status::SECURITY_NOT_SATISFIED);
    }
    let template = Template::parse(data).map_err(|_| Status::WRONG_DATA)?;
    let operation = Operation::of(&template).ok_or(Status::WRONG_DATA)?;
    let algorithm = Algorithm::from_byte(algorithm).ok_or(Status::INCORRECT_P1_P2)?;
    let pair = memory.keys.get(&(key as u8)).filter(|pair| pair.algorithm == algorithm as u8);
    let pair = pair.ok_or(Status::INCORRECT_P1_P2)?;
    match operation {
        // Hashes are known by their length: SHA-1, SHA-256, SHA-384.
        Operation::Block(hash) if !algorithm.is_rsa() && !matches!(hash.len(), 20 | 32 | 48) => Err(Status::WRONG_DATA),
        operation => keys::perform(pair, algorithm, operation),
    }
}

fn generate(key: u8, data: &[u8], memory: &mut Memory, volatile: &Volatile) -> Result<Response, Status> {
    let key = KeyReference::from_byte(key).ok_or(Status::INCORRECT_P1_P2)?;
    managed(volatile)?;
    let mut control = Reader::new(tlv::sole(data, Tag(0xAC)).map_err(|_| Status::WRONG_DATA)?);
    let mut algorithm = None;
    while let Some(element) = control.next().map_err(|_| Status::WRONG_DATA)? {
        match (element.tag, element.value) {
            (Tag(0x80), [byte]) => algorithm = Some(*byte),
            (Tag(0x81), _) => {}
            (Tag(0xAA | 0xAB), [_]) => policy_element(key, element.tag, element.value, memory)?,
            _ => return Err(Status::WRONG_DATA),
        }
    }
    let algorithm = algorithm.and_then(Algorithm::from_byte).filter(|algorithm| *algorithm != Algorithm::Rsa3072);
    let answer = keys::replace(key, algorithm.ok_or(Status::WRONG_DATA)?, memory)?;
    applet_mut(memory)?.imported.retain(|imported| *imported != key as u8);
    Ok(answer)
}

/// PIN policy (`AA`) and touch policy (`AB`): there is nothing to touch.
fn policy_element(key: KeyReference, tag: Tag, value: &[u8], memory: &mut Memory) -> Result<(), Status> {
    match (tag, value) {
        (Tag(0xAA), [0]) => drop(applet_mut(memory)?.policies.remove(&(key as u8))),
        (Tag(0xAA), [policy @ 1..=3]) => drop(applet_mut(memory)?.policies.insert(key as u8, *policy)),
        (Tag(0xAB), [0 | 1]) => {}
        _ => return Err(Status::FUNCTION_NOT_SUPPORTED),
    }
    Ok(())
}

fn import(algorithm: u8, key: u8, data: &[u8], memory: &mut Memory, volatile: &Volatile) -> Result<Response, Status> {
    managed(volatile)?;
    let key = KeyReference::from_byte(key).ok_or(Status::INCORRECT_P1_P2)?;
    let algorithm = Algorithm::from_byte(algorithm).ok_or(Status::INCORRECT_P1_P2)?;
    if algorithm.is_rsa() {
        return Err(Status::FUNCTION_NOT_SUPPORTED);
    }
    let mut reader = Reader::new(data);
    let mut scalar = None;
    while let Some(element) = reader.next().map_err(|_| Status::WRONG_DATA)? {
        match element.tag {
            Tag(0x06) => scalar = Some(Secret::from(element.value)),
            Tag(0xAA | 0xAB) => policy_element(key, element.tag, element.value, memory)?,
            _ => return Err(Status::WRONG_DATA),
        }
    }
    let pair = keys::from_scalar(algorithm, &scalar.ok_or(Status::WRONG_DATA)?)?;
    memory.keys.insert(key as u8, pair);
    let imported = &mut applet_mut(memory)?.imported;
    imported.retain(|before| *before != key as u8);
    imported.push(key as u8);
    Ok(Response::status(Status::OK))
}

fn set_management_key(data: &[u8], memory: &mut Memory, volatile: &Volatile) -> Result<Response, Status> {
    managed(volatile)?;
    let [algorithm, MANAGEMENT_KEY, length, key @ ..] = data else { return Err(Status::WRONG_DATA) };
    let algorithm = ManagementAlgorithm::from_byte(*algorithm).ok_or(Status::WRONG_DATA)?;
    let value = key.get(..usize::from(*length)).ok_or(Status::WRONG_DATA)?;
    memory.management_key = Some(ManagementKey::new(algorithm, value).ok_or(Status::WRONG_DATA)?);
    applet_mut(memory)?.defaults.management_key = false;
    Ok(Response::status(Status::OK))
}

/// Back to delivery; the serial number stays.
fn reset(memory: &mut Memory, volatile: &mut Volatile, random: &mut dyn Random) -> Result<Response, Status> {
    let blocked = |reference: &Option<Reference>| reference.as_ref().is_none_or(|reference| reference.tries == 0);
    if !(blocked(&memory.pin) && blocked(&memory.puk)) {
        return Err(Status::SECURITY_NOT_SATISFIED);
    }
    let PivApplet { serial, longest_object, .. } = *applet(memory)?;
    let mut fresh = delivered(longest_object, random).map_err(|_| Status::UNKNOWN_ERROR)?;
    applet_mut(&mut fresh)?.serial = serial;
    *memory = fresh;
    (volatile.verified, volatile.managed) = (false, false);
    Ok(Response::status(Status::OK))
}

fn metadata(key: u8, memory: &Memory) -> Result<Response, Status> {
    let PivApplet { imported, defaults, .. } = applet(memory)?;
    let mut writer = Writer::new();
    if let PIN | PUK = key {
        let (reference, known) = if key == PIN { (&memory.pin, defaults.pin) } else { (&memory.puk, defaults.puk) };
        let (limit, tries) = reference.as_ref().map_or((0, 0), |reference| (reference.limit, reference.tries));
        writer.put(Tag(0x05), [u8::from(known)]).put(Tag(0x06), [limit, tries]);
        return Ok(Response::ok(writer.finish()));
    }
    if key == MANAGEMENT_KEY {
        let algorithm = memory.management_key.as_ref().map_or(0, |key| key.algorithm);
        writer.put(Tag(0x01), [algorithm]).put(Tag(0x05), [u8::from(defaults.management_key)]);
        writer.put(Tag(0x02), [0x01, 0x01]).put(Tag(0x03), [0x00]);
        return Ok(Response::ok(writer.finish()));
    }
    let key = KeyReference::from_byte(key).ok_or(Status::INCORRECT_P1_P2)?;
    let pair = memory.keys.get(&(key as u8));
    if let Some(pair) = pair {
        writer.put(Tag(0x01), [pair.algorithm]);
    }
    writer.put(Tag(0x02), [policy(key, memory)?, 0x01]);
    writer.put(Tag(0x03), [u8::from(imported.contains(&(key as u8)))]);
    if let Some(pair) = pair {
        let public = keys::public(pair)?.to_bytes();
        let inside = tlv::sole(&public, Tag(0x7F49)).map_err(|_| Status::UNKNOWN_ERROR)?;
        writer.put(Tag(0x04), inside);
    }
    Ok(Response::ok(writer.finish()))
}
