//! Block ciphers in CBC mode with one key schedule per session, and ISO 9797-1 padding method 2.

use openssl::cipher::{Cipher as Algorithm, CipherRef};
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::suite::Cipher;

/// The initialisation vector of most messages; 3DES uses the first half.
pub(crate) const ZERO_IV: [u8; 16] = [0; 16];

#[derive(Clone, Copy)]
enum Direction {
    Encrypt,
    Decrypt,
}

/// One key in one direction, ready for many messages of whole blocks.
pub(crate) struct Cbc {
    context: CipherCtx,
    direction: Direction,
}

impl Cbc {
    /// Prepares encryption under `key`, which must have the length of the cipher's keys. The first message may go
    /// without [`Cbc::start`]: its initialisation vector is zero.
    pub(crate) fn encryptor(cipher: Cipher, key: &Secret) -> Result<Self, ErrorStack> {
        Cbc::with_key(cipher, key, Direction::Encrypt)
    }

    /// Prepares decryption under `key`, which must have the length of the cipher's keys.
    pub(crate) fn decryptor(cipher: Cipher, key: &Secret) -> Result<Self, ErrorStack> {
        Cbc::with_key(cipher, key, Direction::Decrypt)
    }

    /// Single DES with the first half of a two-key 3DES key.
    ///
    /// As 3DES with three equal keys, because OpenSSL 3 keeps single DES in its legacy provider.
    pub(crate) fn single_des_encryptor(key: &Secret) -> Result<Self, ErrorStack> {
        let half = key.expose().get(..8).unwrap_or_default();
        Cbc::with_algorithm(Algorithm::des_ede3_cbc(), &Secret::new(half.repeat(3)), Direction::Encrypt)
    }

    fn with_key(cipher: Cipher, key: &Secret, direction: Direction) -> Result<Self, ErrorStack> {
        match cipher {
            Cipher::TripleDes => {
                let (both, first) = (key.expose(), key.expose().get(..8).unwrap_or_default());
                Cbc::with_algorithm(Algorithm::des_ede3_cbc(), &Secret::new([both, first].concat()), direction)
            }
            Cipher::Aes128 => Cbc::with_algorithm(Algorithm::aes_128_cbc(), key, direction),
            Cipher::Aes192 => Cbc::with_algorithm(Algorithm::aes_192_cbc(), key, direction),
            Cipher::Aes256 => Cbc::with_algorithm(Algorithm::aes_256_cbc(), key, direction),
        }
    }

    fn with_algorithm(algorithm: &CipherRef, key: &Secret, direction: Direction) -> Result<Self, ErrorStack> {
        let mut context = CipherCtx::new()?;
        match direction {
            // No message is ever finalised, so OpenSSL adds no padding of its own; to forbid it would slow each start.
            Direction::Encrypt => context.encrypt_init(Some(algorithm), Some(key.expose()), Some(&ZERO_IV))?,
            Direction::Decrypt => {
                context.decrypt_init(Some(algorithm), Some(key.expose()), Some(&ZERO_IV))?;
                // Else the last block would be held back.
                context.set_padding(false);
            }
        }
        Ok(Cbc { context, direction })
    }

    /// Begins a message.
    pub(crate) fn start(&mut self, iv: &[u8; 16]) -> Result<(), ErrorStack> {
        match self.direction {
            Direction::Encrypt => self.context.encrypt_init(None, None, Some(iv)),
            Direction::Decrypt => self.context.decrypt_init(None, None, Some(iv)),
        }
    }

    /// Transforms whole blocks of the message and appends the result.
    pub(crate) fn append(&mut self, blocks: &[u8], out: &mut Vec<u8>) -> Result<(), ErrorStack> {
        self.context.cipher_update_vec(blocks, out).map(drop)
    }

    /// Transforms whole blocks where they stand.
    pub(crate) fn in_place(&mut self, blocks: &mut Vec<u8>) -> Result<(), ErrorStack> {
        let length = blocks.len();
        blocks.resize(length + self.context.block_size(), 0);
        self.context.cipher_update_inplace(blocks, length)?;
        blocks.truncate(length);
        Ok(())
    }

