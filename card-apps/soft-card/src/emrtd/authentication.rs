//! Basic Access Control, PACE, Chip and Active Authentication (9303-11 §4.3, §4.4, §6.1, §6.2): what this card offers to each.

use channel::chip_auth::{ChipAuthSuite, KeyAgreement};
use channel::hash::Hash;
use channel::pace::{self, PaceStep, Suite};
use channel::password::{MrzKey, Password};
use channel::random::Random;
use channel::role::Chip;
use channel::sm::Session;
use channel::suite::Cipher;
use channel::{active_auth, chip_auth};
use iso7816::{Response, Status, tlv};
use lds::files::{self, EF_CARD_ACCESS};
use lds::security_infos::{SecurityInfo, SecurityInfos};

use super::state::{Memory, Proved, Volatile};

/// The longest data of a step of PACE: a key of 2048 bits and its heads, with room to spare.
const LONGEST_STEP: usize = 512;
/// What MSE:Set KAT stands for.
const KAT_SUITES: [ChipAuthSuite; 2] = [
    ChipAuthSuite { agreement: KeyAgreement::Dh, cipher: Cipher::TripleDes },
    ChipAuthSuite { agreement: KeyAgreement::Ecdh, cipher: Cipher::TripleDes },
];

/// EXTERNAL AUTHENTICATE: the answer goes out bare, then secure messaging begins.
pub(super) fn basic_access(
    data: &[u8],
    memory: &Memory,
    volatile: &mut Volatile,
    random: &mut dyn Random,
) -> Result<Response, Status> {
    let key = mrz_key(memory).ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
    let (answer, session) = volatile.bac.external_authenticate(data, &key, random)?;
    volatile.session = Some(session);
    Ok(Response::ok(answer))
}

