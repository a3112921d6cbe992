//! What a host may say to the citizen application: bytes to an exhaustive enum.
//!
//! Selection by AID is no part of it: the card's dispatcher takes it before any application sees it.

use eid::Application;
use eid::authentication::{INS_GENERAL_AUTHENTICATE, Template};
use eid::keys::{self, Algorithm, INS_GENERATE, KeyReference, MANAGEMENT_KEY, ManagementAlgorithm};
use eid::objects::{self, INS_GET_DATA, INS_PUT_DATA, Object, ObjectError};
use eid::pin::{self, INS_CHANGE_REFERENCE_DATA, INS_RESET_RETRY_COUNTER, INS_VERIFY, PIN, PUK, Pin, Puk, SET};
use iso7816::{Command as Apdu, Status};

use super::INS_GET_RESPONSE;
use super::state::ManagementKey;

/// What a YubiKey calls GET VERSION; some clients ask every card.
const INS_GET_VERSION: u8 = 0xFD;

/// One command, checked in form; nothing is said yet about whether it is allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// GET DATA.
    GetData(&'static Object),
    /// PUT DATA; without content the object is deleted.
    PutData(&'static Object, &'a [u8]),
    /// VERIFY without data.
    PinStatus,
    /// VERIFY with P1 `FF`.
    ForgetPin,
    /// VERIFY.
    Verify(Pin),
    /// CHANGE REFERENCE DATA of the PIN.
    ChangePin {
        /// The PIN so far, which may be the transport PIN.
        old: Pin,
        /// The PIN to be.
        new: Pin,
    },
    /// CHANGE REFERENCE DATA of the PUK.
    ChangePuk {
        /// The PUK so far.
        old: Puk,
        /// The PUK to be.
        new: Puk,
    },
    /// RESET RETRY COUNTER.
    ResetRetryCounter {
        /// The PUK.
        puk: Puk,
        /// The PIN to be.
        new: Pin,
    },
    /// The issuer's CHANGE REFERENCE DATA of the PIN.
    SetTransportPin(Pin),
    /// The issuer's CHANGE REFERENCE DATA of the PUK.
    SetPuk(Puk),
    /// The issuer's CHANGE REFERENCE DATA of the management key.
    SetManagementKey(ManagementKey),
    /// GENERATE ASYMMETRIC KEY PAIR.
    Generate {
        /// Which key.
        key: KeyReference,
        /// Of which kind.
        algorithm: Algorithm,
    },
    /// GENERAL AUTHENTICATE with a key pair.
    UseKey {
        /// Which key.
        key: KeyReference,
        /// Of which kind the host believes it to be.
        algorithm: Algorithm,
        /// What is to be done.
        template: Template<'a>,
    },
    /// GENERAL AUTHENTICATE with the management key.
    Management {
        /// Of which kind the host believes it to be; `None` for `00`, the card's default: what the key is of.
        algorithm: Option<ManagementAlgorithm>,
        /// The step.
        template: Template<'a>,
    },
    /// GET RESPONSE.
    GetResponse,
    /// GET VERSION of a YubiKey.
    Version,
}

