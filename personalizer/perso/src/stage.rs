//! The stages of a document as types: `Blank -> Bound -> Keyed -> Written -> Judged -> Sealed`.
//!
//! Each transition writes its intent into the ledger, takes the step, and writes the result. A transition consumes the
//! document, so no step can be taken twice or out of order; only `quality` makes [`Approved`], without which no
//! document is judged, and only a judged one can be sealed. Types do not survive a crash: [`crate::recover`] asks the card.

use channel::random::Random;
use channel::scp03::Options;
use eid::certificate::Container;
use eid::objects::{Access as Reading, Object};
use iso7816::Card;
use jiff::Timestamp;
use lds::globalplatform::{ApplicationState, CardState, Dgi, StoreDataEncryption};
use openssl::sha::sha256;
use trust::Certificate;

use crate::citizen::dialogue::{self, Access, IssuerView, Proof};
use crate::citizen::{CertificateError, CitizenCa, CitizenPlan, Citizens, TransportCodes};
use crate::issuer::{DialogueError, IssuerDomain, Run, SecuredDomain};
use crate::ledger::{Event, Ledger, LedgerError, Phase, State, Step};
use crate::plan::SignedPlan;
use crate::quality::Approved;
use crate::rotation::Rotation;

/// A document and the chip it is on, at one stage.
pub struct Document<S> {
    /// Document number.
    pub number: String,
    /// The chip's serial.
    pub chip: String,
    stage: S,
}

/// A chip with an open channel and nothing on it.
pub struct Blank<C> {
    domain: SecuredDomain<C>,
}

/// What is written down when document number and chip are bound.
pub(crate) struct Binding<'a> {
    /// What the chip carries.
    pub token: &'a [u8],
    /// The time written into DG12.
    pub made_at: Timestamp,
    /// Whether the card must be printed before it is packed.
    pub print: bool,
}

/// The chip carries its binding, and perhaps the issuer's keys.
pub struct Bound<C> {
    domain: SecuredDomain<C>,
}

/// The keys of the citizen application are on the chip and have proved it.
struct Proven<C> {
    card: C,
    version: u8,
    proofs: Vec<Proof>,
}

/// A chip with an applet of other people, which has no place for a binding: the ledger alone binds it.
pub struct Held<C> {
    card: C,
}

/// The chip carries its passwords and its key; blocks are numbered on from here.
pub struct Keyed<C> {
    domain: SecuredDomain<C>,
    next: u8,
}

/// The chip carries everything and takes no more data.
pub struct Written(());

/// Read back and found good, by [`crate::quality`].
pub struct Judged {
    approved: Approved,
}

/// Secured: ready for its holder.
pub struct Sealed {
    approved: Approved,
}

/// Why a step did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The ledger could not be written: nothing more is done.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The card did not do it.
    #[error("step {step:?}: {source}")]
    Card {
        /// The step.
        step: Step,
        /// Why.
        source: DialogueError,
    },
    /// The citizen CA issued nothing, or the letter was not kept: the card is as good as before.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
}

impl<S> Document<S> {
    fn with<T>(self, stage: T) -> Document<T> {
        Document { number: self.number, chip: self.chip, stage }
    }

    fn event(&self, step: Step, phase: Phase, digest: Option<String>) -> Event {
        Event::Step { document: self.number.clone(), chip: self.chip.clone(), step, phase, digest }
    }

    fn state(&self, state: State) -> Event {
        Event::State { document: self.number.clone(), state, reason: None }
    }

    /// Intent into the ledger, the step, its result into the ledger; then the document is at the stage that the step leads to.
    fn take<T>(
        self,
        ledger: &mut Ledger,
        step: Step,
        digest: Option<[u8; 32]>,
        action: impl FnOnce(S) -> Result<T, DialogueError>,
    ) -> Result<Document<T>, StepError> {
        ledger.append(self.event(step, Phase::Intent, digest.map(hex::encode)))?;
        let Document { number, chip, stage } = self;
        let document = Document { number, chip, stage: () };
        match action(stage) {
            Ok(stage) => {
                ledger.append(document.event(step, Phase::Done, None))?;
                Ok(document.with(stage))
            }
            Err(source) => {
                // Cards count such attempts and block: so does the ledger, in whatever step it happens.
                if source.is_wrong_cryptogram() {
                    ledger.append(Event::WrongCryptogram { chip: document.chip.clone() })?;
                }
                let (instruction, status) = match &source {
                    DialogueError::Refused { instruction, status } => (Some(*instruction), Some(*status)),
                    _ => (None, None),
                };
                ledger.append(Event::Failed {
                    document: document.number,
                    chip: document.chip,
                    step,
                    reason: source.to_string(),
                    instruction,
                    status,
                    for_good: false,
                })?;
                Err(StepError::Card { step, source })
            }
        }
    }
}

