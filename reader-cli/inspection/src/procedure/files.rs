//! Reading elementary files with as few commands as the card goes along with (9303-10 §3.6, 7816-4 §11.2).
//!
//! A file is begun by READ BINARY with its short identifier, which asks for a whole block: most files end in it. A card that
//! does not know short identifiers gets a SELECT first, one that will not be asked for more than there is gets a look at the head of
//! the file first; both are remembered. The block is what the card said in EF.ATR/INFO, and smaller where it says `6700`.

use channel::role::Terminal;
use channel::sm::Session;
use iso7816::tlv::{self, Tag};
use iso7816::{Card, Command, Limits, Response, Status};
use lds::files::{EF_ATR_INFO, File, Place};
use lds::info::AtrInfo;

use super::Progress;
use super::ladder::Rung;
use super::metered::Budget;
use crate::evidence::{FileEvidence, Interruption};

/// Enough for any tag and length.
const HEAD: u32 = 6;
/// Offsets up to here fit P1-P2 of READ BINARY.
const LAST_SHORT_OFFSET: usize = 0x7FFF;
/// In P1 of READ BINARY: a short identifier follows.
const BY_SHORT_ID: u8 = 0x80;
/// The discretionary data object that answers READ BINARY with an odd instruction (7816-4 §11.2.3).
const DISCRETIONARY: Tag = Tag(0x53);
/// Offset data object (7816-4 §11.2.2).
const OFFSET: Tag = Tag(0x54);
/// What an extended command holds besides its data: header, Lc, Le.
const COMMAND_HEAD: u32 = 4 + 3 + 2;
/// What secure messaging may add to an extended response: three data objects and one block of padding.
const PROTECTION: u32 = 40;
/// The most asked for in one command: nearly every file of the field.
const LARGEST_BLOCK: u32 = 0x8000;

/// Reads files; remembers what the card goes along with.
pub(super) struct FileReader {
    budget: Budget,
    /// The most data that the reader passes on in one APDU.
    reader_limit: u32,
    /// Bytes per READ BINARY, and the fewest that every card gives under the cipher in use.
    block: u32,
    smallest: u32,
    /// Bytes of an unprotected response, when the card says that it knows extended length.
    extended: Option<u32>,
    /// Where short identifiers did not lead to a file that SELECT found.
    selected_at: Vec<Place>,
    /// The card refused to be asked for a whole block of a file that may be shorter.
    head_first: bool,
    /// The file that is being read.
    current: Option<&'static str>,
    /// What was tried differently and is not in the evidence yet.
    taken: Vec<Rung>,
}

impl FileReader {
    pub(super) fn new(budget: Budget, reader_limit: u32) -> Self {
        FileReader {
            budget,
            reader_limit,
            block: 256,
            smallest: 256,
            extended: None,
            selected_at: Vec::new(),
            head_first: false,
            current: None,
            taken: Vec::new(),
        }
    }

    /// The reader for the session after one that broke: short commands, SELECT before every file, its head before the rest.
    pub(super) fn careful(self) -> Self {
        let selected_at = vec![Place::MasterFile, Place::Emrtd];
        FileReader { selected_at, head_first: true, ..FileReader::new(self.budget, 0) }
    }

