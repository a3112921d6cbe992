use proptest::prelude::*;
use serde_json::json;

use super::*;

fn good() -> Value {
    json!({
        "version": "1", "job_id": "J-1", "job": "FIRST_ISSUE",
        "document_number": "ZZ0000017", "national_number": "019990000001",
        "holder": {
            "given_names": "زينب", "surname": "التجريبي", "father": "علي", "sex": "F",
            "birth_date": "1999-01-01", "birth_place": { "town": "الكرخ", "governorate": "بغداد" }
        },
        "issue": { "authority": "دائرة تجريبية", "date": "2026-11-22" },
        "portrait": { "path": "../portraits/portrait-1.png" }
    })
}

fn line(value: &Value) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap();
    line.push(b'\n');
    line
}

#[test]
fn a_file_of_another_kind_has_one_fault() {
    let mut marked = b"\xEF\xBB\xBF".to_vec();
    marked.extend(line(&good()));
    let utf16: Vec<u8> =
        String::from_utf8(line(&good()).repeat(3)).unwrap().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let pretty = serde_json::to_vec_pretty(&good()).unwrap();
    let fault = |file: &[u8]| match &parse(file).unwrap_err()[..] {
        [problem] => problem.fault.clone(),
        several => panic!("{several:?}"),
    };
    assert_eq!(fault(&marked), Fault::ByteOrderMark);
    assert!(matches!(fault(&utf16), Fault::NotJson { .. }) && matches!(fault(&pretty), Fault::NotJson { .. }));
    // One good order among them: then each bad line is one of its own.
    let mixed = [&line(&good())[..], b"one\ntwo\n"].concat();
    assert_eq!(parse(&mixed).unwrap_err().len(), 2);
}

/// The faults of one altered order, as (field, fault).
fn faults(alter: impl FnOnce(&mut Value)) -> Vec<(String, Fault)> {
    let mut value = good();
    alter(&mut value);
    match parse(&line(&value)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|problem| (problem.field, problem.fault)).collect(),
    }
}

fn set(pointer: &str, to: &str) -> Vec<(String, Fault)> {
    faults(|value| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        value.pointer_mut(parent).unwrap()[name] = json!(to);
    })
}

#[test]
fn a_good_order_is_read() {
    let orders = parse(&line(&good())).unwrap();
    assert_eq!(orders[0].document_number, "ZZ0000017");
    assert_eq!(orders[0].holder.name_components(), ["زينب", "علي", "التجريبي"]);
    assert_eq!(orders[0].holder.birth_place.components(), ["الكرخ", "بغداد"]);
}

#[test]
fn the_published_schema_is_the_one_generated() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../order.schema.json");
    let generated = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap();
    assert_eq!(published, generated, "regenerate with UPDATE_SCHEMA=1");
}

#[test]
fn every_object_of_the_schema_is_closed() {
    fn look(value: &Value) {
        if let Value::Object(fields) = value {
            if fields.contains_key("properties") {
                assert_eq!(fields.get("additionalProperties"), Some(&json!(false)), "{value}");
            }
            fields.values().for_each(look);
        }
    }
    look(&schema());
}

#[test]
fn arabic_digits_become_ascii() {
    let mut value = good();
    value["document_number"] = json!("ZZ٠٠٠٠٠١٧");
    value["national_number"] = json!("۰۱۹۹۹۰۰۰۰۰۰۱");
    value["holder"]["birth_date"] = json!("١٩٩٩-٠١");
    let order = &parse(&line(&value)).unwrap()[0];
    assert_eq!((order.document_number.as_str(), order.national_number.as_str()), ("ZZ0000017", "019990000001"));
    assert_eq!(order.holder.birth_date.to_string(), "1999-01");
}