impl<C: Card> Document<Blank<C>> {
    /// A chip whose channel is open.
    pub(crate) fn new(number: &str, chip: &str, domain: SecuredDomain<C>) -> Self {
        Document { number: number.to_owned(), chip: chip.to_owned(), stage: Blank { domain } }
    }

    /// Binds document number and chip for ever: first in the ledger, then in the chip.
    pub(crate) fn bind(self, ledger: &mut Ledger, binding: Binding<'_>) -> Result<Document<Bound<C>>, StepError> {
        let Binding { token, made_at, print } = binding;
        ledger.append(Event::Bound {
            document: self.number.clone(),
            chip: self.chip.clone(),
            token: hex::encode(token),
            made_at,
            print,
        })?;
        self.take(ledger, Step::Bind, None, |Blank { mut domain }| {
            domain.bind(token)?;
            Ok(Bound { domain })
        })
    }
}

impl<C: Card> Document<Held<C>> {
    /// Binds document number and chip for ever, in the ledger.
    pub(crate) fn hold(
        number: &str,
        chip: &str,
        card: C,
        ledger: &mut Ledger,
        Binding { token, made_at, print }: Binding<'_>,
    ) -> Result<Self, LedgerError> {
        let (number, chip) = (number.to_owned(), chip.to_owned());
        let token = hex::encode(token);
        ledger.append(Event::Bound { document: number.clone(), chip: chip.clone(), token, made_at, print })?;
        Ok(Document { number, chip, stage: Held { card } })
    }

    /// One step: announced, taken, written down. `digest` is over what is written, where nobody could guess it.
    pub(crate) fn step(
        self,
        ledger: &mut Ledger,
        step: Step,
        digest: Option<[u8; 32]>,
        action: impl FnOnce(&mut C) -> Result<(), DialogueError>,
    ) -> Result<Self, StepError> {
        self.take(ledger, step, digest, |Held { mut card }| {
            action(&mut card)?;
            Ok(Held { card })
        })
    }

    /// Key pairs of the citizen application are made, and prove themselves.
    pub(crate) fn prove(
        self,
        ledger: &mut Ledger,
        action: impl FnOnce(&mut C) -> Result<Vec<Proof>, DialogueError>,
    ) -> Result<(Self, Vec<Proof>), StepError> {
        let Document { number, chip, stage } = self.take(ledger, Step::CitizenKeys, None, |Held { mut card }| {
            let proofs = action(&mut card)?;
            Ok((Held { card }, proofs))
        })?;
        let (stage, proofs) = stage;
        Ok((Document { number, chip, stage }, proofs))
    }

    /// What is written into the citizen application: its objects, and a certificate for each key that was proved.
    pub(crate) fn certified(
        &self,
        ledger: &mut Ledger,
        plan: &CitizenPlan,
        citizens: Option<&mut Citizens<'_>>,
        proofs: &[Proof],
    ) -> Result<Vec<(&'static Object, Vec<u8>)>, StepError> {
        let mut objects = plan.objects.clone();
        // A plan with a citizen application is only made where there is a CA.
        let Some(citizens) = citizens else { return Ok(objects) };
        for proof in proofs {
            let certificate = self.certify(ledger, plan, citizens.ca, proof)?;
            objects.push((proof.key.certificate(), Container::write(&certificate)));
        }
        Ok(objects)
    }

    /// Enters that the chip holds its keys and passwords.
    pub(crate) fn keyed(&self, ledger: &mut Ledger) -> Result<(), LedgerError> {
        ledger.append(self.state(State::ChipInitialised))
    }

    /// Enters that the chip holds everything and takes no more data.
    pub(crate) fn written(self, ledger: &mut Ledger) -> Result<Document<Written>, LedgerError> {
        ledger.append(self.state(State::Personalised))?;
        Ok(self.with(Written(())))
    }
}

impl<C: Card> Document<Bound<C>> {
    /// Puts the issuer's keys in place of those that the chip came with, or what an earlier attempt left of them.
    pub(crate) fn rotate_keys(
        self,
        ledger: &mut Ledger,
        rotation: &Rotation<'_>,
        options: Options,
        random: &mut dyn Random,
    ) -> Result<Self, StepError> {
        self.take(ledger, Step::RotateKeys, None, |Bound { domain }| {
            Ok(Bound { domain: rotation.carry_out(domain, options, random)? })
        })
    }

