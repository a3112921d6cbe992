//! The keys of a chip's issuer domain: those it came with, and those it leaves with.
//!
//! ```text
//! channel under the old keys    PUT KEY: the new version beside the old one
//! channel under the new keys    DELETE: the old version, then GET DATA 00E0: it is gone
//! ```
//!
//! Each command changes the card whole or not at all, and the old keys go only after the new ones have opened a channel: at every
//! moment the card can be opened with keys that the line has. Which ones is asked of the card, never remembered.

use channel::key_set::{Diversification, KeySet};
use channel::random::Random;
use channel::scp03::Options;
use channel::secret::Secret;
use iso7816::Card;

use crate::issuer::{DialogueError, IssuerDomain, SecuredDomain};

/// Where the keys of a chip come from.
pub trait CardKeys {
    /// The keys of the chip with these key diversification data, as INITIALIZE UPDATE answers them.
    ///
    /// # Errors
    /// When they are not at hand.
    fn of_chip(&self, diversification: &[u8; 10]) -> Result<KeySet, KeysError>;
}

/// Why the keys of a chip are not at hand. The chip is as good as before.
#[derive(Debug, thiserror::Error)]
#[error("the keys of the card are not at hand: {source}")]
pub struct KeysError {
    /// What the place where they are said.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl KeysError {
    /// What the place where they are said.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        KeysError { source: source.into() }
    }
}

/// The same keys for every chip.
impl CardKeys for KeySet {
    fn of_chip(&self, _: &[u8; 10]) -> Result<KeySet, KeysError> {
        Ok(self.clone())
    }
}

/// Every chip's own keys, made from one master key that is in this process.
pub struct Diversified {
    /// How they are made.
    pub method: Diversification,
    /// The master key: AES of 16, 24 or 32 bytes for KDF3, else two-key 3DES. The keys made from it are as long.
    pub master: Secret,
}

impl CardKeys for Diversified {
    fn of_chip(&self, diversification: &[u8; 10]) -> Result<KeySet, KeysError> {
        self.method.keys(&self.master, diversification).map_err(KeysError::new)
    }
}

/// From the keys that a chip came with to the issuer's.
#[derive(Clone, Copy)]
pub struct Rotation<'a> {
    /// The version that the chip came with.
    pub from: u8,
    /// The issuer's version.
    pub to: u8,
    /// The issuer's keys.
    pub keys: &'a dyn CardKeys,
}

impl Rotation<'_> {
    /// Goes on from wherever the card stands; the channel that comes back is under the issuer's keys.
    pub(crate) fn carry_out<C: Card>(
        &self,
        mut domain: SecuredDomain<C>,
        options: Options,
        random: &mut dyn Random,
    ) -> Result<SecuredDomain<C>, DialogueError> {
        if domain.key_version() != self.to {
            let keys = self.keys.of_chip(&domain.diversification())?;
            domain.add_keys(self.to, &keys)?;
            domain = IssuerDomain::select(domain.into_card())?.open(self.to, self.keys, options, random)?;
        }
        // The maker's keys of some chips are gone by now.
        if domain.key_versions()?.contains(&self.from) {
            domain.delete_keys(self.from)?;
        }
        if self.is_done(&mut domain)? { Ok(domain) } else { Err(DialogueError::KeysRemain { version: self.from }) }
    }

    /// True when the channel is under the issuer's keys and those that the chip came with are gone.
    pub(crate) fn is_done<C: Card>(&self, domain: &mut SecuredDomain<C>) -> Result<bool, DialogueError> {
        let versions = domain.key_versions()?;
        Ok(domain.key_version() == self.to && versions.contains(&self.to) && !versions.contains(&self.from))
    }
}

#[cfg(test)]
mod tests {
    use test_vectors::{Vectors, hex_of};

    use super::*;
    use crate::profile::KeyDerivation;

    #[test]
    fn the_line_derives_the_known_keys_by_the_names_of_profiles() {
        let vectors = Vectors::load("gp-kdf");
        for case in vectors.list("/diversification") {
            let name = match case["method"].as_str().unwrap() {
                "VISA2" => "visa2",
                "EMV (CPS 1.1)" => "emv",
                _ => "kdf3",
            };
            let derivation: KeyDerivation = name.parse().unwrap();
            let master = Secret::new(hex_of(&case["master_key"]));
            let keys: Box<dyn CardKeys> = Box::new(Diversified { method: derivation.method().unwrap(), master });
            let keys = keys.of_chip(&hex_of(&case["key_diversification_data"]).try_into().unwrap()).unwrap();
            for (key, field) in [(keys.enc, "key_enc"), (keys.mac, "key_mac"), (keys.dek, "key_dek")] {
                if let Some(known) = case.get(field) {
                    assert_eq!(key.expose(), hex_of(known), "{name} {field}");
                }
            }
        }
    }
}
