//! PIV applications that do not end.

use std::time::Duration;

use inspection::citizen::{ReadError, read};
use inspection::procedure::Budget;
use iso7816::{Card, Command, Response, Status, TransmitError};

/// Selected like a PIV application; then every answer says that more follows, or is as long as it may be.
struct Endless {
    more: bool,
    commands: u32,
}

impl Card for Endless {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        self.commands += 1;
        if command.ins == 0xA4 {
            let data = hex::decode("61114F0600001000010079074F05A000000308").unwrap();
            return Ok(Response { data, status: Status::OK });
        }
        let status = if self.more { Status(0x6100) } else { Status::OK };
        Ok(Response { data: vec![0; usize::from(!self.more) * 256], status })
    }
}

#[test]
fn a_card_that_never_ends_costs_no_more_than_the_budget() {
    for (more, budget) in [
        (true, Budget { commands: 10, ..Budget::default() }),
        (false, Budget { commands: 10, ..Budget::default() }),
        (false, Budget { bytes: 1_000, ..Budget::default() }),
        (false, Budget { time: Duration::ZERO, ..Budget::default() }),
    ] {
        let mut card = Endless { more, commands: 0 };
        let error = read(&mut card, budget).unwrap_err();
        assert!(matches!(error, ReadError::Transmit(_)), "{error}");
        assert!(card.commands <= 10, "{}", card.commands);
    }
    // What is refused is the budget, not the card.
    assert!(read(&mut Endless { more: false, commands: 0 }, Budget::default()).is_ok());
}
