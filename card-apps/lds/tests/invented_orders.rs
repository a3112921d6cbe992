//! The invented orders end to end: names into the MRZ, MRZ into DG1, names of DG11 compared with what was read back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first thing that is not so")]

use lds::date::Date;
use lds::dg::dg01::Dg1;
use lds::dg::dg11::Dg11;
use lds::mrz::{MrzDate, NoSurname, Sex, Td1, holder_name};
use lds::transliteration::{Agreement, Policy, arabic, name_agrees};
use serde_json::Value;

fn orders() -> Vec<Value> {
    let text = std::fs::read_to_string(test_vectors::path("orders/specimen.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(order: &'a Value, pointer: &str) -> Option<&'a str> {
    order.pointer(pointer).and_then(Value::as_str)
}

/// `1990-06-15`, `1990-06`, `1990` or nothing.
fn birth_date(order: &Value) -> Date {
    let digits: String = text(order, "/holder/birth_date").unwrap_or_default().replace('-', "");
    Date::from_digits(&format!("{digits:0<8}")).unwrap_or(Date::UNKNOWN)
}

#[test]
fn every_name_agrees_with_its_mrz() {
    let orders = orders();
    let mut truncated = 0;
    for order in &orders {
        let job = text(order, "/job_id").unwrap();
        let mrz_text = |name: &str| arabic(name, Policy::KurdishExtension).unwrap();
        let (given, surname) = (text(order, "/holder/given_names").unwrap(), text(order, "/holder/surname"));
        let surname_mrz = surname.map(mrz_text);
        let name = holder_name(surname_mrz.as_deref(), &mrz_text(given), NoSurname::GivenAsPrimary, 30).unwrap();
        let td1 = Td1 {
            document_code: "ID".into(),
            issuing_state: "UTO".into(),
            document_number: text(order, "/document_number").unwrap().into(),
            optional_1: text(order, "/national_number").unwrap().into(),
            birth: MrzDate::from(birth_date(order)),
            sex: text(order, "/holder/sex")
                .and_then(|sex| Sex::from_char(sex.chars().next()?))
                .unwrap_or(Sex::Unspecified),
            expiry: MrzDate::parse("361121").unwrap(),
            nationality: "UTO".into(),
            optional_2: String::new(),
            name: name.text,
        };
        let dg1 = Dg1::parse(&Dg1::new(td1.to_mrz().unwrap()).to_bytes()).unwrap();
        assert_eq!(dg1.mrz.wrong_check_digits(), [], "{job}");
        assert!(dg1.mrz.name_may_be_truncated() || !name.truncated, "{job}");

        let fathers = ["/holder/father", "/holder/grandfather"].map(|pointer| text(order, pointer));
        let components: Vec<&str> = [Some(given)].into_iter().chain(fathers).chain([surname]).flatten().collect();
        let listed = components.join("<");
        let icao = surname.map_or_else(|| given.to_owned(), |surname| format!("{surname}<<{given}"));
        for full_name in [listed, icao] {
            let dg11 = Dg11 { full_name: Some(full_name), ..Dg11::default() };
            let read = Dg11::parse(&dg11.to_bytes()).unwrap().full_name.unwrap();
            let (primary, secondary) = dg1.mrz.identifiers();
            let agreement = name_agrees(primary, secondary, &read).unwrap();
            let expected = if name.truncated { Agreement::Truncated } else { Agreement::Exact };
            assert_eq!(agreement, expected, "{job}: {} and {read}", dg1.mrz.name());
        }
        truncated += usize::from(name.truncated);
    }
    assert!(!orders.is_empty());
    assert!(truncated > 0, "the longest names are among the orders");
}
