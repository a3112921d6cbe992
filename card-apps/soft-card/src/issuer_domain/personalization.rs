//! INSTALL [for personalization] and STORE DATA (GPCS 2.3.1 §11.5, §11.11; EMV CPS 1.1).
//!
//! Blocks are numbered from 0, modulo 256. Without INSTALL they belong to the issuer domain and hold its own
//! data objects (`42`, `45`), as BER-TLV or in whole data groupings; after it they hold the eMRTD application's data groupings, which may span blocks. A data grouping
//! lies in blocks of one kind, plain or encrypted. Any fault ends the personalization: it starts again with INSTALL.

use channel::scp03::ChipChannel;
use iso7816::tlv::Reader;
use iso7816::{Aid, Response, Status};
use lds::globalplatform::dgi::{DOMAIN_DATA, TERMINAL_TRUST};
use lds::globalplatform::production::{MAX_BINDING, TAG_CARD_IMAGE_NUMBER, TAG_ISSUER_IDENTIFICATION};
use lds::globalplatform::{Dgi, DgiReader, StoreData, StoreDataEncryption, StoreDataStructure};

use super::state::{Memory, Volatile};
use crate::emrtd;
use crate::persistence::State;

/// Where the blocks of STORE DATA go.
pub(super) enum Target {
    /// To the issuer domain itself.
    IssuerDomain {
        /// The block number that must come.
        next: u8,
    },
    /// To the eMRTD application.
    Emrtd {
        /// The block number that must come.
        next: u8,
        /// Whether the blocks of the present run are encrypted.
        encrypted: bool,
        /// Data groupings that are not complete yet.
        pending: DgiReader,
    },
}

/// Opens the application for its data; what an earlier, unfinished personalization left is erased.
pub(super) fn install(aid: &Aid, state: &mut State, volatile: &mut Volatile) -> Result<Response, Status> {
    if *aid != Aid::emrtd() {
        return Err(Status::REFERENCED_DATA_NOT_FOUND);
    }
    if state.jmrtd.is_some() {
        // An applet that takes no data through its domain.
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    emrtd::personalization::begin(&mut state.emrtd)?;
    volatile.personalization = Some(Target::Emrtd { next: 0, encrypted: false, pending: DgiReader::new() });
    // One byte of data: no confirmation follows (GPCS §11.5.3).
    Ok(Response::ok([0x00]))
}

/// Takes one block. The target is forgotten after the last block and after a fault.
pub(super) fn store(
    block: StoreData,
    number: u8,
    data: &[u8],
    state: &mut State,
    volatile: &mut Volatile,
) -> Result<Response, Status> {
    let target = volatile.personalization.take().unwrap_or(Target::IssuerDomain { next: 0 });
    let target = match target {
        Target::IssuerDomain { next } => {
            in_order(next, number)?;
            own(block, data, &volatile.channel, &mut state.issuer_domain)?;
            Target::IssuerDomain { next: next.wrapping_add(1) }
        }
        Target::Emrtd { next, encrypted, mut pending } => {
            in_order(next, number)?;
            emrtd::personalization::writable(&state.emrtd)?;
            let encrypted = run(block, encrypted, &pending)?;
            pending.push(data);
            while let Some(dgi) = pending.pop() {
                emrtd_value(&dgi, encrypted, &volatile.channel, &mut state.emrtd)?;
            }
            if block.last {
                pending.end().map_err(|_| Status::WRONG_DATA)?;
                emrtd::personalization::complete(&mut state.emrtd);
            }
            Target::Emrtd { next: next.wrapping_add(1), encrypted, pending }
        }
    };
    volatile.personalization = (!block.last).then_some(target);
    Ok(Response::status(Status::OK))
}

fn in_order(expected: u8, number: u8) -> Result<(), Status> {
    if number == expected { Ok(()) } else { Err(Status::INCORRECT_P1_P2) }
}

/// Whether this block is encrypted; the kind may change only between data groupings.
fn run(block: StoreData, before: bool, pending: &DgiReader) -> Result<bool, Status> {
    if block.structure != StoreDataStructure::Dgi {
        return Err(Status::WRONG_DATA);
    }
    let encrypted = match block.encryption {
        StoreDataEncryption::Plain => false,
        StoreDataEncryption::Encrypted => true,
        StoreDataEncryption::ApplicationDependent => return Err(Status::WRONG_DATA),
    };
    if encrypted != before && pending.end().is_err() {
        return Err(Status::WRONG_DATA);
    }
    Ok(encrypted)
}

/// Hands one data grouping to the application, deciphered.
fn emrtd_value(dgi: &Dgi, encrypted: bool, channel: &ChipChannel, memory: &mut emrtd::Memory) -> Result<(), Status> {
    if !encrypted && dgi.id == TERMINAL_TRUST {
        return emrtd::personalization::store_terminal_trust(&dgi.value, memory);
    }
    if !encrypted {
        return emrtd::personalization::store_file(dgi.id, &dgi.value, memory);
    }
    let value = channel.decrypt_dek(&dgi.value)?;
    emrtd::personalization::store_secret(dgi.id, value.expose(), memory)
}

/// A block for the issuer domain itself: its data objects as they are, or in data groupings `0070`, plain or encrypted.
fn own(block: StoreData, data: &[u8], channel: &ChipChannel, memory: &mut Memory) -> Result<(), Status> {
    match (block.structure, block.encryption) {
        (StoreDataStructure::BerTlv, StoreDataEncryption::Plain) => own_objects(data, memory),
        (StoreDataStructure::Dgi, StoreDataEncryption::Plain | StoreDataEncryption::Encrypted) => {
            for dgi in Dgi::parse_all(data).map_err(|_| Status::WRONG_DATA)? {
                if dgi.id != DOMAIN_DATA {
                    return Err(Status::REFERENCED_DATA_NOT_FOUND);
                }
                match block.encryption {
                    StoreDataEncryption::Encrypted => own_objects(channel.decrypt_dek(&dgi.value)?.expose(), memory)?,
                    _ => own_objects(&dgi.value, memory)?,
                }
            }
            Ok(())
        }
        _ => Err(Status::WRONG_DATA),
    }
}

/// Issuer identification and card image number.
///
/// Each is written once; the same value again is accepted, so a host may repeat a step whose answer it never saw,
/// and no chip changes from one document to another.
fn own_objects(data: &[u8], memory: &mut Memory) -> Result<(), Status> {
    let mut reader = Reader::new(data);
    while let Some(object) = reader.next().map_err(|_| Status::WRONG_DATA)? {
        let place = match object.tag {
            TAG_CARD_IMAGE_NUMBER => &mut memory.card_image_number,
            TAG_ISSUER_IDENTIFICATION => &mut memory.issuer_identification,
            _ => return Err(Status::REFERENCED_DATA_NOT_FOUND),
        };
        if object.value.is_empty() || object.value.len() > MAX_BINDING {
            return Err(Status::WRONG_DATA);
        }
        match place {
            Some(there) if there.as_slice() != object.value => return Err(Status::CONDITIONS_NOT_SATISFIED),
            _ => *place = Some(object.value.to_vec()),
        }
    }
    Ok(())
}
