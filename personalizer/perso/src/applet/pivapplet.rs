//! PivApplet: everything in the clear, after the management key that everybody knows; then that key is the issuer's.
//!
//! ```text
//! 9B, mutual, triple DES 0102..08 three times     GENERATE, PUT DATA
//! VERIFY 123456, GENERAL AUTHENTICATE             the proof of possession
//! PUT KEY                                         the keys of the chip's issuer domain
//! 00 FF FF FF  <alg> 9B <length> <key>            the issuer's management key: the lock
//! RESET RETRY COUNTER 12345678 || PIN, CHANGE REFERENCE DATA of the PUK
//! ```
//!
//! The PUK is changed last: as long as it is the one that everybody knows, a card that was torn away can be given a new PIN, and
//! once it is not, both must be those of the letter: they are tried. Facts and where they are from: `hardware-docs/cards/pivapplet.md`.

use channel::random::{Random, RandomError};
use channel::secret::Secret;
use eid::Application;
use eid::authentication::Template;
use eid::keys::{Algorithm, KeyReference, MANAGEMENT_KEY, ManagementAlgorithm, generate};
use eid::objects::Object;
use eid::pin::{Pin, Puk, change_pin, change_puk, reset, verify};
use iso7816::tlv::{self, Tag};
use iso7816::{Card, Chained, Command, Limits, Status};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use super::{Condition, Dialect, Rule, again, citizen_card};
use crate::citizen::dialogue::{self, Proof};
use crate::citizen::{CitizenPlan, TransportCodes};
use crate::execute::{Failure, Line, Progress, StationCard, Unusable, open};
use crate::issuer::{DialogueError, IssuerDomain, accepted};
use crate::ledger::Step;
use crate::plan::{Plan, PlanError, SignedPlan};
use crate::profile::Profile;
use crate::quality::{Approved, Complaint, Expected};
use crate::rotation::CardKeys;
use crate::stage::{Document, Held, Judged, Sealed, StepError, Written};

const LABEL: &str = "PivApplet";
/// Public constants of that project.
const KNOWN_PIN: &[u8] = b"123456";
const KNOWN_PUK: &[u8] = b"12345678";
const KNOWN_KEY: [u8; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8];
/// Keeps the management key apart from everything else that is made of the chip's keys.
const PURPOSE: &[u8] = b"bitaqa PIV 9B";
const INS_METADATA: u8 = 0xF7;
/// The PUK, as a key reference.
const PUK: u8 = 0x81;

pub(crate) struct PivApplet;

