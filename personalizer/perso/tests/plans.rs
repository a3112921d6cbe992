//! Plans: what each profile makes of an order, byte for byte where nothing is random.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use jiff::Timestamp;
use perso::keys::ChipKeys;
use perso::order::{self, Order};
use perso::plan::{Inputs, Plan, PlanError, plan};
use perso::portrait::Face;
use perso::profile::{EMBEDDED, Profile};
use serde_json::{Value, json};

/// A JPEG and a JPEG 2000 header are enough for DG2: the picture itself is not looked at here.
fn face(profile: &Profile) -> Face {
    let coded = match profile.portrait.format {
        perso::profile::PortraitFormat::Jpeg => hex::decode("ffd8ffc0000b080213019d01011100ffd9"),
        perso::profile::PortraitFormat::Jpeg2000 => hex::decode(
            "ff4fff51002f00000000019d000002130000000000000000000000400000004000000000000000000003070101070101070101ff93",
        ),
    };
    let Profile { portrait, .. } = profile;
    Face {
        sources: [0; 32],
        coded: coded.unwrap(),
        format: portrait.format,
        width: portrait.width,
        height: portrait.height,
        printed: Vec::new(),
        fingers: None,
    }
}

fn made_at() -> Timestamp {
    "2026-11-22T21:30:00Z".parse().unwrap()
}

fn specimen(number: usize) -> Value {
    let file = std::fs::read_to_string(test_vectors::path("orders/specimen.jsonl")).unwrap();
    serde_json::from_str(file.lines().nth(number - 1).unwrap()).unwrap()
}

fn read(value: &Value) -> Order {
    order::parse(value.to_string().as_bytes()).unwrap().remove(0)
}

fn planned(value: &Value, profile: &Profile) -> Result<Plan, PlanError> {
    let order = read(value);
    let key = ChipKeys::generate(profile).unwrap();
    let access_number = order.card_access_number.clone().unwrap();
    let inputs = Inputs { made_at: made_at(), access_number: &access_number, keys: &key };
    plan(&order, profile, &face(profile), &inputs)
}

#[test]
fn each_profile_plans_the_first_specimen_as_shown() {
    for (name, _) in EMBEDDED {
        let plan = planned(&specimen(1), &Profile::load(name).unwrap()).unwrap();
        let shown = plan.to_string();
        let number = plan.access_number().expose();
        assert!(!shown.contains(number));
        // DG14 and DG15 hold a new key each time.
        let shown: String = shown
            .lines()
            .map(|line| match ["010E EF.DG14", "010F EF.DG15"].into_iter().find(|file| line.contains(file)) {
                Some(file) => format!("  {file} (differs)\n"),
                None => format!("{line}\n"),
            })
            .collect();
        insta::assert_snapshot!(format!("plan-{name}"), shown);
    }
}

#[test]
fn the_fixtures_of_the_design_come_out() {
    let profile = Profile::load("iq-nid-compat").unwrap();
    for (number, expiry, lines) in [
        (
            1,
            "2035-01-01",
            "IDIRQZZ00000170199900000011<<<\n9901018F3501014IRQ<<<<<<<<<<<6\nALTJRYBY<<ZYNB<<<<<<<<<<<<<<<<",
        ),
        (
            2,
            "2035-03-14",
            "IDIRQZZ00000251200500000028<<<\n0503154M3503144IRQ<<<<<<<<<<<3\nEBD<ALRXHMN<<MXSSXTTFXAY<<<<<<",
        ),
        (
            3,
            "2034-12-30",
            "IDIRQZZ00000332198800000036<<<\n8812315M3412307IRQ<<<<<<<<<<<7\nXSHYXKHANXYA<<XIAZAD<<<<<<<<<<",
        ),
    ] {
        let mut value = specimen(number);
        value["issue"]["date"] = json!("2026-11-22");
        value["issue"]["expiry"] = json!(expiry);
        let plan = planned(&value, &profile).unwrap();
        assert_eq!(plan.mrz.lines().join("\n"), lines);
    }
}

#[test]
fn the_day_of_issue_is_the_day_at_the_issuing_state() {
    // Half past nine in the evening in UTC is the next day in Baghdad.
    for (name, issued, expires) in
        [("specimen-uto", "2026-11-22", "2036-11-21"), ("iq-nid-compat", "2026-11-23", "2036-11-22")]
    {
        let plan = planned(&specimen(1), &Profile::load(name).unwrap()).unwrap();
        assert_eq!((plan.issued.to_string().as_str(), plan.expires.to_string().as_str()), (issued, expires));
    }
}

#[test]
fn holders_without_surname_and_partial_dates_are_written() {
    let profile = Profile::load("specimen-uto").unwrap();
    let plan = planned(&specimen(4), &profile).unwrap();
    assert_eq!(plan.mrz.lines()[2].trim_end_matches('<'), "HDXAY");
    assert_eq!(&plan.mrz.lines()[1][..6], "74<<<<");
    let month = planned(&specimen(5), &profile).unwrap();
    assert_eq!(&month.mrz.lines()[1][..6], "6207<<");
    let long = planned(&specimen(7), &profile).unwrap();
    assert!(long.name_truncated);
    let refusing = Profile::parse("p", "extends = \"specimen-uto\"\n[names]\nno_surname = \"refuse\"").unwrap();
    assert!(matches!(planned(&specimen(4), &refusing), Err(PlanError::NoSurname(_))));
}

#[test]
fn orders_that_do_not_fit_the_profile_are_refused() {
    let profile = |over: &str| Profile::parse("p", &format!("extends = \"specimen-uto\"\n{over}")).unwrap();
    let strict = profile("[names]\ntransliteration = \"strict\"");
    assert!(matches!(planned(&specimen(3), &strict), Err(PlanError::Letter { field: "holder.surname", .. })));
    let series = profile("[document]\nseries = [\"AB\"]");
    assert!(matches!(planned(&specimen(1), &series), Err(PlanError::Series { .. })));
    let digits = profile("[document]\nnational_number_digits = 10");
    assert!(matches!(planned(&specimen(1), &digits), Err(PlanError::NationalNumber { expected: 10 })));
    let small = profile("[card]\ncapacity = 4000");
    assert!(matches!(planned(&specimen(1), &small), Err(PlanError::Capacity { capacity: 4000, .. })));
    let mut late = specimen(1);
    late["issue"]["expiry"] = json!("2037-01-01");
    assert!(matches!(planned(&late, &profile("")), Err(PlanError::Expiry { .. })));
    let mut unborn = specimen(1);
    unborn["holder"]["birth_date"] = json!("2027");
    assert!(matches!(planned(&unborn, &profile("")), Err(PlanError::Birth { .. })));
}
