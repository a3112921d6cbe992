//! The dialogue with the issuer security domain (GPCS 2.3.1 §11), as seen from the personalizer.
//!
//! ```text
//! SELECT issuer domain -> GET DATA 9F7F (who are you), 0045 (what are you bound to), 00E0 (which keys have you)
//!                                                                                        no channel needed
//! INITIALIZE UPDATE, EXTERNAL AUTHENTICATE                                               SCP03
//! GET STATUS, STORE DATA 45, PUT KEY, DELETE, INSTALL [for personalization], STORE DATA .., SET STATUS    inside the channel
//! ```
//!
//! Nothing is decided here: a refusal comes back as [`DialogueError::Refused`] with the instruction and the status word.

use std::collections::BTreeSet;

use channel::random::Random;
use channel::scp03::{self, Channel, InitializeUpdateInfo, KeySet, Options, Scp03Error, key_check_value};
use channel::secret::Secret;
use eid::Application;
use iso7816::tlv::{self, Tag};
use iso7816::{Aid, Card, Command, Response, Status, TransmitError};
use lds::globalplatform::keys::{EncipheredKey, NewKeySet, delete_key_set};
use lds::globalplatform::life_cycle::{ALL_AIDS, SCOPE_APPLICATIONS, SCOPE_ISSUER_DOMAIN};
use lds::globalplatform::production::{TAG_CARD_IMAGE_NUMBER, TAG_CPLC, TAG_KEY_INFORMATION};
use lds::globalplatform::{
    ApplicationState, CardState, Cplc, FormatError, INS_GET_DATA, INS_GET_STATUS, INS_SET_STATUS, INS_STORE_DATA,
    KeyInformation, StatusEntry, StoreData, StoreDataEncryption, StoreDataStructure, install_for_personalization,
};

use crate::rotation::{CardKeys, KeysError};

const INS_SELECT: u8 = 0xA4;
/// GlobalPlatform class byte.
const CLA: u8 = 0x80;

/// Why a step of the dialogue did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum DialogueError {
    /// The card refused a command.
    #[error("the card refused instruction {instruction:02X}: {status}")]
    Refused {
        /// Instruction byte.
        instruction: u8,
        /// What the card said.
        status: Status,
    },
    /// The card's answer is not what the specification says.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The card has no such application.
    #[error("the card has no application {aid}")]
    NoApplication {
        /// The application.
        aid: Aid,
    },
    /// The secure channel was not opened.
    #[error(transparent)]
    Channel(Scp03Error),
    /// The card confirmed other keys than it was given.
    #[error("the card confirmed other keys than it was given")]
    OtherKeys,
    /// The keys of the card are not at hand.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Keys that were deleted are still there.
    #[error("the card still has the keys of version {version:02X}")]
    KeysRemain {
        /// Their version.
        version: u8,
    },
    /// An applet of others that takes no more commands which could make it useless.
    #[error("the applet is locked, and nothing makes it useless any more")]
    Locked,
    /// The citizen application's answer is not what the standard says.
    #[error("the citizen application: {what}")]
    Citizen {
        /// In what.
        what: &'static str,
    },
    /// The data could not be enciphered.
    #[error("data could not be enciphered for the card")]
    Encipher,
    /// No answer.
    #[error(transparent)]
    Transmit(#[from] TransmitError),
}

impl From<Scp03Error> for DialogueError {
    fn from(error: Scp03Error) -> Self {
        match error {
            Scp03Error::Refused { instruction, status } => DialogueError::Refused { instruction, status },
            Scp03Error::Transmit(error) => DialogueError::Transmit(error),
            error => DialogueError::Channel(error),
        }
    }
}

impl DialogueError {
    /// True when the card is gone, the reader failed, or the card's keys are not at hand: the card is as it was left, and can be
    /// asked again.
    pub fn is_interruption(&self) -> bool {
        matches!(
            self,
            DialogueError::Keys(_)
                | DialogueError::Transmit(
                    TransmitError::Lost | TransmitError::Reader { .. } | TransmitError::TimedOut { .. }
                )
        )
    }

