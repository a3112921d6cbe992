//! Is the MRZ printed on the card the one in the chip? (TR-03135-1 §5.7.2)

use super::{Check, Judgement};
use crate::case::Case;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "printed-mrz",
    title: "The printed MRZ is the one in the chip",
    source: "TR-03135-1 §5.7.2",
    class: Class::Optional,
    explanation: "When the whole printed MRZ was given to open the chip, it is compared with the signed DG1. A failure says that card \
        body and chip do not belong together, or that the MRZ was mistyped.",
    remedy: "Compare the given MRZ with the card letter by letter and read it again.",
    failed: Verdict::NotGenuine,
    unjudged: Verdict::Unreadable,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let Some(printed) = &case.evidence.printed_mrz else {
        return Judgement::not_supported("the printed MRZ was not given as a whole");
    };
    let Some(mrz) = case.contents.mrz() else { return super::no_mrz(case) };
    match printed.chars().zip(mrz.as_str().chars()).position(|(printed, stored)| printed != stored) {
        None if printed.len() == mrz.as_str().len() => Judgement::successful("identical"),
        None => Judgement::failed("the printed MRZ is of another size"),
        Some(index) => Judgement::failed(format!("they differ from character {} on", index + 1)),
    }
}
