//! Block ciphers in CBC mode with one key schedule per session, and ISO 9797-1 padding method 2.

use std::mem;

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
///
/// OpenSSL takes all messages for one: to set an initialisation vector costs it as much as several blocks. A message
/// begins by adding to its first block what the vector differs by from the block to which OpenSSL chains it.
pub(crate) struct Cbc {
    context: CipherCtx,
    direction: Direction,
    /// The last block of cryptogram; 3DES uses the first half.
    previous: Zeroizing<[u8; 16]>,
    /// What is added to the next block's plain side.
    difference: Zeroizing<[u8; 16]>,
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
        Ok(Cbc { context, direction, previous: Zeroizing::new(ZERO_IV), difference: Zeroizing::new(ZERO_IV) })
    }

    /// Begins a message.
    pub(crate) fn start(&mut self, iv: &[u8; 16]) {
        *self.difference = *self.previous;
        add(&mut *self.difference, iv);
    }

    /// Transforms whole blocks of the message where they stand: all of `blocks` after its first `from` bytes.
    pub(crate) fn in_place(&mut self, blocks: &mut Vec<u8>, from: usize) -> Result<(), ErrorStack> {
        let length = blocks.len();
        blocks.resize(length + self.context.block_size(), 0);
        let result = self.transform(blocks.get_mut(from..).unwrap_or_default());
        blocks.truncate(length);
        result
    }

    /// One message of whole blocks.
    pub(crate) fn message(&mut self, iv: &[u8; 16], blocks: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut out = Vec::with_capacity(blocks.len() + self.context.block_size());
        out.extend_from_slice(blocks);
        self.start(iv);
        self.in_place(&mut out, 0)?;
        Ok(out)
    }

    /// One block of its own, as in ECB; the result's first block counts, and is the initialisation vector of the
    /// blocks that follow.
    pub(crate) fn single(&mut self, block: &[u8]) -> Result<[u8; 16], ErrorStack> {
        self.start(&ZERO_IV);
        self.block(block)
    }

    /// The next block of the message; the result's first block counts.
    pub(crate) fn block(&mut self, block: &[u8]) -> Result<[u8; 16], ErrorStack> {
        let mut room = [0; 32];
        room.iter_mut().zip(block).for_each(|(to, from)| *to = *from);
        self.transform(room.get_mut(..2 * self.context.block_size()).unwrap_or_default())?;
        Ok(room.first_chunk().copied().unwrap_or_default())
    }

    /// Transforms all but the last block of `room`: OpenSSL asks for a block more than it writes.
    fn transform(&mut self, room: &mut [u8]) -> Result<(), ErrorStack> {
        let block = self.context.block_size();
        let length = room.len().saturating_sub(block);
        if !length.is_multiple_of(block) {
            // An error without a reason: OpenSSL would keep the rest back, which is no block of anything.
            return Err(ErrorStack::get());
        }
        let Some(last) = length.checked_sub(block) else { return Ok(()) };
        let difference = mem::replace(&mut self.difference, Zeroizing::new(ZERO_IV));
        match self.direction {
            Direction::Encrypt => {
                add(room, difference.get(..block).unwrap_or_default());
                self.context.cipher_update_inplace(room, length)?;
                self.keep(room.get(last..length));
            }
            Direction::Decrypt => {
                self.keep(room.get(last..length));
                self.context.cipher_update_inplace(room, length)?;
                add(room, difference.get(..block).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Remembers the last block of cryptogram.
    fn keep(&mut self, block: Option<&[u8]>) {
        self.previous.iter_mut().zip(block.unwrap_or_default()).for_each(|(to, from)| *to = *from);
    }

    /// Encrypts `plain` with its padding as the rest of the message and appends the cryptogram.
    pub(crate) fn append_padded(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), ErrorStack> {
        let (from, block) = (out.len(), self.context.block_size());
        out.reserve(plain.len() + 2 * block);
        out.extend_from_slice(plain);
        out.extend_from_slice(padding(plain.len(), block));
        self.in_place(out, from)
    }
}

/// Adds as in GF(2), as many bytes as both have.
fn add(to: &mut [u8], other: &[u8]) {
    to.iter_mut().zip(other).for_each(|(to, other)| *to ^= other);
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
    use openssl::symm;
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

    #[test]
    fn a_broken_block_is_refused_and_changes_nothing() {
        let key = Secret::new(vec![7; 16]);
        for mut cbc in [Cbc::encryptor(Cipher::Aes128, &key).unwrap(), Cbc::decryptor(Cipher::Aes128, &key).unwrap()] {
            let expected = cbc.message(&ZERO_IV, &[1; 32]).unwrap();
            assert!(cbc.message(&ZERO_IV, &[1; 31]).is_err());
            assert!(cbc.message(&[9; 16], &[]).unwrap().is_empty());
            assert_eq!(cbc.message(&ZERO_IV, &[1; 32]).unwrap(), expected);
        }
    }

    proptest! {
        /// Message after message on one key, in pieces, as OpenSSL has them one by one.
        #[test]
        fn each_message_is_that_of_openssl(
            messages in prop::collection::vec((any::<[u8; 16]>(), prop::collection::vec(any::<[u8; 16]>(), 1..5)), 1..6),
            key in prop::collection::vec(any::<u8>(), 32),
            split in 0usize..5,
        ) {
            for cipher in Cipher::ALL {
                let key = &key[..cipher.key_length()];
                let (algorithm, whole_key) = match cipher {
                    Cipher::TripleDes => (symm::Cipher::des_ede3_cbc(), [key, &key[..8]].concat()),
                    Cipher::Aes128 => (symm::Cipher::aes_128_cbc(), key.to_vec()),
                    Cipher::Aes192 => (symm::Cipher::aes_192_cbc(), key.to_vec()),
                    Cipher::Aes256 => (symm::Cipher::aes_256_cbc(), key.to_vec()),
                };
                let key = Secret::from(key);
                for mode in [symm::Mode::Encrypt, symm::Mode::Decrypt] {
                    let mut cbc = match mode {
                        symm::Mode::Encrypt => Cbc::encryptor(cipher, &key).unwrap(),
                        symm::Mode::Decrypt => Cbc::decryptor(cipher, &key).unwrap(),
                    };
                    for (iv, blocks) in &messages {
                        let blocks = blocks.concat();
                        let own_iv = &iv[..cipher.block_length()];
                        let mut crypter = symm::Crypter::new(algorithm, mode, &whole_key, Some(own_iv)).unwrap();
                        crypter.pad(false);
                        let mut expected = vec![0; blocks.len() + 16];
                        let length = crypter.update(&blocks, &mut expected).unwrap();
                        expected.truncate(length);

                        let (front, back) = blocks.split_at((split * 16).min(blocks.len()));
                        cbc.start(iv);
                        let mut found = front.to_vec();
                        cbc.in_place(&mut found, 0).unwrap();
                        let from = found.len();
                        found.extend_from_slice(back);
                        cbc.in_place(&mut found, from).unwrap();
                        prop_assert_eq!(found, expected);
                    }
                }
            }
        }

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
                encryptor.start(&iv);
                encryptor.append_padded(&plain, &mut cryptogram).unwrap();
                let padded = Cbc::decryptor(cipher, &key).unwrap().message(&iv, &cryptogram).unwrap();
                let length = unpadded_length(&padded, cipher.block_length()).unwrap();
                prop_assert_eq!(&padded[..length], &plain[..]);
            }
        }
    }
}
