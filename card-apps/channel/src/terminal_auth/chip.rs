//! The chip's end: how far the terminal has come. What the chip believes is kept without power: [`Trust`].

use iso7816::Status;
use iso7816::tlv::{encode, sole};

use super::{Binding, CHALLENGE, REFERENCE, Trust};
use crate::cvc::chain::VerifiedChain;
use crate::cvc::{CERTIFICATE, Chat, CvCertificate, Level, Reference};
use crate::random::{self, Random};

/// The chip's end of Terminal Authentication: lost with power, reset and selection.
#[derive(Debug, Default)]
pub struct ChipTerminalAuth {
    /// The certificates of this session so far.
    chain: Option<VerifiedChain>,
    /// After MSE:Set DST: whose key checks the next certificate.
    authority: Option<VerifiedChain>,
    /// After MSE:Set AT: the terminal of the chain is the one that authenticates.
    is_chosen: bool,
    challenge: Option<[u8; CHALLENGE]>,
    granted: Option<Chat>,
}

impl ChipTerminalAuth {
    /// MSE:Set DST: data field `83 authority reference`.
    ///
    /// # Errors
    /// `6A80` for bad data, `6A88` for an authority that is neither a trust point nor the holder of the last certificate.
    pub fn set_dst(&mut self, data: &[u8], trust: &Trust) -> Result<(), Status> {
        self.forget_the_terminal();
        self.authority = None;
        let reference = reference(data)?;
        let last = self.chain.as_ref().filter(|chain| chain.last().body().holder == reference).cloned();
        let point = || trust.points.iter().find(|point| point.certificate().body().holder == reference);
        let found = last.or_else(|| point().map(VerifiedChain::begin));
        self.authority = Some(found.ok_or(Status::REFERENCED_DATA_NOT_FOUND)?);
        Ok(())
    }

    /// PSO:Verify Certificate: data field `7F4E body, 5F37 signature`. What the chip believes afterwards is to be stored before the
    /// answer goes out; a link certificate counts from then on for good.
    ///
    /// # Errors
    /// `6985` without MSE:Set DST before, `6A80` for what is no certificate, `6300` for one that is not believed.
    pub fn verify_certificate(&mut self, data: &[u8], trust: &mut Trust) -> Result<(), Status> {
        self.forget_the_terminal();
        let mut chain = self.authority.take().ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
        let certificate = CvCertificate::from_bytes(&encode(CERTIFICATE, data)).map_err(|_| Status::WRONG_DATA)?;
        chain.extend(&certificate, trust.today).map_err(|_| Status::AUTHENTICATION_FAILED)?;
        trust.learn(&chain).map_err(|_| Status::AUTHENTICATION_FAILED)?;
        chain.forget_trust_points();
        self.chain = Some(chain);
        Ok(())
    }

    /// MSE:Set AT: data field `83 holder reference`.
    ///
    /// # Errors
    /// `6A80` for bad data, `6A88` when the last certificate is not that of this terminal.
    pub fn set_at(&mut self, data: &[u8]) -> Result<(), Status> {
        self.forget_the_terminal();
        let reference = reference(data)?;
        let last = self.chain.as_ref().map(|chain| chain.last().body());
        let terminal = last.filter(|body| body.chat.level() == Level::Terminal && body.holder == reference);
        terminal.ok_or(Status::REFERENCED_DATA_NOT_FOUND)?;
        self.is_chosen = true;
        Ok(())
    }

    /// Whether GET CHALLENGE belongs here: after MSE:Set AT.
    pub fn is_expected(&self) -> bool {
        self.is_chosen
    }

    /// GET CHALLENGE: eight fresh bytes, which replace those given out before.
    ///
    /// # Errors
    /// `6985` without MSE:Set AT before, `6F00` without randomness.
    pub fn get_challenge(&mut self, random: &mut dyn Random) -> Result<Vec<u8>, Status> {
        if !self.is_chosen {
            return Err(Status::CONDITIONS_NOT_SATISFIED);
        }
        let challenge = random::array(random).map_err(|_| Status::UNKNOWN_ERROR)?;
        self.challenge = Some(challenge);
        Ok(challenge.to_vec())
    }

    /// EXTERNAL AUTHENTICATE: data field the signature; what the terminal may do from now on. The challenge is used up.
    ///
    /// # Errors
    /// `6985` without a challenge before, `6300` for a signature of another key or over something else.
    pub fn external_authenticate(&mut self, signature: &[u8], binding: Binding<'_>) -> Result<Chat, Status> {
        let challenge = self.challenge.take();
        let is_chosen = std::mem::take(&mut self.is_chosen);
        let (Some(challenge), Some(chain), true) = (challenge, &self.chain, is_chosen) else {
            return Err(Status::CONDITIONS_NOT_SATISFIED);
        };
        let verified = chain.key().verify(&binding.message(&challenge), signature);
        verified.map_err(|_| Status::AUTHENTICATION_FAILED)?;
        self.granted = Some(chain.effective());
        Ok(chain.effective())
    }

    /// Takes back the challenge, when another command comes before the signature.
    pub fn forget_challenge(&mut self) {
        self.challenge = None;
    }

    /// What the terminal may do; `None` until it has authenticated.
    pub fn granted(&self) -> Option<Chat> {
        self.granted
    }

    fn forget_the_terminal(&mut self) {
        (self.is_chosen, self.challenge, self.granted) = (false, None, None);
    }
}

fn reference(data: &[u8]) -> Result<Reference, Status> {
    let bytes = sole(data, REFERENCE).map_err(|_| Status::WRONG_DATA)?;
    Reference::from_bytes(bytes).map_err(|_| Status::WRONG_DATA)
}
