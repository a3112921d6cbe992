//! Files that are old or new, never a mixture; and what a command writes to the path that its user named.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// As many symbolic links in a row as the kernel follows.
const MAX_LINKS: usize = 40;

/// Creates or replaces a file: a new one beside it, on disk before it takes the name, and the name on disk before this returns.
/// The name of the new one cannot be foreseen, so that no link planted there leads the bytes elsewhere. What interrupted
/// writes of this file left is removed; two who replace one file at a time must agree on a lock.
///
/// # Errors
/// When it cannot be written; the old one is still there then, unless only the directory could not be synced.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    discard_leftovers(path, &name);
    replace_as(path, bytes, 0o666)
}

/// Where bytes go that are written to a path which a user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A regular file, there already or not; behind the symbolic links that led to it.
    File(PathBuf),
    /// A device, a named pipe, a descriptor of a process (`/dev/stdout`): opened and written to, never replaced.
    Stream(PathBuf),
}

impl Destination {
    /// Follows the path. As in the kernel with `protected_symlinks`, a link or a pipe in a folder that everybody may write to counts
    /// only when it is this user's or the folder's owner's.
    ///
    /// # Errors
    /// When it is a directory, leads in a circle, or cannot be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            if descriptors_above(&path).is_some() {
                return Ok(Destination::Stream(path));
            }
            match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Destination::File(path)),
                Err(error) => return Err(error),
                Ok(found) if found.is_symlink() => {
                    may_follow(&path, &found)?;
                    path = directory_of(&path).join(fs::read_link(&path)?);
                }
                Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
                Ok(found) if found.is_file() => return Ok(Destination::File(path)),
                Ok(found) => {
                    // A pipe that another user laid there would take the bytes to him.
                    may_follow(&path, &found)?;
                    return Ok(Destination::Stream(path));
                }
            }
        }
        Err(io::Error::other("too many symbolic links"))
    }
}

/// Writes the output of a command to the path that its user named. A file is replaced only when the new one is complete, and gets
/// this mode; what is no regular file is opened and written to.
///
/// # Errors
/// When it cannot be written; a file is the old one still, unless only the directory could not be synced.
pub fn write_output(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    match Destination::of(path)? {
        Destination::File(path) => replace_as(&path, bytes, mode),
        Destination::Stream(path) => open_stream(&path)?.write_all(bytes),
    }
}

/// Opens what is no regular file. The process's own standard output is taken as it is: opened anew it would begin at 0 again where
/// it leads to a file, and cannot be opened where it leads to a socket.
///
/// # Errors
/// When it cannot be opened.
pub fn open_stream(path: &Path) -> io::Result<File> {
    let own = descriptors_above(path).is_some_and(|folder| folder.starts_with(format!("/proc/{}", std::process::id())));
    let kept = |stream: OwnedFd| Ok(File::from(stream));
    match path.file_name().and_then(|name| name.to_str()) {
        Some("1") if own => kept(io::stdout().as_fd().try_clone_to_owned()?),
        Some("2") if own => kept(io::stderr().as_fd().try_clone_to_owned()?),
        _ => OpenOptions::new().append(true).open(path),
    }
}

/// The folder of a process's descriptors, when the path is right below one. Its entries look like links, but not all have a path.
fn descriptors_above(path: &Path) -> Option<PathBuf> {
    let folder = directory_of(path).canonicalize().ok()?;
    (folder.starts_with("/proc") && folder.ends_with("fd")).then_some(folder)
}

fn may_follow(path: &Path, found: &Metadata) -> io::Result<()> {
    let folder = fs::metadata(directory_of(path))?;
    let everybodys = folder.mode() & 0o1002 == 0o1002;
    let trusted =
        || Ok::<_, io::Error>(found.uid() == folder.uid() || found.uid() == fs::metadata("/proc/self")?.uid());
    if everybodys && !trusted()? {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "a link or a pipe of another user"));
    }
    Ok(())
}

fn replace_as(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut random = [0; 8];
    openssl::rand::rand_bytes(&mut random)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.{}.new", hex::encode(random)));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&fresh);
    })?;
    sync_directory(directory_of(path))
}