    /// Fills the citizen application: keys that are made on the chip, the CA's certificates for them, objects. What an earlier
    /// attempt left there is replaced, and its certificates are given up in the ledger.
    pub(crate) fn write_citizen(
        self,
        ledger: &mut Ledger,
        plan: &CitizenPlan,
        ca: &mut dyn CitizenCa,
        access: Access<'_>,
        random: &mut dyn Random,
    ) -> Result<Self, StepError> {
        let proven = self.take(ledger, Step::CitizenKeys, None, |Bound { domain }| {
            let version = domain.key_version();
            let access = Access { version, ..access };
            let (card, proofs) = dialogue::make_keys(domain.into_card(), &plan.keys, access, random)?;
            Ok(Proven { card, version, proofs })
        })?;
        let mut objects = plan.objects.clone();
        for proof in &proven.stage.proofs {
            let certificate = proven.certify(ledger, plan, ca, proof)?;
            objects.push((proof.key.certificate(), Container::write(&certificate)));
        }
        let read = objects.iter().filter(|(object, _)| object.read == Reading::Free);
        let digest = citizen_digest(read.map(|(_, content)| content.as_slice()));
        proven.take(ledger, Step::CitizenFiles, Some(digest), |Proven { card, version, .. }| {
            let card = dialogue::write(card, &objects, Access { version, ..access }, random)?;
            let domain = IssuerDomain::select(card)?.open(version, access.keys, access.options, random)?;
            Ok(Bound { domain })
        })
    }

    /// Erases what an earlier attempt wrote, and writes access passwords and chip key, enciphered.
    pub(crate) fn write_keys(
        mut self,
        ledger: &mut Ledger,
        plan: &SignedPlan,
        block_size: usize,
        written: &mut dyn FnMut(usize),
    ) -> Result<Document<Keyed<C>>, StepError> {
        let enciphered = self.encipher(plan)?;
        let mut next = 0;
        let keyed = self.take(ledger, Step::WriteKeys, Some(sha256(&enciphered)), |Bound { mut domain }| {
            domain.install()?;
            let run = Run { bytes: &enciphered, encryption: StoreDataEncryption::Encrypted, block_size, ends: false };
            domain.store(&run, &mut next, written)?;
            Ok(Keyed { domain, next })
        })?;
        ledger.append(keyed.state(State::ChipInitialised))?;
        Ok(keyed)
    }

    fn encipher(&mut self, plan: &SignedPlan) -> Result<Vec<u8>, StepError> {
        let failed = |source| StepError::Card { step: Step::WriteKeys, source };
        let mut enciphered = Vec::new();
        for dgi in plan.secret_groups() {
            let value = self.stage.domain.encipher(&dgi.value).map_err(failed)?;
            enciphered.extend(encode(&Dgi::new(dgi.id, value)).map_err(failed)?);
        }
        Ok(enciphered)
    }
}

impl<S> Document<S> {
    /// The CA's certificate for a key: announced before it is asked for, and written down before it is used.
    fn certify(
        &self,
        ledger: &mut Ledger,
        plan: &CitizenPlan,
        ca: &mut dyn CitizenCa,
        proof: &Proof,
    ) -> Result<Vec<u8>, StepError> {
        let key_identifier = hex::encode(&proof.identifier);
        ledger.append(Event::CertificateAsked {
            document: self.number.clone(),
            chip: self.chip.clone(),
            key: format!("{:02X}", proof.key as u8),
            key_identifier: key_identifier.clone(),
        })?;
        let der = ca.issue(&proof.proof, proof.key, &plan.holder)?;
        let certificate = Certificate::from_der(&der).map_err(|_| CertificateError::OtherKey)?;
        ledger.append(Event::CertificateIssued {
            document: self.number.clone(),
            chip: self.chip.clone(),
            key_identifier,
            serial: hex::encode(certificate.serial()),
            digest: hex::encode(sha256(&der)),
        })?;
        match certificate.public_key().key_identifier() == proof.identifier {
            true => Ok(der),
            false => Err(CertificateError::OtherKey.into()),
        }
    }
}

/// One digest over the contents of objects that anybody reads, in their order.
pub(crate) fn citizen_digest<'a>(contents: impl Iterator<Item = &'a [u8]>) -> [u8; 32] {
    sha256(&contents.flat_map(sha256).collect::<Vec<u8>>())
}

