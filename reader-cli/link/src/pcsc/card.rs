//! One card held through the service.

use std::ffi::CStr;
use std::thread;
use std::time::Instant;

use iso7816::{Card, Command, Response, TransmitError};
use pcsc::{Context, Disposition, Error, MAX_BUFFER_SIZE_EXTENDED, Protocol, Protocols, Scope, ShareMode};

use super::{AtEnd, RETRY, features};

/// A card held exclusively; let go with the disposition chosen for it.
pub(super) struct PcscCard {
    /// `None` only once let go.
    held: Option<pcsc::Card>,
    at_end: AtEnd,
    buffer: Box<[u8]>,
}

/// A card that has just been powered up.
pub(super) struct Powered {
    pub card: PcscCard,
    pub atr: Vec<u8>,
    pub reader_limit: Option<usize>,
}

/// The PC/SC function that failed, and how.
type Failure = (&'static str, Error);

/// Takes hold of the card and resets it; retries until `until` while another program holds it.
pub(super) fn connect(name: &CStr, until: Instant, at_end: AtEnd) -> Result<Powered, Failure> {
    let context = Context::establish(Scope::System).map_err(|error| ("SCardEstablishContext", error))?;
    let mut held = hold(&context, name, until)?;
    held.reconnect(ShareMode::Exclusive, Protocols::ANY, Disposition::ResetCard)
        .map_err(|error| ("SCardReconnect", error))?;
    let status = held.status2_owned().map_err(|error| ("SCardStatus", error))?;
    let atr = status.atr().to_vec();
    // A reader that takes extended APDUs still refuses them to a card of T=0, which has only short ones.
    let reader_limit = if status.protocol2() == Some(Protocol::T0) { Some(0) } else { features::max_apdu_data(&held) };
    let buffer = vec![0; MAX_BUFFER_SIZE_EXTENDED].into_boxed_slice();
    Ok(Powered { card: PcscCard { held: Some(held), at_end, buffer }, atr, reader_limit })
}

fn hold(context: &Context, name: &CStr, until: Instant) -> Result<pcsc::Card, Failure> {
    loop {
        match context.connect(name, ShareMode::Exclusive, Protocols::ANY) {
            Err(Error::SharingViolation) if Instant::now() < until => thread::sleep(RETRY),
            result => return result.map_err(|error| ("SCardConnect", error)),
        }
    }
}

impl PcscCard {
    /// Lets the card go untouched.
    pub(super) fn leave(mut self) {
        self.at_end = AtEnd::Leave;
    }
}

impl Drop for PcscCard {
    fn drop(&mut self) {
        let disposition = match self.at_end {
            AtEnd::Reset => Disposition::ResetCard,
            AtEnd::Unpower => Disposition::UnpowerCard,
            AtEnd::Leave => Disposition::LeaveCard,
            AtEnd::Eject => Disposition::EjectCard,
        };
        if let Some(Err((card, _))) = self.held.take().map(|card| card.disconnect(disposition)) {
            // The service is gone, or the card is: dropping the handle would ask for the same again.
            drop(card);
        }
    }
}

impl Card for PcscCard {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let card = self.held.as_ref().ok_or(TransmitError::Lost)?;
        let answer = card.transmit(&command.to_bytes(), &mut self.buffer).map_err(transmit_error)?;
        // Some drivers answer a pulled card with success and no bytes.
        Response::parse(answer).ok_or(TransmitError::Lost)
    }
}

/// What a failed SCardTransmit means for the card.
fn transmit_error(error: Error) -> TransmitError {
    match error {
        // NotTransacted is what drivers say of a card pulled in the middle of a command; a moment later
        // the service says RemovedCard. The others mean that its volatile state is gone.
        Error::NotTransacted
        | Error::RemovedCard
        | Error::NoSmartcard
        | Error::UnpoweredCard
        | Error::UnresponsiveCard
        | Error::ResetCard => TransmitError::Lost,
        Error::InsufficientBuffer => TransmitError::TooLong { limit: MAX_BUFFER_SIZE_EXTENDED },
        other => TransmitError::Reader { detail: other.to_string() },
    }
}
