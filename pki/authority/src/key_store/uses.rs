//! How often a key was used, and how often it may be.
//!
//! ```text
//! uses.json   { "format": "bitaqa-key-uses", "version": 1, "reserved": 512 }
//! ```
//!
//! Uses are reserved on disk before they are made: after a crash the count may be too high, never too low. The reservations
//! of a process grow from one batch to the next, so a crash costs about as many uses as the process had made. What is left is
//! given back when the process ends in order. Several processes may share a directory; a lock on it keeps them apart.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::files::{self, FileError, Mode};

/// Name of the file.
pub(super) const FILE: &str = "uses.json";
const FORMAT: &str = "bitaqa-key-uses";
const VERSION: u32 = 1;
/// The first batch of a process.
const FIRST_BATCH: u64 = 16;
/// The largest batch.
const LARGEST_BATCH: u64 = 4096;

/// The bounded use of the key in a directory.
pub(crate) struct UseCount {
    directory: PathBuf,
    most: u64,
    batch: Mutex<Batch>,
}

struct Batch {
    left: u64,
    next: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reserved {
    format: String,
    version: u32,
    reserved: u64,
}

/// Why a key may not be used, or its count not be read.
#[derive(Debug, thiserror::Error)]
pub enum UseError {
    /// Every use that the key was given is made or reserved.
    #[error("the key may sign {most} times, and all of them are used or reserved")]
    Exhausted {
        /// How often it may sign.
        most: u64,
    },
    /// The directory is only to be read.
    #[error("the uses of the key are counted in {directory}, and nothing can be written there: {error}")]
    NotWritable {
        /// The directory.
        directory: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The count is missing or cannot be read or written. A key whose uses are not known is not used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what this program writes.
    #[error("{path} does not hold the count of a key's uses")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The file of a key that was never used.
pub(super) fn none_yet() -> Vec<u8> {
    Reserved::new(0).to_bytes()
}

impl UseCount {
    /// The count in this directory.
    pub fn open(directory: &Path, most: u64) -> Result<Self, UseError> {
        let count =
            UseCount { directory: directory.to_owned(), most, batch: Mutex::new(Batch { left: 0, next: FIRST_BATCH }) };
        count.reserved()?;
        Ok(count)
    }

    /// How often the key may be used.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// How often it was used or may have been used by any process.
    pub fn reserved(&self) -> Result<u64, UseError> {
        let path = self.directory.join(FILE);
        let bytes = files::read(&path)?;
        match serde_json::from_slice::<Reserved>(&bytes) {
            Ok(file) if file.format == FORMAT && file.version == VERSION => Ok(file.reserved),
            Ok(_) | Err(_) => Err(UseError::Damaged { path }),
        }
    }

    /// Whether uses can be counted here at all, which is better said before the first of them.
    pub fn check(&self) -> Result<(), UseError> {
        let _lock = self.lock()?;
        self.write(self.reserved()?)
    }

    /// From now on the key counts as used as often as it may be.
    pub fn use_up(&self) -> Result<(), UseError> {
        self.change(|reserved| self.most.max(reserved)).map(drop)
    }

    /// Takes one use, before it is made.
    pub fn take(&self) -> Result<(), UseError> {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.left == 0 {
            let wanted = batch.next;
            let reserved = self.change(|reserved| reserved.saturating_add(wanted).min(self.most.max(reserved)))?;
            if reserved == 0 {
                return Err(UseError::Exhausted { most: self.most });
            }
            *batch = Batch { left: reserved, next: (wanted * 2).min(LARGEST_BATCH) };
        }
        batch.left -= 1;
        Ok(())
    }

    /// Changes what is reserved, on disk; by how much is the result.
    fn change(&self, change: impl FnOnce(u64) -> u64) -> Result<u64, UseError> {
        let _lock = self.lock()?;
        let before = self.reserved()?;
        let after = change(before);
        if after != before {
            self.write(after)?;
        }
        Ok(after.abs_diff(before))
    }

    /// The file is replaced, so what is locked is the directory.
    fn lock(&self) -> Result<File, FileError> {
        let lock = File::open(&self.directory).and_then(|file| file.lock().map(|()| file));
        lock.map_err(|error| FileError { path: self.directory.clone(), error })
    }

    fn write(&self, reserved: u64) -> Result<(), UseError> {
        let written = files::replace(&self.directory.join(FILE), &Reserved::new(reserved).to_bytes(), Mode::Private);
        written.map_err(|failed| match failed.error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                UseError::NotWritable { directory: self.directory.clone(), error: failed.error }
            }
            _ => failed.into(),
        })
    }
}

impl Drop for UseCount {
    fn drop(&mut self) {
        let left = self.batch.get_mut().unwrap_or_else(PoisonError::into_inner).left;
        if left > 0 {
            // What cannot be given back is lost: too high is allowed, too low is not.
            let _ = self.change(|reserved| reserved.saturating_sub(left));
        }
    }
}

impl Reserved {
    fn new(reserved: u64) -> Self {
        Reserved { format: FORMAT.to_owned(), version: VERSION, reserved }
    }

