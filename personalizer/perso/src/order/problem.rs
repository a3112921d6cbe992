//! What can be wrong with an order, and what to do about it.

use std::fmt;

/// One problem of an order file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Line in the file, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// Document number or job id of the record, if it could be read.
    pub record: Option<String>,
    /// Path of the field, `holder.birth_date`; empty when the whole record is meant.
    pub field: String,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(record) = &self.record {
            write!(f, ", record {record}")?;
        }
        if !self.field.is_empty() {
            write!(f, ", field {}", self.field)?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for Problem {}

/// What is wrong with one field or record. No variant holds the field's value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// Nothing but blank lines.
    #[error("the file holds no order")]
    EmptyFile,
    /// A line beyond the limit.
    #[error("the line is longer than {limit} bytes")]
    LineTooLong {
        /// The limit.
        limit: usize,
    },
    /// The line is not one JSON value.
    #[error("this is not one JSON object (column {column})")]
    NotJson {
        /// Column where the reader stopped, from 1.
        column: usize,
    },
    /// A byte order mark in front of the first line.
    #[error("the file begins with a byte order mark")]
    ByteOrderMark,
    /// The field is demanded by the format.
    #[error("the field is missing")]
    Missing,
    /// The format has no such field.
    #[error("the format has no such field")]
    Unknown,
    /// The field stands twice in one object.
    #[error("the field stands there twice")]
    Twice,
    /// Another JSON type or word than the format asks for.
    #[error("must be {expected}")]
    Shape {
        /// What the schema asks for.
        expected: String,
    },
    /// Text that must not be empty.
    #[error("the text is empty")]
    Empty,
    /// Too many characters.
    #[error("{length} characters, at most {limit} fit")]
    TooLong {
        /// Characters found.
        length: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// A control character.
    #[error("control character U+{code:04X} at character {position}")]
    Control {
        /// Code point.
        code: u32,
        /// Position, from 1.
        position: usize,
    },
    /// A character that changes the direction of text or has no width: it could make a name look like another.
    #[error("invisible character U+{code:04X} at character {position}")]
    Invisible {
        /// Code point.
        code: u32,
        /// Position, from 1.
        position: usize,
    },
    /// Text that is not in normal form C.
    #[error("the text is not in Unicode normal form C")]
    NotNormalized,
    /// A character that cannot stand in this field.
    #[error("U+{code:04X} at character {position} cannot stand here: {allowed}")]
    Character {
        /// Code point.
        code: u32,
        /// Position, from 1.
        position: usize,
        /// What may stand in the field.
        allowed: &'static str,
    },
    /// Spaces at an end, or two in a row.
    #[error("space at the start or end, or two in a row")]
    Spaces,
    /// The value does not have the form of this field.
    #[error("must be {expected}")]
    Form {
        /// The form.
        expected: &'static str,
    },
    /// A date after the one it has to precede.
    #[error("lies after {other}")]
    After {
        /// The field with the other date.
        other: &'static str,
    },
    /// A field demanded by the job type.
    #[error("demanded by this job type")]
    NeededByJob,
    /// A field that makes no sense for the job type.
    #[error("this job type replaces no card")]
    NotForJob,
    /// The new card has the number of the old one.
    #[error("the new card has the document number of the card it replaces")]
    SameNumber,
    /// Neither or both of two fields.
    #[error("give either `path` or `data`")]
    PathOrData,
    /// Text that is not base64.
    #[error("not base64")]
    NotBase64,
    /// A path that leaves the folder of the order file, or an absolute one.
    #[error("the path must be relative to the order file and stay in or beside its folder")]
    BadPath,
    /// A picture beyond the limit.
    #[error("the picture is larger than {limit} bytes")]
    PortraitTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The same number twice in a file.
    #[error("already used in line {first_line}")]
    Repeated {
        /// The line where it came first.
        first_line: usize,
    },
}

impl Fault {
    /// What the sender of the file can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Fault::EmptyFile => "write one order a line, as ORDERS.md describes",
            Fault::LineTooLong { .. } | Fault::PortraitTooLarge { .. } => {
                "give the portrait by path, or make the picture smaller"
            }
            Fault::NotJson { .. } => "write UTF-8, and each order on one line as one JSON object",
            Fault::ByteOrderMark => "save the file as UTF-8 without byte order mark",
            Fault::Missing => "add the field",
            Fault::Unknown => "remove the field, or correct its spelling",
            Fault::Shape { .. } => "write the value as the schema says; numbers are written as strings",
            Fault::Empty => "fill the field, or leave it out where it is optional",
            Fault::TooLong { .. } => "check the value in the register; shorten it there",
            Fault::Control { .. } | Fault::Invisible { .. } => "remove the character in the register's record",
            Fault::NotNormalized => "let the sending system normalise text to form C",
            Fault::Character { .. } | Fault::Form { .. } | Fault::Spaces => {
                "correct the value in the register's record"
            }
            Fault::After { .. } => "correct one of the two dates",
            Fault::NeededByJob => "add the field, or correct the job type",
            Fault::NotForJob => "remove the field, or correct the job type",
            Fault::SameNumber => "give the new card a document number of its own",
            Fault::PathOrData | Fault::Twice => "keep one of the two",
            Fault::NotBase64 => "encode the picture by RFC 4648 §4, with padding and without line breaks",
            Fault::BadPath => "put the picture beside the order file",
            Fault::Repeated { .. } => "give every order its own number",
        }
    }
}
