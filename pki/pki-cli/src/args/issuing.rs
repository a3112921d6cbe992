//! The command line of what an authority issues beside document signers: generations, list and seal signers, lists, acts.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{KeyOptions, PassphraseSource, Place, Secret, SignerName, SignerPassphraseSource};

/// The country signing CA.
#[derive(Subcommand)]
pub enum Csca {
    /// Give the country signing CA a new key, linked from the current one.
    #[command(after_help = "Examples:\n  bitaqa-pki csca rollover --dir pki --if-within-days 90\n  \
        bitaqa-pki csca rollover --dir pki --common-name 'CSCA Utopia'\n\n\
        With --common-name the link certificate carries the change of name. The first revocation list under the new key is \
        issued too. Other states are told 90 days before (9303-12).")]
    Rollover(Rollover),
    /// Give the country signing CA a new name; it keeps its key.
    #[command(after_help = "Example:\n  bitaqa-pki csca rename --dir pki --common-name 'CSCA Utopia'\n\n\
        A new self-signed certificate, and a link certificate from the old name that carries the change of name. The first \
        revocation list under the new name is issued too. What was signed under the old name stays good: posts get both \
        certificates with the next trust bundle.")]
    Rename(Rename),
    /// Show every generation of the country signing CA.
    #[command(after_help = "Example:\n  bitaqa-pki csca show --dir pki --json")]
    Show(Place),
}

/// A new key for the country signing CA.
#[derive(Args)]
pub struct Rollover {
    /// New common name.
    #[arg(long, value_name = "NAME")]
    pub common_name: Option<String>,
    /// New organisation.
    #[arg(long, value_name = "NAME", requires = "common_name")]
    pub organization: Option<String>,
    /// New organisational unit.
    #[arg(long, value_name = "NAME", requires = "common_name")]
    pub unit: Option<String>,
    /// Do nothing unless the current key's time ends within so many days.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(0..=3650))]
    pub if_within_days: Option<i64>,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
}

/// A new name for the country signing CA.
#[derive(Args)]
pub struct Rename {
    /// New common name.
    #[arg(long, value_name = "NAME")]
    pub common_name: String,
    /// New organisation.
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// New organisational unit.
    #[arg(long, value_name = "NAME")]
    pub unit: Option<String>,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
}

/// Make the next signer when none can sign for long enough.
#[derive(Args)]
// The variant of the same name has a group of its own.
#[group(id = "ensuring")]
pub struct Ensure {
    /// So many days must be left.
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(i64).range(0..=3650))]
    pub days: i64,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// The new key.
    #[command(flatten)]
    pub key: KeyOptions,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
    /// The new key's passphrase.
    #[command(flatten)]
    pub signer_passphrase: SignerPassphraseSource,
}

/// Issue a revocation list when one is due.
#[derive(Args)]
pub struct EnsureCrl {
    /// So many days must be left to the current list.
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(i64).range(0..=89))]
    pub days: i64,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
}

/// What a signer signs.
#[derive(Clone, Copy, ValueEnum)]
pub enum Kind {
    /// Master lists.
    MasterList,
    /// Deviation lists.
    DeviationList,
    /// Digital seals.
    Seal,
    /// Residence records, for a residence office: it can sign no document.
    Residence,
}

/// Signers of lists, seals and residence records.
#[derive(Subcommand)]
pub enum Signer {
    /// Make a signer.
    #[command(after_help = "Examples:\n  bitaqa-pki signer new master-list --dir pki\n  \
        bitaqa-pki signer new seal --dir pki --name ab-0001\n  \
        bitaqa-pki signer new residence --dir pki --name office-9102\n\n\
        The name of a seal signer begins with the two letters that stand in its seals. The directory of a residence signer goes to the \
        residence office, which signs with bitaqa-pki ds residence.")]
    New {
        /// What it signs.
        kind: Kind,
        /// Name of the signer; without it mls-0001, dls-0001, ss-0001, rs-0001, ...
        #[arg(long)]
        name: Option<String>,
        /// How often the key may sign; the profile's choice when left out.
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
    /// Make the next signer when none can sign for so many more days; otherwise change nothing.
    #[command(after_help = "Example:\n  bitaqa-pki signer ensure master-list --dir pki --days 30")]
    Ensure {
        /// What it signs.
        kind: Kind,
        /// How.
        #[command(flatten)]
        ensure: Ensure,
    },
    /// Revoke a signer; issue a revocation list afterwards to publish it.
    #[command(
        after_help = "Example:\n  bitaqa-pki signer revoke seal --dir pki --name ab-0001 && bitaqa-pki crl issue --dir pki"
    )]
    Revoke {
        /// What it signs.
        kind: Kind,
        /// Name of the signer.
        #[command(flatten)]
        name: SignerName,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
}

