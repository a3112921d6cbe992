//! The line to a machine: bytes out, bytes in, each with a deadline by the clock.
//!
//! Knows nothing of any protocol. A line that was unplugged says [`PortError::Lost`] and can be opened again under the
//! same path; what was on its way by then is not sent again.

use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serialport::{ClearBuffer, DataBits, FlowControl, Parity, SerialPort, StopBits};

/// A two-way line to a machine.
pub trait Line: Send {
    /// Opens the line, or opens it again after it was lost, and throws away what was waiting on it.
    ///
    /// # Errors
    /// [`PortError::Open`].
    fn reopen(&mut self) -> Result<(), PortError>;

    /// Throws away what came in unasked.
    ///
    /// # Errors
    /// [`PortError`].
    fn drain(&mut self) -> Result<(), PortError>;

    /// Sends all bytes.
    ///
    /// # Errors
    /// [`PortError`]; a part may have been sent.
    fn send(&mut self, bytes: &[u8], within: Duration) -> Result<(), PortError>;

    /// Receives at least one byte and at most the buffer; 0 when nothing came in time.
    ///
    /// # Errors
    /// [`PortError`].
    fn receive(&mut self, buffer: &mut [u8], within: Duration) -> Result<usize, PortError>;
}

/// Why a line failed.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The port cannot be opened.
    #[error("the port {} cannot be opened: {detail}; check the cable, the name and the permissions", .path.display())]
    Open {
        /// The device.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The port went away.
    #[error("the port {} was lost: {detail}", .path.display())]
    Lost {
        /// The device.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The machine does not take what is sent.
    #[error("the machine at {} took no more bytes for {seconds} s", .path.display())]
    Stalled {
        /// The device.
        path: PathBuf,
        /// The time allowed.
        seconds: u64,
    },
}

/// A serial port, 8 data bits, no parity, one stop bit.
///
/// There is no software flow control: it would eat the bytes 11 and 13 of a panel.
pub struct Port {
    path: PathBuf,
    baud: u32,
    line: Option<Box<dyn SerialPort>>,
}

impl Port {
    /// A port that is opened by [`Line::reopen`].
    pub fn new(path: impl Into<PathBuf>, baud: u32) -> Self {
        Port { path: path.into(), baud, line: None }
    }

    fn line(&mut self) -> Result<&mut Box<dyn SerialPort>, PortError> {
        let path = &self.path;
        self.line.as_mut().ok_or_else(|| PortError::Lost { path: path.clone(), detail: "not open".to_owned() })
    }

    fn lost(&mut self, detail: impl ToString) -> PortError {
        self.line = None;
        PortError::Lost { path: self.path.clone(), detail: detail.to_string() }
    }
}

impl Line for Port {
    fn reopen(&mut self) -> Result<(), PortError> {
        // The old handle first: a port is held exclusively.
        self.line = None;
        let line = serialport::new(self.path.to_string_lossy(), self.baud)
            .data_bits(DataBits::Eight)
            .parity(Parity::None)
            .stop_bits(StopBits::One)
            .flow_control(FlowControl::None)
            .timeout(Duration::from_millis(100))
            .open()
            .map_err(|error| PortError::Open { path: self.path.clone(), detail: error.to_string() })?;
        self.line = Some(line);
        self.drain()
    }

    fn drain(&mut self) -> Result<(), PortError> {
        let cleared = self.line()?.clear(ClearBuffer::Input);
        cleared.map_err(|error| self.lost(error))
    }

    fn send(&mut self, bytes: &[u8], within: Duration) -> Result<(), PortError> {
        let deadline = Instant::now() + within;
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.line()?.write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if waiting(error.kind()) => {}
                Err(error) => return Err(self.lost(error)),
            }
            if !rest.is_empty() && Instant::now() >= deadline {
                return Err(PortError::Stalled { path: self.path.clone(), seconds: within.as_secs() });
            }
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], within: Duration) -> Result<usize, PortError> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.line()?;
            let set = line.set_timeout(left.max(Duration::from_millis(1)));
            let read = set.map_err(std::io::Error::from).and_then(|()| line.read(buffer));
            match read {
                Ok(0) => return Err(self.lost("end of the line")),
                Ok(count) => return Ok(count),
                Err(error) if waiting(error.kind()) && left.is_zero() => return Ok(0),
                Err(error) if waiting(error.kind()) => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
    }
}

fn waiting(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
