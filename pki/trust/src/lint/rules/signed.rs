//! Rules about signed data: master lists, deviation lists, security objects (9303-12 §9, §10; 9303-10 §4.6.2; RFC 5652 §5).

use iso7816::tlv::{Tlv, encode};

use super::keys::wrong_parameters;
use super::oids::{self, DEVIATION_LIST, MASTER_LIST};
use super::{ALL, CURRENT, CURRENT_AND_PKD, ICAO, Kind, PKD, SIGNED, SIGNED_LISTS, hex, rule};
use crate::certificate::Certificate;
use crate::defect_list;
use crate::der::{self, oid};
use crate::lint::Severity::{Error, Notice, Warning};
use crate::lint::raw::{Attribute, Identifier, RawCertificate, RawSigned, RawSigner, master_list};
use crate::lint::{Check, Edition, Rule};
use crate::signature::{Hash, SignatureAlgorithm};

const LIST: &[Kind] = &[Kind::MasterList];
const DEVIATIONS: &[Kind] = &[Kind::DeviationList];
const DEFECTS: &[Kind] = &[Kind::DefectList];
const OBJECT: &[Kind] = &[Kind::SecurityObject];
const OLD: &[Edition] = &[Edition::Sixth, Edition::PkdOperator];

pub(super) const RULES: &[Rule] = &[
    rule(
        "signed-version",
        "SignedData has version 3",
        "9303-12 §9.1, §10.1; 9303-10 §4.6.2.1",
        Error,
        SIGNED,
        ICAO,
        Check::Signed(|signed| (signed.version != [3]).then(|| hex(signed.version))),
    ),
    rule(
        "signed-type-master-list",
        "eContentType is 2.23.136.1.1.2",
        "9303-12 §9.1",
        Error,
        LIST,
        ICAO,
        Check::Signed(|signed| other_type(signed, MASTER_LIST)),
    ),
    rule(
        "signed-type-deviation-list",
        "eContentType is 2.23.136.1.1.7",
        "9303-12 §10.1",
        Error,
        DEVIATIONS,
        ICAO,
        Check::Signed(|signed| other_type(signed, DEVIATION_LIST)),
    ),
    rule(
        "signed-type-defect-list",
        "eContentType is 0.4.0.127.0.7.3.1.5",
        "TR-03129-2 §7",
        Error,
        DEFECTS,
        ICAO,
        Check::Signed(|signed| other_type(signed, oid::DEFECT_LIST)),
    ),
    rule(
        "signed-type-security-object",
        "eContentType is 2.23.136.1.1.1",
        "9303-10 §4.6.2.1",
        Error,
        OBJECT,
        ICAO,
        Check::Signed(|signed| other_type(signed, oid::LDS_SECURITY_OBJECT)),
    ),
    rule(
        "signed-content",
        "The content is inside",
        "9303-12 §9.1, §10.1; 9303-10 §4.6.2.1",
        Error,
        SIGNED,
        ICAO,
        Check::Signed(|signed| signed.content.is_none().then(|| "absent".to_owned())),
    ),
    rule(
        "signed-no-crls",
        "No revocation lists are inside",
        "9303-12 §9.1, §10.1; 9303-10 §4.6.2.1",
        Error,
        SIGNED,
        ICAO,
        Check::Signed(|signed| signed.has_crls.then(|| "crls are present".to_owned())),
    ),
    rule(
        "signed-one-signer",
        "There is one signer",
        "9303-12 §9.1, §10.1; 9303-10 §4.6.2.1",
        Warning,
        SIGNED,
        ICAO,
        Check::Signed(|signed| (signed.signers.len() > 1).then(|| format!("{} signers", signed.signers.len()))),
    ),
    rule(
        "signed-signer-present",
        "There is a signer",
        "9303-12 §9.1, §10.1; 9303-10 §4.6.2.1",
        Error,
        SIGNED,
        ICAO,
        Check::Signed(|signed| signed.signers.is_empty().then(|| "no signer".to_owned())),
    ),
    rule(
        "signer-version",
        "SignerInfo has version 1 with issuerAndSerialNumber, 3 with subjectKeyIdentifier",
        "RFC 5652 §5.3",
        Error,
        SIGNED,
        ICAO,
        Check::Signed(signer_version),
    ),
    rule(
        "signer-by-key",
        "The signer is named by subjectKeyIdentifier",
        "9303-12 §9.1, §10.1",
        Notice,
        SIGNED_LISTS,
        CURRENT,
        Check::Signed(|signed| {
            signer_where(signed, |signer| match signer.identifier {
                Identifier::IssuerAndSerial { .. } => Some("issuerAndSerialNumber".to_owned()),
                Identifier::Key(_) => None,
            })
        }),
    ),
    rule(
        "signer-by-serial",
        "The signer is named by issuerAndSerialNumber",
        "9303-10 §4.6.2.1",
        Notice,
        OBJECT,
        CURRENT,
        Check::Signed(|signed| {
            signer_where(signed, |signer| match signer.identifier {
                Identifier::Key(_) => Some("subjectKeyIdentifier".to_owned()),
                Identifier::IssuerAndSerial { .. } => None,
            })
        }),
    ),
    rule(
        "signer-digest-listed",
        "The signer's digest algorithm is among digestAlgorithms",
        "RFC 5652 §5.1",
        Error,
        SIGNED,
        ICAO,
        Check::Signed(digest_listed),
    ),
    rule(
        "signer-hash",
        "Digest and signature use SHA-224, SHA-256, SHA-384 or SHA-512",
        "9303-12 §4.1.6.4; 9303-10 §4.6.2.1",
        Error,
        SIGNED,
        CURRENT,
        Check::Signed(weak_hash),
    ),
    rule(
        "signer-hash-legacy",
        "Digest and signature do not use SHA-1",
        "9303-12 §4.1.6.4",
        Warning,
        SIGNED,
        OLD,
        Check::Signed(weak_hash),
    ),
    rule(
        "signer-algorithm",
        "The signature algorithm is supported and fits the digest",
        "9303-12 §4.1.6",
        Error,
        SIGNED,
        ICAO,
        Check::Signed(algorithm),
    ),
    rule(
        "signer-parameters",
        "Parameters of the signature algorithm are NULL for RSA v1.5, absent for ECDSA and DSA",
        "9303-12 §9.1; RFC 4055 §5; RFC 5758 §3",
        Error,
        SIGNED,
        CURRENT_AND_PKD,
        Check::Signed(|signed| signer_where(signed, |signer| wrong_parameters(&signer.algorithm))),
    ),
    rule(
        "signer-digest-parameters",
        "Digest algorithms of a master list have no parameters",
        "9303-12 §9.1 Note",
        Error,
        LIST,
        CURRENT,
        Check::Signed(digest_parameters),
    ),
    rule(
        "signer-digest-parameters-object",
        "Digest algorithms have no parameters",
        "RFC 5754 §2",
        Notice,
        &[Kind::SecurityObject, Kind::DeviationList, Kind::DefectList],
        CURRENT,
        Check::Signed(digest_parameters),
    ),
    rule(
        "signer-attributes",
        "Signed attributes are present with one contentType and one messageDigest",
        "RFC 5652 §5.3, §11; 9303-10 §4.6.2.1",
        Error,
        SIGNED,
        ICAO,
        Check::Signed(attributes),
    ),
    rule(
        "signer-attributes-order",
        "Signed attributes are in DER order",
        "RFC 5652 §5.3; X.690 §11.6",
        Error,
        SIGNED,
        ICAO,
        Check::Signed(attributes_order),
    ),
    rule(
        "signer-signing-time",
        "Signed attributes include signingTime",
        "9303-12 §9.1, §10.1",
        Error,
        SIGNED_LISTS,
        ICAO,
        Check::Signed(|signed| {
            signer_where(signed, |signer| attribute(signer, oid::SIGNING_TIME).is_none().then(|| "absent".to_owned()))
        }),
    ),
    rule(
        "signer-content-type",
        "The contentType attribute is that of the content",
        "RFC 5652 §11.1",
        Error,
        SIGNED,
        ALL,
        Check::Signed(content_type),
    ),
    rule(
        "signer-message-digest",
        "The messageDigest attribute is the hash of the content",
        "RFC 5652 §11.2",
        Error,
        SIGNED,
        ALL,
        Check::Signed(message_digest),
    ),
    rule(
        "signer-signature",
        "The signature verifies with the certificate that came along",
        "RFC 5652 §5.6",
        Error,
        SIGNED,
        ALL,
        Check::Signed(signature),
    ),
    rule(
        "signer-certificate",
        "The signer's certificate came along",
        "9303-12 §9.1, §10.1; 9303-10 §4.6.2.1",
        Error,
        SIGNED,
        CURRENT_AND_PKD,
        Check::Signed(certificate_present),
    ),
    rule(
        "signer-authority",
        "The CSCA certificate that certified the signer came along",
        "9303-12 §9.1, §10.1",
        Warning,
        SIGNED_LISTS,
        CURRENT,
        Check::Signed(authority_present),
    ),
    rule(
        "signer-not-authority",
        "The signer is not a CSCA itself",
        "9303-12 §3.1, §9",
        Error,
        SIGNED,
        ICAO,
        Check::Signed(|signed| {
            signer_where(signed, |signer| {
                find(signed, signer).filter(|certificate| certificate.is_authority()).map(|_| "cA TRUE".to_owned())
            })
        }),
    ),
    rule(
        "signer-purpose-master-list",
        "The signer's certificate has the purpose 2.23.136.1.1.3",
        "9303-12 §7.1.1.3; directory operator's master list check 1.4",
        Error,
        LIST,
        CURRENT_AND_PKD,
        Check::Signed(|signed| purpose(signed, oids::MASTER_LIST_SIGNER)),
    ),
    rule(
        "signer-purpose-deviation-list",
        "The signer's certificate has the purpose 2.23.136.1.1.8",
        "9303-12 §7.1.1.3",
        Error,
        DEVIATIONS,
        CURRENT,
        Check::Signed(|signed| purpose(signed, oids::DEVIATION_LIST_SIGNER)),
    ),
    rule(
        "signer-no-unsigned-attributes",
        "There are no unsigned attributes",
        "9303-12 §10.1; 9303-10 §4.6.2.1",
        Warning,
        &[Kind::DeviationList, Kind::DefectList, Kind::SecurityObject],
        CURRENT,
        Check::Signed(|signed| {
            signer_where(signed, |signer| signer.has_unsigned_attributes.then(|| "present".to_owned()))
        }),
    ),
    rule(
        "master-list-content",
        "The content is a CscaMasterList of version 0",
        "9303-12 §9.2",
        Error,
        LIST,
        ICAO,
        Check::Signed(master_list_content),
    ),
    rule(
        "master-list-certificates",
        "The list has certificates, and nothing else",
        "9303-12 §9.2",
        Error,
        LIST,
        ICAO,
        Check::Signed(master_list_certificates),
    ),
    rule(
        "master-list-authorities",
        "The list has certificates of country signing CAs only",
        "9303-12 §5.3, §9",
        Warning,
        LIST,
        ICAO,
        Check::Signed(master_list_authorities),
    ),
    rule(
        "master-list-order",
        "The list's certificates are in DER order, each once",
        "9303-12 §9; X.690 §11.6",
        Error,
        LIST,
        ICAO,
        Check::Signed(master_list_order),
    ),
    rule(
        "master-list-own",
        "The list includes the CSCA of its signer",
        "directory operator's master list check 1.3.2",
        Warning,
        LIST,
        PKD,
        Check::Signed(master_list_own),
    ),
    rule(
        "deviation-list-content",
        "The content is a DeviationList of version 0",
        "9303-12 §10.2",
        Error,
        DEVIATIONS,
        CURRENT,
        Check::Signed(deviation_list_content),
    ),
    rule(
        "defect-list-content",
        "The content is a DefectList of version 0, each defect with the parameter of its kind",
        "TR-03129-2 §7",
        Error,
        DEFECTS,
        ICAO,
        Check::Signed(|signed| defect_list::content(signed.content?).err().map(|error| error.to_string())),
    ),
    rule(
        "defect-list-entries",
        "Every document signer on the list has a defect",
        "TR-03129-2 §7",
        Error,
        DEFECTS,
        ICAO,
        Check::Signed(defect_list_entries),
    ),
];

