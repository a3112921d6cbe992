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
    /// What the signers sign with that the CSCA certifies.
    pub signer_algorithm: Algorithm,
    /// What the bundle signer signs with: ECDSA.
    pub bundle_algorithm: Algorithm,
    /// Document codes a signer may sign; one letter stands for all codes that start with it (9303-12 §7).
    pub document_types: &'static [&'static str],
    /// Mail address in the alternative names (9303-12 §7).
    pub contact: &'static str,
    /// Where revocation lists are published.
    pub distribution_point: &'static str,
    /// Use of the CSCA's private key, in months; 9303-12 §4: three to five years.
    pub csca_usage_months: i64,
    /// Use of the private key of a document signer or a residence signer, in months; 9303-12 §4: three months at most.
    pub signer_usage_months: i64,
    /// How often a document signer's key may sign: so many documents are withdrawn at once when the key is lost (9303-12 §4).
    pub signer_uses: u64,
    /// How often a residence signer's key may sign: so many records are to be made again at once when the key is lost.
    pub residence_uses: u64,
    /// How often a list signer's key may sign; any number of times when absent.
    pub list_signer_uses: Option<u64>,
    /// How often a seal signer's key may sign; any number of times when absent.
    pub seal_uses: Option<u64>,
    /// Use of a list signer's private key, in months; its certificate is valid twice as long.
    pub list_signer_months: i64,
    /// Use of a seal signer's private key, in months; 9303-12 §4.1: one to two years.
    pub seal_usage_months: i64,
    /// Longest validity of what carries a digital seal, in months.
    pub sealed_months: i64,
    /// Longest validity of a document, in months.
    pub document_months: i64,
    /// Days between revocation lists; 9303-12 §4: ninety at most.
    pub crl_days: i64,
    /// Days until a trust bundle is stale.
    pub bundle_days: i64,
    /// The citizens' certificates.
    pub citizens: CitizenProfile,
}

/// How the citizen CA is set up (RFC 5280).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CitizenProfile {
    /// Common name of the citizen CA.
    pub name: &'static str,
    /// Curve of the citizen CA.
    pub curve: EllipticCurve,
    /// Where its certificate, revocation lists and status answers are published, without a slash at the end.
    pub base_uri: &'static str,
    /// Validity of a citizen's certificate, in months.
    pub months: i64,
    /// Validity of the certificate of the responder for status questions, in months; it cannot be revoked, so few.
    pub responder_months: i64,
    /// Use of the CA's key, in months; its certificate is valid for as long as the last citizen's certificate.
    pub usage_months: i64,
    /// Certificates in one range of serial numbers, each with a revocation list of its own.
    pub range: u64,
    /// Days between revocation lists.
    pub crl_days: i64,
}

impl Profile {
    /// The profile of this name.
    pub fn find(id: &str) -> Option<&'static Profile> {
        PROFILES.iter().find(|profile| profile.id == id)
    }

    /// Validity of the certificate of a document signer or a residence signer, in months: until the last document that it signed, or
    /// that carries a record by it, expires.
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
        bundle_algorithm: Algorithm::Ecdsa(EllipticCurve::P256),
        document_types: &["I"],
        contact: "csca@pki.uto.example",
        distribution_point: "https://pki.uto.example/crl/UTO.crl",
        citizens: CitizenProfile {
            name: "Citizen CA Utopia Specimen",
            curve: EllipticCurve::P384,
            base_uri: "http://citizens.pki.uto.example",
            months: 60,
            responder_months: 3,
            usage_months: 60,
            range: 10_000,
            crl_days: 7,
        },
        csca_usage_months: 60,
        signer_usage_months: 3,
        signer_uses: 100_000,
        residence_uses: 10_000,
        list_signer_uses: Some(1_000),
        seal_uses: None,
        list_signer_months: 12,
        seal_usage_months: 14,
        sealed_months: 12,
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
        bundle_algorithm: Algorithm::Ecdsa(EllipticCurve::P256),
        document_types: &["I"],
        contact: "test-csca@pki.iq.example",
        distribution_point: "https://pki.iq.example/crl/IRQ-TEST.crl",
        citizens: CitizenProfile {
            name: "TEST Citizen CA",
            curve: EllipticCurve::P384,
            base_uri: "http://test-citizens.pki.iq.example",
            months: 60,
            responder_months: 3,
            usage_months: 60,
            range: 10_000,
            crl_days: 7,
        },
        csca_usage_months: 60,
        signer_usage_months: 3,
        signer_uses: 100_000,
        residence_uses: 10_000,
        list_signer_uses: Some(1_000),
        seal_uses: None,
        list_signer_months: 12,
        seal_usage_months: 14,
        sealed_months: 12,
        document_months: 120,
        crl_days: 90,
        bundle_days: 90,
    },
];
