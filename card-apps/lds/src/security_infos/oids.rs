//! Object identifiers of protocols, as content octets (9303-11 §9.2).

use asn1_rs::oid;

/// id-PK-DH, `0.4.0.127.0.7.2.2.1.1`.
pub const ID_PK_DH: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.1.1);
/// id-PK-ECDH, `0.4.0.127.0.7.2.2.1.2`.
pub const ID_PK_ECDH: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.1.2);
/// id-TA, `0.4.0.127.0.7.2.2.2`.
pub const ID_TA: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.2);
/// id-CA-ECDH-3DES-CBC-CBC, `0.4.0.127.0.7.2.2.3.2.1`.
pub const ID_CA_ECDH_3DES: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.3.2.1);
/// id-CA-ECDH-AES-CBC-CMAC-128, `0.4.0.127.0.7.2.2.3.2.2`.
pub const ID_CA_ECDH_AES_128: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.3.2.2);
/// id-CA-ECDH-AES-CBC-CMAC-192, `0.4.0.127.0.7.2.2.3.2.3`.
pub const ID_CA_ECDH_AES_192: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.3.2.3);
/// id-CA-ECDH-AES-CBC-CMAC-256, `0.4.0.127.0.7.2.2.3.2.4`.
pub const ID_CA_ECDH_AES_256: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.3.2.4);
/// id-PACE-ECDH-GM-AES-CBC-CMAC-128, `0.4.0.127.0.7.2.2.4.2.2`.
pub const ID_PACE_ECDH_GM_AES_128: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.4.2.2);
/// id-PACE-ECDH-GM-AES-CBC-CMAC-192, `0.4.0.127.0.7.2.2.4.2.3`.
pub const ID_PACE_ECDH_GM_AES_192: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.4.2.3);
/// id-PACE-ECDH-GM-AES-CBC-CMAC-256, `0.4.0.127.0.7.2.2.4.2.4`.
pub const ID_PACE_ECDH_GM_AES_256: &[u8] = &oid!(raw 0.4.0.127.0.7.2.2.4.2.4);
/// id-AA, `2.23.136.1.1.5`.
pub const ID_AA: &[u8] = &oid!(raw 2.23.136.1.1.5);
/// standardizedDomainParameters, `0.4.0.127.0.7.1.2`.
pub const ID_STANDARDIZED_DOMAIN_PARAMETERS: &[u8] = &oid!(raw 0.4.0.127.0.7.1.2);
