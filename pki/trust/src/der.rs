//! The DER tags and object identifiers of the document PKI, in one place for reader and writer.

use iso7816::tlv::{Reader, Tag, TlvError};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// BOOLEAN.
pub const BOOLEAN: Tag = Tag(0x01);
/// INTEGER.
pub const INTEGER: Tag = Tag(0x02);
/// BIT STRING.
pub const BIT_STRING: Tag = Tag(0x03);
/// OCTET STRING.
pub const OCTET_STRING: Tag = Tag(0x04);
/// NULL.
pub const NULL: Tag = Tag(0x05);
/// OBJECT IDENTIFIER.
pub const OID: Tag = Tag(0x06);
/// ENUMERATED.
pub const ENUMERATED: Tag = Tag(0x0A);
/// UTF8String.
pub const UTF8_STRING: Tag = Tag(0x0C);
/// PrintableString.
pub const PRINTABLE_STRING: Tag = Tag(0x13);
/// UTCTime.
pub const UTC_TIME: Tag = Tag(0x17);
/// GeneralizedTime.
pub const GENERALIZED_TIME: Tag = Tag(0x18);
/// SEQUENCE.
pub const SEQUENCE: Tag = Tag(0x30);
/// SET.
pub const SET: Tag = Tag(0x31);

/// Context tag `[number]`, primitive.
pub const fn context(number: u8) -> Tag {
    Tag(0x80 | number as u32)
}

/// Context tag `[number]`, constructed.
pub const fn context_constructed(number: u8) -> Tag {
    Tag(0xA0 | number as u32)
}

/// Object identifiers as the content bytes of their encoding.
pub mod oid {
    use asn1_rs::oid;

    /// id-ecPublicKey (RFC 5480).
    pub const EC_PUBLIC_KEY: &[u8] = &oid!(raw 1.2.840.10045.2.1);
    /// prime-field (X9.62).
    pub const PRIME_FIELD: &[u8] = &oid!(raw 1.2.840.10045.1.1);
    /// rsaEncryption (RFC 8017).
    pub const RSA_ENCRYPTION: &[u8] = &oid!(raw 1.2.840.113549.1.1.1);
    /// id-RSASSA-PSS (RFC 8017).
    pub const RSASSA_PSS: &[u8] = &oid!(raw 1.2.840.113549.1.1.10);
    /// id-mgf1 (RFC 8017).
    pub const MGF1: &[u8] = &oid!(raw 1.2.840.113549.1.1.8);
    /// sha1WithRSAEncryption.
    pub const RSA_SHA1: &[u8] = &oid!(raw 1.2.840.113549.1.1.5);
    /// sha224WithRSAEncryption.
    pub const RSA_SHA224: &[u8] = &oid!(raw 1.2.840.113549.1.1.14);
    /// sha256WithRSAEncryption.
    pub const RSA_SHA256: &[u8] = &oid!(raw 1.2.840.113549.1.1.11);
    /// sha384WithRSAEncryption.
    pub const RSA_SHA384: &[u8] = &oid!(raw 1.2.840.113549.1.1.12);
    /// sha512WithRSAEncryption.
    pub const RSA_SHA512: &[u8] = &oid!(raw 1.2.840.113549.1.1.13);
    /// ecdsa-with-SHA1.
    pub const ECDSA_SHA1: &[u8] = &oid!(raw 1.2.840.10045.4.1);
    /// ecdsa-with-SHA224.
    pub const ECDSA_SHA224: &[u8] = &oid!(raw 1.2.840.10045.4.3.1);
    /// ecdsa-with-SHA256.
    pub const ECDSA_SHA256: &[u8] = &oid!(raw 1.2.840.10045.4.3.2);
    /// ecdsa-with-SHA384.
    pub const ECDSA_SHA384: &[u8] = &oid!(raw 1.2.840.10045.4.3.3);
    /// ecdsa-with-SHA512.
    pub const ECDSA_SHA512: &[u8] = &oid!(raw 1.2.840.10045.4.3.4);
    /// ecdsa-plain-SHA1 (TR-03111 §5.2.1.1).
    pub const ECDSA_PLAIN_SHA1: &[u8] = &oid!(raw 0.4.0.127.0.7.1.1.4.1.1);
    /// ecdsa-plain-SHA224.
    pub const ECDSA_PLAIN_SHA224: &[u8] = &oid!(raw 0.4.0.127.0.7.1.1.4.1.2);
    /// ecdsa-plain-SHA256.
    pub const ECDSA_PLAIN_SHA256: &[u8] = &oid!(raw 0.4.0.127.0.7.1.1.4.1.3);
    /// ecdsa-plain-SHA384.
    pub const ECDSA_PLAIN_SHA384: &[u8] = &oid!(raw 0.4.0.127.0.7.1.1.4.1.4);
    /// ecdsa-plain-SHA512.
    pub const ECDSA_PLAIN_SHA512: &[u8] = &oid!(raw 0.4.0.127.0.7.1.1.4.1.5);
    /// id-sha1.
    pub const SHA1: &[u8] = &oid!(raw 1.3.14.3.2.26);
    /// id-sha224.
    pub const SHA224: &[u8] = &oid!(raw 2.16.840.1.101.3.4.2.4);
    /// id-sha256.
    pub const SHA256: &[u8] = &oid!(raw 2.16.840.1.101.3.4.2.1);
    /// id-sha384.
    pub const SHA384: &[u8] = &oid!(raw 2.16.840.1.101.3.4.2.2);
    /// id-sha512.
    pub const SHA512: &[u8] = &oid!(raw 2.16.840.1.101.3.4.2.3);

