//! Keys in a real token: SoftHSM2, with its own configuration in each test.
//!
//! SoftHSM2 reads its configuration from the environment, which a test may not change in its own process: each test starts
//! itself again with the environment that it needs. Without the packages `softhsm2` and `libsofthsm2` they are skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use authority::ceremony::{self, Ceremony, CeremonyError, Credential, Custodian, Room, custody};
use authority::{
    Algorithm, Authority, DocumentSigner, InitError, IssueError, KeyError, KeyPlace, LoadError, MasterKey, MasterKind,
    NewKey, PROFILES, Passphrase, SignError, Signer, Token, TokenAddress, TokenError, TokenKey, Tries, UseError,
};
use channel::key_set::Diversification;
use channel::secret::Secret;
use cryptoki::context::Pkcs11;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use jiff::Timestamp;
use trust::PublicKey;
use trust::cms::SignedData;

/// An LDSSecurityObject with two data groups (9303-10 §4.6.2.2).
const CONTENT: &[u8] = b"\x30\x60\x02\x01\x00\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x30\x4e\
    \x30\x25\x02\x01\x01\x04\x20the hash of data group number 01\
    \x30\x25\x02\x01\x02\x04\x20the hash of data group number 02";

const PIN: &str = "19283746";
const LABEL: &str = "national token";
const FOLDER: &str = "BITAQA_TOKEN_TEST";
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

/// A folder with an initialised token in it.
struct Place(PathBuf);

impl Place {
    fn address(&self) -> TokenAddress {
        TokenAddress { module: module().unwrap(), label: LABEL.to_owned() }
    }

    fn token(&self) -> Arc<Token> {
        Token::open(&self.address(), &pin()).unwrap()
    }

    fn new_keys(&self) -> NewKey {
        NewKey { place: KeyPlace::Token(self.address()), ..NewKey::default() }
    }

    fn authority(&self) -> Authority {
        let now = Timestamp::now();
        let mut authority =
            Authority::init_with(&self.0.join("pki"), &PROFILES[0], &self.new_keys(), &pin(), now).unwrap();
        authority.make_keys(self.new_keys());
        authority
    }

    fn objects(&self) -> usize {
        let _login = self.token();
        let pkcs11 = Pkcs11::new(module().unwrap()).unwrap();
        let slot = pkcs11.get_slots_with_initialized_token().unwrap()[0];
        pkcs11.open_ro_session(slot).unwrap().find_objects(&[]).unwrap().len()
    }
}

fn pin() -> Passphrase {
    Passphrase::new(PIN)
}

fn module() -> Option<PathBuf> {
    MODULES.map(PathBuf::from).into_iter().find(|path| path.exists())
}

/// Runs the body in a process of its own with a fresh token.
fn with_token(test: &str, body: fn(&Place)) {
    if let Some(folder) = env::var_os(FOLDER) {
        return body(&Place(folder.into()));
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("softhsm2.conf");
    let tokens = folder.path().join("tokens");
    fs::create_dir(&tokens).unwrap();
    let text = format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display());
    fs::write(&settings, text).unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "87654321"])
        .env("SOFTHSM2_CONF", &settings)
        .output();
    let (Ok(made), Some(_)) = (made, module()) else {
        println!("skipped: softhsm2 is not installed");
        return;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("SOFTHSM2_CONF", &settings)
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert!(!text.contains(PIN), "{text}");
}

/// The public key of a SubjectPublicKeyInfo that nobody but this test wrote.
fn public_key(key: &TokenKey) -> PublicKey {
    use iso7816::tlv::encode;
    use trust::der::{BIT_STRING, NULL, OID, SEQUENCE, oid};
    let algorithm = match key.algorithm().curve() {
        Some(curve) => [encode(OID, oid::EC_PUBLIC_KEY), encode(OID, curve.oid())].concat(),
        None => [encode(OID, oid::RSA_ENCRYPTION), encode(NULL, [])].concat(),
    };
    let bits = [&[0], key.public_bits()].concat();
    let spki = encode(SEQUENCE, [encode(SEQUENCE, algorithm), encode(BIT_STRING, bits)].concat());
    PublicKey::from_spki(&spki).unwrap()
}

