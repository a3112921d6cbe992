//! What the lines of a ledger say together, and what they may never say.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{Entry, Event, Phase, State, Step};

/// Documents, chips and blanks.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Book {
    documents: BTreeMap<String, DocumentRecord>,
    chips: BTreeMap<String, ChipRecord>,
    received: u64,
    spoiled_blanks: u64,
}

/// What is known of a document number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentRecord {
    /// The registry's reference.
    pub job_id: String,
    /// Digest of the order and its pictures.
    pub order: String,
    /// Where it stands.
    pub state: State,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// The chip it is bound to.
    pub chip: Option<String>,
    /// What the chip carries as its binding, hexadecimal.
    pub token: Option<String>,
    /// The time written into DG12.
    pub made_at: Option<Timestamp>,
    /// Digest of EF.SOD as written last, hexadecimal.
    pub security_object: Option<String>,
    /// Digest of what was written last into the citizen application, hexadecimal.
    pub citizen_files: Option<String>,
    /// Certificates of the citizen CA, each as it was asked for.
    pub certificates: Vec<CertificateRecord>,
    /// The last step, and whether it was finished.
    pub last: Option<(Step, Phase)>,
    /// True when PIN and PUK were about to be set, and their letter was kept.
    pub codes_announced: bool,
    /// True when the card was secured.
    pub sealed: bool,
    /// True when it must be printed before it is packed.
    pub print: bool,
    /// True when it was printed.
    pub printed: bool,
    /// True when the application of a rejected chip was locked for good.
    pub invalidated: bool,
    /// True when nothing locks the rejected chip: it is gone, or its applet was locked before. It must be destroyed.
    pub given_up: bool,
}

/// A certificate of the citizen CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateRecord {
    /// Reference of the key on the card: `9A`, `9C`.
    pub key: String,
    /// The key identifier, hexadecimal: the CA knows its certificate by it.
    pub key_identifier: String,
    /// Serial number, hexadecimal; `None` when nobody wrote down whether the CA issued it.
    pub serial: Option<String>,
    /// SHA-256 of the certificate, hexadecimal.
    pub digest: Option<String>,
    /// True when its key is on no card any more.
    pub lost: bool,
}

impl DocumentRecord {
    /// Certificates that belong to no card that anybody has: they must be revoked.
    pub fn to_revoke(&self) -> impl Iterator<Item = &CertificateRecord> {
        self.certificates.iter().filter(|certificate| certificate.lost || self.state == State::QaRejected)
    }

    /// Certificates of the keys that are on the card.
    pub fn in_force(&self) -> impl Iterator<Item = &CertificateRecord> {
        self.certificates.iter().filter(|certificate| !certificate.lost && self.state != State::QaRejected)
    }
}

/// What is known of a chip.
#[derive(Clone, Default, Debug, PartialEq, Eq, Serialize)]
pub struct ChipRecord {
    /// The document number it is bound to.
    pub document: Option<String>,
    /// Attempts at the secure channel that ended with a wrong cryptogram.
    pub wrong_cryptograms: u32,
    /// True when it was put away as spoiled without a document.
    pub spoiled: bool,
}

/// What must never happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// A document number on a second chip.
    #[error("document {document} is bound to chip {chip} and never goes on another")]
    DocumentOnTwoChips {
        /// The document number.
        document: String,
        /// The chip that has it.
        chip: String,
    },
    /// A chip with a second document number.
    #[error("chip {chip} carries document {document} and never takes another")]
    ChipUsed {
        /// The chip.
        chip: String,
        /// The document it carries.
        document: String,
    },
    /// A chip that was put away.
    #[error("chip {chip} was put away as spoiled")]
    ChipSpoiled {
        /// The chip.
        chip: String,
    },
    /// A document number that was ordered before with other data.
    #[error("document {document} was ordered before with other data; give the new order a number of its own")]
    OrderedDifferently {
        /// The document number.
        document: String,
    },
    /// A document that is closed: rejected, or finished.
    #[error("document {document} is closed ({state:?})")]
    Closed {
        /// The document number.
        document: String,
        /// How it was closed.
        state: State,
    },
    /// A document that was never ordered, or a step on a chip it is not bound to.
    #[error("document {document} is not bound to that chip")]
    NotBound {
        /// The document number.
        document: String,
    },
    /// A card that must be printed, and was not.
    #[error("document {document} must be printed before it is packed")]
    NotPrinted {
        /// The document number.
        document: String,
    },
    /// A second certificate for the same key of one card, whose first one was not given up.
    #[error("document {document} has a certificate for key {key} already")]
    SecondCertificate {
        /// The document number.
        document: String,
        /// The key.
        key: String,
    },
    /// A certificate that nobody asked for.
    #[error("document {document}: a certificate that was not asked for")]
    NotAsked {
        /// The document number.
        document: String,
    },
    /// A state that does not follow the present one.
    #[error("document {document} is {from}, and cannot become {to}")]
    Transition {
        /// The document number.
        document: String,
        /// Where it stands.
        from: State,
        /// Where it was to go.
        to: State,
    },
}

