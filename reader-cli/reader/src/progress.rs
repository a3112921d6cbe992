//! How far the reading is, on a terminal; nothing otherwise.

use indicatif::{ProgressBar, ProgressStyle};
use inspection::Progress;

/// Draws the progress of one inspection on standard error.
pub struct Display {
    bar: ProgressBar,
}

impl Display {
    /// A display that is invisible until the first step, and always without a terminal.
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{msg:24} {bar:30} {bytes}/{total_bytes}") {
            bar.set_style(style);
        }
        Display { bar }
    }

    /// Shows one step.
    pub fn show(&self, progress: Progress) {
        match progress {
            Progress::Access => self.step("Opening the chip"),
            Progress::File { name, done, total } => {
                self.bar.set_message(name);
                self.bar.set_length(total as u64);
                self.bar.set_position(done as u64);
            }
            Progress::ChipAuthentication => self.step("Proving the chip"),
            Progress::TerminalAuthentication => self.step("Proving this terminal"),
            Progress::Done => self.bar.finish_and_clear(),
        }
    }

    fn step(&self, message: &'static str) {
        self.bar.set_length(0);
        self.bar.set_position(0);
        self.bar.set_message(message);
    }
}
