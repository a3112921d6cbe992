//! OpenFIPS201 as it answers (`makinako/OpenFIPS201`, version 1.10.0): a PIV card that is empty until its issuer, inside a
//! secure channel opened on it, has created every object and every key.
//!
//! ```text
//! 00 DB 3F 00   64 { 8B tag (1 to 3 bytes)  8C contact  8D contactless [91 admin key] }                 create object
//!               66 { 8B key  8C contact  8D contactless [91] 8E mechanism  8F role  90 attribute }      create key
//!               6A { several of them }
//! 00 24 FF 80   PIN   | 81 PUK                                                                          set, without the old one
//! 00 CB 3F 00   5C 2F4756                                                                               version
//! ```
//!
//! Modes: 00 never, 01 after the PIN, 02 right after the PIN, 7F always. The channel must encipher commands; else its
//! commands count as plain ones. It has no key of its own: the keys are those of the security domain. At delivery PIN and
//! PUK are random, so nobody has them. Not here: symmetric keys (`6A81`), a second mechanism for one key
//! reference (`6E27`), the configuration (`6A81`), the import of keys (`6A88`). A chained PUT DATA is carried out with its last link;
//! the program itself writes link by link.

mod create;
mod references;

use channel::random::{Random, RandomError};
use channel::secret::Secret;
use eid::PIV_AID;
use eid::authentication::{INS_GENERAL_AUTHENTICATE, Template};
use eid::keys::{self as language, Algorithm, INS_GENERATE, KeyReference};
use eid::objects::{INS_GET_DATA, INS_PUT_DATA, MAX_CONTENT};
use eid::pin::{INS_CHANGE_REFERENCE_DATA, INS_RESET_RETRY_COUNTER, INS_VERIFY, LENGTH, PIN, PUK, SET};
use iso7816::tlv::{self, Reader, Tag, Writer};
use iso7816::{Command as Apdu, Response, Status};

use super::Program;
use super::applet::{Applet, CreatedKey, OpenFips201};
use super::keys::{self, Operation};
use super::state::{MAX_CONTENTS, Memory, Reference, Volatile};
use create::create;
use references::{change, set, unblock, verify};

const PIN_TRIES: u8 = 6;
const PUK_TRIES: u8 = 10;
const VERSION: [u8; 3] = [1, 10, 0];
const NAME: &str = "OpenFIPS201";
const LOCATION: &str = "http://nvlpubs.nist.gov/nistpubs/SpecialPublications/NIST.SP.800-73-4.pdf";
const ALGORITHMS: [u8; 9] = [0x00, 0x03, 0x08, 0x0A, 0x0C, 0x06, 0x07, 0x11, 0x14];

const ALWAYS: u8 = 0x7F;
const AFTER_PIN: u8 = 0x01;
const RIGHT_AFTER_PIN: u8 = 0x02;
const ROLE_ESTABLISH: u8 = 0x02;
const ROLE_SIGN: u8 = 0x04;

/// Status words that no standard has.
const DATA_INVALID: Status = Status(0x6984);

/// What the program holds after its installation.
pub(super) fn delivered(random: &mut dyn Random) -> Result<Memory, RandomError> {
    // No digits: no PIN that a host may send is one of these.
    let mut nobodys = |limit| {
        let mut value = [0; LENGTH];
        let [_, rest @ ..] = &mut value;
        random.fill(rest)?;
        Ok(Reference::new(&Secret::from(&value[..]), limit))
    };
    Ok(Memory {
        objects: Default::default(),
        pin: Some(nobodys(PIN_TRIES)?),
        transport: false,
        puk: Some(nobodys(PUK_TRIES)?),
        management_key: None,
        keys: Default::default(),
        applet: Applet::Openfips201(OpenFips201::default()),
        life_cycles: None,
    })
}

pub(super) fn is_possible(applet: &OpenFips201) -> bool {
    let known = |(key, created): (&u8, &CreatedKey)| {
        KeyReference::from_byte(*key).is_some() && Algorithm::from_byte(created.mechanism).is_some()
    };
    applet.keys.iter().all(known)
}

/// True for the tags that an object may have.
pub(super) fn is_tag(tag: u32) -> bool {
    matches!(tag, 0x7E | 0x7F61 | 0x5F_C100..=0x5F_C1FF)
}

/// The program knows objects by the last byte of their tags.
fn tag_of(id: u8) -> u32 {
    match id {
        0x7E => 0x7E,
        0x61 => 0x7F61,
        id => 0x5F_C100 | u32::from(id),
    }
}

/// The answer to SELECT.
pub(super) fn property_template() -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(Tag(0x61), |inside| {
        inside.put(Tag(0x4F), PIV_AID).nest(Tag(0x79), |authority| {
            authority.put(Tag(0x4F), PIV_AID.get(..5).unwrap_or_default());
        });
        inside.put(Tag(0x50), NAME).put(Tag(0x5F50), LOCATION).nest(Tag(0xAC), |template| {
            for algorithm in ALGORITHMS {
                template.put(Tag(0x80), [algorithm]);
            }
            template.put(Tag(0x06), [0x00]);
        });
    });
    writer.finish()
}

