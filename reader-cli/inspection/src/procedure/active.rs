//! Active Authentication (9303-11 §6.1), where Chip Authentication did not prove the chip.

use channel::active_auth::{self, ActiveAuthError};
use iso7816::Card;

use super::Procedure;
use super::files::FileReader;
use crate::evidence::{ActiveAuthenticationEvidence as Evidence, ChipAuthenticationOutcome, Interruption};

/// The name of DG15 in the evidence.
pub(crate) const DG15: &str = "EF.DG15";

impl Procedure<'_> {
    /// Has the chip sign a challenge when DG15 was read. Chip Authentication goes first and suffices: it leaves nothing behind that
    /// could be shown to others. After one that failed there is nothing left to prove.
    pub(super) fn prove_chip_actively(&mut self, reader: &FileReader, card: &mut dyn Card) -> Result<(), Interruption> {
        let open_question = match &self.evidence.chip_authentication {
            None => true,
            Some(seen) => matches!(seen.outcome, ChipAuthenticationOutcome::Unsupported { .. }),
        };
        if !(open_question || self.options.every_proof) || self.evidence.content(DG15).is_none() {
            return Ok(());
        }
        let (evidence, interruption) = match active_auth::request(card, reader.longest_answer(), self.random) {
            Ok(answer) => {
                (Evidence::Answered { challenge: answer.challenge.to_vec(), signature: answer.signature }, Ok(()))
            }
            Err(ActiveAuthError::Refused { status }) => (Evidence::Refused { status }, Ok(())),
            Err(ActiveAuthError::Random(error)) => {
                (Evidence::Interrupted, Err(Interruption::Reader { detail: error.to_string() }))
            }
            Err(ActiveAuthError::Transmit(error)) => (Evidence::Interrupted, Err(Interruption::from(&error))),
        };
        self.evidence.active_authentication = Some(evidence);
        interruption
    }
}
