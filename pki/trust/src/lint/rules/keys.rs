//! Rules about algorithms and keys (9303-12 §4.1.6, RFC 4055, RFC 5480).

use iso7816::tlv::{self, Reader};
use openssl::bn::BigNum;

use super::oids::{self, DSA, DSA_SHA1, DSA_SHA224, DSA_SHA256};
use super::{ALL, CERTIFICATES, CITIZENS, CURRENT, CURRENT_AND_RFC, EIGHTH, Kind, TRAVEL, X509, rule};
use crate::der::{self, oid};
use crate::lint::Severity::{Error, Warning};
use crate::lint::raw::{Algorithm, Common, RawCertificate};
use crate::lint::{Check, Edition, Rule};
use crate::public_key::{KeyKind, PublicKey, PublicKeyError};
use crate::signature::SignatureAlgorithm;

/// Where SHA-1 was still permitted, or is only discouraged.
const OLD: &[Edition] = &[Edition::Sixth, Edition::PkdOperator];

pub(super) const RULES: &[Rule] = &[
    rule(
        "signature-algorithm",
        "The signature algorithm is RSA (v1.5 or PSS), DSA or ECDSA",
        "9303-12 §4.1.6",
        Error,
        X509,
        ALL,
        Check::Common(signature_known),
    ),
    rule(
        "signature-hash",
        "The signature's hash is SHA-224, SHA-256, SHA-384 or SHA-512",
        "9303-12 §4.1.6.4; RFC 6194 §3",
        Error,
        X509,
        CURRENT_AND_RFC,
        Check::Common(signature_hash),
    ),
    rule(
        "signature-hash-legacy",
        "The signature's hash is not SHA-1",
        "9303-12 §4.1.6.4",
        Warning,
        X509,
        OLD,
        Check::Common(signature_hash),
    ),
    rule(
        "signature-parameters",
        "Parameters of the signature algorithm are NULL for RSA v1.5, absent for ECDSA and DSA",
        "RFC 4055 §5; RFC 5758 §3",
        Error,
        X509,
        ALL,
        Check::Common(signature_parameters),
    ),
    rule(
        "signature-pss",
        "RSASSA-PSS uses one hash for message and mask, and a salt as long as the hash",
        "RFC 4055 §3.1",
        Warning,
        X509,
        ALL,
        Check::Common(pss),
    ),
    rule(
        "key-algorithm",
        "The key is for RSA, DSA or an elliptic curve",
        "9303-12 §4.1.6",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(key_known),
    ),
    rule(
        "key-readable",
        "The key can be read and is a valid key of its kind",
        "RFC 5480 §2; RFC 8017 §3.1",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(key_readable),
    ),
    rule(
        "key-ec-explicit",
        "Elliptic curve keys state their domain parameters explicitly",
        "9303-12 §4.1.6.3",
        Error,
        TRAVEL,
        &[Edition::Sixth, Edition::Seventh, Edition::Eighth],
        Check::Certificate(ec_explicit),
    ),
    rule(
        "key-ec-cofactor",
        "Explicit domain parameters include the cofactor",
        "9303-12 §4.1.6.3",
        Error,
        TRAVEL,
        CURRENT,
        Check::Certificate(ec_cofactor),
    ),
    rule(
        "key-ec-known-curve",
        "The domain parameters, generator and cofactor included, are those of a known curve",
        "9303-12 §4.1.6.3; TR-03111 §4.1.4",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(ec_known),
    ),
    rule(
        "key-ec-uncompressed",
        "The public point and the base point are uncompressed",
        "9303-12 §4.1.6.3",
        Error,
        TRAVEL,
        CURRENT,
        Check::Certificate(ec_uncompressed),
    ),
    rule(
        "key-ec-named",
        "Elliptic curve keys name their curve",
        "RFC 5480 §2.1.1",
        Error,
        CITIZENS,
        ALL,
        Check::Certificate(ec_named),
    ),
    rule(
        "key-size",
        "Keys are long enough: a CSCA 3072 (RSA) or 256 (curve) bits, a signer 2048 or 224 bits",
        "9303-12 §4.1.6",
        Warning,
        TRAVEL,
        super::ICAO,
        Check::Certificate(key_size_travel),
    ),
    rule(
        "key-size-citizen",
        "Keys have at least 2048 (RSA) or 256 (curve) bits",
        "SP 800-57-1 §5.6.1",
        Error,
        CITIZENS,
        ALL,
        Check::Certificate(key_size_citizen),
    ),
    rule(
        "key-rsa-exponent",
        "The RSA exponent is odd and at least 65537",
        "FIPS 186-4 §B.3.1; RFC 8017 §3.1",
        Warning,
        CERTIFICATES,
        ALL,
        Check::Certificate(rsa_exponent),
    ),
    rule(
        "key-rsa-small-factors",
        "The RSA modulus has no prime factor below 1000",
        "RFC 8017 §3.1",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(rsa_small_factors),
    ),
    rule(
        "key-rsa-roca",
        "The RSA modulus was not made by the defective generator of CVE-2017-15361",
        "CVE-2017-15361",
        Error,
        CERTIFICATES,
        ALL,
        Check::Certificate(rsa_roca),
    ),
    rule(
        "seal-ecdsa",
        "A seal signer's key is on an elliptic curve",
        "9303-12 §4.1.8",
        Error,
        &[Kind::SealSigner],
        EIGHTH,
        Check::Certificate(seal_ecdsa),
    ),
];