impl<'a> Command<'a> {
    /// Reads a command whose class byte has been judged and whose links have been put together.
    ///
    /// # Errors
    /// The status word to answer: `6D00`, `6A86`, `6A88`, `6A82`, `6A84`, `6A80`.
    pub(super) fn parse(place: Application, apdu: &'a Apdu) -> Result<Self, Status> {
        let data = apdu.data.as_slice();
        match (apdu.ins, apdu.p1, apdu.p2) {
            (INS_GET_DATA, 0x3F, 0xFF) => objects::parse_get(place, data).map(Command::GetData).map_err(refusal),
            (INS_PUT_DATA, 0x3F, 0xFF) => objects::parse_put(place, data)
                .map(|(object, content)| Command::PutData(object, content))
                .map_err(refusal),
            (INS_VERIFY, 0x00, PIN) if data.is_empty() => Ok(Command::PinStatus),
            (INS_VERIFY, 0x00, PIN) => Pin::parse(data).map(Command::Verify).map_err(wrong),
            (INS_VERIFY, 0xFF, PIN) if data.is_empty() => Ok(Command::ForgetPin),
            (INS_VERIFY, 0xFF, PIN) => Err(Status::WRONG_DATA),
            (INS_CHANGE_REFERENCE_DATA, 0x00, PIN) => change_pin(data),
            (INS_CHANGE_REFERENCE_DATA, 0x00, PUK) => change_puk(data),
            (INS_CHANGE_REFERENCE_DATA, SET, PIN) => Pin::parse(data).map(Command::SetTransportPin).map_err(wrong),
            (INS_CHANGE_REFERENCE_DATA, SET, PUK) => Puk::parse(data).map(Command::SetPuk).map_err(wrong),
            (INS_CHANGE_REFERENCE_DATA, algorithm, MANAGEMENT_KEY) => {
                let algorithm = served(algorithm).ok_or(Status::INCORRECT_P1_P2)?;
                ManagementKey::new(algorithm, data).map(Command::SetManagementKey).ok_or(Status::WRONG_DATA)
            }
            (INS_RESET_RETRY_COUNTER, 0x00, PIN) => {
                let (puk, new) = halves(data)?;
                Ok(Command::ResetRetryCounter {
                    puk: Puk::parse(puk).map_err(wrong)?,
                    new: Pin::parse(new).map_err(wrong)?,
                })
            }
            (INS_VERIFY | INS_CHANGE_REFERENCE_DATA | INS_RESET_RETRY_COUNTER, 0x00 | SET, _) => {
                Err(Status::REFERENCED_DATA_NOT_FOUND)
            }
            (INS_GENERATE, 0x00, key) => {
                let key = KeyReference::from_byte(key).ok_or(Status::INCORRECT_P1_P2)?;
                let algorithm = keys::parse_generate(data).map_err(wrong)?;
                Ok(Command::Generate { key, algorithm })
            }
            (INS_GENERAL_AUTHENTICATE, algorithm, key) => general(algorithm, key, data),
            (INS_GET_RESPONSE, 0x00, 0x00) if data.is_empty() => Ok(Command::GetResponse),
            (INS_GET_VERSION, 0x00, 0x00) if data.is_empty() => Ok(Command::Version),
            (
                INS_GET_DATA
                | INS_PUT_DATA
                | INS_VERIFY
                | INS_CHANGE_REFERENCE_DATA
                | INS_RESET_RETRY_COUNTER
                | INS_GENERATE
                | INS_GET_RESPONSE,
                _,
                _,
            ) => Err(Status::INCORRECT_P1_P2),
            _ => Err(Status::INSTRUCTION_NOT_SUPPORTED),
        }
    }
}

fn general(algorithm: u8, key: u8, data: &[u8]) -> Result<Command<'_>, Status> {
    let template = || Template::parse(data).map_err(wrong);
    if key == MANAGEMENT_KEY {
        // OpenSC asks for random bytes as a challenge of the default algorithm.
        let named = served(algorithm);
        let algorithm = if algorithm == 0 { None } else { Some(named.ok_or(Status::INCORRECT_P1_P2)?) };
        return Ok(Command::Management { algorithm, template: template()? });
    }
    let key = KeyReference::from_byte(key).ok_or(Status::INCORRECT_P1_P2)?;
    let algorithm = Algorithm::from_byte(algorithm).ok_or(Status::INCORRECT_P1_P2)?;
    Ok(Command::UseKey { key, algorithm, template: template()? })
}

/// The algorithms of this card's management key: triple DES is none of them.
fn served(algorithm: u8) -> Option<ManagementAlgorithm> {
    ManagementAlgorithm::from_byte(algorithm).filter(|algorithm| *algorithm != ManagementAlgorithm::TripleDes)
}

fn change_pin(data: &[u8]) -> Result<Command<'_>, Status> {
    let (old, new) = halves(data)?;
    Ok(Command::ChangePin { old: Pin::parse(old).map_err(wrong)?, new: Pin::parse(new).map_err(wrong)? })
}

fn change_puk(data: &[u8]) -> Result<Command<'_>, Status> {
    let (old, new) = halves(data)?;
    Ok(Command::ChangePuk { old: Puk::parse(old).map_err(wrong)?, new: Puk::parse(new).map_err(wrong)? })
}

/// Two references of eight bytes.
fn halves(data: &[u8]) -> Result<(&[u8], &[u8]), Status> {
    data.split_at_checked(pin::LENGTH).ok_or(Status::WRONG_DATA)
}

fn wrong<E>(_: E) -> Status {
    Status::WRONG_DATA
}