#[test]
fn every_algorithm_signs_and_is_found_again() {
    with_token("every_algorithm_signs_and_is_found_again", |place| {
        for algorithm in Algorithm::OFFERED {
            let id = TokenKey::generate(&place.token(), "one", algorithm).unwrap().id().to_vec();
            // Every session was closed in between.
            let key = TokenKey::find(&place.token(), "one", &id, algorithm).unwrap();
            let public = public_key(&key);
            for message in [&b"first"[..], b"", &[0xA5; 5000]] {
                let signature = key.sign(message).unwrap();
                algorithm.signature().verify(&public, message, &signature).unwrap();
                assert!(algorithm.signature().verify(&public, b"other", &signature).is_err());
            }
        }
    });
}

#[test]
fn keys_are_born_in_the_token_and_stay_there() {
    with_token("keys_are_born_in_the_token_and_stay_there", |place| {
        let token = place.token();
        let algorithm = Algorithm::OFFERED[0];
        TokenKey::generate(&token, "one", algorithm).unwrap();
        let pkcs11 = Pkcs11::new(module().unwrap()).unwrap();
        let slot = pkcs11.get_slots_with_initialized_token().unwrap()[0];
        let session = pkcs11.open_rw_session(slot).unwrap();
        let private = session.find_objects(&[Attribute::Private(true), Attribute::Sign(true)]).unwrap();
        assert_eq!(private.len(), 1);
        assert!(!matches!(
            session.get_attributes(private[0], &[AttributeType::Value]).as_deref(),
            Ok([Attribute::Value(_), ..])
        ));
        let facts = [
            (AttributeType::AlwaysSensitive, Attribute::AlwaysSensitive(true)),
            (AttributeType::NeverExtractable, Attribute::NeverExtractable(true)),
            (AttributeType::Local, Attribute::Local(true)),
        ];
        for (kind, expected) in facts {
            assert_eq!(session.get_attributes(private[0], &[kind]).unwrap(), [expected]);
        }

        // A key that somebody made carelessly is not used.
        let named = [Attribute::Label(b"careless".to_vec()), Attribute::Id(vec![1]), Attribute::Token(true)];
        let curve = algorithm.curve().unwrap();
        let parameters = iso7816::tlv::encode(trust::der::OID, curve.oid());
        let public = [&named[..], &[Attribute::Verify(true), Attribute::EcParams(parameters)]].concat();
        let private = [&named[..], &[Attribute::Sign(true), Attribute::Extractable(true)]].concat();
        session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).unwrap();
        let found = TokenKey::find(&token, "careless", &[1], algorithm);
        assert!(matches!(found, Err(TokenError::Unprotected { .. })));
    });
}

#[test]
fn an_authority_with_all_keys_in_a_token() {
    with_token("an_authority_with_all_keys_in_a_token", |place| {
        let now = Timestamp::now();
        let mut authority = place.authority();
        assert_eq!(authority.token().unwrap(), Some(place.address()));
        let signer = authority.new_document_signer(None, &pin(), &pin(), now).unwrap();
        assert_eq!(signer.token, Some(place.address()));
        signer.certificate.verify_signature(authority.csca().public_key()).unwrap();
        authority.issue_crl(&pin(), now).unwrap();
        authority.roll_over(None, None, &pin(), now).unwrap();
        authority.export_bundle(authority::BundleRequest::default(), &pin(), now).unwrap();

        let loaded = DocumentSigner::load(&signer.directory, &pin()).unwrap();
        let cms = loaded.sign_security_object(CONTENT).unwrap();
        let cms = SignedData::from_der(&cms).unwrap();
        assert_eq!(cms.verify(&cms.signers()[0], &signer.certificate).unwrap(), []);
        // Two generations, bundle signer, document signer: two objects each.
        assert_eq!(place.objects(), 8);
        assert!(!holds_private_key(&place.0.join("pki")));
        let reopened = Authority::open(&place.0.join("pki")).unwrap();
        assert_eq!(reopened.signers().unwrap()[0].token, Some(place.address()));
    });
}

fn holds_private_key(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            holds_private_key(&path)
        } else {
            path.ends_with("key.p8") || String::from_utf8_lossy(&fs::read(&path).unwrap()).contains("PRIVATE KEY")
        }
    })
}

#[test]
fn the_pin_is_tried_once() {
    with_token("the_pin_is_tried_once", |place| {
        let wrong = Passphrase::new("00000000");
        let refused = Token::open(&place.address(), &wrong).err().unwrap();
        assert!(matches!(refused, TokenError::WrongPin { tries: Tries::Few | Tries::Unknown, .. }), "{refused:?}");
        assert!(!format!("{refused} {refused:?}").contains("00000000"));
        let short = Token::open(&place.address(), &Passphrase::new("1")).err().unwrap();
        assert!(matches!(short, TokenError::WrongPin { .. }), "{short:?}");

        let refused =
            Authority::init_with(&place.0.join("pki"), &PROFILES[0], &place.new_keys(), &wrong, Timestamp::now());
        let Err(InitError::Issue(IssueError::NewKey(KeyError::Token(TokenError::WrongPin { .. })))) = refused else {
            panic!("{refused:?}")
        };
        assert!(!place.0.join("pki").exists());
        place.token();
    });
}

