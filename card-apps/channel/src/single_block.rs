//! One block under a key of its own: what the management key of a PIV card does (SP 800-73-4 part 2 appendix A).

use openssl::error::ErrorStack;
use openssl::symm::{Cipher, Crypter, Mode};

use crate::secret::Secret;

/// Whose block it is. Keys of 24 bytes belong to both.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BlockCipher {
    /// Triple DES with three keys: 24 bytes, blocks of 8.
    TripleDes,
    /// AES with a key of 16, 24 or 32 bytes, blocks of 16.
    Aes,
}

impl BlockCipher {
    /// Enciphers whole blocks, each for itself.
    ///
    /// # Errors
    /// For a key or data of another length, and when OpenSSL fails.
    pub fn encipher(self, key: &Secret, blocks: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        self.run(key, blocks, Mode::Encrypt)
    }

    /// Deciphers whole blocks, each for itself.
    ///
    /// # Errors
    /// For a key or data of another length, and when OpenSSL fails.
    pub fn decipher(self, key: &Secret, blocks: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        self.run(key, blocks, Mode::Decrypt)
    }

    fn run(self, key: &Secret, blocks: &[u8], mode: Mode) -> Result<Vec<u8>, ErrorStack> {
        let cipher = match (self, key.expose().len()) {
            (BlockCipher::TripleDes, 24) => Cipher::des_ede3_ecb(),
            (BlockCipher::Aes, 16) => Cipher::aes_128_ecb(),
            (BlockCipher::Aes, 24) => Cipher::aes_192_ecb(),
            (BlockCipher::Aes, 32) => Cipher::aes_256_ecb(),
            // An error without a reason: callers say no more than that it cannot be done.
            _ => return Err(ErrorStack::get()),
        };
        let mut crypter = Crypter::new(cipher, mode, key.expose(), None)?;
        crypter.pad(false);
        let mut out = vec![0; blocks.len() + cipher.block_size()];
        let length = crypter.update(blocks, &mut out)?;
        // Fails for a block that is not whole.
        let rest = crypter.finalize(out.get_mut(length..).unwrap_or_default())?;
        out.truncate(length + rest);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // FIPS 197 appendix C.1; SP 800-67 (NIST SP 800-20 style: three equal keys are single DES, FIPS 81's first example).
        let key = Secret::new((0..16).collect());
        let plain = hex::decode("00112233445566778899aabbccddeeff").unwrap();
        let cryptogram = BlockCipher::Aes.encipher(&key, &plain).unwrap();
        assert_eq!(hex::encode(&cryptogram), "69c4e0d86a7b0430d8cdb78070b4c55a");
        assert_eq!(BlockCipher::Aes.decipher(&key, &cryptogram).unwrap(), plain);
        let key = Secret::new(hex::decode("0123456789abcdef").unwrap().repeat(3));
        let cryptogram = BlockCipher::TripleDes.encipher(&key, b"Now is t").unwrap();
        assert_eq!(hex::encode(&cryptogram), "3fa40e8a984d4815");
        assert_eq!(BlockCipher::TripleDes.decipher(&key, &cryptogram).unwrap(), b"Now is t");
    }

    #[test]
    fn other_lengths_are_errors() {
        let key = Secret::new(vec![7; 24]);
        for bad in [1, 7, 9, 15] {
            assert!(BlockCipher::TripleDes.encipher(&key, &vec![0; bad]).is_err(), "{bad}");
            assert!(BlockCipher::Aes.encipher(&key, &vec![0; bad]).is_err(), "{bad}");
        }
        assert!(BlockCipher::TripleDes.encipher(&Secret::new(vec![7; 16]), &[0; 8]).is_err());
        assert!(BlockCipher::Aes.encipher(&Secret::new(vec![7; 8]), &[0; 16]).is_err());
    }
}
