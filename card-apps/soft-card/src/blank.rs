//! The card as its maker delivers it: INITIALIZED, one key set, an empty eMRTD application, and the citizen
//! application if it is wanted.

use channel::random::{OsRandom, Random, RandomError};
use channel::scp03::KeySet;
use channel::secret::Secret;
use lds::globalplatform::Cplc;

use crate::issuer_domain::{self, CardLife, SecureChannel, StoredKeySet};
use crate::persistence::State;
use crate::persona::Make;
use crate::{eid, emrtd, jmrtd};

/// Key version of the keys that a blank is delivered with.
pub const DEFAULT_KEY_VERSION: u8 = 0x30;

/// What makes one blank differ from another.
#[derive(Clone, Debug)]
pub struct BlankOptions {
    /// IC serial number and batch in the CPLC; fresh random bytes when absent.
    pub serial: Option<[u8; 6]>,
    /// Version of the first key set, `01` to `7F`, or `FF` for keys that go when the first others come.
    pub key_version: u8,
    /// The first key set.
    pub keys: KeySet,
    /// What the chip can do.
    pub make: Make,
    /// How it speaks SCP03.
    pub secure_channel: SecureChannel,
    /// Whether the citizen application is on the card, in its delivery state.
    pub eid: bool,
    /// Another program in its place, and alone on the card.
    pub applet: Option<eid::AppletKind>,
    /// Most bytes of an object, where the program lets one choose.
    pub longest_object: usize,
    /// Whether the JMRTD passport applet takes the place of the eMRTD application.
    pub jmrtd: bool,
}

impl Default for BlankOptions {
    /// A random serial number and the well-known test keys `40 41 .. 4F`, version `30`.
    fn default() -> Self {
        let key = Secret::new((0x40..=0x4F).collect());
        let keys = KeySet { enc: key.clone(), mac: key.clone(), dek: key };
        BlankOptions {
            serial: None,
            key_version: DEFAULT_KEY_VERSION,
            keys,
            make: Make::default(),
            secure_channel: SecureChannel::default(),
            eid: false,
            applet: None,
            longest_object: eid::LONGEST_OBJECT,
            jmrtd: false,
        }
    }
}

impl State {
    /// The chip's serial number as the ledger knows it ([`Cplc::chip_serial`]); empty for a memory without CPLC.
    pub fn chip_serial(&self) -> String {
        Cplc::parse(&self.issuer_domain.cplc).map(|cplc| cplc.chip_serial()).unwrap_or_default()
    }

    /// The memory of a card as its maker delivers it.
    ///
    /// # Errors
    /// When no serial number was given and no randomness is to be had.
    pub fn blank(options: BlankOptions) -> Result<Self, RandomError> {
        let BlankOptions { serial, key_version, keys, make, secure_channel, .. } = options;
        let serial = match serial {
            Some(serial) => serial,
            None => {
                let mut serial = [0; 6];
                OsRandom.fill(&mut serial)?;
                serial
            }
        };
        let set = StoredKeySet { enc: keys.enc, mac: keys.mac, dek: keys.dek, sequence: 0 };
        Ok(State {
            issuer_domain: issuer_domain::Memory {
                life_cycle: CardLife::Initialized,
                cplc: production_data(serial),
                issuer_identification: None,
                card_image_number: None,
                keys: [(key_version, set)].into(),
                secure_channel,
                failed_authentications: 0,
            },
            make,
            emrtd: emrtd::Memory::empty(),
            eid: match options.applet {
                Some(kind) => Some(eid::Memory::of_applet(kind, options.longest_object, &mut OsRandom)?),
                None => options.eid.then(eid::Memory::delivered),
            },
            jmrtd: options.jmrtd.then(jmrtd::Memory::default),
        })
    }
}

/// Where the value of the CPLC begins in its data object: after `9F7F 2A`.
const CPLC_HEAD: usize = 3;

/// The CPLC of a soft card. The fabricator is `FFFF`, which no maker of silicon has; dates are year and day, `6326`
/// being day 326 of a year that ends in 6.
fn production_data(serial: [u8; 6]) -> Vec<u8> {
    let [a, b, c, d, e, f] = serial;
    let cplc = Cplc {
        ic_fabricator: [0xFF, 0xFF],
        ic_type: [0x50, 0x0C],
        os_id: [0xFF, 0xFF],
        os_release_date: [0x63, 0x26],
        os_release_level: [0x00, 0x01],
        ic_fabrication_date: [0x63, 0x26],
        ic_serial_number: [a, b, c, d],
        ic_batch_id: [e, f],
        module: [0; 8],
        pre_personalization: [0; 8],
        personalization: [0; 8],
    };
    cplc.to_bytes().split_off(CPLC_HEAD)
}