    /// The file that was being read last.
    pub(super) fn current(&self) -> Option<&'static str> {
        self.current
    }

    /// The rungs of the ladder that were taken since this was asked last.
    pub(super) fn taken(&mut self) -> Vec<Rung> {
        std::mem::take(&mut self.taken)
    }

    /// Asks EF.ATR/INFO how long APDUs may be. A card without that file gets short ones.
    pub(super) fn learn_sizes(&mut self, card: &mut dyn Card) -> Result<Limits, Interruption> {
        let short_id = EF_ATR_INFO.short_id.unwrap_or_default();
        let mut response = send(card, &Command::new(0x00, 0xB0, BY_SHORT_ID | short_id, 0x00).with_ne(256))?;
        // What answers so has no such file, or does not know short identifiers.
        if !has_data(&response) && response.status != Status::FILE_NOT_FOUND && self.select(card, &EF_ATR_INFO)?.is_ok()
        {
            response = send(card, &Command::new(0x00, 0xB0, 0x00, 0x00).with_ne(256))?;
        }
        let Some((command, response)) = longest_apdus(&response.data) else { return Ok(Limits::SHORT) };
        self.extended = Some(response.min(self.reader_limit)).filter(|longest| *longest > 256);
        let command_data = command.saturating_sub(COMMAND_HEAD).min(self.reader_limit) as usize;
        Ok(Limits { command_data: command_data.clamp(255, iso7816::MAX_DATA), ..Limits::SHORT })
    }

    /// From now on secure messaging takes its share of every response.
    pub(super) fn protected(&mut self, session: &Session<Terminal>) {
        let short = session.cipher().short_read();
        self.smallest = short.min(channel::suite::Cipher::Aes128.short_read());
        let block = self.extended.map(|longest| longest.saturating_sub(PROTECTION).min(LARGEST_BLOCK));
        // Less than that goes into a short answer, and has to fit it.
        self.block = block.filter(|block| *block > 256).unwrap_or(short);
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
        self.current = Some(file.name);
        let mut content = match self.begin(card, file)? {
            Ok(head) => head,
            Err(seen) => return Ok(seen),
        };
        let total = match self.expected_length(&content, file) {
            Ok(total) => total,
            Err(reason) => return Ok(FileEvidence::Malformed { reason }),
        };
        while content.len() < total {
            progress(Progress::File { name: file.name, done: content.len(), total });
            match self.go_on(card, content.len(), total - content.len())? {
                Ok(bytes) => content.extend(bytes),
                Err(seen) => return Ok(seen),
            }
        }
        content.truncate(total);
        progress(Progress::File { name: file.name, done: total, total });
        Ok(FileEvidence::Read { content })
    }

    /// The first bytes of a file, at most one block; or what the card says instead.
    pub(super) fn first_block(
        &mut self,
        card: &mut dyn Card,
        file: &File,
        length: usize,
    ) -> Result<Result<Vec<u8>, Status>, Interruption> {
        let wanted = length.clamp(1, self.block as usize) as u32;
        if let Some(id) = self.usable_short_id(file) {
            let response = send(card, &Command::new(0x00, 0xB0, BY_SHORT_ID | id, 0x00).with_ne(wanted))?;
            if has_data(&response) {
                return Ok(Ok(response.data));
            }
        }
        let status = self.select(card, file)?;
        if !status.is_ok() {
            return Ok(Err(status));
        }
        let response = send(card, &Command::new(0x00, 0xB0, 0x00, 0x00).with_ne(wanted))?;
        let readable = response.status.is_ok() || response.status == Status::END_OF_FILE;
        Ok(if readable { Ok(response.data) } else { Err(response.status) })
    }

    /// The first bytes of a file, which is then the current one.
    fn begin(
        &mut self,
        card: &mut dyn Card,
        file: &'static File,
    ) -> Result<Result<Vec<u8>, FileEvidence>, Interruption> {
        let short_id = self.usable_short_id(file);
        if let Some(id) = short_id
            && let Ok(head) = self.first(card, BY_SHORT_ID | id)?
            && starts_right(&head, file)
        {
            return Ok(Ok(head));
        }
        // A card that knows no short identifiers has many ways to say so; what SELECT says counts.
        let status = self.select(card, file)?;
        if !status.is_ok() {
            return Ok(Err(FileEvidence::refusal(status)));
        }
        let asked_for_heads = self.head_first;
        let mut head = self.first(card, 0x00)?;
        if head.is_err() && !self.head_first {
            self.head_first = true;
            self.taken.push(Rung::HeadFirst);
            head = self.first(card, 0x00)?;
        }
        // The short identifier may have been right, and the length wrong.
        if head.is_ok() && short_id.is_some() && self.head_first == asked_for_heads {
            self.selected_at.push(file.place);
            self.taken.push(Rung::BySelect);
        }
        Ok(head)
    }

    /// READ BINARY at the beginning of a file.
    fn first(&mut self, card: &mut dyn Card, p1: u8) -> Result<Result<Vec<u8>, FileEvidence>, Interruption> {
        let wanted = |reader: &Self| if reader.head_first { HEAD } else { reader.block };
        self.ask(card, 0, &|reader| (Command::new(0x00, 0xB0, p1, 0x00), wanted(reader)))
    }

    /// READ BINARY of the next of `left` bytes; beyond 32 KiB with the odd instruction and an offset data object.
    fn go_on(
        &mut self,
        card: &mut dyn Card,
        offset: usize,
        left: usize,
    ) -> Result<Result<Vec<u8>, FileEvidence>, Interruption> {
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        if let Ok(short) = u16::try_from(offset)
            && offset <= LAST_SHORT_OFFSET
        {
            let [p1, p2] = short.to_be_bytes();
            return self.ask(card, offset, &|reader| (Command::new(0x00, 0xB0, p1, p2), reader.block.min(left)));
        }
        let bytes = (offset as u32).to_be_bytes();
        let zeros = (offset as u32).leading_zeros() as usize / 8;
        let position = tlv::encode(OFFSET, bytes.get(zeros..).unwrap_or(&bytes));
        let command = Command::new(0x00, 0xB1, 0x00, 0x00).with_data(position);
        self.ask(card, offset, &|reader| (command.clone(), reader.block.min(left.saturating_add(wrapping(left)))))
    }

    /// Sends a READ BINARY with its Ne, in smaller blocks as long as the card finds the length wrong.
    fn ask(
        &mut self,
        card: &mut dyn Card,
        offset: usize,
        command: &dyn Fn(&Self) -> (Command, u32),
    ) -> Result<Result<Vec<u8>, FileEvidence>, Interruption> {
        let (mut response, mut wanted);
        loop {
            let (asked, ne) = command(self);
            (response, wanted) = (send(card, &asked.clone().with_ne(ne))?, ne);
            if let Some(exact) = response.status.exact_le().filter(|exact| (1..ne).contains(&u32::from(*exact))) {
                wanted = exact.into();
                response = send(card, &asked.with_ne(wanted))?;
            }
            if response.status != Status::WRONG_LENGTH || !self.shrink(ne) {
                break;
            }
        }
        let wrapped = command(self).0.ins == 0xB1;
        if wrapped && !response.data.is_empty() {
            response.data = tlv::sole(&response.data, DISCRETIONARY).map(<[u8]>::to_vec).unwrap_or_default();
        }
        let ends = format!("the file ends at byte {offset}, before its own length");
        Ok(match response.status {
            Status::OK | Status::END_OF_FILE if response.data.is_empty() => {
                Err(FileEvidence::Malformed { reason: ends })
            }
            Status::OK | Status::END_OF_FILE if response.data.len() > wanted as usize => Err(FileEvidence::Malformed {
                reason: format!("{} bytes came where {wanted} were asked for", response.data.len()),
            }),
            Status::OK | Status::END_OF_FILE => Ok(response.data),
            Status::WRONG_P1_P2 if offset > 0 => Err(FileEvidence::Malformed { reason: ends }),
            status => Err(FileEvidence::refusal(status)),
        })
    }

    /// Halves the block, down to what every card gives; false when `asked` was no more than that.
    fn shrink(&mut self, asked: u32) -> bool {
        if asked <= self.smallest {
            return false;
        }
        self.block = (asked / 2).max(self.smallest);
        self.taken.push(Rung::SmallerBlocks);
        true
    }

    fn usable_short_id(&self, file: &File) -> Option<u8> {
        file.short_id.filter(|_| !self.selected_at.contains(&file.place))
    }

    fn select(&self, card: &mut dyn Card, file: &File) -> Result<Status, Interruption> {
        let select = Command::new(0x00, 0xA4, 0x02, 0x0C).with_data(file.id.to_be_bytes());
        let status = send(card, &select)?.status;
        if status.is_ok() || file.place != Place::MasterFile {
            return Ok(status);
        }
        // Some cards want the master file selected by name before its files are found.
        if !select_master_file(card)?.is_ok() {
            return Ok(status);
        }
        Ok(send(card, &select)?.status)
    }

    fn expected_length(&self, head: &[u8], file: &File) -> Result<usize, String> {
        let total = tlv::total_length(head).map_err(|error| error.to_string())?;
        if !starts_right(head, file) {
            return Err(format!("{} does not start with its tag", file.name));
        }
        if total > self.budget.file {
            return Err(format!("{} claims {total} bytes; at most {} are read", file.name, self.budget.file));
        }
        Ok(total)
    }
}

