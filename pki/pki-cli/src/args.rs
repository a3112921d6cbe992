//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

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

const EXAMPLES: &str = "\
Examples:
  bitaqa-pki init --profile specimen-uto --dir pki
  bitaqa-pki ds new --dir pki
  bitaqa-pki bundle export --dir pki --out uto.bundle
  bitaqa-pki status --dir pki

Passphrases are asked for, or read from a file or descriptor; never given as an argument:
  bitaqa-pki crl issue --dir pki --passphrase-file /run/secrets/csca
  BITAQA_PASSPHRASE_FILE=/run/secrets/csca bitaqa-pki crl issue --dir pki

Exit codes: 0 good, 1 bug, 2 usage, 40 trust material (status: something is to be done).";

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
    /// Show what expires when and what to do next; exit code 40 when something is to be done.
    #[command(after_help = "Example:\n  bitaqa-pki status --dir pki || mail -s 'pki needs work' operator < /dev/null")]
    Status(Place),
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

/// Where the authority is.
#[derive(Args)]
pub struct Place {
    /// Directory of the authority.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

/// Where the passphrase comes from.
#[derive(Args)]
pub struct PassphraseSource {
    /// Read the passphrase from this open file descriptor; goes before a file.
    #[arg(long, value_name = "N")]
    pub passphrase_fd: Option<u32>,
    /// Read the passphrase from the first line of this file.
    #[arg(long, value_name = "FILE", env = "BITAQA_PASSPHRASE_FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Where the passphrase of a document signer's key comes from.
#[derive(Args)]
pub struct SignerPassphraseSource {
    /// Read the passphrase of the new signer's key from this open file descriptor.
    #[arg(long, value_name = "N")]
    pub signer_passphrase_fd: Option<u32>,
    /// Read the passphrase of the new signer's key from the first line of this file.
    #[arg(long, value_name = "FILE", env = "BITAQA_SIGNER_PASSPHRASE_FILE")]
    pub signer_passphrase_file: Option<PathBuf>,
    /// Encrypt the new signer's key under the passphrase of the authority's keys: the printing centre will then know it.
    #[arg(long, conflicts_with_all = ["signer_passphrase_fd", "signer_passphrase_file"])]
    pub same_passphrase: bool,
}

/// Set up an authority.
#[derive(Args)]
#[command(after_help = "Example:\n  bitaqa-pki init --profile specimen-uto --dir pki")]
pub struct Init {
    /// Names, curves and lifetimes.
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(authority::PROFILES.iter().map(|profile| profile.id)))]
    pub profile: String,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
}

/// Document signers.
#[derive(Subcommand)]
pub enum Ds {
    /// Make a document signer; its directory goes to a printing centre.
    #[command(after_help = "Example:\n  bitaqa-pki ds new --dir pki --name baghdad-2026-q4\n\n\
        The new key is encrypted under a passphrase of its own, which goes to the printing centre with the directory.")]
    New {
        /// Name of the signer; without it ds-0001, ds-0002, ...
        #[arg(long)]
        name: Option<String>,
        /// Where.
        #[command(flatten)]
        place: Place,
        /// Passphrase.
        #[command(flatten)]
        passphrase: PassphraseSource,
        /// The new key's passphrase.
        #[command(flatten)]
        signer_passphrase: SignerPassphraseSource,
    },
    /// Revoke a document signer; issue a revocation list afterwards to publish it.
    #[command(after_help = "Example:\n  bitaqa-pki ds revoke --dir pki ds-0001 && bitaqa-pki crl issue --dir pki")]
    Revoke {
        /// Name of the signer.
        name: String,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
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
}

/// Trust bundles.
#[derive(Subcommand)]
pub enum Bundle {
    /// Make and sign a trust bundle for the inspection posts.
    #[command(
        after_help = "Example:\n  bitaqa-pki bundle export --dir pki --out uto.bundle --revoked-documents lost.jsonl\n\n\
        The file of revoked documents has one JSON object a line:\n  \
        {\"number\": \"A12345678\", \"reason\": \"lost\", \"since\": \"2026-11-01\"}\n\
        Reasons: lost, stolen, withdrawn, damaged, superseded, deceased, issued-in-error."
    )]
    Export {
        /// The bundle; the signer's public key is written beside it as FILE.signer.pem.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// All documents that are no longer valid, one JSON object a line.
        #[arg(long, value_name = "FILE")]
        revoked_documents: Option<PathBuf>,
        /// Put the document signers' certificates in.
        #[arg(long)]
        include_signers: bool,
        /// Where.
        #[command(flatten)]
        place: Place,
        /// Passphrase.
        #[command(flatten)]
        passphrase: PassphraseSource,
    },
}
