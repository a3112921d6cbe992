//! The two ends of a channel as types.

mod sealed {
    pub trait Sealed {}
}

/// One end of a channel: [`Terminal`] or [`Chip`].
pub trait Role: sealed::Sealed {
    /// The other end.
    type Peer: Role;
    /// PACE: tag of the mapping data this end sends (9303-11 §4.4.4.2).
    const MAPPING: u32;
    /// Which of the two ends.
    const IS_CHIP: bool;
    /// PACE: tag of the ephemeral public key this end sends.
    const PUBLIC_KEY: u32;
    /// PACE: tag of the authentication token this end sends.
    const TOKEN: u32;
}

/// The inspection system, the reader, the personalizer: sends commands.
#[derive(Clone, Copy, Debug)]
pub struct Terminal;

/// The card: answers.
#[derive(Clone, Copy, Debug)]
pub struct Chip;

impl sealed::Sealed for Terminal {}
impl sealed::Sealed for Chip {}

impl Role for Terminal {
    type Peer = Chip;
    const MAPPING: u32 = 0x81;
    const IS_CHIP: bool = false;
    const PUBLIC_KEY: u32 = 0x83;
    const TOKEN: u32 = 0x85;
}

impl Role for Chip {
    type Peer = Terminal;
    const MAPPING: u32 = 0x82;
    const IS_CHIP: bool = true;
    const PUBLIC_KEY: u32 = 0x84;
    const TOKEN: u32 = 0x86;
}
