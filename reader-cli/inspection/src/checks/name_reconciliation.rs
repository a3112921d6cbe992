//! Is the name in the MRZ the transliteration of the name in DG11? (9303-3 §6.C, national profile)

use lds::transliteration::{Agreement, name_agrees};

use super::{Check, Judgement};
use crate::case::Case;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "name-reconciliation",
    title: "The names in DG1 and DG11 are the same",
    source: "9303-3 §6.C and Appendix B, national profile",
    class: Class::Evaluatory,
    explanation: "The name in the holder's script (DG11) is transliterated and compared with the MRZ; known variants are accepted, and a \
        shortened name where the MRZ is full. Both are signed, so a difference is a mistake of the issuer.",
    remedy: "Compare the printed names; report the document number to the issuing State.",
    failed: Verdict::NotGenuine,
    unjudged: Verdict::Unreadable,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let Some(mrz) = case.contents.mrz() else { return super::no_mrz(case) };
    let Some(name) = case.contents.personal().and_then(|personal| personal.full_name.as_deref()) else {
        return Judgement::not_supported("DG11 carries no name, or was not read");
    };
    let (primary, secondary) = mrz.identifiers();
    match name_agrees(primary, secondary, name) {
        Ok(Agreement::Exact) => Judgement::successful("the MRZ is the transliteration of the name"),
        Ok(Agreement::Variant) => Judgement::successful("the MRZ is an accepted variant of the transliteration"),
        Ok(Agreement::Truncated) if mrz.name_may_be_truncated() => {
            Judgement::successful("the MRZ holds as much of the name as fits")
        }
        Ok(Agreement::Truncated) => Judgement::failed("the name in the MRZ is shortened without need"),
        Ok(Agreement::Differs) => Judgement::failed("the MRZ is not a transliteration of the name"),
        Err(unmapped) => Judgement::undetermined(format!(
            "the name has a letter that the table does not know: U+{:04X}",
            u32::from(unmapped.letter)
        )),
    }
}
