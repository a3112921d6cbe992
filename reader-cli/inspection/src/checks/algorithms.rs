//! Are the algorithms behind the signatures still as strong as today's rules ask? (9303-12 §4.4)
//!
//! 9303-12 no longer lets anybody sign with SHA-1 or short RSA keys; documents signed so in earlier years are still in force.
//! They are judged as they are, and whoever relies on the verdict is told.

use trust::public_key::KeyKind;
use trust::{Certificate, Leniency};

use super::{Check, Judgement};
use crate::case::Case;
use crate::verdict::{Class, Verdict};

/// The shortest RSA modulus that 9303-12 allows a document signer, in bits.
const SHORTEST_RSA: u32 = 2048;

pub(super) const CHECK: Check = Check {
    id: "algorithm-strength",
    title: "The signatures use algorithms that are still allowed",
    source: "9303-12 §4.4",
    class: Class::Evaluatory,
    explanation: "SHA-1 and RSA keys under 2048 bits are no longer allowed in the security object, the document signer's certificate \
        and the hashes of data groups. Old documents carry them; whoever can break them can make a document that passes every \
        other check.",
    remedy: "Compare the person with the portrait and the card with its security features with more care than usual.",
    failed: Verdict::UntrustedIssuer,
    unjudged: Verdict::UntrustedIssuer,
    judge,
};

fn judge(case: &Case<'_>) -> Judgement {
    let (Ok(listed), Some(sod)) = (&case.listed, &case.sod) else {
        return Judgement::undetermined("there is no security object");
    };
    let Some(chain) = &sod.chain else {
        return Judgement::undetermined("the document signer is not established");
    };
    let mut weak = Vec::new();
    if listed.hash == lds::sod::HashAlgorithm::Sha1 {
        weak.push("the data groups are hashed with SHA-1".to_owned());
    }
    if sod.leniencies.contains(&Leniency::LegacySha1) {
        weak.push("a signature uses SHA-1".to_owned());
    }
    let short = |name: &str, certificate: &Certificate| {
        let bits = modulus(certificate).filter(|bits| *bits < SHORTEST_RSA)?;
        Some(format!("the {name} signs with RSA of {bits} bits"))
    };
    weak.extend(short("document signer", &chain.signer));
    weak.extend(chain.anchor.as_ref().and_then(|anchor| short("country signing CA", anchor)));
    if weak.is_empty() { Judgement::successful("still allowed") } else { Judgement::failed(weak.join("; ")) }
}

fn modulus(certificate: &Certificate) -> Option<u32> {
    match certificate.public_key().kind() {
        KeyKind::Rsa { bits } | KeyKind::RsaPssOnly { bits } => Some(bits),
        KeyKind::Ec(_) => None,
    }
}
