//! The command line.

mod backup;
mod bundle;
pub mod cvc;
mod examples;
mod issuing;
mod lists;
mod master_key;

use std::path::PathBuf;

use authority::Algorithm;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

pub use backup::{Backup, BackupCommand, Restore};
pub use bundle::{Bundle, Export};
use examples::in_short_lines;
pub use issuing::{
    Acts, By, Ceremony, Citizen, CitizenIssue, Csca, Ensure, EnsureCrl, Kind, Publish, Rename, Rollover, Run, Signer,
};
pub use lists::{MasterList, Trust};
pub use master_key::{MasterKey, MasterKeyPlace, NewMasterKey};

/// Run the national PKI: country signing CA, document signers, revocation lists, trust bundles.
#[derive(Parser)]
#[command(name = "bitaqa-pki", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Arguments {
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// The command line of this process.
    ///
    /// # Errors
    /// When it cannot be used, or asks for help.
    pub fn of_process() -> Result<Self, clap::Error> {
        let matches = in_short_lines(Self::command()).try_get_matches()?;
        Self::from_arg_matches(&matches)
    }
}

const EXAMPLES: &str = "\
Examples:
  bitaqa-pki init --profile specimen-uto --dir pki
  bitaqa-pki ds new --dir pki
  bitaqa-pki bundle export --dir pki --out uto.bundle
  bitaqa-pki status --dir pki

Passphrases and PINs are asked for, or read from a file or descriptor; never given as an argument:
  bitaqa-pki crl issue --dir pki --passphrase-file /run/secrets/csca
  BITAQA_PASSPHRASE_FILE=/run/secrets/csca bitaqa-pki crl issue --dir pki