/// MSE:Set AT for PACE with a suite that EF.CardAccess announces.
pub(super) fn set_pace(data: &[u8], memory: &Memory, volatile: &mut Volatile) -> Result<Response, Status> {
    let suites = suites(memory);
    if suites.is_empty() {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    let passwords = passwords(memory);
    let chip_keys =
        memory.mapping_key.as_ref().map_or_else(|| chip_keys(memory), |key| key.key().into_iter().collect());
    volatile.pace.set_at(data, &pace::Offer { suites: &suites, passwords: &passwords, chip_keys: &chip_keys })?;
    Ok(Response::status(Status::OK))
}

/// MSE:Set AT for Chip Authentication.
pub(super) fn set_chip(data: &[u8], memory: &Memory, volatile: &mut Volatile) -> Result<Response, Status> {
    let named = tlv::find(data, tlv::Tag(0x80)).ok().flatten().ok_or(Status::WRONG_DATA)?;
    if !announces(named, memory) {
        return Err(Status::WRONG_DATA);
    }
    volatile.chip_authentication.set_at(data, &chip_keys(memory))?;
    Ok(Response::status(Status::OK))
}

/// MSE:Set KAT: Chip Authentication with 3DES, all in one command.
pub(super) fn agree_key(data: &[u8], memory: &Memory, volatile: &mut Volatile) -> Result<Response, Status> {
    if !KAT_SUITES.iter().any(|suite| announces(&suite.oid(), memory)) {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    let session = volatile.chip_authentication.set_kat(data, &chip_keys(memory))?;
    succeed(session, volatile);
    Ok(Response::status(Status::OK))
}

/// INTERNAL AUTHENTICATE: the chip signs the challenge. A signature longer than the answer has room for is `6700`.
pub(super) fn active(data: &[u8], capacity: u32, memory: &Memory, random: &mut dyn Random) -> Result<Response, Status> {
    let announced = security_options(memory).iter().flat_map(SecurityInfos::infos).find_map(|info| match info {
        SecurityInfo::ActiveAuthentication { signature, .. } => active_auth::announced_hash(signature),
        _ => None,
    });
    let key = memory.active_key.as_ref().and_then(|key| key.key(announced.unwrap_or(Hash::Sha256)));
    let signature = key.ok_or(Status::CONDITIONS_NOT_SATISFIED)?.internal_authenticate(data, random)?;
    if signature.len() > capacity as usize { Err(Status::WRONG_LENGTH) } else { Ok(Response::ok(signature)) }
}

/// GENERAL AUTHENTICATE in a session: the end of Chip Authentication.
pub(super) fn chip(data: &[u8], memory: &Memory, volatile: &mut Volatile) -> Result<Response, Status> {
    let (answer, session) = volatile.chip_authentication.general_authenticate(data, &chip_keys(memory))?;
    succeed(session, volatile);
    Ok(Response::ok(answer))
}

/// GENERAL AUTHENTICATE without a session: a step of PACE.
pub(super) fn pace(
    chaining: bool,
    data: &[u8],
    volatile: &mut Volatile,
    random: &mut dyn Random,
) -> Result<Response, Status> {
    let mut whole = std::mem::take(&mut volatile.links);
    whole.extend_from_slice(data);
    if chaining && goes_on(&whole) {
        volatile.links = whole;
        return Ok(Response::status(Status::OK));
    }
    match volatile.pace.general_authenticate(chaining, &whole, random)? {
        PaceStep::Continue(answer) => Ok(Response::ok(answer)),
        PaceStep::Done(answer, session) => {
            volatile.session = Some(session);
            volatile.proved = Proved { identity: volatile.pace.identity().map(<[u8]>::to_vec), ..Proved::default() };
            Ok(Response::ok(answer))
        }
    }
}

/// Chip Authentication has made a session, which begins after this answer: the terminal may authenticate in it. What a terminal
/// proved before is over.
fn succeed(session: Session<Chip>, volatile: &mut Volatile) {
    let terminal_key = volatile.chip_authentication.terminal_key().map(<[u8]>::to_vec);
    volatile.successor = Some(session);
    volatile.proved = Proved { identity: volatile.proved.identity.take(), terminal_key, ..Proved::default() };
}

/// Whether more links of one command follow. Bit 5 of the class cannot say so, as it also stands in every step but the last
/// (9303-11 §4.4.4.2): what is not yet as long as its own length says is not whole.
fn goes_on(links: &[u8]) -> bool {
    tlv::total_length(links).is_ok_and(|total| (links.len() + 1..=LONGEST_STEP).contains(&total))
}

fn mrz_key(memory: &Memory) -> Option<MrzKey> {
    let information = std::str::from_utf8(memory.mrz_information.as_ref()?.expose()).ok()?;
    Some(MrzKey::from_information(information))
}

fn passwords(memory: &Memory) -> Vec<Password> {
    let mrz = mrz_key(memory).map(Password::Mrz);
    let can = memory.card_access_number.clone().map(Password::Can);
    mrz.into_iter().chain(can).collect()
}

/// The suites of EF.CardAccess that this card can do.
fn suites(memory: &Memory) -> Vec<Suite> {
    let infos = memory.files.get(&EF_CARD_ACCESS.id).and_then(|file| SecurityInfos::parse(file).ok());
    let suite = |info: &SecurityInfo| match info {
        SecurityInfo::Pace { oid, parameter_id: Some(parameter_id), .. } => Suite::from_info(oid, *parameter_id),
        _ => None,
    };
    infos.iter().flat_map(|infos| infos.infos()).filter_map(suite).collect()
}

/// True when DG14 announces Chip Authentication by this protocol. A key alone, without ChipAuthenticationInfo,
/// stands for 3DES (9303-11 §9.2.5).
fn announces(protocol: &[u8], memory: &Memory) -> bool {
    let infos = security_options(memory);
    let announced: Vec<&Vec<u8>> = infos
        .iter()
        .flat_map(|infos| infos.infos())
        .filter_map(|info| match info {
            SecurityInfo::ChipAuthentication { oid, .. } => Some(oid),
            _ => None,
        })
        .collect();
    let implied = announced.is_empty() && KAT_SUITES.iter().any(|suite| suite.oid() == *protocol);
    memory.chip_key.is_some() && (implied || announced.iter().any(|oid| oid.as_slice() == protocol))
}

/// What DG14 holds.
fn security_options(memory: &Memory) -> Option<SecurityInfos> {
    let file = files::data_group(14)?;
    SecurityInfos::parse(tlv::sole(memory.files.get(&file.id)?, file.tag?).ok()?).ok()
}

fn chip_keys(memory: &Memory) -> Vec<chip_auth::ChipKey> {
    memory.chip_keys().filter_map(|key| key.key()).collect()
}