/// The first signer of whom this is true.
fn signer_where(signed: &RawSigned<'_>, wrong: impl Fn(&RawSigner<'_>) -> Option<String>) -> Option<String> {
    signed.signers.iter().find_map(wrong)
}

fn other_type(signed: &RawSigned<'_>, wanted: &[u8]) -> Option<String> {
    (signed.content_type != wanted).then(|| oids::name(signed.content_type))
}

fn signer_version(signed: &RawSigned<'_>) -> Option<String> {
    signer_where(signed, |signer| {
        let wanted = match signer.identifier {
            Identifier::IssuerAndSerial { .. } => [1],
            Identifier::Key(_) => [3],
        };
        (signer.version != wanted).then(|| hex(signer.version))
    })
}

fn digest_listed(signed: &RawSigned<'_>) -> Option<String> {
    signer_where(signed, |signer| {
        let listed = signed.digests.iter().any(|digest| digest.oid == signer.digest.oid);
        (!listed).then(|| oids::name(signer.digest.oid))
    })
}

fn algorithm_of(signer: &RawSigner<'_>) -> Option<SignatureAlgorithm> {
    SignatureAlgorithm::from_der(signer.algorithm.raw, Hash::from_oid(signer.digest.oid)).ok()
}

fn weak_hash(signed: &RawSigned<'_>) -> Option<String> {
    signer_where(signed, |signer| {
        let weak = Hash::from_oid(signer.digest.oid).is_none_or(|hash| hash == Hash::Sha1);
        let weak_signature = algorithm_of(signer).is_some_and(|algorithm| algorithm.hash() == Hash::Sha1);
        match (weak, weak_signature) {
            (true, _) => Some(format!("digest algorithm {}", oids::name(signer.digest.oid))),
            (false, true) => Some("SHA-1 in the signature".to_owned()),
            (false, false) => None,
        }
    })
}

