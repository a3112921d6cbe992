//! The static keys of a security domain, and how a card's own come from the issuer's master key.
//!
//! Every card of a series has other keys: the maker derives them from a master key and the key diversification data that the
//! card gives in answer to INITIALIZE UPDATE. `n` is 1 for Key-ENC, 2 for Key-MAC, 3 for Key-DEK.
//!
//! ```text
//! VISA2        3DES-ECB over d[0..2] d[4..8] F0 n  d[0..2] d[4..8] 0F n
//! EMV CPS 1.1  3DES-ECB over d[4..10] F0 n  d[4..10] 0F n
//! KDF3         AES-CMAC over i 00000000+n 00 d, for i = 1, 2 as the key length asks
//! template     3DES-ECB over sixteen bytes as written: `$0` to `$9` for d, `$k` for n, two hexadecimal digits for themselves
//! ```
//!
//! VISA2 as a template is `$0 $1 $4 $5 $6 $7 F0 $k $0 $1 $4 $5 $6 $7 0F $k`.

use std::str::FromStr;

use openssl::error::ErrorStack;

use crate::block::{Cbc, ZERO_IV};
use crate::mac::Mac;
use crate::secret::Secret;
use crate::suite::Cipher;

/// The three static keys of a security domain, all of one length: AES of 16, 24 or 32 bytes, or two-key 3DES of 16.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    /// Key-ENC: session encryption keys are derived from it.
    pub enc: Secret,
    /// Key-MAC: session MAC keys are derived from it.
    pub mac: Secret,
    /// Key-DEK: enciphers keys and sensitive data.
    pub dek: Secret,
}

impl KeySet {
    /// The AES cipher that all three keys fit.
    pub(crate) fn aes(&self) -> Option<Cipher> {
        let cipher = aes_of(&self.enc)?;
        [&self.mac, &self.dek].iter().all(|key| aes_of(key) == Some(cipher)).then_some(cipher)
    }

    /// Whether all three keys fit two-key 3DES.
    pub(crate) fn fits_triple_des(&self) -> bool {
        [&self.enc, &self.mac, &self.dek].iter().all(|key| key.expose().len() == 16)
    }
}

/// AES by the length of its key.
pub(crate) fn aes_of(key: &Secret) -> Option<Cipher> {
    match key.expose().len() {
        16 => Some(Cipher::Aes128),
        24 => Some(Cipher::Aes192),
        32 => Some(Cipher::Aes256),
        _ => None,
    }
}

/// How a card's keys come from a master key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Diversification {
    /// The method of VISA's card program; 3DES keys.
    Visa2,
    /// EMV Card Personalization Specification 1.1; 3DES keys.
    Emv,
    /// SP 800-108 in counter mode with AES-CMAC; AES keys as long as the master key.
    Kdf3,
    /// A scheme of the issuer's own; 3DES keys.
    Template(Template),
}

/// Sixteen bytes made of the key diversification data, the key's number and constants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Template([Part; 16]);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// The byte of this index, 0 to 9.
    Data(u8),
    Number,
    Constant(u8),
}

/// Why a text names no method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MethodError {
    /// Neither a name nor anything like a template.
    #[error("{0:?} is no method: it is kdf3, visa2, emv, or a template of sixteen parts such as \"$0 $1 F0 $k ..\"")]
    Unknown(String),
    /// A template that is longer or shorter.
    #[error("a template has sixteen parts, this one has {0}")]
    Length(usize),
    /// A part that is nothing.
    #[error("{0:?} is no part of a template: $0 to $9, $k, or two hexadecimal digits")]
    Part(String),
    /// All three keys, or those of all cards, would be the same.
    #[error("a template without {0} would give the same keys again")]
    Constant(&'static str),
    /// 3DES with two equal halves of a key is single DES.
    #[error("a template whose second half is its first would give keys of single DES")]
    Halves,
}

impl FromStr for Template {
    type Err = MethodError;

    fn from_str(text: &str) -> Result<Self, MethodError> {
        let parts = text.split_whitespace().map(Part::from_str).collect::<Result<Vec<_>, _>>()?;
        let parts: [Part; 16] = parts.try_into().map_err(|parts: Vec<_>| MethodError::Length(parts.len()))?;
        if !parts.contains(&Part::Number) {
            return Err(MethodError::Constant("$k"));
        }
        if !parts.iter().any(|part| matches!(part, Part::Data(_))) {
            return Err(MethodError::Constant("$0 to $9"));
        }
        let (first, second) = parts.split_at(8);
        if first == second {
            return Err(MethodError::Halves);
        }
        Ok(Template(parts))
    }
}

