//! Access to the chip: PACE where it is offered, BAC only where it is not and the caller allows it (9303-11 §4.2).

use std::cmp::Reverse;

use channel::bac::{self, BacError};
use channel::pace::{self, Mapping, MappingProof, PaceError, Suite, Variant};
use channel::password::{MrzKey, Password};
use channel::role::Terminal;
use channel::sm::Session;
use channel::suite::Cipher;
use iso7816::Card;
use lds::files::EF_CARD_ACCESS;
use lds::security_infos::{SecurityInfo, SecurityInfos};

use super::ladder::{self, Rung};
use super::{Bac, Procedure, select_emrtd};
use crate::evidence::{Attempt, Established, FileEvidence, Interruption, MappingEvidence, PasswordKind, Protocol};

/// What a chip that refuses BAC before the MRZ is at work may be.
pub(crate) const NO_DOCUMENT: &str = "before the MRZ could matter: there may be no document in the chip";

/// An open session, and whether the eMRTD application is selected already.
pub(super) struct Opened {
    pub session: Session<Terminal>,
    pub application_selected: bool,
}

/// How one variant of PACE ended.
enum Tried {
    Opened(Opened),
    /// The card refused it before the password could matter.
    Refused,
    Failed,
}

/// What EF.CardAccess says of PACE.
enum Offer {
    /// No file, or no PACEInfo in it.
    Nothing,
    /// At least one PACEInfo; those that this tool can run, the best first.
    Pace(Vec<(SecurityInfo, Suite)>),
    /// The file is no SecurityInfos. It might hide an offer, so it counts as one.
    Unreadable(String),
}

impl Procedure<'_> {
    /// Tries what the rules allow; `None` when the chip stays closed.
    pub(super) fn open(&mut self, card: &mut dyn Card) -> Result<Option<Opened>, Interruption> {
        match self.offer() {
            Offer::Pace(suites) => self.open_by_any(card, &suites),
            Offer::Unreadable(reason) => {
                self.attempted(Protocol::Pace, Some(format!("EF.CardAccess cannot be read: {reason}")));
                Ok(None)
            }
            Offer::Nothing => match (self.access.bac, self.access.password.clone()) {
                (Bac::Allowed, Password::Mrz(key)) => self.open_by_bac(card, &key),
                (Bac::Allowed, _) => {
                    self.attempted(Protocol::Bac, Some("the card offers no PACE, and BAC needs the MRZ".into()));
                    Ok(None)
                }
                (Bac::Never, _) => {
                    self.attempted(Protocol::Pace, Some("the card offers no PACE, and BAC is not allowed".into()));
                    Ok(None)
                }
            },
        }
    }

    fn offer(&self) -> Offer {
        let bytes = match self.evidence.files.get(EF_CARD_ACCESS.name) {
            Some(FileEvidence::Read { content }) => content,
            Some(FileEvidence::Malformed { reason }) => return Offer::Unreadable(reason.clone()),
            _ => return Offer::Nothing,
        };
        match SecurityInfos::parse(bytes) {
            Ok(infos) => offer_of(&infos),
            Err(error) => Offer::Unreadable(error.to_string()),
        }
    }

    /// Climbs the rungs that lead to PACE. The next one is only reached while the chip refuses before any password is at work
    /// (TR-03105-5.1): what the issuer promised is compared with what was run later.
    fn open_by_any(
        &mut self,
        card: &mut dyn Card,
        suites: &[(SecurityInfo, Suite)],
    ) -> Result<Option<Opened>, Interruption> {
        if suites.is_empty() {
            self.attempted(Protocol::Pace, Some("none of the PACE variants offered is one this tool knows".into()));
        }
        let mut refused = None;
        for (rung, admits) in ladder::of_pace() {
            let Some((info, suite)) = suites.iter().find(|(_, suite)| admits(suite.mapping)) else { continue };
            // A rung that leads to what was refused already is none.
            if refused == Some(*suite) {
                continue;
            }
            match self.open_by_pace(card, rung, info, *suite)? {
                Tried::Refused => refused = Some(*suite),
                Tried::Opened(opened) => return Ok(Some(opened)),
                Tried::Failed => return Ok(None),
            }
        }
        Ok(None)
    }

    fn open_by_pace(
        &mut self,
        card: &mut dyn Card,
        rung: Rung,
        info: &SecurityInfo,
        suite: Suite,
    ) -> Result<Tried, Interruption> {
        let password = self.password_kind();
        let words = suite_words(suite);
        let mut attempts = Vec::new();
        let mut record = |variant: Variant, error: Option<&PaceError>| {
            attempts.push(Attempt {
                protocol: Protocol::Pace,
                password,
                rung: Some(rung),
                suite: Some(words.clone()),
                form: Some(variant.name.to_owned()),
                error: error.map(|error| match error.is_before_the_password() {
                    true => format!("{error} (MSE:Set AT {})", variant.name),
                    false => error.to_string(),
                }),
            });
        };
        let password = &self.access.password;
        let result = pace::climb(card, &suite, password, self.is_ambiguous(info), self.random, &mut record);
        self.evidence.access.attempts.extend(attempts);
        match result {
            Ok(opened) => {
                let proof = opened.mapping_proof;
                let mapping = proof.map(|MappingProof { mapping_key, data, .. }| MappingEvidence { mapping_key, data });
                self.established(Protocol::Pace, words, info.to_bytes(), mapping);
                self.chip_identity = Some(opened.chip_identity);
                Ok(Tried::Opened(Opened { session: opened.session, application_selected: false }))
            }
            Err(PaceError::Transmit(lost)) => Err(Interruption::from(&lost)),
            Err(error) if error.is_before_the_password() => Ok(Tried::Refused),
            Err(_) => Ok(Tried::Failed),
        }
    }

    /// Whether EF.CardAccess offers chip authentication mapping, with a cipher that this tool knows or not.
    pub(super) fn mapping_is_offered(&self) -> bool {
        let infos = self.evidence.content(EF_CARD_ACCESS.name).and_then(|bytes| SecurityInfos::parse(bytes).ok());
        infos.is_some_and(|infos| infos.infos().iter().any(SecurityInfo::is_chip_authentication_mapping))
    }

    /// Whether EF.CardAccess offers the protocol of this entry with other domain parameters too.
    fn is_ambiguous(&self, info: &SecurityInfo) -> bool {
        let infos = self.evidence.content(EF_CARD_ACCESS.name).and_then(|bytes| SecurityInfos::parse(bytes).ok());
        let same = |other: &&SecurityInfo| matches!(other, SecurityInfo::Pace { .. }) && other.oid() == info.oid();
        infos.is_some_and(|infos| infos.infos().iter().filter(same).count() > 1)
    }

    fn open_by_bac(&mut self, card: &mut dyn Card, key: &MrzKey) -> Result<Option<Opened>, Interruption> {
        if !select_emrtd(card)? {
            self.attempted(Protocol::Bac, Some("the card has no eMRTD application".into()));
            return Ok(None);
        }
        match bac::open(card, key, self.random) {
            Ok(session) => {
                self.tried_bac(None);
                self.established(Protocol::Bac, cipher_name(Cipher::TripleDes).into(), Vec::new(), None);
                Ok(Some(Opened { session, application_selected: true }))
            }
            Err(error) => {
                let words = match &error {
                    // The MRZ is not at work yet.
                    BacError::Refused { instruction: bac::GET_CHALLENGE, .. } => format!("{error} ({NO_DOCUMENT})"),
                    _ => error.to_string(),
                };
                self.tried_bac(Some(words));
                match error {
                    BacError::Transmit(lost) => Err(Interruption::from(&lost)),
                    _ => Ok(None),
                }
            }
        }
    }

    /// An attempt that came to its end before anything was tried.
    fn attempted(&mut self, protocol: Protocol, error: Option<String>) {
        let password = self.password_kind();
        let attempt = Attempt { protocol, password, rung: None, suite: None, form: None, error };
        self.evidence.access.attempts.push(attempt);
    }

    fn tried_bac(&mut self, error: Option<String>) {
        let (password, suite) = (self.password_kind(), Some(cipher_name(Cipher::TripleDes).to_owned()));
        let attempt = Attempt { protocol: Protocol::Bac, password, rung: Some(Rung::Bac), suite, form: None, error };
        self.evidence.access.attempts.push(attempt);
    }

    fn established(
        &mut self,
        protocol: Protocol,
        detail: String,
        security_info: Vec<u8>,
        mapping: Option<MappingEvidence>,
    ) {
        let password = self.password_kind();
        self.evidence.access.established = Some(Established { protocol, password, detail, security_info, mapping });
    }

    fn password_kind(&self) -> PasswordKind {
        match self.access.password {
            Password::Mrz(_) => PasswordKind::Mrz,
            Password::Can(_) => PasswordKind::Can,
            Password::Pin(_) => PasswordKind::Pin,
            Password::Puk(_) => PasswordKind::Puk,
        }
    }
}

