//! Reading elementary files in blocks whose size the card decides (9303-10 §3.6, 7816-4 §11.2).

use channel::role::Terminal;
use channel::sm::Session;
use iso7816::tlv::{self, Tag};
use iso7816::{Card, Command, Response, Status};
use lds::files::{EF_ATR_INFO, File, Place};

use super::Progress;
use super::metered::Budget;
use crate::evidence::{FileEvidence, Interruption};

/// Bytes asked for first: enough for any tag and length.
const HEAD: u32 = 6;
/// Offsets up to here fit P1-P2 of READ BINARY.
const LAST_SHORT_OFFSET: usize = 0x7FFF;
/// The discretionary data object that answers READ BINARY with an odd instruction (7816-4 §11.2.3).
const DISCRETIONARY: Tag = Tag(0x53);
/// Offset data object (7816-4 §11.2.2).
const OFFSET: Tag = Tag(0x54);
/// Extended length information in EF.ATR/INFO: two INTEGERs, the longest command and the longest response (7816-4 §12.7.1).
const EXTENDED_LENGTH: Tag = Tag(0x7F66);
const INTEGER: Tag = Tag(0x02);
/// What secure messaging may add to an extended response: three data objects and one block of padding.
const PROTECTION: u32 = 40;
/// The most asked for in one command: larger blocks gain nothing and cost memory.
const LARGEST_BLOCK: u32 = 0x2000;

/// Reads files; remembers how much the card gives at once.
pub(super) struct FileReader {
    budget: Budget,
    /// Bytes per READ BINARY.
    block: u32,
    /// Bytes of an unprotected response, when the card says that it knows extended length.
    extended: Option<u32>,
}

impl FileReader {
    pub(super) fn new(budget: Budget) -> Self {
        FileReader { budget, block: 256, extended: None }
    }

    /// Asks EF.ATR/INFO whether the card answers more than 256 bytes at once. A card without that file does not.
    pub(super) fn learn_block_size(&mut self, card: &mut dyn Card) -> Result<(), Interruption> {
        if !self.select(card, &EF_ATR_INFO)?.is_ok() {
            return Ok(());
        }
        let response = send(card, &Command::new(0x00, 0xB0, 0x00, 0x00).with_ne(256))?;
        self.extended = longest_response(&response.data);
        Ok(())
    }

    /// From now on secure messaging takes its share of every response.
    pub(super) fn protected(&mut self, session: &Session<Terminal>) {
        let short = session.cipher().short_read();
        self.block = match self.extended {
            Some(longest) => longest.saturating_sub(PROTECTION).clamp(short, LARGEST_BLOCK),
            None => short,
        };
    }

    /// The most that may be asked of the card in one answer.
    pub(super) fn longest_answer(&self) -> u32 {
        self.extended.map_or(256, |_| self.block.max(256))
    }

    /// Reads one file completely; a refusal is an answer, a lost card is an error.
    pub(super) fn read(
        &mut self,
        card: &mut dyn Card,
        file: &'static File,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<FileEvidence, Interruption> {
        let status = self.select(card, file)?;
        if !status.is_ok() {
            return Ok(FileEvidence::refusal(status));
        }
        let head = match self.block_at(card, 0, HEAD)? {
            Ok(bytes) => bytes,
            Err(refused) => return Ok(refused),
        };
        let total = match self.expected_length(&head, file) {
            Ok(total) => total,
            Err(reason) => return Ok(FileEvidence::Malformed { reason }),
        };
        let mut content = head;
        while content.len() < total {
            progress(Progress::File { name: file.name, done: content.len(), total });
            let wanted = (total - content.len()).min(self.block as usize) as u32;
            match self.block_at(card, content.len(), wanted)? {
                Ok(bytes) => content.extend(bytes),
                Err(refused) => return Ok(refused),
            }
        }
        content.truncate(total);
        progress(Progress::File { name: file.name, done: total, total });
        Ok(FileEvidence::Read { content })
    }

    /// The first bytes of a file, at most one block; `None` when the card does not give them.
    pub(super) fn first_block(
        &mut self,
        card: &mut dyn Card,
        file: &File,
        length: usize,
    ) -> Result<Result<Vec<u8>, Status>, Interruption> {
        let status = self.select(card, file)?;
        if !status.is_ok() {
            return Ok(Err(status));
        }
        let wanted = length.min(self.block as usize) as u32;
        let response = send(card, &Command::new(0x00, 0xB0, 0x00, 0x00).with_ne(wanted))?;
        let readable = response.status.is_ok() || response.status == Status::END_OF_FILE;
        Ok(if readable { Ok(response.data) } else { Err(response.status) })
    }

