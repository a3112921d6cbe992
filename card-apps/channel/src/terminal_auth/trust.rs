//! What a chip believes, which it keeps without power (TR-03110-3 §2.5).
//!
//! ```text
//! stored  5F25 current date, then for each trust point, the newest first: 7F21 certificate, 80 domain parameters OPTIONAL
//! EF.CVCA 42 newest authority, 42 the one before OPTIONAL, zeros up to 36 bytes (9303-11 §7.1.6)
//! ```
//!
//! Each terminal type has trust points of its own, and no link leads to another type. EF.CVCA is a file of the travel
//! document: it names the authorities of inspection systems only.
//!
//! The domain parameters are the standardized number of the key's curve, beside a link certificate that does not hold them.

use iso7816::tlv::{Reader, Tag, TlvError, Writer, encode};
use jiff::civil::Date;

use super::AUTHORITY;
use crate::cvc::chain::{TrustPoint, TrustPointError, VerifiedChain};
use crate::cvc::{self, CERTIFICATE, CvCertificate, CvcError, EFFECTIVE, Reference, TerminalType};
use crate::suite::Curve;

/// The most trust points of one terminal type a chip keeps (TR-03110-3 §2.5): that of a change of keys, and the one before.
const MOST_TRUST_POINTS: usize = 2;
/// Bytes of EF.CVCA.
pub const EF_CVCA_LENGTH: usize = 36;
const PARAMETERS: Tag = Tag(0x80);

/// What a chip believes; stored by the card after each certificate that changes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trust {
    /// The trust points, the newest first; two at most of each terminal type.
    pub points: Vec<TrustPoint>,
    /// The current date as far as the chip knows: it has no clock, and learns the date from certificates.
    pub today: Date,
}

/// Why bytes are not what a chip believes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Not the data objects.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// No certificate, or no date.
    #[error(transparent)]
    Certificate(#[from] CvcError),
    /// A certificate that is no trust point.
    #[error(transparent)]
    TrustPoint(#[from] TrustPointError),
    /// None, or more than two of one terminal type.
    #[error("a chip keeps one or two trust points of a terminal type, not {0}")]
    Count(usize),
    /// One name for authorities of two terminal types: nobody could say which one a chain begins at.
    #[error("{0} is the name of a trust point of another terminal type")]
    Name(Reference),
}

impl Trust {
    /// Reads the stored form.
    ///
    /// # Errors
    /// When it is not of that form, or a certificate is not that of a CVCA.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TrustError> {
        let mut reader = Reader::new(bytes);
        let today = cvc::date(reader.expect(EFFECTIVE)?)?;
        let mut points = Vec::new();
        while !reader.is_empty() {
            let certificate = CvCertificate::from_bytes(&encode(CERTIFICATE, reader.expect(CERTIFICATE)?))?;
            let parameters = reader.optional(PARAMETERS)?;
            let curve =
                parameters.and_then(|value| if let [id] = value { Curve::from_parameter_id(*id) } else { None });
            let point = TrustPoint::kept(certificate, curve)?;
            let alike = points.iter().filter(|other| of_type(other) == of_type(&point)).count() + 1;
            if alike > MOST_TRUST_POINTS {
                return Err(TrustError::Count(alike));
            }
            refuse_name_of_other_type(&points, &point)?;
            points.push(point);
        }
        if points.is_empty() { Err(TrustError::Count(0)) } else { Ok(Trust { points, today }) }
    }

    /// The stored form.
    ///
    /// # Errors
    /// When the date is not of this century.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CvcError> {
        let mut writer = Writer::new();
        writer.put(EFFECTIVE, cvc::encode_date(self.today)?);
        for point in &self.points {
            writer.put(CERTIFICATE, point.certificate().content());
            if let Some(curve) = point.key().curve()
                && !point.certificate().body().public_key.has_domain()
            {
                writer.put(PARAMETERS, [curve.parameter_id()]);
            }
        }
        Ok(writer.finish())
    }

    /// The content of EF.CVCA: who certifies inspection systems.
    pub fn authorities(&self) -> Vec<u8> {
        let mut file = Vec::with_capacity(EF_CVCA_LENGTH);
        let inspection = |point: &&TrustPoint| of_type(point) == TerminalType::Inspection;
        for point in self.points.iter().filter(inspection).take(MOST_TRUST_POINTS) {
            file.extend(encode(AUTHORITY, point.certificate().body().holder.bytes()));
        }
        file.resize(EF_CVCA_LENGTH, 0);
        file
    }

    /// Takes over what a chain of certificates has shown: a new trust point, a later date.
    ///
    /// # Errors
    /// When the new trust point has the name of one of another terminal type, which it would push out; nothing is changed then.
    pub(super) fn learn(&mut self, chain: &VerifiedChain) -> Result<(), TrustError> {
        if let Some(newest) = chain.trust_points().last() {
            refuse_name_of_other_type(&self.points, newest)?;
        }
        if let Some(newest) = chain.trust_points().last()
            && self.points.iter().find(|point| of_type(point) == of_type(newest)) != Some(newest)
        {
            // A second certificate for one key takes the place of the first.
            let holder = |point: &TrustPoint| point.certificate().body().holder.clone();
            self.points.retain(|point| holder(point) != holder(newest));
            self.points.insert(0, newest.clone());
        }
        self.today = chain.card_date().map_or(self.today, |date| date.max(self.today));
        // An expired trust point is of no more use, but for a link to its successor: the newest one always stays.
        let today = self.today;
        for terminal_type in TerminalType::ALL {
            let mut at = 0;
            self.points.retain(|point| {
                at += usize::from(of_type(point) == terminal_type);
                let outlived = at > MOST_TRUST_POINTS || point.certificate().body().expires < today;
                of_type(point) != terminal_type || at == 1 || !outlived
            });
        }
        Ok(())
    }
}

fn refuse_name_of_other_type(points: &[TrustPoint], newcomer: &TrustPoint) -> Result<(), TrustError> {
    let name = &newcomer.certificate().body().holder;
    let taken = |point: &&TrustPoint| point.certificate().body().holder == *name && of_type(point) != of_type(newcomer);
    points.iter().find(taken).map_or(Ok(()), |_| Err(TrustError::Name(name.clone())))
}

fn of_type(point: &TrustPoint) -> TerminalType {
    point.certificate().body().chat.terminal_type()
}