impl FromStr for Part {
    type Err = MethodError;

    fn from_str(text: &str) -> Result<Self, MethodError> {
        let wrong = || MethodError::Part(text.to_owned());
        match text.as_bytes() {
            b"$k" => Ok(Part::Number),
            [b'$', digit @ b'0'..=b'9'] => Ok(Part::Data(digit - b'0')),
            [high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                u8::from_str_radix(text, 16).map(Part::Constant).map_err(|_| wrong())
            }
            _ => Err(wrong()),
        }
    }
}

impl FromStr for Diversification {
    type Err = MethodError;

    /// A method by its name, or a template.
    fn from_str(text: &str) -> Result<Self, MethodError> {
        if let Some(method) = Self::ALL.into_iter().find(|method| method.name() == text) {
            return Ok(method);
        }
        match text.contains(['$', ' ']) {
            true => Ok(Diversification::Template(text.parse()?)),
            false => Err(MethodError::Unknown(text.to_owned())),
        }
    }
}

/// Why no keys were derived.
#[derive(Debug, thiserror::Error)]
pub enum DiversificationError {
    /// Not a key of the method's cipher.
    #[error("a master key of {length} bytes does not fit this method of diversification")]
    KeyLength {
        /// Bytes given.
        length: usize,
    },
    /// OpenSSL failed.
    #[error("cryptography failed")]
    OpenSsl(#[from] ErrorStack),
}

impl Diversification {
    /// Every method with a name.
    pub const ALL: [Diversification; 3] = [Diversification::Visa2, Diversification::Emv, Diversification::Kdf3];

    /// Its name in profiles and on command lines.
    pub const fn name(self) -> &'static str {
        match self {
            Diversification::Visa2 => "visa2",
            Diversification::Emv => "emv",
            Diversification::Kdf3 => "kdf3",
            Diversification::Template(_) => "template",
        }
    }

    /// True when a master key of so many bytes fits: AES for KDF3, two-key 3DES for the others.
    pub const fn takes(self, length: usize) -> bool {
        match self {
            Diversification::Kdf3 => matches!(length, 16 | 24 | 32),
            Diversification::Visa2 | Diversification::Emv | Diversification::Template(_) => length == 16,
        }
    }

    /// The keys of the card with this key diversification data.
    ///
    /// # Errors
    /// When the master key does not fit the method.
    pub fn keys(self, master: &Secret, data: &[u8; 10]) -> Result<KeySet, DiversificationError> {
        let length = master.expose().len();
        let misfit = || DiversificationError::KeyLength { length };
        match self {
            Diversification::Kdf3 => {
                let mut mac = Mac::new(aes_of(master).ok_or_else(misfit)?, master)?;
                self.keys_by(length, data, |input| Ok(Secret::from(&mac.tag(&[input])?[..])))
            }
            _ if self.takes(length) => {
                let mut ecb = Cbc::encryptor(Cipher::TripleDes, master)?;
                self.keys_by(length, data, |input| {
                    let halves = input.chunks(8).map(|half| ecb.message(&ZERO_IV, half));
                    Ok(Secret::new(halves.collect::<Result<Vec<_>, _>>()?.concat()))
                })
            }
            _ => Err(misfit()),
        }
    }

    /// The same with a master key of `length` bytes that is elsewhere. `apply` does its one operation: for KDF3 the AES-CMAC of
    /// the input, 16 bytes; for the others 3DES-ECB over the input's two blocks.
    ///
    /// # Errors
    /// Those of `apply`. What it answers is not judged: a wrong answer gives keys that open no card.
    pub fn keys_by<E>(
        self,
        length: usize,
        data: &[u8; 10],
        mut apply: impl FnMut(&[u8]) -> Result<Secret, E>,
    ) -> Result<KeySet, E> {
        let mut key = |number| -> Result<Secret, E> {
            // Reserved at once: what grows leaves copies behind that nobody wipes.
            let mut key = Vec::with_capacity(32);
            for input in self.inputs(length, data, number) {
                key.extend_from_slice(apply(&input)?.expose());
            }
            key.truncate(length);
            Ok(Secret::new(key))
        };
        Ok(KeySet { enc: key(1)?, mac: key(2)?, dek: key(3)? })
    }

