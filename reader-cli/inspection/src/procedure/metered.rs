//! A layer that counts: no card can keep a terminal busy for ever.

use std::time::{Duration, Instant};

use iso7816::{Card, Command, Response, TransmitError};

/// What one inspection may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Most bytes in one file.
    pub file: usize,
    /// Most response bytes in all.
    pub bytes: usize,
    /// Most commands in all.
    pub commands: u32,
    /// Most time in all, looked at before each command.
    pub time: Duration,
}

impl Default for Budget {
    /// 256 KiB a file, 1 MiB in all, 20,000 commands, two minutes.
    fn default() -> Self {
        Budget { file: lds::files::MAX_FILE, bytes: 1 << 20, commands: 20_000, time: Duration::from_secs(120) }
    }
}

/// Passes commands on until the budget is spent.
pub(crate) struct Metered<'a> {
    card: &'a mut dyn Card,
    budget: Budget,
    commands: u32,
    bytes: usize,
    start: Instant,
}

impl<'a> Metered<'a> {
    pub(crate) fn new(card: &'a mut dyn Card, budget: Budget) -> Self {
        Metered { card, budget, commands: 0, bytes: 0, start: Instant::now() }
    }
}

impl Card for Metered<'_> {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        if self.commands >= self.budget.commands || self.start.elapsed() > self.budget.time {
            return Err(TransmitError::TimedOut { seconds: self.budget.time.as_secs() });
        }
        self.commands += 1;
        let response = self.card.transmit(command)?;
        self.bytes += response.data.len();
        if self.bytes > self.budget.bytes {
            return Err(TransmitError::TooLong { limit: self.budget.bytes });
        }
        Ok(response)
    }
}
