//! What a reader says of itself (PC/SC part 10).

use pcsc::ctl_code;

/// `CM_IOCTL_GET_FEATURE_REQUEST` (PC/SC part 10 §2.2).
const GET_FEATURE_REQUEST: u32 = 3400;
/// `FEATURE_GET_TLV_PROPERTIES` (PC/SC part 10 §2.3).
const GET_TLV_PROPERTIES: u8 = 0x12;
/// `dwMaxAPDUDataSize` (PC/SC part 10 §2.6.14).
const MAX_APDU_DATA_SIZE: u8 = 0x0A;
/// Answers are a handful of small objects.
const BUFFER: usize = 512;

/// The most command data bytes the reader passes on in one APDU (0: short APDUs only);
/// `None` when it does not say.
pub(super) fn max_apdu_data(card: &pcsc::Card) -> Option<usize> {
    let mut buffer = [0; BUFFER];
    let features = card.control(ctl_code(GET_FEATURE_REQUEST.into()), &[], &mut buffer).ok()?;
    // Feature values are control codes, big endian; property values are little endian.
    let code = u32::from_be_bytes(find(features, GET_TLV_PROPERTIES)?.try_into().ok()?);
    let mut buffer = [0; BUFFER];
    let properties = card.control(code.into(), &[], &mut buffer).ok()?;
    let size = u32::from_le_bytes(find(properties, MAX_APDU_DATA_SIZE)?.try_into().ok()?);
    usize::try_from(size).ok()
}

/// The value of the first object with this one-byte tag and one-byte length.
fn find(mut objects: &[u8], tag: u8) -> Option<&[u8]> {
    while let [found, length, rest @ ..] = objects {
        let (value, next) = rest.split_at_checked(usize::from(*length))?;
        if *found == tag {
            return Some(value);
        }
        objects = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn objects_are_found_and_truncated_ones_are_not() {
        let objects = [0x06, 0x01, 0xFF, 0x12, 0x04, 0x42, 0x33, 0x00, 0x12];
        assert_eq!(find(&objects, 0x12), Some(&[0x42, 0x33, 0x00, 0x12][..]));
        assert_eq!(find(&objects, 0x0A), None);
        assert_eq!(find(&objects[..8], 0x12), None);
    }

    proptest! {
        #[test]
        fn hostile_objects_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), tag in any::<u8>()) {
            let _ = find(&bytes, tag);
        }
    }
}
