//! Security objects signed per second with a key in a SoftHSM2 token.
//!
//! `sod_sign_pkcs11`, on one session:
//!
//! - value: `DocumentSigner::sign_security_object` for six data groups: digests, signed attributes, signature, CMS, and
//!   the count of the key's uses
//! - floor: the cryptography of it and nothing else: SHA-256 of the content, SHA-256 of the signed attributes, C_SignInit and
//!   C_Sign of that digest with the same key
//!
//! `sod_sign_workers`, in batches of [`BATCH`], because SoftHSM2 lets one thread of a process sign at a time:
//!
//! - value: two threads with two worker processes
//! - floor: the same in this process, on one thread; two CPUs allow a ratio of two
//!
//! SoftHSM2 reads its configuration from the environment, so a second process measures.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use authority::{Authority, DocumentSigner, KeyPlace, NewKey, Passphrase, Profile, TokenAddress, Workers};
use cryptoki::context::Pkcs11;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use jiff::Timestamp;
use openssl::sha::sha256;

use crate::centre::PROFILE;
use crate::report::Row;
use crate::sod_sign_software::{security_object, signed_attributes};
use crate::turns::{Medians, Turns};

/// The first argument of the client; the folder of the authority and the module follow.
pub const CLIENT: &str = "pkcs11-client";
/// The first argument of a worker.
pub const WORKER: &str = "signing-worker";
const TURNS: Turns = Turns { rounds: 50, repetitions: 200 };
const BATCHES: Turns = Turns { rounds: 15, repetitions: 1 };
/// Security objects in a batch.
const BATCH: u32 = 2000;
const LABEL: &str = "bench";
const PIN: &str = "1234567";
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

/// The rows; none where SoftHSM2 is not installed, which standard error then says.
pub fn rows() -> Result<Vec<Row>, Box<dyn Error>> {
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
        return Ok(Vec::new());
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
    let ((value, floor), batch): (_, (Duration, Duration)) = serde_json::from_slice(&output.stdout)?;
    let batch = Medians { value: batch.0, floor: batch.1 };
    Ok(vec![
        Row::rate("sod_sign_pkcs11", "signature/s", 1.0, &Medians { value, floor }),
        Row::rate("sod_sign_workers", "signature/s", f64::from(BATCH), &batch),
    ])
}

/// The worker: signs until its parent has had enough.
pub fn worker() -> Result<(), Box<dyn Error>> {
    let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
    Ok(authority::serve(&mut own(io::stdin().as_fd())?, &mut own(io::stdout().as_fd())?)?)
}

/// The client: measures and prints the two medians.
pub fn client(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [folder, module] = arguments else { return Err("expected a folder and a module".into()) };
    let (pin, now) = (Passphrase::new(PIN), Timestamp::now());
    let address = TokenAddress { module: PathBuf::from(module), label: LABEL.to_owned() };
    let keys = NewKey { place: KeyPlace::Token(address), ..NewKey::default() };
    let profile = Profile::find(PROFILE).ok_or("no such profile")?;
    let mut authority = Authority::init_with(&Path::new(folder).join("authority"), profile, &keys, &pin, now)?;
    authority.make_keys(NewKey { max_uses: Some(u64::MAX), ..keys });
    let directory = authority.new_document_signer(None, &pin, &pin, now)?.directory;
    let signer = DocumentSigner::load(&directory, &pin)?;

    // The same token, in which this process is logged in already.
    let pkcs11 = Pkcs11::new(module)?;
    let slot = *pkcs11.get_slots_with_initialized_token()?.first().ok_or("no token")?;
    let session = pkcs11.open_ro_session(slot)?;
    let wanted = [Attribute::Label(b"bitaqa-ds-0001".to_vec()), Attribute::Private(true)];
    let key = *session.find_objects(&wanted)?.first().ok_or("no key")?;

    let object = security_object();
    let attributes = signed_attributes(&signer.sign_security_object(&object)?)?;
    let medians = TURNS.measure(
        || Ok(signer.sign_security_object(&object)?),
        || {
            black_box(sha256(&object));
            Ok(session.sign(&Mechanism::Ecdsa, key, &sha256(&attributes))?)
        },
    )?;
    let (arguments, patience) = (vec![WORKER.into()], Duration::from_secs(30));
    let workers = Workers { program: env::current_exe()?, arguments, count: 2, patience };
    let several = DocumentSigner::load_with_workers(&directory, Passphrase::new(PIN), workers)?;
    let batch = BATCHES.measure(
        || {
            thread::scope(|scope| {
                let half = || (0..BATCH / 2).try_for_each(|_| several.sign_security_object(&object).map(drop));
                let other = scope.spawn(half);
                half()?;
                Ok(other.join().map_err(|_| "a thread died")??)
            })
        },
        || Ok((0..BATCH).try_for_each(|_| signer.sign_security_object(&object).map(drop))?),
    )?;
    println!("{}", serde_json::to_string(&((medians.value, medians.floor), (batch.value, batch.floor)))?);
    Ok(())
}