/// Families of signature algorithms.
#[derive(PartialEq, Eq)]
pub(super) enum Family {
    Rsa,
    Pss,
    Ecdsa,
    Dsa,
}

/// The family of a signature algorithm's identifier.
pub(super) fn family(identifier: &[u8]) -> Option<Family> {
    Some(match identifier {
        oid::RSA_SHA1 | oid::RSA_SHA224 | oid::RSA_SHA256 | oid::RSA_SHA384 | oid::RSA_SHA512 => Family::Rsa,
        oid::RSASSA_PSS => Family::Pss,
        oid::ECDSA_SHA1 | oid::ECDSA_SHA224 | oid::ECDSA_SHA256 | oid::ECDSA_SHA384 | oid::ECDSA_SHA512 => {
            Family::Ecdsa
        }
        DSA_SHA1 | DSA_SHA224 | DSA_SHA256 => Family::Dsa,
        _ => return None,
    })
}

fn signature_known(common: &Common<'_>) -> Option<String> {
    family(common.outer.oid).is_none().then(|| oids::name(common.outer.oid))
}

fn signature_hash(common: &Common<'_>) -> Option<String> {
    use crate::signature::Hash::Sha1;
    let weak = matches!(common.outer.oid, oid::RSA_SHA1 | oid::ECDSA_SHA1 | DSA_SHA1)
        || matches!(
            SignatureAlgorithm::from_der(common.outer.raw, None),
            Ok(SignatureAlgorithm::RsaPss { hash: Sha1, .. })
        );
    weak.then(|| "SHA-1".to_owned())
}

fn signature_parameters(common: &Common<'_>) -> Option<String> {
    wrong_parameters(&common.outer)
}

/// What is wrong with the parameters of a signature algorithm.
pub(super) fn wrong_parameters(algorithm: &Algorithm<'_>) -> Option<String> {
    let null = algorithm.parameters.is_some_and(|any| any.tag == der::NULL && any.value.is_empty());
    match (family(algorithm.oid)?, algorithm.parameters) {
        (Family::Rsa, _) if null => None,
        (Family::Rsa, None) => Some("absent, not NULL".to_owned()),
        (Family::Ecdsa | Family::Dsa, None) => None,
        (Family::Rsa | Family::Ecdsa | Family::Dsa, Some(any)) => Some(super::hex(any.raw)),
        (Family::Pss, _) => SignatureAlgorithm::from_der(algorithm.raw, None).err().map(|error| error.to_string()),
    }
}

