//! The functions that pcscd calls (`ifdhandler.h` of pcsc-lite, IFD handler version 3.0).
//!
//! Everything that touches a pointer is here. Each function turns its arguments into Rust values,
//! calls safe code under [`std::panic::catch_unwind`] (a panic must not unwind into C), and copies
//! the result back within the length that pcscd allowed.

#![expect(unsafe_code, reason = "a C program calls these functions")]

use std::collections::BTreeMap;
use std::ffi::{CStr, OsStr, c_char, c_int, c_long, c_uchar, c_ulong};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::attributes;
use crate::pcscd::{Level, log};
use crate::settings::Settings;
use crate::slot::{ExchangeError, MAX_ATR, Slot};

/// `DWORD` of pcsc-lite on Linux.
type Dword = c_ulong;
/// `RESPONSECODE`.
type Code = c_long;

const SUCCESS: Code = 0;
const ERROR_TAG: Code = 600;
const ERROR_POWER_ACTION: Code = 608;
const COMMUNICATION_ERROR: Code = 612;
const RESPONSE_TIMEOUT: Code = 613;
const NOT_SUPPORTED: Code = 614;
const ICC_PRESENT: Code = 615;
const ICC_NOT_PRESENT: Code = 616;
const NO_SUCH_DEVICE: Code = 617;
const INSUFFICIENT_BUFFER: Code = 618;

const POWER_UP: Dword = 500;
const POWER_DOWN: Dword = 501;
const RESET: Dword = 502;

const TAG_STOP_POLLING_THREAD: Dword = 0x0FB2;
const TAG_POLLING_THREAD_WITH_TIMEOUT: Dword = 0x0FB3;

/// `SCARD_IO_HEADER`.
#[repr(C)]
pub struct IoHeader {
    protocol: Dword,
    length: Dword,
}

/// Every open slot by its logical unit number: reader in the upper half, slot in the lower (pcscd opens 16 at most).
static SLOTS: Mutex<BTreeMap<Dword, Arc<Slot>>> = Mutex::new(BTreeMap::new());