fn algorithm(signed: &RawSigned<'_>) -> Option<String> {
    signer_where(signed, |signer| match algorithm_of(signer) {
        None => Some(oids::name(signer.algorithm.oid)),
        Some(algorithm) => {
            let digest = Hash::from_oid(signer.digest.oid)?;
            (algorithm.hash() != digest).then(|| format!("digest {digest:?}, signature {:?}", algorithm.hash()))
        }
    })
}

fn digest_parameters(signed: &RawSigned<'_>) -> Option<String> {
    let all = signed.digests.iter().chain(signed.signers.iter().map(|signer| &signer.digest));
    all.into_iter().find_map(|digest| digest.parameters).map(|parameters| hex(parameters.raw))
}

/// The single value of the single attribute of this type.
fn attribute<'a>(signer: &RawSigner<'a>, wanted: &[u8]) -> Option<Tlv<'a>> {
    let mut found = signer.attributes.iter().flatten().filter(|attribute| attribute.oid == wanted);
    let one = found.next().filter(|_| found.next().is_none())?;
    match one.values.as_slice() {
        [value] => Some(*value),
        _ => None,
    }
}

fn attributes(signed: &RawSigned<'_>) -> Option<String> {
    signer_where(signed, |signer| {
        if signer.attributes.is_none() {
            return Some("no signed attributes".to_owned());
        }
        [("contentType", oid::CONTENT_TYPE), ("messageDigest", oid::MESSAGE_DIGEST)]
            .into_iter()
            .find(|(_, wanted)| attribute(signer, wanted).is_none())
            .map(|(name, _)| format!("not exactly one {name}"))
    })
}