impl Dialect for PivApplet {
    fn name(&self) -> &'static str {
        "PivApplet"
    }

    fn is_travel_document(&self) -> bool {
        false
    }

    fn misfit(&self, profile: &Profile) -> Option<Rule> {
        citizen_card::misfit(profile)
    }

    fn check(&self, plan: &Plan) -> Result<(), PlanError> {
        citizen_card::check(plan, self.name())
    }

    fn fit(&self, citizen: &mut CitizenPlan, most: Option<usize>) -> Result<(), PlanError> {
        citizen_card::fit(citizen, most, self.name())
    }

    fn steps(&self, plan: &Plan) -> Vec<String> {
        citizen_card::steps(
            plan,
            "GENERAL AUTHENTICATE 9B with the key that it is delivered with",
            "PUT KEY into the issuer domain; the issuer's management key",
            "PIN and PUK in place of those that it is delivered with, and their letter",
        )
    }

    fn condition(&self, line: &mut Line<'_>, card: &mut dyn Card) -> Result<Condition, Failure> {
        let domain = IssuerDomain::select(&mut *card).map_err(Unusable::Dialogue)?;
        let chip = domain.serial().to_owned();
        drop(open(line, domain)?);
        match citizen_card::select(card).map_err(Unusable::Dialogue)? {
            None => return Ok(Condition::Absent),
            Some(label) if label.starts_with(LABEL) => {}
            Some(_) => return Err(citizen_card::other("it is another PIV program than PivApplet")),
        }
        if authenticate(card, &known_key(), line.random).map_err(Unusable::Dialogue)? {
            for key in KeyReference::ALL {
                if citizen_card::has(card, key.certificate()).map_err(Unusable::Dialogue)? {
                    return Ok(Condition::Begun);
                }
            }
            return Ok(Condition::Empty);
        }
        let issuers = issuer_key(line, &chip).map_err(Unusable::Dialogue)?;
        match authenticate(card, &issuers, line.random).map_err(Unusable::Dialogue)? {
            true => Ok(Condition::Locked),
            false => Err(citizen_card::other("its management key is neither the known one nor the issuer's")),
        }
    }

    fn write(
        &self,
        line: &mut Line<'_>,
        document: Document<Held<StationCard>>,
        plan: &SignedPlan,
    ) -> Result<Document<Written>, StepError> {
        let chip = document.chip.clone();
        let Some(citizen) = plan.citizen() else { return Ok(document.written(line.ledger)?) };
        (line.progress)(Progress::Step(Step::CitizenKeys));
        let (document, proofs) =
            document.prove(line.ledger, |card| make_keys(card.as_mut(), &citizen.keys, line.random))?;
        let objects = document.certified(line.ledger, citizen, line.citizens.as_mut(), &proofs)?;
        (line.progress)(Progress::Step(Step::CitizenFiles));
        let most = plan.plan().largest_object();
        let digest = crate::stage::citizen_digest(objects.iter().map(|(_, content)| content.as_slice()));
        let document = document.step(line.ledger, Step::CitizenFiles, Some(digest), |card| {
            citizen_card::still_fits(&objects, most)?;
            put(card.as_mut(), &objects, line.random)
        })?;
        document.keyed(line.ledger)?;
        let options = line.profile.card.channel();
        let document = match line.rotation {
            Some(rotation) => {
                (line.progress)(Progress::Step(Step::RotateKeys));
                let (from, keys) = (line.profile.card.key_version, line.keys);
                document.step(line.ledger, Step::RotateKeys, None, |card| {
                    let mut domain = IssuerDomain::select(card.as_mut())?;
                    let changed = domain.key_versions()?.contains(&rotation.to);
                    let (version, keys) = if changed { (rotation.to, rotation.keys) } else { (from, keys) };
                    let secured = domain.open(version, keys, options, line.random)?;
                    rotation.carry_out(secured, options, line.random).map(drop)
                })?
            }
            None => document,
        };
        (line.progress)(Progress::Step(Step::Lock));
        let key = issuer_key(line, &chip).map_err(|source| StepError::Card { step: Step::Lock, source })?;
        let document = document.step(line.ledger, Step::Lock, None, |card| lock(card.as_mut(), &key, line.random))?;
        Ok(document.written(line.ledger)?)
    }

    fn approve(
        &self,
        _: &mut Line<'_>,
        card: StationCard,
        _: &SignedPlan,
        expected: &Expected,
    ) -> Result<Approved, Complaint> {
        citizen_card::approve(card, expected)
    }

    fn finish(
        &self,
        line: &mut Line<'_>,
        judged: Document<Judged>,
    ) -> Result<Result<Document<Sealed>, StepError>, Failure> {
        let (number, chip) = (judged.number.clone(), judged.chip.clone());
        let record = line.ledger.book().document(&number);
        if record.is_some_and(|record| record.sealed) {
            return Ok(Ok(judged.locked_before()));
        }
        let before = record.is_some_and(|record| record.codes_announced);
        (line.progress)(Progress::Step(Step::TransportPin));
        let interrupted = |detail| Failure::Interrupted { document: number.clone(), chip: chip.clone(), detail };
        let mut card = again(line, &chip).map_err(interrupted)?;
        let failed = |source| StepError::Card { step: Step::TransportPin, source };
        let known = match knows_puk(card.as_mut()) {
            Ok(known) => known,
            Err(error) => return Ok(Err(failed(error))),
        };
        if !known && !before {
            let what = "somebody else has changed the PUK";
            return Ok(Err(failed(DialogueError::Citizen { what })));
        }
        let letters = line.citizens.as_mut().map(|citizens| &mut *citizens.letters);
        let codes = if known {
            let drawn = other_than_known(line.random)?;
            if let Some(Err(error)) = letters.map(|letters| letters.keep(&drawn.letter(&number))) {
                return Ok(Err(error.into()));
            }
            drawn
        } else {
            // Changed by a session that was cut off, or by whoever held the card since: the letter tells.
            match letters.map_or(Ok(None), |letters| letters.recall(&number)) {
                Ok(Some(letter)) => TransportCodes::kept(letter),
                Ok(None) => {
                    let what = "its PIN and PUK were changed, and there is no letter with them";
                    return Ok(Err(failed(DialogueError::Citizen { what })));
                }
                Err(error) => return Ok(Err(error.into())),
            }
        };
        let done = judged.codes(line.ledger, || match known {
            true => set_codes(card.as_mut(), &codes),
            false => try_codes(card.as_mut(), &codes),
        });
        let judged = match done {
            Ok(judged) => judged,
            Err(error) => return Ok(Err(error)),
        };
        (line.progress)(Progress::Step(Step::Seal));
        Ok(judged.sealed(line.ledger, || check_codes(card.as_mut(), &codes)))
    }

    fn spoil(&self, card: &mut dyn Card) -> Result<(), DialogueError> {
        citizen_card::block(card)
    }
}