Exit codes: 0 good, 1 bug, 2 usage or a result that cannot be written, 40 trust material (status: something is to be done).";

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Set up an authority: country signing CA, bundle signer, first revocation list.
    Init(Init),
    /// Document signers.
    #[command(subcommand)]
    Ds(Ds),
    /// Revocation lists.
    #[command(subcommand)]
    Crl(Crl),
    /// Trust bundles.
    #[command(subcommand)]
    Bundle(Bundle),
    /// Card-verifiable certificates: country verifying CA, document verifiers, terminals.
    #[command(subcommand)]
    Cvc(cvc::Cvc),
    /// Master lists.
    #[command(subcommand)]
    MasterList(MasterList),
    /// The anchor archive: country signing certificates, where they came from, why they are believed.
    #[command(subcommand)]
    Trust(Trust),
    /// Generations of the country signing CA.
    #[command(subcommand)]
    Csca(Csca),
    /// Signers of master lists, deviation lists, digital seals and residence records.
    #[command(subcommand)]
    Signer(Signer),
    /// Lists for other states: master lists, deviation lists.
    #[command(subcommand)]
    Publish(Publish),
    /// Certificates for the keys of citizens.
    #[command(subcommand)]
    Citizen(Citizen),
    /// Master keys in tokens: the keys of cards are derived from them.
    #[command(subcommand)]
    MasterKey(MasterKey),
    /// The record of everything that was issued.
    #[command(subcommand)]
    Acts(Acts),
    /// Key ceremonies: scripts, custodians, transcripts.
    #[command(subcommand)]
    Ceremony(Ceremony),
    /// Show what expires when and what to do next; exit code 40 when something is to be done.
    #[command(after_help = "Example:\n  bitaqa-pki status --dir pki || mail -s 'pki needs work' operator < /dev/null")]
    Status(Place),
    /// Write everything of an authority into one file, or verify such a file.
    Backup(Backup),
    /// Put a backup into an empty place.
    Restore(Restore),
    /// Show what ends soon, the first end first: every key, certificate, list and bundle.
    #[command(after_help = "Examples:\n  bitaqa-pki expire-soon --dir pki --days 14\n  \
        bitaqa-pki expire-soon --dir pki --days 90 --ics > pki.ics\n\n\
        Terminals of embassies live for a month at most: what ends here is to be certified and sent before that day.")]
    ExpireSoon {
        /// So many days ahead.
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(i64).range(0..=36500))]
        days: i64,
        /// As a calendar (RFC 5545).
        #[arg(long, conflicts_with = "json")]
        ics: bool,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Say what certificates, revocation lists and signed lists depart from; exit code 40 when a requirement is not met.
    Lint(Lint),
    /// Sign for a process that started this one; for --signing-workers.
    #[command(hide = true)]
    SigningWorker,
    /// Print the completions of a shell.
    #[command(after_help = "Example:\n  bitaqa-pki completions bash > /etc/bash_completion.d/bitaqa-pki")]
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Write the manual pages.
    #[command(after_help = "Example:\n  bitaqa-pki man --out /usr/local/share/man/man1")]
    Man {
        /// Directory for all pages; without it the main page is printed.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// Say what files depart from.
#[derive(Args)]
#[command(after_help = "Examples:\n  bitaqa-pki lint pki/csca/certificate.der\n  \
    bitaqa-pki lint --certificates DE.ml --json\n  bitaqa-pki lint --kind citizen-ca --edition rfc5280 ca.pem\n  \
    bitaqa-pki lint --rules\n\n\
    Files are DER or PEM, or EF.SOD as read from a chip. The kind is told from the bytes, but an authority for\n\
    citizens' certificates and its revocation lists must be named with --kind.")]
pub struct Lint {
    /// Files to examine.
    #[arg(value_name = "FILE", required_unless_present = "rules")]
    pub files: Vec<PathBuf>,
    /// What the objects are; without it, told from the bytes.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(trust::lint::Kind::ALL.map(trust::lint::Kind::name)))]
    pub kind: Option<String>,
    /// Whose rules: 9303 edition 6, 7 or 8, the directory's operator, RFC 5280; without it 8, for citizens' certificates rfc5280.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(trust::lint::Edition::ALL.map(trust::lint::Edition::name)))]
    pub edition: Option<String>,
    /// Examine every certificate inside signed data too.
    #[arg(long)]
    pub certificates: bool,
    /// Show notices too.
    #[arg(long)]
    pub notices: bool,
    /// List all rules.
    #[arg(long, conflicts_with_all = ["files", "kind", "edition", "certificates", "notices"])]
    pub rules: bool,
}

/// Where the authority is.
#[derive(Args)]
pub struct Place {
    /// Directory of the authority.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

/// Where one secret comes from.
#[derive(Args)]
pub struct Secret {
    /// Read the passphrase or PIN from this open file descriptor; goes before a file.
    #[arg(long, value_name = "N", visible_alias = "pin-fd")]
    pub passphrase_fd: Option<u32>,
    /// Read the passphrase or PIN from the first line of this file.
    #[arg(long, value_name = "FILE", visible_alias = "pin-file", env = "BITAQA_PASSPHRASE_FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Where the secret comes from that opens the authority's keys: the passphrase of files, or the PIN of a token.
#[derive(Args)]
pub struct PassphraseSource {
    /// Given.
    #[command(flatten)]
    pub secret: Secret,
    /// Put the passphrase or PIN together that custodians share: the custody file that a ceremony wrote beside the directory.
    #[arg(long, value_name = "FILE", requires = "custodian")]
    pub custody: Option<PathBuf>,
    /// Credential of a custodian who is present; once for each.
    #[arg(long = "credential", alias = "custodian", value_name = "FILE", requires = "custody")]
    pub custodian: Vec<PathBuf>,
    /// Read the passphrase of a custodian's credential from the first line of this file; in the order of the credentials.
    #[arg(
        long = "credential-passphrase-file",
        alias = "custodian-passphrase-file",
        value_name = "FILE",
        requires = "custody"
    )]
    pub custodian_passphrase_file: Vec<PathBuf>,
}

/// Where a new key is made.
#[derive(Args)]
pub struct TokenOptions {
    /// Make the key inside a token: the vendor's PKCS#11 module.
    #[arg(long, value_name = "MODULE", requires = "token_label")]
    pub token: Option<PathBuf>,
    /// Label of the token.
    #[arg(long, value_name = "LABEL", requires = "token")]
    pub token_label: Option<String>,
}

/// Where and how a new key is made.
#[derive(Args)]
pub struct KeyOptions {
    /// Where.
    #[command(flatten)]
    pub place: TokenOptions,
    /// What the key signs with, such as ecdsa-p-256 or rsa-pss-3072; the profile's choice when left out.
    #[arg(long, value_name = "ALGORITHM", visible_alias = "algorithm", value_parser = offered)]
    pub key: Option<Algorithm>,
}

/// Where the secret of a new key comes from that is not opened as the authority's keys are.
#[derive(Args)]
pub struct SignerPassphraseSource {
    /// Read the passphrase of the new key, or the PIN of its token, from this open file descriptor.
    #[arg(long, value_name = "N", visible_alias = "signer-pin-fd")]
    pub signer_passphrase_fd: Option<u32>,
    /// Read the passphrase of the new key, or the PIN of its token, from the first line of this file.
    #[arg(long, value_name = "FILE", visible_alias = "signer-pin-file", env = "BITAQA_SIGNER_PASSPHRASE_FILE")]
    pub signer_passphrase_file: Option<PathBuf>,
    /// Encrypt the new key under the passphrase of the authority's keys: whoever gets the key will then know it.
    #[arg(long, conflicts_with_all = ["signer_passphrase_fd", "signer_passphrase_file"])]
    pub same_passphrase: bool,
}

/// Set up an authority.
#[derive(Args)]
#[command(after_help = "Examples:\n  bitaqa-pki init --profile specimen-uto --dir pki\n  \
    bitaqa-pki init --profile specimen-uto --dir pki --token /usr/lib/softhsm/libsofthsm2.so --token-label national\n\n\
    With --token, the keys of CSCA and bundle signer are made inside the token and never leave it.")]
pub struct Init {
    /// Names, curves and lifetimes.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(authority::PROFILES.iter().map(|profile| profile.id)))]
    pub profile: String,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// The CSCA's key.
    #[command(flatten)]
    pub key: KeyOptions,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
}

/// Document signers.
#[derive(Subcommand)]
pub enum Ds {
    /// Make a document signer; its directory goes to a printing centre.
    #[command(after_help = "Example:\n  bitaqa-pki ds new --dir pki --name baghdad-2026-q4\n\n\
        The new key is encrypted under a passphrase of its own, which goes to the printing centre with the directory. A key made \
        inside the token of the authority's keys has that token's PIN.")]
    New {
        /// Name of the signer; without it ds-0001, ds-0002, ...
        #[arg(long)]
        name: Option<String>,
        /// How many documents the key may sign; the profile's choice when left out.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        max_uses: Option<u64>,
        /// Where.
        #[command(flatten)]
        place: Place,
        /// The new key.
        #[command(flatten)]
        key: KeyOptions,
        /// Passphrase.
        #[command(flatten)]
        passphrase: PassphraseSource,
        /// The new key's passphrase.
        #[command(flatten)]
        signer_passphrase: SignerPassphraseSource,
    },
    /// Make the next document signer when none can sign for so many more days; otherwise change nothing.
    #[command(after_help = "Example:\n  bitaqa-pki ds ensure --dir pki --days 14")]
    Ensure(Ensure),
    /// Sign the data groups of documents: what a printing machine without a signer of its own asks for.
    #[command(
        after_help = "Example:\n  bitaqa-pki ds sign --signer pki/ds/ds-0001 documents/ZZ0000017 documents/ZZ0000025\n\n\
        Each folder has the data groups of one document in files such as EF_DG1.bin; EF_SOD.bin is put beside them. A folder \
        that has the security object of its data groups keeps it."
    )]
    Sign(DsSign),
    /// Sign an entry of the residence register: the record that a residence office writes to a card.
    #[command(
        after_help = "Example:\n  bitaqa-pki ds residence entry.json --signer pki/residence-signer/office-1 --out residence.bin\n\n\
        The entry has two fields of an order, national_number and residence:\n  \
        {\"national_number\": \"199900000011\", \"residence\": {\"date\": \"2026-05-04\", \"office\": \"0101\", \"governorate\": \"...\"}}\n\
        An office has a residence signer of its own, which can sign no document: bitaqa-pki signer new residence --name office-1. A \
        document signer signs records too. The record goes to the card with bitaqa-reader residence."
    )]
    Residence(DsResidence),
    /// Revoke a document signer; issue a revocation list afterwards to publish it.
    #[command(
        after_help = "Example:\n  bitaqa-pki ds revoke --dir pki --name ds-0001 && bitaqa-pki crl issue --dir pki"
    )]
    Revoke {
        /// Name of the signer.
        #[command(flatten)]
        name: SignerName,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
}

