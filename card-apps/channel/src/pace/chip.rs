//! The chip's end: a state, with one answer for everything unexpected.

use std::fmt;

use iso7816::Status;
use iso7816::tlv::{Reader, TlvError, encode, sole};

use super::steps::{AgreementStep, ConfirmationStep, MappingStep, conceal};
use super::{
    DYNAMIC_AUTHENTICATION, KeyError, Mapping, NONCE, OBJECT_IDENTIFIER, PARAMETERS, PASSWORD, PaceError, Suite,
};
use crate::chip_auth::ChipKey;
use crate::password::Password;
use crate::random::Random;
use crate::role::Chip;
use crate::secret::Secret;
use crate::sm::Session;

/// What the chip answers to a GENERAL AUTHENTICATE that it accepts.
#[derive(Debug)]
pub enum PaceStep {
    /// This response data; PACE goes on.
    Continue(Vec<u8>),
    /// This response data, still bare; then the session.
    Done(Vec<u8>, Session<Chip>),
}

/// What the chip offers to PACE.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer<'a> {
    /// What its EF.CardAccess announces.
    pub suites: &'a [Suite],
    /// What opens it. PINs that must not be tried now are left out: see [`crate::password::Tries`].
    pub passwords: &'a [Password],
    /// Its static keys, for chip authentication mapping: the first on the suite's curve is used.
    pub chip_keys: &'a [ChipKey],
}

/// The chip's end of PACE.
#[derive(Default)]
pub struct ChipPace {
    state: State,
    /// The static key of chip authentication mapping.
    chip_key: Option<Secret>,
    /// After success: this end's ephemeral public key, compressed.
    identity: Option<Vec<u8>>,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    /// After MSE:Set AT.
    Chosen(Suite, Password),
    /// After the nonce went out.
    Concealed(Suite, Secret),
    /// After the mapping keys.
    Agreement(Box<AgreementStep<Chip>>),
    /// After the public keys.
    Confirmation(Box<ConfirmationStep<Chip>>),
}

impl fmt::Debug for ChipPace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Idle => "ChipPace(idle)",
            State::Chosen(..) => "ChipPace(chosen)",
            State::Concealed(..) => "ChipPace(nonce sent)",
            State::Agreement(..) => "ChipPace(mapped)",
            State::Confirmation(..) => "ChipPace(agreed)",
        })
    }
}

impl ChipPace {
    /// MSE:Set AT (`00 22 C1 A4`): data field `80 object identifier, 83 password, [84 parameter number]`.
    ///
    /// # Errors
    /// `6A80` for bad data or an unknown suite, `6A88` for an unknown password or parameters; the state is wiped.
    pub fn set_at(&mut self, data: &[u8], offer: &Offer<'_>) -> Result<(), Status> {
        *self = ChipPace::default();
        let chosen = SetAt::read(data).map_err(|_| Status::WRONG_DATA)?;
        let mut known = offer.suites.iter().filter(|suite| suite.oid() == *chosen.oid).peekable();
        known.peek().ok_or(Status::WRONG_DATA)?;
        let suite = match chosen.parameters {
            None => known.next(),
            Some(&[number]) => known.find(|suite| suite.group.parameter_id() == number),
            Some(_) => return Err(Status::WRONG_DATA),
        };
        let suite = *suite.ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
        let password = offer.passwords.iter().find(|password| [password.reference()] == *chosen.password);
        let password = password.ok_or(Status::REFERENCED_DATA_NOT_FOUND)?.clone();
        if suite.mapping == Mapping::ChipAuthentication {
            let key = offer.chip_keys.iter().find(|key| key.group == suite.group);
            self.chip_key = Some(key.ok_or(Status::REFERENCED_DATA_NOT_FOUND)?.private.clone());
        }
        self.state = State::Chosen(suite, password);
        Ok(())
    }

    /// True between MSE:Set AT and the last step: GENERAL AUTHENTICATE then belongs here.
    pub fn is_expected(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    /// What Terminal Authentication calls this chip by, after PACE has succeeded.
    pub fn identity(&self) -> Option<&[u8]> {
        self.identity.as_deref()
    }

    /// GENERAL AUTHENTICATE (`10 86` and at last `00 86`): `chaining` is bit 5 of the class.
    ///
    /// # Errors
    /// `6300` for a wrong token, `6985` out of order, `6A80` for bad data; the state is wiped.
    pub fn general_authenticate(
        &mut self,
        chaining: bool,
        data: &[u8],
        random: &mut dyn Random,
    ) -> Result<PaceStep, Status> {
        // Idle until the step has succeeded.
        let ChipPace { state, chip_key, .. } = std::mem::take(self);
        let content = sole(data, DYNAMIC_AUTHENTICATION).map_err(|_| Status::WRONG_DATA)?;
        let (next, answer) = match (state, chaining) {
            (State::Chosen(suite, password), true) if content.is_empty() => {
                let mut nonce = Secret::new(vec![0; suite.nonce_length()]);
                random.fill(nonce.expose_mut()).map_err(|_| Status::UNKNOWN_ERROR)?;
                let concealed = conceal(suite.cipher, &password, &nonce).map_err(|_| Status::UNKNOWN_ERROR)?;
                (State::Concealed(suite, nonce), encode(NONCE, concealed))
            }
            (State::Concealed(suite, nonce), true) => {
                let mapping = MappingStep::begin(suite, nonce, random).map_err(|error| refusal(&error.into()))?;
                let answer = mapping.object();
                let agreement = mapping.finish(content, random).map_err(|error| refusal(&error))?;
                (State::Agreement(Box::new(agreement)), answer)
            }
            (State::Agreement(agreement), true) => {
                let answer = agreement.object();
                let confirmation = agreement.finish(content).map_err(|error| refusal(&error))?;
                (State::Confirmation(Box::new(confirmation)), answer)
            }
            (State::Confirmation(confirmation), false) => {
                let identity = confirmation.chip_identity().to_vec();
                let (answer, session) =
                    confirmation.finish(content, chip_key.as_ref()).map_err(|error| refusal(&error))?;
                self.identity = Some(identity);
                return Ok(PaceStep::Done(encode(DYNAMIC_AUTHENTICATION, answer), session));
            }
            _ => return Err(Status::CONDITIONS_NOT_SATISFIED),
        };
        *self = ChipPace { state: next, chip_key, identity: None };
        Ok(PaceStep::Continue(encode(DYNAMIC_AUTHENTICATION, answer)))
    }
}

/// The status word for a step that failed.
fn refusal(error: &PaceError) -> Status {
    match error {
        PaceError::NotAuthentic => Status::AUTHENTICATION_FAILED,
        PaceError::Key(KeyError::Random(_) | KeyError::OpenSsl(_)) => Status::UNKNOWN_ERROR,
        _ => Status::WRONG_DATA,
    }
}

/// The data field of MSE:Set AT.
struct SetAt<'a> {
    oid: &'a [u8],
    password: &'a [u8],
    parameters: Option<&'a [u8]>,
}

impl<'a> SetAt<'a> {
    fn read(data: &'a [u8]) -> Result<Self, TlvError> {
        let mut objects = Reader::new(data);
        let oid = objects.expect(OBJECT_IDENTIFIER)?;
        let password = objects.expect(PASSWORD)?;
        let parameters = objects.optional(PARAMETERS)?;
        objects.end()?;
        Ok(SetAt { oid, password, parameters })
    }
}
