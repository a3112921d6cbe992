//! What the card says of itself before the first command: the answer to reset and EF.ATR/INFO.
//!
//! ```text
//! 3B        direct convention
//! 87        TD1 follows, seven historical bytes
//! 81        T=1 is the only protocol; TD2 follows
//! 31        T=1; TA3 and TB3 follow
//! FE        IFSC 254: full T=1 blocks
//! 45        BWI 4, CWI 5
//! 80        historical bytes: compact-TLV objects, no status indicator (7816-4 §12.1.1)
//! 31 F8       card service data: selection by full and by partial AID; EF.DIR and EF.ATR/INFO hold
//!             BER-TLV and are read with READ BINARY; the card has a master file
//! 73 D4 01 E0 capabilities: selection by AID, partial AID, file identifier and short identifier;
//!             data in bytes; command chaining, extended length, described in EF.ATR/INFO
//! xx        check byte: T0 to the end give zero when XORed
//! ```
//!
//! Why these bytes: an answer that offers T=1 alone makes every host choose T=1, so extended length
//! works without a setting (the contactless form `3B 8x 80 01` offers T=0 first and some hosts take
//! it). The interface bytes are no pattern of a product known to OpenSC, so its tools fall through
//! to asking the card by AID instead of guessing a driver. The capabilities are standard compact-TLV,
//! where hosts look for extended length before they use it. To OpenSC 0.23 a card with the PIV application and this
//! answer is a PIV card without known faults: it offers ECDSA and ECDH, which it does not for the contactless form.

use lds::info::{AtrInfo, ExtendedLength};

use crate::persona::Make;

/// Card service data, object 3 of the historical bytes and DO 43 (7816-4 §12.1.1).
const SERVICE_DATA: u8 = 0xF8;
/// Card capabilities, object 7 of the historical bytes and DO 47 (7816-4 §12.1.1).
const CAPABILITIES: [u8; 3] = [0xD4, 0x01, 0xE0];
/// Bit 7 of the third capability byte: extended length.
const EXTENDED_LENGTH: u8 = 0x40;

/// The answer to reset of the usual card.
pub fn answer_to_reset() -> Vec<u8> {
    answer_to_reset_of(&Make::default())
}

/// The answer to reset of a make of cards.
pub(crate) fn answer_to_reset_of(make: &Make) -> Vec<u8> {
    let [first, second, third] = capabilities(make);
    let body = [0x87, 0x81, 0x31, 0xFE, 0x45, 0x80, 0x31, SERVICE_DATA, 0x73, first, second, third];
    let check = body.iter().fold(0, |sum, byte| sum ^ byte);
    [&[0x3B][..], &body, &[check]].concat()
}

fn capabilities(make: &Make) -> [u8; 3] {
    let [first, second, third] = CAPABILITIES;
    [first, second, if make.knows_extended_length() { third } else { third & !EXTENDED_LENGTH }]
}

/// The content of EF.ATR/INFO: service data, capabilities, extended length information (7816-4 §12).
pub(crate) fn info_file(make: &Make) -> Vec<u8> {
    // Of whole APDUs: 65,535 stands for all that the encoding can hold.
    let size = |bytes: u32| bytes.min(0xFFFF);
    let extended_length = make
        .knows_extended_length()
        .then(|| ExtendedLength { command: size(make.longest_command), response: size(make.longest_response) });
    let capabilities = capabilities(make).to_vec();
    AtrInfo { service_data: Some(SERVICE_DATA), capabilities, extended_length, others: Vec::new() }.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_byte_closes_the_answer() {
        let atr = answer_to_reset();
        assert_eq!(atr[1..].iter().fold(0, |sum, byte| sum ^ byte), 0);
        assert_eq!(usize::from(atr[1] & 0x0F), atr.len() - 7, "historical bytes counted in T0");
        let short = Make { longest_command: 261, longest_response: 256, ..Make::default() };
        assert_eq!(answer_to_reset_of(&short)[1..].iter().fold(0, |sum, byte| sum ^ byte), 0);
        assert_ne!(answer_to_reset_of(&short), atr);
        assert_eq!(hex::encode(info_file(&short)), "4301f84703d401a0");
        assert_eq!(hex::encode(info_file(&Make::default())), "4301f84703d401e07f660a020300ffff020300ffff");
    }
}
