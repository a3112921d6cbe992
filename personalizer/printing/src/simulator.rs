//! A printer in software.