/// Lists for other states.
#[derive(Subcommand)]
#[expect(clippy::enum_variant_names, reason = "they are the words of the command line")]
pub enum Publish {
    /// Sign a master list: this CSCA in all generations with its links, and the certificates given.
    #[command(
        after_help = "Example:\n  bitaqa-pki publish master-list --dir pki --certificate csca-dys.der csca-atl.der"
    )]
    MasterList {
        /// Certificates of other states' country signing CAs (DER or PEM).
        #[arg(long, value_name = "FILE", num_args = 1..)]
        certificate: Vec<PathBuf>,
        /// Who signs.
        #[command(flatten)]
        by: By,
    },
    /// Sign a deviation list: what is known to be wrong with documents that were issued.
    #[command(after_help = "Example:\n  bitaqa-pki publish deviation-list --dir pki --deviations batch-7.toml\n\n\
        The file:\n  [[deviation]]\n  issued = { first = \"2026-03-01\", last = \"2026-03-07\" }\n  \
        numbers = [\"A12345678\"]\n  signer = { key-id = \"00112233445566778899aabbccddeeff00112233\" }\n  \
        [[deviation.defects]]\n  kind = \"data-group-hash-wrong\"\n  data_group = 2\n  description = \"Portrait re-encoded\"\n\n\
        Kinds: certificate-or-key, signer-signature, signer-encoding, csca-encoding, \
        active-authentication-key-compromised, lds, data-group-malformed, data-group-hash-wrong, \
        security-object-signature-wrong, com-inconsistent, mrz, mrz-wrong-data, mrz-wrong-check-digit, chip.")]
    DeviationList {
        /// The deviations (TOML).
        #[arg(long, value_name = "FILE")]
        deviations: PathBuf,
        /// Who signs.
        #[command(flatten)]
        by: By,
    },
    /// Sign a defect list: what is wrong with all documents of a signer, for inspection systems (TR-03129-2).
    #[command(after_help = "Example:\n  bitaqa-pki publish defect-list --dir pki --defects ds-7.toml\n\n\
        The file:\n  [[defect]]\n  signer = { key-id = \"00112233445566778899aabbccddeeff00112233\" }\n  \
        [[defect.known]]\n  kind = \"certificate-revoked\"\n  status = 1\n\n\
        Kinds: certificate-revoked (status 0 no reason, 1 under investigation, 2 used for tests, 3 by its issuer, 4 by the \
        list's signer), certificate-replaced (replacement = DER in hexadecimal digits), chip-authentication-key-revoked, \
        active-authentication-key-revoked, data-groups-malformed (data_groups = [2]), com-differs, power-down-required, \
        signer-malformed.\n\nA deviation list signer signs.")]
    DefectList {
        /// The defects (TOML).
        #[arg(long, value_name = "FILE")]
        defects: PathBuf,
        /// Who signs.
        #[command(flatten)]
        by: By,
    },
}

/// Who signs a list.
#[derive(Args)]
pub struct By {
    /// Name of the signer; without it the newest that may sign.
    #[arg(long, value_name = "NAME")]
    pub signer: Option<String>,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// Passphrase of the signer's key.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
}

/// The record of everything that was issued.
#[derive(Subcommand)]
pub enum Acts {
    /// Show every act.
    #[command(after_help = "Example:\n  bitaqa-pki acts show --dir pki")]
    Show(Place),
    /// Check that no act was changed or removed and that everything given out is recorded; exit code 40 when not.
    #[command(after_help = "Example:\n  bitaqa-pki acts verify --dir pki --head 5f3a...\n\n\
        The head is printed by show and verify: who wrote it down elsewhere can tell that nothing before was altered.")]
    Verify {
        /// The hash of a line, written down earlier.
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
}

/// Key ceremonies.
#[derive(Subcommand)]
pub enum Ceremony {
    /// Make a custodian's own credential; prints the lines for the script.
    #[command(after_help = "Example:\n  bitaqa-pki ceremony credential --name 'Amina Hassan' --out amina.pem")]
    Credential {
        /// The custodian's name.
        #[arg(long)]
        name: String,
        /// The credential; its passphrase is the custodian's own.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Passphrase.
        #[command(flatten)]
        passphrase: Secret,
    },
    /// Lead the custodians through a script, or go on where an earlier run stopped.
    #[command(
        after_help = "Example:\n  bitaqa-pki ceremony run first-csca.toml --dir pki --transcript first-csca.txt \\\n    \
        --credential amina.pem --credential omar.pem\n\n\
        Every custodian types yes to every step. The passphrases of the credentials are asked for, or read from files given \
        with --credential-passphrase-file in the same order. pki/demo/ceremony.toml of the sources is a script to begin with; \
        steps: say, create-authority, roll-over, issue-revocation-list.\n\n\
        When the script makes the keys inside a token, --pin-file gives the PIN that the token was set up with; with shared \
        custody the token gets a new one, which nobody knows. Afterwards custodians open it for other commands:\n  \
        bitaqa-pki crl issue --dir pki --custody pki.custody.json --credential amina.pem --credential omar.pem"
    )]
    Run(Run),
    /// Replay a transcript: every signature, every step, every certificate; exit code 40 when it is not good.
    #[command(after_help = "Example:\n  bitaqa-pki ceremony verify first-csca.txt --script first-csca.toml\n\n\
        Compare the fingerprints of the custodians' keys with those on paper.")]
    Verify {
        /// The transcript.
        transcript: PathBuf,
        /// The auditor's own copy of the script.
        #[arg(long, value_name = "FILE")]
        script: Option<PathBuf>,
    },
}

