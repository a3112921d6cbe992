//! From a trust point over link certificates and a document verifier to a terminal (TR-03110-3 §2.5, 9303-11 §7.1.4.3).
//!
//! What is asked of each certificate in turn: its issuer is the holder before it, which may certify its level; the signature
//! verifies; it has not expired. A link certificate makes a new trust point for the same type of terminal, expired or not; an
//! expired trust point still hands over to its successor, but certifies nobody else. There is no revocation: certificates are
//! short-lived.

use jiff::civil::Date;

use super::{
    Chat, CvCertificate, CvKeyError, CvVerifyError, Level, NotSigned, Reference, TerminalType, VerificationKey,
};
use crate::suite::Curve;

/// A CVCA key that is believed: installed with a self-signed certificate, or made by a link certificate under one that is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustPoint {
    certificate: CvCertificate,
    key: VerificationKey,
}

/// Why a certificate cannot be a trust point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustPointError {
    /// It is not that of a CVCA about itself.
    #[error("{0} is not the self-signed certificate of a CVCA")]
    NotSelfSigned(Reference),
    /// Its key cannot be used, or did not sign it.
    #[error("{holder}: {error}")]
    Signature {
        /// The certificate's holder.
        holder: Reference,
        /// Why.
        error: CvVerifyError,
    },
}

impl TrustPoint {
    /// Takes a self-signed certificate of a CVCA. Whether to believe it has been decided elsewhere; here its signature is checked.
    ///
    /// # Errors
    /// When it is no such certificate.
    pub fn new(certificate: CvCertificate) -> Result<Self, TrustPointError> {
        let holder = certificate.body().holder.clone();
        if !certificate.is_self_signed() || certificate.body().chat.level() != Level::Cvca {
            return Err(TrustPointError::NotSelfSigned(holder));
        }
        let verified = || -> Result<VerificationKey, CvVerifyError> {
            let key = certificate.key(None)?;
            certificate.verify(&key)?;
            Ok(key)
        };
        match verified() {
            Ok(key) => Ok(TrustPoint { certificate, key }),
            Err(error) => Err(TrustPointError::Signature { holder, error }),
        }
    }

    /// Takes a certificate of a CVCA that was a trust point before, as a card keeps it: of a link, whose issuer may be gone, no
    /// signature is checked. `inherited` is the curve of the key before it, for a link without domain parameters.
    ///
    /// # Errors
    /// When it is not that of a CVCA, its key cannot be used, or it is self-signed and the signature does not verify.
    pub fn kept(certificate: CvCertificate, inherited: Option<Curve>) -> Result<Self, TrustPointError> {
        let holder = certificate.body().holder.clone();
        if certificate.is_self_signed() {
            return Self::new(certificate);
        }
        if !certificate.is_link() {
            return Err(TrustPointError::NotSelfSigned(holder));
        }
        match certificate.key(inherited) {
            Ok(key) => Ok(TrustPoint { certificate, key }),
            Err(error) => Err(TrustPointError::Signature { holder, error: error.into() }),
        }
    }

    /// The certificate.
    pub fn certificate(&self) -> &CvCertificate {
        &self.certificate
    }

    /// Its key.
    pub fn key(&self) -> &VerificationKey {
        &self.key
    }
}

/// A chain whose every certificate was found good: only [`verify`] and [`VerifiedChain::extend`] make one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifiedChain {
    last: CvCertificate,
    key: VerificationKey,
    effective: Chat,
    trust_points: Vec<TrustPoint>,
    card_date: Option<Date>,
    /// Whether the last certificate is one whose holder tells the time to those below it.
    accurate: bool,
}

impl VerifiedChain {
    /// A chain of no certificate but the trust point's.
    pub fn begin(start: &TrustPoint) -> Self {
        VerifiedChain {
            last: start.certificate.clone(),
            key: start.key.clone(),
            effective: start.certificate.body().chat,
            trust_points: Vec::new(),
            card_date: None,
            accurate: false,
        }
    }

    /// Judges the next certificate and takes it on, as a card does that gets one at a time.
    ///
    /// # Errors
    /// When it is not good on this day; the chain is then as it was.
    pub fn extend(&mut self, certificate: &CvCertificate, today: Date) -> Result<(), ChainError> {
        let body = certificate.body();
        let key = step(self, certificate, today)?;
        let level = body.chat.level();
        if level == Level::Cvca {
            // Rights are those of the newest CVCA certificate, not of all its predecessors.
            self.effective = body.chat;
            self.trust_points.push(TrustPoint { certificate: certificate.clone(), key: key.clone() });
        } else {
            self.effective = body.chat.under(self.effective);
        }
        if level != Level::Terminal || self.accurate {
            self.card_date = self.card_date.max(Some(body.effective));
        }
        self.accurate = level == Level::DomesticDv;
        (self.last, self.key) = (certificate.clone(), key);
        Ok(())
    }

    /// The certificate at the end.
    pub fn last(&self) -> &CvCertificate {
        &self.last
    }

    /// Its key.
    pub fn key(&self) -> &VerificationKey {
        &self.key
    }

