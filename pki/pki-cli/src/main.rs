//! `bitaqa-pki`.

fn main() {}
