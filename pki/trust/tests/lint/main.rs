//! Every rule with an object that keeps it and one that does not, hostile bytes, and the printed table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod build;
mod hostile;
mod samples;
mod table;
