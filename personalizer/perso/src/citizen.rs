//! The citizen application beside the travel document: what is planned for it, and who helps.
//!
//! ```text
//! GENERATE 9A 9C 9D in the issuer's channel -> the card signs a request with each -> citizen CA -> certificates and objects
//!   -> read back -> transport PIN and PUK, and their letter
//! ```
//!
//! A card lets no key work before its PIN is the holder's own. To prove that the keys are on the card the line is that holder
//! for a moment: it sets a PIN that it forgets, changes it, signs, and sets a transport PIN again. A key that only agrees (9D on a
//! curve) agrees with a key of the line in place of signing.

pub(crate) mod dialogue;
pub(crate) mod request;

use channel::random::{Random, RandomError};
use channel::secret::Secret;
use eid::capability::{Capability, OWN_LENGTH};
use eid::chuid::{Chuid, NO_FASC_N};
use eid::discovery::Discovery;
use eid::keys::{Algorithm, KeyReference};
use eid::objects::{
    CARD_CAPABILITY_CONTAINER, CARD_HOLDER_UNIQUE_IDENTIFIER, DISCOVERY_OBJECT, Object, RESIDENCE, SECURITY_OBJECT,
    STATUS_HINT,
};
use eid::pin::{Pin, PinError, Puk};
use eid::residence::{Residence, SignedResidence};
use eid::security_object::SecurityObject;
use eid::status_hint::{CardStatus, StatusHint};
use lds::date::Date;
use lds::sod::{HashAlgorithm, LdsSecurityObject};
use openssl::sha::sha256;

use crate::execute::{SecurityObjectSigner, SignerError};
use crate::order::Order;

/// Most characters of a name in a certificate (RFC 5280, ub-name and friends).
const MAX_NAME: usize = 64;
/// Digits of a transport PIN.
const PIN_DIGITS: usize = 6;
/// Digits of a PUK.
const PUK_DIGITS: usize = 8;

/// Whose certificates they are.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateHolder {
    /// Given names, as the register writes them.
    pub given_names: String,
    /// Surname; for a holder without one, the names of father and grandfather.
    pub surname: String,
    /// The document number: it tells apart who has the same name, and says no more of the holder.
    pub number: String,
}

/// How a key that was made on the card was proved to be there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyProof {
    /// A request (PKCS#10, DER) that the card signed with it.
    Request(Vec<u8>),
    /// The key (SubjectPublicKeyInfo, DER) cannot sign; the card and the line agreed with it on a secret.
    Agreed(Vec<u8>),
}

/// The citizen CA: a key that this crate never sees.
pub trait CitizenCa {
    /// Certifies a key that was proved; the certificate in DER. Asked again with the same key and holder it gives the same
    /// certificate.
    ///
    /// # Errors
    /// When it issues nothing.
    fn issue(
        &mut self,
        proof: &KeyProof,
        key: KeyReference,
        holder: &CertificateHolder,
    ) -> Result<Vec<u8>, CertificateError>;
}

/// Who prints the letters with the transport PINs.
pub trait PinLetters {
    /// Keeps what stands in a letter, so that no crash loses it; a letter for the same document is replaced.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn keep(&mut self, letter: &PinLetter<'_>) -> Result<(), CertificateError>;

    /// The letter as last kept; `None` when there is none for the document.
    ///
    /// # Errors
    /// When it cannot be read.
    fn recall(&mut self, document: &str) -> Result<Option<KeptLetter>, CertificateError>;
}

/// What stands in the letter with the transport PIN.
pub struct PinLetter<'a> {
    /// Document number.
    pub document: &'a str,
    /// The transport PIN, digits.
    pub pin: &'a Secret,
    /// The PUK, digits.
    pub puk: &'a Secret,
}

/// The secrets of a letter that was kept.
pub struct KeptLetter {
    /// The transport PIN, digits.
    pub pin: Secret,
    /// The PUK, digits.
    pub puk: Secret,
}

/// Who helps with the citizen application.
pub struct Citizens<'a> {
    /// The citizen CA.
    pub ca: &'a mut dyn CitizenCa,
    /// The letters.
    pub letters: &'a mut dyn PinLetters,
}

/// Why the citizen CA issued nothing, or a letter was not kept. The card is as good as before.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The CA or the letters failed.
    #[error("{0}")]
    Failed(Box<dyn std::error::Error + Send + Sync>),
    /// The CA certified something else than the key of the request.
    #[error("the citizen CA answered with a certificate for another key, or with none")]
    OtherKey,
}

/// What the order and the profile ask for.
pub(crate) struct Wanted {
    pub(crate) holder: CertificateHolder,
    pub(crate) keys: Vec<(KeyReference, Algorithm)>,
    pub(crate) residence: Option<Residence>,
}

