//! The terminal's end of every channel, over a card that answers whatever the input says.
#![no_main]

use card_apps_fuzz::{Listed, Repeating, Steps};
use channel::active_auth::{self, ActivePublicKey};
use channel::pace::{self, LADDER, Suite};
use channel::password::{MrzKey, Password};
use channel::scp03::{KeySet, SecurityLevel};
use channel::secret::Secret;
use channel::{bac, scp02, scp03};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [choice, bytes @ ..] = bytes else { return };
    let mut random = Repeating(7);
    let mut card = Listed(Steps(bytes));
    let key = Secret::from(&[0x40; 16][..]);
    let keys = KeySet { enc: key.clone(), mac: key.clone(), dek: key };
    match choice {
        0 => drop(bac::open(&mut card, &MrzKey::from_information("L898902C<369080619406236"), &mut random)),
        1 => drop(scp03::open(card, 0, &keys, SecurityLevel::ALL[bytes.len() % 5], &mut random)),
        2 => drop(scp02::open(card, 0, &keys, scp02::SecurityLevel::ALL[bytes.len() % 2], &mut random)),
        3 => {
            if let Some((_, key)) = card.0.next()
                && let Ok(answer) = active_auth::request(&mut card, 256, &mut random)
                && let Ok(key) = ActivePublicKey::rsa(key)
            {
                assert!(key.verify(&answer, None).is_err(), "whoever found a key for its own signature");
            }
        }
        suite => {
            let password = Password::Can(Secret::from(&b"123456"[..]));
            let Some(suite) = Suite::all().nth(usize::from(*suite) - 4) else { return };
            assert!(pace::open(&mut card, &suite, &password, LADDER[0], &mut random).is_err());
        }
    }
});