#[test]
fn all_problems_of_a_file_come_at_once_and_name_line_record_and_field() {
    let mut broken = good();
    broken["surprise"] = json!("x");
    broken["holder"].as_object_mut().unwrap().remove("father");
    broken["holder"]["sex"] = json!("female");
    broken["national_number"] = json!(19990000001u64);
    broken["holder"]["birth_date"] = json!("1999-02-30");
    let mut file = line(&good());
    file.extend(line(&broken));
    file.extend(b"{\"order\n");
    let problems = parse(&file).unwrap_err();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for expected in [
        "line 2, record ZZ0000017, field surprise: the format has no such field",
        "line 2, record ZZ0000017, field holder.father: the field is missing",
        "line 2, record ZZ0000017, field holder.sex: must be one of F, M, X",
        "line 2, record ZZ0000017, field national_number: must be a JSON string",
        "line 3: this is not one JSON object (column 7)",
    ] {
        assert!(said.iter().any(|line| line == expected), "{expected} not in {said:#?}");
    }
    assert!(said.iter().any(|line| line.contains("field holder.birth_date: must be a date that exists")), "{said:#?}");
    assert!(problems.iter().all(|problem| !problem.fault.remedy().is_empty()));
}

#[test]
fn values_are_never_repeated_in_messages() {
    for (pointer, secret) in [("/card_access_number", "48a1516"), ("/holder/given_names", "SECRETNAME")] {
        for (_, fault) in set(pointer, secret) {
            assert!(!format!("{fault} {fault:?}").contains(secret), "{fault}");
        }
    }
    let mut value = good();
    value["card_access_number"] = json!("481516");
    let orders = parse(&line(&value)).unwrap();
    assert!(!format!("{orders:?}").contains("481516"));
}

#[test]
fn characters_that_deceive_are_refused() {
    for code in [0x202Eu32, 0x2066, 0x200B, 0x200D, 0x200F, 0x061C, 0xFEFF, 0x2060, 0xE0041] {
        let name = format!("زي{}نب", char::from_u32(code).unwrap());
        assert_eq!(
            set("/holder/given_names", &name),
            [("holder.given_names".to_owned(), Fault::Invisible { code, position: 3 })]
        );
    }
    assert!(matches!(set("/issue/authority", "a\u{7}b")[0].1, Fault::Control { code: 7, position: 2 }));
    assert_eq!(set("/holder/father", "ا\u{0653}دم")[0].1, Fault::NotNormalized);
    assert!(matches!(set("/holder/father", "Ali")[0].1, Fault::Character { code: 0x41, position: 1, .. }));
    assert_eq!(set("/holder/father", "علي ")[0].1, Fault::Spaces);
    assert_eq!(set("/holder/father", "")[0].1, Fault::Empty);
    assert!(matches!(set("/holder/birth_place/town", "a<b")[0].1, Fault::Character { code: 0x3C, .. }));
}

#[test]
fn the_joiner_belongs_to_kurdish_spelling_only() {
    assert_eq!(set("/holder/given_names", "شە\u{200C}ھین"), []);
    assert!(matches!(set("/holder/given_names", "زي\u{200C}نب")[0].1, Fault::Invisible { code: 0x200C, .. }));
    assert!(matches!(set("/holder/given_names", "شەھین\u{200C}")[0].1, Fault::Invisible { code: 0x200C, .. }));
    assert!(matches!(set("/issue/authority", "شە\u{200C}ھین")[0].1, Fault::Invisible { code: 0x200C, .. }));
}

#[test]
fn the_forms_of_numbers_and_paths() {
    for (pointer, text) in [
        ("/document_number", "Z00000171"),
        ("/national_number", "199900000001"),
        ("/holder/birth_date", "1999"),
        ("/portrait/path", "faces/one.jpg"),
    ] {
        assert_eq!(set(pointer, text), [], "{pointer} {text}");
    }
    for (pointer, text) in [
        ("/document_number", "zz0000017"),
        ("/document_number", "ZZ000017"),
        ("/card_access_number", "12345"),
        ("/holder/blood_group", "C+"),
        ("/portrait/path", "/etc/passwd"),
        ("/portrait/path", "../../x.png"),
        ("/portrait/path", "a/../../x.png"),
        ("/issue/date", "2026-11"),
    ] {
        assert_eq!(set(pointer, text).len(), 1, "{pointer} {text}");
    }
}

