//! The keys of cards: those that blanks arrive with, and the issuer's. From files, or derived in a token.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use authority::{MasterKey, Token, TokenAddress, TokenError};
use channel::key_set::Diversification;
use channel::scp03::KeySet;
use channel::secret::Secret;
use perso::profile::{KeyDerivation, Profile};
use perso::rotation::{CardKeys, Diversified, KeysError};
use zeroize::Zeroizing;

use crate::args::Equipment;
use crate::exit;
use crate::failure::Failure;
use crate::input::{open_secret, secret_line, token_pin};

/// What a line opens chips with.
pub struct LineKeys {
    /// The keys that the blanks arrive with.
    pub blanks: Box<dyn CardKeys>,
    /// The issuer's, when the profile says that the cards get them.
    pub issuer: Option<Box<dyn CardKeys>>,
}

/// Each card's keys, derived in a token from a master key that never leaves it.
struct InToken {
    master: MasterKey,
    method: Diversification,
}

impl CardKeys for InToken {
    fn of_chip(&self, diversification: &[u8; 10]) -> Result<KeySet, KeysError> {
        self.master.card_keys(self.method, diversification).map_err(KeysError::new)
    }
}

/// For cards whose channel is never opened.
struct NoKeys;

impl CardKeys for NoKeys {
    fn of_chip(&self, _: &[u8; 10]) -> Result<KeySet, KeysError> {
        Err(KeysError::new("the cards of this profile are opened with no keys"))
    }
}

