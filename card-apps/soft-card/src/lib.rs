//! The card in software: the eMRTD application and the citizen application under a GlobalPlatform issuer domain.
//!
//! - [`SoftCard`]: power, reset, bytes in, bytes out; it is an [`iso7816::Card`]
//! - [`BlankOptions`]: what a new card is made of
//! - [`emrtd`], [`mod@eid`], [`issuer_domain`]: the applications, one verb family a file
//! - [`jmrtd`]: an applet of others in the place of the eMRTD application
//! - [`State`]: everything the card keeps without power, and its file
//! - [`fault`]: the catalogue of faults and lies; [`forge`] makes those that lie in the memory
//! - [`persona`]: makes of cards, as small files
//! - [`socket`]: the card over a stream, for the virtual reader and for hosts without one
//!
//! The card believes no byte it receives. It protects nothing against whoever owns its state file: it stands for a
//! chip in tests, demonstrations and training, never for one in a citizen's hand.

mod atr;
mod blank;
mod card;
mod dispatch;
pub mod eid;
pub mod emrtd;
mod encoding;
pub mod fault;
pub mod forge;
pub mod issuer_domain;
pub mod jmrtd;
mod persistence;
pub mod persona;
pub mod socket;

pub use atr::answer_to_reset;
pub use blank::{BlankOptions, DEFAULT_KEY_VERSION};
pub use card::SoftCard;
pub use persistence::{State, StateError};
