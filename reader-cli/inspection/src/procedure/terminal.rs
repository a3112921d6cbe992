//! Terminal Authentication, and the data groups that only it opens (9303-11 §7.1).

use std::fmt;
use std::sync::Arc;

use channel::cvc::{Chat, CvCertificate, Level, Reference, TerminalType};
use channel::terminal_auth::{self, Binding, EF_CVCA_LENGTH, TerminalAuthError, TerminalSigner};
use iso7816::Card;
use lds::dg::dg01::Dg1;
use lds::files::{self, Access, EF_CVCA, EF_SOD};

use super::files::FileReader;
use super::{Procedure, Progress, listed_groups};
use crate::evidence::{
    FileEvidence, Interruption, TerminalAuthenticationEvidence as Evidence, TerminalAuthenticationOutcome as Outcome,
};

/// Two dates and their check digits, the end of MRZ_information.
const DATES: usize = 14;

/// A terminal that chips may know: the certificates that lead to it, and its key.
#[derive(Clone)]
pub struct Terminal {
    certificates: Vec<CvCertificate>,
    signer: Arc<dyn TerminalSigner + Send + Sync>,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Terminal").field(&self.certificates).finish()
    }
}

impl Terminal {
    /// Certificates in the order in which a chip gets them (links, document verifier, terminal), and the key of the last one.
    pub fn new(certificates: Vec<CvCertificate>, signer: impl TerminalSigner + Send + Sync + 'static) -> Self {
        Terminal { certificates, signer: Arc::new(signer) }
    }

    /// Every chain that begins at a CVCA's key, the shortest first: a chip that knows a newer key needs fewer links.
    fn chains(&self) -> impl Iterator<Item = &[CvCertificate]> {
        let below_cvca =
            |at: &usize| self.certificates.get(*at).is_some_and(|it| it.body().chat.level() != Level::Terminal);
        (0..self.certificates.len()).rev().filter(below_cvca).filter_map(|at| self.certificates.get(at..))
    }

    /// The certificates from the last one on that one of these authorities issued: a chip that knows a newer key needs fewer links.
    fn chain_under(&self, authorities: &[Reference]) -> Option<&[CvCertificate]> {
        let known = |certificate: &CvCertificate| authorities.contains(&certificate.body().authority);
        self.certificates.get(self.certificates.iter().rposition(known)?..)
    }
}

/// What the certificates grant together: the newest CVCA may grant less, and then the chip does.
fn effective(chain: &[CvCertificate]) -> Option<Chat> {
    let chats = chain.iter().map(|certificate| certificate.body().chat).filter(|chat| chat.level() != Level::Cvca);
    chats.reduce(|issuer, holder| holder.under(issuer))
}

