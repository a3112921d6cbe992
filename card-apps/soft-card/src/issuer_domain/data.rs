//! GET DATA: what the card tells about itself to anyone (GPCS 2.3.1 §11.3).

use iso7816::tlv::{self, Tag};
use iso7816::{Response, Status};
use lds::globalplatform::production::{
    KEY_TYPE_AES, TAG_CARD_DATA, TAG_CARD_IMAGE_NUMBER, TAG_CPLC, TAG_DIVERSIFICATION, TAG_ISSUER_IDENTIFICATION,
    TAG_KEY_INFORMATION, TAG_RECOGNITION_DATA,
};
use lds::globalplatform::{CardRecognitionData, KeyInformation};

use super::authentication::diversification;
use super::state::Memory;

/// Sequence counter of the default key version (GPCS D §6.2.2).
const TAG_SEQUENCE_COUNTER: Tag = Tag(0xC1);

/// Answers one data object, or `6A88`.
pub(super) fn get(tag: Tag, memory: &Memory) -> Result<Response, Status> {
    let stored = |value: &Option<Vec<u8>>| value.as_ref().map(|value| tlv::encode(tag, value));
    let object = match tag {
        TAG_CPLC => Some(tlv::encode(tag, &memory.cplc)),
        TAG_CARD_DATA => Some(recognition_data(memory)),
        TAG_RECOGNITION_DATA => tlv::sole(&recognition_data(memory), TAG_CARD_DATA).ok().map(<[u8]>::to_vec),
        TAG_DIVERSIFICATION => Some(tlv::encode(tag, diversification(memory))),
        TAG_KEY_INFORMATION => Some(KeyInformation::template(&key_information(memory))),
        TAG_CARD_IMAGE_NUMBER => stored(&memory.card_image_number),
        TAG_ISSUER_IDENTIFICATION => stored(&memory.issuer_identification),
        TAG_SEQUENCE_COUNTER => memory.keys.values().next().map(|set| {
            let [_, counter @ ..] = set.sequence.to_be_bytes();
            tlv::encode(tag, counter)
        }),
        _ => None,
    };
    object.map(Response::ok).ok_or(Status::REFERENCED_DATA_NOT_FOUND)
}

fn recognition_data(memory: &Memory) -> Vec<u8> {
    let secure_channels = vec![(3, memory.secure_channel.option())];
    CardRecognitionData { version: vec![2, 3, 1], secure_channels }.to_bytes()
}

/// Three keys of each set: 1 encryption, 2 MAC, 3 data encryption.
fn key_information(memory: &Memory) -> Vec<KeyInformation> {
    let keys_of = |(version, set): (&u8, &super::state::StoredKeySet)| {
        let (version, length) = (*version, set.key_length() as u8);
        (1..=3).map(move |id| KeyInformation { id, version, components: vec![(KEY_TYPE_AES, length)] })
    };
    memory.keys.iter().flat_map(keys_of).collect()
}