/// A ceremony.
#[derive(Args)]
pub struct Run {
    /// The script (TOML).
    pub script: PathBuf,
    /// The transcript.
    #[arg(long, value_name = "FILE")]
    pub transcript: PathBuf,
    /// A custodian's credential, once for each who is present.
    #[arg(long, value_name = "FILE", required = true)]
    pub credential: Vec<PathBuf>,
    /// Read the passphrase of a credential from the first line of this file; in the order of the credentials.
    #[arg(long, value_name = "FILE")]
    pub credential_passphrase_file: Vec<PathBuf>,
    /// The vendor's PKCS#11 module, when the script names a token without it.
    #[arg(long, value_name = "MODULE")]
    pub token: Option<PathBuf>,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// Passphrase of the authority, unless the custodians share it.
    #[command(flatten)]
    pub passphrase: Secret,
}

/// Certificates for the keys of citizens.
#[derive(Subcommand)]
pub enum Citizen {
    /// Set up the citizen CA with a key of its own; one that is there stays as it is.
    #[command(after_help = "Example:\n  bitaqa-pki citizen init --dir pki")]
    Init {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// The new key.
        #[command(flatten)]
        key: KeyOptions,
        /// Make one although one was made before: it is lost, or its time is over
        #[arg(long)]
        another: bool,
        /// Passphrase of the citizen CA's key.
        #[command(flatten)]
        passphrase: PassphraseSource,
    },
    /// Certify a citizen's key; the same key, holder and purpose again give the same certificate.
    #[command(
        after_help = "Example:\n  bitaqa-pki citizen issue --dir pki --csr card.csr --purpose authentication \\\n    \
        --given-names 'Nour' --surname 'Hassan' --number UT-1234\n\n\
        The request proves that the key is the citizen's; nothing else of it is believed."
    )]
    Issue(CitizenIssue),
    /// Certify a new key for a responder to status questions (OCSP).
    #[command(after_help = "Example:\n  bitaqa-pki citizen responder --dir pki")]
    Responder {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// The new key.
        #[command(flatten)]
        key: KeyOptions,
        /// Passphrase of the citizen CA's key.
        #[command(flatten)]
        passphrase: PassphraseSource,
        /// The new key's passphrase.
        #[command(flatten)]
        signer_passphrase: SignerPassphraseSource,
    },
    /// Revoke a citizen's certificate; issue the list of its range afterwards to publish it.
    #[command(after_help = "Example:\n  bitaqa-pki citizen revoke --dir pki 0100000000a1b2c3d4e5f60718293a4b")]
    Revoke {
        /// The serial number, hexadecimal.
        serial: String,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Issue the next revocation list of one range of serial numbers, or of all.
    #[command(after_help = "Example:\n  bitaqa-pki citizen crl --dir pki")]
    Crl {
        /// Only this range.
        #[arg(long, value_name = "N")]
        range: Option<u64>,
        /// Where.
        #[command(flatten)]
        place: Place,
        /// Passphrase of the citizen CA's key.
        #[command(flatten)]
        passphrase: PassphraseSource,
    },
}

/// Certify a citizen's key.
#[derive(Args)]
pub struct CitizenIssue {
    /// The request (PKCS#10, DER or PEM).
    #[arg(long, value_name = "FILE")]
    pub csr: PathBuf,
    /// What the key is for.
    #[arg(long)]
    pub purpose: Purpose,
    /// Given names of the holder.
    #[arg(long, value_name = "NAMES")]
    pub given_names: String,
    /// Surname of the holder.
    #[arg(long, value_name = "NAME")]
    pub surname: String,
    /// A number that tells apart who has the same name.
    #[arg(long, value_name = "NUMBER")]
    pub number: String,
    /// Where.
    #[command(flatten)]
    pub place: Place,
    /// Passphrase of the citizen CA's key.
    #[command(flatten)]
    pub passphrase: PassphraseSource,
}

/// What a citizen's key is for.
#[derive(Clone, Copy, ValueEnum)]
pub enum Purpose {
    /// To show who one is.
    Authentication,
    /// To sign.
    Signature,
    /// To decrypt.
    KeyManagement,
}

impl From<Purpose> for authority::citizen_ca::Purpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Authentication => Self::Authentication,
            Purpose::Signature => Self::Signature,
            Purpose::KeyManagement => Self::KeyManagement,
        }
    }
}
