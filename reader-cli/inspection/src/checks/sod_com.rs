//! Does EF.COM list the data groups that the security object lists? (TR-03135-1 §5.6.4)

use std::collections::BTreeSet;

use lds::com::Com;
use lds::files::EF_COM;

use super::{Check, Judgement};
use crate::case::Case;
use crate::evidence::FileEvidence;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "sod-com",
    title: "EF.SOD and EF.COM list the same data groups",
    source: "TR-03135-1 §5.6.4, 9303-10 §4.6",
    class: Class::Optional,
    explanation: "EF.COM is not signed. If it lists other data groups than the signed EF.SOD, something was added to the chip or is \
        being hidden. Only EF.SOD decides what is read.",
    remedy: "Read the card again; if it fails again, keep the card and report it with the evidence file.",
    failed: Verdict::NotGenuine,
    unjudged: Verdict::Unreadable,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let Ok(listed) = &case.listed else {
        return Judgement::undetermined("there is no security object to compare with");
    };
    let com = match case.evidence.files.get(EF_COM.name) {
        Some(FileEvidence::Read { content }) => Com::parse(content),
        Some(FileEvidence::Malformed { reason }) => return Judgement::failed(format!("EF.COM is malformed: {reason}")),
        Some(FileEvidence::Absent) => return Judgement::not_supported("the card has no EF.COM"),
        Some(FileEvidence::Refused { status }) => {
            return Judgement::undetermined(format!("EF.COM was refused: {status}"));
        }
        _ => return Judgement::aborted("EF.COM was not read"),
    };
    let com = match com {
        Ok(com) => com,
        Err(error) => return Judgement::failed(error.to_string()),
    };
    let signed: BTreeSet<u8> = listed.hashes.keys().copied().collect();
    let claimed: BTreeSet<u8> = com.data_groups.iter().copied().collect();
    let version = listed.lds_version.as_ref().map(|version| version.lds.as_str());
    if let Some(missing) = signed.difference(&claimed).next() {
        Judgement::failed(format!("EF.COM does not list DG{missing}, which is signed"))
    } else if let Some(added) = claimed.difference(&signed).next() {
        Judgement::failed(format!("EF.COM lists DG{added}, which is not signed"))
    } else if version.is_some_and(|version| version != com.lds_version) {
        Judgement::failed(format!(
            "EF.COM says LDS {}, the security object {}",
            com.lds_version,
            version.unwrap_or_default()
        ))
    } else {
        Judgement::successful(format!("both list {} data groups", signed.len()))
    }
}
