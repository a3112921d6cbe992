//! Installing from a folder, such as a memory stick: bundles and deltas are found, and the way that ends highest is gone.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::installed::{Installed, lock};
use super::{InstallError, TrustStore};
use crate::bundle::{self, BundleError, Delta, DeltaError, MAX_BUNDLE, Pins, Sealed};

/// How far a folder is searched. Everything on a memory stick is a stranger's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Folders inside folders.
    pub depth: usize,
    /// Files and folders that are looked at.
    pub entries: usize,
    /// Bundles and deltas that are read.
    pub files: usize,
    /// Bytes that are read of all of them together.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { depth: 4, entries: 10_000, files: 64, bytes: 4 * MAX_BUNDLE }
    }
}

/// What became of a folder.
#[derive(Debug)]
pub struct Imported {
    /// The store that is installed now.
    pub store: TrustStore,
    /// What was installed, one after another; empty when nothing in the folder is newer.
    pub steps: Vec<Step>,
    /// What was not.
    pub ignored: Vec<Ignored>,
}

/// A file that was installed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The file.
    pub path: PathBuf,
    /// Number of the bundle that is installed after it.
    pub number: u64,
    /// For a delta, the number of the bundle that it built on.
    pub base: Option<u64>,
}

/// A file that was not installed.
#[derive(Debug)]
pub struct Ignored {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

impl Ignored {
    /// Whether it is a bundle or a delta that is not believed: not one that is merely old, or built on another one.
    pub fn is_disbelieved(&self) -> bool {
        use crate::bundle::DeltaError::{NotNewer, OtherBase};
        match &self.why {
            Why::Refused(InstallError::Delta(error)) => !matches!(error, NotNewer { .. } | OtherBase { .. }),
            Why::Refused(error) => matches!(error, InstallError::Bundle(_)),
            _ => false,
        }
    }
}

/// Why a file was not installed.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// A link, device or pipe: not opened.
    #[error("neither a file nor a folder")]
    Kind,
    /// It does not begin like one.
    #[error("neither a trust bundle nor a delta")]
    Other,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    /// There is too much.
    #[error("not looked at: {0}")]
    Bound(&'static str),
    /// It cannot be installed on what is there.
    #[error(transparent)]
    Refused(InstallError),
    /// It could be installed, and what was installed is at least as new.
    #[error("not needed: what was installed is as new")]
    NotNeeded,
}

impl TrustStore {
    /// Installs what is newest in a folder: a bundle, deltas on top of it or of what is installed, and on the way every
    /// bundle that a change of signers needs. Each step is installed as by [`TrustStore::install`].
    ///
    /// # Errors
    /// When nothing is installed and the folder has nothing that can be, or it cannot be read.
    pub fn install_folder(
        directory: &Path,
        folder: &Path,
        given: Option<&Pins>,
        bounds: &Bounds,
    ) -> Result<Imported, InstallError> {
        // What is refused makes no directory.
        if !directory.exists() {
            Self::ways(directory, folder, given, bounds)?;
        }
        let _lock = lock(directory)?;
        let (before, way, ignored) = Self::ways(directory, folder, given, bounds)?;
        let (mut now, mut steps) = (before.settle(directory)?, Vec::new());
        for Leg { path, base, after } in way {
            now = after.write(directory, &now.pins)?;
            steps.push(Step { path, number: now.number, base });
        }
        Ok(Imported { store: now.store(directory)?, steps, ignored })
    }

