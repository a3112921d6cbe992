//! Words for people on a terminal, or one JSON object a line.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use perso::execute::Progress;
use perso::ledger::Step;
use perso::order::Problem;
use serde_json::{Value, json};

use crate::failure::Failure;

/// Where results and progress go.
pub struct Output {
    json: bool,
    bar: ProgressBar,
}

impl Output {
    /// Words, or JSON lines.
    pub fn new(json: bool) -> Self {
        let target = if json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {bytes}/{total_bytes} {msg}") {
            bar.set_style(style);
        }
        Output { json, bar }
    }

    /// One object for programs, one line for people.
    pub fn say(&self, event: &str, mut object: Value, words: &str) {
        if self.json {
            if let Value::Object(fields) = &mut object {
                fields.insert("version".to_owned(), json!(1));
                fields.insert("event".to_owned(), json!(event));
            }
            line(&object);
        } else {
            self.bar.suspend(|| line(&words));
        }
    }

    /// A problem of an order file.
    pub fn problem(&self, problem: &Problem) {
        let object = json!({
            "line": problem.line, "record": problem.record, "field": problem.field,
            "what": problem.fault.to_string(), "remedy": problem.fault.remedy(),
        });
        self.say("problem", object, &format!("{problem}\n  do: {}", problem.fault.remedy()));
    }

    /// What is wrong with one order beyond its form.
    pub fn order_fault(&self, document: &str, field: &str, failure: &Failure) {
        let object = json!({
            "record": document, "field": field, "what": failure.why, "remedy": failure.remedy,
        });
        self.say("problem", object, &format!("record {document}, {field}: {}\n  do: {}", failure.why, failure.remedy));
    }

    /// A failure of one card, while the line goes on.
    pub fn fault(&self, document: &str, failure: &Failure) {
        let object = json!({
            "document": document, "outcome": "not-made", "what": failure.what, "why": failure.why,
            "remedy": failure.remedy, "exit": failure.exit,
        });
        let words = format!("{document}: {} {}\n  do: {}", failure.what, failure.why, failure.remedy);
        self.say("card", object, &words);
    }

    /// A card begins.
    pub fn begin(&self, document: &str) {
        self.bar.reset();
        self.bar.set_length(1);
        self.bar.set_prefix(document.to_owned());
    }

    /// Where the work on a card stands.
    pub fn progress(&self, progress: Progress) {
        match progress {
            Progress::Step(step) => self.bar.set_message(step_words(step)),
            Progress::Written { done, total } => {
                self.bar.set_length(total as u64);
                self.bar.set_position(done as u64);
            }
        }
    }

    /// The card is done.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// What went wrong with standard output first. Nobody reading it is no reason to leave a card half made: it is told at the end.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// One line on stdout.
pub fn line(text: &dyn Display) {
    write(|stdout| writeln!(stdout, "{text}"));
}

/// One line on stderr, where somebody listens.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints what a library writes.
pub fn write(print: impl FnOnce(&mut io::Stdout) -> io::Result<()>) {
    let mut stdout = io::stdout();
    if let Err(error) = print(&mut stdout).and_then(|()| stdout.flush()) {
        // Only the first is of interest.
        let _ = LOST.set(error);
    }
}

/// That a result was lost. A reader who has seen enough and closed the pipe is no error.
pub fn lost() -> Option<Failure> {
    LOST.get().filter(|error| error.kind() != ErrorKind::BrokenPipe).map(Failure::untold)
}

fn step_words(step: Step) -> &'static str {
    match step {
        Step::Bind => "bind",
        Step::RotateKeys => "change keys",
        Step::CitizenKeys | Step::CitizenFiles => "certify",
        Step::WriteKeys | Step::WriteFiles => "write",
        Step::TransportPin => "transport PIN",
        Step::Lock => "lock",
        Step::ReadBack => "read back",
        Step::Seal => "secure",
        Step::Invalidate => "invalidate",
        Step::Print => "print",
        Step::Eject => "eject",
        Step::Reject => "reject",
    }
}
