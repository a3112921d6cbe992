//! What differs between states: names, algorithms, lifetimes. Data, not code.

use trust::EllipticCurve;

use crate::key_store::Algorithm;

/// How one state's authority is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Name on the command line.
    pub id: &'static str,
    /// Two-letter country of the certificates (ISO 3166-1, upper case).
    pub country: &'static str,
    /// Code of the state in the MRZ (9303-3 §5).
    pub state: &'static str,
    /// Organisation in all names.
    pub organization: &'static str,
    /// Organisational unit in all names.
    pub unit: &'static str,
    /// Common name of the country signing CA.
    pub csca_name: &'static str,
    /// Start of the common names of document signers.
    pub signer_name: &'static str,
    /// What the country signing CA signs with.
    pub csca_algorithm: Algorithm,
    /// What document signers and the bundle signer sign with.
    pub signer_algorithm: Algorithm,
    /// Document codes a signer may sign; one letter stands for all codes that start with it (9303-12 §7).
    pub document_types: &'static [&'static str],
    /// Mail address in the alternative names (9303-12 §7).
    pub contact: &'static str,
    /// Where revocation lists are published.
    pub distribution_point: &'static str,
    /// Use of the CSCA's private key, in months; 9303-12 §4: three to five years.
    pub csca_usage_months: i64,
    /// Use of a document signer's private key, in months; 9303-12 §4: three months at most.
    pub signer_usage_months: i64,
    /// Longest validity of a document, in months.
    pub document_months: i64,
    /// Days between revocation lists; 9303-12 §4: ninety at most.
    pub crl_days: i64,
    /// Days until a trust bundle is stale.
    pub bundle_days: i64,
}

impl Profile {
    /// The profile of this name.
    pub fn find(id: &str) -> Option<&'static Profile> {
        PROFILES.iter().find(|profile| profile.id == id)
    }

    /// Validity of a document signer's certificate in months: until the last document it signed expires.
    pub fn signer_months(&self) -> i64 {
        self.signer_usage_months + self.document_months
    }

    /// Validity of the CSCA's certificate in months: until the last signer it certified expires.
    pub fn csca_months(&self) -> i64 {
        self.csca_usage_months + self.signer_months()
    }
}

/// Every profile.
pub const PROFILES: &[Profile] = &[
    Profile {
        id: "specimen-uto",
        country: "UT",
        state: "UTO",
        organization: "Utopia Specimen",
        unit: "Identity Documents",
        csca_name: "CSCA Utopia Specimen",
        signer_name: "Document Signer Utopia Specimen",
        csca_algorithm: Algorithm::Ecdsa(EllipticCurve::P384),
        signer_algorithm: Algorithm::Ecdsa(EllipticCurve::P256),
        document_types: &["I"],
        contact: "csca@pki.uto.example",
        distribution_point: "https://pki.uto.example/crl/UTO.crl",
        csca_usage_months: 60,
        signer_usage_months: 3,
        document_months: 120,
        crl_days: 90,
        bundle_days: 90,
    },
    Profile {
        id: "iq-nid-compat",
        country: "IQ",
        state: "IRQ",
        organization: "TEST IRQ-MOI",
        unit: "TEST IRQ-NID",
        csca_name: "TEST CSCA",
        signer_name: "TEST Document Signer",
        csca_algorithm: Algorithm::Ecdsa(EllipticCurve::BrainpoolP384r1),
        signer_algorithm: Algorithm::Ecdsa(EllipticCurve::P256),
        document_types: &["I"],
        contact: "test-csca@pki.iq.example",
        distribution_point: "https://pki.iq.example/crl/IRQ-TEST.crl",
        csca_usage_months: 60,
        signer_usage_months: 3,
        document_months: 120,
        crl_days: 90,
        bundle_days: 90,
    },
];
