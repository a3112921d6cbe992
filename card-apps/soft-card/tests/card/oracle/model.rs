//! The model: what no step may bring about, and what must come of one that is done well.

use eid::objects::RESIDENCE;
use eid::residence::{Residence, SignedResidence};
use lds::date::Date;
use soft_card::State;
use soft_card::emrtd::ApplicationLife;
use soft_card::issuer_domain::{CardLife, MAX_FAILED_AUTHENTICATIONS};

use super::host::{Proved, Seen};
use super::step::{At, Step, Way};
use super::{ALL_BLOCKS, DG1, DG3, DG4, EYES, FINGERPRINTS, HOME, VERSION};
use crate::hostile;
use crate::support::*;

pub fn judge(step: &Step, proved: &Proved, seen: &Seen, before: &State, after: &State) {
    secrecy(step, proved, seen, before);
    integrity(step, proved, before, after);
    life(step, proved, before, after);
    if let Some(expected) = expected(step, proved, before) {
        assert_eq!(seen.done, expected, "{step:?} at {:?}", proved.at);
    }
}

/// No protected byte without the right to it.
pub fn secrecy(step: &Step, proved: &Proved, seen: &Seen, before: &State) {
    let way = match step {
        Step::Select(_, way) | Step::Read { way, .. } | Step::Noise(_, way) | Step::ReadResidence(way) => *way,
        Step::WriteResidence { way, .. } => *way,
        _ => Way::Channel,
    };
    let open = proved.session && way == Way::Session && before.emrtd.life_cycle == ApplicationLife::Personalized;
    for answer in &seen.answers {
        let bytes = &answer.data;
        assert!(open || !hostile::shows(bytes, MARKER), "{step:?} shows a protected file");
        let fingers = open && proved.proof.terminal;
        assert!(fingers || !hostile::shows(bytes, FINGERPRINTS), "{step:?} shows fingerprints without the right");
        let home = open && proved.proof.office;
        assert!(home || !hostile::shows(bytes, HOME.as_bytes()), "{step:?} shows the residence without the right");
        assert!(!hostile::shows(bytes, EYES), "{step:?} shows eyes that nobody has a right to");
        assert!(!hostile::shows(bytes, &[0x2A; 32]), "{step:?} shows the chip's private key");
        assert!(open || !hostile::shows(bytes, INFORMATION.as_bytes()), "{step:?} shows a password");
        for key in before.issuer_domain.keys.values() {
            let keys = [&key.enc, &key.mac, &key.dek];
            // The counting bytes of the face are also in the keys that everybody knows.
            assert!(
                open || !keys.iter().any(|key| hostile::shows(bytes, key.expose())),
                "{step:?} shows an issuer's key"
            );
        }
    }
}

/// Nothing is written but in the issuer's channel.
pub fn integrity(step: &Step, proved: &Proved, before: &State, after: &State) {
    let in_channel = proved.channel
        && match step {
            Step::Noise(_, way) => *way == Way::Channel,
            Step::Install | Step::Store { .. } | Step::Seal | Step::Lock | Step::CardState(_) => true,
            Step::Bind | Step::AddKeys(_) | Step::DeleteKeys(_) => true,
            _ => false,
        };
    let lasting = |state: &State| {
        let domain = &state.issuer_domain;
        let versions: Vec<_> = domain.keys.iter().map(|(version, key)| (*version, key.enc.clone())).collect();
        let emrtd = soft_card::emrtd::Memory { terminal_trust: None, wrong_passwords: 0, ..state.emrtd.clone() };
        (emrtd, domain.life_cycle, versions, domain.card_image_number.clone())
    };
    let trust = |state: &State| state.emrtd.terminal_trust.clone().map(|trust| (trust.today, trust.points));
    match (trust(before), trust(after)) {
        (was, is) if was == is => {}
        // The terminal's chain brings a date, and no other trust point.
        (Some(was), Some(is)) if matches!(step, Step::Terminal { .. }) && proved.proof.ephemeral_key.is_some() => {
            assert!(was.0 < is.0 && was.1 == is.1, "{step:?}");
        }
        _ => assert!(
            in_channel && before.emrtd.life_cycle == ApplicationLife::Selectable,
            "{step:?} changes what the chip believes"
        ),
    }
    if !in_channel {
        assert!(lasting(before) == lasting(after), "{step:?} writes outside the issuer's channel");
    }
    assert_eq!(before.issuer_domain.cplc, after.issuer_domain.cplc, "{step:?}");
    assert_eq!(before.make, after.make);
    assert!(!after.issuer_domain.keys.is_empty(), "{step:?}: nobody could speak with the card any more");
    let bound = &before.issuer_domain.card_image_number;
    assert!(bound.is_none() || *bound == after.issuer_domain.card_image_number, "{step:?} binds again");
    let citizen = |state: &State| {
        state
            .eid
            .clone()
            .map(|eid| (eid.objects, eid.keys, eid.transport, eid.management_key, eid.pin.map(|pin| pin.value)))
    };
    match step {
        Step::WriteResidence { way: Way::Session, .. } if proved.session && proved.proof.office => {
            let residence =
                |state: &State| state.eid.as_ref().and_then(|eid| eid.objects.get(&RESIDENCE.tag.0).cloned());
            let others = |state: &State| {
                let objects = citizen(state).map(|(objects, ..)| objects).unwrap_or_default();
                objects.into_iter().filter(|(tag, _)| *tag != RESIDENCE.tag.0).collect::<Vec<_>>()
            };
            assert!(others(before) == others(after), "{step:?} writes something else");
            assert!(residence(before) == residence(after) || succeeds(before, after), "{step:?}");
        }
        _ => assert!(citizen(before) == citizen(after), "{step:?} writes the citizen application"),
    }
    counters(step, before, after);
}

