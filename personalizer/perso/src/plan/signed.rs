//! A plan with its signatures: what is written and read back.

use std::fmt;

use lds::files::{EF_CARD_SECURITY, EF_SOD};
use lds::globalplatform::Dgi;
use lds::globalplatform::dgi::{
    ACTIVE_AUTHENTICATION_KEY, CAN, CHIP_AUTHENTICATION_KEY, MAPPING_KEY, MRZ_INFORMATION, TERMINAL_TRUST, number_of,
};
use lds::sod;
use openssl::sha::sha256;

use super::{Plan, PlannedFile};
use crate::citizen::CitizenPlan;

/// A plan whose security object is signed.
pub struct SignedPlan {
    plan: Plan,
    security_object_file: Vec<u8>,
    card_security_file: Option<Vec<u8>>,
    citizen: Option<CitizenPlan>,
}

impl Plan {
    /// A plan of a card that is no travel document: there is nothing to sign.
    pub(crate) fn unsigned(self) -> SignedPlan {
        SignedPlan { plan: self, security_object_file: Vec::new(), card_security_file: None, citizen: None }
    }

    /// Puts the signatures (CMS ContentInfo) beside the plan: that of the security object, and that of EF.CardSecurity.
    pub fn signed(self, cms: &[u8], card_security: Option<Vec<u8>>) -> SignedPlan {
        SignedPlan {
            plan: self,
            security_object_file: sod::wrap(cms),
            card_security_file: card_security,
            citizen: None,
        }
    }
}

impl SignedPlan {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The same with what is written into the citizen application.
    pub(crate) fn with_citizen(self, citizen: Option<CitizenPlan>) -> Self {
        SignedPlan { citizen, ..self }
    }

    /// What is written into the citizen application, but for the certificates.
    pub(crate) fn citizen(&self) -> Option<&CitizenPlan> {
        self.citizen.as_ref()
    }

    /// Every file to be written and read back, EF.SOD last.
    pub fn files(&self) -> Vec<PlannedFile> {
        let sod = PlannedFile { file: &EF_SOD, bytes: self.security_object_file.clone() };
        let sod = (!self.security_object_file.is_empty()).then_some(sod);
        let card_security = self.card_security_file.clone();
        let card_security = card_security.map(|bytes| PlannedFile { file: &EF_CARD_SECURITY, bytes });
        self.plan.files.iter().cloned().chain(card_security).chain(sod).collect()
    }

    /// Bytes of all files.
    pub fn size(&self) -> usize {
        self.files().iter().map(|planned| planned.bytes.len()).sum()
    }

    /// SHA-256 over EF.SOD.
    pub fn security_object_digest(&self) -> [u8; 32] {
        sha256(&self.security_object_file)
    }

    /// The data groupings of the files, plain, and of what the card shall know of terminals.
    pub fn file_groups(&self) -> Vec<Dgi> {
        let files = self.files().into_iter().map(|planned| Dgi::new(number_of(planned.file), planned.bytes));
        let trust = self.plan.terminal_trust.iter().map(|trust| Dgi::new(TERMINAL_TRUST, trust.as_slice()));
        files.chain(trust).collect()
    }

    /// The data groupings that are enciphered before they are written.
    pub fn secret_groups(&self) -> Vec<Dgi> {
        let secrets = &self.plan.secrets;
        let mapping_key = secrets.mapping_key.as_ref().map(|key| Dgi::new(MAPPING_KEY, key.to_bytes().to_vec()));
        let active_key = secrets.active_key.as_ref().map(|key| (ACTIVE_AUTHENTICATION_KEY, key.to_chip().to_bytes()));
        let mut groups = vec![
            Dgi::new(MRZ_INFORMATION, secrets.mrz_information.expose()),
            Dgi::new(CAN, secrets.access_number.expose().as_bytes()),
            Dgi::new(CHIP_AUTHENTICATION_KEY, secrets.chip_key.to_bytes().to_vec()),
        ];
        groups.extend(mapping_key);
        groups.extend(active_key.map(|(id, key)| Dgi::new(id, key.to_vec())));
        groups
    }
}

impl fmt::Debug for SignedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedPlan({})", self.plan.document_number)
    }
}
