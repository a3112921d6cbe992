//! Commands, responses, data objects and frames, and the layer that chains and fetches.
#![no_main]

use card_apps_fuzz::{Listed, Steps};
use iso7816::tlv::{Reader, total_length};
use iso7816::{Card, Chained, Command, Limits, Response, frame};
use libfuzzer_sys::fuzz_target;

/// Walks into every template.
fn walk(mut reader: Reader<'_>, depth: u8) {
    while let Ok(Some(object)) = reader.next() {
        assert!(object.raw.ends_with(object.value));
        assert_eq!(total_length(object.raw).ok(), Some(object.raw.len()));
        if object.tag.is_constructed() && depth < 16 {
            walk(object.reader(), depth + 1);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(command) = Command::parse(bytes) {
        assert_eq!(Command::parse(&command.to_bytes()).as_ref(), Ok(&command));
        let limits = Limits { command_data: usize::from(command.p2).max(1), response_data: 4096 };
        if let Ok(answer) = Chained::new(Listed(Steps(&command.data)), limits).transmit(&command) {
            assert!(answer.data.len() <= limits.response_data);
        }
    }
    if let Some(response) = Response::parse(bytes) {
        assert_eq!(response.to_bytes(), bytes);
    }
    walk(Reader::new(bytes), 0);
    let _ = (frame::Request::read(&mut &bytes[..]), frame::read_answer(&mut &bytes[..]));
});
