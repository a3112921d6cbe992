//! Orders: what a registry asks a printing centre to make, one JSON object a line.
//!
//! The format is described in `personalizer/ORDERS.md` and by `personalizer/order.schema.json`, which is
//! generated from the types here. Every value is a string, so that no reader on the way rounds a number.
//! [`parse`] reads a whole file and returns either all orders or *all* problems, each with its line,
//! record and field; a problem never repeats the value it complains about.
//!
//! Text is kept exactly as the registry stores it (normal form C, logical order). What is changed is
//! only the script of digits: Arabic-Indic and extended Arabic-Indic digits become ASCII.

mod date;
mod hygiene;
mod problem;
mod repeated;
mod rules;
mod shape;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use zeroize::Zeroizing;

pub use date::PartialDate;
pub use problem::{Fault, Problem};

/// The version of the order format.
pub const VERSION: &str = "1";

/// The longest line accepted, in bytes: room for a portrait of [`MAX_PORTRAIT`] in base64 and the text fields.
pub const MAX_LINE: usize = MAX_PORTRAIT / 3 * 4 + 64 * 1024;

/// The largest portrait file accepted, in bytes.
pub const MAX_PORTRAIT: usize = 4 * 1024 * 1024;

/// What some editors put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One card to make.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Bitaqa order, version 1")]
pub struct Order {
    /// Version of this format: "1".
    #[schemars(extend("const" = VERSION))]
    pub version: String,
    /// The registry's reference for this job, 1 to 40 letters, digits, dot, hyphen, underscore; unique in a file.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,40}$"))]
    pub job_id: String,
    /// Why the card is made.
    pub job: JobType,
    /// Document number (card serial), 9 characters: two letters and seven digits, or one letter and eight digits.
    #[schemars(regex(pattern = r"^([A-Z]{2}[0-9]{7}|[A-Z][0-9]{8})$"))]
    pub document_number: String,
    /// National number, digits; the profile says how many.
    pub national_number: String,
    /// Card access number, 6 digits, printed on the front; drawn at random when absent.
    pub card_access_number: Option<CardAccessNumber>,
    /// The person.
    pub holder: Holder,
    /// Where the person stands in the civil register (goes to DG13).
    pub civil_record: Option<CivilRecord>,
    /// Where the person lives, as the residence office entered it; written by profiles with the citizen application.
    pub residence: Option<Residence>,
    /// Who issues the card and when.
    pub issue: Issue,
    /// The portrait, PNG or JPEG: printed, and encoded for the chip as the profile says.
    pub portrait: Image,
    /// A JPEG 2000 portrait to be stored in the chip unchanged; only for profiles with that format.
    pub chip_portrait: Option<Image>,
    /// The fingers as the enrolment station codes them: a whole EF.DG3 (9303-10 §4.7.3, tag 63), at most 48 KiB; only for profiles
    /// with the table `[eac]`.
    pub fingers: Option<Image>,
    /// The card that this one replaces; demanded by every job but FIRST_ISSUE and TEST_SPECIMEN.
    pub replaces: Option<Replaced>,
    /// Registration, home-registry and collection offices; recorded, not put on the card.
    pub offices: Option<Offices>,
    /// Class of the state fee; recorded, never collected.
    pub fee_class: Option<String>,
    /// SHA-256 over the order as read, without the access number. It says nothing about pictures named by a path, and it can
    /// be found by guessing: what is written down is [`crate::execute::Job::digest`].
    #[serde(skip)]
    pub digest: [u8; 32],
}

/// Why a card is made. Jobs that make no card (PIN_RESET, SUSPEND ...) are not orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(inline)]
pub enum JobType {
    /// The first card of this person.
    FirstIssue,
    /// The old card expired.
    Renewal,
    /// The old card is damaged and was handed in.
    ReplaceDamaged,
    /// The old card is lost and was revoked.
    ReplaceLost,
    /// The old card was stolen and was revoked.
    ReplaceStolen,
    /// The holder's data changed.
    ReissueDataChange,
    /// The old card was defective.
    ReissueDefect,
    /// A specimen.
    TestSpecimen,
}

impl JobType {
    /// True when there is an old card which this one replaces.
    pub fn replaces_a_card(self) -> bool {
        !matches!(self, JobType::FirstIssue | JobType::TestSpecimen)
    }
}

/// The holder as the civil register stores the name: given name, father, grandfather, surname.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Given name or names in Arabic script.
    pub given_names: String,
    /// Surname (laqab) in Arabic script; absent when the register has none.
    pub surname: Option<String>,
    /// Father's given name.
    pub father: String,
    /// Paternal grandfather's given name.
    pub grandfather: Option<String>,
    /// Mother's given name.
    pub mother: Option<String>,
    /// Maternal grandfather's given name.
    pub maternal_grandfather: Option<String>,
    /// The full name in Kurdish spelling, if it differs; components separated by spaces.
    pub kurdish_name: Option<String>,
    /// Sex: F, M, or X for unspecified.
    pub sex: Sex,
    /// Birth date: YYYY-MM-DD, or YYYY-MM or YYYY when the rest is not known.
    pub birth_date: PartialDate,
    /// Place of birth.
    pub birth_place: Place,
    /// Blood group: A+ A- B+ B- AB+ AB- O+ O-.
    #[schemars(regex(pattern = r"^(A|B|AB|O)[+-]$"))]
    pub blood_group: Option<String>,
}

