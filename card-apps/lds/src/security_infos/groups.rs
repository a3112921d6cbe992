//! The groups of RFC 5114 among the standardized domain parameters (9303-11 §9.5.1, table 3): ids 0 to 2.
//!
//! Each stands here once, as DomainParameters with p, g and q; parameters that a key spells out are recognised only when they are
//! equal to one of these.
//!
//! ```text
//! DHParameter      ::= SEQUENCE { prime INTEGER, base INTEGER, privateValueLength INTEGER OPTIONAL }          -- PKCS#3
//! DomainParameters ::= SEQUENCE { p INTEGER, g INTEGER, q INTEGER, j INTEGER OPTIONAL, validation OPTIONAL }   -- X9.42
//! ```

use iso7816::tlv::{Reader, TlvError, sole};

use super::{INTEGER, SEQUENCE, trim};

/// One group.
struct KnownGroup {
    /// Id of the standardized domain parameters.
    id: u8,
    /// DomainParameters, DER in hex.
    parameters: &'static str,
}

/// True for the number of a group.
pub(super) fn is_group(id: u8) -> bool {
    GROUPS.iter().any(|group| group.id == id)
}

/// The id of the group that PKCS#3 DHParameter (DER) stand for.
pub(super) fn by_pkcs3(parameters: &[u8]) -> Option<u8> {
    let (p, g, _) = numbers(parameters, false).ok()?;
    known(|(known_p, known_g, _)| (known_p, known_g) == (p, g))
}

/// The id of the group that X9.42 DomainParameters (DER) stand for.
pub(super) fn by_x942(parameters: &[u8]) -> Option<u8> {
    let given = numbers(parameters, true).ok()?;
    known(|known| known == given)
}

fn known(is: impl Fn(Numbers<'_>) -> bool) -> Option<u8> {
    let equal = |group: &&KnownGroup| {
        let parameters = hex::decode(group.parameters).unwrap_or_default();
        numbers(&parameters, true).is_ok_and(&is)
    };
    GROUPS.iter().find(equal).map(|group| group.id)
}

/// p, g and q.
type Numbers<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// p, g, and q where it must be there.
fn numbers(parameters: &[u8], with_order: bool) -> Result<Numbers<'_>, TlvError> {
    let mut reader = Reader::new(sole(parameters, SEQUENCE)?);
    let (p, g) = (reader.expect(INTEGER)?, reader.expect(INTEGER)?);
    let q = if with_order { reader.expect(INTEGER)? } else { &[] };
    Ok((trim(p), trim(g), trim(q)))
}