#[test]
fn job_types_and_dates_must_fit_together() {
    let missing = faults(|value| value["job"] = json!("REPLACE_LOST"));
    assert_eq!(missing, [("replaces".to_owned(), Fault::NeededByJob)]);
    let unrevoked = faults(|value| {
        value["job"] = json!("REPLACE_STOLEN");
        value["replaces"] = json!({ "document_number": "ZZ0000017" });
    });
    assert_eq!(
        unrevoked,
        [
            ("replaces.document_number".to_owned(), Fault::SameNumber),
            ("replaces.revoked".to_owned(), Fault::NeededByJob),
        ]
    );
    let renewal = faults(|value| {
        value["job"] = json!("RENEWAL");
        value["replaces"] = json!({ "document_number": "ZZ0000001" });
    });
    assert_eq!(renewal, []);
    assert_eq!(
        set("/issue/date", "1990-01-01"),
        [("holder.birth_date".to_owned(), Fault::After { other: "issue.date" })]
    );
    let both = faults(|value| value["portrait"]["data"] = json!("AAAA"));
    assert_eq!(both, [("portrait".to_owned(), Fault::PathOrData)]);
    let word = faults(|value| value["job"] = json!("PIN_RESET"));
    assert!(matches!(&word[0].1, Fault::Shape { expected } if expected.starts_with("one of FIRST_ISSUE")));
}

#[test]
fn numbers_used_twice_are_refused() {
    let mut file = line(&good());
    file.extend(line(&good()));
    let problems = parse(&file).unwrap_err();
    assert_eq!(problems[0].fault, Fault::Repeated { first_line: 1 });
    assert_eq!(parse(b"\n \n").unwrap_err()[0].fault, Fault::EmptyFile);
}

#[test]
fn an_embedded_portrait_is_decoded_and_limited() {
    assert_eq!(faults(|value| value["portrait"] = json!({ "data": "AAEC" })), []);
    assert_eq!(faults(|value| value["portrait"] = json!({ "data": "%%" }))[0].1, Fault::NotBase64);
    let image = Image { path: None, data: Some("AAEC".to_owned()) };
    assert_eq!(image.embedded().unwrap().unwrap(), [0, 1, 2]);
}

/// JSON values of any kind, nested a little.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{1,12}", inner), 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn hostile_bytes_give_problems(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(parse(&bytes).is_err());
    }

    #[test]
    fn any_field_may_hold_anything(at in 0usize..8, with in any_json()) {
        let mut value = good();
        let name = value.as_object().unwrap().keys().nth(at % 8).unwrap().clone();
        value[name.as_str()] = with.clone();
        let _ = parse(&line(&value));
        value["holder"] = json!({ "birth_place": with });
        prop_assert!(parse(&line(&value)).is_err());
    }
}

#[test]
fn a_field_that_stands_twice_is_refused_by_its_name() {
    let text = good().to_string();
    let text = text.replacen("\"sex\":\"F\"", "\"sex\":\"F\",\"sex\":\"M\",\"sex\":\"F\"", 1);
    let text = text.replacen("{", "{\"document_number\":\"ZZ0000025\",", 1);
    let problems = parse(text.as_bytes()).unwrap_err();
    let mut fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["document_number", "holder.sex"]);
    assert!(problems.iter().all(|problem| problem.fault == Fault::Twice));
}

#[test]
fn the_specimen_orders_are_good() {
    let orders = parse(&std::fs::read(test_vectors::path("orders/specimen.jsonl")).unwrap()).unwrap();
    assert_eq!(orders.len(), 20);
    assert!(orders.iter().all(|order| order.document_number.starts_with("ZZ")));
    let digests: std::collections::BTreeSet<_> = orders.iter().map(|order| &order.digest).collect();
    assert_eq!(digests.len(), 20);
}

#[test]
fn the_digest_does_not_depend_on_the_access_number() {
    let with = |number: Option<&str>| {
        let mut value = good();
        if let Some(number) = number {
            value["card_access_number"] = json!(number);
        }
        parse(&line(&value)).unwrap().remove(0).digest
    };
    assert_eq!(with(None), with(Some("123456")));
}