/// The residence record of a card.
pub fn residence(state: &State) -> Option<Residence> {
    let content = state.eid.as_ref()?.objects.get(&RESIDENCE.tag.0)?;
    SignedResidence::parse(content).ok()?.residence().ok()
}

/// Whether one record is the next of the other: the same holder's, and not older.
pub fn succeeds(before: &State, after: &State) -> bool {
    let (Some(was), Some(is)) = (residence(before), residence(after)) else { return false };
    was.national_number == is.national_number && was.date <= is.date
}

pub fn counters(step: &Step, before: &State, after: &State) {
    for (version, key) in &before.issuer_domain.keys {
        if let Some(now) = after.issuer_domain.keys.get(version).filter(|now| now.enc == key.enc) {
            assert!(now.sequence >= key.sequence, "{step:?} takes a sequence counter back");
        }
    }
    let (was, is) = (before.emrtd.wrong_passwords, after.emrtd.wrong_passwords);
    let guess = matches!(step, Step::Basic { .. } | Step::Pace { .. } | Step::Noise(_, Way::Plain));
    assert!(
        is == was || guess && (is == was.saturating_add(1) || is == 0),
        "{step:?}: {was} wrong passwords, then {is}"
    );
    let (was, is) = (before.issuer_domain.failed_authentications, after.issuer_domain.failed_authentications);
    let forgiven = is == 0 && matches!(step, Step::Issuer { right: true, .. });
    assert!(is == was || is == was + 1 || forgiven, "{step:?}: {was} failures, then {is}");
    assert!(is <= MAX_FAILED_AUTHENTICATIONS);
    let known = before.issuer_domain.keys.contains_key(&VERSION);
    let alive = before.issuer_domain.life_cycle != CardLife::Terminated;
    if matches!(step, Step::Issuer { right: false, .. }) && known && alive && was < MAX_FAILED_AUTHENTICATIONS {
        assert_eq!(is, was + 1, "a wrong cryptogram costs a try");
    }
}

/// Life cycles go forward only, and no state is skipped.
pub fn life(step: &Step, proved: &Proved, before: &State, after: &State) {
    use ApplicationLife::{Locked, Personalized, Selectable};
    let (was, is) = (&before.emrtd, &after.emrtd);
    match (was.life_cycle, is.life_cycle) {
        (Selectable, Selectable) => {}
        (Selectable, Personalized) => {
            let indispensable = [DG1, 0x011D, 0x011E].iter().all(|id| was.files.contains_key(id));
            assert!(
                was.complete && indispensable && was.mrz_information.is_some(),
                "{step:?} seals an unfinished card"
            );
        }
        (Personalized, Personalized) | (Locked, Locked) => {
            assert!(was.files == is.files, "{step:?} changes a finished document")
        }
        (Selectable | Personalized, Locked) => assert!(was.files == is.files),
        (from, to) => panic!("{step:?} leads from {from:?} to {to:?}"),
    }
    let legal: &[u8] = match before.issuer_domain.life_cycle {
        CardLife::OpReady => &[0x01, 0x07, 0xFF],
        CardLife::Initialized => &[0x07, 0x0F, 0xFF],
        CardLife::Secured => &[0x0F, 0x7F, 0xFF],
        CardLife::CardLocked => &[0x7F, 0x0F, 0xFF],
        CardLife::Terminated => &[0xFF],
    };
    assert!(legal.contains(&(after.issuer_domain.life_cycle as u8)), "{step:?} skips a state of the card");
    let dead = matches!(before.issuer_domain.life_cycle, CardLife::CardLocked | CardLife::Terminated);
    let changed = was.files != is.files || before.issuer_domain.keys.len() != after.issuer_domain.keys.len();
    assert!(!(dead && changed), "{step:?} writes to a locked card");
    assert!(proved.channel || was.life_cycle == is.life_cycle);
}

