//! The passport applet of the JMRTD project: BAC, RSA-1024 Active Authentication, no PACE, no Chip Authentication.
//!
//! ```text
//! SELECT A0000002471001
//! PUT DATA 0062  62 { 5F1F number, 5F18 birth, 5F19 expiry }        the keys of BAC
//! PUT DATA 0060  60 00 04 <modulus>      PUT DATA 0061  61 00 04 <private exponent>
//! CREATE FILE    63 04 <size> <identifier>, SELECT, UPDATE BINARY ..
//! PUT DATA DEAD  locked for good
//! ```
//!
//! Everything goes over in the clear, and until the lock anybody may write: the station must be one that nobody listens to. Facts and
//! where they are from: `hardware-docs/cards/jmrtd-passport.md`.

use channel::password::{MrzKey, Password};
use inspection::procedure::Bac;
use iso7816::tlv::{Tag, Writer};
use iso7816::{Aid, Card, Command, Status};
use lds::files::{EF_COM, EF_SOD, File, Place};

use super::{Condition, Dialect, Rule};
use crate::execute::{Failure, Line, Progress, StationCard, Unusable};
use crate::issuer::{DialogueError, accepted};
use crate::keys::ActiveKey;
use crate::ledger::Step;
use crate::plan::{Plan, PlanError, SignedPlan};
use crate::profile::{ActiveKeyKind, PortraitFormat, Profile};
use crate::quality::{self, Approved, Complaint, Expected, Reading};
use crate::stage::{Document, Held, StepError, Written};

const SELECT: u8 = 0xA4;
const GET_CHALLENGE: u8 = 0x84;
const UPDATE_BINARY: u8 = 0xD6;
const PUT_DATA: u8 = 0xDA;
const CREATE_FILE: u8 = 0xE0;

/// P1-P2 of PUT DATA.
const MODULUS: [u8; 2] = [0x00, 0x60];
const PRIVATE_EXPONENT: [u8; 2] = [0x00, 0x61];
const BAC_KEYS: [u8; 2] = [0x00, 0x62];
const LOCK: [u8; 2] = [0xDE, 0xAD];

/// The applet counts in signed 16-bit numbers.
const LARGEST_FILE: usize = 0x7FFF;
/// The first CREATE FILE of an identifier says for good how large it may become, and EF.SOD is signed anew after a tear. By the same
/// signer with the same certificate, two things in it change their length. An ECDSA signature is two INTEGERs, each shorter by
/// a byte for every zero byte that its number begins with (RFC 3279 §2.2.3, X.690 §8.3.2): one in 256 for the first. Seven length
/// fields around it (EF.SOD's own, ContentInfo to SignerInfo and its signature, RFC 5652 §5) can grow by a byte each. So this is
/// enough unless the first signature was 57 bytes shorter than the second one, which nobody will live to see; of a signer with a
/// longer certificate the card is rejected.
const ROOM: usize = 64;
/// Data bytes of one UPDATE BINARY that every build takes.
const LARGEST_PIECE: usize = 224;

pub(crate) struct JmrtdPassport;