    /// One message of whole blocks.
    pub(crate) fn message(&mut self, iv: &[u8; 16], blocks: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut out = Vec::with_capacity(blocks.len() + self.context.block_size());
        self.start(iv)?;
        self.append(blocks, &mut out)?;
        Ok(out)
    }

    /// One block of its own, as in ECB; the result's first block counts, and is the initialisation vector of the
    /// blocks that follow.
    pub(crate) fn single(&mut self, block: &[u8]) -> Result<[u8; 16], ErrorStack> {
        self.start(&ZERO_IV)?;
        self.block(block)
    }

    /// The next block of the message; the result's first block counts.
    pub(crate) fn block(&mut self, block: &[u8]) -> Result<[u8; 16], ErrorStack> {
        let mut out = [0; 32];
        self.context.cipher_update(block, Some(&mut out))?;
        Ok(out.first_chunk().copied().unwrap_or_default())
    }

    /// Encrypts `plain` with its padding as the rest of the message and appends the cryptogram.
    pub(crate) fn append_padded(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), ErrorStack> {
        let block = self.context.block_size();
        let (whole, rest) = plain.split_at(plain.len() - plain.len() % block);
        let mut last = Zeroizing::new([0; 16]);
        let padded = rest.iter().chain(padding(rest.len(), block));
        last.iter_mut().zip(padded).for_each(|(to, from)| *to = *from);
        out.reserve(plain.len() + 2 * block);
        self.append(whole, out)?;
        self.append(last.get(..block).unwrap_or_default(), out)
    }
}

/// The padding that follows `length` bytes: `80 00 ..` up to the end of a block (9797-1 method 2).
pub(crate) fn padding(length: usize, block: usize) -> &'static [u8] {
    const PADDING: [u8; 16] = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    PADDING.get(..block - length % block).unwrap_or_default()
}

/// How long the message is without its padding; `None` when the last block has no padding.
pub(crate) fn unpadded_length(padded: &[u8], block: usize) -> Option<usize> {
    let zeros = padded.iter().rev().take(block - 1).take_while(|byte| **byte == 0).count();
    let length = padded.len().checked_sub(zeros + 1)?;
    (padded.get(length) == Some(&0x80)).then_some(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn padding_is_at_least_one_byte_and_ends_the_block() {
        assert_eq!(padding(0, 8), [0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(padding(23, 8), [0x80]);
        assert_eq!(padding(16, 16).len(), 16);
    }

    #[test]
    fn wrong_padding_is_found() {
        assert_eq!(unpadded_length(&[1, 2, 0x80, 0, 0, 0, 0, 0], 8), Some(2));
        assert_eq!(unpadded_length(&[0x80, 0, 0, 0, 0, 0, 0, 0], 8), Some(0));
        assert_eq!(unpadded_length(&[0; 8], 8), None);
        assert_eq!(unpadded_length(&[1; 8], 8), None);
        assert_eq!(unpadded_length(&[], 8), None);
        // The mark must stand in the last block.
        assert_eq!(unpadded_length(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8), None);
    }

    proptest! {
        #[test]
        fn what_is_encrypted_is_decrypted(
            plain in prop::collection::vec(any::<u8>(), 0..100),
            key in prop::collection::vec(any::<u8>(), 32),
            iv in any::<[u8; 16]>(),
        ) {
            for cipher in Cipher::ALL {
                let key = Secret::from(&key[..cipher.key_length()]);
                let mut cryptogram = Vec::new();
                let mut encryptor = Cbc::encryptor(cipher, &key).unwrap();
                encryptor.start(&iv).unwrap();
                encryptor.append_padded(&plain, &mut cryptogram).unwrap();
                let padded = Cbc::decryptor(cipher, &key).unwrap().message(&iv, &cryptogram).unwrap();
                let length = unpadded_length(&padded, cipher.block_length()).unwrap();
                prop_assert_eq!(&padded[..length], &plain[..]);
            }
        }
    }
}