    /// True when the card's cryptogram was wrong: the card has other keys.
    pub fn is_wrong_cryptogram(&self) -> bool {
        matches!(self, DialogueError::Channel(Scp03Error::CardCryptogram { .. }))
    }
}

/// The selected issuer domain, without a channel.
pub struct IssuerDomain<C> {
    card: C,
    serial: String,
}

impl<C: Card> IssuerDomain<C> {
    /// Selects the issuer domain and asks the chip for its serial.
    ///
    /// # Errors
    /// When the card refuses, answers nonsense, or is gone.
    pub fn select(mut card: C) -> Result<Self, DialogueError> {
        let select = Command::new(0x00, INS_SELECT, 0x04, 0x00);
        let named = select.clone().with_data(Aid::issuer_domain().as_bytes());
        match card.transmit(&named.with_ne(256))?.status {
            Status::OK => {}
            // Chips of other makers have it under another name: a selection without one means it (GPCS §11.9).
            Status::FILE_NOT_FOUND => drop(accepted(&mut card, &select.with_ne(256))?),
            status => return Err(DialogueError::Refused { instruction: INS_SELECT, status }),
        }
        let cplc = accepted(&mut card, &get_data(TAG_CPLC))?;
        let serial = Cplc::parse(&cplc.data)?.chip_serial();
        Ok(IssuerDomain { card, serial })
    }

    /// The card, with the issuer domain selected.
    pub fn into_card(self) -> C {
        self.card
    }

    /// The chip's serial, 24 hexadecimal digits.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// What the chip is bound to; `None` for a blank.
    ///
    /// # Errors
    /// When the card refuses otherwise than with "not found", or is gone.
    pub fn binding(&mut self) -> Result<Option<Vec<u8>>, DialogueError> {
        let response = self.card.transmit(&get_data(TAG_CARD_IMAGE_NUMBER))?;
        match response.status {
            Status::OK => {
                let value = tlv::sole(&response.data, TAG_CARD_IMAGE_NUMBER).map_err(FormatError::Structure)?;
                Ok((!value.is_empty()).then(|| value.to_vec()))
            }
            Status::REFERENCED_DATA_NOT_FOUND => Ok(None),
            status => Err(DialogueError::Refused { instruction: INS_GET_DATA, status }),
        }
    }

    /// The versions of the keys that the card has.
    ///
    /// # Errors
    /// When the card refuses, answers nonsense, or is gone.
    pub fn key_versions(&mut self) -> Result<BTreeSet<u8>, DialogueError> {
        key_versions(&mut self.card)
    }

    /// Opens the secure channel; the card's cryptogram is verified before EXTERNAL AUTHENTICATE is sent.
    ///
    /// # Errors
    /// When the card has other keys, refuses, or is gone.
    pub fn open(
        self,
        key_version: u8,
        keys: &dyn CardKeys,
        options: Options,
        random: &mut dyn Random,
    ) -> Result<SecuredDomain<C>, DialogueError> {
        let keys =
            |info: &InitializeUpdateInfo| -> Result<KeySet, DialogueError> { Ok(keys.of_chip(&info.diversification)?) };
        Ok(SecuredDomain { channel: scp03::open_derived(self.card, key_version, keys, options, random)? })
    }
}

/// The issuer domain inside the secure channel.
pub struct SecuredDomain<C> {
    channel: Channel<C>,
}

impl<C: Card> SecuredDomain<C> {
    /// The card, without the channel.
    pub fn into_card(self) -> C {
        self.channel.into_inner()
    }

    /// Version of the keys that the channel is under.
    pub fn key_version(&self) -> u8 {
        self.channel.initialize_update().key_version
    }

    /// The chip's key diversification data.
    pub fn diversification(&self) -> [u8; 10] {
        self.channel.initialize_update().diversification
    }

