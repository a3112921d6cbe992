//! Message authentication: CMAC for AES (SP 800-38B) and the retail MAC for 3DES (9797-1 algorithm 3).
//!
//! Both are a CBC chain whose last block is special. The chain goes through OpenSSL's CBC in one
//! call a message, with the key schedule kept: OpenSSL 3.0's own CMAC sets the key again for each
//! message and encrypts block by block.

use openssl::error::ErrorStack;
use zeroize::Zeroizing;

use crate::block::{Cbc, ZERO_IV, padding};
use crate::secret::Secret;
use crate::suite::Cipher;

/// The MAC that belongs to a cipher, ready for many messages.
pub(crate) struct Mac {
    chain: Cbc,
    last: Last,
    /// The message, then its chain; kept to spare an allocation a message.
    buffer: Vec<u8>,
}

/// What is special about the last block.
enum Last {
    /// It goes through two-key 3DES instead of single DES.
    TripleDes(Cbc),
    /// A subkey is added to it.
    Subkeys {
        /// For a message of whole blocks.
        whole: Zeroizing<[u8; 16]>,
        /// For a message that had to be padded.
        padded: Zeroizing<[u8; 16]>,
    },
}

impl Mac {
    /// Prepares the MAC of `cipher` under `key`, which must have the length of the cipher's keys.
    pub(crate) fn new(cipher: Cipher, key: &Secret) -> Result<Self, ErrorStack> {
        let (chain, last) = match cipher {
            Cipher::TripleDes => (Cbc::single_des_encryptor(key)?, Last::TripleDes(Cbc::encryptor(cipher, key)?)),
            _ => {
                let mut chain = Cbc::encryptor(cipher, key)?;
                let whole = Zeroizing::new(doubled(chain.single(&ZERO_IV)?));
                let padded = Zeroizing::new(doubled(*whole));
                (chain, Last::Subkeys { whole, padded })
            }
        };
        Ok(Mac { chain, last, buffer: Vec::new() })
    }

    /// The whole tag of the message made of `parts`: 16 bytes for AES; 8 and then zeros for 3DES.
    ///
    /// The retail MAC takes whole blocks: its caller has padded.
    pub(crate) fn tag(&mut self, parts: &[&[u8]]) -> Result<[u8; 16], ErrorStack> {
        self.buffer.clear();
        parts.iter().for_each(|part| self.buffer.extend_from_slice(part));
        self.chain.start(&ZERO_IV);
        match &mut self.last {
            Last::TripleDes(cipher) => {
                let block = self.buffer.split_off(self.buffer.len().saturating_sub(8));
                self.chain.in_place(&mut self.buffer, 0)?;
                cipher.start(&tail(&self.buffer, 8));
                cipher.block(&block)
            }
            Last::Subkeys { whole, padded } => {
                let length = self.buffer.len();
                let is_whole = length > 0 && length.is_multiple_of(16);
                if !is_whole {
                    self.buffer.extend_from_slice(padding(length, 16));
                }
                let block = self.buffer.iter_mut().rev().zip(if is_whole { whole } else { padded }.iter().rev());
                block.for_each(|(to, subkey)| *to ^= subkey);
                self.chain.in_place(&mut self.buffer, 0)?;
                Ok(tail(&self.buffer, 16))
            }
        }
    }

    /// The first eight bytes of the tag: what travels in secure messaging, PACE tokens and SCP03.
    pub(crate) fn short_tag(&mut self, parts: &[&[u8]]) -> Result<[u8; 8], ErrorStack> {
        Ok(first_half(&self.tag(parts)?))
    }
}

/// The first eight bytes.
pub(crate) fn first_half(tag: &[u8; 16]) -> [u8; 8] {
    tag.first_chunk().copied().unwrap_or_default()
}

