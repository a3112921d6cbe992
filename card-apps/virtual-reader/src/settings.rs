//! The settings of one virtual reader: the content of the file that DEVICENAME names.
//!
//! ```text
//! # one setting a line, name = value
//! slots = 16            1 to 16, 1 when not said
//! answer_seconds = 60   how long a card may take for one answer, 1 to 3600, 60 when not said
//! ```

#![forbid(unsafe_code)]

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

/// pcscd's own limit (`PCSCLITE_MAX_READERS_CONTEXTS`).
const MOST_SLOTS: u8 = 16;
/// Longer files are not settings.
const MAX_SIZE: u64 = 4_096;

/// How a virtual reader is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Number of slots, 1 to 16.
    pub slots: u8,
    /// How long a card may take for one answer.
    pub answer: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { slots: 1, answer: Duration::from_secs(60) }
    }
}

impl Settings {
    /// Reads the file.
    ///
    /// # Errors
    /// What the system said, or `InvalidData` naming the line that is not understood.
    pub fn load(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() || metadata.len() > MAX_SIZE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a settings file"));
        }
        Self::parse(&fs::read_to_string(path)?).map_err(|line| io::Error::new(io::ErrorKind::InvalidData, line))
    }

    /// The settings in `text`, or the line that is not understood.
    fn parse(text: &str) -> Result<Self, String> {
        let mut settings = Settings::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                settings.set(line).ok_or_else(|| format!("not understood: {line}"))?;
            }
        }
        Ok(settings)
    }

    fn set(&mut self, line: &str) -> Option<()> {
        let (name, value) = line.split_once('=')?;
        match (name.trim(), value.trim().parse::<u16>().ok()?) {
            ("slots", value @ 1..=16) => self.slots = u8::try_from(value).ok()?.min(MOST_SLOTS),
            ("answer_seconds", value @ 1..=3_600) => self.answer = Duration::from_secs(value.into()),
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn settings_are_read_and_mistakes_named() {
        assert_eq!(Settings::parse("").unwrap(), Settings::default());
        let settings = Settings::parse("# two\n slots = 16 # all\nanswer_seconds=2\n").unwrap();
        assert_eq!(settings, Settings { slots: 16, answer: Duration::from_secs(2) });
        assert_eq!(Settings::parse("slots = 17").unwrap_err(), "not understood: slots = 17");
        assert_eq!(Settings::parse("slots").unwrap_err(), "not understood: slots");
        assert_eq!(Settings::parse("slot = 1").unwrap_err(), "not understood: slot = 1");
    }

    proptest! {
        #[test]
        fn hostile_settings_never_panic(text in "\\PC{0,80}") {
            if let Ok(settings) = Settings::parse(&text) {
                prop_assert!((1..=MOST_SLOTS).contains(&settings.slots));
            }
        }
    }
}
