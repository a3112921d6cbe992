//! A pseudo-terminal whose other end looks like a serial port.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::printer::{Printer, SimulatorError};

const POLL_MS: u64 = 50;

/// The printer's end of a pseudo-terminal. Dropping it unplugs the port and removes the link.
pub struct Pty {
    master: File,
    port: PathBuf,
    link: Option<PathBuf>,
}

impl Pty {
    /// Opens a pseudo-terminal.
    ///
    /// # Errors
    /// What the system says.
    pub fn open() -> io::Result<Self> {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let port = PathBuf::from(name.to_string_lossy().into_owned());
        // Raw from the start, or the first answers would be echoed back as commands. The handle is closed again: a
        // port that somebody holds cannot be opened exclusively.
        let slave = OpenOptions::new().read(true).write(true).custom_flags(NOCTTY).open(&port)?;
        let mut attributes = tcgetattr(&slave)?;
        attributes.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &attributes)?;
        Ok(Pty { master: File::from(master), port, link: None })
    }

    /// The device that a driver opens.
    pub fn port(&self) -> &Path {
        &self.port
    }

    /// Makes a symbolic link to the device, in place of an older link.
    ///
    /// # Errors
    /// What the system says; `AlreadyExists` when something else than a link has the name.
    pub fn link(&mut self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_symlink()) {
            fs::remove_file(path)?;
        }
        symlink(&self.port, path)?;
        self.link = Some(path.to_owned());
        Ok(())
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            // Gone already is as good.
            let _ = fs::remove_file(link);
        }
    }
}

/// `O_NOCTTY`: a terminal that is opened must not become the program's own.
const NOCTTY: i32 = rustix::fs::OFlags::NOCTTY.bits() as i32;

/// `EIO`: no host has the port open.
const EIO: i32 = rustix::io::Errno::IO.raw_os_error();

/// Lets a printer answer on a pseudo-terminal until `stop` is set. Hosts may come and go.
///
/// # Errors
/// What the system says about the pseudo-terminal.
pub fn serve(
    pty: &mut Pty,
    printer: &mut Printer,
    stop: &AtomicBool,
    mut report: impl FnMut(SimulatorError),
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    while !stop.load(Ordering::Relaxed) {
        if !readable(&pty.master)? {
            continue;
        }
        match pty.master.read(&mut buffer) {
            Ok(count) => {
                let answer = printer.receive(buffer.get(..count).unwrap_or_default());
                match pty.master.write_all(&answer) {
                    Err(error) if error.raw_os_error() != Some(EIO) => return Err(error),
                    _ => {}
                }
                if let Some(trouble) = printer.take_trouble() {
                    report(trouble);
                }
            }
            Err(error) if error.raw_os_error() == Some(EIO) => thread::sleep(Duration::from_millis(POLL_MS / 5)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    printer.switch_off();
    Ok(())
}

fn readable(master: &File) -> io::Result<bool> {
    let mut polled = [PollFd::new(master, PollFlags::IN)];
    let timeout = Timespec { tv_sec: 0, tv_nsec: (POLL_MS * 1_000_000) as i64 };
    match poll(&mut polled, Some(&timeout)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