/// The last `length` bytes, or as many as there are, at the front of a block of zeros.
fn tail(bytes: &[u8], length: usize) -> [u8; 16] {
    let mut block = [0; 16];
    let from = bytes.len().saturating_sub(length);
    block.iter_mut().zip(bytes.iter().skip(from)).for_each(|(to, from)| *to = *from);
    block
}

/// Multiplication by x in the field of SP 800-38B §6.1.
fn doubled(block: [u8; 16]) -> [u8; 16] {
    let number = u128::from_be_bytes(block);
    let reduction = if number >> 127 == 1 { 0x87 } else { 0 };
    ((number << 1) ^ reduction).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use openssl::pkey::PKey;
    use openssl::sign::Signer;
    use openssl::symm;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn retail_mac_of_the_bac_example() {
        let vectors = test_vectors::Vectors::load("icao9303-bac");
        let key = Secret::new(vectors.bytes("/D1_key_derivation/0/k_mac"));
        let mut mac = Mac::new(Cipher::TripleDes, &key).unwrap();
        let message = vectors.bytes("/D3_authentication/e_ifd");
        let tag = mac.short_tag(&[&message, crate::block::padding(message.len(), 8)]).unwrap();
        assert_eq!(tag.to_vec(), vectors.bytes("/D3_authentication/m_ifd"));
    }

    /// One block: nothing is chained, so the tag is 3DES of it.
    #[test]
    fn retail_mac_of_one_block() {
        let key = Secret::new((1..=16).collect());
        let block = [0x55; 8];
        let expected = Cbc::encryptor(Cipher::TripleDes, &key).unwrap().message(&ZERO_IV, &block).unwrap();
        assert_eq!(Mac::new(Cipher::TripleDes, &key).unwrap().short_tag(&[&block]).unwrap(), expected[..]);
    }

    /// Project Wycheproof: a tag is ours exactly when it is valid; keys and tags of other lengths do not occur in our protocols.
    #[test]
    fn wycheproof_cmac() {
        let Some(path) = test_vectors::shared("data/wycheproof/aes_cmac_test.json") else { return };
        let root: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut count = 0;
        for group in root["testGroups"].as_array().unwrap() {
            let cipher = match group["keySize"].as_u64().unwrap() {
                128 => Cipher::Aes128,
                192 => Cipher::Aes192,
                256 => Cipher::Aes256,
                _ => continue,
            };
            assert_eq!(group["tagSize"], 128);
            for test in group["tests"].as_array().unwrap() {
                let mut mac = Mac::new(cipher, &Secret::new(test_vectors::hex_of(&test["key"]))).unwrap();
                let tag = mac.tag(&[&test_vectors::hex_of(&test["msg"])]).unwrap();
                let same = tag[..] == test_vectors::hex_of(&test["tag"]);
                assert_eq!(same, test["result"] == "valid", "{}: {}", test["tcId"], test["comment"]);
                count += 1;
            }
        }
        assert!(count > 280, "{count}");
    }

    proptest! {
        #[test]
        fn cmac_is_that_of_openssl(
            message in prop::collection::vec(any::<u8>(), 0..100),
            split in any::<prop::sample::Index>(),
            key in prop::collection::vec(any::<u8>(), 32),
        ) {
            let ciphers = [
                (Cipher::Aes128, symm::Cipher::aes_128_cbc()),
                (Cipher::Aes192, symm::Cipher::aes_192_cbc()),
                (Cipher::Aes256, symm::Cipher::aes_256_cbc()),
            ];
            for (cipher, algorithm) in ciphers {
                let key = &key[..cipher.key_length()];
                let reference = PKey::cmac(&algorithm, key).unwrap();
                let expected = Signer::new_without_digest(&reference).unwrap().sign_oneshot_to_vec(&message).unwrap();
                let (front, back) = message.split_at(split.index(message.len() + 1));
                let mut mac = Mac::new(cipher, &Secret::from(key)).unwrap();
                for _ in 0..2 {
                    prop_assert_eq!(mac.tag(&[front, back]).unwrap().to_vec(), expected.clone());
                }
            }
        }
    }
}