/// Carries out a whole command; `secure` says that it came enciphered out of the issuer's channel.
pub(super) fn execute(
    apdu: &Apdu,
    secure: bool,
    memory: &mut Memory,
    volatile: &mut Volatile,
    program: &mut Program<'_>,
) -> Result<Response, Status> {
    let fresh = std::mem::take(&mut volatile.fresh);
    if apdu.ins != super::INS_GET_RESPONSE {
        volatile.forget_answer();
    }
    let data = apdu.data.as_slice();
    match (apdu.ins, apdu.p1, apdu.p2) {
        (INS_GET_DATA, 0x3F, 0xFF) => get(data, fresh, memory, volatile),
        (INS_GET_DATA, 0x3F, 0x00) => about(data),
        (INS_PUT_DATA, 0x3F, 0xFF) => put(data, secure, memory),
        (INS_PUT_DATA, 0x3F, 0x00) => issuer_s(secure).and_then(|()| create(data, memory)),
        (INS_VERIFY, 0x00 | 0xFF, PIN) => verify(apdu.p1, data, memory, volatile, program),
        (INS_CHANGE_REFERENCE_DATA, 0x00, PIN | PUK) => change(apdu.p2, data, memory, volatile, program),
        (INS_CHANGE_REFERENCE_DATA, SET, PIN | PUK) => {
            issuer_s(secure).and_then(|()| set(apdu.p2, data, memory, volatile))
        }
        (INS_CHANGE_REFERENCE_DATA, 0x01..=SET, _) => issuer_s(secure).and(Err(Status::REFERENCED_DATA_NOT_FOUND)),
        (INS_RESET_RETRY_COUNTER, 0x00, PIN) => unblock(data, memory, volatile, program),
        (INS_VERIFY | INS_CHANGE_REFERENCE_DATA | INS_RESET_RETRY_COUNTER, 0x00 | 0xFF, _) => {
            Err(Status::REFERENCED_DATA_NOT_FOUND)
        }
        (INS_GENERATE, 0x00, key) => generate(key, data, secure, memory),
        (INS_GENERAL_AUTHENTICATE, mechanism, key) => use_key(mechanism, key, data, fresh, memory, volatile),
        (super::INS_GET_RESPONSE, ..) => volatile.next_answer(apdu.ne),
        (INS_GET_DATA | INS_PUT_DATA | INS_VERIFY | INS_RESET_RETRY_COUNTER | INS_GENERATE, ..) => {
            Err(Status::INCORRECT_P1_P2)
        }
        _ => Err(Status::INSTRUCTION_NOT_SUPPORTED),
    }
}

fn applet(memory: &Memory) -> Result<&OpenFips201, Status> {
    match &memory.applet {
        Applet::Openfips201(applet) => Ok(applet),
        _ => Err(Status::UNKNOWN_ERROR),
    }
}

fn applet_mut(memory: &mut Memory) -> Result<&mut OpenFips201, Status> {
    match &mut memory.applet {
        Applet::Openfips201(applet) => Ok(applet),
        _ => Err(Status::UNKNOWN_ERROR),
    }
}

fn issuer_s(secure: bool) -> Result<(), Status> {
    if secure { Ok(()) } else { Err(Status::SECURITY_NOT_SATISFIED) }
}

/// Whether a mode admits; the channel of the issuer does not count here.
fn admits(mode: u8, fresh: bool, volatile: &Volatile) -> bool {
    let after_pin = mode & (AFTER_PIN | RIGHT_AFTER_PIN) != 0 && volatile.verified;
    mode == ALWAYS || (after_pin && (mode & RIGHT_AFTER_PIN == 0 || fresh))
}

/// The object that a tag list names.
fn named(list: &[u8]) -> Result<u8, Status> {
    match list {
        [0x7E] => Ok(0x7E),
        [0x7F, 0x61] => Ok(0x61),
        [0x5F, 0xC1, id] => Ok(*id),
        [_] | [_, _] | [_, _, _] => Err(Status::FILE_NOT_FOUND),
        _ => Err(Status::WRONG_DATA),
    }
}

fn get(data: &[u8], fresh: bool, memory: &Memory, volatile: &Volatile) -> Result<Response, Status> {
    let list = tlv::sole(data, Tag(0x5C)).map_err(|_| Status::WRONG_DATA)?;
    let id = named(list)?;
    let modes = applet(memory)?.objects.get(&id).ok_or(Status::FILE_NOT_FOUND)?;
    if !admits(modes.contact, fresh, volatile) {
        return Err(Status::SECURITY_NOT_SATISFIED);
    }
    let tag = tag_of(id);
    if tag == 0x7E {
        // It is made anew each time: the program's own PIN and no other, and it is preferred.
        let discovery = eid::discovery::Discovery { application: PIV_AID.to_vec(), policy: [0x40, 0x10] };
        return Ok(Response::ok(tlv::encode(Tag(0x7E), discovery.to_bytes())));
    }
    let content = memory.objects.get(&tag).ok_or(Status::FILE_NOT_FOUND)?;
    Ok(Response::ok(tlv::encode(outer(tag), content)))
}