fn pss(common: &Common<'_>) -> Option<String> {
    let Ok(SignatureAlgorithm::RsaPss { hash, mask, salt }) = SignatureAlgorithm::from_der(common.outer.raw, None)
    else {
        return None;
    };
    let fits = hash == mask && salt == hash.length();
    (!fits).then(|| format!("hash {hash:?}, mask {mask:?}, salt of {salt} bytes"))
}

fn key_known(certificate: &RawCertificate<'_>) -> Option<String> {
    let identifier = certificate.key_algorithm.oid;
    let known = [oid::EC_PUBLIC_KEY, oid::RSA_ENCRYPTION, oid::RSASSA_PSS, DSA].contains(&identifier);
    (!known).then(|| oids::name(identifier))
}

fn key_readable(certificate: &RawCertificate<'_>) -> Option<String> {
    match PublicKey::from_spki(certificate.spki) {
        Ok(_) => None,
        // Keys of other algorithms and curves have rules of their own.
        Err(
            PublicKeyError::UnknownAlgorithm(_) | PublicKeyError::UnknownCurve(_) | PublicKeyError::ForeignParameters,
        ) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// The parameters of an elliptic curve key: tag and content.
fn ec_parameters<'a>(certificate: &RawCertificate<'a>) -> Option<tlv::Tlv<'a>> {
    certificate.key_algorithm.parameters.filter(|_| certificate.key_algorithm.oid == oid::EC_PUBLIC_KEY)
}

fn ec_explicit(certificate: &RawCertificate<'_>) -> Option<String> {
    if certificate.key_algorithm.oid != oid::EC_PUBLIC_KEY {
        return None;
    }
    match ec_parameters(certificate) {
        Some(parameters) if parameters.tag == der::SEQUENCE => None,
        Some(parameters) if parameters.tag == der::OID => Some(format!("curve named {}", oids::name(parameters.value))),
        Some(parameters) => Some(super::hex(parameters.raw)),
        None => Some("no parameters".to_owned()),
    }
}

/// The base point and the cofactor of explicit parameters.
fn explicit<'a>(certificate: &RawCertificate<'a>) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let mut reader = ec_parameters(certificate).filter(|parameters| parameters.tag == der::SEQUENCE)?.reader();
    reader.expect(der::INTEGER).ok()?;
    reader.expect(der::SEQUENCE).ok()?;
    reader.expect(der::SEQUENCE).ok()?;
    let base = reader.expect(der::OCTET_STRING).ok()?;
    reader.expect(der::INTEGER).ok()?;
    Some((base, reader.optional(der::INTEGER).ok()?))
}

fn ec_cofactor(certificate: &RawCertificate<'_>) -> Option<String> {
    let (_, cofactor) = explicit(certificate)?;
    cofactor.is_none().then(|| "no cofactor".to_owned())
}

fn ec_known(certificate: &RawCertificate<'_>) -> Option<String> {
    match PublicKey::from_spki(certificate.spki) {
        Err(error @ (PublicKeyError::UnknownCurve(_) | PublicKeyError::ForeignParameters)) => Some(error.to_string()),
        _ => None,
    }
}

fn ec_uncompressed(certificate: &RawCertificate<'_>) -> Option<String> {
    if certificate.key_algorithm.oid != oid::EC_PUBLIC_KEY {
        return None;
    }
    let point = certificate.key_bits.get(1);
    let base = explicit(certificate).and_then(|(base, _)| base.first());
    [("public point", point), ("base point", base)]
        .into_iter()
        .find(|(_, first)| first.is_some_and(|first| *first != 4))
        .map(|(which, first)| format!("{which} starts with {:02X}", first.copied().unwrap_or_default()))
}