/// The groups, ascending by id.
const GROUPS: &[KnownGroup] = &[
    KnownGroup {
        id: 0,
        parameters: concat!(
            "3082011f02818100b10b8f96a080e01dde92de5eae5d54ec52c99fbcfb06a3c69a6a9dca52d23b616073e28675a23d18",
            "9838ef1e2ee652c013ecb4aea906112324975c3cd49b83bfaccbdd7d90c4bd7098488e9c219a73724effd6fae5644738",
            "faa31a4ff55bccc0a151af5f0dc8b4bd45bf37df365c1a65e68cfda76d4da708df1fb2bc2e4a437102818100a4d1cbd5",
            "c3fd34126765a442efb99905f8104dd258ac507fd6406cff14266d31266fea1e5c41564b777e690f5504f213160217b4",
            "b01b886a5e91547f9e2749f4d7fbd7d3b9a92ee1909d0d2263f80a76a6a24c087a091f531dbf0a0169b6a28ad662a4d1",
            "8e73afa32d779d5918d08bc8858f4dcef97c2a24855e6eeb22b3b2e5021500f518aa8781a8df278aba4e7d64b7cb9d49",
            "462353",
        ),
    },
    KnownGroup {
        id: 1,
        parameters: concat!(
            "308202290282010100ad107e1e9123a9d0d660faa79559c51fa20d64e5683b9fd1b54b1597b61d0a75e6fa141df95a56",
            "dbaf9a3c407ba1df15eb3d688a309c180e1de6b85a1274a0a66d3f8152ad6ac2129037c9edefda4df8d91e8fef55b739",
            "4b7ad5b7d0b6c12207c9f98d11ed34dbf6c6ba0b2c8bbc27be6a00e0a0b9c49708b3bf8a317091883681286130bc8985",
            "db1602e714415d9330278273c7de31efdc7310f7121fd5a07415987d9adc0a486dcdf93acc44328387315d75e198c641",
            "a480cd86a1b9e587e8be60e69cc928b2b9c52172e413042e9b23f10b0e16e79763c9b53dcf4ba80a29e3fb73c16b8e75",
            "b97ef363e2ffa31f71cf9de5384e71b81c0ac4dffe0c10e64f0282010100ac4032ef4f2d9ae39df30b5c8ffdac506cde",
            "be7b89998caf74866a08cfe4ffe3a6824a4e10b9a6f0dd921f01a70c4afaab739d7700c29f52c57db17c620a8652be5e",
            "9001a8d66ad7c17669101999024af4d027275ac1348bb8a762d0521bc98ae247150422ea1ed409939d54da7460cdb5f6",
            "c6b250717cbef180eb34118e98d119529a45d6f834566e3025e316a330efbb77a86f0c1ab15b051ae3d428c8f8acb70a",
            "8137150b8eeb10e183edd19963ddd9e263e4770589ef6aa21e7f5f2ff381b539cce3409d13cd566afbb48d6c019181e1",
            "bcfe94b30269edfe72fe9b6aa4bd7b5a0f1c71cfff4c19c418e1f6ec017981bc087f2a7065b384b890d3191f2bfa021d",
            "00801c0d34c58d93fe997177101f80535a4738cebcbf389a99b36371eb",
        ),
    },
    KnownGroup {
        id: 2,
        parameters: concat!(
            "3082022c028201010087a8e61db4b6663cffbbd19c651959998ceef608660dd0f25d2ceed4435e3b00e00df8f1d61957",
            "d4faf7df4561b2aa3016c3d91134096faa3bf4296d830e9a7c209e0c6497517abd5a8a9d306bcf67ed91f9e6725b4758",
            "c022e0b1ef4275bf7b6c5bfc11d45f9088b941f54eb1e59bb8bc39a0bf12307f5c4fdb70c581b23f76b63acae1caa6b7",
            "902d52526735488a0ef13c6d9a51bfa4ab3ad8347796524d8ef6a167b5a41825d967e144e5140564251ccacb83e6b486",
            "f6b3ca3f7971506026c0b857f689962856ded4010abd0be621c3a3960a54e710c375f26375d7014103a4b54330c198af",
            "126116d2276e11715f693877fad7ef09cadb094ae91e1a1597028201003fb32c9b73134d0b2e77506660edbd484ca7b1",
            "8f21ef205407f4793a1a0ba12510dbc15077be463fff4fed4aac0bb555be3a6c1b0c6b47b1bc3773bf7e8c6f62901228",
            "f8c28cbb18a55ae31341000a650196f931c77a57f2ddf463e5e9ec144b777de62aaab8a8628ac376d282d6ed3864e679",
            "82428ebc831d14348f6f2f9193b5045af2767164e1dfc967c1fb3f2e55a4bd1bffe83b9c80d052b985d182ea0adb2a3b",
            "7313d3fe14c8484b1e052588b9b7d2bbd2df016199ecd06e1557cd0915b3353bbb64e0ec377fd028370df92b52c78914",
            "28cdc67eb6184b523d1db246c32f63078490f00ef8d647d148d47954515e2327cfef98c582664b4c0f6cc41659022100",
            "8cf83642a709a097b447997640129da299b1a47d1eb3750ba308b0fe64f5fbd3",
        ),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_is_known_in_both_writings_and_a_changed_one_in_none() {
        for (group, lengths) in GROUPS.iter().zip([(128, 20), (256, 28), (256, 32)]) {
            let bytes = hex::decode(group.parameters).unwrap();
            let (p, g, q) = numbers(&bytes, true).unwrap();
            assert_eq!((p.len(), q.len()), lengths);
            assert!(g.len() <= p.len());
            assert_eq!(by_x942(&bytes), Some(group.id));
            assert_eq!(by_pkcs3(&bytes), Some(group.id));
            let mut other = bytes.clone();
            *other.last_mut().unwrap() ^= 1;
            assert_eq!(by_x942(&other), None);
            other = bytes;
            other[20] ^= 1;
            assert_eq!((by_x942(&other), by_pkcs3(&other)), (None, None));
        }
        assert_eq!(by_pkcs3(&[0x30, 0x00]), None);
    }
}
