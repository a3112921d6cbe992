//! SubjectPublicKeyInfo of a chip: for Chip Authentication in DG14, for Active Authentication in DG15.

use std::fmt;

use asn1_rs::oid;
use iso7816::tlv::{Reader, Tlv, TlvError, Writer, sole};

use super::{
    BIT_STRING, ID_STANDARDIZED_DOMAIN_PARAMETERS, INTEGER, OID, SEQUENCE, SecurityInfosError, curve_name, curves,
    groups, parameter_id, put_unsigned, small, trim,
};

const ID_EC_PUBLIC_KEY: &[u8] = &oid!(raw 1.2.840.10045.2.1);
/// dhKeyAgreement of PKCS#3.
const ID_DH_KEY_AGREEMENT: &[u8] = &oid!(raw 1.2.840.113549.1.3.1);
/// dhpublicnumber of X9.42.
const ID_DH_PUBLIC_NUMBER: &[u8] = &oid!(raw 1.2.840.10046.2.1);
const ID_RSA_ENCRYPTION: &[u8] = &oid!(raw 1.2.840.113549.1.1.1);

/// A SubjectPublicKeyInfo of a chip.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKeyInfo {
    /// Standardized domain parameters of the curve or group, however the key names it; `None` for one that is not among
    /// them: then the key must not be used.
    pub parameter_id: Option<u8>,
    /// The public point, uncompressed (`04 x y`), or whatever the key's bit string holds; see [`PublicKeyInfo::element`].
    pub point: Vec<u8>,
    /// The whole SubjectPublicKeyInfo, DER.
    pub raw: Vec<u8>,
}

impl fmt::Debug for PublicKeyInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let curve = match self.parameter_id {
            Some(id) if groups::is_group(id) => "prime field",
            None if self.is_rsa() => "RSA",
            id => id.and_then(curve_name).unwrap_or("curve not known"),
        };
        write!(f, "PublicKeyInfo({curve}, {})", hex::encode(&self.point))
    }
}

impl PublicKeyInfo {
    /// A key on a standardized curve, the curve spelled out as ECParameters: the form every inspection system knows.
    /// `None` when no elliptic curve has this id.
    pub fn explicit(parameter_id: u8, point: &[u8]) -> Option<Self> {
        let parameters = curves::explicit_parameters(parameter_id)?;
        Some(Self::new(Some(parameter_id), point, ID_EC_PUBLIC_KEY, &parameters))
    }

    /// A key with standardized domain parameters, given by their id (9303-11 §9.5.1): a point, or a public number.
    pub fn standardized(parameter_id: u8, element: &[u8]) -> Self {
        let mut id = Writer::new();
        put_unsigned(&mut id, &[parameter_id]);
        let mut number = Writer::new();
        put_unsigned(&mut number, element);
        let number = number.finish();
        let content = if groups::is_group(parameter_id) { &number } else { element };
        Self::new(Some(parameter_id), content, ID_STANDARDIZED_DOMAIN_PARAMETERS, &id.finish())
    }

    /// A SubjectPublicKeyInfo (DER).
    ///
    /// # Errors
    /// When it is not exactly one.
    pub fn from_der(bytes: &[u8]) -> Result<Self, SecurityInfosError> {
        let mut reader = Reader::new(bytes);
        let key = Self::parse(&mut reader)?;
        reader.end()?;
        Ok(key)
    }

    /// What a key agreement calculates with: the point, or the public number without leading zeros, which stands in the bit
    /// string as an INTEGER (9303-11 §9.4).
    pub fn element(&self) -> &[u8] {
        match self.parameter_id.filter(|id| groups::is_group(*id)) {
            Some(_) => trim(sole(&self.point, INTEGER).unwrap_or(&self.point)),
            None => &self.point,
        }
    }

    /// An RSA key, from its RSAPublicKey (PKCS#1, DER).
    pub fn rsa(public_key: &[u8]) -> Self {
        Self::new(None, public_key, ID_RSA_ENCRYPTION, &[0x05, 0x00])
    }

    /// True for an RSA key: `point` is its RSAPublicKey.
    pub fn is_rsa(&self) -> bool {
        let algorithm = || {
            let mut fields = Reader::new(sole(&self.raw, SEQUENCE).ok()?);
            Reader::new(fields.expect(SEQUENCE).ok()?).expect(OID).ok()
        };
        algorithm() == Some(ID_RSA_ENCRYPTION)
    }

    fn new(parameter_id: Option<u8>, point: &[u8], algorithm: &[u8], parameters: &[u8]) -> Self {
        let mut writer = Writer::new();
        writer.nest(SEQUENCE, |w| {
            w.nest(SEQUENCE, |w| {
                w.put(OID, algorithm).raw(parameters);
            });
            w.put(BIT_STRING, [&[0x00], point].concat());
        });
        PublicKeyInfo { parameter_id, point: point.to_vec(), raw: writer.finish() }
    }

    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Self, SecurityInfosError> {
        let missing = TlvError::Missing { tag: SEQUENCE };
        let info = reader.next()?.ok_or(missing)?;
        let mut fields = Reader::new(sole(info.raw, SEQUENCE)?);
        let mut algorithm = Reader::new(fields.expect(SEQUENCE)?);
        let algorithm_oid = algorithm.expect(OID)?;
        let parameters = algorithm.next()?;
        algorithm.end()?;
        let [0x00, point @ ..] = fields.expect(BIT_STRING)? else { return Err(SecurityInfosError::PublicKey) };
        fields.end()?;
        if point.is_empty() {
            return Err(SecurityInfosError::PublicKey);
        }
        let parameter_id = parameters.and_then(|parameters| domain_parameters(algorithm_oid, &parameters));
        Ok(PublicKeyInfo { parameter_id, point: point.to_vec(), raw: info.raw.to_vec() })
    }
}

fn domain_parameters(algorithm: &[u8], parameters: &Tlv<'_>) -> Option<u8> {
    if algorithm == ID_STANDARDIZED_DOMAIN_PARAMETERS && parameters.tag == INTEGER {
        let id = small(parameters.value, "parameter id").ok()?;
        return (curve_name(id).is_some() || groups::is_group(id)).then_some(id);
    }
    match algorithm {
        ID_EC_PUBLIC_KEY => parameter_id(parameters.raw),
        ID_DH_KEY_AGREEMENT => groups::by_pkcs3(parameters.raw),
        ID_DH_PUBLIC_NUMBER => groups::by_x942(parameters.raw),
        _ => None,
    }
}
