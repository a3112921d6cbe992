//! What the program says when no card is needed: one readable file each.

#[test]
fn usage() {
    trycmd::TestCases::new().case("tests/usage/*.trycmd").env("NO_COLOR", "1").env("COLUMNS", "100");
}
