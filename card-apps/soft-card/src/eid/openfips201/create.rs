//! PUT DATA of OpenFIPS201's administrator: objects and keys are created before they are filled.

use eid::keys::{Algorithm, KeyReference};
use iso7816::tlv::{self, Reader, Tag};
use iso7816::{Response, Status};

use super::{DATA_INVALID, applet_mut};
use crate::eid::applet::{CreatedKey, Modes};
use crate::eid::state::Memory;

/// Status words that no standard has.
const ID_MISSING: Status = Status(0x6E15);
const ID_LENGTH: Status = Status(0x6E16);
const CONTACT_MISSING: Status = Status(0x6E17);
const CONTACTLESS_MISSING: Status = Status(0x6E1A);
const MECHANISM_MISSING: Status = Status(0x6E1E);
const ROLE_MISSING: Status = Status(0x6E20);
const ATTRIBUTE_MISSING: Status = Status(0x6E22);
const UNKNOWN_OPERATION: Status = Status(0x6E14);
const EXISTS: Status = Status(0x6E27);

/// PUT DATA of the administrator: one request or several. Those before a refused one stay done.
pub(super) fn create(data: &[u8], memory: &mut Memory) -> Result<Response, Status> {
    let requests = tlv::sole(data, Tag(0x6A)).unwrap_or(data);
    let mut reader = Reader::new(requests);
    while let Some(request) = reader.next().map_err(|_| DATA_INVALID)? {
        let fields = &mut Reader::new(request.value);
        match request.tag {
            Tag(0x64) => create_object(fields, memory)?,
            Tag(0x66) => create_key(fields, memory)?,
            // To delete is not written yet; the configuration is not in this persona.
            Tag(0x65 | 0x67 | 0x68) => return Err(Status::FUNCTION_NOT_SUPPORTED),
            tag if !tag.is_constructed() => return Err(DATA_INVALID),
            _ => return Err(UNKNOWN_OPERATION),
        }
    }
    Ok(Response::status(Status::OK))
}

/// One byte that must come next.
fn byte(fields: &mut Reader<'_>, tag: u32, missing: Status) -> Result<u8, Status> {
    match fields.optional(Tag(tag)).ok().flatten().ok_or(missing)? {
        [byte] => Ok(*byte),
        // The status words for a wrong length follow those for an absent field.
        _ => Err(Status(missing.0 + 1)),
    }
}

fn modes(fields: &mut Reader<'_>) -> Result<Modes, Status> {
    let contact = byte(fields, 0x8C, CONTACT_MISSING)?;
    let contactless = byte(fields, 0x8D, CONTACTLESS_MISSING)?;
    let _admin_key = fields.optional(Tag(0x91)).map_err(|_| DATA_INVALID)?;
    Ok(Modes { contact, contactless })
}

fn create_object(fields: &mut Reader<'_>, memory: &mut Memory) -> Result<(), Status> {
    let id = fields.optional(Tag(0x8B)).ok().flatten().ok_or(ID_MISSING)?;
    let ([id] | [_, id] | [_, _, id]) = id else { return Err(ID_LENGTH) };
    let modes = modes(fields)?;
    let objects = &mut applet_mut(memory)?.objects;
    if objects.contains_key(id) {
        return Err(EXISTS);
    }
    objects.insert(*id, modes);
    Ok(())
}

fn create_key(fields: &mut Reader<'_>, memory: &mut Memory) -> Result<(), Status> {
    let key = byte(fields, 0x8B, ID_MISSING)?;
    let modes = modes(fields)?;
    let mechanism = byte(fields, 0x8E, MECHANISM_MISSING)?;
    let served = Algorithm::from_byte(mechanism).filter(|algorithm| *algorithm != Algorithm::Rsa3072);
    let (Some(_), Some(_)) = (served, KeyReference::from_byte(key)) else {
        return Err(Status::FUNCTION_NOT_SUPPORTED);
    };
    let role = byte(fields, 0x8F, ROLE_MISSING)?;
    byte(fields, 0x90, ATTRIBUTE_MISSING)?;
    let keys = &mut applet_mut(memory)?.keys;
    if keys.contains_key(&key) {
        return Err(EXISTS);
    }
    keys.insert(key, CreatedKey { modes, mechanism, role });
    Ok(())
}