/// Where all blanks are: `received = good + spoiled + in_work + left`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Blanks received.
    pub received: u64,
    /// Cards in the tray of good cards.
    pub good: u64,
    /// Rejected cards and spoiled blanks.
    pub spoiled: u64,
    /// Cards begun and neither good nor rejected: in the machine, or to be recovered.
    pub in_work: u64,
    /// Blanks that must still be in the feeder and the box; negative when more were used than received.
    pub left: i64,
}

impl Book {
    /// Document numbers and what is known of them, in order.
    pub fn documents(&self) -> impl Iterator<Item = (&str, &DocumentRecord)> {
        self.documents.iter().map(|(number, record)| (number.as_str(), record))
    }

    /// Chips and what is known of them, in order.
    pub fn chips(&self) -> impl Iterator<Item = (&str, &ChipRecord)> {
        self.chips.iter().map(|(serial, record)| (serial.as_str(), record))
    }

    /// One document.
    pub fn document(&self, number: &str) -> Option<&DocumentRecord> {
        self.documents.get(number)
    }

    /// One chip.
    pub fn chip(&self, serial: &str) -> Option<&ChipRecord> {
        self.chips.get(serial)
    }

    /// Where all blanks are.
    pub fn balance(&self) -> Balance {
        let bound: Vec<State> = self.documents.values().filter(|r| r.chip.is_some()).map(|r| r.state).collect();
        let count = |state| bound.iter().filter(|other| **other == state).count() as u64;
        let good = count(State::Packed);
        let spoiled = count(State::QaRejected) + self.spoiled_blanks;
        let bound = bound.len() as u64;
        let in_work = bound + self.spoiled_blanks - good - spoiled;
        let used = i64::try_from(good + spoiled + in_work).unwrap_or(i64::MAX);
        let left = i64::try_from(self.received).unwrap_or(i64::MAX).saturating_sub(used);
        Balance { received: self.received, good, spoiled, in_work, left }
    }

    /// Enters a line, or says why it must not be written and changes nothing.
    pub(super) fn apply(&mut self, entry: &Entry) -> Result<(), Rule> {
        match &entry.event {
            Event::BlanksReceived { count } => self.received += u64::from(*count),
            Event::Ordered { document, job_id, order, .. } => self.order(document, job_id, order)?,
            Event::WrongCryptogram { chip } => self.chips.entry(chip.clone()).or_default().wrong_cryptograms += 1,
            Event::Bound { document, chip, token, made_at, print } => {
                let record = self.bind(document, chip)?;
                record.token = Some(token.clone());
                record.made_at = Some(*made_at);
                record.print = *print;
            }
            Event::Step { document, chip, step, phase, digest } => {
                let record = self.bound(document, chip)?;
                record.last = Some((*step, *phase));
                if (*step, *phase) == (Step::WriteFiles, Phase::Intent) {
                    record.security_object.clone_from(digest);
                }
                match (*step, *phase) {
                    // From here on the keys before may be gone.
                    (Step::CitizenKeys, Phase::Intent) => {
                        record.certificates.iter_mut().for_each(|old| old.lost = true)
                    }
                    (Step::CitizenFiles, Phase::Intent) => record.citizen_files.clone_from(digest),
                    _ => {}
                }
                record.codes_announced |= *step == Step::TransportPin;
                record.sealed |= (*step, *phase) == (Step::Seal, Phase::Done);
                record.printed |= (*step, *phase) == (Step::Print, Phase::Done);
                record.invalidated |= (*step, *phase) == (Step::Invalidate, Phase::Done);
            }
            Event::CertificateAsked { document, chip, key, key_identifier } => {
                self.ask(document, chip, key, key_identifier)?;
            }
            Event::CertificateIssued { document, chip, key_identifier, serial, digest } => {
                let record = self.bound(document, chip)?;
                let asked = record.certificates.iter_mut().rfind(|asked| asked.key_identifier == *key_identifier);
                let asked = asked.ok_or_else(|| Rule::NotAsked { document: document.clone() })?;
                asked.serial = Some(serial.clone());
                asked.digest = Some(digest.clone());
            }
            Event::Failed { document, chip, step, for_good, .. } => {
                let record = self.bound(document, chip)?;
                record.given_up |= *step == Step::Invalidate && *for_good;
            }
            Event::State { document, state, reason } => self.advance(document, *state, reason.as_ref())?,
            Event::BlankSpoiled { chip, .. } => self.spoil(chip.as_deref())?,
            Event::Motion { .. } | Event::Repaired { .. } => {}
        }
        Ok(())
    }