    /// What the master key is applied to for the key of this number, piece by piece.
    fn inputs(self, length: usize, data: &[u8; 10], number: u8) -> Vec<Vec<u8>> {
        let [d0, d1, _, _, d4, d5, d6, d7, d8, d9] = *data;
        let part = match self {
            Diversification::Visa2 => [d0, d1, d4, d5, d6, d7],
            Diversification::Emv => [d4, d5, d6, d7, d8, d9],
            Diversification::Template(Template(parts)) => {
                let byte = |part: Part| match part {
                    Part::Data(index) => data.get(usize::from(index)).copied().unwrap_or_default(),
                    Part::Number => number,
                    Part::Constant(constant) => constant,
                };
                return vec![parts.map(byte).to_vec()];
            }
            Diversification::Kdf3 => {
                let rounds = 1..=length.min(32).div_ceil(16) as u8;
                return rounds.map(|round| [&[round, 0, 0, 0, number, 0], &data[..]].concat()).collect();
            }
        };
        vec![[&part[..], &[0xF0, number], &part, &[0x0F, number]].concat()]
    }
}

#[cfg(test)]
mod tests {
    use test_vectors::{Vectors, hex_of};

    use super::*;

    #[test]
    fn diversified_keys_are_the_known_ones() {
        let vectors = Vectors::load("gp-kdf");
        let cases = vectors.list("/diversification");
        assert_eq!(cases.len(), 8);
        for case in cases {
            let method = match case["method"].as_str().unwrap() {
                "VISA2" => Diversification::Visa2,
                "EMV (CPS 1.1)" => Diversification::Emv,
                kdf3 if kdf3.starts_with("KDF3") => Diversification::Kdf3,
                other => panic!("{other}"),
            };
            let data = hex_of(&case["key_diversification_data"]).try_into().unwrap();
            let keys = method.keys(&Secret::new(hex_of(&case["master_key"])), &data).unwrap();
            for (key, name) in [(keys.enc, "key_enc"), (keys.mac, "key_mac"), (keys.dek, "key_dek")] {
                if let Some(known) = case.get(name) {
                    assert_eq!(key.expose(), hex_of(known), "{} {name}", case["method"]);
                }
            }
        }
    }

    #[test]
    fn the_known_methods_of_3des_can_be_written_as_templates() {
        let master = Secret::new((1..=16).collect());
        let data = [0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9];
        for (method, template) in [
            (Diversification::Visa2, "$0 $1 $4 $5 $6 $7 F0 $k $0 $1 $4 $5 $6 $7 0F $k"),
            (Diversification::Emv, "$4 $5 $6 $7 $8 $9 f0 $k  $4 $5 $6 $7 $8 $9 0f $k"),
        ] {
            let written: Diversification = template.parse().unwrap();
            assert!(matches!(written, Diversification::Template(_)));
            assert_eq!(written.keys(&master, &data).unwrap(), method.keys(&master, &data).unwrap());
            assert_eq!(method.name().parse(), Ok(method));
        }
    }

    #[test]
    fn what_is_no_template_is_refused_with_the_reason() {
        let refused = |text: &str| text.parse::<Diversification>().unwrap_err();
        let half = "$0 $1 $2 $3 $4 $5 F0 $k";
        assert_eq!(refused("guess"), MethodError::Unknown("guess".to_owned()));
        assert_eq!(refused(half), MethodError::Length(8));
        for part in ["$a", "$10", "F", "0xF0", "+1", "$"] {
            assert_eq!(refused(&format!("{half} $0 $1 $2 $3 $4 $5 0F {part}")), MethodError::Part(part.to_owned()));
        }
        assert_eq!(refused(&"$0 ".repeat(16)), MethodError::Constant("$k"));
        assert_eq!(refused(&"$k ".repeat(16)), MethodError::Constant("$0 to $9"));
        assert_eq!(refused(&format!("{half} {half}")), MethodError::Halves);
    }

    /// The same method in the field: the keys of a session that a real card accepted.
    #[test]
    fn visa2_gives_the_keys_of_a_known_session() {
        let vectors = Vectors::load("gp-kdf");
        let bytes = |name: &str| vectors.bytes(&format!("/scp01_visa2_session/{name}"));
        let data = bytes("key_diversification_data").try_into().unwrap();
        let keys = Diversification::Visa2.keys(&Secret::new(bytes("master_key")), &data).unwrap();
        assert_eq!(keys.enc.expose(), bytes("key_enc"));
        assert_eq!(keys.mac.expose(), bytes("key_mac"));
        assert_eq!(keys.dek.expose(), bytes("key_dek"));
    }

    #[test]
    fn master_keys_of_another_length_are_refused() {
        for (method, length) in [(Diversification::Visa2, 24), (Diversification::Emv, 8), (Diversification::Kdf3, 17)] {
            let result = method.keys(&Secret::new(vec![1; length]), &[0; 10]);
            assert!(matches!(result, Err(DiversificationError::KeyLength { length: found }) if found == length));
        }
    }
}
