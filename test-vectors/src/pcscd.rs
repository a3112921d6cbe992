//! A private pcscd with virtual readers, for tests that go through the real PC/SC.
//!
//! The work is done by `card-apps/virtual-reader/private-pcscd.sh`; this is its handle. The PC/SC library reads
//! `PCSCLITE_CSOCK_NAME` once in a process, so a test either runs the programs under test as children
//! ([`PrivatePcscd::command`]) or runs itself again as a child.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use tempfile::TempDir;

/// The variable that tells PC/SC clients where pcscd listens.
pub const SOCKET_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";
/// The script's exit status where no pcscd can be run.
const NOT_HERE: i32 = 3;

/// A running pcscd; it ends with this value, and also when this process dies.
#[derive(Debug)]
pub struct PrivatePcscd {
    holder: Child,
    folder: TempDir,
    socket: PathBuf,
}

/// Why a pcscd that should run does not.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The driver could not be built.
    #[error("the driver could not be built: {0}")]
    Driver(String),
    /// The script failed.
    #[error("no private pcscd: {0}")]
    Script(String),
    /// The script could not be run.
    #[error("no private pcscd: {0}")]
    Io(#[from] io::Error),
}

impl PrivatePcscd {
    /// Starts one with 1 to 16 readers. `None` where that is not possible (no pcscd installed, or neither
    /// namespaces nor root), after one line on standard error that says so.
    ///
    /// # Errors
    /// When it should be possible and fails.
    pub fn start(slots: usize) -> Result<Option<Self>, StartError> {
        let folder = tempfile::Builder::new().prefix("bitaqa-").tempdir()?;
        let mut holder = Command::new(repository().join("card-apps/virtual-reader/private-pcscd.sh"))
            .args(["hold".as_ref(), folder.path().as_os_str(), slots.to_string().as_ref(), driver()?.as_os_str()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let Some(socket) = told_socket(&mut holder)? else {
            return explain(holder).map(|()| None);
        };
        Ok(Some(PrivatePcscd { holder, folder, socket }))
    }

    /// Where its clients connect: the value for [`SOCKET_VARIABLE`].
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The socket where a soft card becomes the card of this reader, counted from 0.
    pub fn slot(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("slot.{number}"))
    }

    /// The reader's name, counted from 0.
    pub fn reader_name(&self, number: usize) -> String {
        format!("Bitaqa Virtual Reader 00 {number:02X}")
    }

    /// A command that will talk to this pcscd.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env(SOCKET_VARIABLE, &self.socket);
        command
    }

    /// What pcscd logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("pcscd.log")).unwrap_or_default()
    }
}

impl Drop for PrivatePcscd {
    fn drop(&mut self) {
        // The end of its input stops the script, which stops pcscd.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// The socket that the script prints last when pcscd is ready.
fn told_socket(holder: &mut Child) -> io::Result<Option<PathBuf>> {
    let output = holder.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    for line in BufReader::new(output).lines() {
        if let Some((SOCKET_VARIABLE, path)) = line?.split_once('=') {
            return Ok(Some(path.into()));
        }
    }
    Ok(None)
}

/// Turns the end of the script into one line for the person who runs the tests, or into an error.
fn explain(mut holder: Child) -> Result<(), StartError> {
    let mut reason = String::new();
    if let Some(mut errors) = holder.stderr.take() {
        errors.read_to_string(&mut reason)?;
    }
    match holder.wait()?.code() {
        Some(NOT_HERE) => {
            crate::missing(&format!("not tested through PC/SC: {}", reason.trim()));
            Ok(())
        }
        _ => Err(StartError::Script(reason.trim().to_owned())),
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The driver: `BITAQA_DRIVER`, or built now (cargo builds no `cdylib` for the tests of other packages), optimised where
/// the caller is.
fn driver() -> Result<PathBuf, StartError> {
    if let Some(driver) = env::var_os("BITAQA_DRIVER") {
        return Ok(driver.into());
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--package", "virtual-reader", "--message-format", "json"])
        .args((!cfg!(debug_assertions)).then_some("--release"))
        .current_dir(repository())
        .output()?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let built =
        messages.lines().filter_map(|line| serde_json::from_str(line).ok()).find_map(|message| library(&message));
    built.ok_or_else(|| StartError::Driver(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// The shared library in a `compiler-artifact` message about the driver.
fn library(message: &serde_json::Value) -> Option<PathBuf> {
    let files = message.get("filenames")?.as_array()?;
    let mut names = files.iter().filter_map(serde_json::Value::as_str);
    names.find(|name| name.ends_with("libifdbitaqa.so")).map(PathBuf::from)
}
