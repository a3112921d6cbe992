//! How long one APDU may be; the rule is documented at [`crate::Connection::limits`].

use iso7816::{Card, Command, Limits};
use lds::files::EF_ATR_INFO;
use lds::info::AtrInfo;

use crate::answer_to_reset;

/// Header, extended Lc and extended Le: what an APDU holds besides its data.
const APDU_OVERHEAD: usize = 4 + 3 + 2;

pub(crate) fn discover(card: &mut dyn Card, atr: &[u8], reader_limit: Option<usize>) -> Limits {
    let Some(reader) = announced(atr, reader_limit) else { return Limits::SHORT };
    let card = announced_by_file(card).unwrap_or(iso7816::MAX_DATA);
    Limits { command_data: card.min(reader).clamp(255, iso7816::MAX_DATA), ..Limits::EXTENDED }
}

/// What the reader passes on, when both it and the card announce extended length.
pub(crate) fn announced(atr: &[u8], reader_limit: Option<usize>) -> Option<usize> {
    let reader = reader_limit.unwrap_or(iso7816::MAX_DATA).min(iso7816::MAX_DATA);
    (reader >= 256 && answer_to_reset::announces_extended_length(atr)).then_some(reader)
}

/// The most command data bytes by EF.ATR/INFO; `None` when it cannot be read or says nothing.
fn announced_by_file(card: &mut dyn Card) -> Option<usize> {
    let select = Command::new(0x00, 0xA4, 0x02, 0x0C).with_data(EF_ATR_INFO.id.to_be_bytes());
    let read = Command::new(0x00, 0xB0, 0x00, 0x00).with_ne(256);
    card.transmit(&select).ok().filter(|response| response.status.is_ok())?;
    let file = card.transmit(&read).ok()?.data;
    let lengths = AtrInfo::parse(&file).extended_length?;
    Some(usize::try_from(lengths.command).ok()?.saturating_sub(APDU_OVERHEAD))
}

#[cfg(test)]
mod tests {
    use iso7816::{Response, Status, TransmitError};

    use super::*;

    const EXTENDED_ATR: [u8; 7] = [0x3B, 0x05, 0x80, 0x73, 0xC0, 0x01, 0xC0];

    /// A card with (or without) an EF.ATR/INFO.
    struct WithFile(Option<&'static str>);

    impl Card for WithFile {
        fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
            let Some(file) = self.0 else { return Ok(Response::status(Status::FILE_NOT_FOUND)) };
            match hex::encode(command.to_bytes()).as_str() {
                "00a4020c022f01" => Ok(Response::status(Status::OK)),
                "00b0000000" => Ok(Response::ok(hex::decode(file).unwrap())),
                other => panic!("{other}"),
            }
        }
    }

    fn found(file: Option<&'static str>, atr: &[u8], reader: Option<usize>) -> usize {
        discover(&mut WithFile(file), atr, reader).command_data
    }

    #[test]
    fn reader_then_historical_bytes_then_file() {
        let short_atr = [0x3B, 0x00];
        assert_eq!(found(None, &short_atr, None), 255);
        assert_eq!(found(None, &EXTENDED_ATR, Some(0)), 255);
        assert_eq!(found(None, &EXTENDED_ATR, None), 65_535);
        assert_eq!(found(None, &EXTENDED_ATR, Some(1_000)), 1_000);
        assert_eq!(found(Some("7f66080202040002020400"), &EXTENDED_ATR, Some(65_536)), 1_015);
        assert_eq!(found(Some("7f660802020010020200ff"), &EXTENDED_ATR, None), 255);
        assert_eq!(found(Some("7f66ff"), &EXTENDED_ATR, None), 65_535);
        assert_eq!(found(Some("7f660d020bffffffffffffffffffffff"), &EXTENDED_ATR, None), 65_535);
    }
}