impl Dialect for JmrtdPassport {
    fn name(&self) -> &'static str {
        "the JMRTD passport applet"
    }

    fn misfit(&self, profile: &Profile) -> Option<Rule> {
        let groups = &profile.lds.data_groups;
        let rules = [
            (
                profile.active_authentication.is_some() && groups.contains(&15) && !groups.contains(&14),
                "lds.data_groups",
                "a list with 15 and without 14, and there must be a table [active_authentication]: RSA is the only proof that \
                 this applet can give of being the original",
            ),
            (
                profile.active_authentication.is_none_or(|active| active.key == ActiveKeyKind::Rsa1024),
                "active_authentication.key",
                "\"RSA-1024\": this applet takes no other key",
            ),
            (
                !profile.access.chip_authentication_mapping,
                "access.chip_authentication_mapping",
                "left out: this applet has no PACE",
            ),
            (
                profile.portrait.format == PortraitFormat::Jpeg,
                "portrait.format",
                "\"jpeg\": tools of this applet fail on other faces with 6F00",
            ),
            (profile.card.block_size <= LARGEST_PIECE, "card.block_size", "at most 224 for this applet"),
            (profile.keys.is_none(), "keys", "left out: this applet has no keys of an issuer"),
            (profile.eid.is_none(), "eid", "left out: beside this applet there is no citizen application"),
        ];
        rules.into_iter().find(|(holds, ..)| !holds).map(|(_, key, expected)| (key, expected))
    }

    fn check(&self, plan: &Plan) -> Result<(), PlanError> {
        for planned in plan.files() {
            let (file, bytes) = (planned.file.name, planned.bytes.len());
            if !has_file(planned.file) {
                return Err(PlanError::NoSuchFile { file, applet: self.name() });
            }
            if bytes > LARGEST_FILE {
                return Err(PlanError::FileSize { file, bytes, most: LARGEST_FILE, applet: self.name() });
            }
        }
        Ok(())
    }

    fn steps(&self, plan: &Plan) -> Vec<String> {
        vec![
            "SELECT the issuer domain, GET DATA 9F7F".to_owned(),
            format!("SELECT {}: nothing is in it", Aid::emrtd()),
            "PUT DATA 0062: the keys of BAC, from the MRZ".to_owned(),
            "PUT DATA 0060 0061: the key of active authentication".to_owned(),
            format!("CREATE FILE, SELECT, UPDATE BINARY of each file and EF.SOD, {} bytes each", plan.block_size()),
            "PUT DATA DEAD: locked for good".to_owned(),
            "read back: BAC with the MRZ, all files, active authentication; judge; see that the lock holds".to_owned(),
        ]
    }

    fn condition(&self, _: &mut Line<'_>, card: &mut dyn Card) -> Result<Condition, Failure> {
        Ok(condition(card).map_err(Unusable::Dialogue)?)
    }

    fn write(
        &self,
        line: &mut Line<'_>,
        document: Document<Held<StationCard>>,
        plan: &SignedPlan,
    ) -> Result<Document<Written>, StepError> {
        (line.progress)(Progress::Step(Step::WriteKeys));
        let document =
            document.step(line.ledger, Step::WriteKeys, None, |card| write_keys(card.as_mut(), plan.plan()))?;
        document.keyed(line.ledger)?;
        let (total, mut done) = (plan.size(), 0);
        let progress = &mut *line.progress;
        let mut written = |bytes| {
            done += bytes;
            progress(Progress::Written { done, total });
        };
        let document = document.step(line.ledger, Step::WriteFiles, Some(plan.security_object_digest()), |card| {
            write_files(card.as_mut(), plan, &mut written)
        })?;
        (line.progress)(Progress::Step(Step::Lock));
        let document = document.step(line.ledger, Step::Lock, None, |card| put_data(card.as_mut(), LOCK, &[]))?;
        Ok(document.written(line.ledger)?)
    }

    fn approve(
        &self,
        line: &mut Line<'_>,
        mut card: StationCard,
        plan: &SignedPlan,
        expected: &Expected,
    ) -> Result<Approved, Complaint> {
        let password = Password::Mrz(MrzKey::from_information(&plan.plan().mrz.information()));
        let now = (line.clock)();
        let reading = Reading { password, bac: Bac::Allowed, extended_length: None, now };
        let approved = quality::approve(card.as_mut(), reading, expected, line.trust, line.random)?;
        drop(card);
        // After BAC the applet does not tell any more whether it is locked, until it is reset.
        let mut card = line.station.connect().map_err(|_| Complaint::Interrupted)?;
        match condition(card.as_mut()) {
            Ok(Condition::Locked) => Ok(approved),
            Err(error) if error.is_interruption() => Err(Complaint::Interrupted),
            _ => Err(Complaint::Differs { file: "the lock of the applet" }),
        }
    }

    fn spoil(&self, card: &mut dyn Card) -> Result<(), DialogueError> {
        match condition(card)? {
            Condition::Absent => Ok(()),
            Condition::Locked => Err(DialogueError::Locked),
            Condition::Empty | Condition::Begun => {
                for file in files() {
                    if card.transmit(&select_file(file.id))?.status.is_ok() {
                        match create(card, file.id, 0) {
                            // Without its security object it is nobody's document: the rest is emptied if the card lets it be.
                            Err(DialogueError::Refused { .. }) if *file != EF_SOD => {}
                            emptied => emptied?,
                        }
                    }
                }
                put_data(card, LOCK, &[])
            }
        }
    }
}

/// The applet knows EF.COM, EF.SOD, DG1 to DG15, and guards DG3 and DG4 before anything was written to them.
fn has_file(file: &File) -> bool {
    let group = |number: &u8| matches!(number, 1..=2 | 5..=15);
    file.place == Place::Emrtd && (*file == EF_COM || *file == EF_SOD || file.data_group.as_ref().is_some_and(group))
}

/// Every file that it can have.
fn files() -> impl Iterator<Item = &'static File> {
    lds::files::FILES.iter().filter(|file| has_file(file))
}

