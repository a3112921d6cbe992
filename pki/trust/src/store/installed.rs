//! Installing: what is there, what a file makes of it, and how that is written.

use std::fs::File;
use std::path::Path;

use super::{
    BUNDLE, InstallError, NUMBER, OpenError, PIN, TrustStore, read_bundle, read_maximum_age, read_number, read_pins,
    write_error,
};
use crate::bundle::{Bundle, Delta, Pins, Sealed};
use crate::files::{create_directory, replace};

impl TrustStore {
    /// Installs a bundle, or a delta on top of the bundle that is installed. Installing the installed bundle again is no
    /// error; an older one, or another with the same number, is.
    ///
    /// The first installation needs pins and keeps them; later ones need none, and are refused when others are given. A
    /// bundle that names the next signers changes them.
    ///
    /// # Errors
    /// When the bundle is not believed, older than the installed one, builds on another one, or cannot be written.
    pub fn install(directory: &Path, bytes: &[u8], given: Option<&Pins>) -> Result<Self, InstallError> {
        // What is refused makes no directory.
        if !directory.exists() {
            Self::judged(directory, bytes, given)?;
        }
        let _lock = lock(directory)?;
        let (before, after) = Self::judged(directory, bytes, given)?;
        let installed = match after {
            Some(after) => after.write(directory, &before.pins)?,
            None => before.settle(directory)?,
        };
        installed.store(directory)
    }

    /// What is in the directory, and what it would be after this bundle or delta.
    fn judged(
        directory: &Path,
        bytes: &[u8],
        given: Option<&Pins>,
    ) -> Result<(Installed, Option<Installed>), InstallError> {
        let before = Installed::read(directory, given)?;
        let offered = match Delta::is_likely(bytes) {
            true => before.applied(&Delta::read(bytes)?)?,
            false => Sealed::read(bytes)?,
        };
        let after = before.after(offered)?;
        Ok((before, after))
    }
}

/// Nobody else installs until it is dropped. A directory that is not there yet is made: who is believed in it must not be
/// decided by two at once.
pub(super) fn lock(directory: &Path) -> Result<File, InstallError> {
    create_directory(directory).map_err(|error| write_error(directory, error))?;
    let path = directory.join("lock");
    let file = File::options().create(true).append(true).open(&path);
    file.and_then(|file| file.lock().map(|()| file)).map_err(|error| write_error(&path, error))
}

/// What a store has, or would have.
#[derive(Clone, Debug)]
pub(super) struct Installed {
    /// Whose signatures the next bundle needs.
    pub pins: Pins,
    pub current: Option<(Sealed, Bundle)>,
    /// The highest number ever installed.
    pub number: u64,
}

impl Installed {
    /// What is in this directory; who is believed in an empty one must be given.
    pub fn read(directory: &Path, given: Option<&Pins>) -> Result<Self, InstallError> {
        let unusable = InstallError::Installed;
        let has = |name| directory.join(name).exists();
        let number = read_number(directory).map_err(unusable)?;
        if !has(PIN) && !has(BUNDLE) {
            return Ok(Installed { pins: given.ok_or(InstallError::NoPins)?.clone(), current: None, number });
        }
        let stored = read_pins(directory).map_err(unusable)?;
        let current = if has(BUNDLE) { Some(read_bundle(directory, &stored).map_err(unusable)?) } else { None };
        let next = current.as_ref().and_then(|(_, bundle)| bundle.next_signers.clone());
        let pins = next.unwrap_or(stored);
        let number = current.as_ref().map_or(number, |(_, bundle)| number.max(bundle.number));
        match given.filter(|given| **given != pins) {
            Some(given) => Err(InstallError::OtherPins { installed: pins, given: given.clone() }),
            None => Ok(Installed { pins, current, number }),
        }
    }

    /// What a delta makes of the bundle that is here.
    pub fn applied(&self, delta: &Delta) -> Result<Sealed, InstallError> {
        let none = || InstallError::NoBase { base: delta.base().number, makes: delta.number() };
        let (current, _) = self.current.as_ref().ok_or_else(none)?;
        // Read again: the result must be a bundle that could have come as a file.
        Ok(Sealed::read(&delta.apply(current)?.to_bytes())?)
    }

    /// What would be here after this bundle was installed; `None` when it is the one that is here.
    pub fn after(&self, offered: Sealed) -> Result<Option<Self>, InstallError> {
        let bundle = offered.verify(&self.pins)?;
        let rollback = |installed| InstallError::Rollback { installed, offered: bundle.number };
        if let Some((_, current)) = &self.current {
            if *current == bundle {
                return Ok(None);
            }
            if bundle.number <= current.number {
                return Err(rollback(current.number));
            }
        }
        // The same number again, when only the bundle was lost, is what was there.
        if bundle.number < self.number {
            return Err(rollback(self.number));
        }
        let pins = bundle.next_signers.clone().unwrap_or_else(|| self.pins.clone());
        let number = bundle.number;
        Ok(Some(Installed { pins, current: Some((offered, bundle)), number }))
    }

    /// Puts this and what follows from it into the directory, where `before` were believed until now.
    ///
    /// The bundle is signed by enough of `before`; the one it replaces is too, or it named them, and was signed by enough of
    /// them. So each of the files may be the last that is written.
    pub fn write(self, directory: &Path, before: &Pins) -> Result<Self, InstallError> {
        if let Some((sealed, _)) = &self.current {
            put_pins(directory, before)?;
            put(directory, BUNDLE, &sealed.to_bytes())?;
        }
        self.settle(directory)
    }

    /// Writes what follows from the bundle that is in the directory; an interrupted installation may have left it out.
    pub fn settle(self, directory: &Path) -> Result<Self, InstallError> {
        if self.current.is_some() {
            if read_number(directory).ok() != Some(self.number) {
                put(directory, NUMBER, format!("{}\n", self.number).as_bytes())?;
            }
            put_pins(directory, &self.pins)?;
        }
        Ok(self)
    }

    /// The store that is in the directory now.
    pub fn store(self, directory: &Path) -> Result<TrustStore, InstallError> {
        let maximum_age = read_maximum_age(directory).map_err(InstallError::Installed)?;
        let (_, bundle) = self.current.ok_or_else(|| {
            let error = std::io::ErrorKind::NotFound.into();
            InstallError::Installed(OpenError::Read { path: directory.join(BUNDLE), error })
        })?;
        Ok(TrustStore::from_bundle(bundle).with_maximum_age(maximum_age))
    }
}

fn put(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), InstallError> {
    let path = directory.join(name);
    replace(&path, bytes).map_err(|error| write_error(&path, error))
}

fn put_pins(directory: &Path, pins: &Pins) -> Result<(), InstallError> {
    match read_pins(directory) {
        Ok(stored) if stored == *pins => Ok(()),
        _ => put(directory, PIN, pins.to_text().as_bytes()),
    }
}