/// What must come of a step that is done well; `None` where the model does not know where the card stands.
pub fn expected(step: &Step, proved: &Proved, before: &State) -> Option<bool> {
    let life = before.issuer_domain.life_cycle;
    let dead = matches!(life, CardLife::CardLocked | CardLife::Terminated);
    let document = before.emrtd.life_cycle == ApplicationLife::Personalized;
    let somewhere = proved.at != At::Unknown;
    let writable = proved.channel && !dead;
    match step {
        Step::Basic { right } => somewhere.then_some(*right && document && !dead && proved.at == At::Emrtd),
        Step::Pace { right, .. } => {
            let here = matches!(proved.at, At::Start | At::MasterFile | At::Emrtd);
            here.then_some(*right && document && !dead)
        }
        Step::ChipAuthentication if proved.session => somewhere.then_some(proved.at == At::Emrtd && document),
        Step::Terminal { right, .. } if proved.session && !proved.proof.doubtful => {
            let believes = before.emrtd.terminal_trust.is_some();
            let proved = proved.at == At::Emrtd && proved.proof.ephemeral_key.is_some();
            somewhere.then_some(*right && proved && believes && document)
        }
        Step::ReadResidence(way) | Step::WriteResidence { way, .. } if proved.at == At::National => {
            let open = *way == Way::Session && proved.session && proved.proof.office;
            let next = match (step, residence(before)) {
                (Step::WriteResidence { holder, day, .. }, Some(was)) => *holder && was.date <= january(*day),
                _ => true,
            };
            (!proved.proof.doubtful || !open).then_some(open && next && !dead)
        }
        Step::ReadResidence(_) | Step::WriteResidence { .. } => None,
        Step::Read { id: DG3, way, .. } if !proved.proof.doubtful => {
            let open = *way == Way::Session && proved.session && proved.proof.terminal;
            (proved.at == At::Emrtd && before.emrtd.files.contains_key(&DG3)).then_some(open && document)
        }
        Step::Read { id: DG4, .. } => Some(false),
        Step::Read { id, way, .. } => {
            let basic = before.emrtd.files.contains_key(id) && ![DG3, DG4, 0x011C].contains(id);
            let open = *way == Way::Session && proved.session;
            (proved.at == At::Emrtd && basic && (open || *way == Way::Plain)).then_some(open && document)
        }
        Step::Issuer { right: true, .. } => {
            let tries = before.issuer_domain.failed_authentications < MAX_FAILED_AUTHENTICATIONS;
            Some(tries && life != CardLife::Terminated && before.issuer_domain.keys.contains_key(&VERSION))
        }
        Step::Issuer { right: false, .. } => Some(false),
        Step::Install => Some(writable && before.emrtd.life_cycle == ApplicationLife::Selectable),
        Step::Store { .. } if !proved.installed => Some(false),
        Step::Store { blocks: ALL_BLOCKS.. } => {
            Some(writable && before.emrtd.life_cycle == ApplicationLife::Selectable)
        }
        Step::Seal => {
            let before = &before.emrtd;
            let ready = before.complete && before.life_cycle == ApplicationLife::Selectable;
            Some(proved.channel && life != CardLife::Terminated && ready)
        }
        Step::Lock => {
            Some(proved.channel && life != CardLife::Terminated && before.emrtd.life_cycle != ApplicationLife::Locked)
        }
        _ => None,
    }
}

pub fn january(day: u8) -> Date {
    Date::new(2026, 1, day).unwrap()
}