    /// id-data (RFC 5652 §4).
    pub const DATA: &[u8] = &oid!(raw 1.2.840.113549.1.7.1);
    /// id-signedData (RFC 5652).
    pub const SIGNED_DATA: &[u8] = &oid!(raw 1.2.840.113549.1.7.2);
    /// id-contentType (RFC 5652 §11.1).
    pub const CONTENT_TYPE: &[u8] = &oid!(raw 1.2.840.113549.1.9.3);
    /// id-messageDigest (RFC 5652 §11.2).
    pub const MESSAGE_DIGEST: &[u8] = &oid!(raw 1.2.840.113549.1.9.4);
    /// id-signingTime (RFC 5652 §11.3).
    pub const SIGNING_TIME: &[u8] = &oid!(raw 1.2.840.113549.1.9.5);
    /// id-icao-mrtd-security-ldsSecurityObject (9303-10 §4.6.2).
    pub const LDS_SECURITY_OBJECT: &[u8] = &oid!(raw 2.23.136.1.1.1);
    /// id-SecurityObject: the content of EF.CardSecurity (9303-11 §9.2.11, TR-03110-3 §A.1.2.5).
    pub const SECURITY_OBJECT: &[u8] = &oid!(raw 0.4.0.127.0.7.3.2.1);
    /// Content type of EF.SOD in old French and Belgian documents.
    pub const LDS_SECURITY_OBJECT_OLD: &[u8] = &oid!(raw 1.3.27.1.1.1);
    /// Content type of EF.SOD in old Dutch documents.
    pub const LDS_SECURITY_OBJECT_SDU: &[u8] = &oid!(raw 1.2.528.1.1006.1.20.1);
    /// id-icao-cscaMasterList (9303-12 §9).
    pub const MASTER_LIST: &[u8] = &oid!(raw 2.23.136.1.1.2);
    /// id-icao-cscaMasterListSigningKey (9303-12 §7.1.1.3).
    pub const MASTER_LIST_SIGNER: &[u8] = &oid!(raw 2.23.136.1.1.3);
    /// id-icao-DeviationList (9303-12 §10).
    pub const DEVIATION_LIST: &[u8] = &oid!(raw 2.23.136.1.1.7);
    /// id-DefectList (TR-03129-2 §7).
    pub const DEFECT_LIST: &[u8] = &oid!(raw 0.4.0.127.0.7.3.1.5);
    /// id-CertRevoked (TR-03129-2 §7).
    pub const CERT_REVOKED: &[u8] = &oid!(raw 0.4.0.127.0.7.3.1.5.1.1);
    /// id-CertReplaced.
    pub const CERT_REPLACED: &[u8] = &oid!(raw 0.4.0.127.0.7.3.1.5.1.2);
    /// id-ChipAuthKeyRevoked.
    pub const CHIP_AUTH_KEY_REVOKED: &[u8] = &oid!(raw 0.4.0.127.0.7.3.1.5.1.3);
    /// id-ActiveAuthKeyRevoked.
    pub const ACTIVE_AUTH_KEY_REVOKED: &[u8] = &oid!(raw 0.4.0.127.0.7.3.1.5.1.4);
    /// id-ePassportDGMalformed.
    pub const DG_MALFORMED: &[u8] = &oid!(raw 0.4.0.127.0.7.3.1.5.2.1);
    /// id-SODInvalid.
    pub const SOD_INVALID: &[u8] = &oid!(raw 0.4.0.127.0.7.3.1.5.2.2);
    /// id-COMSODDiscrepancy.
    pub const COM_SOD_DISCREPANCY: &[u8] = &oid!(raw 0.4.0.127.0.7.3.1.5.2.3);
    /// id-CardSecurityMalformed.
    pub const CARD_SECURITY_MALFORMED: &[u8] = &oid!(raw 0.4.0.127.0.7.3.1.5.4.1);
    /// id-ChipSecurityMalformed.
    pub const CHIP_SECURITY_MALFORMED: &[u8] = &oid!(raw 0.4.0.127.0.7.3.1.5.4.2);
    /// id-PowerDownReq.
    pub const POWER_DOWN_REQUIRED: &[u8] = &oid!(raw 0.4.0.127.0.7.3.1.5.4.3);
    /// id-DSMalformed.
    pub const DS_MALFORMED: &[u8] = &oid!(raw 0.4.0.127.0.7.3.1.5.4.4);
    /// id-icao-DeviationListSigningKey (9303-12 §7.1.1.3).
    pub const DEVIATION_LIST_SIGNER: &[u8] = &oid!(raw 2.23.136.1.1.8);
    /// id-icao-vdsSigner (9303-12 §7.1.3).
    pub const SEAL_SIGNER: &[u8] = &oid!(raw 2.23.136.1.1.11.1);
    /// Purpose of a residence signer: this project's own, made of the UUID 77facc6a-05f7-4ab1-9272-accf6887de52 (X.667 §7).
    pub const RESIDENCE_SIGNER: &[u8] = &oid!(raw 2.25.159480351724629449692769593444394327634);
    /// id-ce-deltaCRLIndicator (RFC 5280 §5.2.4).
    pub const DELTA_CRL_INDICATOR: &[u8] = &oid!(raw 2.5.29.27);
    /// id-icao-mrtd-security-extensions-nameChange (9303-12 §7.1.1.5).
    pub const NAME_CHANGE: &[u8] = &oid!(raw 2.23.136.1.1.6.1);
    /// id-icao-mrtd-security-extensions-documentTypeList (9303-12 §7).
    pub const DOCUMENT_TYPE_LIST: &[u8] = &oid!(raw 2.23.136.1.1.6.2);