/// Which signer.
#[derive(Args)]
#[group(id = "signer-name", required = true, multiple = false)]
pub struct SignerName {
    /// Name of the signer.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The name as earlier versions took it.
    #[arg(value_name = "NAME", hide = true)]
    pub bare: Option<String>,
}

impl SignerName {
    /// The name, however it was given: there is one.
    pub fn get(&self) -> &str {
        self.name.as_deref().or(self.bare.as_deref()).unwrap_or_default()
    }
}

/// Sign the data groups of documents.
#[derive(Args)]
pub struct DsSign {
    /// Directory of the document signer.
    #[arg(long, value_name = "DIR")]
    pub signer: PathBuf,
    /// Passphrase of the signer's key.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
    /// How many processes sign at once; 1 is this one. A token's module may let each of them sign only once at a time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub signing_workers: u8,
    /// One folder for each document.
    #[arg(value_name = "FOLDER", required = true)]
    pub folders: Vec<PathBuf>,
}

/// Sign an entry of the residence register.
#[derive(Args)]
pub struct DsResidence {
    /// Directory of the signer: a residence signer, or a document signer.
    #[arg(long, value_name = "DIR")]
    pub signer: PathBuf,
    /// Passphrase of the signer's key.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
    /// Where the record is written.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The entry, JSON.
    #[arg(value_name = "ENTRY")]
    pub entry: PathBuf,
}

/// Revocation lists.
#[derive(Subcommand)]
pub enum Crl {
    /// Issue the next revocation list.
    #[command(after_help = "Example:\n  bitaqa-pki crl issue --dir pki")]
    Issue {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// Passphrase.
        #[command(flatten)]
        passphrase: PassphraseSource,
    },
    /// Issue a revocation list only when one is due: a revocation, a new key of the CSCA, the end of the current list.
    #[command(after_help = "Example:\n  bitaqa-pki crl ensure --dir pki --days 14\n\n\
        A revocation is published at once. A list that only ends soon waits until the last one is 48 hours old (9303-12 §4.1.5);\n\
        crl issue does not wait.")]
    Ensure(EnsureCrl),
}

/// What new keys are made for; more can be read.
fn offered(name: &str) -> Result<Algorithm, String> {
    let names = || Algorithm::OFFERED.map(|one| one.to_string()).join(", ");
    let found = Algorithm::OFFERED.into_iter().find(|one| one.to_string() == name);
    found.ok_or_else(|| format!("it is none of: {}", names()))
}