/// Mapping, curve and cipher as they are reported.
pub fn suite_words(suite: Suite) -> String {
    format!("{}, {}, {}", mapping_name(suite.mapping), suite.group.name(), cipher_name(suite.cipher))
}

const fn mapping_name(mapping: Mapping) -> &'static str {
    match mapping {
        Mapping::Generic => "generic mapping",
        Mapping::Integrated => "integrated mapping",
        Mapping::ChipAuthentication => "chip authentication mapping",
    }
}

/// The cipher as the standards write it.
pub const fn cipher_name(cipher: Cipher) -> &'static str {
    match cipher {
        Cipher::TripleDes => "3DES",
        Cipher::Aes128 => "AES-128",
        Cipher::Aes192 => "AES-192",
        Cipher::Aes256 => "AES-256",
    }
}

/// Those offers that this tool can run: chip authentication mapping first, as it proves the chip besides, then the longest keys.
fn offer_of(infos: &SecurityInfos) -> Offer {
    let mut offered = false;
    let mut suites = Vec::new();
    for info in infos.infos() {
        let SecurityInfo::Pace { oid, version, parameter_id } = info else { continue };
        offered = true;
        let suite = parameter_id.filter(|_| *version == 2).and_then(|id| Suite::from_info(oid, id));
        suites.extend(suite.map(|suite| (info.clone(), suite)));
    }
    // A stable sort: of equals the first one offered is tried.
    suites.sort_by_key(|(_, suite)| (suite.mapping != Mapping::ChipAuthentication, Reverse(suite.cipher.key_length())));
    if offered { Offer::Pace(suites) } else { Offer::Nothing }
}