fn ec_named(certificate: &RawCertificate<'_>) -> Option<String> {
    if certificate.key_algorithm.oid != oid::EC_PUBLIC_KEY {
        return None;
    }
    let named = ec_parameters(certificate).is_some_and(|parameters| parameters.tag == der::OID);
    (!named).then(|| "explicit parameters, or none".to_owned())
}

fn seal_ecdsa(certificate: &RawCertificate<'_>) -> Option<String> {
    (certificate.key_algorithm.oid != oid::EC_PUBLIC_KEY).then(|| oids::name(certificate.key_algorithm.oid))
}

fn key_size_travel(certificate: &RawCertificate<'_>) -> Option<String> {
    if certificate.is_authority() { too_short(certificate, 3072, 256) } else { too_short(certificate, 2048, 224) }
}

fn key_size_citizen(certificate: &RawCertificate<'_>) -> Option<String> {
    too_short(certificate, 2048, 256)
}

fn too_short(certificate: &RawCertificate<'_>, rsa: u32, curve: usize) -> Option<String> {
    let kind = PublicKey::from_spki(certificate.spki).ok()?.kind();
    let short = match kind {
        KeyKind::Rsa { bits } | KeyKind::RsaPssOnly { bits } => bits < rsa,
        KeyKind::Ec(known) => known.domain().is_ok_and(|domain| domain.n.len() * 8 < curve),
    };
    short.then(|| kind.to_string())
}

/// Modulus and exponent of an RSA key.
fn rsa(certificate: &RawCertificate<'_>) -> Option<(BigNum, BigNum)> {
    if ![oid::RSA_ENCRYPTION, oid::RSASSA_PSS].contains(&certificate.key_algorithm.oid) {
        return None;
    }
    let mut key = Reader::new(tlv::sole(certificate.key_bits.get(1..)?, der::SEQUENCE).ok()?);
    let number = |value| BigNum::from_slice(der::magnitude(value)?).ok();
    let modulus = number(key.expect(der::INTEGER).ok()?)?;
    let exponent = number(key.expect(der::INTEGER).ok()?)?;
    // The division by small primes below must stay cheap whatever the file says.
    (modulus.num_bits() <= 16_384 && modulus.num_bits() > 10).then_some((modulus, exponent))
}

fn rsa_exponent(certificate: &RawCertificate<'_>) -> Option<String> {
    let (_, exponent) = rsa(certificate)?;
    let good = exponent.is_bit_set(0) && exponent >= BigNum::from_u32(65_537).ok()?;
    (!good).then(|| if exponent.num_bits() > 64 { "even".to_owned() } else { exponent.to_string() })
}

fn rsa_small_factors(certificate: &RawCertificate<'_>) -> Option<String> {
    let (modulus, _) = rsa(certificate)?;
    let factor = (2..1000).filter(|number| is_prime(*number)).find(|prime| modulus.mod_word(*prime).ok() == Some(0))?;
    Some(format!("divisible by {factor}"))
}

/// The primes whose residues fingerprint the defective generator: every modulus it makes is a power of 65537 modulo each.
const FINGERPRINT_PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

fn rsa_roca(certificate: &RawCertificate<'_>) -> Option<String> {
    let (modulus, _) = rsa(certificate)?;
    let marked = FINGERPRINT_PRIMES.iter().all(|prime| {
        modulus
            .mod_word(*prime)
            .is_ok_and(|residue| powers(65_537 % prime, *prime).any(|power| u64::from(power) == residue))
    });
    marked.then(|| "the modulus carries the generator's fingerprint".to_owned())
}

/// 1, g, g², ... modulo a prime, once around.
fn powers(generator: u32, prime: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(1), move |power| Some(power * generator % prime)).take(prime as usize)
}

fn is_prime(number: u32) -> bool {
    (2..number).take_while(|divisor| divisor * divisor <= number).all(|divisor| !number.is_multiple_of(divisor))
}