#[test]
fn what_is_missing_is_named() {
    with_token("what_is_missing_is_named", |place| {
        let address = |module: &str, label: &str| TokenAddress { module: module.into(), label: label.to_owned() };
        let good = module().unwrap();
        let no_module = Token::open(&address("/nowhere/module.so", LABEL), &pin()).err().unwrap();
        assert!(matches!(no_module, TokenError::Module { .. }), "{no_module:?}");
        fs::write(place.0.join("text.so"), "no library").unwrap();
        let no_module = Token::open(&address(place.0.join("text.so").to_str().unwrap(), LABEL), &pin()).err().unwrap();
        assert!(matches!(no_module, TokenError::Module { .. }), "{no_module:?}");
        let no_token = Token::open(&address(good.to_str().unwrap(), "another"), &pin()).err().unwrap();
        assert!(no_token.to_string().contains(LABEL), "{no_token}");

        let mut authority = place.authority();
        let signer = authority.new_document_signer(None, &pin(), &pin(), Timestamp::now()).unwrap();
        let key = fs::read_to_string(signer.directory.join("key.json")).unwrap();
        fs::write(signer.directory.join("key.json"), key.replace("bitaqa-ds-0001", "bitaqa-ds-0002")).unwrap();
        let refused = DocumentSigner::load(&signer.directory, &pin()).err().unwrap();
        assert!(matches!(refused, LoadError::Key(KeyError::Token(TokenError::NoKey { .. }))), "{refused:?}");
    });
}

#[test]
fn a_token_that_goes_away_is_an_error_and_leaves_no_half_signer() {
    with_token("a_token_that_goes_away_is_an_error_and_leaves_no_half_signer", |place| {
        let mut authority = place.authority();
        let signer = authority.new_document_signer(None, &pin(), &pin(), Timestamp::now()).unwrap();
        let loaded = DocumentSigner::load(&signer.directory, &pin()).unwrap();
        fs::rename(place.0.join("tokens"), place.0.join("elsewhere")).unwrap();
        // SoftHSM2 may still hold the key in memory; what matters is that nothing breaks.
        if let Err(error) = loaded.sign_security_object(CONTENT) {
            assert!(matches!(error, SignError::Key(_)), "{error:?}");
        }
        drop(loaded);
        let refused = authority.new_document_signer(None, &pin(), &pin(), Timestamp::now());
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!(authority.signers().unwrap().len(), 1);
        assert_eq!(fs::read_dir(place.0.join("pki/ds")).unwrap().count(), 1);

        fs::rename(place.0.join("elsewhere"), place.0.join("tokens")).unwrap();
    });
}

#[test]
fn no_key_stays_behind_when_nothing_was_made_with_it() {
    with_token("no_key_stays_behind_when_nothing_was_made_with_it", |place| {
        // The parent of the directory is a file: the keys are made, then nothing can be written.
        fs::write(place.0.join("file"), "").unwrap();
        let directory = place.0.join("file/pki");
        let refused = Authority::init_with(&directory, &PROFILES[0], &place.new_keys(), &pin(), Timestamp::now());
        assert!(matches!(refused, Err(InitError::Issue(IssueError::File(_)))), "{refused:?}");
        assert_eq!(place.objects(), 0);
    });
}

#[test]
fn uses_are_bounded() {
    with_token("uses_are_bounded", |place| {
        let mut authority = place.authority();
        authority.make_keys(NewKey { max_uses: Some(3), ..place.new_keys() });
        let signer = authority.new_document_signer(None, &pin(), &pin(), Timestamp::now()).unwrap();
        let loaded = DocumentSigner::load(&signer.directory, &pin()).unwrap();
        for _ in 0..3 {
            loaded.sign_security_object(CONTENT).unwrap();
        }
        for refused in [loaded.sign_security_object(CONTENT), {
            drop(loaded);
            DocumentSigner::load(&signer.directory, &pin()).unwrap().sign_security_object(CONTENT)
        }] {
            assert!(matches!(refused, Err(SignError::Uses(UseError::Exhausted { most: 3 }))), "{refused:?}");
        }
        let signer = &authority.signers().unwrap()[0];
        assert!(signer.is_used_up() && !signer.may_sign(Timestamp::now()));
        let status = authority.status(Timestamp::now()).unwrap();
        assert!(status.items.iter().any(|item| item.action.as_deref() == Some("bitaqa-pki ds new")));
    });
}

