//! The card over a Unix socket, in the frames of [`iso7816::frame`].
//!
//! The end of the stream is the card leaving its reader: whoever kills the card program pulls the card.

use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use iso7816::frame::{self, Request};

use crate::card::SoftCard;

/// How a conversation ended without a fault of the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The reader went away.
    ReaderGone,
    /// The card lost its power in the middle of a command, by a tear or because its memory could not be written.
    CardTorn,
}

/// Speaks with one reader until either side goes; the card begins without power.
///
/// # Errors
/// What the stream says, but for its end; `InvalidData` for a frame that breaks the rules.
pub fn serve(card: &mut SoftCard, stream: &mut (impl Read + Write)) -> io::Result<End> {
    match converse(card, stream) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ) =>
        {
            card.power_off();
            Ok(End::ReaderGone)
        }
        end => end,
    }
}

fn converse(card: &mut SoftCard, stream: &mut (impl Read + Write)) -> io::Result<End> {
    card.power_off();
    stream.write_all(&[frame::VERSION])?;
    loop {
        let answer = match Request::read(stream)? {
            Request::PowerOff => {
                card.power_off();
                Vec::new()
            }
            Request::PowerOn => card.power_on(),
            Request::Reset => card.reset(),
            Request::Atr => card.atr(),
            Request::Apdu(bytes) => {
                let powered = card.is_powered();
                let answer = card.process(&bytes);
                if powered && answer.is_empty() {
                    return Ok(End::CardTorn);
                }
                answer
            }
        };
        frame::write_answer(stream, &answer)?;
    }
}

/// Why a socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Something else stands at that path, or another card listens there.
    #[error("{path}: in use")]
    InUse {
        /// The path given.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The path given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens at `path`, for the owner only (mode 0600). A socket that a card left behind is replaced.
///
/// The socket is made inside a fresh directory of mode 0700 and moved to its place, so nobody else can connect at
/// any moment.
///
/// # Errors
/// When the path is taken or the system refuses.
pub fn listen(path: &Path) -> Result<UnixListener, ListenError> {
    let failed = |source| ListenError::Io { path: path.into(), source };
    match path.symlink_metadata() {
        Ok(there) if !there.file_type().is_socket() || UnixStream::connect(path).is_ok() => {
            return Err(ListenError::InUse { path: path.into() });
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let private = tempfile::Builder::new().prefix(".").rand_bytes(4).tempdir_in(parent).map_err(failed)?;
    let first = private.path().join("s");
    let listener = UnixListener::bind(&first).map_err(failed)?;
    std::fs::set_permissions(&first, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    std::fs::rename(&first, path).map_err(failed)?;
    Ok(listener)
}

/// Serves hosts one after another, each as one insertion, until the card is torn.
///
/// # Errors
/// When accepting fails. What a single host does wrong ends its own conversation only and goes to `report`.
pub fn serve_all(card: &mut SoftCard, listener: &UnixListener, mut report: impl FnMut(&io::Error)) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept()?;
        match serve(card, &mut stream) {
            Ok(End::ReaderGone) => {}
            Ok(End::CardTorn) => return Ok(()),
            Err(error) => report(&error),
        }
    }
}
