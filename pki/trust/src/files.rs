//! Files that are old or new, never a mixture.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Creates or replaces a file: a new one beside it, on disk before it takes the name, and the name on disk before this returns.
/// The name of the new one cannot be foreseen, so that no link planted there leads the bytes elsewhere. What interrupted
/// writes of this file left is removed; two who replace one file at a time must agree on a lock.
///
/// # Errors
/// When it cannot be written; the old one is still there then, unless only the directory could not be synced.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut random = [0; 8];
    openssl::rand::rand_bytes(&mut random)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.{}.new", hex::encode(random)));
    discard_leftovers(path, &name);
    let write = || {
        let mut file = File::create_new(&fresh)?;
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
