//! The five results of a check, and a check's result with its reason (TR-03135-1 §5).

use std::fmt;

use serde::{Deserialize, Serialize};

/// What came of a check.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The check was made and its condition holds.
    #[serde(rename = "successful")]
    Successful,
    /// The check was made and its condition does not hold.
    #[serde(rename = "failed")]
    Failed,
    /// Something needed to make the check is missing: trust material, a date, a fresh list.
    #[serde(rename = "undetermined")]
    Undetermined,
    /// The document does not have what this check is about.
    #[serde(rename = "not supported")]
    NotSupported,
    /// The check could not be brought to its end; it never feeds a verdict.
    #[serde(rename = "aborted")]
    Aborted,
}

impl Outcome {
    /// The word of the standard.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Successful => "successful",
            Outcome::Failed => "failed",
            Outcome::Undetermined => "undetermined",
            Outcome::NotSupported => "not supported",
            Outcome::Aborted => "aborted",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One named check with its result, why, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// Stable name, for example `ds-revocation`.
    pub id: &'static str,
    /// The result.
    pub outcome: Outcome,
    /// What was seen, one sentence.
    pub reason: String,
    /// What to do when the result is not successful.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    /// The condition holds.
    pub fn successful(id: &'static str, reason: impl Into<String>) -> Self {
        Self::new(id, Outcome::Successful, reason)
    }

    /// The condition does not hold.
    pub fn failed(id: &'static str, reason: impl Into<String>) -> Self {
        Self::new(id, Outcome::Failed, reason)
    }

    /// Something is missing.
    pub fn undetermined(id: &'static str, reason: impl Into<String>) -> Self {
        Self::new(id, Outcome::Undetermined, reason)
    }

    /// The document does not have it.
    pub fn not_supported(id: &'static str, reason: impl Into<String>) -> Self {
        Self::new(id, Outcome::NotSupported, reason)
    }

    /// The same with advice.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Whether the condition holds.
    pub fn is_successful(&self) -> bool {
        self.outcome == Outcome::Successful
    }

    /// Whether the condition does not hold.
    pub fn is_failed(&self) -> bool {
        self.outcome == Outcome::Failed
    }

    fn new(id: &'static str, outcome: Outcome, reason: impl Into<String>) -> Self {
        Finding { id, outcome, reason: reason.into(), remedy: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_text_use_the_same_word() {
        for outcome in
            [Outcome::Successful, Outcome::Failed, Outcome::Undetermined, Outcome::NotSupported, Outcome::Aborted]
        {
            assert_eq!(serde_json::to_string(&outcome).unwrap(), format!("\"{outcome}\""));
        }
    }
}
