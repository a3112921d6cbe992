//! What a host may say to the issuer domain: bytes to an exhaustive enum (GPCS 2.3.1 §11).
//!
//! Selection by AID is no part of it: the card's dispatcher takes it before any application sees it.

use iso7816::tlv::{self, Tag};
use iso7816::{Aid, Command as Apdu, Status};
use lds::globalplatform::{self as gp, StoreData, keys};

use super::state::MAKERS_VERSION;

/// Search criterion of GET STATUS: application identifier.
const AID: Tag = Tag(0x4F);

/// One command, checked in form; nothing is said yet about whether it is allowed.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// INITIALIZE UPDATE (`8050`).
    InitializeUpdate {
        /// Key version asked for; 0 for the card's choice.
        version: u8,
    },
    /// EXTERNAL AUTHENTICATE (`8482`); its content is the channel's affair.
    ExternalAuthenticate,
    /// GET DATA (`80CA`, `00CA`): the tag in P1-P2.
    GetData(Tag),
    /// GET STATUS (`80F2`), answers as templates (P2 `02`).
    GetStatus {
        /// What is listed.
        scope: Scope,
        /// The first bytes of the AIDs wanted; empty for all.
        prefix: &'a [u8],
    },
    /// SET STATUS (`80F0`).
    SetStatus {
        /// The card or an application.
        scope: Scope,
        /// The life cycle state wanted.
        state: u8,
        /// The data field: the AID of the application, or of nothing.
        aid: &'a [u8],
    },
    /// INSTALL [for personalization] (`80E620`).
    InstallForPersonalization(Aid),
    /// STORE DATA (`80E2`).
    StoreData {
        /// What P1 says of this block.
        block: StoreData,
        /// Block number.
        number: u8,
        /// The block.
        data: &'a [u8],
    },
    /// PUT KEY (`80D8`) of a whole key set.
    PutKey {
        /// The version to be replaced; 0 to add a key set.
        replace: u8,
        /// New version and the three keys.
        data: &'a [u8],
    },
    /// DELETE [key] (`80E4`) of a whole key set.
    DeleteKeySet(u8),
    /// DELETE [card content] (`80E4`).
    DeleteApplication(Aid),
    /// INSTALL in its other forms (`80E6`): to load, to install, to make selectable.
    InstallContent,
    /// LOAD (`80E8`).
    Load,
}

/// What GET STATUS and SET STATUS speak about (P1, GPCS §11.4.2, §11.10.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `80`: the issuer domain, whose state is the card's.
    Card,
    /// `40`: applications.
    Applications,
    /// `20` and `10`: executable load files, of which this card shows none.
    LoadFiles,
}

impl<'a> Command<'a> {
    /// Reads a command whose class byte has been judged and whose secure messaging has been taken off.
    ///
    /// # Errors
    /// The status word to answer.
    pub fn parse(apdu: &'a Apdu) -> Result<Self, Status> {
        match (apdu.ins, apdu.p1, apdu.p2) {
            (0x50, version @ (0x00..=0x7F | MAKERS_VERSION), 0x00) => match apdu.data.len() {
                // Which of the two, the channel knows.
                8 | 16 => Ok(Command::InitializeUpdate { version }),
                _ => Err(Status::WRONG_LENGTH),
            },
            (0x82, _, 0x00) => Ok(Command::ExternalAuthenticate),
            (gp::INS_GET_DATA, high, low) => {
                // Some hosts send an empty tag list along; anything else has no meaning here.
                Ok(Command::GetData(Tag(u32::from(u16::from_be_bytes([high, low])))))
            }
            (gp::INS_GET_STATUS, scope, 0x02) => {
                let prefix = tlv::find(&apdu.data, AID).ok().flatten().ok_or(Status::WRONG_DATA)?;
                Ok(Command::GetStatus { scope: Scope::parse(scope)?, prefix })
            }
            (gp::INS_SET_STATUS, scope, state) => {
                Ok(Command::SetStatus { scope: Scope::parse(scope)?, state, aid: &apdu.data })
            }
            (gp::INS_INSTALL, gp::INSTALL_FOR_PERSONALIZATION, 0x00) => {
                let aid = gp::parse_install_for_personalization(&apdu.data).map_err(|_| Status::WRONG_DATA)?;
                Ok(Command::InstallForPersonalization(aid))
            }
            (gp::INS_STORE_DATA, p1, number) => {
                let block = StoreData::from_p1(p1).ok_or(Status::INCORRECT_P1_P2)?;
                Ok(Command::StoreData { block, number, data: &apdu.data })
            }
            // P2: key identifier 1, bit 8 says that several keys come.
            (gp::INS_PUT_KEY, replace @ (0x00..=0x7F | MAKERS_VERSION), keys::KEY_IDENTIFIERS) => {
                Ok(Command::PutKey { replace, data: &apdu.data })
            }
            (gp::INS_DELETE, 0x00, 0x00 | 0x80) => Command::delete(&apdu.data),
            (gp::INS_INSTALL, 0x02 | 0x04 | 0x08 | 0x0C | 0x10 | 0x40, 0x00) => Ok(Command::InstallContent),
            (gp::INS_LOAD, 0x00 | 0x80, _) => Ok(Command::Load),
            (
                0x50 | 0x82 | gp::INS_GET_STATUS | gp::INS_INSTALL | gp::INS_LOAD | gp::INS_PUT_KEY | gp::INS_DELETE,
                _,
                _,
            ) => Err(Status::INCORRECT_P1_P2),
            _ => Err(Status::INSTRUCTION_NOT_SUPPORTED),
        }
    }

