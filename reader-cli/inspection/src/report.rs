//! What an inspection says in the end: verdict, checks, holder.

use jiff::Timestamp;
use serde::Serialize;
use trust::{Leniency, Outcome};

use crate::evidence::{Attempt, Quirk, Restart};
use crate::holder::{DisplayedPicture, Holder, Portrait};
use crate::verdict::{Class, Verdict};

/// The version of the JSON form.
pub const VERSION: u32 = 1;

/// The result of judging evidence.
///
/// In JSON: English keys, ASCII digits, RFC 3339 times in UTC.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Format version, [`VERSION`].
    pub version: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict as a sentence, and what it does not speak of: data groups which were signed and not read.
    pub meaning: String,
    /// Ids of the checks that the verdict rests on; empty for `GENUINE_VALID`.
    pub because: Vec<&'static str>,
    /// The time that the judgement was made for.
    #[serde(serialize_with = "crate::evidence::encoding::instant::serialize")]
    pub time: Timestamp,
    /// When the card was read.
    #[serde(serialize_with = "crate::evidence::encoding::instant::serialize")]
    pub read_at: Timestamp,
    /// The access protocol and its parameters; `null` when the chip was not opened.
    pub access_protocol: Option<String>,
    /// Every attempt at access in order, those that failed too.
    pub access_attempts: Vec<Attempt>,
    /// What had to be tried differently while files were read.
    pub quirks: Vec<Quirk>,
    /// The session that broke before the one that was judged; `null` for a first session that held.
    pub restarted: Option<Restart>,
    /// Version of the trust bundle that was judged with.
    pub trust_bundle_version: u64,
    /// Whom the document names, from data groups whose hashes are those of the security object; `null` when there are none.
    pub holder: Option<Holder>,
    /// Data groups that were read and are not those that were signed (`DG1`): nothing of them is in `holder`, `displayed` or the
    /// portrait.
    pub altered: Vec<String>,
    /// Whether the security object is authentic; `false` when nobody trusted vouches for what is shown of the holder.
    #[serde(skip)]
    pub authentic: bool,
    /// Every check, in the order of [`crate::CHECKS`].
    pub checks: Vec<CheckResult>,
    /// Departures from the standard that were tolerated while the security object was judged; `text()` says each in words.
    pub leniencies: Vec<Leniency>,
    /// Pictures of DG5 and DG7, from files whose hashes are those of the security object.
    pub displayed: Vec<DisplayedPicture>,
    /// The holder's portrait, when DG2 was read and its hash is that of the security object.
    #[serde(skip)]
    pub portrait: Option<Portrait>,
}

impl Report {
    /// The result of one check.
    pub fn check(&self, id: &str) -> Option<&CheckResult> {
        self.checks.iter().find(|check| check.id == id)
    }

    /// The checks that the verdict rests on.
    pub fn grounds(&self) -> impl Iterator<Item = &CheckResult> {
        self.checks.iter().filter(|check| self.because.contains(&check.id))
    }

    /// The checks that did not succeed although the document is about what they check.
    pub fn complaints(&self) -> impl Iterator<Item = &CheckResult> {
        self.checks.iter().filter(|check| !matches!(check.result, Outcome::Successful | Outcome::NotSupported))
    }
}

/// One check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// Stable name.
    pub id: &'static str,
    /// The name in plain words.
    pub title: &'static str,
    /// How much it weighs.
    pub class: Class,
    /// One of the five words of TR-03135-1.
    pub result: Outcome,
    /// What was seen, in one sentence. It holds no more of the holder's data than the sentence needs.
    pub reason: String,
    /// What to do about it; `null` when there is nothing to do.
    pub remedy: Option<String>,
}
