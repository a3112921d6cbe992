//! What the citizen application keeps without power, and what it forgets.

use std::collections::BTreeMap;

use channel::secret::Secret;
use eid::discovery::Discovery;
use eid::keys::{Algorithm, KeyReference, ManagementAlgorithm};
use eid::objects::{DISCOVERY_OBJECT, MAX_CONTENT, OBJECTS, Right};
use eid::{Application, pin};
use iso7816::{Response, Status};
use serde::{Deserialize, Serialize};

use super::applet::Applet;
use super::authentication::Exchange;
use super::chain::{Chain, Pending};
use super::command::Command;
use super::keys;
use crate::emrtd::ApplicationLife;

/// Most bytes of object contents in all.
pub const MAX_CONTENTS: usize = 96 * 1024;
/// Wrong PINs in a row that block the PIN.
pub const PIN_TRIES: u8 = 3;
/// Wrong PUKs in a row that block the PUK.
pub const PUK_TRIES: u8 = 5;
/// The most tries that a status word can tell.
const MAX_TRIES: u8 = 15;

/// A PIN or PUK with its retry counter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The eight bytes that commands carry.
    #[serde(with = "crate::encoding::secret")]
    pub value: Secret,
    /// Tries left; 0 is blocked.
    pub tries: u8,
    /// Tries after a good one.
    pub limit: u8,
}

impl Reference {
    pub(super) fn new(value: &Secret, limit: u8) -> Self {
        Reference { value: value.clone(), tries: limit, limit }
    }

    fn is_possible(&self) -> bool {
        self.value.expose().len() == pin::LENGTH && self.tries <= self.limit && self.limit <= MAX_TRIES
    }
}

/// The management key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagementKey {
    /// `08`, `0A` or `0C`: AES by the length of the key.
    pub algorithm: u8,
    /// The key.
    #[serde(with = "crate::encoding::secret")]
    pub value: Secret,
}

impl ManagementKey {
    /// A key of the algorithm's length; `None` for any other.
    pub fn new(algorithm: ManagementAlgorithm, value: &[u8]) -> Option<Self> {
        let key = ManagementKey { algorithm: algorithm as u8, value: Secret::from(value) };
        (value.len() == algorithm.key_length()).then_some(key)
    }

    fn is_possible(&self) -> bool {
        ManagementAlgorithm::from_byte(self.algorithm)
            .is_some_and(|algorithm| algorithm.key_length() == self.value.expose().len())
    }
}

/// A key pair of the card.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPair {
    /// Algorithm identifier: `07`, `05`, `11`, `14`.
    pub algorithm: u8,
    /// Private key in DER as OpenSSL writes it.
    #[serde(with = "crate::encoding::secret")]
    pub private: Secret,
}

/// The application's non-volatile memory, with that of the national file set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Contents of data objects by tag.
    #[serde(with = "crate::encoding::objects")]
    pub objects: BTreeMap<u32, Vec<u8>>,
    /// The PIN, once the issuer set one.
    pub pin: Option<Reference>,
    /// True while the PIN is the issuer's: it opens nothing and can only be changed.
    pub transport: bool,
    /// The PUK, once the issuer set one.
    pub puk: Option<Reference>,
    /// The management key, if there is one: the issuer's channel needs none.
    pub management_key: Option<ManagementKey>,
    /// Key pairs by key reference.
    pub keys: BTreeMap<u8, KeyPair>,
    /// Whose program answers: this project's, where the file does not say.
    #[serde(default, skip_serializing_if = "Applet::is_own")]
    pub applet: Applet,
    /// Life cycles of the two applications. A file written before they were kept has none: they follow from the PIN then.
    #[serde(default)]
    pub life_cycles: Option<LifeCycles>,
}

/// The life cycles of the two applications.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LifeCycles {
    /// Of the PIV application.
    pub piv: ApplicationLife,
    /// Of the national file set.
    pub national: ApplicationLife,
}

impl LifeCycles {
    fn of(&mut self, application: Application) -> &mut ApplicationLife {
        match application {
            Application::Piv => &mut self.piv,
            Application::National => &mut self.national,
        }
    }
}

impl Memory {
    /// An application as the card's maker delivers it: the discovery object, and nothing that opens anything.
    pub fn delivered() -> Self {
        Memory {
            objects: [(DISCOVERY_OBJECT.tag.0, Discovery::own().to_bytes())].into(),
            pin: None,
            transport: false,
            puk: None,
            management_key: None,
            keys: BTreeMap::new(),
            applet: Applet::Bitaqa,
            life_cycles: Some(LifeCycles { piv: ApplicationLife::Selectable, national: ApplicationLife::Selectable }),
        }
    }

    /// The life cycle of one of the applications.
    pub fn life(&self, application: Application) -> ApplicationLife {
        *self.life_cycles().of(application)
    }

    /// Programs of others know nothing of the issuer's word PERSONALIZED: it follows from the PIN.
    fn life_cycles(&self) -> LifeCycles {
        let life = if self.pin.is_some() { ApplicationLife::Personalized } else { ApplicationLife::Selectable };
        let kept = self.life_cycles.filter(|kept| self.applet.is_own() || kept.piv == ApplicationLife::Locked);
        kept.unwrap_or(LifeCycles { piv: life, national: life })
    }

