//! Which application a command is for: class bytes and SELECT by AID (7816-4 §5.4.1, §11.1.1; GPCS 2.3.1 §6.4).

use iso7816::{Aid, Command, Status};

/// What a class byte says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// `00`, `10`: interindustry, plain.
    Plain {
        /// Not the last command of a chain.
        chaining: bool,
    },
    /// `0C`, and `1C` for a link of a chain, protected by itself: interindustry under ISO secure messaging.
    Secured,
    /// `80`, and `84` or `04`: GlobalPlatform; `94` and `14` for a link of a chain.
    GlobalPlatform {
        /// Under the issuer domain's secure channel.
        protected: bool,
    },
}

impl Class {
    /// Judges a class byte.
    ///
    /// # Errors
    /// `6881` for another logical channel, `6882` for another kind of secure messaging, `6E00` for the rest.
    pub(crate) fn of(cla: u8) -> Result<Self, Status> {
        match cla {
            0x00 => Ok(Class::Plain { chaining: false }),
            0x10 => Ok(Class::Plain { chaining: true }),
            0x0C | 0x1C => Ok(Class::Secured),
            0x80 => Ok(Class::GlobalPlatform { protected: false }),
            0x04 | 0x84 | 0x14 | 0x94 => Ok(Class::GlobalPlatform { protected: true }),
            _ => Err(refusal(cla)),
        }
    }
}

/// Why a class byte is not served.
fn refusal(cla: u8) -> Status {
    // Channels 1 to 3 stand in the last two bits of 00..1F and 80..9F, 4 to 19 in the further interindustry classes.
    let first_interindustry = cla < 0x20;
    let numbered = first_interindustry || (0x80..0xA0).contains(&cla);
    match cla {
        0x40..0x80 => Status::CHANNEL_NOT_SUPPORTED,
        _ if numbered && cla & 0x03 != 0 => Status::CHANNEL_NOT_SUPPORTED,
        _ if first_interindustry => Status::SECURE_MESSAGING_NOT_SUPPORTED,
        _ => Status::CLASS_NOT_SUPPORTED,
    }
}

/// The applications, in the order in which partial selection meets them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Application {
    /// The issuer security domain.
    IssuerDomain,
    /// The eMRTD application.
    Emrtd,
    /// The PIV application of the citizen.
    Piv,
    /// The national file set of the citizen.
    National,
}

impl Application {
    const ALL: [Application; 4] =
        [Application::IssuerDomain, Application::Emrtd, Application::Piv, Application::National];

    /// The part of the citizen application that it is.
    pub(crate) fn eid(self) -> Option<eid::Application> {
        match self {
            Application::Piv => Some(eid::Application::Piv),
            Application::National => Some(eid::Application::National),
            Application::IssuerDomain | Application::Emrtd => None,
        }
    }

    /// The application identifier.
    pub(crate) fn aid(self) -> Aid {
        match self {
            Application::IssuerDomain => Aid::issuer_domain(),
            Application::Emrtd => Aid::emrtd(),
            Application::Piv => eid::Application::Piv.aid(),
            Application::National => eid::Application::National.aid(),
        }
    }
}

/// A SELECT by AID.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Selection<'a> {
    name: &'a [u8],
    next: bool,
    /// Whether file control information is wanted in the answer.
    pub(crate) information: bool,
}

impl<'a> Selection<'a> {
    /// The selection that a command is; `None` for every other command.
    ///
    /// # Errors
    /// `6A86` for last and previous occurrence and for unknown kinds of information, `6700` for no AID's length.
    pub(crate) fn of(command: &'a Command) -> Option<Result<Self, Status>> {
        (command.ins == 0xA4 && command.p1 == 0x04).then(|| {
            let information = match command.p2 & 0x0C {
                0x00 | 0x04 => command.ne.is_some(),
                0x0C => false,
                _ => return Err(Status::INCORRECT_P1_P2),
            };
            let next = match command.p2 & 0xF3 {
                0x00 => false,
                0x02 => true,
                _ => return Err(Status::INCORRECT_P1_P2),
            };
            if command.data.len() > 16 {
                return Err(Status::WRONG_LENGTH);
            }
            Ok(Selection { name: &command.data, next, information })
        })
    }

