//! Tolerances that were used while judging: each one is a line of the report, never silent.

use std::fmt;

use serde::Serialize;

/// A departure from the standard that was accepted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leniency {
    /// The signed attributes are not a DER SET OF; the signature was made over them as they stand.
    SignedAttributesNotSorted,
    /// The signature was made over the signed attributes in DER order, but they are stored in another.
    SignedAttributesSignedSorted,
    /// The signed attributes do not use the shortest lengths.
    SignedAttributesNotDer,
    /// The signature algorithm has NULL parameters where none belong, or none where NULL belongs.
    AlgorithmParameters,
    /// The content is hashed with another algorithm than the signature uses.
    DigestsDiffer,
    /// The signature is r and s side by side, by the identifiers of TR-03111, which 9303-12 does not have.
    PlainSignature,
    /// The content type is one that old documents have instead of that of 9303-10.
    LegacyContentType,
    /// A signature uses SHA-1, which 9303-12 no longer allows.
    LegacySha1,
    /// The signer's certificate has no subject key identifier: it was computed.
    ComputedKeyIdentifier,
    /// Two names were taken as equal although their encodings differ.
    NameEncodingsDiffer,
    /// The certificate does not name its issuer's key identifier as the issuer does: it was found by name.
    IssuerFoundByName,
    /// The CMS carries several signer infos where one is expected.
    SeveralSigners,
    /// The CMS carries certificates which could not be read.
    UnreadableCertificates,
    /// The master list's signer, pinned himself, has no extended key usage, which 9303-12 demands.
    ListSignerWithoutPurpose,
    /// A CSCA signed the master list itself, which 9303-12 forbids.
    ListSignedByAuthority,
    /// A signer of deviation lists signed the defect list: the purpose of its own is not known here.
    DefectListSignerForDeviations,
}

impl Leniency {
    /// What was tolerated.
    pub fn text(self) -> &'static str {
        match self {
            Leniency::SignedAttributesNotSorted => "signed attributes are not in DER order, verified as they stand",
            Leniency::SignedAttributesSignedSorted => {
                "signed attributes were signed in DER order but stored in another"
            }
            Leniency::SignedAttributesNotDer => "signed attributes are not DER encoded, verified as they stand",
            Leniency::AlgorithmParameters => "the parameters of the signature algorithm are not as its standard says",
            Leniency::DigestsDiffer => "the content is hashed with another algorithm than the signature uses",
            Leniency::PlainSignature => "the signature has the plain form of TR-03111",
            Leniency::LegacyContentType => "the content type is that of old documents",
            Leniency::LegacySha1 => "a signature uses SHA-1",
            Leniency::ComputedKeyIdentifier => "the signer's certificate has no key identifier: computed",
            Leniency::NameEncodingsDiffer => "names were compared without their string encodings",
            Leniency::IssuerFoundByName => "the issuer was found by its name, not by its key identifier",
            Leniency::SeveralSigners => "the signed data has several signers",
            Leniency::UnreadableCertificates => "the signed data carries certificates that cannot be read",
            Leniency::ListSignerWithoutPurpose => {
                "the list signer's certificate does not say that it may sign master lists"
            }
            Leniency::DefectListSignerForDeviations => "a signer of deviation lists signed the defect list",
            Leniency::ListSignedByAuthority => "a country signing CA signed the master list itself",
        }
    }
}

impl fmt::Display for Leniency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
