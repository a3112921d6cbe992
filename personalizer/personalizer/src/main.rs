//! `bitaqa-personalizer`.

fn main() {}