fn is_sorted(attributes: &[Attribute<'_>]) -> bool {
    attributes.is_sorted_by_key(|attribute| attribute.raw)
}

fn attributes_order(signed: &RawSigned<'_>) -> Option<String> {
    signer_where(signed, |signer| {
        (!is_sorted(signer.attributes.as_ref()?)).then(|| "not in ascending order".to_owned())
    })
}

fn content_type(signed: &RawSigned<'_>) -> Option<String> {
    signer_where(signed, |signer| {
        let stated = attribute(signer, oid::CONTENT_TYPE)?;
        (stated.value != signed.content_type).then(|| oids::name(stated.value))
    })
}

fn message_digest(signed: &RawSigned<'_>) -> Option<String> {
    signer_where(signed, |signer| {
        let stated = attribute(signer, oid::MESSAGE_DIGEST)?;
        let digest = Hash::from_oid(signer.digest.oid)?.digest(signed.content?);
        (stated.value != digest).then(|| format!("{}, the content's is {}", hex(stated.value), hex(&digest)))
    })
}

/// The signer's certificate among those that came along.
fn find<'a>(signed: &RawSigned<'a>, signer: &RawSigner<'_>) -> Option<RawCertificate<'a>> {
    let all = signed.certificates.iter().filter_map(|certificate| RawCertificate::read(certificate).ok());
    let mut all = all.filter(|certificate| match signer.identifier {
        Identifier::IssuerAndSerial { issuer, serial } => {
            let issuer = crate::name::Name::from_der(issuer);
            certificate.serial == serial && crate::name::Name::from_der(certificate.issuer()).matches(&issuer)
        }
        Identifier::Key(wanted) => key_identifier(certificate) == wanted,
    });
    all.next()
}

/// The certificates of the signers, each once, as far as they came along.
pub(in crate::lint) fn signer_certificates<'a>(signed: &RawSigned<'a>) -> Vec<&'a [u8]> {
    let mut found: Vec<&[u8]> = Vec::new();
    for certificate in signed.signers.iter().filter_map(|signer| find(signed, signer)) {
        if !found.contains(&certificate.common.whole) {
            found.push(certificate.common.whole);
        }
    }
    found
}

