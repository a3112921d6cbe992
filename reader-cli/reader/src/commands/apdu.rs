//! `apdu`: commands as they are, answers explained.

use std::io::{self, BufRead};

use iso7816::{Card, Command, Response};
use link::{Connection, Journal, Recorded};

use crate::args::Apdu;
use crate::failure::Error;
use crate::{exit, output, source};

/// Sends each command in turn. The exit code says whether the last one was refused.
pub fn run(args: &Apdu) -> Result<u8, Error> {
    if !args.commands.is_empty() {
        // A mistyped command is told before the card is touched.
        for (index, text) in args.commands.iter().enumerate() {
            parse(index, text)?;
        }
    }
    let powered = source::connect(&args.source)?;
    let mut card = Link::new(powered.connection, powered.journal);
    let mut last = exit::GOOD;
    let typed = args.commands.is_empty().then(|| io::stdin().lock().lines());
    let typed = typed.into_iter().flatten().map(|line| line.map_err(|source| Error::Stdin { source }));
    let lines = args.commands.iter().cloned().map(Ok).chain(typed);
    for (index, line) in lines.enumerate() {
        let line = line?;
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let command = parse(index, &line)?;
        let response = card.transmit(&command)?;
        show(args.json, &command, &response)?;
        let accepted = response.status.is_ok() || response.status.bytes_available().is_some();
        last = if accepted { exit::GOOD } else { exit::REFUSED };
    }
    Ok(last)
}

/// The card with or without a journal over it.
enum Link {
    Plain(Connection),
    Recorded(Recorded<Connection>),
}

impl Link {
    fn new(connection: Connection, journal: Option<Journal>) -> Self {
        match journal {
            Some(journal) => Link::Recorded(Recorded::new(connection, journal)),
            None => Link::Plain(connection),
        }
    }

    fn transmit(&mut self, command: &Command) -> Result<Response, Error> {
        Ok(match self {
            Link::Plain(card) => card.transmit(command)?,
            Link::Recorded(card) => card.transmit(command)?,
        })
    }
}

fn parse(index: usize, text: &str) -> Result<Command, Error> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
    let bytes = hex::decode(digits).map_err(|_| Error::Hex { index: index + 1 })?;
    Command::parse(&bytes).map_err(|source| Error::Apdu { index: index + 1, source })
}

fn show(json: bool, command: &Command, response: &Response) -> Result<(), Error> {
    let (sent, data) = (hex::encode_upper(command.to_bytes()), hex::encode_upper(&response.data));
    let status = response.status;
    if json {
        return output::json(&serde_json::json!({
            "version": 1,
            "command": sent,
            "data": data,
            "status": format!("{:04X}", status.0),
            "meaning": status.meaning(),
        }));
    }
    output::line(&format!("> {sent}"))?;
    if !data.is_empty() {
        output::line(&format!("< {data}"))?;
    }
    output::line(&format!("  {status}"))
}
