//! A country verifying CA in a temporary directory, its document verifiers and terminals.

use std::path::PathBuf;

use authority::cvca::{CvGrant, CvMade, CvPeriod, CvStore, NewCvca, certificates};
use authority::{Algorithm, Passphrase};
use channel::secret::Secret;
use channel::terminal_auth::{TerminalKey, Trust};
use inspection::procedure::Terminal;
use iso7816::tlv::{Tag, encode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use soft_card::State;
use tempfile::TempDir;
use trust::EllipticCurve;
use trust::cvc::chain::TrustPoint;
use trust::cvc::{Level, TerminalType};

pub const WORDS: &str = "a passphrase for tests";

/// The part of an authority that certifies terminals.
pub struct Terminals {
    _directory: TempDir,
    store: CvStore,
    cvca: String,
    /// The first certificate of the CVCA.
    pub root: CvMade,
}

impl Terminals {
    pub fn starting(now: Timestamp) -> Self {
        Self::of(TerminalType::Inspection, "ISCVCA", now)
    }

    /// Those that certify residence offices.
    pub fn of_offices(now: Timestamp) -> Self {
        Self::of(TerminalType::Authentication, "ATCVCA", now)
    }

    fn of(terminal_type: TerminalType, mnemonic: &str, now: Timestamp) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = CvStore::new(directory.path());
        let new = NewCvca {
            country: "UT".to_owned(),
            mnemonic: mnemonic.to_owned(),
            terminal_type,
            rights: None,
            algorithm: Algorithm::Ecdsa(EllipticCurve::BrainpoolP256r1),
            period: None,
        };
        let root = store.create_cvca(&new, &Passphrase::new(WORDS), now).unwrap();
        Terminals { _directory: directory, store, cvca: format!("UT{mnemonic}"), root }
    }

    pub fn roll_over(&self, now: Timestamp) -> CvMade {
        let words = Passphrase::new(WORDS);
        self.store.roll_over(&self.cvca, None, None, (&words, &words), now).unwrap()
    }

    /// A document verifier below the newest key of the CVCA, which may grant everything.
    pub fn document_verifier(&self, mnemonic: &str, now: Timestamp) -> String {
        self.certify(&self.cvca, mnemonic, Level::DomesticDv, None, None, now).holder
    }

    pub fn terminal(&self, dv: &str, mnemonic: &str, rights: &[&str], days: u16, now: Timestamp) -> CvMade {
        let rights = rights.iter().map(|right| (*right).to_owned()).collect();
        self.certify(dv, mnemonic, Level::Terminal, Some(rights), Some(CvPeriod::Days(days)), now)
    }

    fn certify(
        &self,
        issuer: &str,
        mnemonic: &str,
        level: Level,
        rights: Option<Vec<String>>,
        period: Option<CvPeriod>,
        now: Timestamp,
    ) -> CvMade {
        let words = Passphrase::new(WORDS);
        let grant = CvGrant { level, rights, period };
        self.store.certify(issuer, ("UT", mnemonic), &grant, &words, &words, now).unwrap()
    }

    /// Lets a card believe the first key of the CVCA since that day.
    pub fn believed_by(&self, state: &mut State, since: Timestamp) {
        let mut points = state.emrtd.terminal_trust.take().map(|trust| trust.points).unwrap_or_default();
        points.push(TrustPoint::new(self.root.certificate.clone()).unwrap());
        let today = since.to_zoned(TimeZone::UTC).date();
        state.emrtd.terminal_trust = Some(Trust { points, today });
    }
}

/// A data group with one biometric information template of invented bytes.
pub fn group(tag: u32, length: usize) -> Vec<u8> {
    let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
    encode(Tag(tag), encode(Tag(0x7F61), encode(Tag(0x5F2E), content)))
}

/// What the folder of a terminal's key holds.
pub fn opened(made: &CvMade) -> Terminal {
    let file = |name: &str| -> PathBuf { made.directory.join(name) };
    let chain = certificates(&std::fs::read(file("chain.cvcerts")).unwrap()).unwrap();
    let pem = std::fs::read(file("key.p8")).unwrap();
    let key = TerminalKey::open(&pem, &Secret::from(WORDS.as_bytes()), chain.last().unwrap()).unwrap();
    Terminal::new(chain, key)
}
