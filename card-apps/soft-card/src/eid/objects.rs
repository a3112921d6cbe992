//! GET DATA and PUT DATA.

use eid::objects::Object;
use iso7816::{Response, Status};

use super::state::{MAX_CONTENTS, Memory};

/// Answers a data object, or `6A82`.
pub(super) fn get(object: &Object, memory: &Memory) -> Result<Response, Status> {
    let content = memory.objects.get(&object.tag.0).ok_or(Status::FILE_NOT_FOUND)?;
    Ok(Response::ok(object.encode(content)))
}

/// Replaces a data object in one step; without content it is deleted. `6A84` when the card is full.
pub(super) fn put(object: &Object, content: &[u8], memory: &mut Memory) -> Result<Response, Status> {
    let tag = object.tag.0;
    let before = memory.objects.get(&tag).map_or(0, Vec::len);
    if memory.size() - before + content.len() > MAX_CONTENTS {
        return Err(Status::NOT_ENOUGH_MEMORY);
    }
    if content.is_empty() {
        memory.objects.remove(&tag);
    } else {
        memory.objects.insert(tag, content.to_vec());
    }
    Ok(Response::status(Status::OK))
}