    /// What its holder may do: the rights which every certificate of the chain grants.
    ///
    /// A certificate of another terminal type than its issuer's inherits nothing.
    pub fn effective(&self) -> Chat {
        self.effective
    }

    /// The trust points that link certificates of the chain made, oldest first.
    pub fn trust_points(&self) -> &[TrustPoint] {
        &self.trust_points
    }

    /// Forgets the trust points, once they are stored: however long a chain gets, the chip holds two.
    pub(crate) fn forget_trust_points(&mut self) {
        self.trust_points.clear();
    }

    /// The date a chip takes as the current one after this chain, when it is later than its own: the latest effective date of a
    /// link, a document verifier, or a terminal below a domestic one (TR-03110-3 §2.5, §2.6.2).
    pub fn card_date(&self) -> Option<Date> {
        self.card_date
    }
}

/// Why a chain is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// There is no certificate in it.
    #[error("the chain is empty")]
    Empty,
    /// The first certificate was issued by a CVCA key that is not known.
    #[error("{holder} was issued by {authority}, which is no trust point")]
    NoTrustPoint {
        /// The certificate's holder.
        holder: Reference,
        /// Its issuer.
        authority: Reference,
    },
    /// A certificate is not that of the one before it.
    #[error("{holder} was issued by {authority}, not by {previous} before it")]
    WrongOrder {
        /// The certificate's holder.
        holder: Reference,
        /// Its issuer.
        authority: Reference,
        /// The holder of the certificate before it.
        previous: Reference,
    },
    /// The issuer may not certify this level.
    #[error("{holder} is a {level}, which a {issuer} may not certify")]
    WrongLevel {
        /// The certificate's holder.
        holder: Reference,
        /// Its level.
        level: Level,
        /// The level of its issuer.
        issuer: Level,
    },
    /// A link to a CVCA for another type of terminal.
    #[error("{holder} is a CVCA of {} terminals, linked to by one of {}", .terminal_type.name(), .issuer.name())]
    WrongType {
        /// The certificate's holder.
        holder: Reference,
        /// Its type.
        terminal_type: TerminalType,
        /// The type of the CVCA before it.
        issuer: TerminalType,
    },
    /// The key cannot be used.
    #[error("{holder}: {error}")]
    Key {
        /// The certificate's holder.
        holder: Reference,
        /// Why.
        error: CvKeyError,
    },
    /// The signature does not verify.
    #[error("{holder}: {error}")]
    Signature {
        /// The certificate's holder.
        holder: Reference,
        /// Why.
        error: NotSigned,
    },
    /// It is no longer good.
    #[error("{holder} expired after {expired}")]
    Expired {
        /// The certificate's holder.
        holder: Reference,
        /// Its last day.
        expired: Date,
    },
}

/// Judges a chain in the order in which a card gets it: links, document verifier, terminal.
///
/// # Errors
/// At the first certificate that is not good on this day.
pub fn verify(
    trust_points: &[TrustPoint],
    certificates: &[CvCertificate],
    today: Date,
) -> Result<VerifiedChain, ChainError> {
    let first = certificates.first().ok_or(ChainError::Empty)?;
    let mut error =
        ChainError::NoTrustPoint { holder: first.body().holder.clone(), authority: first.body().authority.clone() };
    // Two CVCA keys should not have one name; when they do, each is tried.
    for start in trust_points.iter().filter(|point| point.certificate.body().holder == first.body().authority) {
        match from(start, certificates, today) {
            Ok(chain) => return Ok(chain),
            Err(failed) => error = failed,
        }
    }
    Err(error)
}

fn from(start: &TrustPoint, certificates: &[CvCertificate], today: Date) -> Result<VerifiedChain, ChainError> {
    let mut chain = VerifiedChain::begin(start);
    certificates.iter().try_for_each(|certificate| chain.extend(certificate, today))?;
    Ok(chain)
}

fn step(before: &VerifiedChain, certificate: &CvCertificate, today: Date) -> Result<VerificationKey, ChainError> {
    let (body, previous) = (certificate.body(), before.last.body());
    let holder = || body.holder.clone();
    if body.authority != previous.holder {
        let (authority, previous) = (body.authority.clone(), previous.holder.clone());
        return Err(ChainError::WrongOrder { holder: holder(), authority, previous });
    }
    let (level, issuer) = (body.chat.level(), previous.chat.level());
    if !issuer.may_certify(level) {
        return Err(ChainError::WrongLevel { holder: holder(), level, issuer });
    }
    let (terminal_type, issuer) = (body.chat.terminal_type(), previous.chat.terminal_type());
    // Below a CVCA another type inherits nothing; a link's rights are its own.
    if level == Level::Cvca && terminal_type != issuer {
        return Err(ChainError::WrongType { holder: holder(), terminal_type, issuer });
    }
    certificate.verify(&before.key).map_err(|error| ChainError::Signature { holder: holder(), error })?;
    if level != Level::Cvca && today > previous.expires {
        return Err(ChainError::Expired { holder: previous.holder.clone(), expired: previous.expires });
    }
    if level != Level::Cvca && today > body.expires {
        return Err(ChainError::Expired { holder: holder(), expired: body.expires });
    }
    certificate.key(before.key.curve()).map_err(|error| ChainError::Key { holder: holder(), error })
}
