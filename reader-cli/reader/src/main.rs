//! `bitaqa-reader`.

fn main() {}
