//! The key derivation function of travel documents (9303-11 §9.7.1): `H(K || counter)`, cut to the key length.

use openssl::sha;

use crate::secret::Secret;
use crate::suite::Cipher;

/// What a derived key is for; the number is the counter.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Encryption = 1,
    Mac = 2,
    Password = 3,
}

/// Derives the key of `cipher` for `purpose` from the shared secret or password key `k`.
///
/// SHA-1 for 3DES and AES-128, SHA-256 for longer keys; 3DES keys get odd parity.
pub(crate) fn derive(k: &[u8], cipher: Cipher, purpose: Purpose) -> Secret {
    let mut input = k.to_vec();
    input.extend((purpose as u32).to_be_bytes());
    let input = Secret::new(input);
    let mut key = match cipher {
        Cipher::TripleDes | Cipher::Aes128 => sha::sha1(input.expose()).to_vec(),
        Cipher::Aes192 | Cipher::Aes256 => sha::sha256(input.expose()).to_vec(),
    };
    key.truncate(cipher.key_length());
    if cipher == Cipher::TripleDes {
        key.iter_mut().for_each(|byte| *byte = odd_parity(*byte));
    }
    Secret::new(key)
}

/// The byte with its lowest bit set so that the number of ones is odd (DES keys).
fn odd_parity(byte: u8) -> u8 {
    let key_bits = byte & 0xFE;
    key_bits | (key_bits.count_ones() as u8 & 1 ^ 1)
}

#[cfg(test)]
mod tests {
    use test_vectors::{Vectors, hex_of};

    use super::*;

    #[test]
    fn keys_of_the_bac_example() {
        let vectors = Vectors::load("icao9303-bac");
        let seed = vectors.bytes("/D1_key_derivation/0/k_seed");
        for (purpose, name) in [(Purpose::Encryption, "k_enc"), (Purpose::Mac, "k_mac")] {
            let key = derive(&seed, Cipher::TripleDes, purpose);
            assert_eq!(key.expose(), vectors.bytes(&format!("/D1_key_derivation/0/{name}")));
        }
    }

    #[test]
    fn keys_of_the_pace_example() {
        let vectors = Vectors::load("icao9303-pace-gm-ecdh");
        let k = vectors.bytes("/key_agreement/shared_secret_k");
        assert_eq!(derive(&k, Cipher::Aes128, Purpose::Encryption).expose(), vectors.bytes("/ks_enc"));
        assert_eq!(derive(&k, Cipher::Aes128, Purpose::Mac).expose(), vectors.bytes("/ks_mac"));
        assert_eq!(derive(&vectors.bytes("/k"), Cipher::Aes128, Purpose::Password).expose(), vectors.bytes("/k_pi"));
    }

    #[test]
    fn long_keys_come_from_sha256() {
        let vectors = Vectors::load("icao9303-kdf-aes");
        for (case, cipher) in vectors.list("/cases").iter().zip([Cipher::Aes192, Cipher::Aes256]) {
            let key = derive(&hex_of(&case["k"]), cipher, Purpose::Password);
            assert_eq!(key.expose(), hex_of(&case["derived_key"]));
        }
    }
}