#[test]
fn threads_share_a_signer() {
    with_token("threads_share_a_signer", |place| {
        let mut authority = place.authority();
        let signer = authority.new_document_signer(None, &pin(), &pin(), Timestamp::now()).unwrap();
        let loaded = DocumentSigner::load(&signer.directory, &pin()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| assert!(loaded.sign_security_object(CONTENT).is_ok())));
            }
        });
        drop(loaded);
        assert_eq!(authority.signers().unwrap()[0].uses.unwrap().reserved, 200);
    });
}

/// Everybody says yes at once.
struct Agreed;

impl Room for Agreed {
    fn confirm(&mut self, _: &Custodian, _: &str) -> io::Result<bool> {
        Ok(true)
    }

    fn now(&mut self) -> Timestamp {
        Timestamp::now()
    }
}

#[test]
fn custodians_share_the_pin_of_a_token_that_nobody_knows() {
    with_token("custodians_share_the_pin_of_a_token_that_nobody_knows", |place| {
        let words = Passphrase::new("the words of a custodian");
        let own = |name: &str| Credential::create(&place.0.join(name), &words).unwrap();
        let custodians = ["Amina Hassan", "Omar Saleh", "Leyla Aziz"].map(|name| (name, own(name)));
        let mut script = "format = \"bitaqa-ceremony\"\nversion = 1\ntitle = \"The CSCA of Utopia\"\n\
            profile = \"specimen-uto\"\nthreshold = 2\ncustody = \"shared\"\n"
            .to_owned();
        for (name, credential) in &custodians {
            script += &format!("[[custodian]]\nname = \"{name}\"\nkey = \"{}\"\n", credential.public_key());
        }
        script += &format!(
            "[[step]]\ndo = \"create-authority\"\nalgorithm = \"ecdsa-p-256\"\ntoken = {{ label = \"{LABEL}\" }}\n\
             [[step]]\ndo = \"roll-over\"\n"
        );
        let [(_, amina), (_, omar), (_, leyla)] = custodians;
        let (pair, other_pair) = ([amina, omar], leyla);
        let (directory, transcript) = (place.0.join("pki"), place.0.join("transcript.txt"));
        let (module, first_pin) = (module().unwrap(), pin());
        let run = |pin: Option<&Passphrase>, module: Option<&Path>| {
            let (credentials, directory, transcript) = (&pair[..], &*directory, &*transcript);
            let ceremony = Ceremony { script: &script, credentials, directory, transcript, passphrase: pin, module };
            ceremony::run(&ceremony, &mut Agreed)
        };
        assert!(matches!(run(Some(&first_pin), None), Err(CeremonyError::Module(label)) if label == LABEL));
        assert!(matches!(run(None, Some(&module)), Err(CeremonyError::NoPassphrase)));
        let wrong = run(Some(&Passphrase::new("00000000")), Some(&module));
        assert!(matches!(wrong, Err(CeremonyError::Token(TokenError::WrongPin { .. }))), "{wrong:?}");

        // The token has its new PIN and the keys are made, then the directory cannot be written: the next run goes on.
        fs::write(place.0.join(".pki.new"), "").unwrap();
        assert!(matches!(run(Some(&first_pin), Some(&module)), Err(CeremonyError::Init(_))));
        assert!(matches!(Token::open(&place.address(), &pin()), Err(TokenError::WrongPin { .. })));
        fs::remove_file(place.0.join(".pki.new")).unwrap();
        let replay = run(Some(&first_pin), Some(&module)).unwrap();
        for step in &replay.steps {
            assert_eq!(step.token.as_deref(), Some(LABEL));
            let kinds: Vec<&str> = step.made.iter().map(|made| made.kind.as_str()).collect();
            assert!(kinds.starts_with(&["csca", "key"]), "{kinds:?}");
        }
        let bytes = fs::read(&transcript).unwrap();
        assert_eq!(ceremony::verify(&bytes).unwrap(), replay);

        // Any two open it, and it is the PIN of whatever the authority does next.
        let [amina, _] = pair;
        let shared = custody::open(&custody::path(&directory), &[other_pair, amina]).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(std::str::from_utf8(shared.expose()).unwrap()));
        let mut authority = Authority::open(&directory).unwrap();
        assert_eq!((authority.token().unwrap(), authority.generations().len()), (Some(place.address()), 2));
        authority.issue_crl(&shared, Timestamp::now()).unwrap();
    });
}