/// The subject key identifier, computed when the extension is missing.
fn key_identifier(certificate: &RawCertificate<'_>) -> Vec<u8> {
    let stated = certificate.extension(oid::SUBJECT_KEY_IDENTIFIER);
    match stated.and_then(|extension| iso7816::tlv::sole(extension.value, der::OCTET_STRING).ok()) {
        Some(identifier) => identifier.to_vec(),
        None => openssl::sha::sha1(certificate.key_bits.get(1..).unwrap_or_default()).to_vec(),
    }
}

fn signature(signed: &RawSigned<'_>) -> Option<String> {
    signer_where(signed, |signer| {
        let certificate = Certificate::from_der(find(signed, signer)?.common.whole).ok()?;
        let algorithm = algorithm_of(signer)?;
        let message = match &signer.attributes {
            Some(attributes) => {
                encode(der::SET, attributes.iter().map(|attribute| attribute.raw).collect::<Vec<_>>().concat())
            }
            None => signed.content?.to_vec(),
        };
        algorithm.verify(certificate.public_key(), &message, signer.signature).err().map(|error| error.to_string())
    })
}

fn certificate_present(signed: &RawSigned<'_>) -> Option<String> {
    signer_where(signed, |signer| {
        find(signed, signer)
            .is_none()
            .then(|| format!("{} certificates, none is the signer's", signed.certificates.len()))
    })
}