    /// What is in the directory, the way from there through the folder, and what is not on it.
    fn ways(
        directory: &Path,
        folder: &Path,
        given: Option<&Pins>,
        bounds: &Bounds,
    ) -> Result<(Installed, Vec<Leg>, Vec<Ignored>), InstallError> {
        let before = Installed::read(directory, given)?;
        let (found, mut ignored) = search(folder, bounds)?;
        let (way, refused) = best_way(&before, found);
        ignored.extend(refused);
        ignored.sort_by(|one, other| one.path.cmp(&other.path));
        if way.is_empty() && before.current.is_none() {
            return Err(InstallError::NothingFound(ignored));
        }
        Ok((before, way, ignored))
    }
}

/// A bundle or a delta in a folder.
struct Found {
    path: PathBuf,
    /// What it says of itself.
    number: u64,
    content: Content,
}

enum Content {
    Bundle(Sealed),
    Delta(Box<Delta>),
}

/// Everything in the folder that could be a bundle or a delta, in the order of the names; links are not followed.
fn search(folder: &Path, bounds: &Bounds) -> Result<(Vec<Found>, Vec<Ignored>), InstallError> {
    let mut search = Search { bounds: *bounds, found: Vec::new(), ignored: Vec::new() };
    let top = search.entries(folder).map_err(|error| InstallError::Read { path: folder.to_owned(), error })?;
    let mut open: VecDeque<(PathBuf, usize)> = top.into_iter().map(|path| (path, 1)).collect();
    while let Some((path, depth)) = open.pop_front() {
        match search.look(&path, depth) {
            Ok(inner) => open.extend(inner.into_iter().map(|path| (path, depth + 1))),
            Err(why) => search.ignored.push(Ignored { path, why }),
        }
    }
    Ok((search.found, search.ignored))
}

struct Search {
    /// What is left of them.
    bounds: Bounds,
    found: Vec<Found>,
    ignored: Vec<Ignored>,
}

impl Search {
    fn entries(&mut self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder)? {
            if self.bounds.entries == 0 {
                let why = Why::Bound("the folder has too many files");
                self.ignored.push(Ignored { path: folder.to_owned(), why });
                break;
            }
            self.bounds.entries -= 1;
            paths.push(entry?.path());
        }
        paths.sort();
        Ok(paths)
    }

    /// Reads a file; of a folder, gives what is in it.
    fn look(&mut self, path: &Path, depth: usize) -> Result<Vec<PathBuf>, Why> {
        let metadata = fs::symlink_metadata(path).map_err(Why::Read)?;
        if metadata.is_dir() && depth < self.bounds.depth {
            return self.entries(path).map_err(Why::Read);
        }
        if metadata.is_dir() {
            return Err(Why::Bound("it lies too deep"));
        }
        if !metadata.is_file() {
            return Err(Why::Kind);
        }
        let mut file = File::open(path).map_err(Why::Read)?;
        let mut bytes = Vec::new();
        file.by_ref().take(256).read_to_end(&mut bytes).map_err(Why::Read)?;
        if !bundle::is_likely(&bytes) {
            return Err(Why::Other);
        }
        if self.bounds.files == 0 {
            return Err(Why::Bound("the folder has too many bundles"));
        }
        file.take(MAX_BUNDLE as u64).read_to_end(&mut bytes).map_err(Why::Read)?;
        if bytes.len() > MAX_BUNDLE {
            return Err(Why::Refused(BundleError::TooLarge(bytes.len()).into()));
        }
        let left = self.bounds.bytes.checked_sub(bytes.len());
        self.bounds.bytes = left.ok_or(Why::Bound("the bundles of the folder are too large together"))?;
        self.bounds.files -= 1;
        let (number, content) = Content::read(&bytes).map_err(Why::Refused)?;
        self.found.push(Found { path: path.to_owned(), number, content });
        Ok(Vec::new())
    }
}

impl Content {
    fn read(bytes: &[u8]) -> Result<(u64, Self), InstallError> {
        if Delta::is_likely(bytes) {
            let delta = Delta::read(bytes)?;
            return Ok((delta.number(), Content::Delta(Box::new(delta))));
        }
        let sealed = Sealed::read(bytes)?;
        Ok((sealed.number()?, Content::Bundle(sealed)))
    }
}

impl Found {
    /// What is said of a file that could not be tried: a delta that builds on nothing that can be reached.
    fn not_tried(&self, here: u64) -> InstallError {
        match &self.content {
            Content::Delta(delta) => DeltaError::OtherBase { base: delta.base(), makes: self.number, here }.into(),
            Content::Bundle(_) => InstallError::Rollback { installed: here, offered: self.number },
        }
    }
}

