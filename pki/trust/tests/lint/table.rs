//! The printed table of rules, `pki/LINT.md`, is made from the table in the code.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use trust::lint::{self, Kind, Rule};

const HEAD: &str = "\
# Rules of `bitaqa-pki lint`

Made from the table in `pki/trust/src/lint/rules`; `BITAQA_WRITE=1 cargo test -p trust --test lint` writes it again.

- *error*: against a requirement; nothing is issued with one, and `bitaqa-pki lint` ends with exit code 40
- *warning*: against a recommendation, or a lifetime outside what the standard suggests
- *notice*: worth knowing

Editions: 6, 7 and 8 are those of 9303 (the sixth as in 9303-12 Appendix C), pkd is what the operator of the ICAO directory checks,
rfc5280 is asked of citizens' certificates.

| rule | severity | what is asked | of | editions | source |
|---|---|---|---|---|---|
";

fn kinds(rule: &Rule) -> String {
    let names = |kinds: &[Kind]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    let missing: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| !rule.kinds.contains(kind)).collect();
    match missing.len() {
        0 => "everything".to_owned(),
        1..=4 => format!("everything but {}", names(&missing)),
        _ => names(rule.kinds),
    }
}

fn table() -> String {
    let mut text = HEAD.to_owned();
    for rule in lint::rules() {
        let editions: Vec<&str> = rule.editions.iter().map(|edition| edition.name()).collect();
        writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} |",
            rule.id,
            rule.severity,
            rule.title,
            kinds(rule),
            editions.join(" "),
            rule.source
        )
        .unwrap();
    }
    text
}

#[test]
fn the_printed_table_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../LINT.md");
    if std::env::var_os("BITAQA_WRITE").is_some() {
        fs::write(&path, table()).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), table(), "BITAQA_WRITE=1 writes pki/LINT.md again");
}

#[test]
fn rules_are_complete_sentences_with_a_source_and_unique_names() {
    let mut ids = std::collections::BTreeSet::new();
    for rule in lint::rules() {
        assert!(ids.insert(rule.id), "{} twice", rule.id);
        assert!(rule.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
        assert!(!rule.title.ends_with('.') && rule.title.len() > 10 && !rule.source.is_empty(), "{}", rule.id);
        assert!(!rule.kinds.is_empty() && !rule.editions.is_empty());
        assert!(std::ptr::eq(lint::Rule::find(rule.id).unwrap(), rule));
    }
    assert!(ids.len() > 150);
}