impl Procedure<'_> {
    /// Shows the chip who reads, when there is something that only Terminal Authentication opens, and reads it.
    pub(super) fn prove_terminal(&mut self, reader: &mut FileReader, card: &mut dyn Card) -> Result<(), Interruption> {
        let Some(terminal) = &self.options.terminal else { return Ok(()) };
        let closed = self.closed_groups();
        if closed.is_empty() {
            return Ok(());
        }
        (self.progress)(Progress::TerminalAuthentication);
        let mut evidence = Evidence { authorities: vec![], shown: vec![], outcome: Outcome::Interrupted };
        let result = self.authenticate_terminal(terminal, reader, card, &mut evidence);
        let rights = match &evidence.outcome {
            Outcome::Successful { rights } => rights.clone(),
            _ => Vec::new(),
        };
        self.evidence.terminal_authentication = Some(evidence);
        result?;
        for file in closed {
            let right = file.data_group.map(|number| format!("read-dg{number}")).unwrap_or_default();
            if rights.contains(&right) {
                self.read(reader, card, file)?;
            }
        }
        Ok(())
    }

    /// Where every proof is asked and no terminal is there: whom the chip believes, and what it says of each closed group.
    pub(super) fn knock_without_terminal(
        &mut self,
        reader: &mut FileReader,
        card: &mut dyn Card,
    ) -> Result<(), Interruption> {
        let closed = self.closed_groups();
        if closed.is_empty() || self.options.terminal.is_some() || !self.options.every_proof {
            return Ok(());
        }
        // What is wrong with the file, whoever asked for it sees in the evidence.
        let _ = self.authorities(reader, card)?;
        for file in closed {
            let seen = match reader.first_block(card, file, 1)? {
                // Not read whole: enough to know that the chip lets it be read.
                Ok(_) => FileEvidence::Skipped,
                Err(status) => FileEvidence::refusal(status),
            };
            self.evidence.files.insert(file.name.to_owned(), seen);
        }
        Ok(())
    }

    /// Data groups of the document that chip access does not open.
    fn closed_groups(&self) -> Vec<&'static files::File> {
        let listed = self.evidence.content(EF_SOD.name).map(listed_groups).unwrap_or_default();
        let groups = listed.iter().filter_map(|number| files::data_group(*number));
        groups.filter(|file| file.access == Access::Extended).collect()
    }

    /// Shows the chip who is there, where no file says whom it believes: EF.CVCA is about inspection systems. `Ok` with a reason
    /// when the chip does not let the terminal in.
    pub(super) fn introduce(
        &self,
        terminal: &Terminal,
        card: &mut dyn Card,
    ) -> Result<Result<(), String>, Interruption> {
        let (Some(chip_identity), Some(ephemeral_key)) = (self.identity(), &self.terminal_key) else {
            return Ok(Err("chip authentication did not take place".into()));
        };
        let binding = Binding { chip_identity: &chip_identity, ephemeral_key };
        let mut unknown = "there is no terminal certificate".to_owned();
        for chain in terminal.chains() {
            let mut sign = |message: &[u8]| terminal.signer.sign(message);
            match terminal_auth::authenticate(card, chain, binding, &mut sign, self.longest_command) {
                Ok(()) => return Ok(Ok(())),
                Err(TerminalAuthError::Transmit(error)) => return Err(Interruption::from(&error)),
                // With the link before it the chip may know it.
                Err(error @ TerminalAuthError::UnknownAuthority { .. }) => unknown = error.to_string(),
                Err(error) => return Ok(Err(error.to_string())),
            }
        }
        Ok(Err(unknown))
    }

    fn authenticate_terminal(
        &mut self,
        terminal: &Terminal,
        reader: &mut FileReader,
        card: &mut dyn Card,
        evidence: &mut Evidence,
    ) -> Result<(), Interruption> {
        let (Some(chip_identity), Some(ephemeral_key)) = (self.identity(), self.terminal_key.clone()) else {
            evidence.outcome = Outcome::NotTried { reason: "chip authentication did not take place".into() };
            return Ok(());
        };
        let authorities = match self.authorities(reader, card)? {
            Ok(authorities) => authorities,
            Err(reason) => {
                evidence.outcome = Outcome::NotTried { reason };
                return Ok(());
            }
        };
        evidence.authorities = authorities.iter().map(ToString::to_string).collect();
        let Some(chain) = terminal.chain_under(&authorities) else {
            let first = terminal.certificates.first().map(|first| first.body().authority.to_string());
            evidence.outcome = Outcome::NotTried {
                reason: format!(
                    "no certificate at hand is by one of them; the first is by {}",
                    first.unwrap_or_default()
                ),
            };
            return Ok(());
        };
        evidence.shown = chain.iter().map(|certificate| certificate.body().holder.to_string()).collect();
        let binding = Binding { chip_identity: &chip_identity, ephemeral_key: &ephemeral_key };
        let mut sign = |message: &[u8]| terminal.signer.sign(message);
        let result = terminal_auth::authenticate(card, chain, binding, &mut sign, self.longest_command);
        evidence.outcome = match result {
            Ok(()) => {
                let rights = effective(chain).filter(|chat| chat.terminal_type() == TerminalType::Inspection);
                let names = rights.map(Chat::right_names).unwrap_or_default();
                Outcome::Successful { rights: names.into_iter().map(str::to_owned).collect() }
            }
            Err(TerminalAuthError::Transmit(error)) => return Err(Interruption::from(&error)),
            Err(TerminalAuthError::NoSignature) => {
                Outcome::NotTried { reason: "the terminal's key made no signature".into() }
            }
            Err(error) => Outcome::Refused { reason: error.to_string() },
        };
        Ok(())
    }

    /// The authorities that the chip believes.
    fn authorities(
        &mut self,
        reader: &mut FileReader,
        card: &mut dyn Card,
    ) -> Result<Result<Vec<Reference>, String>, Interruption> {
        self.evidence.files.insert(EF_CVCA.name.to_owned(), FileEvidence::Interrupted);
        // Its length stands nowhere: it is as long as the standard says, or shorter.
        let content = match reader.first_block(card, &EF_CVCA, EF_CVCA_LENGTH)? {
            Ok(content) => content,
            Err(status) => {
                self.evidence.files.insert(EF_CVCA.name.to_owned(), FileEvidence::refusal(status));
                return Ok(Err(format!("the chip does not say whom it believes: {status}")));
            }
        };
        let authorities = terminal_auth::authorities(&content);
        self.evidence.files.insert(EF_CVCA.name.to_owned(), FileEvidence::Read { content });
        Ok(match authorities {
            Ok(authorities) if authorities.is_empty() => Err("EF.CVCA names no authority".to_owned()),
            Ok(authorities) => Ok(authorities),
            Err(error) => Err(format!("EF.CVCA: {error}")),
        })
    }

    /// What the chip is called by: after PACE its ephemeral key, after BAC the document number with its check digit.
    fn identity(&self) -> Option<Vec<u8>> {
        if self.chip_identity.is_some() {
            return self.chip_identity.clone();
        }
        let name = files::data_group(1)?.name;
        let information = Dg1::parse(self.evidence.content(name)?).ok()?.mrz.information();
        let number = information.len().checked_sub(DATES)?;
        information.as_bytes().get(..number).map(<[u8]>::to_vec)
    }
}
