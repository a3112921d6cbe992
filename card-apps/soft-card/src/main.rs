//! `bitaqa-soft-card`.
fn main() {}