impl<C: Card> Document<Keyed<C>> {
    /// Writes the files, then locks the application: from here on it answers readers and takes no more data.
    pub(crate) fn write_files(
        self,
        ledger: &mut Ledger,
        plan: &SignedPlan,
        block_size: usize,
        written: &mut dyn FnMut(usize),
    ) -> Result<Document<Written>, StepError> {
        let failed = |source| StepError::Card { step: Step::WriteFiles, source };
        let groups = plan.file_groups().iter().map(encode).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let bytes = groups.concat();
        let filled = self.take(ledger, Step::WriteFiles, Some(plan.security_object_digest()), |mut stage| {
            let run = Run { bytes: &bytes, encryption: StoreDataEncryption::Plain, block_size, ends: true };
            stage.domain.store(&run, &mut stage.next, written)?;
            Ok(stage)
        })?;
        let locked = filled.take(ledger, Step::Lock, None, |mut stage| {
            stage.domain.set_application(ApplicationState::PERSONALIZED)?;
            Ok(Written(()))
        })?;
        ledger.append(locked.state(State::Personalised))?;
        Ok(locked)
    }
}

fn encode(dgi: &Dgi) -> Result<Vec<u8>, DialogueError> {
    // A planned value is far below the limit of the length field.
    dgi.to_bytes().map_err(|_| DialogueError::Encipher)
}

impl Document<Written> {
    /// A document that an earlier run wrote and locked.
    pub(crate) fn found(number: &str, chip: &str) -> Self {
        Document { number: number.to_owned(), chip: chip.to_owned(), stage: Written(()) }
    }

    /// Enters the approval into the ledger.
    pub(crate) fn approved(self, ledger: &mut Ledger, approved: Approved) -> Result<Document<Judged>, LedgerError> {
        ledger.append(self.event(Step::ReadBack, Phase::Done, None))?;
        ledger.append(self.state(State::QaPassed))?;
        Ok(self.with(Judged { approved }))
    }
}

impl Document<Judged> {
    /// Sets transport PIN and PUK, whose letter was kept before.
    pub(crate) fn set_transport_pin<C: Card>(
        self,
        ledger: &mut Ledger,
        card: C,
        codes: &TransportCodes,
        access: Access<'_>,
        random: &mut dyn Random,
    ) -> Result<Self, StepError> {
        self.take(ledger, Step::TransportPin, None, |judged| {
            IssuerView::open(card, eid::Application::Piv, access, random)?.set_codes(codes)?;
            Ok(judged)
        })
    }

    /// Sets PIN and PUK of an applet of others, whose letter was kept before.
    pub(crate) fn codes(
        self,
        ledger: &mut Ledger,
        action: impl FnOnce() -> Result<(), DialogueError>,
    ) -> Result<Self, StepError> {
        self.take(ledger, Step::TransportPin, None, |judged| action().map(|()| judged))
    }

    /// The last look at a card with an applet of others.
    pub(crate) fn sealed(
        self,
        ledger: &mut Ledger,
        action: impl FnOnce() -> Result<(), DialogueError>,
    ) -> Result<Document<Sealed>, StepError> {
        self.take(ledger, Step::Seal, None, |Judged { approved }| action().map(|()| Sealed { approved }))
    }

    /// An applet of other people, which was locked when it was written: nothing is left to secure.
    pub(crate) fn locked_before(self) -> Document<Sealed> {
        let Document { number, chip, stage: Judged { approved } } = self;
        Document { number, chip, stage: Sealed { approved } }
    }

    /// Secures the card, and its citizen's applications if it has them.
    pub(crate) fn seal<C: Card>(
        self,
        ledger: &mut Ledger,
        domain: &mut SecuredDomain<C>,
        citizen: bool,
    ) -> Result<Document<Sealed>, StepError> {
        self.take(ledger, Step::Seal, None, |Judged { approved }| {
            for (application, state) in if citizen { domain.citizen_states()? } else { Vec::new() } {
                if state != ApplicationState::PERSONALIZED {
                    domain.set_citizen(application, ApplicationState::PERSONALIZED)?;
                }
            }
            match domain.card_state()? {
                CardState::SECURED => {}
                CardState::OP_READY => {
                    domain.set_card(CardState::INITIALIZED)?;
                    domain.set_card(CardState::SECURED)?;
                }
                _ => domain.set_card(CardState::SECURED)?,
            }
            Ok(Sealed { approved })
        })
    }
}

impl Document<Sealed> {
    /// What the inspection said of the card.
    pub fn approved(&self) -> &Approved {
        &self.stage.approved
    }
}
