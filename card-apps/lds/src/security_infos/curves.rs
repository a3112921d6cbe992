//! The elliptic curves of the standardized domain parameters (9303-11 §9.5.1, table 3): ids 8 to 18.
//!
//! Each stands here once, as ECParameters (SEC 1 §C.2, RFC 3279 §2.3.5) without seed, generator uncompressed; explicit
//! parameters in a document are recognised only when they are equal to one of these, field by field.

use iso7816::tlv::{Reader, TlvError, sole};

use super::{BIT_STRING, INTEGER, OCTET_STRING, OID, SEQUENCE, trim};
use asn1_rs::oid;

const ID_PRIME_FIELD: &[u8] = &oid!(raw 1.2.840.10045.1.1);

/// One curve.
struct KnownCurve {
    /// Id of the standardized domain parameters.
    id: u8,
    /// Name as the standards print it.
    name: &'static str,
    /// Object identifier of the named curve, content octets in hex.
    oid: &'static str,
    /// ECParameters, DER in hex.
    parameters: &'static str,
}

/// The name of a standardized curve: `brainpoolP256r1`.
pub fn curve_name(parameter_id: u8) -> Option<&'static str> {
    CURVES.iter().find(|curve| curve.id == parameter_id).map(|curve| curve.name)
}

/// The ECParameters of a standardized curve, spelled out, DER.
pub(super) fn explicit_parameters(id: u8) -> Option<Vec<u8>> {
    let curve = CURVES.iter().find(|curve| curve.id == id)?;
    hex::decode(curve.parameters).ok()
}

/// The id of the standardized curve that ECParameters (a named curve or explicit ones, DER) stand for. Explicit
/// parameters must equal a known curve in every field; others are never accepted, however alike.
pub fn parameter_id(ec_parameters: &[u8]) -> Option<u8> {
    let mut reader = Reader::new(ec_parameters);
    let parameters = reader.next().ok()??;
    reader.end().ok()?;
    match parameters.tag {
        OID => {
            let named = hex::encode(parameters.value);
            CURVES.iter().find(|curve| curve.oid == named).map(|curve| curve.id)
        }
        SEQUENCE => {
            let explicit = Explicit::parse(parameters.value).ok()?;
            let equal = |curve: &&KnownCurve| {
                let known = hex::decode(curve.parameters).unwrap_or_default();
                let known = sole(&known, SEQUENCE).ok().and_then(|value| Explicit::parse(value).ok());
                known.is_some_and(|known| explicit.is(&known))
            };
            CURVES.iter().find(equal).map(|curve| curve.id)
        }
        _ => None,
    }
}

/// ```text
/// ECParameters ::= SEQUENCE {
///     version  INTEGER,
///     fieldID  SEQUENCE { prime-field OBJECT IDENTIFIER, prime INTEGER },
///     curve    SEQUENCE { a OCTET STRING, b OCTET STRING, seed BIT STRING OPTIONAL },
///     base     OCTET STRING,
///     order    INTEGER,
///     cofactor INTEGER OPTIONAL }
/// ```
struct Explicit<'a> {
    prime: &'a [u8],
    a: &'a [u8],
    b: &'a [u8],
    base: &'a [u8],
    order: &'a [u8],
    cofactor: Option<&'a [u8]>,
}

impl<'a> Explicit<'a> {
    fn parse(value: &'a [u8]) -> Result<Self, TlvError> {
        let mut reader = Reader::new(value);
        reader.expect(INTEGER)?;
        let mut field = Reader::new(reader.expect(SEQUENCE)?);
        let field_type = field.expect(OID)?;
        let prime = trim(field.expect(INTEGER)?);
        field.end()?;
        let mut curve = Reader::new(reader.expect(SEQUENCE)?);
        let a = trim(curve.expect(OCTET_STRING)?);
        let b = trim(curve.expect(OCTET_STRING)?);
        // The seed says where a curve came from; it does not change the curve.
        curve.optional(BIT_STRING)?;
        curve.end()?;
        let base = reader.expect(OCTET_STRING)?;
        let order = trim(reader.expect(INTEGER)?);
        let cofactor = reader.optional(INTEGER)?.map(trim);
        reader.end()?;
        let prime = if field_type == ID_PRIME_FIELD { prime } else { &[] };
        Ok(Explicit { prime, a, b, base, order, cofactor })
    }