fn slots() -> MutexGuard<'static, BTreeMap<Dword, Arc<Slot>>> {
    SLOTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` on the slot; `NO_SUCH_DEVICE` without one, `COMMUNICATION_ERROR` when it panics.
fn with_slot(lun: Dword, work: impl FnOnce(&Slot) -> Code) -> Code {
    guarded(|| {
        let slot = slots().get(&lun).cloned();
        slot.map_or(NO_SUCH_DEVICE, |slot| work(&slot))
    })
}

fn guarded(work: impl FnOnce() -> Code) -> Code {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(COMMUNICATION_ERROR)
}

fn code_of(error: ExchangeError, lun: Dword) -> Code {
    match error {
        ExchangeError::Gone | ExchangeError::Mute => COMMUNICATION_ERROR,
        ExchangeError::TooSlow => {
            log(Level::Error, &format!("slot {}: the card did not answer in time and is taken out", slot_number(lun)));
            RESPONSE_TIMEOUT
        }
        ExchangeError::Malformed => {
            log(
                Level::Error,
                &format!("slot {}: the card broke the frame protocol and is taken out", slot_number(lun)),
            );
            COMMUNICATION_ERROR
        }
    }
}

fn slot_number(lun: Dword) -> Dword {
    lun & 0xFFFF
}

/// A buffer that pcscd lends: where to write, how much fits, and where to say how much was written.
struct Lent {
    at: *mut u8,
    capacity: usize,
    length: *mut Dword,
}

impl Lent {
    /// Takes the capacity from `*length`.
    ///
    /// # Safety
    /// `length` is null or points to a length; `at` is null or points to that many writable bytes.
    unsafe fn of(at: *mut u8, length: *mut Dword) -> Self {
        // SAFETY: by this function's contract.
        let capacity = if length.is_null() { 0 } else { unsafe { *length } };
        Lent { at, capacity: usize::try_from(capacity).unwrap_or(0), length }
    }

    /// Writes the bytes, or nothing when they do not fit; says how many were written.
    fn give(&self, bytes: &[u8]) -> Code {
        let fits = bytes.len() <= self.capacity && !self.at.is_null();
        let written = if fits { bytes.len() } else { 0 };
        if fits {
            // SAFETY: `at` is not null and has room for `capacity` bytes by the contract of whoever made this
            // value, `written` is not more, and `bytes` is our own memory, so the two do not overlap.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at, written) };
        }
        if !self.length.is_null() {
            // SAFETY: not null, so it points to a length by the contract of `of`.
            unsafe { *self.length = written as Dword };
        }
        if fits { SUCCESS } else { INSUFFICIENT_BUFFER }
    }

    fn give_nothing(&self, code: Code) -> Code {
        self.give(&[]);
        code
    }
}

/// Opens the slot `lun` of the reader whose DEVICENAME is `name`.
///
/// # Safety
/// `name` is null or a string that ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHCreateChannelByName(lun: Dword, name: *const c_char) -> Code {
    if name.is_null() {
        return COMMUNICATION_ERROR;
    }
    // SAFETY: not null, so a string by this function's contract.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes().to_vec();
    guarded(|| open(lun, Path::new(OsStr::from_bytes(&name))))
}

fn open(lun: Dword, device: &Path) -> Code {
    let mut path = device.as_os_str().to_owned();
    path.push(format!(".{}", slot_number(lun)));
    let opened = Settings::load(device).and_then(|settings| Slot::open(PathBuf::from(&path), settings));
    match opened {
        Ok(slot) => {
            slots().insert(lun, Arc::new(slot));
            log(Level::Info, &format!("slot {} waits for cards at {}", slot_number(lun), path.display()));
            SUCCESS
        }
        Err(error) => {
            log(Level::Error, &format!("slot {} at {}: {error}", slot_number(lun), path.display()));
            COMMUNICATION_ERROR
        }
    }
}

/// Readers are opened by name only.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHCreateChannel(_lun: Dword, _channel: Dword) -> Code {
    log(Level::Error, "the reader configuration needs a DEVICENAME");
    COMMUNICATION_ERROR
}

/// Closes the slot and removes its socket.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHCloseChannel(lun: Dword) -> Code {
    guarded(|| {
        let closed = slots().remove(&lun);
        closed.map_or(NO_SUCH_DEVICE, |slot| {
            slot.stop_waiting();
            SUCCESS
        })
    })
}

/// Returns when a card came or left, or after `timeout` milliseconds. pcscd calls it from a thread of its own.
extern "C" fn wait_for_change(lun: Dword, timeout: c_int) -> Code {
    /// For a caller without a limit.
    const LONG: Duration = Duration::from_secs(600);
    with_slot(lun, |slot| {
        slot.wait_for_change(u64::try_from(timeout).map_or(LONG, Duration::from_millis));
        SUCCESS
    })
}

/// Ends a [`wait_for_change`] early.
extern "C" fn stop_waiting(lun: Dword) -> Code {
    with_slot(lun, |slot| {
        slot.stop_waiting();
        SUCCESS
    })
}

/// Answers an attribute.
///
/// # Safety
/// `length` is null or points to the number of writable bytes at `value`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHGetCapabilities(lun: Dword, tag: Dword, length: *mut Dword, value: *mut u8) -> Code {
    // SAFETY: by this function's contract.
    let lent = unsafe { Lent::of(value, length) };
    with_slot(lun, |slot| match tag {
        // pcscd reads these two as addresses of functions.
        TAG_POLLING_THREAD_WITH_TIMEOUT => lent.give(&(wait_for_change as *const () as usize).to_ne_bytes()),
        TAG_STOP_POLLING_THREAD => lent.give(&(stop_waiting as *const () as usize).to_ne_bytes()),
        _ => match u32::try_from(tag).ok().and_then(|tag| attributes::attribute(slot, tag)) {
            Some(value) => lent.give(&value),
            // The length stays: pcscd answers some attributes itself then, within the room there is.
            None => ERROR_TAG,
        },
    })
}

/// Nothing can be set.
///
/// # Safety
/// `_value` is not looked at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHSetCapabilities(_lun: Dword, _tag: Dword, _length: Dword, _value: *const u8) -> Code {
    NOT_SUPPORTED
}

/// Whole APDUs pass here, so there is nothing to negotiate and every protocol is right.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHSetProtocolParameters(
    _lun: Dword,
    _protocol: Dword,
    _flags: c_uchar,
    _pts1: c_uchar,
    _pts2: c_uchar,
    _pts3: c_uchar,
) -> Code {
    SUCCESS
}

/// Gives power, takes it, or resets.
///
/// # Safety
/// `atr` is null or points to 33 writable bytes (`MAX_ATR_SIZE`), `length` is null or points to a length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHPowerICC(lun: Dword, action: Dword, atr: *mut u8, length: *mut Dword) -> Code {
    // The interface fixes the size of this buffer; the length is only an output.
    let lent = Lent { at: atr, capacity: MAX_ATR, length };
    with_slot(lun, |slot| match action {
        POWER_UP | RESET => match slot.power_up(action == RESET) {
            Ok(atr) => lent.give(&atr),
            Err(error) => {
                code_of(error, lun);
                lent.give_nothing(ERROR_POWER_ACTION)
            }
        },
        POWER_DOWN => {
            slot.power_down();
            lent.give_nothing(SUCCESS)
        }
        _ => lent.give_nothing(NOT_SUPPORTED),
    })
}

/// Sends one command APDU and returns the response.
///
/// # Safety
/// `command` points to `command_length` bytes, `response_length` to the number of writable bytes at `response`;
/// `received` is null or points to a header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHTransmitToICC(
    lun: Dword,
    sent: IoHeader,
    command: *const u8,
    command_length: Dword,
    response: *mut u8,
    response_length: *mut Dword,
    received: *mut IoHeader,
) -> Code {
    // SAFETY: by this function's contract.
    let lent = unsafe { Lent::of(response, response_length) };
    let Some(length) = usize::try_from(command_length).ok().filter(|_| !command.is_null()) else {
        return lent.give_nothing(COMMUNICATION_ERROR);
    };
    // SAFETY: not null, and `length` readable bytes by this function's contract.
    let command = unsafe { std::slice::from_raw_parts(command, length) };
    if !received.is_null() {
        let length = size_of::<IoHeader>() as Dword;
        // SAFETY: not null, so it points to a header by this function's contract.
        unsafe { *received = IoHeader { protocol: sent.protocol, length } };
    }
    with_slot(lun, |slot| match slot.transmit(command) {
        Ok(answer) => lent.give(&answer),
        Err(error) => lent.give_nothing(code_of(error, lun)),
    })
}

/// Answers what the reader can do (PC/SC part 10).
///
/// # Safety
/// `output` points to `output_length` writable bytes; `returned` is null or points to a length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHControl(
    lun: Dword,
    code: Dword,
    _input: *const u8,
    _input_length: Dword,
    output: *mut u8,
    output_length: Dword,
    returned: *mut Dword,
) -> Code {
    let capacity = usize::try_from(output_length).unwrap_or(0);
    let lent = Lent { at: output, capacity, length: returned };
    with_slot(lun, |_| match u32::try_from(code).ok().and_then(attributes::control) {
        Some(answer) => lent.give(&answer),
        None => lent.give_nothing(NOT_SUPPORTED),
    })
}

/// Says whether a card is in the slot.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHICCPresence(lun: Dword) -> Code {
    with_slot(lun, |slot| if slot.presence() { ICC_PRESENT } else { ICC_NOT_PRESENT })
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::ptr::null_mut;
    use std::thread;

    use iso7816::frame::{self, Request};

    use super::*;

    /// A reader at `lun` with one card that answers every power-up with `3B00` and every command with itself.
    fn reader_with_card(lun: Dword) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("slot");
        std::fs::write(&device, "slots = 2\n").unwrap();
        let name = CString::new(device.as_os_str().as_bytes()).unwrap();
        // SAFETY: a string that ends with a zero.
        assert_eq!(unsafe { IFDHCreateChannelByName(lun, name.as_ptr()) }, SUCCESS);
        let mut stream = UnixStream::connect(format!("{}.{}", device.display(), lun & 0xFFFF)).unwrap();
        stream.write_all(&[frame::VERSION]).unwrap();
        thread::spawn(move || {
            while let Ok(request) = Request::read(&mut stream) {
                let answer = match request {
                    Request::PowerOff => Vec::new(),
                    Request::Apdu(command) => command,
                    _ => vec![0x3B, 0x00],
                };
                frame::write_answer(&mut stream, &answer).unwrap();
            }
        });
        folder
    }

    fn capability(lun: Dword, tag: Dword, room: usize) -> (Code, Vec<u8>) {
        let mut value = vec![0; room];
        let mut length = room as Dword;
        // SAFETY: `length` says how many bytes `value` has.
        let code = unsafe { IFDHGetCapabilities(lun, tag, &raw mut length, value.as_mut_ptr()) };
        value.truncate(length as usize);
        (code, value)
    }

    fn transmit(lun: Dword, command: &[u8], room: usize) -> (Code, Vec<u8>) {
        let mut response = vec![0; room];
        let mut length = room as Dword;
        let mut received = IoHeader { protocol: 0, length: 0 };
        // SAFETY: every length is the length of its buffer.
        let code = unsafe {
            let sent = IoHeader { protocol: 2, length: 16 };
            let (at, count) = (command.as_ptr(), command.len() as Dword);
            IFDHTransmitToICC(lun, sent, at, count, response.as_mut_ptr(), &raw mut length, &raw mut received)
        };
        assert_eq!(received.protocol, 2);
        response.truncate(length as usize);
        (code, response)
    }

    #[test]
    fn a_whole_life_of_a_reader() {
        let lun = 0x0001_0001;
        let _folder = reader_with_card(lun);
        assert_eq!(IFDHICCPresence(lun), ICC_PRESENT);
        assert_eq!(capability(lun, 0x0009_0303, 33), (ERROR_TAG, vec![0; 33]));
        let mut atr = [0; MAX_ATR];
        let mut length = 0;
        // SAFETY: room for the longest answer to reset.
        assert_eq!(unsafe { IFDHPowerICC(lun, POWER_UP, atr.as_mut_ptr(), &raw mut length) }, SUCCESS);
        assert_eq!(atr[..length as usize], [0x3B, 0x00]);
        assert_eq!(capability(lun, 0x0009_0303, 33), (SUCCESS, vec![0x3B, 0x00]));
        assert_eq!(capability(lun, 0x0009_0303, 1), (INSUFFICIENT_BUFFER, vec![]));
        assert_eq!(capability(lun, 0x0FAE, 1), (SUCCESS, vec![2]));
        assert_eq!(capability(lun, 0x0001_0100, 32), (SUCCESS, b"Bitaqa\0".to_vec()));
        assert_eq!(capability(lun, TAG_POLLING_THREAD_WITH_TIMEOUT, 8).0, SUCCESS);
        assert_eq!(capability(lun, TAG_POLLING_THREAD_WITH_TIMEOUT, 4), (INSUFFICIENT_BUFFER, vec![]));
        assert_eq!(transmit(lun, &[1, 2, 3], 10), (SUCCESS, vec![1, 2, 3]));
        assert_eq!(transmit(lun, &[1, 2, 3], 2), (INSUFFICIENT_BUFFER, vec![]));
        assert_eq!(transmit(lun, &[1], 10), (COMMUNICATION_ERROR, vec![]));
        // SAFETY: null buffers are allowed.
        assert_eq!(unsafe { IFDHPowerICC(lun, POWER_DOWN, null_mut(), null_mut()) }, SUCCESS);
        assert_eq!(IFDHCloseChannel(lun), SUCCESS);
        assert_eq!(IFDHICCPresence(lun), NO_SUCH_DEVICE);
        assert_eq!(IFDHCloseChannel(lun), NO_SUCH_DEVICE);
    }

    #[test]
    fn features_lead_to_the_longest_command() {
        let lun = 0x0002_0000;
        let _folder = reader_with_card(lun);
        let control = |code: Dword, room: usize| {
            let mut output = vec![0; room];
            let mut length = 99;
            // SAFETY: `room` is the size of `output`.
            let code =
                unsafe { IFDHControl(lun, code, null_mut(), 0, output.as_mut_ptr(), room as Dword, &raw mut length) };
            output.truncate(length as usize);
            (code, output)
        };
        let (code, features) = control(0x4200_0000 + 3400, 64);
        assert_eq!((code, &features[..2]), (SUCCESS, &[0x12, 4][..]));
        let code = u32::from_be_bytes(features[2..].try_into().unwrap());
        assert_eq!(control(code.into(), 64), (SUCCESS, vec![0x0A, 4, 0, 0, 1, 0]));
        assert_eq!(control(code.into(), 3), (INSUFFICIENT_BUFFER, vec![]));
        assert_eq!(control(1, 64), (NOT_SUPPORTED, vec![]));
        IFDHCloseChannel(lun);
    }

    #[test]
    fn nothing_unwinds_into_c() {
        assert_eq!(guarded(|| panic!("on purpose")), COMMUNICATION_ERROR);
    }

    #[test]
    fn null_pointers_are_answered() {
        let lun = 0x0003_0000;
        // SAFETY: null is allowed everywhere.
        unsafe {
            assert_eq!(IFDHCreateChannelByName(lun, null_mut()), COMMUNICATION_ERROR);
            assert_eq!(IFDHGetCapabilities(lun, 0x0FAE, null_mut(), null_mut()), NO_SUCH_DEVICE);
            let sent = IoHeader { protocol: 2, length: 16 };
            let code = IFDHTransmitToICC(lun, sent, null_mut(), 5, null_mut(), null_mut(), null_mut());
            assert_eq!(code, COMMUNICATION_ERROR);
        }
        assert_eq!(IFDHCreateChannel(lun, 0), COMMUNICATION_ERROR);
    }
}