fn refusal(error: ObjectError) -> Status {
    match error {
        ObjectError::Tlv(_) => Status::WRONG_DATA,
        ObjectError::Unknown { .. } => Status::FILE_NOT_FOUND,
        ObjectError::TooLong { .. } => Status::NOT_ENOUGH_MEMORY,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, Status> {
        let apdu = Apdu::parse(&hex::decode(text.replace(' ', "")).unwrap()).unwrap();
        Command::parse(Application::Piv, &apdu).map(|command| format!("{command:?}"))
    }

    #[test]
    fn each_form_is_read_as_the_standard_prints_it() {
        for (text, expected) in [
            ("00cb3fff 05 5c035fc102 00", "GetData(Object { name: \"Card Holder Unique Identifier\""),
            ("00cb3fff 03 5c017e 00", "GetData(Object { name: \"Discovery Object\""),
            (
                "00db3fff 0a 5c035fc105 5303710100",
                "PutData(Object { name: \"X.509 Certificate for PIV Authentication\"",
            ),
            ("00200080", "PinStatus"),
            ("0020ff80", "ForgetPin"),
            ("00200080 08 313233343536ffff", "Verify("),
            ("00240080 10 313233343536ffff 3635343332 31ffff", "ChangePin"),
            ("00240081 10 3132333435363738 3837363534333231", "ChangePuk"),
            ("002c0080 10 3132333435363738 313233343536ffff", "ResetRetryCounter"),
            ("0024ff80 08 313233343536ffff", "SetTransportPin"),
            ("0024089b 10 000102030405060708090a0b0c0d0e0f", "SetManagementKey"),
            ("0047009a 05 ac03800111 00", "Generate { key: Authentication, algorithm: P256 }"),
            ("0087119a 06 7c0482008100 00", "UseKey { key: Authentication, algorithm: P256"),
            ("0087089b 04 7c028000 00", "Management { algorithm: Some(Aes128)"),
            ("00c0000000", "GetResponse"),
            ("00fd000000", "Version"),
        ] {
            let parsed = parse(text).unwrap_or_else(|status| panic!("{text}: {status:?}"));
            assert!(parsed.starts_with(expected), "{text}: {parsed}");
        }
    }

    #[test]
    fn other_forms_are_refused_with_the_standard_s_words() {
        for (text, status) in [
            ("00cb0000 05 5c035fc102 00", Status::INCORRECT_P1_P2),
            ("00cb3fff 05 5c035fc1fe 00", Status::FILE_NOT_FOUND),
            ("00cb3fff 04 5c02ff21 00", Status::FILE_NOT_FOUND),
            ("00cb3fff 05 5303000000 00", Status::WRONG_DATA),
            ("00200000 08 313233343536ffff", Status::REFERENCED_DATA_NOT_FOUND),
            // Match-on-card: no finger is compared (SP 800-73-4 part 2 §3.2.1).
            ("00200096 02 7f2e", Status::REFERENCED_DATA_NOT_FOUND),
            ("00200097 02 7f2e", Status::REFERENCED_DATA_NOT_FOUND),
            ("00200098 08 ffffffffffffffff", Status::REFERENCED_DATA_NOT_FOUND),
            ("00200080 07 313233343536ff", Status::WRONG_DATA),
            ("00200080 08 31323334353600ff", Status::WRONG_DATA),
            ("0020ff80 08 313233343536ffff", Status::WRONG_DATA),
            ("00200180 08 313233343536ffff", Status::INCORRECT_P1_P2),
            ("002c0081 10 3132333435363738 313233343536ffff", Status::REFERENCED_DATA_NOT_FOUND),
            ("0024039b 10 000102030405060708090a0b0c0d0e0f", Status::INCORRECT_P1_P2),
            ("00240c9b 10 000102030405060708090a0b0c0d0e0f", Status::WRONG_DATA),
            ("0047009b 05 ac03800111 00", Status::INCORRECT_P1_P2),
            ("0047009a 05 ac03800106 00", Status::WRONG_DATA),
            ("0087039b 04 7c028000 00", Status::INCORRECT_P1_P2),
            ("0087119b 04 7c028000 00", Status::INCORRECT_P1_P2),
            ("00870082 04 7c028000 00", Status::INCORRECT_P1_P2),
            ("00b00000 00", Status::INSTRUCTION_NOT_SUPPORTED),
        ] {
            assert_eq!(parse(text), Err(status), "{text}");
        }
    }

    proptest! {
        #[test]
        fn hostile_commands_never_panic(bytes in prop::collection::vec(any::<u8>(), 4..60)) {
            if let Ok(apdu) = Apdu::parse(&bytes) {
                let _ = Command::parse(Application::Piv, &apdu);
                let _ = Command::parse(Application::National, &apdu);
            }
        }
    }
}
