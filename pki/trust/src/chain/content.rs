//! What a key under a country signing CA may sign, by its certificate alone.
//!
//! A document signer has no extended key usage (9303-12 §7.1) and signs everything of its documents. A residence signer has one purpose and
//! one code, both of its own, and signs residence records: whoever steals the key of an office makes no travel document with it.

use crate::certificate::{Certificate, Extensions};
use crate::der::{self, oid};

/// The code in a residence signer's list of document types. No travel document has it: their codes begin with A, C, I, P or V
/// (9303-4 to -7).
pub const RESIDENCE_CODE: &str = "RR";

/// What is signed: not every signer may sign all of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// A security object of a travel document: EF.SOD, EF.CardSecurity.
    SecurityObject,
    /// The residence record of a citizen application.
    ResidenceRecord,
}

/// Whose certificate it is.
pub(super) enum Mandate {
    /// A document signer's: no extended key usage.
    Documents,
    /// A residence signer's.
    Residence,
    /// Another signer's: its purposes.
    Other(String),
}

impl Mandate {
    pub(super) fn of(extensions: &Extensions) -> Self {
        let purposes = &extensions.purposes;
        let codes = extensions.document_types.as_deref().unwrap_or_default();
        match (extensions.has_extended_key_usage, purposes.as_slice(), codes) {
            (false, ..) => Mandate::Documents,
            (true, [purpose], [code]) if purpose == oid::RESIDENCE_SIGNER && code == RESIDENCE_CODE => {
                Mandate::Residence
            }
            _ => Mandate::Other(
                purposes.iter().take(4).map(|purpose| der::dotted(purpose)).collect::<Vec<_>>().join(", "),
            ),
        }
    }
}

impl Content {
    /// Why a key with this certificate never signs it, whatever the document and the moment; `None` when it may.
    pub fn refusal(self, signer: &Certificate) -> Option<String> {
        let extensions = signer.extensions();
        if extensions.basic_constraints.is_some_and(|constraints| constraints.ca) {
            return Some("the certificate is that of an authority".to_owned());
        }
        if !extensions.key_usage.is_some_and(|usage| usage.only_digital_signature()) {
            return Some("the certificate's key usage is not digitalSignature alone".to_owned());
        }
        self.outside(&Mandate::of(extensions))
    }

    /// Why it is not among what such a signer signs.
    pub(super) fn outside(self, mandate: &Mandate) -> Option<String> {
        match (self, mandate) {
            (_, Mandate::Documents) | (Content::ResidenceRecord, Mandate::Residence) => None,
            (Content::SecurityObject, Mandate::Residence) => {
                Some("the certificate is that of a residence signer, which signs no security object".to_owned())
            }
            (_, Mandate::Other(purposes)) => {
                Some(format!("the certificate is not that of a document signer: its purposes are {purposes}"))
            }
        }
    }
}
