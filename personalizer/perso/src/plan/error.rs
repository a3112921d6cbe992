//! Why an order cannot become a card of a profile.

use channel::cvc::CvcError;
use eid::residence::ResidenceError;
use jiff::civil::Date as Day;
use lds::date::DateError;
use lds::dg::picture::PictureError;
use lds::mrz::{MrzError, NoSurnameRefused};
use lds::transliteration::UnmappedLetter;
use openssl::error::ErrorStack;

/// Why an order cannot become a card of this profile.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A letter that the profile's table lacks.
    #[error("field {field}: the letter U+{:04X} at character {} is in no table of the profile", .letter.letter as u32, .letter.position)]
    Letter {
        /// The field of the order.
        field: &'static str,
        /// The letter.
        letter: UnmappedLetter,
    },
    /// The holder has no surname and the profile refuses that.
    #[error("field holder.surname: {0}")]
    NoSurname(#[from] NoSurnameRefused),
    /// The document number does not belong to a series of the profile.
    #[error("field document_number: the profile's series are {}", .series.join(", "))]
    Series {
        /// The series.
        series: Vec<String>,
    },
    /// The national number has another length.
    #[error("field national_number: the profile has {expected} digits")]
    NationalNumber {
        /// Digits of the profile.
        expected: usize,
    },
    /// The card would expire before it is issued, or after the profile's validity.
    #[error("field issue.expiry: must lie between the day of issue and {latest}")]
    Expiry {
        /// The last day that the profile allows.
        latest: Day,
    },
    /// The holder would be born after the day of issue.
    #[error("field holder.birth_date: lies after the day of issue, {issued}")]
    Birth {
        /// The day of issue.
        issued: Day,
    },
    /// A date that the chip's format cannot hold.
    #[error("a date of the order cannot be written: {0}")]
    Date(#[from] DateError),
    /// The time zone of the profile is not known to the system.
    #[error("the time zone {name} is not known here; install the Debian package tzdata or correct the profile")]
    TimeZone {
        /// Its name.
        name: String,
    },
    /// The coded portrait is no picture of a known format.
    #[error("the portrait: {0}")]
    Portrait(#[from] PictureError),
    /// Fingers for a card that would give them to everybody, or has no place for them.
    #[error("field fingers: the profile has no data group 3")]
    Fingers,
    /// What the card shall know of terminals cannot be written.
    #[error("the card's first current date: {0}")]
    TerminalTrust(#[from] CvcError),
    /// A field that does not fit in the MRZ.
    #[error("the machine readable zone: {0}")]
    Mrz(#[from] MrzError),
    /// A name that does not fit in a certificate.
    #[error("field {field}: a certificate takes names of at most 64 characters")]
    CertificateName {
        /// The field of the order.
        field: &'static str,
    },
    /// An entry that the residence record cannot hold.
    #[error("field residence: {source}")]
    Residence {
        /// Why.
        source: ResidenceError,
    },
    /// More bytes than the chip holds.
    #[error("the card's files need {needed} bytes, the chip has {capacity}; the portrait takes {portrait} of them")]
    Capacity {
        /// Bytes needed, the signature included.
        needed: usize,
        /// Bytes of the profile's chip.
        capacity: usize,
        /// Bytes of DG2.
        portrait: usize,
    },
    /// A file that is too large for the applet on the card.
    #[error("{file} has {bytes} bytes; {applet} takes files of at most {most}")]
    FileSize {
        /// Its name.
        file: &'static str,
        /// Its size in bytes.
        bytes: usize,
        /// The largest size in bytes.
        most: usize,
        /// Name of the applet.
        applet: &'static str,
    },
    /// A data object that is too large for the applet on the card.
    #[error("{object} may need {bytes} bytes with its command; {applet} takes at most {most} here")]
    ObjectSize {
        /// Its name.
        object: &'static str,
        /// Bytes that it may need.
        bytes: usize,
        /// The largest size in bytes.
        most: usize,
        /// Name of the applet.
        applet: &'static str,
    },
    /// A file that the applet on the card does not have.
    #[error("{applet} has no {file}")]
    NoSuchFile {
        /// Its name.
        file: &'static str,
        /// Name of the applet.
        applet: &'static str,
    },
    /// OpenSSL failed.
    #[error("cryptography failed")]
    OpenSsl(#[from] ErrorStack),
}