    /// The first application whose AID begins with the name and which `selectable` admits; the next one after
    /// `current` when that was asked for. No name at all means the issuer domain (GPCS §11.9).
    pub(crate) fn find(
        &self,
        current: Option<Application>,
        selectable: impl Fn(Application) -> bool,
    ) -> Option<Application> {
        let after =
            |application: &Application| !self.next || current.is_some_and(|current| *application as u8 > current as u8);
        let named = |application: &Application| match self.name {
            [] => *application == Application::IssuerDomain,
            name => application.aid().as_bytes().starts_with(name),
        };
        Application::ALL.into_iter().filter(after).filter(named).find(|application| selectable(*application))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str, current: Option<Application>) -> Option<Application> {
        let command = Command::parse(&hex::decode(text).unwrap()).unwrap();
        Selection::of(&command).unwrap().unwrap().find(current, |_| true)
    }

    #[test]
    fn whole_partial_and_empty_names_find_their_application() {
        assert_eq!(find("00a4040c07a0000002471001", None), Some(Application::Emrtd));
        assert_eq!(find("00a4040007a000000247100100", None), Some(Application::Emrtd));
        assert_eq!(find("00a4040008a00000015100000000", None), Some(Application::IssuerDomain));
        assert_eq!(find("00a4040000", None), Some(Application::IssuerDomain));
        assert_eq!(find("00a4040003a0000000", None), Some(Application::IssuerDomain));
        assert_eq!(find("00a4040203a0000000", Some(Application::IssuerDomain)), Some(Application::Emrtd));
        assert_eq!(find("00a4040203a0000000", Some(Application::Emrtd)), Some(Application::Piv));
        assert_eq!(find("00a4040203a0000000", Some(Application::Piv)), None);
        assert_eq!(find("00a4040009a0000002471001ff0000", None), None);
        assert_eq!(find("00a4040009a0000003080000100000", None), Some(Application::Piv));
        assert_eq!(find("00a404000ba000000308000010000100", None), Some(Application::Piv));
        assert_eq!(find("00a4040008f042495441514101", None), Some(Application::National));
        assert_eq!(find("00a4040005a00000030900", None), None);
    }

    #[test]
    fn other_commands_are_no_selection() {
        for (text, expected) in [
            ("00a4020c02011e", None),
            ("00b0000000", None),
            ("00a404010003a00000", Some(Status::INCORRECT_P1_P2)),
            ("00a4040811a0000000000000000000000000000000ff", Some(Status::INCORRECT_P1_P2)),
            ("00a4040011a0000000000000000000000000000000ff", Some(Status::WRONG_LENGTH)),
        ] {
            let Ok(command) = Command::parse(&hex::decode(text).unwrap()) else { continue };
            assert_eq!(Selection::of(&command).and_then(Result::err), expected, "{text}");
        }
    }

    #[test]
    fn every_class_byte_has_one_meaning() {
        assert_eq!([0x0C, 0x1C].map(Class::of), [Ok(Class::Secured); 2]);
        for class in [0x04, 0x14, 0x84, 0x94] {
            assert_eq!(Class::of(class), Ok(Class::GlobalPlatform { protected: true }));
        }
        for (class, status) in [
            (0x01, Status::CHANNEL_NOT_SUPPORTED),
            (0x0F, Status::CHANNEL_NOT_SUPPORTED),
            (0x40, Status::CHANNEL_NOT_SUPPORTED),
            (0x81, Status::CHANNEL_NOT_SUPPORTED),
            (0x08, Status::SECURE_MESSAGING_NOT_SUPPORTED),
            (0x90, Status::CLASS_NOT_SUPPORTED),
            (0x20, Status::CLASS_NOT_SUPPORTED),
            (0xA0, Status::CLASS_NOT_SUPPORTED),
            (0xFF, Status::CLASS_NOT_SUPPORTED),
        ] {
            assert_eq!(Class::of(class), Err(status), "{class:02X}");
        }
    }
}