/// A management key.
struct Key {
    algorithm: ManagementAlgorithm,
    value: Secret,
}

fn known_key() -> Key {
    Key { algorithm: ManagementAlgorithm::TripleDes, value: Secret::from(&KNOWN_KEY[..]) }
}

/// The issuer's management key of a chip: made from the keys that the issuer has for it, so that nobody has to keep one more.
fn issuer_key(line: &Line<'_>, chip: &str) -> Result<Key, DialogueError> {
    let keys: &dyn CardKeys = line.rotation.as_ref().map_or(line.keys, |rotation| rotation.keys);
    let nonsense = || DialogueError::Citizen { what: "its serial is none" };
    let serial = hex::decode(chip).map_err(|_| nonsense())?;
    let named = serial.last_chunk::<10>().copied().ok_or_else(nonsense)?;
    let set = keys.of_chip(&named)?;
    let algorithm = line.profile.card.management.algorithm();
    let derive = || -> Result<Vec<u8>, ErrorStack> {
        let key = PKey::hmac(set.dek.expose())?;
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        signer.update(PURPOSE)?;
        signer.update(&serial)?;
        signer.sign_to_vec()
    };
    let mut value = derive().map_err(|_| DialogueError::Encipher)?;
    value.truncate(algorithm.key_length());
    Ok(Key { algorithm, value: Secret::new(value) })
}

/// Mutual authentication in the selected application; false when the card has another key.
fn authenticate(card: &mut dyn Card, key: &Key, random: &mut dyn Random) -> Result<bool, DialogueError> {
    let Key { algorithm, value } = key;
    let command = |template: Template<'_>| template.command(*algorithm as u8, MANAGEMENT_KEY);
    let nonsense = || DialogueError::Citizen { what: "its part of the mutual authentication is none" };
    let asked = card.transmit(&command(Template { witness: Some(&[]), ..Template::default() }))?;
    match asked.status {
        Status::OK => {}
        // A key of another algorithm.
        Status::INCORRECT_P1_P2 => return Ok(false),
        status => return Err(DialogueError::Refused { instruction: 0x87, status }),
    }
    let witness = Template::parse(&asked.data).ok().and_then(|template| template.witness).ok_or_else(nonsense)?;
    let cipher = algorithm.cipher();
    let witness = cipher.decipher(value, witness).map_err(|_| nonsense())?;
    let mut challenge = [0; 16];
    random.fill(&mut challenge).map_err(channel::scp03::Scp03Error::from)?;
    let challenge = challenge.get(..algorithm.block_length()).unwrap_or_default();
    let proof = Template { witness: Some(&witness), challenge: Some(challenge), ..Template::default() };
    let answer = card.transmit(&command(proof))?;
    match answer.status {
        Status::OK => {}
        Status::WRONG_DATA | Status::SECURITY_NOT_SATISFIED => return Ok(false),
        status => return Err(DialogueError::Refused { instruction: 0x87, status }),
    }
    let response = Template::parse(&answer.data).ok().and_then(|template| template.response).ok_or_else(nonsense)?;
    let expected = cipher.encipher(value, challenge).map_err(|_| nonsense())?;
    match Secret::new(expected) == Secret::from(response) {
        true => Ok(true),
        false => Err(nonsense()),
    }
}

/// Selects it, and proves the key that everybody knows.
fn begin(card: &mut dyn Card, random: &mut dyn Random) -> Result<(), DialogueError> {
    dialogue::select(card, &Application::Piv.aid())?;
    match authenticate(card, &known_key(), random)? {
        true => Ok(()),
        false => Err(DialogueError::Citizen { what: "the management key is not the known one any more" }),
    }
}

/// Makes key pairs, and has each prove itself under the PIN that everybody knows.
fn make_keys(
    card: &mut dyn Card,
    keys: &[(KeyReference, Algorithm)],
    random: &mut dyn Random,
) -> Result<Vec<Proof>, DialogueError> {
    begin(card, random)?;
    let mut card = Chained::new(card, Limits::SHORT);
    let mut made = Vec::new();
    for (key, algorithm) in keys {
        let answer = accepted(&mut card, &generate(*key, *algorithm))?;
        made.push((*key, dialogue::public_key(*algorithm, &answer.data)?));
    }
    let pin = Pin::from_digits(KNOWN_PIN)?;
    let mut proofs = Vec::new();
    for (key, public) in made {
        // Right before each use: one of the keys wants it so.
        accepted(&mut card, &verify(&pin))?;
        let proof = dialogue::prove(&mut card, key, &public)?;
        proofs.push(Proof { key, identifier: public.identifier().to_vec(), proof });
    }
    Ok(proofs)
}

