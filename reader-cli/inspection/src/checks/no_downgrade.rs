//! Was the strongest access that the issuer promised really used? (9303-11 §4.2, §9.2; TR-03135-1 §5.6.1)
//!
//! EF.CardAccess is read before anything is authentic: whoever stands between card and terminal, or made the chip, can hide
//! PACE or offer a weaker variant. DG14 repeats the SecurityInfos of EF.CardAccess and is signed; so does EF.CardSecurity, where
//! there is one.

use lds::files::EF_CARD_ACCESS;
use lds::security_infos::{SecurityInfo, SecurityInfos};

use super::{Check, Judgement};
use crate::case::Case;
use crate::evidence::Protocol;
use crate::procedure::chip::security_infos;
use crate::verdict::{Class, Verdict};

pub(super) const CHECK: Check = Check {
    id: "no-downgrade",
    title: "No weaker access than promised",
    source: "9303-11 §4.2 and §9.2, TR-03135-1 §5.6.1",
    class: Class::Optional,
    explanation: "What the chip offered before access (EF.CardAccess) is compared with the signed DG14 and EF.CardSecurity. A failure \
        says that PACE was hidden or exchanged for a weaker variant on the way, by the chip or by something between chip and reader.",
    remedy: "Take the card out of any cover and read it again on another reader; if it fails again, treat the chip as suspect.",
    failed: Verdict::CloneSuspect,
    unjudged: Verdict::Unreadable,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let Some(established) = &case.evidence.access.established else {
        return Judgement::aborted("the chip was not opened");
    };
    let group = case.authentic_dg14().and_then(security_infos);
    let sources = [("DG14", group.as_ref()), ("EF.CardSecurity", case.authentic_card_security())];
    let sources = sources.map(|(name, infos)| (name, infos.map(pace_infos)));
    if sources.iter().all(|(_, infos)| infos.is_none()) {
        return Judgement::undetermined("there is no authentic DG14 to compare with");
    }
    let promises = |(name, infos): &(&'static str, Option<Vec<Vec<u8>>>)| {
        infos.as_ref().filter(|infos| !infos.is_empty()).map(|infos| (*name, infos.clone()))
    };
    let promises: Vec<_> = sources.iter().filter_map(promises).collect();
    if promises.is_empty() {
        return match established.protocol {
            Protocol::Bac => Judgement::successful("BAC was used; DG14 promises nothing stronger"),
            Protocol::Pace => Judgement::undetermined("PACE was used; DG14 does not repeat what EF.CardAccess offered"),
        };
    }
    if established.protocol == Protocol::Bac {
        return Judgement::failed("BAC was used although the signed DG14 promises PACE");
    }
    let offered = case.evidence.content(EF_CARD_ACCESS.name).and_then(|bytes| SecurityInfos::parse(bytes).ok());
    let offered = offered.map(|infos| pace_infos(&infos)).unwrap_or_default();
    for (name, promised) in &promises {
        if promised.iter().any(|info| !offered.contains(info)) {
            return Judgement::failed(format!("EF.CardAccess hides a PACE variant that the signed {name} promises"));
        }
        if !promised.contains(&established.security_info) {
            return Judgement::failed(format!("PACE was run with a variant that the signed {name} does not know"));
        }
    }
    let names: Vec<_> = promises.iter().map(|(name, _)| *name).collect();
    let verb = if names.len() == 1 { "promises" } else { "promise" };
    Judgement::successful(format!("EF.CardAccess offered what the signed {} {verb}", names.join(" and ")))
}

fn pace_infos(infos: &SecurityInfos) -> Vec<Vec<u8>> {
    let pace = infos.infos().iter().filter(|info| matches!(info, SecurityInfo::Pace { .. }));
    pace.map(SecurityInfo::to_bytes).collect()
}
