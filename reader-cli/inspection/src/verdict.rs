//! From check results to one verdict: the only place where results are aggregated.
//!
//! The rules (TR-03135-1 §4, tightened):
//!
//! 1. An *evaluatory* check never feeds the verdict.
//! 2. A check that *failed* points at the verdict its table row names.
//! 3. A *mandatory* check that is neither successful nor failed points at the verdict its row names
//!    for that; so does a *conditional* one, unless the document does not have what it is about (*not supported*);
//!    an *optional* one is passed over. *Aborted* counts as no result at all: it never
//!    accuses a document, and it never clears one.
//! 4. The gravest verdict pointed at is the verdict. Nothing pointed at and a security object
//!    proved authentic: [`Verdict::GenuineValid`].
//! 5. Without an authentic security object no verdict that begins with "genuine" can be made.

use serde::{Deserialize, Serialize};
use trust::{Authentic, Outcome, SecurityObject};

/// What is said of a document at the end of an inspection; gravest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Issued by the State, unaltered, in the chip it was issued in, in force.
    GenuineValid,
    /// Genuine as far as it was judged: whether it is still in force cannot be told from the trust material at hand, or
    /// signed data (the portrait) were left out.
    GenuineStatusUnknown,
    /// Genuine, but past its date of expiry.
    GenuineExpired,
    /// Genuine, but called back by its issuer.
    GenuineRevoked,
    /// Not enough could be read or proved to judge.
    Unreadable,
    /// The data are genuine, but the chip did not prove to be the one they were issued in.
    CloneSuspect,
    /// The data hang together, but nobody who is trusted here vouches for the signer.
    UntrustedIssuer,
    /// The data are not what the signer signed.
    NotGenuine,
}

impl Verdict {
    /// Every verdict, mildest first.
    pub const ALL: [Verdict; 8] = [
        Verdict::GenuineValid,
        Verdict::GenuineStatusUnknown,
        Verdict::GenuineExpired,
        Verdict::GenuineRevoked,
        Verdict::Unreadable,
        Verdict::CloneSuspect,
        Verdict::UntrustedIssuer,
        Verdict::NotGenuine,
    ];

    /// The word as written in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Verdict::GenuineValid => "GENUINE_VALID",
            Verdict::GenuineStatusUnknown => "GENUINE_STATUS_UNKNOWN",
            Verdict::GenuineExpired => "GENUINE_EXPIRED",
            Verdict::GenuineRevoked => "GENUINE_REVOKED",
            Verdict::Unreadable => "UNREADABLE",
            Verdict::CloneSuspect => "CLONE_SUSPECT",
            Verdict::UntrustedIssuer => "UNTRUSTED_ISSUER",
            Verdict::NotGenuine => "NOT_GENUINE",
        }
    }

    /// One sentence for the officer; [`crate::Report::meaning`] says beside it what was not checked. None of them calls a document false because a certificate was missing (9303-12 §8).
    pub const fn sentence(self) -> &'static str {
        match self {
            Verdict::GenuineValid => "The card is genuine, unaltered and in force.",
            Verdict::GenuineStatusUnknown => {
                "The card is genuine, but whether it is still in force could not be established."
            }
            Verdict::GenuineExpired => "The card is genuine, but it has expired.",
            Verdict::GenuineRevoked => "The card is genuine, but its issuer has revoked it.",
            Verdict::Unreadable => "The card could not be judged: not enough could be read or proved.",
            Verdict::CloneSuspect => {
                "The data are genuine, but the chip did not prove to be the original: it may be a copy."
            }
            Verdict::UntrustedIssuer => {
                "No issuer trusted here vouches for this card. This alone does not make it false."
            }
            Verdict::NotGenuine => "The data on the chip are not the data that the issuer signed.",
        }
    }

    /// True for the four verdicts that vouch for data and chip.
    pub const fn is_genuine(self) -> bool {
        matches!(
            self,
            Verdict::GenuineValid | Verdict::GenuineStatusUnknown | Verdict::GenuineExpired | Verdict::GenuineRevoked
        )
    }
}

/// How much a check weighs (TR-03135-1 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It must be successful for a good verdict.
    Mandatory,
    /// It must be successful when the document has what it is about.
    Conditional,
    /// It must not fail; it may be impossible.
    Optional,
    /// It is reported and never weighs.
    Evaluatory,
}

