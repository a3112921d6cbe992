//! How often a PIN may be wrong (TR-03110-2 §2.2, TR-03110-3 §B.11.1): the card's rule, without its memory.
//!
//! ```text
//! operational --wrong, wrong--> suspended --CAN--> resumed --wrong--> blocked --PUK--> operational
//!      ^                                              |
//!      +-------------------- right -------------------+
//! ```
//!
//! The last try needs the card access number first: who reads the card in somebody's pocket cannot block its PIN. A
//! card stores the number of tries before it compares, so that torn power counts as a wrong try.

use iso7816::Status;

/// Where a PIN stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It may be tried.
    Operational,
    /// One try is left, and the card access number must come first.
    Suspended,
    /// One try is left, and the card access number has come: it holds until power is off.
    Resumed,
    /// No try is left.
    Blocked,
}

/// The tries of a PIN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tries {
    left: u8,
    limit: u8,
    resumed: bool,
}

impl Tries {
    /// `left` tries of `limit` (3 as a rule), as stored without power.
    pub fn new(left: u8, limit: u8) -> Self {
        Tries { left: left.min(limit), limit, resumed: false }
    }

    /// Tries left: what is to be stored.
    pub fn left(self) -> u8 {
        self.left
    }

    /// Where the PIN stands.
    pub fn standing(self) -> Standing {
        match (self.left, self.resumed) {
            (0, _) => Standing::Blocked,
            (1, true) => Standing::Resumed,
            (1, false) if self.limit > 1 => Standing::Suspended,
            _ => Standing::Operational,
        }
    }

    /// What MSE:Set AT answers for this PIN: `9000`, or `63Cx` as a warning of `x` tries left.
    pub fn status(self) -> Status {
        match self.left == self.limit {
            true => Status::OK,
            false => Status(0x63C0 | u16::from(self.left.min(0x0F))),
        }
    }

    /// A try begins: the state to store before the PIN is compared; `None` when it must not be.
    #[must_use]
    pub fn begin(self) -> Option<Self> {
        match self.standing() {
            Standing::Operational | Standing::Resumed => Some(Tries { left: self.left.saturating_sub(1), ..self }),
            Standing::Suspended | Standing::Blocked => None,
        }
    }

    /// The PIN was right, or the PUK has unblocked it.
    #[must_use]
    pub fn restored(self) -> Self {
        Tries::new(self.limit, self.limit)
    }

    /// PACE with the card access number has succeeded.
    #[must_use]
    pub fn resumed(self) -> Self {
        Tries { resumed: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_wrong_tries_suspend_and_the_third_blocks() {
        let fresh = Tries::new(3, 3);
        assert_eq!((fresh.standing(), fresh.status()), (Standing::Operational, Status::OK));
        let once = fresh.begin().unwrap();
        assert_eq!(once.status(), Status(0x63C2));
        let twice = once.begin().unwrap();
        assert_eq!((twice.standing(), twice.status()), (Standing::Suspended, Status(0x63C1)));
        assert_eq!(twice.begin(), None);
        let last = twice.resumed();
        assert_eq!(last.standing(), Standing::Resumed);
        let blocked = last.begin().unwrap();
        assert_eq!((blocked.standing(), blocked.status()), (Standing::Blocked, Status(0x63C0)));
        assert_eq!(blocked.resumed().begin(), None);
        assert_eq!(blocked.restored(), fresh);
    }

    #[test]
    fn without_power_the_card_access_number_is_forgotten() {
        let resumed = Tries::new(1, 3).resumed();
        assert_eq!(Tries::new(resumed.left(), 3).standing(), Standing::Suspended);
        assert_eq!(Tries::new(9, 3).left(), 3);
        assert_eq!(Tries::new(1, 1).standing(), Standing::Operational);
    }
}
