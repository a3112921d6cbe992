//! What opens a chip: printed on the card (machine readable zone, card access number) or known to its holder (PIN, PUK).

mod tries;

use openssl::sha;

use crate::secret::Secret;

pub use tries::{Standing, Tries};

/// A password for PACE (9303-11 §4.4.4.1).
#[derive(Clone, Debug)]
pub enum Password {
    /// From the machine readable zone.
    Mrz(MrzKey),
    /// The card access number: its digits as ASCII.
    Can(Secret),
    /// The holder's PIN: its characters as ASCII. Its tries are counted by [`Tries`].
    Pin(Secret),
    /// The PIN unblock key.
    Puk(Secret),
}

impl Password {
    /// The number which names the kind of password in MSE:Set AT: 1 MRZ, 2 CAN, 3 PIN, 4 PUK (9303-11 §4.4.4.1,
    /// TR-03110-3 §B.11.1).
    pub const fn reference(&self) -> u8 {
        match self {
            Password::Mrz(_) => 0x01,
            Password::Can(_) => 0x02,
            Password::Pin(_) => 0x03,
            Password::Puk(_) => 0x04,
        }
    }

    /// The octets `K` that the password's key is derived from (9303-11 §9.7.3).
    pub(crate) fn octets(&self) -> &[u8] {
        match self {
            Password::Mrz(key) => key.sha1.expose(),
            Password::Can(characters) | Password::Pin(characters) | Password::Puk(characters) => characters.expose(),
        }
    }
}

/// The SHA-1 of the MRZ_information: the seed of BAC and, whole, the PACE password of the MRZ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MrzKey {
    sha1: Secret,
}

impl MrzKey {
    /// From MRZ_information: document number, date of birth and date of expiry, each with its check digit
    /// (9303-11 §9.7.2, for example `L898902C<369080619406236`).
    pub fn from_information(information: &str) -> Self {
        MrzKey { sha1: Secret::new(sha::sha1(information.as_bytes()).to_vec()) }
    }

    /// The 16 bytes that the BAC keys are derived from.
    pub(crate) fn seed(&self) -> &[u8] {
        self.sha1.expose().get(..16).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use test_vectors::{Vectors, hex_of};

    use super::*;

    #[test]
    fn seeds_of_the_bac_example() {
        let vectors = Vectors::load("icao9303-bac");
        let cases = vectors.value("/D2_key_seed").as_array().unwrap();
        assert_eq!(cases.len(), 4);
        for case in cases {
            let key = MrzKey::from_information(case["mrz_information"].as_str().unwrap());
            assert_eq!(key.seed(), hex_of(&case["k_seed"]));
        }
    }

    #[test]
    fn password_of_the_pace_example() {
        let vectors = Vectors::load("icao9303-pace-gm-ecdh");
        let password = Password::Mrz(MrzKey::from_information(vectors.text("/mrz_information")));
        assert_eq!(password.octets(), vectors.bytes("/k"));
        assert_eq!(password.reference(), 1);
        assert_eq!(Password::Can(Secret::new(b"123456".to_vec())).octets(), b"123456");
    }

    #[test]
    fn debug_shows_no_password() {
        let shown = format!("{:?}", Password::Can(Secret::new(b"271828".to_vec())));
        assert_eq!(shown, "Can(Secret)");
    }
}
