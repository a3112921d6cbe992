//! `master-list` and `trust`: lists of country signing certificates, and the archive of all of them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Master lists.
#[derive(Subcommand)]
pub enum MasterList {
    /// Show who signed a master list and what is in it.
    #[command(after_help = "Example:\n  bitaqa-pki master-list show DE_ML_2024-08-07.ml --signer csca-germany.cer\n\n\
        signature says whether the signer's signature verifies, trust whether a pinned certificate stands behind him.\n\
        A list can be older than the root its state publishes today; another state's verified list may hold the right one:\n  \
        bitaqa-pki trust import --dir anchors NL_ML_2025-07-29.ml --signer NL_ROOT_CA.cer\n  \
        bitaqa-pki master-list show DE_ML_2024-08-07.ml --anchors anchors\n\n\
        Exit code 40: the signature fails, or --signer or --anchors was given and does not stand behind the list.")]
    Show {
        /// A master list, or an LDIF, PEM or zip file with one in it.
        file: PathBuf,
        /// Certificate of the list signer, or of the CSCA that certified him (DER or PEM); may be given several times.
        #[arg(long, value_name = "CERT")]
        signer: Vec<PathBuf>,
        /// Anchor archive: what is believed there of the list signer's state may stand behind the list.
        #[arg(long, value_name = "DIR")]
        anchors: Option<PathBuf>,
        /// Print each certificate.
        #[arg(long)]
        certificates: bool,
        /// Print what the certificates depart from: by rule; with --certificates also each departure.
        #[arg(long)]
        lint: bool,
    },
    /// Show in what two master lists differ.
    #[command(after_help = "Example:\n  bitaqa-pki master-list diff DE_ML_2024-08-07.ml DE_ML_2024-11-11.ml")]
    Diff {
        /// The older list.
        a: PathBuf,
        /// The newer list.
        b: PathBuf,
    },
}

/// The anchor archive: country signing certificates with where they came from and why they are believed.
#[derive(Subcommand)]
pub enum Trust {
    /// Import master lists, LDIF downloads, certificates, revocation lists, or zip archives of these.
    #[command(after_help = "Examples:\n  \
        bitaqa-pki trust import --dir anchors NL_ML_2025-07-29.ml --signer NL_ROOT_CA.cer\n  \
        bitaqa-pki trust import --dir anchors DE_ML.ml --signer-state DE\n  \
        bitaqa-pki trust import --dir anchors csca.cer --confirm 411356d2...\n\n\
        What would change is shown first; with --dry-run nothing is written. Without a signer or a confirmation the\n\
        certificates are kept and not believed, except links that a believed key signed.")]
    Import {
        /// The files, one after another.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Certificate of a list signer, or of the CSCA that certified him (DER or PEM).
        #[arg(long, value_name = "CERT")]
        signer: Vec<PathBuf>,
        /// Believe lists whose signer a believed CSCA of this country certified (two letters).
        #[arg(long, value_name = "COUNTRY")]
        signer_state: Vec<String>,
        /// SHA-256 of a certificate as it was received on another way and compared.
        #[arg(long, value_name = "FINGERPRINT")]
        confirm: Vec<String>,
        /// Who imports.
        #[arg(long, value_name = "NAME", env = "USER", default_value = "unknown")]
        by: String,
        /// Only show what would change.
        #[arg(long)]
        dry_run: bool,
        /// Where.
        #[command(flatten)]
        archive: ArchivePlace,
    },
    /// Cease to believe a key, whatever speaks for it now or later, and what is believed only through links from it.
    #[command(after_help = "Example:\n  \
        bitaqa-pki trust distrust --dir anchors 411356d2... --because 'stolen, says the State in its note 12/2026'\n\n\
        All certificates of the key are meant. Export a bundle afterwards: posts learn it from there.")]
    Distrust {
        /// SHA-256 of a certificate in the archive.
        fingerprint: String,
        /// Why.
        #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        because: String,
        /// Who says so.
        #[arg(long, value_name = "NAME", env = "USER", default_value = "unknown")]
        by: String,
        /// Where.
        #[command(flatten)]
        archive: ArchivePlace,
    },
    /// Show the certificates with their origin.
    #[command(after_help = "Example:\n  bitaqa-pki trust list --dir anchors --country ID")]
    List {
        /// Only this country (two letters).
        #[arg(long, value_name = "COUNTRY")]
        country: Option<String>,
        /// Only what is not believed.
        #[arg(long)]
        pending: bool,
        /// Where.
        #[command(flatten)]
        archive: ArchivePlace,
    },
    /// Write the believed certificates as one PEM file.
    #[command(after_help = "Example:\n  bitaqa-pki trust export --dir anchors --out anchors.pem")]
    Export {
        /// The file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Only this country (two letters).
        #[arg(long, value_name = "COUNTRY")]
        country: Option<String>,
        /// Where.
        #[command(flatten)]
        archive: ArchivePlace,
    },
    /// Judge a document signer's certificate, or the security object of a document (EF.SOD).
    #[command(after_help = "Example:\n  bitaqa-pki trust check --dir anchors EF_SOD.bin\n\n\
        Exit code 40: the signer is not trusted; the remedy says what is missing and who has it.")]
    Check {
        /// The certificate (DER or PEM) or EF.SOD.
        file: PathBuf,
        /// Defect list (TR-03129-2) whose signer a believed CSCA certified; may be given several times.
        #[arg(long, value_name = "FILE")]
        defect_list: Vec<PathBuf>,
        /// Where.
        #[command(flatten)]
        archive: ArchivePlace,
    },
}

/// Where the archive is.
#[derive(Args)]
pub struct ArchivePlace {
    /// Directory of the anchor archive.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}
