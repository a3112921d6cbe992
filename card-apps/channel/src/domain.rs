//! Elliptic curve domain parameters as numbers: compared with the known curves, never calculated with.

use std::sync::LazyLock;

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::PointConversionForm;
use openssl::error::ErrorStack;

use crate::curve::group;
use crate::suite::Curve;

/// The numbers of a curve over a prime field, big endian.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DomainParameters {
    /// The prime.
    pub p: Vec<u8>,
    /// First coefficient, as wide as `p`.
    pub a: Vec<u8>,
    /// Second coefficient, as wide as `p`.
    pub b: Vec<u8>,
    /// The base point, uncompressed (`04 x y`).
    pub generator: Vec<u8>,
    /// The order of the base point.
    pub n: Vec<u8>,
    /// The cofactor.
    pub h: Vec<u8>,
}

impl Curve {
    /// The domain parameters as numbers.
    ///
    /// # Errors
    /// When OpenSSL was built without the curve.
    pub fn domain(self) -> Result<DomainParameters, ErrorStack> {
        let group = group(self)?;
        let mut context = BigNumContext::new()?;
        let (mut p, mut a, mut b) = (BigNum::new()?, BigNum::new()?, BigNum::new()?);
        group.components_gfp(&mut p, &mut a, &mut b, &mut context)?;
        let (mut n, mut h) = (BigNum::new()?, BigNum::new()?);
        group.order(&mut n, &mut context)?;
        group.cofactor(&mut h, &mut context)?;
        let generator = match group.generator_opt() {
            Some(point) => point.to_bytes(group, PointConversionForm::UNCOMPRESSED, &mut context)?,
            None => Vec::new(),
        };
        let width = p.num_bytes();
        Ok(DomainParameters {
            a: a.to_vec_padded(width)?,
            b: b.to_vec_padded(width)?,
            p: p.to_vec(),
            generator,
            n: n.to_vec(),
            h: h.to_vec(),
        })
    }
}

impl DomainParameters {
    /// The curve that has exactly these numbers.
    pub fn known_curve(&self) -> Option<Curve> {
        KNOWN_CURVES.iter().find(|(_, known)| known.same(self)).map(|(curve, _)| *curve)
    }

    /// Whether the given numbers are these; `self` is as OpenSSL writes it.
    fn same(&self, given: &DomainParameters) -> bool {
        self.p == unpadded(&given.p)
            && unpadded(&self.a) == unpadded(&given.a)
            && unpadded(&self.b) == unpadded(&given.b)
            && same_point(&self.generator, &given.generator)
            && self.n == unpadded(&given.n)
            && self.h == unpadded(&given.h)
    }
}

/// The numbers of every curve that OpenSSL has, computed once.
static KNOWN_CURVES: LazyLock<Vec<(Curve, DomainParameters)>> =
    LazyLock::new(|| Curve::ALL.into_iter().filter_map(|curve| Some((curve, curve.domain().ok()?))).collect());

/// Field elements of some issuers lack their leading zeros.
fn unpadded(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// The known uncompressed point in either encoding.
fn same_point(known: &[u8], given: &[u8]) -> bool {
    let (Some(x), Some(last)) = (known.get(1..known.len() / 2 + 1), known.last()) else { return false };
    known == given || (given.split_first() == Some((&(2 | (last & 1)), x)))
}
