//! `pace_<suite>`: one PACE with AES-128, both ends in one thread, from MSE:Set AT to two open sessions.
//!
//! - value: `pace::open` against `ChipPace`, commands and responses as values, without a reader between them
//! - floor: the arithmetic of it through OpenSSL, with the group and the contexts kept: every multiplication (power), every point
//!   (number) read and checked, every one written, every private key drawn, at both ends
//!
//! The floor holds none of the hashes, ciphers and checksums: next to the arithmetic they are small.

use std::error::Error;

use channel::chip_auth::ChipKey;
use channel::pace::{self, ChipPace, LADDER, Mapping, Offer, PaceStep, Suite};
use channel::password::Password;
use channel::random::OsRandom;
use channel::secret::Secret;
use channel::suite::{Cipher, Curve, Group, ModpGroup};
use iso7816::{Card, Command, Response, Status, TransmitError};
use openssl::bn::{BigNum, BigNumContext};
use openssl::dh::Dh;
use openssl::ec::{EcGroup, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::rand::rand_priv_bytes;

use crate::report::Row;
use crate::turns::Turns;

const TURNS: Turns = Turns { rounds: 40, repetitions: 5 };

/// The suites measured, with their names.
const SUITES: [(&str, Mapping, Group); 6] = [
    ("pace_gm_p256", Mapping::Generic, Group::Curve(Curve::P256)),
    ("pace_gm_brainpoolp256r1", Mapping::Generic, Group::Curve(Curve::BrainpoolP256r1)),
    ("pace_gm_p384", Mapping::Generic, Group::Curve(Curve::P384)),
    ("pace_im_brainpoolp256r1", Mapping::Integrated, Group::Curve(Curve::BrainpoolP256r1)),
    ("pace_cam_brainpoolp256r1", Mapping::ChipAuthentication, Group::Curve(Curve::BrainpoolP256r1)),
    ("pace_gm_modp_2048_256", Mapping::Generic, Group::Modp(ModpGroup::Modp2048Order256)),
];

/// The rows.
pub fn rows() -> Result<Vec<Row>, Box<dyn Error>> {
    SUITES.into_iter().map(row).collect()
}

fn row((name, mapping, group): (&'static str, Mapping, Group)) -> Result<Row, Box<dyn Error>> {
    let suite = Suite { mapping, group, cipher: Cipher::Aes128 };
    let password = Password::Can(Secret::from(&b"402178"[..]));
    let mut chip = Chip::new(suite, password.clone());
    let value = || Ok(pace::open(&mut chip, &suite, &password, LADDER[0], &mut OsRandom)?);
    let medians = match group {
        Group::Curve(curve) => {
            let mut raw = RawCurve::new(curve)?;
            TURNS.measure(value, || Ok(raw.run(mapping)?))?
        }
        Group::Modp(_) => {
            let mut raw = RawModp::new()?;
            TURNS.measure(value, || Ok(raw.run()?))?
        }
    };
    Ok(Row::time(name, &medians))
}

/// A card with nothing but PACE.
struct Chip {
    suites: [Suite; 1],
    passwords: [Password; 1],
    chip_keys: Vec<ChipKey>,
    state: ChipPace,
}

impl Chip {
    fn new(suite: Suite, password: Password) -> Self {
        let private = Secret::new(vec![0x17; suite.group.private_length()]);
        let chip_keys = vec![ChipKey { key_id: None, group: suite.group, private }];
        Chip { suites: [suite], passwords: [password], chip_keys, state: ChipPace::default() }
    }

    fn answer(&mut self, command: &Command) -> Result<Response, Status> {
        if command.ins == 0x22 {
            let Chip { suites, passwords, chip_keys, state } = self;
            state.set_at(&command.data, &Offer { suites, passwords, chip_keys })?;
            return Ok(Response::ok([]));
        }
        match self.state.general_authenticate(command.cla & 0x10 != 0, &command.data, &mut OsRandom)? {
            PaceStep::Continue(data) | PaceStep::Done(data, _) => Ok(Response::ok(data)),
        }
    }
}

impl Card for Chip {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        Ok(self.answer(command).unwrap_or_else(Response::status))
    }
}

/// The arithmetic on a curve.
struct RawCurve {
    group: EcGroup,
    /// The prime.
    p: BigNum,
    width: usize,
    context: BigNumContext,
}

impl RawCurve {
    fn new(curve: Curve) -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(curve.nid())?;
        let mut context = BigNumContext::new_secure()?;
        let (mut p, mut a, mut b) = (BigNum::new()?, BigNum::new()?, BigNum::new()?);
        group.components_gfp(&mut p, &mut a, &mut b, &mut context)?;
        Ok(RawCurve { group, p, width: curve.field_length(), context })
    }

    fn run(&mut self, mapping: Mapping) -> Result<(), ErrorStack> {
        for _end in ["terminal", "chip"] {
            let generator = match mapping {
                Mapping::Integrated => self.encoded()?,
                Mapping::Generic | Mapping::ChipAuthentication => {
                    let private = self.draw(self.width)?;
                    let public = self.times_generator(&private)?;
                    let peer = self.octets(&public)?;
                    let common = self.received_times(&peer, &private)?;
                    let nonce = self.draw(16)?;
                    let product = self.times_generator(&nonce)?;
                    let mut mapped = EcPoint::new(&self.group)?;
                    mapped.add(&self.group, &product, &common, &mut self.context)?;
                    mapped
                }
            };
            let private = self.draw(self.width)?;
            let mut public = EcPoint::new(&self.group)?;
            public.mul2(&self.group, &generator, &private, &mut self.context)?;
            let peer = self.octets(&public)?;
            let shared = self.received_times(&peer, &private)?;
            self.octets(&shared)?;
        }
        Ok(())
    }

    /// What costs most in encoding bytes as a point: two inverses and a root in the field.
    fn encoded(&mut self) -> Result<EcPoint, ErrorStack> {
        let (number, mut result) = (self.draw(self.width - 1)?, BigNum::new_secure()?);
        for _ in 0..2 {
            result.mod_inverse(&number, &self.p, &mut self.context)?;
        }
        result.mod_exp(&number, &number, &self.p, &mut self.context)?;
        self.group.generator_opt().ok_or_else(ErrorStack::get)?.to_owned(&self.group)
    }

    fn draw(&self, width: usize) -> Result<BigNum, ErrorStack> {
        let (mut bytes, mut number) = (vec![0; width], BigNum::new_secure()?);
        rand_priv_bytes(&mut bytes)?;
        // Below the order of every curve.
        if let Some(first) = bytes.first_mut() {
            *first &= 0x7F;
        }
        number.copy_from_slice(&bytes)?;
        number.set_const_time();
        Ok(number)
    }

    fn times_generator(&mut self, private: &BigNum) -> Result<EcPoint, ErrorStack> {
        let mut point = EcPoint::new(&self.group)?;
        point.mul_generator2(&self.group, private, &mut self.context)?;
        Ok(point)
    }

    /// A point as it is received, times a private key.
    fn received_times(&mut self, octets: &[u8], private: &BigNum) -> Result<EcPoint, ErrorStack> {
        let peer = EcPoint::from_bytes(&self.group, octets, &mut self.context)?;
        let mut point = EcPoint::new(&self.group)?;
        point.mul2(&self.group, &peer, private, &mut self.context)?;
        Ok(point)
    }

    fn octets(&mut self, point: &EcPoint) -> Result<Vec<u8>, ErrorStack> {
        point.to_bytes(&self.group, PointConversionForm::UNCOMPRESSED, &mut self.context)
    }
}