    fn to_bytes(&self) -> Vec<u8> {
        // A string and numbers always serialize.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), none_yet()).unwrap();
        directory
    }

    #[test]
    fn the_sample_of_version_1_is_read() {
        let directory = directory();
        fs::write(directory.path().join(FILE), "{\"format\":\"bitaqa-key-uses\",\"version\":1,\"reserved\":512}\n")
            .unwrap();
        assert_eq!(UseCount::open(directory.path(), 1000).unwrap().reserved().unwrap(), 512);
    }

    #[test]
    fn uses_end_at_the_bound_and_are_given_back_in_order() {
        let directory = directory();
        let count = UseCount::open(directory.path(), 100).unwrap();
        (0..20).for_each(|_| count.take().unwrap());
        assert_eq!(count.reserved().unwrap(), 48);
        drop(count);
        let count = UseCount::open(directory.path(), 100).unwrap();
        assert_eq!(count.reserved().unwrap(), 20);
        (0..80).for_each(|_| count.take().unwrap());
        assert!(matches!(count.take(), Err(UseError::Exhausted { most: 100 })));
        drop(count);
        assert!(matches!(UseCount::open(directory.path(), 100).unwrap().take(), Err(UseError::Exhausted { .. })));
    }

    #[test]
    fn a_crash_never_makes_the_count_too_low() {
        let directory = directory();
        let mut made = 0;
        for uses in [1, 17, 40] {
            let count = UseCount::open(directory.path(), 1000).unwrap();
            (0..uses).for_each(|_| count.take().unwrap());
            made += uses;
            // As after a kill: nothing is given back.
            std::mem::forget(count);
            let counted = UseCount::open(directory.path(), 1000).unwrap().reserved().unwrap();
            assert!(counted >= made && counted <= 3 * made + FIRST_BATCH * 3, "{counted} for {made}");
        }
    }

    #[test]
    fn processes_and_threads_share_one_count() {
        let directory = directory();
        let taken: u64 = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let count = UseCount::open(directory.path(), 500).unwrap();
                        (0..200).filter(|_| count.take().is_ok()).count() as u64
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert!(taken <= 500, "{taken}");
        assert_eq!(UseCount::open(directory.path(), 500).unwrap().reserved().unwrap(), taken);
    }

    #[test]
    fn a_directory_only_to_be_read_says_so() {
        use std::os::unix::fs::PermissionsExt;
        let directory = directory();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o500)).unwrap();
        if fs::write(directory.path().join("anything"), "").is_ok() {
            return; // Root writes everywhere.
        }
        let count = UseCount::open(directory.path(), 100).unwrap();
        for refused in [count.check(), count.take()] {
            assert!(matches!(&refused, Err(UseError::NotWritable { .. })), "{refused:?}");
        }
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn a_missing_or_spoiled_count_is_not_taken_for_zero() {
        let directory = directory();
        let count = UseCount::open(directory.path(), 100).unwrap();
        fs::remove_file(directory.path().join(FILE)).unwrap();
        assert!(matches!(count.take(), Err(UseError::File(_))));
        assert!(matches!(UseCount::open(directory.path(), 100), Err(UseError::File(_))));
        fs::write(directory.path().join(FILE), "{}").unwrap();
        assert!(matches!(UseCount::open(directory.path(), 100), Err(UseError::Damaged { .. })));
    }
}