/// SELECT of the master file by its identifier.
pub(super) fn select_master_file(card: &mut dyn Card) -> Result<Status, Interruption> {
    Ok(send(card, &Command::new(0x00, 0xA4, 0x00, 0x0C).with_data([0x3F, 0x00]))?.status)
}

fn send(card: &mut dyn Card, command: &Command) -> Result<Response, Interruption> {
    card.transmit(command).map_err(|error| Interruption::from(&error))
}

fn has_data(response: &Response) -> bool {
    matches!(response.status, Status::OK | Status::END_OF_FILE) && !response.data.is_empty()
}

fn starts_right(head: &[u8], file: &File) -> bool {
    file.tag.is_none_or(|tag| head.starts_with(&tag_bytes(tag)))
}

fn tag_bytes(tag: Tag) -> Vec<u8> {
    let mut bytes = tlv::encode(tag, []);
    bytes.pop();
    bytes
}

/// Tag and length of the data object that so many bytes are wrapped in.
fn wrapping(bytes: u32) -> u32 {
    match bytes {
        0..0x80 => 2,
        0x80..0x100 => 3,
        _ => 4,
    }
}

/// The longest command and the longest response that the beginning of EF.ATR/INFO announces, in bytes of whole APDUs.
fn longest_apdus(info: &[u8]) -> Option<(u32, u32)> {
    let lengths = AtrInfo::parse(info).extended_length?;
    Some((lengths.command, lengths.response))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_sizes_are_read_from_ef_atr_info() {
        let info = hex::decode("4301B8 7F660A0202 03E8 0204 00008000".replace(' ', "")).unwrap();
        assert_eq!(longest_apdus(&info), Some((0x3E8, 0x8000)));
        assert_eq!(longest_apdus(&[]), None);
        assert_eq!(longest_apdus(&[0x7F, 0x66, 0x81]), None);
    }

    #[test]
    fn tags_are_compared_as_bytes() {
        assert_eq!(tag_bytes(Tag(0x61)), [0x61]);
        assert_eq!(tag_bytes(Tag(0x7F61)), [0x7F, 0x61]);
    }
}