    /// `known` has its generator uncompressed and its cofactor.
    fn is(&self, known: &Explicit<'_>) -> bool {
        let cofactor = self.cofactor.is_none() || self.cofactor == known.cofactor;
        let numbers = [self.prime, self.a, self.b, self.order] == [known.prime, known.a, known.b, known.order];
        cofactor && numbers && self.has_base(known.base)
    }

    fn has_base(&self, known: &[u8]) -> bool {
        if self.base == known {
            return true;
        }
        let Some((_, coordinates)) = known.split_first() else { return false };
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        let sign = 0x02 | (y.last().copied().unwrap_or_default() & 1);
        self.base.split_first() == Some((&sign, x))
    }
}

/// The curves, ascending by id.
const CURVES: &[KnownCurve] = &[
    KnownCurve {
        id: 8,
        name: "secp192r1",
        oid: "2a8648ce3d030101",
        parameters: concat!(
            "3081b0020101302406072a8648ce3d0101021900fffffffffffffffffffffffffffffffeffffffffffffffff30340418",
            "fffffffffffffffffffffffffffffffefffffffffffffffc041864210519e59c80e70fa7e9ab72243049feb8deecc146",
            "b9b1043104188da80eb03090f67cbf20eb43a18800f4ff0afd82ff101207192b95ffc8da78631011ed6b24cdd573f977",
            "a11e794811021900ffffffffffffffffffffffff99def836146bc9b1b4d22831020101",
        ),
    },
    KnownCurve {
        id: 9,
        name: "brainpoolP192r1",
        oid: "2b2403030208010103",
        parameters: concat!(
            "3081b0020101302406072a8648ce3d0101021900c302f41d932a36cda7a3463093d18db78fce476de1a8629730340418",
            "6a91174076b1e0e19c39c031fe8685c1cae040e5c69a28ef0418469a28ef7c28cca3dc721d044f4496bcca7ef4146fbf",
            "25c9043104c0a0647eaab6a48753b033c56cb0f0900a2f5c4853375fd614b690866abd5bb88b5f4828c1490002e6773f",
            "a2fa299b8f021900c302f41d932a36cda7a3462f9e9e916b5be8f1029ac4acc1020101",
        ),
    },
    KnownCurve {
        id: 10,
        name: "secp224r1",
        oid: "2b81040021",
        parameters: concat!(
            "3081c8020101302806072a8648ce3d0101021d00ffffffffffffffffffffffffffffffff000000000000000000000001",
            "303c041cfffffffffffffffffffffffffffffffefffffffffffffffffffffffe041cb4050a850c04b3abf54132565044",
            "b0b7d7bfd8ba270b39432355ffb4043904b70e0cbd6bb4bf7f321390b94a03c1d356c21122343280d6115c1d21bd3763",
            "88b5f723fb4c22dfe6cd4375a05a07476444d5819985007e34021d00ffffffffffffffffffffffffffff16a2e0b8f03e",
            "13dd29455c5c2a3d020101",
        ),
    },
    KnownCurve {
        id: 11,
        name: "brainpoolP224r1",
        oid: "2b2403030208010105",
        parameters: concat!(
            "3081c8020101302806072a8648ce3d0101021d00d7c134aa264366862a18302575d1d787b09f075797da89f57ec8c0ff",
            "303c041c68a5e62ca9ce6c1c299803a6c1530b514e182ad8b0042a59cad29f43041c2580f63ccfe44138870713b1a923",
            "69e33e2135d266dbb372386c400b0439040d9029ad2c7e5cf4340823b2a87dc68c9e4ce3174c1e6efdee12c07d58aa56",
            "f772c0726f24c6b89e4ecdac24354b9e99caa3f6d3761402cd021d00d7c134aa264366862a18302575d0fb98d116bc4b",
            "6ddebca3a5a7939f020101",
        ),
    },
    KnownCurve {
        id: 12,
        name: "secp256r1",
        oid: "2a8648ce3d030107",
        parameters: concat!(
            "3081e0020101302c06072a8648ce3d0101022100ffffffff00000001000000000000000000000000ffffffffffffffff",
            "ffffffff30440420ffffffff00000001000000000000000000000000fffffffffffffffffffffffc04205ac635d8aa3a",
            "93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b0441046b17d1f2e12c4247f8bce6e563a440f277037d",
            "812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5022100",
            "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551020101",
        ),
    },
    KnownCurve {
        id: 13,
        name: "brainpoolP256r1",
        oid: "2b2403030208010107",
        parameters: concat!(
            "3081e0020101302c06072a8648ce3d0101022100a9fb57dba1eea9bc3e660a909d838d726e3bf623d52620282013481d",
            "1f6e5377304404207d5a0975fc2c3057eef67530417affe7fb8055c126dc5c6ce94a4b44f330b5d9042026dc5c6ce94a",
            "4b44f330b5d9bbd77cbf958416295cf7e1ce6bccdc18ff8c07b60441048bd2aeb9cb7e57cb2c4b482ffc81b7afb9de27",
            "e1e3bd23c23a4453bd9ace3262547ef835c3dac4fd97f8461a14611dc9c27745132ded8e545c1d54c72f046997022100",
            "a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7020101",
        ),
    },
    KnownCurve {
        id: 14,
        name: "brainpoolP320r1",
        oid: "2b2403030208010109",
        parameters: concat!(
            "30820110020101303406072a8648ce3d0101022900d35e472036bc4fb7e13c785ed201e065f98fcfa6f6f40def4f92b9",
            "ec7893ec28fcd412b1f1b32e27305404283ee30b568fbab0f883ccebd46d3f3bb8a2a73513f5eb79da66190eb085ffa9",
            "f492f375a97d860eb40428520883949dfdbc42d3ad198640688a6fe13f41349554b49acc31dccd884539816f5eb4ac8f",
            "b1f1a604510443bd7e9afb53d8b85289bcc48ee5bfe6f20137d10a087eb6e7871e2a10a599c710af8d0d39e2061114fd",
            "d05545ec1cc8ab4093247f77275e0743ffed117182eaa9c77877aaac6ac7d35245d1692e8ee1022900d35e472036bc4f",
            "b7e13c785ed201e065f98fcfa5b68f12a32d482ec7ee8658e98691555b44c59311020101",
        ),
    },
    KnownCurve {
        id: 15,
        name: "secp384r1",
        oid: "2b81040022",
        parameters: concat!(
            "30820140020101303c06072a8648ce3d0101023100ffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "fffffffffeffffffff0000000000000000ffffffff30640430ffffffffffffffffffffffffffffffffffffffffffffff",
            "fffffffffffffffffeffffffff0000000000000000fffffffc0430b3312fa7e23ee7e4988e056be3f82d19181d9c6efe",
            "8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef046104aa87ca22be8b05378eb1c71ef320ad746e1d",
            "3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab73617de4a96262c6f5d9e98bf9292dc29f8f4",
            "1dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f023100ffffffffffffffffffffffffffffff",
            "ffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973020101",
        ),
    },
    KnownCurve {
        id: 16,
        name: "brainpoolP384r1",
        oid: "2b240303020801010b",
        parameters: concat!(
            "30820140020101303c06072a8648ce3d01010231008cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b412b1da",
            "197fb71123acd3a729901d1a71874700133107ec53306404307bc382c63d8c150c3c72080ace05afa0c2bea28e4fb227",
            "87139165efba91f90f8aa5814a503ad4eb04a8c7dd22ce2826043004a8c7dd22ce28268b39b55416f0447c2fb77de107",
            "dcd2a62e880ea53eeb62d57cb4390295dbc9943ab78696fa504c110461041d1c64f068cf45ffa2a63a81b7c13f6b8847",
            "a3e77ef14fe3db7fcafe0cbd10e8e826e03436d646aaef87b2e247d4af1e8abe1d7520f9c2a45cb1eb8e95cfd55262b7",
            "0b29feec5864e19c054ff99129280e4646217791811142820341263c53150231008cb91e82a3386d280f5d6f7e50e641",
            "df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565020101",
        ),
    },
    KnownCurve {
        id: 17,
        name: "brainpoolP512r1",
        oid: "2b240303020801010d",
        parameters: concat!(
            "308201a2020101304c06072a8648ce3d0101024100aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639c",
            "ca703308717d4d9b009bc66842aecda12ae6a380e62881ff2f2d82c68528aa6056583a48f330818404407830a3318b60",
            "3b89e2327145ac234cc594cbdd8d3df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2",
            "c7b9e7c1ac4d77fc94ca04403df91610a83441caea9863bc2ded5d5aa8253aa10a2ef1c98b9ac8b57f1117a72bf2c7b9",
            "e7c1ac4d77fc94cadc083e67984050b75ebae5dd2809bd638016f7230481810481aee4bdd82ed9645a21322e9c4c6a93",
            "85ed9f70b5d916c1b43b62eef4d0098eff3b1f78e2d0d48d50d1687b93b97d5f7c6d5047406a5e688b352209bcb9f822",
            "7dde385d566332ecc0eabfa9cf7822fdf209f70024a57b1aa000c55b881f8111b2dcde494a5f485e5bca4bd88a2763ae",
            "d1ca2b2fa8f0540678cd1e0f3ad80892024100aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70",
            "330870553e5c414ca92619418661197fac10471db1d381085ddaddb58796829ca90069020101",
        ),
    },
    KnownCurve {
        id: 18,
        name: "secp521r1",
        oid: "2b81040023",
        parameters: concat!(
            "308201ac020101304d06072a8648ce3d0101024201ffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff308188044201ffffffff",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "fffffffffffffffffffffffffc04420051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109",
            "e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f000481850400c6858e06b70404e9cd9e",
            "3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf9",
            "7e7e31c2e5bd66011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef426",
            "40c550b9013fad0761353c7086a272c24088be94769fd16650024201ffffffffffffffffffffffffffffffffffffffff",
            "fffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409020101",
        ),
    },
];