/// Sex as the register states it (9303-5: unspecified is `<` in the MRZ).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Sex {
    /// Female.
    F,
    /// Male.
    M,
    /// Unspecified.
    X,
}

/// A place: town, district, governorate.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Town.
    pub town: String,
    /// District (qadha).
    pub district: Option<String>,
    /// Governorate.
    pub governorate: String,
}

/// The holder's entry in the civil register.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CivilRecord {
    /// Office code, letters and digits.
    pub office: String,
    /// Register number, digits.
    pub register: String,
    /// Page number, digits.
    pub page: String,
    /// Current family number, 1 to 18 digits or capital letters.
    #[schemars(regex(pattern = r"^[0-9A-Z]{1,18}$"))]
    pub family_number: String,
    /// Family number at birth.
    #[schemars(regex(pattern = r"^[0-9A-Z]{1,18}$"))]
    pub birth_family_number: Option<String>,
    /// Legal clause of nationality.
    pub nationality_clause: Option<String>,
    /// Father's place of birth.
    pub father_birth_place: Option<String>,
    /// Mother's place of birth.
    pub mother_birth_place: Option<String>,
    /// Father's nationality.
    pub father_nationality: Option<String>,
    /// Mother's nationality.
    pub mother_nationality: Option<String>,
}

/// An entry of the residence register, each text of at most 120 bytes in UTF-8.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Residence {
    /// The day of the entry, YYYY-MM-DD.
    #[schemars(with = "PartialDate")]
    pub date: jiff::civil::Date,
    /// Code of the office that made it.
    pub office: String,
    /// Governorate (muhafaza).
    pub governorate: String,
    /// District (qadha).
    pub district: Option<String>,
    /// Sub-district (nahiya).
    pub sub_district: Option<String>,
    /// Quarter (mahalla).
    pub quarter: Option<String>,
    /// Lane (zuqaq).
    pub lane: Option<String>,
    /// House (dar).
    pub house: Option<String>,
}

/// Who issues the card and when.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    /// Issuing authority as printed.
    pub authority: String,
    /// Date of issue, YYYY-MM-DD; the day on which the card is made when absent.
    #[schemars(with = "Option<PartialDate>")]
    pub date: Option<jiff::civil::Date>,
    /// Date of expiry, YYYY-MM-DD; computed from the profile's validity when absent.
    #[schemars(with = "Option<PartialDate>")]
    pub expiry: Option<jiff::civil::Date>,
}

/// A picture: either a path (relative to the order file) or base64.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Path of the file, relative to the folder of the order file.
    pub path: Option<PathBuf>,
    /// The file in base64 (RFC 4648 §4, with padding).
    pub data: Option<String>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "Image({})", path.display()),
            None => f.write_str("Image(base64)"),
        }
    }
}

/// The card that is replaced.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// Its document number.
    pub document_number: String,
    /// The day it was revoked or handed in, YYYY-MM-DD: a lost or stolen card is revoked before its successor is made.
    #[schemars(with = "Option<PartialDate>")]
    pub revoked: Option<jiff::civil::Date>,
}

/// Offices of a job; any of them may differ.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offices {
    /// Where the person applied.
    pub registration: Option<String>,
    /// Where the person's civil record is kept.
    pub home_registry: Option<String>,
    /// Where the card is handed over.
    pub collection: Option<String>,
}

/// Six digits that open the chip; zeroized when dropped, never shown by `Debug`.
#[derive(Clone)]
pub struct CardAccessNumber(Zeroizing<String>);

impl CardAccessNumber {
    /// Takes exactly six ASCII digits.
    pub fn new(digits: impl Into<String>) -> Option<Self> {
        let digits = Zeroizing::new(digits.into());
        (digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(CardAccessNumber(digits))
    }

    /// The digits: for the chip and the printed face only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for CardAccessNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The message must not quote the value.
        CardAccessNumber::new(String::deserialize(deserializer)?).ok_or_else(|| serde::de::Error::custom("6 digits"))
    }
}

impl JsonSchema for CardAccessNumber {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "CardAccessNumber".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{6}$" })
    }
}

impl fmt::Debug for CardAccessNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardAccessNumber")
    }
}

/// The JSON Schema (draft 2020-12) of one order, as published in `personalizer/order.schema.json`.
pub fn schema() -> Value {
    schemars::schema_for!(Order).to_value()
}