    /// The versions of the keys that the card has.
    ///
    /// # Errors
    /// When the card refuses, answers nonsense, or is gone.
    pub fn key_versions(&mut self) -> Result<BTreeSet<u8>, DialogueError> {
        key_versions(&mut self.channel)
    }

    /// Puts keys of a new version beside those that the card has.
    ///
    /// # Errors
    /// When the card refuses, confirms other keys, or is gone.
    pub fn add_keys(&mut self, version: u8, keys: &KeySet) -> Result<(), DialogueError> {
        let enciphered = |key: &Secret| -> Result<EncipheredKey, Scp03Error> {
            let cryptogram = self.channel.encrypt_key(key)?;
            // 16, 24 or 32 bytes: the check value is made of nothing else.
            let check = key_check_value(key)?;
            Ok(EncipheredKey { length: key.expose().len() as u8, cryptogram, check })
        };
        let set = NewKeySet { version, keys: [enciphered(&keys.enc)?, enciphered(&keys.mac)?, enciphered(&keys.dek)?] };
        let response = accepted(&mut self.channel, &set.command(0))?;
        if response.data == set.confirmation() { Ok(()) } else { Err(DialogueError::OtherKeys) }
    }

    /// Deletes the keys of a version.
    ///
    /// # Errors
    /// When the card refuses or is gone.
    pub fn delete_keys(&mut self, version: u8) -> Result<(), DialogueError> {
        accepted(&mut self.channel, &delete_key_set(version)).map(drop)
    }

    /// The life cycle state of the card.
    ///
    /// # Errors
    /// When the card refuses, answers nonsense, or is gone.
    pub fn card_state(&mut self) -> Result<CardState, DialogueError> {
        self.state(SCOPE_ISSUER_DOMAIN, &Aid::issuer_domain()).map(CardState)
    }

    /// The life cycle state of the eMRTD application.
    ///
    /// # Errors
    /// When the card refuses, answers nonsense, or is gone.
    pub fn application_state(&mut self) -> Result<ApplicationState, DialogueError> {
        self.state(SCOPE_APPLICATIONS, &Aid::emrtd()).map(ApplicationState)
    }

    /// The life cycle states of the citizen's applications that the card lists.
    ///
    /// # Errors
    /// When the card refuses, answers nonsense, or is gone.
    pub fn citizen_states(&mut self) -> Result<Vec<(Application, ApplicationState)>, DialogueError> {
        let entries = self.entries(SCOPE_APPLICATIONS)?;
        let state = |application: Application| {
            let entry = entries.iter().find(|entry| entry.aid == application.aid())?;
            Some((application, ApplicationState(entry.state)))
        };
        Ok([Application::Piv, Application::National].into_iter().filter_map(state).collect())
    }

    fn entries(&mut self, scope: u8) -> Result<Vec<StatusEntry>, DialogueError> {
        let command = Command::new(CLA, INS_GET_STATUS, scope, 0x02).with_data(ALL_AIDS).with_ne(256);
        let response = accepted(&mut self.channel, &command)?;
        Ok(StatusEntry::parse_all(&response.data)?)
    }

    fn state(&mut self, scope: u8, aid: &Aid) -> Result<u8, DialogueError> {
        let entries = self.entries(scope)?;
        let entry = entries.iter().find(|entry| entry.aid == *aid);
        entry.map(|entry| entry.state).ok_or_else(|| DialogueError::NoApplication { aid: aid.clone() })
    }

    /// Writes the binding. A chip takes one binding in its life; the same again is accepted.
    ///
    /// # Errors
    /// When the card refuses or is gone.
    pub fn bind(&mut self, binding: &[u8]) -> Result<(), DialogueError> {
        let p1 =
            StoreData { last: true, encryption: StoreDataEncryption::Plain, structure: StoreDataStructure::BerTlv };
        let data = tlv::encode(TAG_CARD_IMAGE_NUMBER, binding);
        let command = Command::new(CLA, INS_STORE_DATA, p1.to_p1(), 0x00).with_data(data);
        accepted(&mut self.channel, &command).map(drop)
    }