/// Where one of the two is.
#[derive(Clone, Copy)]
enum Source<'a> {
    File(&'a Path),
    Label(&'a str),
}

/// The words for one of the two.
struct Names {
    label: &'static str,
    derivation: &'static str,
}

impl LineKeys {
    /// The keys that the command line names; a token is opened once, and each master key tried before the first card.
    pub fn open(equipment: &Equipment, profile: &Profile) -> Result<Self, Failure> {
        let options = &equipment.keys;
        let mut token = None;
        let blanks = match source(options.card_keys.as_deref(), options.card_key_label.as_deref()) {
            Some(source) => {
                let derivation = options.card_derivation.unwrap_or(profile.card.key_derivation);
                let names = Names { label: "--card-key-label", derivation: "--card-derivation" };
                keys(source, derivation, &names, equipment, &mut token)?
            }
            // What is derived is derived from something: test keys in its place would be other keys than were meant.
            None if options.card_derivation.unwrap_or(profile.card.key_derivation).method().is_some() => {
                return Err(Failure::new(
                    "There is a derivation without a master key.",
                    format!(
                        "profile {} or --card-derivation says that the keys of the blanks are derived",
                        profile.name
                    ),
                    "Give --card-key-label LABEL with --token, or --card-keys FILE; or leave the derivation out.",
                    exit::USAGE,
                ));
            }
            None if profile.card.applet.is_some_and(|applet| !applet.opens_channel()) => Box::new(NoKeys),
            None => Box::new(test_keys(profile)?),
        };
        let issuer = source(options.issuer_keys.as_deref(), options.issuer_key_label.as_deref());
        let issuer = match (&profile.keys, issuer) {
            (Some(new), Some(source)) => {
                let derivation = options.issuer_derivation.unwrap_or(new.derivation);
                let names = Names { label: "--issuer-key-label", derivation: "--issuer-derivation" };
                Some(keys(source, derivation, &names, equipment, &mut token)?)
            }
            (None, None) => None,
            (Some(_), None) => {
                return Err(Failure::new(
                    "The issuer's keys are missing.",
                    format!("profile {} changes the keys of the cards", profile.name),
                    "Give --issuer-key-label LABEL with --token, or --issuer-keys FILE.",
                    exit::USAGE,
                ));
            }
            (None, Some(_)) => {
                return Err(Failure::new(
                    "The issuer's keys would not be used.",
                    format!("profile {} does not change the keys of the cards", profile.name),
                    "Leave --issuer-keys and --issuer-key-label out, or add a table [keys] to the profile.",
                    exit::USAGE,
                ));
            }
        };
        Ok(LineKeys { blanks, issuer })
    }
}

fn source<'a>(file: Option<&'a Path>, label: Option<&'a str>) -> Option<Source<'a>> {
    label.map(Source::Label).or(file.map(Source::File))
}

fn keys(
    source: Source<'_>,
    derivation: KeyDerivation,
    names: &Names,
    equipment: &Equipment,
    token: &mut Option<Arc<Token>>,
) -> Result<Box<dyn CardKeys>, Failure> {
    Ok(match (source, derivation.method()) {
        (Source::File(path), None) => Box::new(key_file(path)?),
        (Source::File(path), Some(method)) => Box::new(Diversified { method, master: master_key(path, method)? }),
        (Source::Label(label), Some(method)) => {
            let token = match token {
                Some(token) => token,
                None => token.insert(open_token(equipment)?),
            };
            Box::new(in_token(token, label, method, names)?)
        }
        (Source::Label(_), None) => {
            return Err(Failure::new(
                "The master key would not be used.",
                "the profile says that these keys are the same on every card",
                format!("Say how they are derived: {} METHOD, or the profile's value.", names.derivation),
                exit::USAGE,
            ));
        }
    })
}

fn open_token(equipment: &Equipment) -> Result<Arc<Token>, Failure> {
    let options = &equipment.keys;
    let (Some(module), Some(label)) = (&options.token, &options.token_label) else {
        // The parser asks for both.
        return Err(Failure::new("No token was named.", "", "Give --token and --token-label.", exit::USAGE));
    };
    let address = TokenAddress { module: module.clone(), label: label.clone() };
    Token::open(&address, &token_pin(equipment)?).map_err(|error| refused(&error))
}

fn in_token(token: &Arc<Token>, label: &str, method: Diversification, names: &Names) -> Result<InToken, Failure> {
    let master = MasterKey::find(token, label).map_err(|error| refused(&error))?;
    if !master.kind().serves(method) {
        return Err(Failure::new(
            "The master key cannot be used.",
            format!("no keys are derived by {} from a key of the kind {}", method.name(), master.kind()),
            format!("Give another key with {}, or another method with {}.", names.label, names.derivation),
            exit::USAGE,
        ));
    }
    let check_value = master.check_value().map_err(|error| refused(&error))?;
    tracing::info!(label, kind = %master.kind(), method = method.name(), check_value = hex::encode(check_value), "master key");
    Ok(InToken { master, method })
}

fn refused(error: &TokenError) -> Failure {
    let remedy = match error {
        TokenError::WrongPin { .. } => "Make sure of the PIN: it is not tried again, and a token locks itself.",
        TokenError::NoMaster { .. } | TokenError::SeveralMasters { .. } | TokenError::NotMaster { .. } => {
            "Check the label; `bitaqa-pki master-key show` tells what is there, `master-key new` makes one."
        }
        _ => "Check --token and --token-label, and the token with its vendor's program.",
    };
    Failure::new("The token with the master keys cannot be used.", error, remedy, exit::TRUST)
}

/// One line: the master key.
fn master_key(path: &Path, method: Diversification) -> Result<Secret, Failure> {
    let expected = match method {
        Diversification::Kdf3 => "one line is expected: the master key, 16, 24 or 32 bytes in hexadecimal",
        Diversification::Visa2 | Diversification::Emv | Diversification::Template(_) => {
            "one line is expected: the master key, 16 bytes in hexadecimal"
        }
    };
    let wrong = || no_keys(path, expected);
    let key = key_line(&mut open_secret(path)?, path, &wrong)?;
    if method.takes(key.expose().len()) { Ok(key) } else { Err(wrong()) }
}

/// Three lines: ENC, MAC, DEK.
fn key_file(path: &Path) -> Result<KeySet, Failure> {
    let wrong = || no_keys(path, "three lines are expected: ENC, MAC, DEK, each 16, 24 or 32 bytes in hexadecimal");
    let mut file = open_secret(path)?;
    let mut key = || key_line(&mut file, path, &wrong);
    let keys = KeySet { enc: key()?, mac: key()?, dek: key()? };
    let length = keys.enc.expose().len();
    let uniform = [&keys.mac, &keys.dek].iter().all(|key| key.expose().len() == length);
    if uniform { Ok(keys) } else { Err(wrong()) }
}

fn key_line(file: &mut File, path: &Path, wrong: &dyn Fn() -> Failure) -> Result<Secret, Failure> {
    let line = secret_line(file).map_err(|error| Failure::unreadable(path, &error))?;
    let digits = line.trim_ascii();
    let mut bytes = Zeroizing::new(vec![0; digits.len() / 2]);
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| wrong())?;
    if [16, 24, 32].contains(&bytes.len()) { Ok(Secret::new(std::mem::take(&mut *bytes))) } else { Err(wrong()) }
}

fn no_keys(path: &Path, expected: &str) -> Failure {
    Failure::new(format!("{} holds no keys.", path.display()), expected, "Correct the file.", exit::USAGE)
}

/// The keys that everybody knows, for cards that nobody can mistake for real ones.
fn test_keys(profile: &Profile) -> Result<KeySet, Failure> {
    if profile.document.series != ["ZZ"] {
        return Err(Failure::new(
            "The keys of the blanks are missing.",
            "the known test keys are only for profiles whose single series is ZZ",
            "Give --card-keys FILE, or --card-key-label LABEL with --token.",
            exit::USAGE,
        ));
    }
    let key = || Secret::new((0x40..=0x4F).collect());
    Ok(KeySet { enc: key(), mac: key(), dek: key() })
}
