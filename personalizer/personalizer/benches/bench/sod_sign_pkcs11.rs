//! `sod_sign_pkcs11`: security objects signed per second with a key in a SoftHSM2 token, on one session.
//!
//! - value: `DocumentSigner::sign_security_object` for six data groups: digests, signed attributes, signature, CMS, and
//!   the count of the key's uses
//! - floor: C_SignInit and C_Sign of one digest with the same key
//!
//! SoftHSM2 reads its configuration from the environment, so a second process measures.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use authority::{Authority, DocumentSigner, KeyPlace, NewKey, Passphrase, Profile, TokenAddress};
use cryptoki::context::Pkcs11;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use jiff::Timestamp;
use openssl::sha::sha256;

use crate::centre::PROFILE;
use crate::report::Row;
use crate::sod_sign_software::security_object;
use crate::turns::{Medians, Turns};

/// The first argument of the client; the folder of the authority and the module follow.
pub const CLIENT: &str = "pkcs11-client";
const TURNS: Turns = Turns { rounds: 50, repetitions: 200 };
const LABEL: &str = "bench";
const PIN: &str = "1234567";
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

/// The row; `None` where SoftHSM2 is not installed, which standard error then says.
pub fn row() -> Result<Option<Row>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let settings = folder.path().join("softhsm2.conf");
    let tokens = folder.path().join("tokens");
    fs::create_dir(&tokens)?;
    fs::write(&settings, format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display()))?;
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", PIN])
        .env("SOFTHSM2_CONF", &settings)
        .output();
    let module = MODULES.into_iter().find(|path| Path::new(path).exists());
    let (Ok(made), Some(module)) = (made, module) else {
        eprintln!("sod_sign_pkcs11: left out, softhsm2 is not installed");
        return Ok(None);
    };
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into());
    }
    let mut client = Command::new(env::current_exe()?);
    client.arg(CLIENT).arg(folder.path()).arg(module).env("SOFTHSM2_CONF", &settings).stderr(Stdio::inherit());
    let output = client.output()?;
    if !output.status.success() {
        return Err(format!("sod_sign_pkcs11: the client ended with {}", output.status).into());
    }
    let (value, floor) = serde_json::from_slice(&output.stdout)?;
    Ok(Some(Row::rate("sod_sign_pkcs11", "signature/s", 1.0, &Medians { value, floor })))
}

/// The client: measures and prints the two medians.
pub fn client(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [folder, module] = arguments else { return Err("expected a folder and a module".into()) };
    let (pin, now) = (Passphrase::new(PIN), Timestamp::now());
    let address = TokenAddress { module: PathBuf::from(module), label: LABEL.to_owned() };
    let keys = NewKey { place: KeyPlace::Token(address), ..NewKey::default() };
    let profile = Profile::find(PROFILE).ok_or("no such profile")?;
    let mut authority = Authority::init_with(&Path::new(folder).join("authority"), profile, &keys, &pin, now)?;
    authority.make_keys(keys);
    let signer = authority.new_document_signer(None, &pin, &pin, now)?;
    let signer = DocumentSigner::load(&signer.directory, &pin)?;

    // The same token, in which this process is logged in already.
    let pkcs11 = Pkcs11::new(module)?;
    let slot = *pkcs11.get_slots_with_initialized_token()?.first().ok_or("no token")?;
    let session = pkcs11.open_ro_session(slot)?;
    let wanted = [Attribute::Label(b"bitaqa-ds-0001".to_vec()), Attribute::Private(true)];
    let key = *session.find_objects(&wanted)?.first().ok_or("no key")?;

    let object = security_object();
    let digest = sha256(&object);
    let medians = TURNS
        .measure(|| Ok(signer.sign_security_object(&object)?), || Ok(session.sign(&Mechanism::Ecdsa, key, &digest)?))?;
    println!("{}", serde_json::to_string(&(medians.value, medians.floor))?);
    Ok(())
}
