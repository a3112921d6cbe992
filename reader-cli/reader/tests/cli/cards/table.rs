//! Tables in the documentation that a test writes: what is committed is what was seen.

use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- begin: written by the test, see above -->\n";
const END: &str = "<!-- end -->\n";

/// Compares a table with that of a page of `hardware-docs/cards`; with `BITAQA_WRITE` set it writes it there.
pub fn compare(page: &str, table: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hardware-docs/cards").join(page);
    let text = fs::read_to_string(&page).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (committed, tail) = rest.split_once(END).unwrap();
    if std::env::var_os("BITAQA_WRITE").is_some() {
        fs::write(&page, format!("{head}{BEGIN}{table}{END}{tail}")).unwrap();
    } else {
        assert_eq!(committed, table, "BITAQA_WRITE=1 writes the table again");
    }
}
