//! `bitaqa-pki cvc`: card-verifiable certificates.

use std::path::PathBuf;

use authority::cvca::CvPeriod;
use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use trust::cvc::{Level, TerminalType};

use super::{KeyOptions, PassphraseSource, Place, SignerPassphraseSource, TokenOptions};

/// Card-verifiable certificates.
#[derive(Subcommand)]
pub enum Cvc {
    /// Set up a country verifying CA, or hand over to its next key with --next.
    #[command(after_help = "Examples:\n  bitaqa-pki cvc init --dir pki --country UT --mnemonic ISCVCA --type is\n  \
        bitaqa-pki cvc init --dir pki --country UT --mnemonic ISCVCA --next\n\n\
        Without --key its keys, and all keys below, are on brainpoolP256r1, or of the kind of the current key; with --next the new key \
        is made where the current one is, unless another place is named.\n\
        A rollover writes link.cvcert beside the new certificate: cards that know the old key learn the new one from it.")]
    Init(CvcInit),
    /// Certify a document verifier whose key is made here: a new one, or the next key of one.
    #[command(
        after_help = "Example:\n  bitaqa-pki cvc dv --dir pki --by UTISCVCA --country UT --mnemonic DVBORDER --domestic"
    )]
    Dv(CvcDv),
    /// Certify a terminal whose key is made here: a new one, or the next key of one.
    #[command(
        after_help = "Example:\n  bitaqa-pki cvc terminal --dir pki --by UTDVBORDER --country UT --mnemonic EMBPARIS --rights read-dg3\n\n\
        The terminal's folder holds its key and chain.cvcerts, which a card asks for: give it to the post."
    )]
    Terminal(CvcTerminal),
    /// Make a key and the request for its certificate, for an issuer elsewhere; the answer is stored with cvc accept.
    #[command(
        after_help = "Example:\n  bitaqa-pki cvc request --dir pki --country XO --mnemonic DVBORDER --authority UTISCVCA00001.cvcert --out dv.cvreq\n\n\
        The request of a holder that has a certificate is signed with its current key too. The new key is made where the current \
        one is, unless another place is named."
    )]
    Request(CvcRequest),
    /// Store the answer to a request: the certificates that lead to it, and last its own.
    #[command(after_help = "Example:\n  bitaqa-pki cvc accept --dir pki --holder XODVBORDER dv.cvcert\n\n\
        The certificates must lead to a CVCA that is believed: the one of cvc request --authority, or one of --trust, whose \
        fingerprint you compared with its state on another way.")]
    Accept(CvcAccept),
    /// Certify the key of a request from elsewhere.
    #[command(
        after_help = "Example:\n  bitaqa-pki cvc issue --dir pki --by UTISCVCA --level foreign-dv --rights read-dg3 --request dv.cvreq --out dv.cvcert\n\n\
        Compare the fingerprint of a first request with its sender on another way before you issue."
    )]
    Issue(CvcIssue),
    /// List the holders of this directory and until when they are good.
    #[command(after_help = "Example:\n  bitaqa-pki cvc list --dir pki")]
    List(Place),
    /// Show certificates and requests.
    #[command(after_help = "Example:\n  bitaqa-pki cvc show UTISCVCA00001.cvcert chain.cvcerts dv.cvreq")]
    Show {
        /// Files with one or more certificates, or a request.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Judge a chain as a card does: links, document verifier, terminal.
    #[command(after_help = "Example:\n  bitaqa-pki cvc verify --trust UTISCVCA00001.cvcert chain.cvcerts")]
    Verify(CvcVerify),
}

/// Whose name.
#[derive(Args)]
pub struct CvcName {
    /// Country of the name, two capital letters; without it, the country of the authority.
    #[arg(long, value_name = "CC")]
    pub country: Option<String>,
    /// Mnemonic of the name: up to nine capital letters and digits.
    #[arg(long)]
    pub mnemonic: String,
}

/// What is granted.
#[derive(Args)]
pub struct CvcTerms {
    /// Rights, separated by commas, such as read-dg3,read-dg4; without it, all that the issuer has.
    #[arg(long, value_delimiter = ',', value_name = "RIGHT")]
    pub rights: Option<Vec<String>>,
    /// Lifetime in days; without it, as long as the standard and the issuer's own end allow.
    #[arg(long, value_name = "N")]
    pub days: Option<u16>,
}

impl CvcTerms {
    /// The lifetime.
    pub fn period(&self) -> Option<CvPeriod> {
        self.days.map(CvPeriod::Days)
    }
}

