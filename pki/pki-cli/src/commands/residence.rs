//! `ds residence`: an entry of the residence register becomes the signed record that a residence office writes to a card.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use authority::{DocumentSigner, RecordSigner};
use eid::residence::{Address, Residence, SignedResidence};
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use lds::date::Date;
use serde::Deserialize;
use serde_json::json;
use trust::files::write_output;

use crate::args::DsResidence;
use crate::failure::{Failure, USAGE};
use crate::output::show;
use crate::passphrase;

/// No entry is longer.
const MAX_ENTRY: u64 = 16 * 1024;

/// Whose entry it is, and the entry: two fields of an order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    national_number: String,
    residence: Register,
}

/// The fields of `residence` in an order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Register {
    date: civil::Date,
    office: String,
    governorate: String,
    district: Option<String>,
    sub_district: Option<String>,
    quarter: Option<String>,
    lane: Option<String>,
    house: Option<String>,
}

impl Entry {
    /// The record, if a reader of the card could read it.
    fn record(self) -> Result<Residence, String> {
        let Register { date, office, governorate, district, sub_district, quarter, lane, house } = self.residence;
        let part = Option::unwrap_or_default;
        let address = Address {
            governorate,
            district: part(district),
            sub_district: part(sub_district),
            quarter: part(quarter),
            lane: part(lane),
            house: part(house),
        };
        // Anywhere on earth it is at most the day after the one in UTC.
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        if today.tomorrow().is_ok_and(|tomorrow| date > tomorrow) {
            return Err(format!("its date, {date}, is still to come: today is {today}"));
        }
        let date = Date::from_digits(&date.strftime("%Y%m%d").to_string()).map_err(|error| error.to_string())?;
        let record = Residence { national_number: self.national_number, date, office, address };
        let record = Residence::parse(&record.to_bytes()).map_err(|error| error.to_string())?;
        record.complete().map_err(|error| error.to_string())?;
        Ok(record)
    }
}

/// Signs and writes.
pub fn sign(arguments: &DsResidence, json: bool) -> Result<(), Failure> {
    let DsResidence { signer: directory, passphrase, out, entry } = arguments;
    // Read before a passphrase is asked for.
    let record = read(entry)?;
    let token = DocumentSigner::token(directory)?;
    let secret = passphrase::existing(passphrase, token.as_ref())?;
    let signer = RecordSigner::load(directory, &secret)?;
    let bytes = record.to_bytes();
    let signature = signer.sign_record(&bytes)?;
    let content = SignedResidence { record: &bytes, signature: &signature }.to_bytes();
    write_output(out, &content, 0o666).map_err(|error| Failure::unwritable(out, &error))?;
    let date = record.date.to_string();
    let words = format!(
        "{}: the residence entry of {date} by office {}, {} bytes. Write it to its holder's card: bitaqa-reader residence",
        out.display(),
        crate::output::printable(&record.office),
        content.len()
    );
    let object = json!({ "record": out, "date": date, "office": record.office, "bytes": content.len() });
    show(json, "ds residence", object, &words)
}

fn read(path: &Path) -> Result<Residence, Failure> {
    let unusable = |why: String| {
        Failure {
        what: format!("{} cannot be signed.", path.display()),
        why,
        remedy: "Give one JSON object with the fields national_number and residence, as in an order: the day of the entry, the \
                 office's code, the governorate; each text has at most 120 bytes."
            .to_owned(),
        exit: USAGE,
    }
    };
    let mut bytes = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(MAX_ENTRY + 1).read_to_end(&mut bytes));
    opened.map_err(|error| Failure::unreadable(path, &error))?;
    if bytes.len() as u64 > MAX_ENTRY {
        return Err(unusable(format!("it is longer than {MAX_ENTRY} bytes")));
    }
    let entry: Entry = serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
    entry.record().map_err(unusable)
}
