//! What the citizen CA has, for whoever watches it.

use jiff::{SignedDuration, Timestamp};
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::x509::X509Crl;
use trust::Certificate;

use super::CitizenError;
use super::store::CitizenCa;
use crate::authority::{Authority, IssueError};
use crate::document_signer::CERTIFICATE_FILE;
use crate::files;
use crate::key_store::{StoredKey, TokenAddress};
use crate::x509::Period;

/// A certificate, the token of its key, and until when the key may sign.
pub(crate) struct CitizenKey {
    pub number: u32,
    pub certificate: Certificate,
    pub token: Option<TokenAddress>,
    pub usage_end: Timestamp,
}

/// The revocation list of a range of serial numbers.
pub(crate) struct RangeState {
    pub range: u64,
    pub number: u64,
    /// When the next list is due; `None` when none was issued.
    pub next_update: Option<Timestamp>,
    /// Whether every revocation is on it.
    pub complete: bool,
}

/// The citizen CA, its responders and its lists.
pub(crate) struct Overview {
    pub ca: CitizenKey,
    pub responders: Vec<CitizenKey>,
    pub ranges: Vec<RangeState>,
}

impl Overview {
    /// `None` when the authority has no citizen CA.
    pub fn of(authority: &Authority) -> Result<Option<Self>, CitizenError> {
        let ca = match CitizenCa::open(authority) {
            Ok(ca) => ca,
            Err(CitizenError::Missing) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut responders = Vec::new();
        for number in (1..).take_while(|number| ca.responder(*number).exists()) {
            let place = ca.responder(number);
            let certificate = Certificate::from_der(&files::read(&place.join(CERTIFICATE_FILE))?)
                .map_err(|error| CitizenError::State(format!("responder {number}: {error}")))?;
            let token = StoredKey::token(&place).map_err(|error| IssueError::Key { path: place, error })?;
            responders.push(CitizenKey { number, usage_end: certificate.not_after(), certificate, token });
        }
        let ranges = ca.state.issued.div_ceil(ca.profile.range.max(1));
        let ranges = (0..ranges).map(|range| ca.range_state(range)).collect::<Result<_, _>>()?;
        let usage_end = Period::months(ca.certificate.not_before(), ca.profile.usage_months)?.to;
        let token = authority.citizen_ca_token()?;
        let ca = CitizenKey { number: 1, certificate: ca.certificate, token, usage_end };
        Ok(Some(Overview { ca, responders, ranges }))
    }
}

impl CitizenCa {
    fn range_state(&self, range: u64) -> Result<RangeState, CitizenError> {
        let number = usize::try_from(range).ok().and_then(|place| self.state.lists.get(place).copied()).unwrap_or(0);
        // The last number may be burnt by an interruption: the newest list that is there counts.
        for number in (1..=number).rev() {
            let path = self.directory.join("crl").join(format!("{range}-{number}.crl"));
            let Some(bytes) = files::read_optional(&path)? else { continue };
            let crl = X509Crl::from_der(&bytes)?;
            let revoked = crl.get_revoked().map_or(0, |entries| entries.len());
            let next_update = crl.next_update().map(moment).transpose()?;
            return Ok(RangeState { range, number, next_update, complete: revoked == self.revoked_in(range).len() });
        }
        Ok(RangeState { range, number: 0, next_update: None, complete: self.revoked_in(range).is_empty() })
    }
}

fn moment(time: &Asn1TimeRef) -> Result<Timestamp, CitizenError> {
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    let seconds = i64::from(since.days) * 24 * 60 * 60 + i64::from(since.secs);
    Ok(Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_secs(seconds))?)
}