#[cfg(test)]
mod tests {
    use iso7816::tlv::encode;

    use super::*;

    #[test]
    fn every_curve_is_recognised_in_each_form_and_nothing_else_is() {
        for curve in CURVES {
            let explicit = hex::decode(curve.parameters).unwrap();
            assert_eq!(parameter_id(&explicit), Some(curve.id));
            assert_eq!(parameter_id(&encode(OID, hex::decode(curve.oid).unwrap())), Some(curve.id));
            for at in (0..explicit.len()).step_by(7) {
                let mut altered = explicit.clone();
                altered[at] ^= 0x10;
                assert_eq!(parameter_id(&altered).filter(|id| *id != curve.id), None);
            }
        }
        let mut generator = hex::decode(CURVES[4].parameters).unwrap();
        let last = generator.len() - 40;
        generator[last] ^= 1;
        assert_eq!(parameter_id(&generator), None);
    }

    #[test]
    fn compressed_generators_and_missing_cofactors_are_the_same_curve() {
        let known = hex::decode(CURVES[5].parameters).unwrap();
        let known = Explicit::parse(sole(&known, SEQUENCE).unwrap()).unwrap();
        let (x, y) = known.base[1..].split_at(32);
        for (sign, expected) in [(2, y[31] & 1 == 0), (3, y[31] & 1 == 1)] {
            let base = [&[sign], x].concat();
            let compressed = Explicit { base: &base, cofactor: None, ..known };
            assert_eq!(compressed.is(&known), expected);
        }
    }
}