/// The directory that a file is in, also when its path is a mere name.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Creates a directory with those above it that are missing, and has each of their names on disk.
pub(crate) fn create_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory_of(directory);
    create_directory(parent)?;
    match fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
        result => result?,
    }
    sync_directory(parent)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// What cannot be removed does no harm.
fn discard_leftovers(path: &Path, name: &str) {
    let is_of_this_file = |other: &str| {
        let rest = other.strip_prefix('.').and_then(|rest| rest.strip_prefix(name));
        let random = rest.and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".new"));
        random.is_some_and(|random| random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let Ok(entries) = fs::read_dir(directory_of(path)) else { return };
    for entry in entries.flatten().filter(|entry| is_of_this_file(&entry.file_name().to_string_lossy())) {
        let _ = fs::remove_file(entry.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_leftovers_of_it_alone_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [".b.json.0123456789abcdef.new", ".c.json.0123456789abcdef.new", ".b.json.note.new"] {
            fs::write(at(name), "half").unwrap();
        }
        replace(&at("b.json"), b"one").unwrap();
        replace(&at("b.json"), b"two").unwrap();
        assert_eq!(fs::read(at("b.json")).unwrap(), b"two");
        assert_eq!(names(folder.path()), [".b.json.note.new", ".c.json.0123456789abcdef.new", "b.json"]);
    }

    #[test]
    fn a_planted_link_is_not_followed_and_an_error_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("victim"), "untouched").unwrap();
        for name in ["b.json.new", "b.new", "b.json"] {
            std::os::unix::fs::symlink(at("victim"), at(name)).unwrap();
        }
        replace(&at("b.json"), b"new").unwrap();
        assert_eq!(fs::read(at("victim")).unwrap(), b"untouched");
        assert_eq!(fs::read(at("b.json")).unwrap(), b"new");

        fs::create_dir_all(at("taken/inside")).unwrap();
        let before = names(folder.path());
        replace(&at("taken"), b"new").unwrap_err();
        assert_eq!(names(folder.path()), before);
    }

    #[test]
    fn an_output_goes_through_links_and_into_streams_that_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
        let is_link = |name: &str| fs::symlink_metadata(at(name)).unwrap().is_symlink();
        fs::write(at("old"), "old").unwrap();
        link(Path::new("old"), "relative");
        link(&at("relative"), "twice");
        link(&at("missing"), "dangling");
        link(Path::new("/dev/full"), "full");
        link(&at("circle"), "circle");
        write_output(&at("twice"), b"new", 0o600).unwrap();
        write_output(&at("dangling"), b"made", 0o640).unwrap();
        assert_eq!(fs::read(at("old")).unwrap(), b"new");
        assert_eq!(fs::metadata(at("old")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read(at("missing")).unwrap(), b"made");
        assert_eq!(write_output(&at("full"), b"new", 0o600).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(["twice", "relative", "dangling", "full"].into_iter().all(is_link));
        write_output(&at("circle"), b"new", 0o600).unwrap_err();
        write_output(folder.path(), b"new", 0o600).unwrap_err();

        let made = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(made.success());
        let pipe = at("pipe");
        let reader = std::thread::spawn(move || fs::read(pipe).unwrap());
        write_output(&at("pipe"), b"through", 0o600).unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(!fs::symlink_metadata(at("pipe")).unwrap().is_file());
    }

    #[test]
    fn a_link_or_a_pipe_of_another_user_in_everybodys_folder_is_not_followed() {
        use std::os::unix::fs::{PermissionsExt, lchown, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        symlink(at("victim"), at("mine")).unwrap();
        write_output(&at("mine"), b"new", 0o600).unwrap();
        symlink(at("other"), at("planted")).unwrap();
        // Only root can make a link another user's.
        if lchown(at("planted"), Some(65_534), None).is_ok() {
            assert_eq!(
                write_output(&at("planted"), b"new", 0o600).unwrap_err().kind(),
                io::ErrorKind::PermissionDenied
            );
            assert!(!at("other").exists());
            assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
            lchown(at("pipe"), Some(65_534), None).unwrap();
            assert_eq!(write_output(&at("pipe"), b"new", 0o600).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
    }

    #[test]
    fn directories_are_made_with_those_above_them() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        create_directory(&deep).unwrap();
        create_directory(&deep).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        create_directory(&folder.path().join("file/below")).unwrap_err();
        assert!(deep.is_dir());
    }
}