#[test]
fn cards_keys_are_derived_inside_the_token() {
    with_token("cards_keys_are_derived_inside_the_token", |place| {
        let token = place.token();
        let vectors = test_vectors::Vectors::load("gp-kdf");
        let bytes = |value: &serde_json::Value| test_vectors::hex_of(value);
        for (number, case) in vectors.list("/diversification").iter().enumerate() {
            let (kind, method) = match case["method"].as_str().unwrap() {
                "VISA2" => (MasterKind::TripleDes, Diversification::Visa2),
                "EMV (CPS 1.1)" => (MasterKind::TripleDes, Diversification::Emv),
                _ => (MasterKind::Aes(bytes(&case["master_key"]).len()), Diversification::Kdf3),
            };
            let (label, value) = (format!("master {number}"), Secret::new(bytes(&case["master_key"])));
            let key = MasterKey::import(&token, &label, kind, &value).unwrap();
            let data = bytes(&case["key_diversification_data"]).try_into().unwrap();
            let keys = key.card_keys(method, &data).unwrap();
            assert_eq!(keys, method.keys(&value, &data).unwrap());
            for (key, name) in [(keys.enc, "key_enc"), (keys.mac, "key_mac"), (keys.dek, "key_dek")] {
                if let Some(known) = case.get(name) {
                    assert_eq!(key.expose(), bytes(known), "{} {name}", case["method"]);
                }
            }
        }
    });
}

#[test]
fn a_master_key_does_its_one_operation_and_never_leaves() {
    with_token("a_master_key_does_its_one_operation_and_never_leaves", |place| {
        let token = place.token();
        for kind in MasterKind::ALL {
            let label = kind.to_string();
            let key = MasterKey::generate(&token, &label, kind).unwrap();
            let found = MasterKey::find(&place.token(), &label).unwrap();
            assert_eq!((found.kind(), found.check_value().unwrap()), (kind, key.check_value().unwrap()));
            let template = "$9 $8 $7 $6 $5 $4 $3 $2 F0 $k $1 $0 00 00 00 $k".parse().unwrap();
            for method in Diversification::ALL.into_iter().chain([template]) {
                let keys = key.card_keys(method, &[7; 10]);
                assert_eq!(keys.is_ok(), kind.serves(method), "{kind} {method:?}");
                if let Ok(keys) = keys {
                    assert_eq!(keys.dek.expose().len(), kind.length());
                    assert_ne!(keys, key.card_keys(method, &[8; 10]).unwrap());
                }
            }
            let again = MasterKey::generate(&token, &label, kind);
            assert!(matches!(again, Err(TokenError::LabelTaken { .. })));
        }
        assert!(matches!(MasterKey::find(&token, "nobody's"), Err(TokenError::NoMaster { .. })));

        // Whatever asks the token itself gets nothing more.
        let pkcs11 = Pkcs11::new(module().unwrap()).unwrap();
        let slot = pkcs11.get_slots_with_initialized_token().unwrap()[0];
        let session = pkcs11.open_rw_session(slot).unwrap();
        for object in session.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY)]).unwrap() {
            let told = session.get_attributes(object, &[AttributeType::Value]).unwrap_or_default();
            assert!(told.is_empty(), "{told:?}");
            assert!(session.decrypt(&Mechanism::AesEcb, object, &[0; 16]).is_err());
            assert!(session.decrypt(&Mechanism::Des3Ecb, object, &[0; 16]).is_err());
        }

        // A key that may do more is none of ours.
        let loose = [
            Attribute::Token(true),
            Attribute::Label(b"loose".to_vec()),
            Attribute::ValueLen(16.into()),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ];
        session.generate_key(&Mechanism::AesKeyGen, &loose).unwrap();
        assert!(matches!(MasterKey::find(&token, "loose"), Err(TokenError::NotMaster { .. })));
        let open = [
            Attribute::Token(true),
            Attribute::Label(b"open".to_vec()),
            Attribute::ValueLen(16.into()),
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
            Attribute::Sign(true),
        ];
        session.generate_key(&Mechanism::AesKeyGen, &open).unwrap();
        assert!(matches!(MasterKey::find(&token, "open"), Err(TokenError::Unprotected { .. })));
    });
}
