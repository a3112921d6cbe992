//! Command chaining and GET RESPONSE (7816-4 §5.3.3, §5.3.4).

use channel::secret::Secret;
use iso7816::{Command as Apdu, MAX_NE, Response, Status};

use eid::authentication::INS_GENERAL_AUTHENTICATE;
use eid::objects::{INS_PUT_DATA, MAX_CONTENT};

/// Most bytes of a chained command: the largest content, its heads and its tag list.
const MAX_CHAINED: usize = MAX_CONTENT + 32;

/// The links of a command that came so far.
#[derive(Default)]
pub(super) struct Chain {
    links: Option<Links>,
    /// They came out of the issuer's channel.
    issuer: bool,
}

struct Links {
    header: [u8; 3],
    data: Vec<u8>,
}

impl Chain {
    /// Forgets links that came another way than the next one: what came in clear never gets the issuer's rights.
    pub(super) fn comes(&mut self, issuer: bool) {
        if self.issuer != issuer {
            *self = Chain { links: None, issuer };
        }
    }

    /// Whether this command is a link of what came so far, or nothing came.
    pub(super) fn goes_on_with(&self, apdu: &Apdu) -> bool {
        self.links.as_ref().is_none_or(|links| links.header == [apdu.ins, apdu.p1, apdu.p2])
    }

    /// Takes one command: the whole one with its last link, `None` before it.
    ///
    /// A last link with another header is a command of its own; what came before is forgotten.
    ///
    /// # Errors
    /// `6884` for a command that has no chain, `6700` for one that is too long.
    pub(super) fn link(&mut self, apdu: &Apdu, chaining: bool) -> Result<Option<Apdu>, Status> {
        let header = [apdu.ins, apdu.p1, apdu.p2];
        let mut data = match self.links.take() {
            Some(links) if links.header == header => links.data,
            _ => Vec::new(),
        };
        if !chaining && data.is_empty() {
            return Ok(Some(apdu.clone()));
        }
        if chaining && !matches!(apdu.ins, INS_PUT_DATA | INS_GENERAL_AUTHENTICATE) {
            return Err(Status::CHAINING_NOT_SUPPORTED);
        }
        data.extend_from_slice(&apdu.data);
        if data.len() > MAX_CHAINED {
            return Err(Status::WRONG_LENGTH);
        }
        if chaining {
            self.links = Some(Links { header, data });
            return Ok(None);
        }
        Ok(Some(Apdu { data, ..apdu.clone() }))
    }
}

/// What of an answer waits to be fetched. It may be deciphered text: it is wiped.
#[derive(Default)]
pub(crate) struct Pending(Option<Secret>);

impl Pending {
    /// The first part of an answer, at most `ne` bytes; the rest waits.
    pub(crate) fn split(&mut self, response: Response, ne: Option<u32>) -> Response {
        let room = ne.unwrap_or(0).min(MAX_NE) as usize;
        match response.data.split_at_checked(room) {
            Some((first, rest)) if !rest.is_empty() && response.status.is_ok() => {
                let waiting = u16::try_from(rest.len()).unwrap_or(u16::MAX).min(0x100) as u8;
                self.0 = Some(Secret::from(rest));
                Response { data: first.to_vec(), status: Status(0x6100 | u16::from(waiting)) }
            }
            _ => response,
        }
    }

    /// Whether anything waits.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.is_some()
    }

    /// GET RESPONSE: the rest, which [`Pending::split`] divides again.
    pub(crate) fn next(&mut self, ne: Option<u32>) -> Result<Response, Status> {
        let waiting = self.0.take().ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
        match ne {
            Some(_) => Ok(Response::ok(waiting.expose())),
            None => {
                self.0 = Some(waiting);
                Err(Status::WRONG_LENGTH)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apdu(text: &str) -> Apdu {
        Apdu::parse(&hex::decode(text).unwrap()).unwrap()
    }

    #[test]
    fn links_make_one_command_and_a_stranger_ends_them() {
        let mut chain = Chain::default();
        assert_eq!(chain.link(&apdu("10db3fff0201020000"[..14].into()), true), Ok(None));
        let whole = chain.link(&apdu("00db3fff010300"), false).unwrap().unwrap();
        assert_eq!((whole.data, whole.ne), (vec![1, 2, 3], Some(256)));
        assert_eq!(chain.link(&apdu("10db3fff020102"), true), Ok(None));
        assert_eq!(chain.link(&apdu("00cb3fff015c"), false).unwrap().unwrap().data, [0x5C]);
        assert_eq!(chain.link(&apdu("00db3fff0103"), false).unwrap().unwrap().data, [3]);
        assert_eq!(chain.link(&apdu("10200080023132"), true), Err(Status::CHAINING_NOT_SUPPORTED));
    }

    #[test]
    fn an_endless_chain_is_cut() {
        let mut chain = Chain::default();
        let link = Apdu::new(0x10, INS_PUT_DATA, 0x3F, 0xFF).with_data(vec![0; 255]);
        let refused = (0..100).position(|_| chain.link(&link, true).is_err());
        assert_eq!(refused, Some(MAX_CHAINED / 255));
    }

    #[test]
    fn answers_come_in_parts() {
        let mut pending = Pending::default();
        let first = pending.split(Response::ok(vec![7; 600]), Some(256));
        assert_eq!((first.data.len(), first.status), (256, Status(0x6100)));
        let next = pending.next(Some(256)).unwrap();
        let second = pending.split(next, Some(256));
        assert_eq!((second.data.len(), second.status), (256, Status(0x6158)));
        let next = pending.next(Some(256)).unwrap();
        let last = pending.split(next, Some(0x58));
        assert_eq!((last.data.len(), last.status), (0x58, Status::OK));
        assert_eq!(pending.next(Some(256)), Err(Status::CONDITIONS_NOT_SATISFIED));
        let none = pending.split(Response::ok(vec![7; 3]), None);
        assert_eq!(none.to_bytes(), [0x61, 3]);
    }
}
