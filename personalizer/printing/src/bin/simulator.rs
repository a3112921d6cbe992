//! `bitaqa-printer-sim`.

fn main() {}
