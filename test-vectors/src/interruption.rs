//! Interruptions: a program is killed, or the disk fails, at one system call after another.
//!
//! strace does it: [`Tracer::calls`] runs a program once and writes down every system call that changes files;
//! [`Tracer::run`] runs it again and lets one of them fail, or kills the program as it enters it. What the kernel was told until
//! then stays, as after `kill -9`.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::thread;

/// System calls that change files or decide what is on the disk. Those after `?` do not exist on every machine.
const CHANGING: &str = "write,writev,pwrite64,ftruncate,fallocate,fsync,fdatasync,openat,mkdirat,?mkdir,renameat,?rename,\
    renameat2,linkat,?link,symlinkat,unlinkat,?unlink,?rmdir,fchmod,?chmod,fchmodat,copy_file_range,sendfile";

/// One system call of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Which one of this name it is, from 1.
    pub number: usize,
    /// Its arguments, as strace prints them.
    pub arguments: String,
}

/// What happens at a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The process is killed as it enters the call, which is not done.
    Kill,
    /// The call fails with this error, such as `ENOSPC`, and is not done.
    Error(&'static str),
}

/// strace, and that it works here.
#[derive(Debug)]
pub struct Tracer(());

impl Tracer {
    /// `None`, said in one line, where strace is missing or processes may not be traced.
    ///
    /// # Panics
    /// Where it must be there: [`crate::missing`].
    pub fn find() -> Option<Self> {
        match Command::new("strace").args(["-qq", "-o", "/dev/null", "-e", "trace=none", "true"]).output() {
            Ok(output) if output.status.success() => return Some(Tracer(())),
            Ok(_) => crate::missing("processes may not be traced here (ptrace)"),
            Err(_) => crate::missing("strace is not here"),
        }
        None
    }

    /// Runs a program undisturbed; the calls that change files, in order. Its own output is none of them, but for the first.
    ///
    /// # Panics
    /// When strace cannot run it.
    pub fn calls(&self, command: &Command) -> (Output, Vec<Call>) {
        let log = tempfile::NamedTempFile::new().unwrap_or_else(|error| panic!("{error}"));
        let filter = format!("trace={CHANGING}");
        let output = self.traced(command, &["-s", "0", "-o", &log.path().to_string_lossy(), "-e", &filter]);
        let text = fs::read_to_string(log.path()).unwrap_or_else(|error| panic!("{error}"));
        (output, calls(&text))
    }

    /// Runs a program with a fault at one of its calls.
    ///
    /// # Panics
    /// When strace cannot run it.
    pub fn run(&self, command: &Command, call: &Call, fault: Fault) -> Output {
        let what = match fault {
            Fault::Kill => "signal=KILL".to_owned(),
            Fault::Error(name) => format!("error={name}"),
        };
        let inject = format!("inject={}:{what}:when={}", call.name, call.number);
        self.traced(command, &["-o", "/dev/null", "-e", &inject])
    }

    fn traced(&self, command: &Command, options: &[&str]) -> Output {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq"]).args(options).arg(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            strace.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => strace.env(name, value),
                None => strace.env_remove(name),
            };
        }
        strace.output().unwrap_or_else(|error| panic!("strace: {error}"))
    }
}

/// Whether the program was killed.
pub fn was_killed(output: &Output) -> bool {
    output.status.signal() == Some(9)
}

/// Does a piece of work for every item, on as many threads as there are processors.
pub fn for_each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = Mutex::new(items.iter());
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let item = next.lock().ok().and_then(|mut items| items.next());
                    match item {
                        Some(item) => work(item),
                        None => break,
                    }
                }
            });
        }
    });
}

/// Copies a directory with all that is in it; links are none of an authority's business.
///
/// # Panics
/// When a file cannot be copied.
pub fn copy(from: &Path, to: &Path) {
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        fs::create_dir_all(&to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
        for entry in fs::read_dir(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
            let entry = entry.unwrap_or_else(|error| panic!("{}: {error}", from.display()));
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push((entry.path(), target));
            } else {
                fs::copy(entry.path(), &target).unwrap_or_else(|error| panic!("{}: {error}", target.display()));
            }
        }
    }
}

/// Every file and folder below a directory, relative to it, sorted.
///
/// # Panics
/// When a folder cannot be read.
pub fn walk(directory: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.push(path.strip_prefix(directory).map(Path::to_owned).unwrap_or(path));
        }
    }
    found.sort();
    found
}

/// `1234  rename("a", "b") = 0` is the first rename of process 1234.
fn calls(log: &str) -> Vec<Call> {
    let (mut calls, mut counts) = (Vec::new(), std::collections::BTreeMap::<String, usize>::new());
    let mut spoken = false;
    for line in log.lines() {
        let line = line.trim_start_matches(|byte: char| byte.is_ascii_digit()).trim_start();
        let Some((name, arguments)) = line.split_once('(') else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
            continue;
        }
        let number = counts.entry(name.to_owned()).or_default();
        *number += 1;
        let output = name.starts_with("write") && ["1,", "2,"].iter().any(|to| arguments.starts_with(to));
        let reading = name == "openat" && !arguments.contains("O_CREAT");
        if reading || (output && spoken) {
            continue;
        }
        spoken |= output;
        calls.push(Call { name: name.to_owned(), number: *number, arguments: arguments.to_owned() });
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_name() {
        let log = "12 openat(AT_FDCWD, \"a\"..., O_RDONLY) = 3\n12 openat(AT_FDCWD, \"b\"..., O_WRONLY|O_CREAT, 0666) = 4\n\
            12 write(4, \"\"..., 9) = 9\n12 write(1, \"\"..., 2) = 2\n12 write(1, \"\"..., 2) = 2\n12 +++ exited with 0 +++\n";
        let calls = calls(log);
        let names: Vec<(&str, usize)> = calls.iter().map(|call| (call.name.as_str(), call.number)).collect();
        assert_eq!(names, [("openat", 2), ("write", 1), ("write", 2)]);
    }

    #[test]
    fn a_program_is_killed_and_a_call_fails() {
        let Some(tracer) = Tracer::find() else { return };
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let mut command = Command::new("mkdir");
        command.current_dir(folder.path()).arg("made");
        let (_, calls) = tracer.calls(&command);
        let call = calls.iter().find(|call| call.name.starts_with("mkdir")).unwrap_or_else(|| panic!("{calls:?}"));
        command.arg("-p");
        fs::remove_dir(folder.path().join("made")).unwrap_or_else(|error| panic!("{error}"));
        assert!(was_killed(&tracer.run(&command, call, Fault::Kill)));
        assert!(!folder.path().join("made").exists());
        let failed = tracer.run(&command, call, Fault::Error("ENOSPC"));
        assert!(!failed.status.success() && String::from_utf8_lossy(&failed.stderr).contains("No space left"));
    }
}