/// Set up a CVCA.
#[derive(Args)]
pub struct CvcInit {
    /// Whose name.
    #[command(flatten)]
    pub name: CvcName,
    /// Kind of terminals it is for.
    #[arg(long, value_name = "TYPE", required_unless_present = "next")]
    pub r#type: Option<CvcType>,
    /// Make the next key of an existing CVCA, with the link certificate from its current one.
    #[arg(long, conflicts_with_all = ["type", "rights"])]
    pub next: bool,
    /// Rights, separated by commas; without it all.
    #[arg(long, value_delimiter = ',', value_name = "RIGHT")]
    pub rights: Option<Vec<String>>,
    /// Lifetime in months, 6 to 36; without it 36.
    #[arg(long, value_name = "N")]
    pub months: Option<u16>,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// The new key.
    #[command(flatten)]
    pub key: KeyOptions,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
    /// The new key's passphrase, when it is not made where the current one is.
    #[command(flatten)]
    pub signer_passphrase: SignerPassphraseSource,
}

/// Certify a document verifier.
#[derive(Args)]
pub struct CvcDv {
    /// Name of the CVCA.
    #[arg(long, value_name = "HOLDER")]
    pub by: String,
    /// Whose name.
    #[command(flatten)]
    pub name: CvcName,
    /// It belongs to the CVCA's state: cards take the dates of its terminals for true.
    #[arg(long)]
    pub domestic: bool,
    /// What is granted.
    #[command(flatten)]
    pub terms: CvcTerms,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// The new key.
    #[command(flatten)]
    pub key: TokenOptions,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
    /// The new key's passphrase.
    #[command(flatten)]
    pub signer_passphrase: SignerPassphraseSource,
}

/// Certify a terminal.
#[derive(Args)]
pub struct CvcTerminal {
    /// Name of the document verifier.
    #[arg(long, value_name = "HOLDER")]
    pub by: String,
    /// Whose name.
    #[command(flatten)]
    pub name: CvcName,
    /// What is granted.
    #[command(flatten)]
    pub terms: CvcTerms,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// The new key.
    #[command(flatten)]
    pub key: TokenOptions,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
    /// The new key's passphrase.
    #[command(flatten)]
    pub signer_passphrase: SignerPassphraseSource,
}

/// Make a request.
#[derive(Args)]
pub struct CvcRequest {
    /// Whose name.
    #[command(flatten)]
    pub name: CvcName,
    /// Certificate of the issuer's key: named in the request, and the new key is of its kind. That of a CVCA is believed when
    /// the answer comes: compare its fingerprint with its state on another way first.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub authority: Option<PathBuf>,
    /// Where the request is written.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// The new key.
    #[command(flatten)]
    pub key: KeyOptions,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
    /// The new key's passphrase, when it is not made where the current one is.
    #[command(flatten)]
    pub signer_passphrase: SignerPassphraseSource,
}

/// Store an answer.
#[derive(Args)]
pub struct CvcAccept {
    /// Country and mnemonic of the holder that asked.
    #[arg(long)]
    pub holder: String,
    /// Self-signed certificate of a CVCA that is believed, beside the one that the request was made with; may be given
    /// several times.
    #[arg(long, value_name = "FILE")]
    pub trust: Vec<PathBuf>,
    /// The certificates, the holder's own last.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where.
    #[command(flatten)]
    pub place: Place,
}

/// Certify a request.
#[derive(Args)]
pub struct CvcIssue {
    /// Name of the issuer.
    #[arg(long, value_name = "HOLDER")]
    pub by: String,
    /// Level of the certificate.
    #[arg(long)]
    pub level: CvcLevel,
    /// The request.
    #[arg(long, value_name = "FILE")]
    pub request: PathBuf,
    /// Self-signed certificate of a CVCA which you believe, and which vouches for a first request.
    #[arg(long, value_name = "FILE")]
    pub voucher: Option<PathBuf>,
    /// What is granted.
    #[command(flatten)]
    pub terms: CvcTerms,
    /// Where the certificate is written.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
}

/// Judge a chain.
#[derive(Args)]
pub struct CvcVerify {
    /// Self-signed certificate of a CVCA that is believed; may be given several times.
    #[arg(long, required = true, value_name = "FILE")]
    pub trust: Vec<PathBuf>,
    /// The day of judgement; without it today.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<Date>,
    /// Certificates in the order in which a card gets them.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Kind of terminals.
#[derive(Clone, Copy, ValueEnum)]
pub enum CvcType {
    /// Inspection systems: travel documents.
    Is,
    /// Authentication terminals: citizen data.
    At,
    /// Signature terminals.
    St,
}

impl From<CvcType> for TerminalType {
    fn from(given: CvcType) -> Self {
        match given {
            CvcType::Is => TerminalType::Inspection,
            CvcType::At => TerminalType::Authentication,
            CvcType::St => TerminalType::Signature,
        }
    }
}

/// Level of a certificate for a request.
#[derive(Clone, Copy, ValueEnum)]
pub enum CvcLevel {
    /// Document verifier of the same state.
    DomesticDv,
    /// Document verifier of another state, or a non-official one.
    ForeignDv,
    /// Terminal.
    Terminal,
}

impl From<CvcLevel> for Level {
    fn from(given: CvcLevel) -> Self {
        match given {
            CvcLevel::DomesticDv => Level::DomesticDv,
            CvcLevel::ForeignDv => Level::ForeignDv,
            CvcLevel::Terminal => Level::Terminal,
        }
    }
}
