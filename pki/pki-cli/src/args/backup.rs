//! The command line of backups.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Place;

/// Write everything of an authority into one file.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  \
    bitaqa-pki backup --dir pki --out pki-2026-11-22.backup\n  bitaqa-pki backup verify pki-2026-11-22.backup\n\n\
    Keys stay encrypted as they are: keep their passphrases elsewhere. Keys in tokens are not in it; the tokens need backups of \
    their own, after their vendor's manual."
)]
pub struct Backup {
    /// What else.
    #[command(subcommand)]
    pub command: Option<BackupCommand>,
    /// Directory of the authority.
    #[arg(long, value_name = "DIR", required = true)]
    pub dir: Option<PathBuf>,
    /// The backup; one that exists is never overwritten.
    #[arg(long, value_name = "FILE", required = true)]
    pub out: Option<PathBuf>,
}

/// What else is done with backups.
#[derive(Subcommand)]
pub enum BackupCommand {
    /// Read all of a backup and say what is in it; exit code 40 when it is damaged.
    #[command(after_help = "Example:\n  bitaqa-pki backup verify pki-2026-11-22.backup")]
    Verify {
        /// The backup.
        file: PathBuf,
    },
}

/// Put a backup into an empty place.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  bitaqa-pki restore pki-2026-11-22.backup --dir pki --crl newest-published.crl\n  \
    bitaqa-pki restore pki-2026-11-22.backup --dir pki --nothing-since\n\n\
    A backup does not know what was issued or revoked after it was made. Give the newest revocation list that was published: what \
    is revoked on it stays revoked. Numbers of lists and bundles jump ahead, so that none is used twice, and signers whose uses are \
    counted count as used up: make new ones. --nothing-since is for who is sure that nothing was issued, revoked or signed."
)]
pub struct Restore {
    /// The backup.
    pub file: PathBuf,
    /// The newest revocation list of the CSCA that was published (DER).
    #[arg(long, value_name = "FILE", conflicts_with = "nothing_since")]
    pub crl: Option<PathBuf>,
    /// Nothing was issued, revoked or signed after the backup was made: everything may be as it was.
    #[arg(long)]
    pub nothing_since: bool,
    /// Where: a directory that is empty or does not exist yet.
    #[command(flatten)]
    pub place: Place,
}