    fn order(&mut self, document: &str, job_id: &str, order: &str) -> Result<(), Rule> {
        match self.documents.get(document) {
            Some(record) if record.order != order => Err(Rule::OrderedDifferently { document: document.to_owned() }),
            Some(_) => Ok(()),
            None => {
                let record = DocumentRecord {
                    job_id: job_id.to_owned(),
                    order: order.to_owned(),
                    state: State::Ordered,
                    reason: None,
                    chip: None,
                    token: None,
                    made_at: None,
                    security_object: None,
                    citizen_files: None,
                    certificates: Vec::new(),
                    last: None,
                    codes_announced: false,
                    sealed: false,
                    print: false,
                    printed: false,
                    invalidated: false,
                    given_up: false,
                };
                self.documents.insert(document.to_owned(), record);
                Ok(())
            }
        }
    }

    fn bind(&mut self, document: &str, chip: &str) -> Result<&mut DocumentRecord, Rule> {
        let not_bound = || Rule::NotBound { document: document.to_owned() };
        let record = self.documents.get_mut(document).ok_or_else(not_bound)?;
        if record.state != State::Ordered && record.chip.as_deref() != Some(chip) {
            return match &record.chip {
                Some(other) => Err(Rule::DocumentOnTwoChips { document: document.to_owned(), chip: other.clone() }),
                None => Err(Rule::Closed { document: document.to_owned(), state: record.state }),
            };
        }
        if !matches!(record.state, State::Ordered | State::BlankAssigned | State::ChipInitialised) {
            return Err(Rule::Closed { document: document.to_owned(), state: record.state });
        }
        let carrier = self.chips.entry(chip.to_owned()).or_default();
        if carrier.spoiled {
            return Err(Rule::ChipSpoiled { chip: chip.to_owned() });
        }
        if let Some(other) = carrier.document.as_deref().filter(|other| *other != document) {
            return Err(Rule::ChipUsed { chip: chip.to_owned(), document: other.to_owned() });
        }
        carrier.document = Some(document.to_owned());
        record.chip = Some(chip.to_owned());
        record.state = State::BlankAssigned;
        Ok(record)
    }

    fn ask(&mut self, document: &str, chip: &str, key: &str, key_identifier: &str) -> Result<(), Rule> {
        let record = self.bound(document, chip)?;
        if record.in_force().any(|other| other.key == key) {
            return Err(Rule::SecondCertificate { document: document.to_owned(), key: key.to_owned() });
        }
        record.certificates.push(CertificateRecord {
            key: key.to_owned(),
            key_identifier: key_identifier.to_owned(),
            serial: None,
            digest: None,
            lost: false,
        });
        Ok(())
    }

    fn bound(&mut self, document: &str, chip: &str) -> Result<&mut DocumentRecord, Rule> {
        let record = self.documents.get_mut(document).filter(|record| record.chip.as_deref() == Some(chip));
        record.ok_or_else(|| Rule::NotBound { document: document.to_owned() })
    }

    fn advance(&mut self, document: &str, to: State, reason: Option<&String>) -> Result<(), Rule> {
        let not_bound = || Rule::NotBound { document: document.to_owned() };
        let record = self.documents.get_mut(document).ok_or_else(not_bound)?;
        let from = record.state;
        if !follows(from, to) {
            return Err(Rule::Transition { document: document.to_owned(), from, to });
        }
        if to == State::Packed && record.print && !record.printed {
            return Err(Rule::NotPrinted { document: document.to_owned() });
        }
        record.state = to;
        record.reason = reason.cloned();
        Ok(())
    }

    fn spoil(&mut self, chip: Option<&str>) -> Result<(), Rule> {
        let Some(chip) = chip else {
            self.spoiled_blanks += 1;
            return Ok(());
        };
        let record = self.chips.entry(chip.to_owned()).or_default();
        if let Some(document) = &record.document {
            return Err(Rule::ChipUsed { chip: chip.to_owned(), document: document.clone() });
        }
        if !record.spoiled {
            record.spoiled = true;
            self.spoiled_blanks += 1;
        }
        Ok(())
    }
}

/// The ordinary course is forward; what is resumed may repeat its state; until it is packed, any card can be rejected.
/// (A resumed personalization goes back by [`Event::Bound`].)
fn follows(from: State, to: State) -> bool {
    use State::{BlankAssigned, ChipInitialised, Packed, Personalised, QaPassed, QaRejected};
    match (from, to) {
        (QaRejected | Packed, _) => false,
        (_, QaRejected) => true,
        (BlankAssigned | ChipInitialised, ChipInitialised | Personalised) => true,
        (Personalised | QaPassed, QaPassed) | (QaPassed, Packed) => true,
        _ => false,
    }
}
