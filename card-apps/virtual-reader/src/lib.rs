//! A PC/SC driver ("IFD handler", version 3) that shows soft cards as readers to an unmodified pcscd.
//!
//! pcscd loads `libifdbitaqa.so` for an entry of its reader configuration and sees one reader with up to
//! 16 slots (pcscd's own limit of readers). Each slot listens on a Unix socket that only its owner
//! can reach; a program that connects there and speaks [`iso7816::frame`] is a card in the slot,
//! and the end of its connection is the card being pulled.
//!
//! ```text
//! FRIENDLYNAME "Bitaqa Virtual Reader"
//! DEVICENAME   /some/folder/slot          the sockets are /some/folder/slot.0, slot.1, ...
//! LIBPATH      /some/where/libifdbitaqa.so
//! CHANNELID    0
//! ```
//!
//! The file DEVICENAME must exist (pcscd looks); it holds the settings, see `settings`.
//!
//! - `driver`: the functions that pcscd calls, and all pointers
//! - `slot`: one slot: its socket, its card, what pcscd was told of it
//! - `settings`, `attributes`: the settings file; what the reader says of itself
//! - `pcscd`: pcscd's own log
//!
//! It knows nothing of what APDUs mean.

mod attributes;
mod driver;
mod pcscd;
mod settings;
mod slot;
