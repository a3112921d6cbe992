//! What the reader says of itself: attributes (PC/SC part 3 §3.1.4) and features (PC/SC part 10).

#![forbid(unsafe_code)]

use crate::slot::Slot;

/// `SCARD_CTL_CODE`: how pcsc-lite numbers control codes on this system.
const CONTROL_BASE: u32 = 0x4200_0000;
/// `CM_IOCTL_GET_FEATURE_REQUEST` (PC/SC part 10 §2.2).
const GET_FEATURE_REQUEST: u32 = CONTROL_BASE + 3400;
/// Ours to choose: the control code behind the feature GET_TLV_PROPERTIES.
const PROPERTIES: u32 = CONTROL_BASE + 3401;
/// `FEATURE_GET_TLV_PROPERTIES` (PC/SC part 10 §2.3).
const FEATURE_GET_TLV_PROPERTIES: u8 = 0x12;
/// `dwMaxAPDUDataSize` (PC/SC part 10 §2.6.14).
const MAX_APDU_DATA_SIZE: u8 = 0x0A;
/// The value for extended APDUs of every length.
const ALL_EXTENDED: u32 = 0x0001_0000;
/// The longest command: header, extended Lc, 65,535 bytes, extended Le.
const MAX_INPUT: u32 = 4 + 3 + 65_535 + 2;

/// The value of an attribute (or of one of pcscd's tags with a byte value); `None` when it is not known
/// here, or not now. The friendly name (`0x7FFF0003`) is pcscd's own to answer, and it does.
pub fn attribute(slot: &Slot, tag: u32) -> Option<Vec<u8>> {
    match tag {
        // TAG_IFD_ATR, SCARD_ATTR_ATR_STRING
        0x0303 | 0x0009_0303 => slot.atr(),
        // TAG_IFD_SLOTS_NUMBER
        0x0FAE => Some(vec![slot.settings().slots]),
        // TAG_IFD_THREAD_SAFE, TAG_IFD_SLOT_THREAD_SAFE
        0x0FAD | 0x0FAC => Some(vec![1]),
        // TAG_IFD_SIMULTANEOUS_ACCESS: several configuration entries may name this driver.
        0x0FAF => Some(vec![16]),
        // SCARD_ATTR_VENDOR_NAME, SCARD_ATTR_VENDOR_IFD_TYPE: text with its final zero, as other drivers give it
        0x0001_0100 => Some(b"Bitaqa\0".to_vec()),
        0x0001_0101 => Some(b"Virtual Reader\0".to_vec()),
        // SCARD_ATTR_VENDOR_IFD_VERSION
        0x0001_0102 => Some(version().to_ne_bytes().to_vec()),
        // SCARD_ATTR_MAXINPUT
        0x0007_A007 => Some(MAX_INPUT.to_ne_bytes().to_vec()),
        // SCARD_ATTR_ICC_INTERFACE_STATUS: the card has power
        0x0009_0301 => Some(vec![slot.atr().is_some().into()]),
        _ => None,
    }
}

/// The answer to a control code; `None` for one that is not known.
pub fn control(code: u32) -> Option<Vec<u8>> {
    match code {
        GET_FEATURE_REQUEST => Some(object(FEATURE_GET_TLV_PROPERTIES, PROPERTIES.to_be_bytes())),
        PROPERTIES => Some(object(MAX_APDU_DATA_SIZE, ALL_EXTENDED.to_le_bytes())),
        _ => None,
    }
}

fn object(tag: u8, value: [u8; 4]) -> Vec<u8> {
    [&[tag, 4], value.as_slice()].concat()
}

/// `0xMMmmbbbb` from the crate's version.
fn version() -> u32 {
    let number = |text: &str| text.parse::<u32>().unwrap_or_default();
    number(env!("CARGO_PKG_VERSION_MAJOR")) << 24
        | number(env!("CARGO_PKG_VERSION_MINOR")) << 16
        | number(env!("CARGO_PKG_VERSION_PATCH"))
}
