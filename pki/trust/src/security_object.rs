//! What document signers sign: EF.SOD, CMS signed data over the hashes of the data groups (9303-10 §4.6.2, 9303-11 §5.1), and
//! EF.CardSecurity, the same over SecurityInfos (9303-11 §9.2.11), and the residence record of a citizen application, which stands
//! beside its signature and which residence signers sign too.
//!
//! [`parse`], [`parse_card_security`] and [`parse_record`] read, [`Signed::judge`] judges steps 2 and 3 of passive authentication, and only it can make
//! an [`Authentic`]. Comparing the hashes with the data groups (step 5) is left to whoever has read them.

use std::ops::Deref;

use iso7816::tlv::{self, Tag};
use jiff::Timestamp;

use crate::certificate::Certificate;
use crate::chain::{self, Chain, Content, Document};
use crate::cms::{CmsError, SignedData, SignerError, SignerInfo};
use crate::der::oid;
use crate::leniency::Leniency;
use crate::outcome::Finding;
use crate::store::TrustStore;

/// Name of the finding about the security object's signature.
pub const SIGNATURE: &str = "sod-signature";

/// Name of the finding about the time at which the security object says it was signed: the third clock, beside the time of
/// inspection and the date of issue.
pub const SIGNING_TIME: &str = "sod-signing-time";

/// The tag of EF.SOD (9303-10 §4.6.2).
const SECURITY_OBJECT_FILE: Tag = Tag(0x77);

/// What the security object says, without a word about who signed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecurityObject {
    content: Vec<u8>,
}

impl SecurityObject {
    /// The LDSSecurityObject (tag 30 included) as it was signed.
    pub fn content(&self) -> &[u8] {
        &self.content
    }
}

/// What EF.CardSecurity says, without a word about who signed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardSecurity {
    security_infos: Vec<u8>,
}

impl CardSecurity {
    /// The SecurityInfos (tag 31 included) as they were signed.
    pub fn security_infos(&self) -> &[u8] {
        &self.security_infos
    }
}

/// A residence record, which stands outside the security object and beside its signature, without a word about who signed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    content: Vec<u8>,
}

impl Record {
    /// The record as it was signed.
    pub fn content(&self) -> &[u8] {
        &self.content
    }
}

/// Proof that its content was signed by one who may sign it, a document signer or for a record a residence signer, under a trusted
/// country signing CA, within the rules of 9303-12.
///
/// It can be made by [`Signed::judge`] only. It says who signed, not that the signer is still in good
/// standing: read the findings on validity, revocation and freshness beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authentic<T> {
    inner: T,
    signer: Certificate,
    anchor: Certificate,
}

impl<T> Authentic<T> {
    /// The signer.
    pub fn signer(&self) -> &Certificate {
        &self.signer
    }

    /// The country signing CA.
    pub fn anchor(&self) -> &Certificate {
        &self.anchor
    }
}

impl<T> Deref for Authentic<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

/// An object with its document signer's signature, nothing verified yet.
#[derive(Clone, Debug)]
pub struct Signed<T> {
    data: SignedData,
    object: T,
    /// What the object is to whoever may sign it.
    content: Content,
    /// What its reading tolerated.
    leniency: Option<Leniency>,
}

/// EF.SOD's content with its signature.
pub type SignedSecurityObject = Signed<SecurityObject>;

/// EF.CardSecurity with its signature.
pub type SignedCardSecurity = Signed<CardSecurity>;

/// A record with its signature.
pub type SignedRecord = Signed<Record>;

/// Why bytes are not a security object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecurityObjectError {
    /// Not acceptable signed data.
    #[error(transparent)]
    Cms(#[from] CmsError),
    /// Signed data of another kind.
    #[error("the signed content is not {0}")]
    ContentType(&'static str),
}

/// What was found about a signed object.
#[derive(Clone, Debug)]
pub struct Judgement<T = SecurityObject> {
    /// Whether the signature over the object verifies, whoever the signer is.
    pub signature: Finding,
    /// Who the signer is; `None` when no certificate of the signer is at hand.
    pub chain: Option<Chain>,
    /// Whether the signer's key was in use at the time of signing that the signer states; `None` as with the chain.
    pub signing_time: Option<Finding>,
    /// Tolerances used.
    pub leniencies: Vec<Leniency>,
    authentic: Option<Authentic<T>>,
}

impl<T> Judgement<T> {
    /// The proof, when there is one.
    pub fn authentic(&self) -> Option<&Authentic<T>> {
        self.authentic.as_ref()
    }

    /// Every finding in the order of the standard.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let chain = self.chain.iter().flat_map(|chain| chain.findings.iter());
        std::iter::once(&self.signature).chain(chain).chain(&self.signing_time)
    }
}

/// Reads the content of EF.SOD's data object 77: a CMS ContentInfo.
///
/// # Errors
/// When the bytes are not signed data over an LDS security object.
pub fn parse(cms: &[u8]) -> Result<SignedSecurityObject, SecurityObjectError> {
    let data = SignedData::from_der(cms)?;
    let legacy = [oid::LDS_SECURITY_OBJECT_OLD, oid::LDS_SECURITY_OBJECT_SDU].contains(&data.content_type());
    if data.content_type() != oid::LDS_SECURITY_OBJECT && !legacy {
        return Err(SecurityObjectError::ContentType("an LDS security object"));
    }
    let object = SecurityObject { content: data.content().to_vec() };
    Ok(Signed {
        data,
        object,
        content: Content::SecurityObject,
        leniency: legacy.then_some(Leniency::LegacyContentType),
    })
}