    /// subjectKeyIdentifier (RFC 5280 §4.2.1.2).
    pub const SUBJECT_KEY_IDENTIFIER: &[u8] = &oid!(raw 2.5.29.14);
    /// keyUsage (RFC 5280 §4.2.1.3).
    pub const KEY_USAGE: &[u8] = &oid!(raw 2.5.29.15);
    /// privateKeyUsagePeriod (RFC 3280 §4.2.1.4).
    pub const PRIVATE_KEY_USAGE_PERIOD: &[u8] = &oid!(raw 2.5.29.16);
    /// subjectAltName (RFC 5280 §4.2.1.6).
    pub const SUBJECT_ALT_NAME: &[u8] = &oid!(raw 2.5.29.17);
    /// issuerAltName (RFC 5280 §4.2.1.7).
    pub const ISSUER_ALT_NAME: &[u8] = &oid!(raw 2.5.29.18);
    /// basicConstraints (RFC 5280 §4.2.1.9).
    pub const BASIC_CONSTRAINTS: &[u8] = &oid!(raw 2.5.29.19);
    /// cRLNumber (RFC 5280 §5.2.3).
    pub const CRL_NUMBER: &[u8] = &oid!(raw 2.5.29.20);
    /// cRLDistributionPoints (RFC 5280 §4.2.1.13).
    pub const CRL_DISTRIBUTION_POINTS: &[u8] = &oid!(raw 2.5.29.31);
    /// authorityKeyIdentifier (RFC 5280 §4.2.1.1).
    pub const AUTHORITY_KEY_IDENTIFIER: &[u8] = &oid!(raw 2.5.29.35);
    /// extKeyUsage (RFC 5280 §4.2.1.12).
    pub const EXTENDED_KEY_USAGE: &[u8] = &oid!(raw 2.5.29.37);