/// One installation on the way.
struct Leg {
    path: PathBuf,
    base: Option<u64>,
    after: Installed,
}

/// A state that can be reached.
struct Place {
    state: Installed,
    /// Positions of the place before it, and of the file that leads from there.
    from: Option<(usize, usize)>,
    /// How many files lead here.
    steps: usize,
}

impl Place {
    /// What a file makes of it: nothing when it is what is here; `None` for a delta of another bundle.
    fn with(&self, found: &Found) -> Option<Result<Option<Installed>, InstallError>> {
        let offered = match &found.content {
            Content::Bundle(sealed) => Ok(sealed.clone()),
            Content::Delta(delta) if self.payload() == Some(delta.base().sha256) => self.state.applied(delta),
            Content::Delta(_) => return None,
        };
        Some(offered.and_then(|offered| self.state.after(offered)))
    }

    fn payload(&self) -> Option<[u8; 32]> {
        self.state.current.as_ref().map(|(sealed, _)| sealed.payload_sha256())
    }

    /// The higher the better; then the one that knows the newest signers; then the shorter way.
    fn rank(&self, start: &Installed) -> impl Ord + use<> {
        (self.state.current.is_some(), self.state.number, self.state.pins != start.pins, Reverse(self.steps))
    }
}

/// The files to install one after another, and why the others are not among them.
///
/// Every place is visited once, and a bundle that was good is not verified again with the same pins: it leads to the same place.
fn best_way(start: &Installed, found: Vec<Found>) -> (Vec<Leg>, Vec<Ignored>) {
    let mut places = vec![Place { state: start.clone(), from: None, steps: 0 }];
    let (mut reached, mut good) = (HashSet::new(), HashSet::new());
    let mut fates: Vec<Option<Why>> = found.iter().map(|_| None).collect();
    let mut here = 0;
    while let Some(place) = places.get(here) {
        let mut fresh = Vec::new();
        for (file, (one, fate)) in found.iter().zip(&mut fates).enumerate() {
            let behind = here > 0 && one.number <= place.state.number;
            if behind || good.contains(&(file, place.state.pins.clone())) {
                continue;
            }
            match place.with(one) {
                Some(Ok(after)) => {
                    *fate = Some(Why::NotNeeded);
                    good.insert((file, place.state.pins.clone()));
                    let after = after.map(|state| Place { state, from: Some((here, file)), steps: place.steps + 1 });
                    fresh.extend(after.filter(|place| reached.insert((place.payload(), place.state.pins.clone()))));
                }
                Some(Err(error)) => drop(fate.get_or_insert(Why::Refused(error))),
                None => {}
            }
        }
        places.extend(fresh);
        here += 1;
    }
    let best = places.iter().enumerate().max_by_key(|(_, place)| place.rank(start)).map_or(0, |(best, _)| best);
    let number = places.get(best).map_or(0, |place| place.state.number);
    let mut legs = legs(places, best, &found);
    legs.reverse();
    let ignored = found.into_iter().zip(fates).filter(|(one, _)| legs.iter().all(|leg| leg.path != one.path));
    let ignored = ignored.map(|(one, fate)| {
        let why = fate.unwrap_or_else(|| Why::Refused(one.not_tried(number)));
        Ignored { path: one.path, why }
    });
    let ignored = ignored.collect();
    (legs, ignored)
}

/// The way to a place, from its end to its beginning.
fn legs(places: Vec<Place>, goal: usize, found: &[Found]) -> Vec<Leg> {
    let (mut legs, mut wanted) = (Vec::new(), goal);
    for (position, place) in places.into_iter().enumerate().rev() {
        let Some((before, file)) = place.from.filter(|_| position == wanted) else { continue };
        let Some(file) = found.get(file) else { continue };
        let base = if let Content::Delta(delta) = &file.content { Some(delta.base().number) } else { None };
        legs.push(Leg { path: file.path.clone(), base, after: place.state });
        wanted = before;
    }
    legs
}