/// Reads EF.CardSecurity, which is a CMS ContentInfo without a data object around it.
///
/// # Errors
/// When the bytes are not signed data over SecurityInfos.
pub fn parse_card_security(file: &[u8]) -> Result<SignedCardSecurity, SecurityObjectError> {
    let data = SignedData::from_der(file)?;
    if data.content_type() != oid::SECURITY_OBJECT {
        return Err(SecurityObjectError::ContentType("SecurityInfos of a chip"));
    }
    let object = CardSecurity { security_infos: data.content().to_vec() };
    Ok(Signed { data, object, content: Content::SecurityObject, leniency: None })
}

/// Reads the signature of a residence record: a CMS ContentInfo of the type id-data without the record in it (RFC 5652 §5.2).
///
/// # Errors
/// When the bytes are not signed data of this type, or have a content of their own.
pub fn parse_record(signature: &[u8], record: &[u8]) -> Result<SignedRecord, SecurityObjectError> {
    let data = SignedData::from_detached(signature, record)?;
    if data.content_type() != oid::DATA {
        return Err(SecurityObjectError::ContentType("plain data"));
    }
    let object = Record { content: record.to_vec() };
    Ok(Signed { data, object, content: Content::ResidenceRecord, leniency: None })
}

/// Reads EF.SOD: the data object 77 around the CMS.
///
/// # Errors
/// As [`parse`].
pub fn parse_file(file: &[u8]) -> Result<SignedSecurityObject, SecurityObjectError> {
    parse(tlv::sole(file, SECURITY_OBJECT_FILE).map_err(CmsError::from)?)
}

impl<T: Clone> Signed<T> {
    /// What it claims. Not verified: for hash comparison and display only.
    pub fn claimed(&self) -> &T {
        &self.object
    }

    /// The signed data it came in.
    pub fn signed_data(&self) -> &SignedData {
        &self.data
    }

    /// Judges the signature and its signer.
    ///
    /// The certificate is looked for among those that came along, then among those of the store.
    pub fn judge(&self, store: &TrustStore, document: &Document) -> Judgement<T> {
        let enclosed: Vec<Certificate> =
            self.data.raw_certificates().filter_map(|raw| store.memory().certificate(raw).ok()).collect();
        let mut leniencies = self.data.leniencies_with(enclosed.len());
        leniencies.extend(self.leniency);
        let found = self.signer_certificate(&enclosed, store, &mut leniencies);
        let (signature, chain, signing_time) = match found {
            Ok((signer, certificate)) => (
                Finding::successful(SIGNATURE, format!("signed by {}", certificate.subject())),
                Some(chain::judge_of(self.content, certificate, store, document)),
                Some(signing_time(signer, certificate, document.now)),
            ),
            Err(finding) => (*finding, None, None),
        };
        let authentic = chain.as_ref().and_then(|chain| self.witness(chain));
        if let Some(chain) = &chain {
            leniencies.extend(&chain.leniencies);
        }
        Judgement { signature, chain, signing_time, leniencies, authentic }
    }

    fn witness(&self, chain: &Chain) -> Option<Authentic<T>> {
        let anchor = chain.trusted_anchor()?.clone();
        Some(Authentic { inner: self.object.clone(), signer: chain.signer.clone(), anchor })
    }

    /// The signer whose signature verifies with its certificate, or the finding why there is none.
    fn signer_certificate<'a>(
        &'a self,
        enclosed: &'a [Certificate],
        store: &'a TrustStore,
        leniencies: &mut Vec<Leniency>,
    ) -> Result<(&'a SignerInfo, &'a Certificate), Box<Finding>> {
        let mut refused: Option<SignerError> = None;
        for signer in self.data.signers() {
            for certificate in enclosed.iter().chain(store.signers()) {
                let Some(identified) = signer.identifies(certificate) else { continue };
                match self.data.verify(signer, certificate) {
                    Ok(used) => {
                        leniencies.extend(identified);
                        leniencies.extend(used);
                        return Ok((signer, certificate));
                    }
                    Err(error) => refused = Some(error),
                }
            }
        }
        Err(Box::new(match refused {
            Some(error) => Finding::failed(SIGNATURE, error.to_string()),
            None => self.no_certificate(),
        }))
    }

    fn no_certificate(&self) -> Finding {
        let wanted = self.data.signers().first().map(|signer| signer.identifier().to_string()).unwrap_or_default();
        Finding::undetermined(SIGNATURE, format!("the document signer's certificate is not at hand: {wanted}"))
            .remedy("install a trust bundle that holds this document signer")
    }
}

/// The signer's own word on when he signed, against the time in which his key was in use.
fn signing_time(signer: &SignerInfo, certificate: &Certificate, now: Timestamp) -> Finding {
    let Some(signed) = signer.signing_time() else {
        return Finding::not_supported(SIGNING_TIME, "the signer does not say when it was signed");
    };
    let period = certificate.extensions().private_key_usage;
    let start = period.and_then(|period| period.not_before).unwrap_or(certificate.not_before());
    let end = period.and_then(|period| period.not_after).unwrap_or(certificate.not_after());
    let words = format!("says it was signed on {signed}, key in use from {start} to {end}");
    if signed > now {
        Finding::failed(SIGNING_TIME, format!("says it was signed on {signed}, which is still to come"))
            .remedy("check the clock of this machine")
    } else if (start..=end).contains(&signed) {
        Finding::successful(SIGNING_TIME, words)
    } else {
        Finding::failed(SIGNING_TIME, words)
    }
}