    /// commonName (X.520).
    pub const COMMON_NAME: &[u8] = &oid!(raw 2.5.4.3);
    /// surname (X.520).
    pub const SURNAME: &[u8] = &oid!(raw 2.5.4.4);
    /// givenName (X.520).
    pub const GIVEN_NAME: &[u8] = &oid!(raw 2.5.4.42);
    /// countryName (X.520).
    pub const COUNTRY_NAME: &[u8] = &oid!(raw 2.5.4.6);
    /// localityName (X.520).
    pub const LOCALITY_NAME: &[u8] = &oid!(raw 2.5.4.7);
    /// serialNumber (X.520).
    pub const SERIAL_NUMBER: &[u8] = &oid!(raw 2.5.4.5);
    /// organizationName (X.520).
    pub const ORGANIZATION_NAME: &[u8] = &oid!(raw 2.5.4.10);
    /// organizationalUnitName (X.520).
    pub const ORGANIZATIONAL_UNIT_NAME: &[u8] = &oid!(raw 2.5.4.11);
}

/// The next data object, which must be a SEQUENCE: tag, length and value.
pub(crate) fn sequence<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], TlvError> {
    match reader.next()? {
        Some(tlv) if tlv.tag == SEQUENCE => Ok(tlv.raw),
        Some(tlv) => Err(TlvError::Unexpected { expected: SEQUENCE, found: tlv.tag }),
        None => Err(TlvError::Missing { tag: SEQUENCE }),
    }
}

/// An object identifier as people write it; hexadecimal when it is longer than any real one.
pub(crate) fn dotted(identifier: &[u8]) -> String {
    if identifier.len() > 64 {
        return hex::encode(identifier.get(..24).unwrap_or_default());
    }
    asn1_rs::Oid::new(identifier.into()).to_id_string()
}

/// A non-negative INTEGER that fits 64 bits.
pub(crate) fn small_integer(value: &[u8]) -> Option<u64> {
    match value {
        [] | [0x80..=0xFF, ..] => None,
        bytes if bytes.len() > 8 => None,
        bytes => Some(bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))),
    }
}

/// The magnitude of an INTEGER that must be positive or zero, without leading zeros.
pub(crate) fn magnitude(value: &[u8]) -> Option<&[u8]> {
    match value {
        [] | [0x80..=0xFF, ..] => None,
        bytes => {
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            bytes.get(zeros..)
        }
    }
}

/// The whole bytes of a BIT STRING value; `None` when it does not end on a byte.
pub(crate) fn whole_bits(value: &[u8]) -> Option<&[u8]> {
    match value {
        [0, bits @ ..] => Some(bits),
        _ => None,
    }
}

/// The algorithm and the raw parameters (tag included) of an AlgorithmIdentifier's value.
pub(crate) fn algorithm(value: &[u8]) -> Result<(&[u8], Option<iso7816::tlv::Tlv<'_>>), TlvError> {
    let mut reader = Reader::new(value);
    let oid = reader.expect(OID)?;
    let parameters = reader.next()?;
    reader.end()?;
    Ok((oid, parameters))
}

/// A GeneralizedTime of the form `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5.2).
pub(crate) fn generalized_time(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?.strip_suffix('Z')?;
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i16>().ok();
    let small = |from: usize, to: usize| i8::try_from(number(from, to)?).ok();
    DateTime::new(number(0, 4)?, small(4, 6)?, small(6, 8)?, small(8, 10)?, small(10, 12)?, small(12, 14)?, 0)
        .ok()?
        .to_zoned(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}
