//! The pseudo-random function of integrated mapping (9303-11 §4.4.3.3.2): both nonces become more bytes than the prime has.
//!
//! ```text
//! k0 = E(t, s);  x(i) = E(k(i), c1);  k(i+1) = E(k(i), c0);  R(s, t) = x(0) || x(1) || ..
//! ```
//!
//! E is the suite's cipher in CBC mode with a zero initialisation vector; keys are the leftmost bytes of its results.

use openssl::error::ErrorStack;

use crate::block::{Cbc, ZERO_IV};
use crate::secret::Secret;
use crate::suite::{Cipher, Group};

/// The constants c0 and c1 for nonces of 128 bits.
const SHORT: [[u8; 16]; 2] = [
    0xa668_892a_7c41_e3ca_739f_40b0_57d8_5904_u128.to_be_bytes(),
    0xa4e1_36ac_725f_738b_01c1_f602_17c1_88ad_u128.to_be_bytes(),
];
/// The same for nonces of 256 bits, in halves.
const LONG: [[[u8; 16]; 2]; 2] = [
    [
        0xd463_d652_3412_4ef7_8970_5498_6dca_0a17_u128.to_be_bytes(),
        0x4e28_df75_8cba_a03f_2406_1641_4d5a_1676_u128.to_be_bytes(),
    ],
    [
        0x54bd_7255_f0aa_f831_bec3_423f_cf39_d69b_u128.to_be_bytes(),
        0x6cbf_0666_77d0_faae_5aad_d99d_f8e5_3517_u128.to_be_bytes(),
    ],
];

/// `R(s, t)`: at least 64 bits more than the prime of the group. `t` has the length of a key.
pub(super) fn pseudo_random(cipher: Cipher, group: Group, s: &Secret, t: &Secret) -> Result<Secret, ErrorStack> {
    let bits = match group {
        Group::Curve(curve) => curve.bits(),
        Group::Modp(group) => 8 * group.prime_length(),
    };
    let [c0, c1] = match s.expose().len() {
        16 => SHORT.map(|constant| constant.to_vec()),
        _ => LONG.map(|constant| constant.concat()),
    };
    let mut key = encipher(cipher, t, s.expose())?;
    let mut output = Vec::new();
    while 8 * output.len() < bits + 64 {
        output.extend_from_slice(encipher(cipher, &key, &c1)?.expose());
        key = encipher(cipher, &key, &c0)?;
    }
    Ok(Secret::new(output))
}

fn encipher(cipher: Cipher, key: &Secret, plain: &[u8]) -> Result<Secret, ErrorStack> {
    let key = Secret::from(key.expose().get(..cipher.key_length()).unwrap_or_default());
    Cbc::encryptor(cipher, &key)?.message(&ZERO_IV, plain).map(Secret::new)
}