/// Whether one of these certificates is the authority above another.
fn has_authority(certificates: &[&[u8]], below: &RawCertificate<'_>) -> bool {
    let issuer_key = below.extension(oid::AUTHORITY_KEY_IDENTIFIER).and_then(|id| oids::authority_key(id.value));
    certificates.iter().filter_map(|certificate| RawCertificate::read(certificate).ok()).any(|certificate| {
        certificate.is_authority()
            && match issuer_key {
                Some(wanted) => key_identifier(&certificate) == wanted,
                None => certificate.subject() == below.issuer(),
            }
    })
}

fn authority_present(signed: &RawSigned<'_>) -> Option<String> {
    signer_where(signed, |signer| {
        let own = find(signed, signer)?;
        (!has_authority(&signed.certificates, &own)).then(|| "absent".to_owned())
    })
}

fn purpose(signed: &RawSigned<'_>, wanted: &[u8]) -> Option<String> {
    signer_where(signed, |signer| {
        let certificate = find(signed, signer)?;
        let Some(extension) = certificate.extension(oid::EXTENDED_KEY_USAGE) else {
            return Some("no extKeyUsage".to_owned());
        };
        let found = oids::purposes(extension.value);
        (!found.contains(&wanted))
            .then(|| found.iter().map(|purpose| oids::name(purpose)).collect::<Vec<_>>().join(", "))
    })
}

fn master_list_content(signed: &RawSigned<'_>) -> Option<String> {
    match master_list(signed.content?) {
        Some(([0], _)) => None,
        Some((version, _)) => Some(format!("version {}", hex(version))),
        None => Some("not a CscaMasterList".to_owned()),
    }
}

fn master_list_certificates(signed: &RawSigned<'_>) -> Option<String> {
    let (_, certificates) = master_list(signed.content?)?;
    if certificates.is_empty() {
        return Some("no certificate".to_owned());
    }
    certificates.iter().find(|certificate| RawCertificate::read(certificate).is_err()).map(|other| hex(other))
}

fn master_list_authorities(signed: &RawSigned<'_>) -> Option<String> {
    let (_, certificates) = master_list(signed.content?)?;
    let others = certificates
        .iter()
        .filter_map(|certificate| RawCertificate::read(certificate).ok())
        .filter(|certificate| !certificate.is_authority())
        .count();
    (others > 0).then(|| format!("{others} certificates are not an authority's"))
}

fn master_list_order(signed: &RawSigned<'_>) -> Option<String> {
    let (_, certificates) = master_list(signed.content?)?;
    let wrong = certificates.iter().zip(certificates.iter().skip(1)).position(|(one, two)| one >= two)?;
    Some(format!("certificate {} is not greater than the one before", wrong + 2))
}

fn master_list_own(signed: &RawSigned<'_>) -> Option<String> {
    let (_, certificates) = master_list(signed.content?)?;
    signer_where(signed, |signer| {
        let own = find(signed, signer)?;
        (!has_authority(&certificates, &own)).then(|| "absent".to_owned())
    })
}

fn defect_list_entries(signed: &RawSigned<'_>) -> Option<String> {
    let (_, defects) = defect_list::content(signed.content?).ok()?;
    let empty = defects.iter().position(|defect| defect.known.is_empty())?;
    Some(format!("entry {} has none", empty + 1))
}

fn deviation_list_content(signed: &RawSigned<'_>) -> Option<String> {
    let content = signed.content?;
    let version = || {
        let mut reader = iso7816::tlv::Reader::new(iso7816::tlv::sole(content, der::SEQUENCE).ok()?);
        let version = reader.expect(der::INTEGER).ok()?;
        reader.optional(der::SEQUENCE).ok()?;
        reader.expect(der::SET).ok()?;
        reader.end().ok()?;
        Some(version)
    };
    match version() {
        Some([0]) => None,
        Some(version) => Some(format!("version {}", hex(version))),
        None => Some("not a DeviationList".to_owned()),
    }
}