/// The arithmetic of generic mapping in the subgroup of order 2^256.
struct RawModp {
    p: BigNum,
    q: BigNum,
    g: BigNum,
    context: BigNumContext,
}

impl RawModp {
    fn new() -> Result<Self, ErrorStack> {
        let parameters = Dh::get_2048_256()?;
        let q = parameters.prime_q().ok_or_else(ErrorStack::get)?.to_owned()?;
        let (p, g) = (parameters.prime_p().to_owned()?, parameters.generator().to_owned()?);
        Ok(RawModp { p, q, g, context: BigNumContext::new_secure()? })
    }

    fn run(&mut self) -> Result<(), ErrorStack> {
        for _end in ["terminal", "chip"] {
            let (private, nonce) = (draw(32)?, draw(16)?);
            let g = self.g.to_owned()?;
            let public = self.power(&g, &private)?;
            let common = self.received_to(&public, &private)?;
            let power = self.power(&g, &nonce)?;
            let mut generator = BigNum::new()?;
            generator.mod_mul(&power, &common, &self.p, &mut self.context)?;
            let private = draw(32)?;
            let public = self.power(&generator, &private)?;
            self.received_to(&public, &private)?;
        }
        Ok(())
    }

    fn power(&mut self, base: &BigNum, exponent: &BigNum) -> Result<BigNum, ErrorStack> {
        let mut power = BigNum::new()?;
        power.mod_exp(base, exponent, &self.p, &mut self.context)?;
        Ok(power)
    }

    /// A number as it is received, found to lie in the subgroup, to a private power.
    fn received_to(&mut self, peer: &BigNum, private: &BigNum) -> Result<BigNum, ErrorStack> {
        let q = self.q.to_owned()?;
        self.power(peer, &q)?;
        self.power(peer, private)
    }
}

fn draw(width: usize) -> Result<BigNum, ErrorStack> {
    let (mut bytes, mut number) = (vec![0; width], BigNum::new_secure()?);
    rand_priv_bytes(&mut bytes)?;
    number.copy_from_slice(&bytes)?;
    number.set_const_time();
    Ok(number)
}
