//! The command line of master keys of cards.

use std::path::PathBuf;

use authority::{MasterKind, TokenAddress};
use clap::{Args, Subcommand};

use super::Secret;

/// Master keys of cards.
#[derive(Subcommand)]
pub enum MasterKey {
    /// Make a master key inside a token: the issuer's, from which the keys of every card are derived.
    #[command(
        after_help = "Example:\n  bitaqa-pki master-key new --token /usr/lib/softhsm/libsofthsm2.so --token-label national --label issuer-2026\n\n\
        The key never leaves the token, so a backup of the token, after its vendor's manual, is the only one there is: without it \
        no card of this key can ever be written again."
    )]
    New(NewMasterKey),
    /// Put a master key of somebody else into a token: that of the maker of blanks.
    #[command(
        after_help = "Example:\n  bitaqa-pki master-key import --token /usr/lib/softhsm/libsofthsm2.so --token-label national \\\n    \
        --label transport-2026 --component one.txt --component two.txt --check-value 8A1F03C95E\n\n\
        Each component is one line of hexadecimal digits, as long as the key; the key is their exclusive or. Destroy the files."
    )]
    Import {
        /// The key.
        #[command(flatten)]
        key: NewMasterKey,
        /// File with one component of the key; once for each.
        #[arg(long, value_name = "FILE", required = true)]
        component: Vec<PathBuf>,
        /// The check value that came with the key, hexadecimal; another one refuses the key.
        #[arg(long, value_name = "HEX")]
        check_value: Option<String>,
    },
    /// Show a master key's check value.
    #[command(
        after_help = "Example:\n  bitaqa-pki master-key show --token /usr/lib/softhsm/libsofthsm2.so --token-label national --label issuer-2026"
    )]
    Show {
        /// Where.
        #[command(flatten)]
        place: MasterKeyPlace,
    },
}

/// Where a master key is.
#[derive(Args)]
pub struct MasterKeyPlace {
    /// The vendor's PKCS#11 module.
    #[arg(long, value_name = "MODULE")]
    pub token: PathBuf,
    /// Label of the token.
    #[arg(long, value_name = "LABEL")]
    pub token_label: String,
    /// Label of the key.
    #[arg(long, value_name = "LABEL", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub label: String,
    /// PIN of the token.
    #[command(flatten)]
    pub pin: Secret,
}

impl MasterKeyPlace {
    /// The token.
    pub fn address(&self) -> TokenAddress {
        TokenAddress { module: self.token.clone(), label: self.token_label.clone() }
    }
}

/// A master key to be.
#[derive(Args)]
pub struct NewMasterKey {
    /// Where.
    #[command(flatten)]
    pub place: MasterKeyPlace,
    /// What it is: aes-128, aes-192 or aes-256 for KDF3, 3des for VISA2 and EMV.
    #[arg(long, default_value = "aes-256", value_parser = kind)]
    pub kind: MasterKind,
}

fn kind(name: &str) -> Result<MasterKind, String> {
    let names = || MasterKind::ALL.map(|kind| kind.to_string()).join(", ");
    MasterKind::ALL
        .into_iter()
        .find(|kind| kind.to_string() == name)
        .ok_or_else(|| format!("it is none of: {}", names()))
}