/// Reads an order file: JSON lines, blank lines ignored.
///
/// # Errors
/// Every problem of every line, and document numbers or job ids that occur twice.
pub fn parse(file: &[u8]) -> Result<Vec<Order>, Vec<Problem>> {
    let schema = schema();
    let mut orders = Vec::new();
    let mut problems = Vec::new();
    let mut seen = HashMap::new();
    if file.starts_with(BYTE_ORDER_MARK) {
        let fault = Fault::ByteOrderMark;
        return Err(vec![Problem { line: 1, record: None, field: String::new(), fault }]);
    }
    for (index, line) in file.split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let mut found = Vec::new();
        let (record, order) = read_line(&schema, line, &mut found);
        if let Some(order) = &order {
            refuse_repetition(order, index + 1, &mut seen, &mut found);
        }
        problems.extend(found.into_iter().map(|(field, fault)| Problem {
            line: index + 1,
            record: record.clone(),
            field,
            fault,
        }));
        orders.extend(order);
    }
    if orders.is_empty() && problems.is_empty() {
        problems.push(Problem { line: 0, record: None, field: String::new(), fault: Fault::EmptyFile });
    }
    // A file of another kind (UTF-16, a picture, one order over many lines) has one fault, not one a line.
    if orders.is_empty() && problems.iter().all(|problem| matches!(problem.fault, Fault::NotJson { .. })) {
        problems.truncate(1);
    }
    if problems.is_empty() { Ok(orders) } else { Err(problems) }
}

/// A problem before it knows its line: field path and fault.
type Found = Vec<(String, Fault)>;

/// One line: the record's name for messages, and the order unless something is wrong with it.
fn read_line(schema: &Value, line: &[u8], found: &mut Found) -> (Option<String>, Option<Order>) {
    if line.len() > MAX_LINE {
        found.push((String::new(), Fault::LineTooLong { limit: MAX_LINE }));
        return (None, None);
    }
    let mut value: Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(error) => {
            found.push((String::new(), Fault::NotJson { column: error.column() }));
            return (None, None);
        }
    };
    let record = record_name(&value);
    repeated::check(line, found);
    shape::check(schema, &value, found);
    hygiene::clean(&mut value, found);
    rules::check(&value, found);
    if !found.is_empty() {
        return (record, None);
    }
    let digest = digest(&value);
    match serde_json::from_value::<Order>(value) {
        Ok(mut order) => {
            order.digest = digest;
            rules::check_together(&order, found);
            (record, Some(order))
        }
        Err(_) => {
            found.push((String::new(), Fault::Shape { expected: "an order as the schema describes it".to_owned() }));
            (record, None)
        }
    }
}

/// Tells orders apart. The access number stays out: with the rest known, six digits are soon tried.
fn digest(value: &Value) -> [u8; 32] {
    let mut value = value.clone();
    if let Value::Object(fields) = &mut value {
        fields.remove("card_access_number");
    }
    openssl::sha::sha256(value.to_string().as_bytes())
}

/// How the record is named in messages: document number, else job id.
fn record_name(value: &Value) -> Option<String> {
    let plain = |text: &&str| text.len() <= 40 && text.chars().all(|c| c.is_ascii_graphic());
    ["document_number", "job_id"]
        .iter()
        .find_map(|field| value.get(field).and_then(Value::as_str).filter(plain))
        .map(str::to_owned)
}

fn refuse_repetition(order: &Order, line: usize, seen: &mut HashMap<String, usize>, found: &mut Found) {
    for (field, value) in [("document_number", &order.document_number), ("job_id", &order.job_id)] {
        match seen.entry(format!("{field}={value}")) {
            std::collections::hash_map::Entry::Occupied(first) => {
                found.push((field.to_owned(), Fault::Repeated { first_line: *first.get() }));
            }
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(line);
            }
        }
    }
}

impl Holder {
    /// The components of the name in the register's order: given name, father, grandfather, surname.
    pub fn name_components(&self) -> Vec<&str> {
        [Some(&self.given_names), Some(&self.father), self.grandfather.as_ref(), self.surname.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }
}

impl Place {
    /// Town, district (if any), governorate.
    pub fn components(&self) -> Vec<&str> {
        [Some(&self.town), self.district.as_ref(), Some(&self.governorate)]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }
}

impl Image {
    /// The bytes given in base64; `None` when the picture is named by a path.
    ///
    /// # Errors
    /// When the text is not base64 or decodes to more than [`MAX_PORTRAIT`] bytes.
    pub fn embedded(&self) -> Option<Result<Vec<u8>, Fault>> {
        let data = self.data.as_ref()?;
        Some(match base64::engine::general_purpose::STANDARD.decode(data) {
            Ok(bytes) if bytes.len() > MAX_PORTRAIT => Err(Fault::PortraitTooLarge { limit: MAX_PORTRAIT }),
            Ok(bytes) => Ok(bytes),
            Err(_) => Err(Fault::NotBase64),
        })
    }
}

#[cfg(test)]
mod tests;
