//! INITIALIZE UPDATE and EXTERNAL AUTHENTICATE: SCP03 with a pseudo-random card challenge (GPCS D §7.1).
//!
//! Ten failed host authentications in a row block the domain (`6983`). Both counters are programmed before the
//! answer leaves the card, so pulling the card out does not win a try, and no challenge is ever given twice.

use channel::random::Random;
use channel::scp03::{CardChallenge, Offer};
use iso7816::{Aid, Command as Apdu, Response, Status};

use super::state::{ChallengeKind, MAX_FAILED_AUTHENTICATIONS, Memory, Volatile};

/// The highest value of the sequence counter; keys that reached it are used up.
const LAST_SEQUENCE: u32 = 0xFF_FFFF;

/// Begins a channel on `application` with the keys of `version`, or of the lowest version for 0.
pub(super) fn initialize(
    version: u8,
    application: &Aid,
    apdu: &Apdu,
    memory: &mut Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
) -> Result<Response, Status> {
    *volatile = Volatile::default();
    if memory.failed_authentications >= MAX_FAILED_AUTHENTICATIONS {
        return Err(Status::METHOD_BLOCKED);
    }
    let diversification = diversification(memory);
    let found = memory.keys.iter_mut().find(|(stored, _)| version == 0 || **stored == version);
    let (key_version, set) = found.ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
    if set.sequence >= LAST_SEQUENCE {
        return Err(Status::REFERENCE_DATA_NOT_USABLE);
    }
    set.sequence += 1;
    let [_, sequence_counter @ ..] = set.sequence.to_be_bytes();
    let challenge = match memory.secure_channel.challenge {
        ChallengeKind::PseudoRandom => CardChallenge::PseudoRandom { sequence_counter, aid: application.clone() },
        ChallengeKind::Random => CardChallenge::Random,
    };
    let offer = Offer {
        keys: &set.keys(),
        key_version: *key_version,
        diversification,
        challenge,
        size: memory.secure_channel.size(),
        counted: memory.secure_channel.counted(),
    };
    volatile.channel.initialize_update(&offer, &apdu.data, random).map(Response::ok)
}

/// Judges the host's cryptogram; a failure is counted.
pub(super) fn authenticate(apdu: &Apdu, memory: &mut Memory, volatile: &mut Volatile) -> Result<Response, Status> {
    if memory.failed_authentications >= MAX_FAILED_AUTHENTICATIONS {
        return Err(Status::METHOD_BLOCKED);
    }
    match volatile.channel.external_authenticate(apdu) {
        Ok(_) => {
            memory.failed_authentications = 0;
            Ok(Response::status(Status::OK))
        }
        Err(status) => {
            // A command out of order or of a wrong form tries no key.
            if matches!(status, Status::SECURITY_NOT_SATISFIED | Status::AUTHENTICATION_FAILED) {
                memory.failed_authentications += 1;
            }
            *volatile = Volatile::default();
            Err(status)
        }
    }
}

/// Key diversification data, unique to the chip: IC fabricator, fabrication date, serial number and batch of the CPLC.
pub(super) fn diversification(memory: &Memory) -> [u8; 10] {
    let mut bytes = [0; 10];
    let fields = memory.cplc.iter().take(2).chain(memory.cplc.iter().skip(10).take(8));
    bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = *from);
    bytes
}
