//! What the targets share: an input cut into steps, randomness that repeats, a card that answers from a list.

use channel::random::{Random, RandomError};
use iso7816::{Card, Command, Response, TransmitError};

/// Cuts an input into steps: a byte that says what to do, a byte with a length, and so many bytes. The last may be cut off.
pub struct Steps<'a>(pub &'a [u8]);

impl<'a> Iterator for Steps<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [kind, length, rest @ ..] = self.0 else { return None };
        let (data, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        self.0 = rest;
        Some((*kind, data))
    }
}

/// The same bytes each time, so that an input does the same each time.
pub struct Repeating(pub u64);

impl Random for Repeating {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RandomError> {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
        Ok(())
    }
}

/// A card that answers with one step after the other, and is gone after the last: each with status 9000, but those of odd kind, which
/// bring their own.
pub struct Listed<'a>(pub Steps<'a>);

impl Card for Listed<'_> {
    fn transmit(&mut self, _: &Command) -> Result<Response, TransmitError> {
        let (kind, data) = self.0.next().ok_or(TransmitError::Lost)?;
        let response = if kind % 2 == 0 { Some(Response::ok(data)) } else { Response::parse(data) };
        response.ok_or(TransmitError::Lost)
    }
}
