//! The answer to reset: its historical bytes and what a card says of itself in them.
//!
//! 7816-3 §8.2 for the structure, 7816-4 §12.1.1 for the historical bytes. Contactless cards get
//! an equivalent one from their reader (PC/SC part 3 §3.1.3.2.3).
//!
//! ```text
//! TS T0 [TA1 TB1 TC1 TD1 [TA2 ...]] historical bytes (low half of T0) [TCK]
//! ```

/// The longest answer to reset (7816-3 §8.2.1, TS included).
pub const MAX_LENGTH: usize = 33;

/// The historical bytes; `None` when the bytes are no answer to reset.
pub fn historical_bytes(atr: &[u8]) -> Option<&[u8]> {
    let (&t0, mut rest) = atr.get(1..)?.split_first()?;
    let mut present = t0 >> 4;
    while present != 0 {
        // TA, TB, TC: one byte each where their bit is set; TD announces the next round.
        rest = rest.get((present & 0x07).count_ones() as usize..)?;
        if present & 0x08 == 0 {
            break;
        }
        let (&td, after) = rest.split_first()?;
        (present, rest) = (td >> 4, after);
    }
    rest.get(..usize::from(t0 & 0x0F))
}

/// True when the card capabilities announce extended Lc and Le fields
/// (7816-4 §12.1.1.9: compact-TLV `7n`, third software function table, bit 7).
pub fn announces_extended_length(atr: &[u8]) -> bool {
    const EXTENDED_LENGTH: u8 = 0x40;
    historical_bytes(atr)
        .and_then(card_capabilities)
        .and_then(|table| table.get(2))
        .is_some_and(|b| b & EXTENDED_LENGTH != 0)
}

/// The value of compact-TLV `7n` within historical bytes of category `00` or `80`.
fn card_capabilities(historical: &[u8]) -> Option<&[u8]> {
    let (category, mut rest) = historical.split_first()?;
    if !matches!(category, 0x00 | 0x80) {
        return None;
    }
    while let Some((&head, after)) = rest.split_first() {
        let (value, next) = after.split_at_checked(usize::from(head & 0x0F))?;
        if head >> 4 == 0x07 {
            return Some(value);
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn historical_bytes_follow_every_interface_byte() {
        let atr = [0x3B, 0x95, 0x13, 0x81, 0x01, 0x80, 0x73, 0xFF, 0x01, 0x00, 0x0B];
        assert_eq!(historical_bytes(&atr).unwrap(), [0x80, 0x73, 0xFF, 0x01, 0x00]);
        assert_eq!(historical_bytes(&[0x3B, 0x00]), Some(&[][..]));
        assert_eq!(historical_bytes(&[0x3B, 0x02, 0x14]), None);
        assert_eq!(historical_bytes(&[]), None);
    }

    #[test]
    fn extended_length_is_bit_7_of_the_third_function_table() {
        let with_table = |third| [0x3B, 0x05, 0x80, 0x73, 0xC0, 0x01, third];
        assert!(announces_extended_length(&with_table(0x40)));
        assert!(announces_extended_length(&with_table(0xC0)));
        assert!(!announces_extended_length(&with_table(0x80)));
        assert!(!announces_extended_length(&[0x3B, 0x04, 0x80, 0x72, 0xC0, 0x40]));
        assert!(!announces_extended_length(&[0x3B, 0x05, 0x10, 0x73, 0xC0, 0x01, 0xC0]));
    }

    proptest! {
        #[test]
        fn hostile_answers_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = announces_extended_length(&bytes);
            prop_assert!(historical_bytes(&bytes).is_none_or(|historical| historical.len() <= 15));
        }
    }
}
