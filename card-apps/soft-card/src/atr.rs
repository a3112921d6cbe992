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

use iso7816::tlv::{Tag, Writer};

/// Card service data, object 3 of the historical bytes and DO 43 (7816-4 §12.1.1).
const SERVICE_DATA: u8 = 0xF8;
/// Card capabilities, object 7 of the historical bytes and DO 47 (7816-4 §12.1.1).
const CAPABILITIES: [u8; 3] = [0xD4, 0x01, 0xE0];
/// The most bytes of a command and of a response APDU, as an unsigned INTEGER.
const MAX_APDU: [u8; 3] = [0x00, 0xFF, 0xFF];

/// The answer to reset.
pub fn answer_to_reset() -> Vec<u8> {
    let [first, second, third] = CAPABILITIES;
    let body = [0x87, 0x81, 0x31, 0xFE, 0x45, 0x80, 0x31, SERVICE_DATA, 0x73, first, second, third];
    let check = body.iter().fold(0, |sum, byte| sum ^ byte);
    [&[0x3B][..], &body, &[check]].concat()
}

/// The content of EF.ATR/INFO: service data, capabilities, extended length information (7816-4 §12).
pub(crate) fn info_file() -> Vec<u8> {
    let mut writer = Writer::new();
    writer.put(Tag(0x43), [SERVICE_DATA]);
    writer.put(Tag(0x47), CAPABILITIES);
    writer.nest(Tag(0x7F66), |lengths| {
        lengths.put(Tag(0x02), MAX_APDU).put(Tag(0x02), MAX_APDU);
    });
    writer.finish()
}

/// The content of EF.DIR: one application template for the eMRTD application (7816-4 §12).
pub(crate) fn directory_file() -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nest(Tag(0x61), |template| {
        template.put(Tag(0x4F), iso7816::Aid::emrtd().as_bytes());
    });
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_byte_closes_the_answer() {
        let atr = answer_to_reset();
        assert_eq!(atr[1..].iter().fold(0, |sum, byte| sum ^ byte), 0);
        assert_eq!(usize::from(atr[1] & 0x0F), atr.len() - 7, "historical bytes counted in T0");
    }
}
