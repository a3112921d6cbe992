//! `secure_messaging`: bytes of a file per second through AES-128 secure messaging, both ends.
//!
//! One unit of work is one protected READ BINARY of as many bytes as a short response carries:
//!
//! - value: `protect_command`, `open_command`, `protect_response`, `open_response`
//! - floor: the AES of it, through OpenSSL contexts that keep their keys, over the same bytes: the command's
//!   checksum twice (made and checked), the response's checksum twice, the response's initialisation vector twice,
//!   one CBC encryption, one CBC decryption
//!
//! A checksum of the floor is the CBC chain that CMAC consists of. OpenSSL's CMAC itself would be no floor: it sets
//! its key again for each message and is several times slower than the value.

use std::error::Error;

use channel::role::{Chip, Terminal};
use channel::sm::Session;
use channel::suite::Cipher as Suite;
use iso7816::{Command, Response};
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;

use crate::report::Row;
use crate::turns::Turns;

const TURNS: Turns = Turns { rounds: 200, repetitions: 500 };
const SUITE: Suite = Suite::Aes128;
const KEY: [u8; 16] = [0x2B; 16];
const BLOCK: usize = 16;
const ZERO_IV: [u8; BLOCK] = [0; BLOCK];

/// The row.
pub fn row() -> Result<Row, Box<dyn Error>> {
    let length = SUITE.short_read();
    let mut ends = Ends::new()?;
    let mut raw = Raw::new(length as usize)?;
    let command = Command::new(0x00, 0xB0, 0x01, 0x00).with_ne(length);
    let response = Response::ok(vec![0xA5; length as usize]);
    let medians = TURNS.measure(|| ends.read(&command, &response), || Ok(raw.read()?))?;
    Ok(Row::rate("secure_messaging", "byte/s", f64::from(length), &medians))
}

/// Terminal and chip with the same keys.
struct Ends {
    terminal: Session<Terminal>,
    chip: Session<Chip>,
}

impl Ends {
    fn new() -> Result<Self, ErrorStack> {
        Ok(Ends { terminal: Session::agreed(SUITE, &KEY)?, chip: Session::agreed(SUITE, &KEY)? })
    }

    fn read(&mut self, command: &Command, response: &Response) -> Result<Response, Box<dyn Error>> {
        let sent = self.terminal.protect_command(command)?;
        let asked = self.chip.open_command(&sent)?;
        let answered = self.chip.protect_response(response)?;
        let opened = self.terminal.open_response(&answered)?;
        if asked == *command && opened.data.len() == response.data.len() { Ok(opened) } else { Err("altered".into()) }
    }
}

/// The same AES without messages around it.
struct Raw {
    encryptor: CipherCtx,
    decryptor: CipherCtx,
    /// The padded response data.
    plain: Vec<u8>,
    /// What the two checksums are made of.
    command: Vec<u8>,
    response: Vec<u8>,
    /// Where results go.
    out: Vec<u8>,
}

impl Raw {
    /// For a response of `length` bytes.
    fn new(length: usize) -> Result<Self, ErrorStack> {
        let (mut encryptor, mut decryptor) = (CipherCtx::new()?, CipherCtx::new()?);
        encryptor.encrypt_init(Some(Cipher::aes_128_cbc()), Some(&KEY), Some(&ZERO_IV))?;
        decryptor.decrypt_init(Some(Cipher::aes_128_cbc()), Some(&KEY), Some(&ZERO_IV))?;
        decryptor.set_padding(false);
        let padded = |length: usize| (length / BLOCK + 1) * BLOCK;
        // DO 87 with its tag, length and padding indicator, then DO 99.
        let objects = 4 + padded(length) + 4;
        let response = vec![0xA5; BLOCK + padded(objects)];
        Ok(Raw {
            encryptor,
            decryptor,
            plain: vec![0xA5; padded(length)],
            // The counter, the header, DO 97: a block each.
            command: vec![0xA5; 3 * BLOCK],
            out: vec![0; response.len() + BLOCK],
            response,
        })
    }

    fn read(&mut self) -> Result<(), ErrorStack> {
        let Raw { encryptor, decryptor, plain, command, response, out } = self;
        let mut iv = [0; 2 * BLOCK];
        for _end in ["terminal", "chip"] {
            for message in [&command, &response] {
                encryptor.encrypt_init(None, None, Some(&ZERO_IV))?;
                encryptor.cipher_update(message, Some(out))?;
            }
            encryptor.encrypt_init(None, None, Some(&ZERO_IV))?;
            encryptor.cipher_update(&[0xA5; BLOCK], Some(&mut iv))?;
        }
        encryptor.encrypt_init(None, None, iv.get(..BLOCK))?;
        encryptor.cipher_update(plain, Some(out))?;
        decryptor.decrypt_init(None, None, iv.get(..BLOCK))?;
        decryptor.cipher_update(plain, Some(out))?;
        Ok(())
    }
}