fn outer(tag: u32) -> Tag {
    if tag > 0xFFFF { Tag(0x53) } else { Tag(tag) }
}

/// Version of the program.
fn about(data: &[u8]) -> Result<Response, Status> {
    let list = tlv::sole(data, Tag(0x5C)).map_err(|_| Status::WRONG_DATA)?;
    let [0x2F, b'G', b'V'] = list else { return Err(Status::FILE_NOT_FOUND) };
    let [major, minor, revision] = VERSION;
    let mut writer = Writer::new();
    writer.nest(Tag(0x53), |inside| {
        inside.put(Tag(0x80), NAME).put(Tag(0x81), [major]).put(Tag(0x82), [minor]).put(Tag(0x83), [revision]);
        inside.put(Tag(0x84), [0x00]).put(Tag(0x85), [0x00]);
    });
    Ok(Response::ok(writer.finish()))
}

fn put(data: &[u8], secure: bool, memory: &mut Memory) -> Result<Response, Status> {
    let mut reader = Reader::new(data);
    let listed = reader.optional(Tag(0x5C)).map_err(|_| Status::WRONG_DATA)?;
    let value = reader.next().ok().flatten().ok_or(Status::WRONG_DATA)?;
    let id = match (listed, value.tag) {
        (Some([0x5F, 0xC1, id]), Tag(0x53)) => *id,
        (Some([_, _, _]), Tag(0x53)) => return Err(Status::FILE_NOT_FOUND),
        (None, Tag(0x7E)) => 0x7E,
        (None, Tag(0x7F61)) => 0x61,
        (Some([_, _, _]) | None, _) => return Err(Status::WRONG_DATA),
        (Some(_), _) => return Err(Status::REFERENCED_DATA_NOT_FOUND),
    };
    if !applet(memory)?.objects.contains_key(&id) {
        return Err(Status::FILE_NOT_FOUND);
    }
    issuer_s(secure)?;
    reader.end().map_err(|_| Status::WRONG_DATA)?;
    let (tag, content) = (tag_of(id), value.value);
    let before = memory.objects.get(&tag).map_or(0, Vec::len);
    if content.len() > MAX_CONTENT || memory.size() - before + content.len() > MAX_CONTENTS {
        return Err(Status::NOT_ENOUGH_MEMORY);
    }
    if content.is_empty() {
        memory.objects.remove(&tag);
    } else {
        memory.objects.insert(tag, content.to_vec());
    }
    Ok(Response::status(Status::OK))
}

fn generate(key: u8, data: &[u8], secure: bool, memory: &mut Memory) -> Result<Response, Status> {
    let mechanism = language::parse_generate(data);
    let created = applet(memory)?.keys.get(&key).copied().ok_or(Status::INCORRECT_P1_P2)?;
    let reference = KeyReference::from_byte(key).ok_or(Status::INCORRECT_P1_P2)?;
    let mechanism = mechanism.map_err(|_| Status::WRONG_DATA)?;
    if mechanism as u8 != created.mechanism {
        return Err(Status::WRONG_DATA);
    }
    issuer_s(secure)?;
    keys::replace(reference, mechanism, memory)
}

fn use_key(
    mechanism: u8,
    key: u8,
    data: &[u8],
    fresh: bool,
    memory: &Memory,
    volatile: &Volatile,
) -> Result<Response, Status> {
    let created = applet(memory)?.keys.get(&key).filter(|created| created.mechanism == mechanism);
    let created = created.ok_or(Status::INCORRECT_P1_P2)?;
    if !admits(created.modes.contact, fresh, volatile) {
        return Err(Status::SECURITY_NOT_SATISFIED);
    }
    let pair = memory.keys.get(&key).ok_or(Status::INCORRECT_P1_P2)?;
    let algorithm = Algorithm::from_byte(mechanism).ok_or(Status::INCORRECT_P1_P2)?;
    let template = Template::parse(data).map_err(|_| DATA_INVALID)?;
    match Operation::of(&template) {
        Some(Operation::Block(block)) if created.role & ROLE_SIGN != 0 => {
            // A hash must be as long as the curve's field, a block as the modulus.
            let whole = block.len() == algorithm.width();
            if whole { keys::perform(pair, algorithm, Operation::Block(block)) } else { Err(Status::WRONG_DATA) }
        }
        Some(Operation::Block(block)) if created.role & ROLE_ESTABLISH != 0 && algorithm.is_rsa() => {
            keys::perform(pair, algorithm, Operation::Block(block))
        }
        Some(Operation::Point(_)) if algorithm.is_rsa() => Err(Status::INCORRECT_P1_P2),
        Some(Operation::Point(_)) if created.role & ROLE_ESTABLISH == 0 => Err(Status::SECURITY_NOT_SATISFIED),
        Some(Operation::Point(point)) => keys::perform(pair, algorithm, Operation::Point(point)),
        _ => Err(Status::WRONG_DATA),
    }
}