/// What is written besides the certificates.
pub(crate) struct CitizenPlan {
    pub(crate) holder: CertificateHolder,
    pub(crate) keys: Vec<(KeyReference, Algorithm)>,
    /// Objects with their contents, in the order in which they are written.
    pub(crate) objects: Vec<(&'static Object, Vec<u8>)>,
}

/// A transport PIN and a PUK.
pub(crate) struct TransportCodes {
    pin: Secret,
    puk: Secret,
}

impl CertificateHolder {
    /// The holder of an order; the field whose value does not fit in a certificate, otherwise.
    pub(crate) fn of(order: &Order) -> Result<Self, &'static str> {
        let holder = &order.holder;
        let fathers = || [Some(holder.father.as_str()), holder.grandfather.as_deref()];
        let without = || fathers().into_iter().flatten().collect::<Vec<_>>().join(" ");
        let surname = holder.surname.clone().unwrap_or_else(without);
        let fits = |text: &str| text.chars().count() <= MAX_NAME;
        match (fits(&holder.given_names), fits(&surname)) {
            (false, _) => Err("holder.given_names"),
            (_, false) => Err("holder.surname"),
            _ => Ok(CertificateHolder {
                given_names: holder.given_names.clone(),
                surname,
                number: order.document_number.clone(),
            }),
        }
    }
}

impl CitizenPlan {
    /// Draws the card's identifiers and has what no certificate covers signed.
    pub(crate) fn new(
        wanted: &Wanted,
        days: (Date, Date),
        random: &mut dyn Random,
        signer: &dyn SecurityObjectSigner,
    ) -> Result<Self, PlanError> {
        let (issued, expires) = days;
        let mut card = [0; OWN_LENGTH];
        random.fill(&mut card)?;
        let capability = Capability { card }.to_bytes();
        let guid = uuid(random)?;
        let chuid = Chuid { fasc_n: NO_FASC_N, guid, expiry: expires, cardholder: None, signature: Vec::new() };
        let chuid = chuid.to_bytes();
        let covered = [(&CARD_CAPABILITY_CONTAINER, &capability), (&CARD_HOLDER_UNIQUE_IDENTIFIER, &chuid)];
        let numbered = || (1..).zip(covered);
        let hashes = numbered().map(|(number, (_, content))| (number, sha256(content).to_vec())).collect();
        let signed = signer.sign(&LdsSecurityObject::v0(HashAlgorithm::Sha256, hashes).to_bytes())?;
        let mapping = numbered().map(|(number, (object, _))| (number, object.container)).collect();
        let mut objects = vec![
            (&CARD_CAPABILITY_CONTAINER, capability),
            (&CARD_HOLDER_UNIQUE_IDENTIFIER, chuid),
            (&DISCOVERY_OBJECT, Discovery::own().to_bytes()),
            (&SECURITY_OBJECT, SecurityObject { mapping, signed }.to_bytes()),
            (&STATUS_HINT, StatusHint { status: CardStatus::Inactive, date: issued }.to_bytes()),
        ];
        if let Some(residence) = &wanted.residence {
            let record = residence.to_bytes();
            let signature = signer.sign_record(&record)?;
            objects.push((&RESIDENCE, SignedResidence { record: &record, signature: &signature }.to_bytes()));
        }
        Ok(CitizenPlan { holder: wanted.holder.clone(), keys: wanted.keys.clone(), objects })
    }
}

/// Why the citizen application could not be planned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// A UUID of random bits (RFC 4122 §4.4).
fn uuid(random: &mut dyn Random) -> Result<[u8; 16], RandomError> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes)?;
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = (*version & 0x0F) | 0x40;
    *variant = (*variant & 0x3F) | 0x80;
    Ok(bytes)
}

impl TransportCodes {
    /// Fresh ones, each digit equally likely.
    pub(crate) fn draw(random: &mut dyn Random) -> Result<Self, RandomError> {
        Ok(TransportCodes { pin: digits(PIN_DIGITS, random)?, puk: digits(PUK_DIGITS, random)? })
    }

    /// Those of a letter that was kept.
    pub(crate) fn kept(letter: KeptLetter) -> Self {
        TransportCodes { pin: letter.pin, puk: letter.puk }
    }

    /// What stands in the letter for `document`.
    pub(crate) fn letter<'a>(&'a self, document: &'a str) -> PinLetter<'a> {
        PinLetter { document, pin: &self.pin, puk: &self.puk }
    }

    pub(crate) fn pin(&self) -> Result<Pin, PinError> {
        Pin::from_digits(self.pin.expose())
    }

    pub(crate) fn puk(&self) -> Result<Puk, PinError> {
        Puk::parse(self.puk.expose())
    }
}

/// Decimal digits in ASCII.
fn digits(count: usize, random: &mut dyn Random) -> Result<Secret, RandomError> {
    // Reserved at once: what grows leaves copies behind that nobody wipes.
    let mut digits = Vec::with_capacity(count);
    while digits.len() < count {
        let mut byte = [0];
        random.fill(&mut byte)?;
        // 250 is the largest multiple of ten below 256: beyond it some digits would be likelier.
        if let [byte @ 0..250] = byte {
            digits.push(b'0' + byte % 10);
        }
    }
    Ok(Secret::new(digits))
}