    fn select(&self, card: &mut dyn Card, file: &File) -> Result<Status, Interruption> {
        let select = Command::new(0x00, 0xA4, 0x02, 0x0C).with_data(file.id.to_be_bytes());
        let status = send(card, &select)?.status;
        if status.is_ok() || file.place != Place::MasterFile {
            return Ok(status);
        }
        // Some cards want the master file selected by name before its files are found.
        let master = Command::new(0x00, 0xA4, 0x00, 0x0C).with_data([0x3F, 0x00]);
        if !send(card, &master)?.status.is_ok() {
            return Ok(status);
        }
        Ok(send(card, &select)?.status)
    }

    fn expected_length(&self, head: &[u8], file: &File) -> Result<usize, String> {
        let total = tlv::total_length(head).map_err(|error| error.to_string())?;
        let starts_right = file.tag.is_none_or(|tag| head.starts_with(&tag_bytes(tag)));
        if !starts_right {
            return Err(format!("{} does not start with its tag", file.name));
        }
        if total > self.budget.file {
            return Err(format!("{} claims {total} bytes; at most {} are read", file.name, self.budget.file));
        }
        Ok(total)
    }

    /// Reads up to `wanted` bytes; asks for less once when the card finds the length wrong.
    fn block_at(
        &mut self,
        card: &mut dyn Card,
        offset: usize,
        wanted: u32,
    ) -> Result<Result<Vec<u8>, FileEvidence>, Interruption> {
        let mut response = read_binary(card, offset, wanted)?;
        if response.status == Status::WRONG_LENGTH && wanted > self.smaller_block() {
            self.block = self.smaller_block();
            response = read_binary(card, offset, self.block)?;
        }
        let readable = response.status.is_ok() || response.status == Status::END_OF_FILE;
        Ok(match response.data.len() {
            _ if !readable => Err(FileEvidence::refusal(response.status)),
            0 => Err(FileEvidence::Malformed {
                reason: format!("the file ends at byte {offset}, before its own length"),
            }),
            length if length > wanted as usize => {
                Err(FileEvidence::Malformed { reason: format!("{length} bytes came where {wanted} were asked for") })
            }
            _ => Ok(response.data),
        })
    }

    /// What every card can answer under either cipher.
    fn smaller_block(&self) -> u32 {
        channel::suite::Cipher::Aes128.short_read().min(self.block)
    }
}

/// READ BINARY; beyond 32 KiB with the odd instruction and an offset data object.
fn read_binary(card: &mut dyn Card, offset: usize, wanted: u32) -> Result<Response, Interruption> {
    if offset <= LAST_SHORT_OFFSET {
        let [p1, p2] = (offset as u16).to_be_bytes();
        return send(card, &Command::new(0x00, 0xB0, p1, p2).with_ne(wanted));
    }
    // Room for tag and length of the data object that the answer is wrapped in.
    let wanted = wanted.saturating_sub(4).max(1);
    let head = match wanted {
        0..0x80 => 2,
        0x80..0x100 => 3,
        _ => 4,
    };
    let [_, offset @ ..] = (offset as u32).to_be_bytes();
    let command = Command::new(0x00, 0xB1, 0x00, 0x00).with_data(tlv::encode(OFFSET, offset)).with_ne(wanted + head);
    let mut response = send(card, &command)?;
    if !response.data.is_empty() {
        response.data = tlv::sole(&response.data, DISCRETIONARY).map(<[u8]>::to_vec).unwrap_or_default();
    }
    Ok(response)
}

fn send(card: &mut dyn Card, command: &Command) -> Result<Response, Interruption> {
    card.transmit(command).map_err(|error| Interruption::from(&error))
}

fn tag_bytes(tag: Tag) -> Vec<u8> {
    let mut bytes = tlv::encode(tag, []);
    bytes.pop();
    bytes
}

/// The longest response of 7F66, when the bytes hold one over 256.
fn longest_response(info: &[u8]) -> Option<u32> {
    // Some cards put a status indicator byte before the data objects, or end in padding: stop at what is no data object.
    let sizes = tlv::find(info, EXTENDED_LENGTH).ok()??;
    let mut sizes = tlv::Reader::new(sizes);
    sizes.expect(INTEGER).ok()?;
    let longest = sizes.expect(INTEGER).ok()?;
    let longest = longest.iter().try_fold(0u32, |sum, byte| sum.checked_mul(256)?.checked_add(u32::from(*byte)))?;
    (longest > 256).then_some(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_sizes_are_read_from_ef_atr_info() {
        let info = hex::decode("4301B8 7F660A0202 03E8 0204 00008000".replace(' ', "")).unwrap();
        assert_eq!(longest_response(&info), Some(0x8000));
        assert_eq!(longest_response(&[]), None);
        assert_eq!(longest_response(&[0x7F, 0x66, 0x81]), None);
    }

    #[test]
    fn tags_are_compared_as_bytes() {
        assert_eq!(tag_bytes(Tag(0x61)), [0x61]);
        assert_eq!(tag_bytes(Tag(0x7F61)), [0x7F, 0x61]);
    }
}
