//! The command line of trust bundles.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use trust::Pin;

use super::{PassphraseSource, Place};

/// Trust bundles.
#[derive(Subcommand)]
pub enum Bundle {
    /// Make a trust bundle for the inspection posts and sign it with the authority's own key.
    #[command(
        after_help = "Examples:\n  bitaqa-pki bundle export --dir pki --out uto.bundle --revoked-documents lost.jsonl\n  \
        bitaqa-pki bundle export --dir pki --out uto.bundle --archive anchors --crl germany.crl --maximum-age 30\n  \
        bitaqa-pki bundle export --dir pki --out uto.bundle --defect-list pki/lists/defect-list-1.dfl\n  \
        bitaqa-pki bundle export --dir pki --out uto.bundle --next-signer 5e3c... --next-signer 90aa... --next-threshold 2\n\n\
        The file of revoked documents has one JSON object a line:\n  \
        {\"number\": \"A12345678\", \"reason\": \"lost\", \"since\": \"2026-11-01\"}\n\
        A document of another state names it too: \"state\": \"D\".\n\
        Reasons: lost, stolen, withdrawn, damaged, superseded, deceased, issued-in-error.\n\n\
        Where posts demand the signatures of custodians too, these add theirs with bitaqa-pki bundle sign."
    )]
    Export(Box<Export>),
    /// Add the signatures of custodians to a bundle.
    #[command(after_help = "Examples:\n  bitaqa-pki bundle sign uto.bundle --credential amina.pem\n  \
        bitaqa-pki bundle sign uto.bundle --credential amina.pem --sha256 7ab1...\n\n\
        What bundle show says of the bundle is shown first, and signed when yes is typed at the terminal. Without a terminal, \
        the SHA-256 that bundle show prints says what was seen. The credential is made with bitaqa-pki ceremony credential.")]
    Sign {
        /// The bundle; the signatures are added to this file.
        file: PathBuf,
        /// SHA-256 of the payload that is to be signed, as bundle show prints it: nothing is asked.
        #[arg(long, value_name = "HEX", value_parser = digest)]
        sha256: Option<[u8; 32]>,
        /// A custodian's credential, once for each who signs.
        #[arg(long, value_name = "FILE", required = true)]
        credential: Vec<PathBuf>,
        /// Read the passphrase of a credential from the first line of this file; in the order of the credentials.
        #[arg(long, value_name = "FILE")]
        credential_passphrase_file: Vec<PathBuf>,
    },
    /// Show what is in a bundle or a delta and who signed it; exit code 40 when a signature fails or pins are not satisfied.
    #[command(after_help = "Examples:\n  bitaqa-pki bundle show uto.bundle\n  \
        bitaqa-pki bundle show uto.bundle --pin 5e3c... --pin 90aa... --pin c41f... --threshold 2")]
    Show {
        /// The bundle or the delta.
        file: PathBuf,
        /// Fingerprint of a signer whom a post believes; once for each.
        #[arg(long, value_name = "HEX", value_parser = fingerprint)]
        pin: Vec<Pin>,
        /// How many of them must have signed; all, when left out.
        #[arg(long, value_name = "N", requires = "pin")]
        threshold: Option<usize>,
    },
    /// Write how one bundle becomes a newer one: a small file that carries the newer one's signatures.
    #[command(after_help = "Example:\n  bitaqa-pki bundle delta uto-7.bundle uto-8.bundle --out uto-7-8.delta\n\n\
        A post that has the older bundle installs the delta as it installs a bundle, and gets exactly the newer one.")]
    Delta {
        /// The bundle that the posts have.
        old: PathBuf,
        /// The newer bundle, with all its signatures.
        new: PathBuf,
        /// The delta.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Make a trust bundle.
#[derive(Args)]
pub struct Export {
    /// The bundle; the signer's public key is written beside it as FILE.signer.pem.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// All documents that are no longer valid, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub revoked_documents: Option<PathBuf>,
    /// Put the document signers' certificates in.
    #[arg(long)]
    pub include_signers: bool,
    /// Put the believed anchors of this archive in, why they are believed, and who has those that are not believed.
    #[arg(long, value_name = "DIR")]
    pub archive: Option<PathBuf>,
    /// Revocation lists of other states (DER, PEM, LDIF or zip); those that no anchor signed are left out.
    #[arg(long, value_name = "FILE")]
    pub crl: Vec<PathBuf>,
    /// Defect list (TR-03129-2) whose signer an anchor certified; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub defect_list: Vec<PathBuf>,
    /// A code of the MRZ and the two letters that stand for it in certificates; ISO 3166-1 and 9303-3 are known.
    #[arg(long, value_name = "CODE=XX", value_parser = country)]
    pub country: Vec<(String, String)>,
    /// Days after its issue when the bundle is stale, should it not expire sooner.
    #[arg(long, value_name = "DAYS")]
    pub maximum_age: Option<u16>,
    /// Fingerprint of somebody who signs the bundles after this one; once for each. Enough of them must sign this one too.
    #[arg(long, value_name = "HEX", value_parser = fingerprint, requires = "next_threshold")]
    pub next_signer: Vec<Pin>,
    /// How many of the next signers must sign.
    #[arg(long, value_name = "N", requires = "next_signer")]
    pub next_threshold: Option<usize>,
    /// Leave out revoked documents, anchors or defect lists that the last bundle had: posts will no longer know of them.
    #[arg(long)]
    pub allow_fewer: bool,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
}

fn fingerprint(text: &str) -> Result<Pin, String> {
    Pin::from_hex(text).ok_or_else(|| "it is not 64 hexadecimal digits".to_owned())
}

fn digest(text: &str) -> Result<[u8; 32], String> {
    fingerprint(text).map(|pin| pin.0)
}

fn country(text: &str) -> Result<(String, String), String> {
    let letters = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    match text.split_once('=') {
        Some((code, country)) if letters(code, 1..=3) && letters(country, 2..=2) => {
            Ok((code.to_owned(), country.to_owned()))
        }
        _ => Err("it is not as D=DE".to_owned()),
    }
}
