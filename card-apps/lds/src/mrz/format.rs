//! The three sizes, and where the fields of each lie (9303-4 §4.2, 9303-5 §4.2, 9303-6 §4.2).

use std::ops::Range;

/// The three sizes of machine readable zones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Three lines of 30: cards.
    Td1,
    /// Two lines of 36.
    Td2,
    /// Two lines of 44: passports.
    Td3,
}

impl Format {
    /// Characters in a line.
    pub fn line_length(self) -> usize {
        match self {
            Self::Td1 => 30,
            Self::Td2 => 36,
            Self::Td3 => 44,
        }
    }

    pub(super) fn fields(self) -> &'static Fields {
        match self {
            Self::Td1 => &TD1,
            Self::Td2 => &TD2,
            Self::Td3 => &TD3,
        }
    }
}

/// Where the fields of a format lie in the text without line breaks.
pub(super) struct Fields {
    pub document_number: Range<usize>,
    pub optional: Range<usize>,
    pub optional_2: Range<usize>,
    pub birth: Range<usize>,
    pub sex: Range<usize>,
    pub expiry: Range<usize>,
    pub nationality: Range<usize>,
    pub name: Range<usize>,
    /// Check digit of the optional data, TD3 only.
    pub optional_check: Option<usize>,
    pub composite_check: usize,
    pub composite: &'static [Range<usize>],
}

const TD1: Fields = Fields {
    document_number: 5..14,
    optional: 15..30,
    birth: 30..36,
    sex: 37..38,
    expiry: 38..44,
    nationality: 45..48,
    optional_2: 48..59,
    composite_check: 59,
    name: 60..90,
    optional_check: None,
    composite: &[5..30, 30..37, 38..45, 48..59],
};

const TD2: Fields = Fields {
    name: 5..36,
    document_number: 36..45,
    nationality: 46..49,
    birth: 49..55,
    sex: 56..57,
    expiry: 57..63,
    optional: 64..71,
    optional_2: 0..0,
    composite_check: 71,
    optional_check: None,
    composite: &[36..46, 49..56, 57..71],
};

const TD3: Fields = Fields {
    name: 5..44,
    document_number: 44..53,
    nationality: 54..57,
    birth: 57..63,
    sex: 64..65,
    expiry: 65..71,
    optional: 72..86,
    optional_2: 0..0,
    optional_check: Some(86),
    composite_check: 87,
    composite: &[44..54, 57..64, 65..87],
};
