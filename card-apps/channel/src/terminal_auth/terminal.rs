//! The terminal's end: a straight line.

use iso7816::tlv::{Reader, encode, sole};
use iso7816::{Card, Command, Status, TransmitError};

use super::{
    AUTHORITY, Binding, CHALLENGE, EXTERNAL_AUTHENTICATE, GET_CHALLENGE, MANAGE_SECURITY_ENVIRONMENT, REFERENCE,
    VERIFY_CERTIFICATE,
};
use crate::cvc::{CvCertificate, Reference, ReferenceError};

/// Why the chip does not know the terminal.
#[derive(Debug, thiserror::Error)]
pub enum TerminalAuthError {
    /// There is no certificate to show.
    #[error("there is no terminal certificate")]
    NoCertificate,
    /// The chip knows no such authority.
    #[error("the chip does not know {authority}: {status}")]
    UnknownAuthority {
        /// The authority of the next certificate.
        authority: Reference,
        /// What the card said.
        status: Status,
    },
    /// The chip does not believe a certificate.
    #[error("the chip refused the certificate of {holder}: {status}")]
    Certificate {
        /// The certificate's holder.
        holder: Reference,
        /// What the card said.
        status: Status,
    },
    /// The chip refused to go on after the certificates.
    #[error("the chip refused Terminal Authentication at instruction {instruction:02X}: {status}")]
    Refused {
        /// Instruction byte of the command.
        instruction: u8,
        /// What the card said.
        status: Status,
    },
    /// The chip's challenge has another length than eight bytes.
    #[error("the chip's challenge has {length} bytes")]
    Challenge {
        /// Bytes received.
        length: usize,
    },
    /// The terminal's key made no signature.
    #[error("the terminal's key made no signature")]
    NoSignature,
    /// No answer.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
}

/// Shows the certificates (links, document verifier, terminal) and signs the chip's challenge with the terminal's key.
///
/// A certificate longer than `longest` bytes goes out in a chain of commands, each protected by itself. `sign` gets the message, and gives the signature in the form of the last certificate's algorithm: ECDSA plain.
///
/// # Errors
/// See [`TerminalAuthError`].
pub fn authenticate(
    card: &mut dyn Card,
    certificates: &[CvCertificate],
    binding: Binding<'_>,
    sign: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>,
    longest: usize,
) -> Result<(), TerminalAuthError> {
    let terminal = certificates.last().ok_or(TerminalAuthError::NoCertificate)?;
    for certificate in certificates {
        show(card, certificate, longest)?;
    }
    let holder = encode(REFERENCE, terminal.body().holder.bytes());
    let set_at = Command::new(0x00, MANAGE_SECURITY_ENVIRONMENT, 0x81, 0xA4).with_data(holder);
    accepted(card, &set_at)?;
    let get_challenge = Command::new(0x00, GET_CHALLENGE, 0x00, 0x00).with_ne(CHALLENGE as u32);
    let challenge = accepted(card, &get_challenge)?;
    let length = challenge.len();
    let challenge = challenge.try_into().map_err(|_| TerminalAuthError::Challenge { length })?;
    let signature = sign(&binding.message(&challenge)).ok_or(TerminalAuthError::NoSignature)?;
    accepted(card, &Command::new(0x00, EXTERNAL_AUTHENTICATE, 0x00, 0x00).with_data(signature)).map(drop)
}

/// The class of a command that is not the last of its chain.
const CHAINING: u8 = 0x10;

fn show(card: &mut dyn Card, certificate: &CvCertificate, longest: usize) -> Result<(), TerminalAuthError> {
    let body = certificate.body();
    let authority = encode(REFERENCE, body.authority.bytes());
    let set_dst = Command::new(0x00, MANAGE_SECURITY_ENVIRONMENT, 0x81, 0xB6).with_data(authority);
    let status = card.transmit(&set_dst)?.status;
    if !status.is_ok() {
        return Err(TerminalAuthError::UnknownAuthority { authority: body.authority.clone(), status });
    }
    // Body and signature as received, without the tag around them.
    let mut links = certificate.content().chunks(longest.max(1)).peekable();
    while let Some(link) = links.next() {
        let class = if links.peek().is_some() { CHAINING } else { 0x00 };
        let verify = Command::new(class, VERIFY_CERTIFICATE, 0x00, 0xBE).with_data(link);
        let status = card.transmit(&verify)?.status;
        if !status.is_ok() {
            return Err(TerminalAuthError::Certificate { holder: body.holder.clone(), status });
        }
    }
    Ok(())
}

fn accepted(card: &mut dyn Card, command: &Command) -> Result<Vec<u8>, TerminalAuthError> {
    let response = card.transmit(command)?;
    match response.status {
        Status::OK => Ok(response.data),
        status => Err(TerminalAuthError::Refused { instruction: command.ins, status }),
    }
}

/// The authorities that EF.CVCA names, the newest first (9303-11 §7.1.6): one or two references and filling zeros.
///
/// # Errors
/// When a reference is empty or too long. What is not a reference ends the list.
pub fn authorities(cvca: &[u8]) -> Result<Vec<Reference>, ReferenceError> {
    let mut reader = Reader::new(cvca);
    let mut found = Vec::new();
    while let Ok(Some(object)) = reader.next()
        && let Ok(reference) = sole(object.raw, AUTHORITY)
    {
        found.push(Reference::from_bytes(reference)?);
    }
    Ok(found)
}