fn condition(card: &mut dyn Card) -> Result<Condition, DialogueError> {
    let select = Command::new(0x00, SELECT, 0x04, 0x0C).with_data(Aid::emrtd().as_bytes());
    match card.transmit(&select)?.status {
        Status::OK => {}
        Status::FILE_NOT_FOUND => return Ok(Condition::Absent),
        status => return Err(DialogueError::Refused { instruction: SELECT, status }),
    }
    // Locked, it tells nobody whether a file is there.
    for file in files() {
        match card.transmit(&select_file(file.id))?.status {
            Status::OK => return Ok(Condition::Begun),
            Status::FILE_NOT_FOUND => {}
            Status::SECURITY_NOT_SATISFIED => return Ok(Condition::Locked),
            status => return Err(DialogueError::Refused { instruction: SELECT, status }),
        }
    }
    // It gives a challenge as soon as it has the keys of BAC.
    match card.transmit(&Command::new(0x00, GET_CHALLENGE, 0x00, 0x00).with_ne(8))?.status {
        Status::OK => Ok(Condition::Begun),
        Status::SECURITY_NOT_SATISFIED => Ok(Condition::Empty),
        status => Err(DialogueError::Refused { instruction: GET_CHALLENGE, status }),
    }
}

fn write_keys(card: &mut dyn Card, plan: &Plan) -> Result<(), DialogueError> {
    put_data(card, BAC_KEYS, &bac_keys(&plan.mrz.information()))?;
    if let Some((modulus, private_exponent)) = plan.active_key().and_then(ActiveKey::rsa) {
        put_data(card, MODULUS, &key_part(MODULUS, modulus))?;
        put_data(card, PRIVATE_EXPONENT, &key_part(PRIVATE_EXPONENT, private_exponent.expose()))?;
    }
    Ok(())
}

/// `62 { 5F1F number, 5F18 birth, 5F19 expiry }`: of MRZ_information without its check digits, which the applet adds.
fn bac_keys(information: &str) -> Vec<u8> {
    let (number, dates) = information.split_at(information.len().saturating_sub(14));
    let (birth, expiry) = dates.split_at(dates.len() / 2);
    let mut writer = Writer::new();
    writer.nest(Tag(0x62), |keys| {
        for (tag, text) in [(0x5F1F, number), (0x5F18, birth), (0x5F19, expiry)] {
            keys.put(Tag(tag), text.get(..text.len().saturating_sub(1)).unwrap_or_default());
        }
    });
    writer.finish()
}

/// `60 00 04 <number>`: the outer object is empty and the number follows it.
fn key_part([_, tag]: [u8; 2], number: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
    let inner = zeroize::Zeroizing::new(iso7816::tlv::encode(Tag(0x04), number));
    // Reserved at once: what grows leaves copies behind.
    let mut part = zeroize::Zeroizing::new(Vec::with_capacity(2 + inner.len()));
    part.extend([tag, 0x00]);
    part.extend(inner.iter());
    part
}

fn write_files(card: &mut dyn Card, plan: &SignedPlan, written: &mut dyn FnMut(usize)) -> Result<(), DialogueError> {
    for planned in plan.files() {
        let id = planned.file.id;
        if *planned.file == EF_SOD {
            // What was made by an earlier attempt has its room, and keeps it.
            create(card, id, planned.bytes.len() + ROOM).or_else(refused_for_size)?;
        }
        create(card, id, planned.bytes.len())?;
        accepted(card, &select_file(id))?;
        let pieces = planned.bytes.chunks(plan.plan().block_size());
        let mut offset = 0;
        for piece in pieces {
            let [p1, p2] = u16::try_from(offset).unwrap_or(u16::MAX).to_be_bytes();
            accepted(card, &Command::new(0x00, UPDATE_BINARY, p1, p2).with_data(piece))?;
            offset += piece.len();
            written(piece.len());
        }
    }
    Ok(())
}

fn refused_for_size(error: DialogueError) -> Result<(), DialogueError> {
    match error {
        DialogueError::Refused { status: Status::NOT_ENOUGH_MEMORY, .. } => Ok(()),
        error => Err(error),
    }
}

/// Makes a file of this size; of a file that is there, changes the size to one that is not larger than its first.
fn create(card: &mut dyn Card, id: u16, size: usize) -> Result<(), DialogueError> {
    let [a, b] = u16::try_from(size).unwrap_or(u16::MAX).to_be_bytes();
    let [c, d] = id.to_be_bytes();
    let command = Command::new(0x00, CREATE_FILE, 0x00, 0x00).with_data([0x63, 0x04, a, b, c, d]);
    accepted(card, &command).map(drop)
}

fn select_file(id: u16) -> Command {
    Command::new(0x00, SELECT, 0x02, 0x0C).with_data(id.to_be_bytes())
}

fn put_data(card: &mut dyn Card, [p1, p2]: [u8; 2], data: &[u8]) -> Result<(), DialogueError> {
    accepted(card, &Command::new(0x00, PUT_DATA, p1, p2).with_data(data)).map(drop)
}