    /// What DELETE means: an application (`4F`) or the keys of one version (`D2`). Single keys (`D0`) are not deleted.
    fn delete(data: &'a [u8]) -> Result<Self, Status> {
        let object = tlv::Reader::new(data).next().ok().flatten().ok_or(Status::WRONG_DATA)?;
        if object.raw != data {
            return Err(Status::WRONG_DATA);
        }
        match (object.tag, object.value) {
            (AID, name) => Aid::new(name).map(Command::DeleteApplication).ok_or(Status::WRONG_DATA),
            (keys::TAG_KEY_VERSION, [version]) => Ok(Command::DeleteKeySet(*version)),
            _ => Err(Status::WRONG_DATA),
        }
    }
}

impl Scope {
    fn parse(p1: u8) -> Result<Self, Status> {
        match p1 {
            gp::life_cycle::SCOPE_ISSUER_DOMAIN => Ok(Scope::Card),
            gp::life_cycle::SCOPE_APPLICATIONS => Ok(Scope::Applications),
            0x20 | 0x10 => Ok(Scope::LoadFiles),
            _ => Err(Status::INCORRECT_P1_P2),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, Status> {
        let apdu = Apdu::parse(&hex::decode(text).unwrap()).unwrap();
        Command::parse(&apdu).map(|command| format!("{command:?}"))
    }

    #[test]
    fn each_form_is_read_as_the_specification_prints_it() {
        for (text, expected) in [
            ("8050300008000102030405060700", "InitializeUpdate { version: 48 }"),
            ("80ca9f7f00", "GetData(9F7F)"),
            ("80ca006600", "GetData(66)"),
            ("80f28002024f0000", "GetStatus { scope: Card, prefix: [] }"),
            ("80f24002034f01a000", "GetStatus { scope: Applications, prefix: [160] }"),
            ("80f0800f", "SetStatus { scope: Card, state: 15, aid: [] }"),
            ("80e620000d000007a0000002471001000000", "InstallForPersonalization(A0000002471001)"),
        ] {
            assert_eq!(parse(text).unwrap(), expected);
        }
        assert!(parse("80e2e80101aa").unwrap().starts_with("StoreData { block: StoreData { last: true, "));
        assert!(parse("80d8308101aa").unwrap().starts_with("PutKey { replace: 48"));
        assert_eq!(parse("80e4000003d20130").unwrap(), "DeleteKeySet(48)");
        assert_eq!(parse("80e40000074f05a000000308").unwrap(), "DeleteApplication(A000000308)");
        assert_eq!((parse("80e60c0001aa"), parse("80e80000c4")), (Ok("InstallContent".into()), Ok("Load".into())));
    }

    #[test]
    fn other_forms_are_refused_with_the_specification_s_words() {
        for (text, status) in [
            ("80503000070001020304050600", Status::WRONG_LENGTH),
            ("8050800008000102030405060700", Status::INCORRECT_P1_P2),
            ("80f28000024f0000", Status::INCORRECT_P1_P2),
            ("80f2010202 4f0000", Status::INCORRECT_P1_P2),
            ("80f2800200", Status::WRONG_DATA),
            ("80e60500", Status::INCORRECT_P1_P2),
            ("80e62000", Status::WRONG_DATA),
            ("80e2410001aa", Status::INCORRECT_P1_P2),
            ("80d80001", Status::INCORRECT_P1_P2),
            ("80d8800101aa", Status::INCORRECT_P1_P2),
            ("80e40000", Status::WRONG_DATA),
            ("80e4000006d00101d20130", Status::WRONG_DATA),
            ("80e4000003d00101", Status::WRONG_DATA),
            ("80e4010003d20130", Status::INCORRECT_P1_P2),
            ("80e80100", Status::INCORRECT_P1_P2),
            ("80e50000", Status::INSTRUCTION_NOT_SUPPORTED),
        ] {
            assert_eq!(parse(&text.replace(' ', "")), Err(status), "{text}");
        }
    }

    proptest! {
        #[test]
        fn hostile_commands_never_panic(bytes in prop::collection::vec(any::<u8>(), 4..60)) {
            if let Ok(apdu) = Apdu::parse(&bytes) {
                let _ = Command::parse(&apdu);
            }
        }
    }
}