/// What one check contributes to the verdict.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    pub class: Class,
    pub outcome: Outcome,
    /// Where a failure points.
    pub failed: Verdict,
    /// Where a mandatory or conditional check without a result points.
    pub unjudged: Verdict,
}

impl Weight {
    /// The verdict that this result speaks for; `None` when it speaks for the best one, or not at all.
    pub fn points_at(self) -> Option<Verdict> {
        match (self.class, self.outcome) {
            (Class::Evaluatory, _) | (_, Outcome::Successful) => None,
            (_, Outcome::Failed) => Some(self.failed),
            (Class::Optional, _) | (Class::Conditional, Outcome::NotSupported) => None,
            (
                Class::Mandatory | Class::Conditional,
                Outcome::Undetermined | Outcome::NotSupported | Outcome::Aborted,
            ) => Some(self.unjudged),
        }
    }
}

/// The verdict over all checks. The witness is the proof that the security object was verified up to a trusted CSCA.
pub(crate) fn decide(
    weights: impl IntoIterator<Item = Weight>,
    witness: Option<&Authentic<SecurityObject>>,
) -> Verdict {
    match (gravest(weights), witness) {
        (verdict, None) if verdict.is_genuine() => Verdict::Unreadable,
        (verdict, _) => verdict,
    }
}

fn gravest(weights: impl IntoIterator<Item = Weight>) -> Verdict {
    weights.into_iter().filter_map(Weight::points_at).max().unwrap_or(Verdict::GenuineValid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop::sample::select(vec![
            Outcome::Successful,
            Outcome::Failed,
            Outcome::Undetermined,
            Outcome::NotSupported,
            Outcome::Aborted,
        ])
    }

    fn weight() -> impl Strategy<Value = Weight> {
        let class =
            prop::sample::select(vec![Class::Mandatory, Class::Conditional, Class::Optional, Class::Evaluatory]);
        // A table row never points at the best verdict.
        let verdict = || prop::sample::select(Verdict::ALL.into_iter().skip(1).collect::<Vec<_>>());
        (class, outcome(), verdict(), verdict()).prop_map(|(class, outcome, failed, unjudged)| Weight {
            class,
            outcome,
            failed,
            unjudged,
        })
    }

    proptest! {
        #[test]
        fn no_genuine_without_a_proof(weights in prop::collection::vec(weight(), 0..40)) {
            prop_assert!(!decide(weights, None).is_genuine());
        }

        #[test]
        fn valid_only_when_every_check_that_must_be_is_successful(weights in prop::collection::vec(weight(), 0..40)) {
            let bad = weights.iter().any(|weight| match weight.class {
                Class::Mandatory => weight.outcome != Outcome::Successful,
                Class::Conditional => !matches!(weight.outcome, Outcome::Successful | Outcome::NotSupported),
                Class::Optional => weight.outcome == Outcome::Failed,
                Class::Evaluatory => false,
            });
            prop_assert_eq!(gravest(weights) == Verdict::GenuineValid, !bad);
        }

        #[test]
        fn one_result_more_never_makes_a_verdict_milder(weights in prop::collection::vec(weight(), 0..20), one in weight()) {
            let more = weights.iter().copied().chain([one]).collect::<Vec<_>>();
            prop_assert!(gravest(more) >= gravest(weights));
        }

        #[test]
        fn aborted_neither_accuses_nor_clears(weights in prop::collection::vec(weight(), 0..20), one in weight()) {
            let verdict = |outcome| gravest(weights.iter().copied().chain([Weight { outcome, ..one }]));
            prop_assert_eq!(verdict(Outcome::Aborted), verdict(Outcome::Undetermined));
        }

        #[test]
        fn order_does_not_matter(mut weights in prop::collection::vec(weight(), 0..20)) {
            let verdict = gravest(weights.clone());
            weights.reverse();
            prop_assert_eq!(gravest(weights), verdict);
        }
    }

    #[test]
    fn words_and_json_are_the_same() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_string(&verdict).unwrap(), format!("\"{}\"", verdict.word()));
            assert!(!verdict.sentence().to_lowercase().contains("fake"));
        }
        assert_eq!(Verdict::ALL.iter().filter(|verdict| verdict.is_genuine()).count(), 4);
    }
}