fn put(
    card: &mut dyn Card,
    objects: &[(&'static Object, Vec<u8>)],
    random: &mut dyn Random,
) -> Result<(), DialogueError> {
    begin(card, random)?;
    let mut card = Chained::new(card, Limits::SHORT);
    objects.iter().try_for_each(|(object, content)| accepted(&mut card, &object.put(content)).map(drop))
}

/// Puts the issuer's management key in place of the known one, and tries it.
fn lock(card: &mut dyn Card, key: &Key, random: &mut dyn Random) -> Result<(), DialogueError> {
    begin(card, random)?;
    let length = u8::try_from(key.value.expose().len()).unwrap_or_default();
    // Reserved at once: what grows leaves copies behind that nobody wipes.
    let mut data = Vec::with_capacity(3 + key.value.expose().len());
    data.extend([key.algorithm as u8, MANAGEMENT_KEY, length]);
    data.extend_from_slice(key.value.expose());
    accepted(card, &Command::new(0x00, 0xFF, 0xFF, 0xFF).with_data(data))?;
    dialogue::select(card, &Application::Piv.aid())?;
    match authenticate(card, key, random)? {
        true => Ok(()),
        false => Err(DialogueError::OtherKeys),
    }
}

/// True when the PUK is the one that everybody knows. A build without metadata can only be asked with a try.
fn knows_puk(card: &mut dyn Card) -> Result<bool, DialogueError> {
    dialogue::select(card, &Application::Piv.aid())?;
    if let Some((known, tries)) = puk_metadata(card)? {
        return match tries {
            0 => Err(DialogueError::Citizen { what: "its PUK is blocked" }),
            _ => Ok(known),
        };
    }
    let known = Puk::parse(KNOWN_PUK)?;
    let command = change_puk(&known, &known);
    let status = card.transmit(&command)?.status;
    match status {
        Status::OK => Ok(true),
        status if status.tries_left().is_some() => Ok(false),
        status => Err(DialogueError::Refused { instruction: command.ins, status }),
    }
}

/// Whether the card says that its PUK is that of the delivery, and the tries left; `None` where it has no metadata.
fn puk_metadata(card: &mut dyn Card) -> Result<Option<(bool, u8)>, DialogueError> {
    let answer = card.transmit(&Command::new(0x00, INS_METADATA, 0x00, PUK).with_ne(256))?;
    if !answer.status.is_ok() {
        return Ok(None);
    }
    let value = |tag| tlv::find(&answer.data, Tag(tag)).ok().flatten();
    Ok(match (value(0x05), value(0x06)) {
        (Some([known]), Some([_, tries])) => Some((*known == 1, *tries)),
        _ => None,
    })
}

/// PIN, then PUK. The PIN is changed to itself too: after RESET RETRY COUNTER alone the applet would go on saying that it is the
/// known one.
fn set_codes(card: &mut dyn Card, codes: &TransportCodes) -> Result<(), DialogueError> {
    let (known, pin) = (Puk::parse(KNOWN_PUK)?, codes.pin()?);
    accepted(card, &reset(&known, &pin))?;
    accepted(card, &change_pin(&pin, &pin))?;
    accepted(card, &change_puk(&known, &codes.puk()?)).map(drop)
}

/// The card has the codes of the letter; that gives their tries back.
fn try_codes(card: &mut dyn Card, codes: &TransportCodes) -> Result<(), DialogueError> {
    let puk = codes.puk()?;
    accepted(card, &verify(&codes.pin()?))?;
    accepted(card, &change_puk(&puk, &puk)).map(drop)
}

/// The PIN that everybody knows opens nothing, and the new one does.
fn check_codes(card: &mut dyn Card, codes: &TransportCodes) -> Result<(), DialogueError> {
    let known = Pin::from_digits(KNOWN_PIN)?;
    if card.transmit(&verify(&known))?.status.is_ok() {
        return Err(DialogueError::Citizen { what: "the PIN that everybody knows still works" });
    }
    accepted(card, &verify(&codes.pin()?)).map(drop)
}

/// Codes of which neither is one that everybody knows.
fn other_than_known(random: &mut dyn Random) -> Result<TransportCodes, RandomError> {
    loop {
        let codes = TransportCodes::draw(random)?;
        let known = codes.pin() == Pin::from_digits(KNOWN_PIN) || codes.puk() == Puk::parse(KNOWN_PUK);
        if !known {
            return Ok(codes);
        }
    }
}