    /// Begins the personalization of the eMRTD application; whatever it held is erased.
    ///
    /// # Errors
    /// When the card refuses or is gone.
    pub fn install(&mut self) -> Result<(), DialogueError> {
        let command = install_for_personalization(&Aid::emrtd()).with_ne(256);
        accepted(&mut self.channel, &command).map(drop)
    }

    /// Enciphers the value of a secret data grouping.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn encipher(&mut self, value: &[u8]) -> Result<Vec<u8>, DialogueError> {
        self.channel.encrypt_dek(value).map_err(|_| DialogueError::Encipher)
    }

    /// Writes one run of blocks; `next` is the number of the next block, counted on over the runs of one personalization.
    ///
    /// # Errors
    /// When the card refuses or is gone.
    pub fn store(&mut self, run: &Run<'_>, next: &mut u8, written: &mut dyn FnMut(usize)) -> Result<(), DialogueError> {
        let blocks = run.bytes.chunks(run.block_size.max(1));
        let count = blocks.len();
        for (index, block) in blocks.enumerate() {
            let p1 = StoreData {
                last: run.ends && index + 1 == count,
                encryption: run.encryption,
                structure: StoreDataStructure::Dgi,
            };
            let command = Command::new(CLA, INS_STORE_DATA, p1.to_p1(), *next).with_data(block);
            accepted(&mut self.channel, &command)?;
            *next = next.wrapping_add(1);
            written(block.len());
        }
        Ok(())
    }

    /// Puts the eMRTD application into another state.
    ///
    /// # Errors
    /// When the card refuses or is gone.
    pub fn set_application(&mut self, state: ApplicationState) -> Result<(), DialogueError> {
        self.set(SCOPE_APPLICATIONS, state.0, &Aid::emrtd())
    }

    /// Puts one of the citizen's applications into another state.
    ///
    /// # Errors
    /// When the card refuses or is gone.
    pub fn set_citizen(&mut self, application: Application, state: ApplicationState) -> Result<(), DialogueError> {
        self.set(SCOPE_APPLICATIONS, state.0, &application.aid())
    }

    /// Puts the card into another state.
    ///
    /// # Errors
    /// When the card refuses or is gone.
    pub fn set_card(&mut self, state: CardState) -> Result<(), DialogueError> {
        self.set(SCOPE_ISSUER_DOMAIN, state.0, &Aid::issuer_domain())
    }

    fn set(&mut self, scope: u8, state: u8, aid: &Aid) -> Result<(), DialogueError> {
        let command = Command::new(CLA, INS_SET_STATUS, scope, state).with_data(aid.as_bytes());
        accepted(&mut self.channel, &command).map(drop)
    }
}

/// Consecutive STORE DATA blocks of one kind.
pub struct Run<'a> {
    /// The data groupings, encoded.
    pub bytes: &'a [u8],
    /// Whether their values are enciphered.
    pub encryption: StoreDataEncryption,
    /// Bytes in one block.
    pub block_size: usize,
    /// True when nothing follows: the last block is marked.
    pub ends: bool,
}

fn key_versions(card: &mut dyn Card) -> Result<BTreeSet<u8>, DialogueError> {
    let response = accepted(card, &get_data(TAG_KEY_INFORMATION))?;
    Ok(KeyInformation::parse_template(&response.data)?.iter().map(|key| key.version).collect())
}

fn get_data(tag: Tag) -> Command {
    let [.., p1, p2] = tag.0.to_be_bytes();
    Command::new(CLA, INS_GET_DATA, p1, p2).with_ne(256)
}

/// Sends a command that must succeed.
pub(crate) fn accepted(card: &mut dyn Card, command: &Command) -> Result<Response, DialogueError> {
    let response = card.transmit(command)?;
    if response.status.is_ok() {
        Ok(response)
    } else {
        Err(DialogueError::Refused { instruction: command.ins, status: response.status })
    }
}
