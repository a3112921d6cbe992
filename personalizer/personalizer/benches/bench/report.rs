//! The table for people and the rows for programs.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::turns::Medians;

/// Which direction is good.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    Lower,
    Higher,
}

/// One measured thing beside its floor, both in `unit`.
#[derive(Serialize)]
pub struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    floor: f64,
    ratio: f64,
    better: Better,
}

impl Row {
    fn new(name: &'static str, unit: &'static str, better: Better, value: f64, floor: f64) -> Self {
        Row { name, value, unit, floor, ratio: value / floor, better }
    }

    /// Times, in microseconds.
    pub fn time(name: &'static str, medians: &Medians) -> Self {
        let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
        Row::new(name, "us", Better::Lower, microseconds(medians.value), microseconds(medians.floor))
    }

    /// Numbers of `unit`, counted.
    pub fn count(name: &'static str, unit: &'static str, value: u64, floor: u64) -> Self {
        Row::new(name, unit, Better::Lower, value as f64, floor as f64)
    }

    /// How much is done in a second, when `amount` of `unit` (per second) was done in each of the times.
    pub fn rate(name: &'static str, unit: &'static str, amount: f64, medians: &Medians) -> Self {
        let rate = |time: Duration| amount / time.as_secs_f64();
        Row::new(name, unit, Better::Higher, rate(medians.value), rate(medians.floor))
    }
}

/// Prints the table.
pub fn print(rows: &[Row]) {
    println!("{:<24} {:>14} {:>14} {:<14} {:>7}  better", "name", "value", "floor", "unit", "ratio");
    for row in rows {
        let better = match row.better {
            Better::Lower => "lower",
            Better::Higher => "higher",
        };
        println!(
            "{:<24} {:>14.1} {:>14.1} {:<14} {:>7.3}  {better}",
            row.name, row.value, row.floor, row.unit, row.ratio
        );
    }
}

/// Writes `target/bench.json`.
pub fn write(rows: &[Row]) -> Result<(), Box<dyn Error>> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    fs::create_dir_all(&target)?;
    let mut text = serde_json::to_string_pretty(rows)?;
    text.push('\n');
    Ok(fs::write(target.join("bench.json"), text)?)
}