    /// The issuer has done its work. `6985` when there is no PIN yet, when it was done before, or for a program of others.
    pub(crate) fn personalize(&mut self, application: Application) -> Result<(), Status> {
        let ready = self.life(application) == ApplicationLife::Selectable && self.pin.is_some();
        if !ready || !self.applet.is_own() {
            return Err(Status::CONDITIONS_NOT_SATISFIED);
        }
        self.live(application, ApplicationLife::Personalized);
        Ok(())
    }

    /// Nobody selects the application any more; `6985` when it was so before.
    pub(crate) fn lock(&mut self, application: Application) -> Result<(), Status> {
        if self.life(application) == ApplicationLife::Locked {
            return Err(Status::CONDITIONS_NOT_SATISFIED);
        }
        self.live(application, ApplicationLife::Locked);
        Ok(())
    }

    fn live(&mut self, application: Application, life: ApplicationLife) {
        let mut both = self.life_cycles();
        *both.of(application) = life;
        self.life_cycles = Some(both);
    }

    /// True once the holder has a PIN that nobody else knows: before, no key works.
    pub fn is_active(&self) -> bool {
        self.pin.is_some() && !self.transport
    }

    /// Bytes of all contents.
    pub(crate) fn size(&self) -> usize {
        self.objects.values().map(Vec::len).sum()
    }

    /// The first value that no card can hold.
    pub(crate) fn impossible(&self) -> Option<&'static str> {
        let known = |(tag, content): (&u32, &Vec<u8>)| {
            let listed = OBJECTS.iter().any(|object| object.tag.0 == *tag);
            content.len() <= MAX_CONTENT && (listed || self.applet.may_hold(*tag))
        };
        let usable = |(reference, key): (&u8, &KeyPair)| {
            let algorithm = Algorithm::from_byte(key.algorithm);
            KeyReference::from_byte(*reference).is_some() && algorithm.is_some_and(|it| keys::load(key, it).is_ok())
        };
        let checks = [
            ("objects", self.size() <= MAX_CONTENTS && self.objects.iter().all(known)),
            ("pin", self.pin.as_ref().is_none_or(Reference::is_possible)),
            ("transport", self.pin.is_some() || !self.transport),
            ("puk", self.puk.as_ref().is_none_or(Reference::is_possible)),
            ("management_key", self.management_key.as_ref().is_none_or(ManagementKey::is_possible)),
            ("keys", self.keys.iter().all(usable)),
            ("applet", self.applet.is_possible()),
        ];
        checks.into_iter().find(|(_, good)| !good).map(|(field, _)| field)
    }
}

/// What the application loses with power, reset and the selection of another one.
pub(crate) struct Volatile {
    /// Which of the two applications is selected.
    pub(super) place: Application,
    pub(super) chain: Chain,
    pub(super) pending: Pending,
    /// The PIN was given.
    pub(super) verified: bool,
    /// The PIN was given by the command before this one.
    pub(super) fresh: bool,
    /// The management key was used.
    pub(super) managed: bool,
    pub(super) exchange: Exchange,
    /// Under the travel document's secure messaging: what Terminal Authentication granted before.
    session: Option<Vec<Right>>,
}

impl Volatile {
    /// The state after selection.
    pub(crate) fn at(place: Application) -> Self {
        Volatile {
            place,
            chain: Chain::default(),
            pending: Pending::default(),
            verified: false,
            fresh: false,
            managed: false,
            exchange: Exchange::Idle,
            session: None,
        }
    }

    /// The state after selection under the travel document's secure messaging, by a terminal with these rights.
    pub(crate) fn in_session(place: Application, rights: Vec<Right>) -> Self {
        Volatile { session: Some(rights), ..Volatile::at(place) }
    }

    /// The session is over, and all that was granted in it; the application stays selected.
    pub(crate) fn end_session_if_any(&mut self) {
        if self.session.is_some() {
            *self = Volatile::at(self.place);
        }
    }

    /// Whether Terminal Authentication granted this.
    pub(super) fn has(&self, right: Right) -> bool {
        self.session.as_ref().is_some_and(|rights| rights.contains(&right))
    }

    /// The application that is selected.
    pub(crate) fn place(&self) -> Application {
        self.place
    }

    /// Forgets what of an answer was not fetched.
    pub(super) fn forget_answer(&mut self) {
        self.pending = Pending::default();
    }

    /// GET RESPONSE.
    pub(super) fn next_answer(&mut self, ne: Option<u32>) -> Result<Response, Status> {
        self.pending.next(ne)
    }

    /// What outlasts neither a fault nor a repeated selection; what was proved stays (SP 800-73-4 part 2 §3.1.1).
    pub(crate) fn forget_steps(&mut self) {
        self.chain = Chain::default();
        self.pending = Pending::default();
        self.fresh = false;
        self.exchange = Exchange::Idle;
    }

    /// A command of the issuer, also a refused one, came between the PIN and what it was given for.
    pub(crate) fn end_freshness(&mut self) {
        self.fresh = false;
    }

    /// Forgets every step that this command does not continue, and says whether the PIN was given right before it.
    pub(super) fn expect_only(&mut self, command: Option<&Command<'_>>) -> bool {
        if !matches!(command, Some(Command::GetResponse)) {
            self.pending = Pending::default();
        }
        if !matches!(command, Some(Command::Management { .. })) {
            self.exchange = Exchange::Idle;
        }
        std::mem::take(&mut self.fresh)
    }
}
