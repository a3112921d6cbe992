//! The log of the pcscd that loaded us, or standard error when something else did.

#![expect(unsafe_code, reason = "pcscd offers its log as a C function")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::io::Write;
use std::sync::OnceLock;

/// How important a line is (`debuglog.h`).
#[derive(Clone, Copy)]
pub enum Level {
    /// Shown with `pcscd --info`.
    Info = 1,
    /// Always shown.
    Error = 2,
}

/// `void log_msg(const int priority, const char *fmt, ...)` of pcscd.
type LogMsg = unsafe extern "C" fn(c_int, *const c_char, ...);

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
}

/// Writes one line.
pub fn log(level: Level, text: &str) {
    let line = format!("bitaqa: {text}");
    match (log_msg(), CString::new(line.replace('\0', "?"))) {
        (Some(log_msg), Ok(line)) => {
            // SAFETY: `log_msg` is pcscd's function of exactly this type; both strings end with a zero and
            // outlive the call, and the format takes exactly one string.
            unsafe { log_msg(level as c_int, c"%s".as_ptr(), line.as_ptr()) }
        }
        _ if matches!(level, Level::Error) => {
            // Nobody is left to be told when this fails.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
        _ => {}
    }
}

/// pcscd's log function; `None` in any other process.
fn log_msg() -> Option<LogMsg> {
    static FOUND: OnceLock<Option<LogMsg>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: the name ends with a zero; a null handle (RTLD_DEFAULT) asks for symbols of the whole program.
        let symbol = unsafe { dlsym(std::ptr::null_mut(), c"log_msg".as_ptr()) };
        if symbol.is_null() {
            return None;
        }
        // SAFETY: the symbol that pcscd exports to its drivers under this name has this type
        // (`debuglog.h` of pcsc-lite, unchanged since 1.3).
        Some(unsafe { std::mem::transmute::<*mut c_void, LogMsg>(symbol) })
    })
}
