//! How bytes stand in the state file: hexadecimal for short fields, base64 for files.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use channel::secret::Secret;
use channel::terminal_auth::Trust;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Secret bytes as hexadecimal. The file that holds them is the card's memory.
pub(crate) mod secret {
    use super::{Deserializer, Secret, Serializer};

    pub(crate) fn serialize<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        hex::serde::serialize(secret.expose(), serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        hex::serde::deserialize::<_, Vec<u8>>(deserializer).map(Secret::new)
    }
}

/// The same for a secret that may be absent.
pub(crate) mod optional_secret {
    use super::{Deserialize, Deserializer, Secret, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Hex(#[serde(with = "super::secret")] Secret);

    pub(crate) fn serialize<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
        secret.clone().map(Hex).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<Hex>::deserialize(deserializer)?.map(|hex| hex.0))
    }
}

/// Short public bytes that may be absent, as hexadecimal.
pub(crate) mod optional_hex {
    use super::{Deserialize, Deserializer, Error, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(hex::encode).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(hex::decode).transpose().map_err(D::Error::custom)
    }
}

/// What the chip knows of terminals, in its stored form as hexadecimal; may be absent.
pub(crate) mod terminal_trust {
    use super::{Deserializer, Error, Serialize, Serializer, Trust};

    pub(crate) fn serialize<S: Serializer>(trust: &Option<Trust>, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = trust.as_ref().map(Trust::to_bytes).transpose().map_err(serde::ser::Error::custom)?;
        bytes.map(hex::encode).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Trust>, D::Error> {
        let bytes = super::optional_hex::deserialize(deserializer)?;
        bytes.map(|bytes| Trust::from_bytes(&bytes)).transpose().map_err(D::Error::custom)
    }
}

/// Files by their identifier in four hexadecimal digits, contents as base64.
pub(crate) mod files {
    use super::{BTreeMap, Deserializer, Error, Serializer, contents};

    pub(crate) fn serialize<S: Serializer>(files: &BTreeMap<u16, Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        contents::serialize(files.iter().map(|(id, bytes)| (format!("{id:04X}"), bytes)), serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u16, Vec<u8>>, D::Error> {
        contents::deserialize(deserializer, |id| u16::from_str_radix(id, 16).map_err(D::Error::custom))
    }
}

/// Data objects by their tag in hexadecimal digits, contents as base64.
pub(crate) mod objects {
    use super::{BTreeMap, Deserializer, Error, Serializer, contents};

    pub(crate) fn serialize<S: Serializer>(objects: &BTreeMap<u32, Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        contents::serialize(objects.iter().map(|(tag, bytes)| (format!("{tag:02X}"), bytes)), serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u32, Vec<u8>>, D::Error> {
        contents::deserialize(deserializer, |tag| u32::from_str_radix(tag, 16).map_err(D::Error::custom))
    }
}

/// Contents in base64 by a name.
mod contents {
    use super::{BTreeMap, Deserialize, Deserializer, Engine, Error, STANDARD, Serialize, Serializer};

    pub(super) fn serialize<'a, S: Serializer>(
        contents: impl Iterator<Item = (String, &'a Vec<u8>)>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text: BTreeMap<String, String> = contents.map(|(name, bytes)| (name, STANDARD.encode(bytes))).collect();
        text.serialize(serializer)
    }

    pub(super) fn deserialize<'de, K: Ord, D: Deserializer<'de>>(
        deserializer: D,
        key: impl Fn(&str) -> Result<K, D::Error>,
    ) -> Result<BTreeMap<K, Vec<u8>>, D::Error> {
        let text = BTreeMap::<String, String>::deserialize(deserializer)?;
        let one =
            |(name, bytes): (String, String)| Ok((key(&name)?, STANDARD.decode(bytes).map_err(D::Error::custom)?));
        text.into_iter().map(one).collect()
    }
}
