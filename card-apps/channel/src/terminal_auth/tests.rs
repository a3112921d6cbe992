//! The worked example, both roles against each other with every algorithm, links and dates, and hostile input.

mod terminal_types;

use iso7816::tlv::encode;
use iso7816::{Card, Command, Response, Status, TransmitError};
use jiff::civil::{Date, date};
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use proptest::prelude::*;
use test_vectors::Vectors;

use super::*;
use crate::curve;
use crate::cvc::chain::TrustPoint;
use crate::cvc::{
    CERTIFICATE, Chat, CvBody, CvCertificate, CvPublicKey, KeyAlgorithm, KeyNumbers, Level, Reference, TerminalType,
};
use crate::hash::Hash;
use crate::random::{Fixed, OsRandom, Random};
use crate::suite::Curve;

const BINDING: Binding<'_> = Binding { chip_identity: b"L898902C<3", ephemeral_key: &[0x5A; 32] };

/// A card with nothing but Terminal Authentication.
struct Reading {
    trust: Trust,
    state: ChipTerminalAuth,
    identity: Vec<u8>,
    ephemeral_key: Vec<u8>,
    random: Box<dyn Random>,
    /// Flips a bit in the last byte of the nth command (from 0).
    flip: Option<usize>,
    received: usize,
}

impl Reading {
    fn new(points: Vec<TrustPoint>, today: Date) -> Self {
        Reading {
            trust: Trust { points, today },
            state: ChipTerminalAuth::default(),
            identity: BINDING.chip_identity.to_vec(),
            ephemeral_key: BINDING.ephemeral_key.to_vec(),
            random: Box::new(OsRandom),
            flip: None,
            received: 0,
        }
    }

    fn answer(&mut self, command: &Command) -> Result<Vec<u8>, Status> {
        let mut data = command.data.clone();
        if self.flip == Some(self.received)
            && let Some(last) = data.last_mut()
        {
            *last ^= 1;
        }
        self.received += 1;
        match (command.ins, command.p1, command.p2) {
            (0x22, 0x81, 0xB6) => self.state.set_dst(&data, &self.trust).map(|()| vec![]),
            (0x2A, 0x00, 0xBE) => self.state.verify_certificate(&data, &mut self.trust).map(|()| vec![]),
            (0x22, 0x81, 0xA4) => self.state.set_at(&data).map(|()| vec![]),
            (0x84, ..) => self.state.get_challenge(&mut *self.random),
            (0x82, ..) => {
                let binding = Binding { chip_identity: &self.identity, ephemeral_key: &self.ephemeral_key };
                self.state.external_authenticate(&data, binding).map(|_| vec![])
            }
            _ => Err(Status::INSTRUCTION_NOT_SUPPORTED),
        }
    }
}

impl Card for Reading {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        Ok(self.answer(command).map_or_else(Response::status, Response::ok))
    }
}

/// A key with a name, that certifies and signs.
struct Holder {
    name: &'static str,
    algorithm: KeyAlgorithm,
    key: PKey<Private>,
    numbers: KeyNumbers,
    curve: Option<Curve>,
}

impl Holder {
    fn new(name: &'static str, algorithm: KeyAlgorithm, curve: Curve) -> Self {
        match algorithm {
            KeyAlgorithm::Ecdsa(_) => {
                let key = openssl::ec::EcKey::generate(curve::group(curve).unwrap()).unwrap();
                let point = curve::Arithmetic::new(curve).unwrap().octets(key.public_key()).unwrap();
                let numbers = KeyNumbers::Ec { domain: None, point };
                Holder { name, algorithm, key: PKey::from_ec_key(key).unwrap(), numbers, curve: Some(curve) }
            }
            _ => {
                let key = Rsa::generate(1536).unwrap();
                let numbers = KeyNumbers::Rsa { modulus: key.n().to_vec(), exponent: key.e().to_vec() };
                Holder { name, algorithm, key: PKey::from_rsa(key).unwrap(), numbers, curve: None }
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        TerminalKey::new(self.key.clone(), self.algorithm).sign(message).unwrap()
    }

    /// A certificate for `other`; a CVCA's own holds its domain parameters.
    fn certify(&self, other: &Holder, chat: Chat, effective: Date, expires: Date) -> CvCertificate {
        let mut numbers = other.numbers.clone();
        if let (KeyNumbers::Ec { domain, .. }, Level::Cvca) = (&mut numbers, chat.level()) {
            *domain = Some(Box::new(other.curve.unwrap().domain().unwrap()));
        }
        let reference = |name: &str| Reference::from_bytes(name.as_bytes()).unwrap();
        let body = CvBody {
            authority: reference(self.name),
            public_key: CvPublicKey { algorithm: other.algorithm, numbers },
            holder: reference(other.name),
            chat,
            effective,
            expires,
            extensions: vec![],
        };
        let body = body.encode().unwrap();
        CvCertificate::from_bytes(&CvCertificate::assemble(&body, &self.sign(&body))).unwrap()
    }
}

fn chat(level: Level, rights: &[&str]) -> Chat {
    Chat::named(TerminalType::Inspection, level, rights.iter().copied()).unwrap()
}

const BOTH: &[&str] = &["read-dg3", "read-dg4"];

/// A CVCA, a domestic document verifier that may read DG3, and a terminal that may read both.
struct Hierarchy {
    cvca: Holder,
    root: CvCertificate,
    terminal: Holder,
    chain: Vec<CvCertificate>,
}

impl Hierarchy {
    fn new(algorithm: KeyAlgorithm, curve: Curve) -> Self {
        let holder = |name| Holder::new(name, algorithm, curve);
        let (cvca, dv, terminal) = (holder("UTCVCA00001"), holder("UTDV00001"), holder("UTIS00001"));
        let root = cvca.certify(&cvca, chat(Level::Cvca, BOTH), date(2026, 1, 1), date(2028, 1, 1));
        let rights = &["read-dg3"];
        let dv_certificate = cvca.certify(&dv, chat(Level::DomesticDv, rights), date(2026, 2, 1), date(2026, 5, 1));
        let terminal_certificate =
            dv.certify(&terminal, chat(Level::Terminal, BOTH), date(2026, 2, 10), date(2026, 3, 10));
        Hierarchy { cvca, root, terminal, chain: vec![dv_certificate, terminal_certificate] }
    }

    fn card(&self, today: Date) -> Reading {
        Reading::new(vec![TrustPoint::new(self.root.clone()).unwrap()], today)
    }

    fn run(&self, card: &mut Reading) -> Result<(), TerminalAuthError> {
        authenticate(card, &self.chain, BINDING, &mut |message| Some(self.terminal.sign(message)), usize::MAX)
    }
}

const P256: KeyAlgorithm = KeyAlgorithm::Ecdsa(Hash::Sha256);

fn hierarchy() -> Hierarchy {
    Hierarchy::new(P256, Curve::P256)
}

/// TR-03110's example: its terminal authenticates by version 2, whose message without auxiliary data is that of version 1.
#[test]
fn both_ends_speak_the_worked_example() {
    let vectors = Vectors::load("eac2-worked-example-ecdh");
    let bytes = |name: &str| vectors.bytes(&format!("/terminal_authentication/{name}"));
    let certificate = |name| CvCertificate::from_bytes(&bytes(name)).unwrap();
    let root = TrustPoint::new(certificate("cvca_certificate")).unwrap();
    let chain = ["dv_certificate", "terminal_certificate"].map(certificate);
    let mut card = Reading::new(vec![root], date(2010, 10, 1));
    (card.identity, card.ephemeral_key) = (bytes("id_picc"), bytes("comp_pk_pcd"));
    card.random = Box::new(Fixed::new(bytes("r_picc")));
    let (identity, ephemeral_key) = (bytes("id_picc"), bytes("comp_pk_pcd"));
    let binding = Binding { chip_identity: &identity, ephemeral_key: &ephemeral_key };
    let mut sign = |message: &[u8]| {
        assert_eq!(message, bytes("signed_data"));
        Some(bytes("signature_plain_r_s"))
    };
    authenticate(&mut card, &chain, binding, &mut sign, usize::MAX).unwrap();
    assert_eq!(card.state.granted().unwrap().terminal_type(), TerminalType::Authentication);
    assert_eq!(card.trust.today, date(2010, 10, 1));
    let key = crate::group::compressed(Curve::BrainpoolP256r1.into(), &vectors.bytes("/chip_authentication/pk_pcd"));
    assert_eq!(key, ephemeral_key);
    let key = crate::group::compressed(Curve::BrainpoolP256r1.into(), &vectors.bytes("/pace/key_agreement/pk_picc"));
    assert_eq!(key, identity);
}

#[test]
fn both_ends_agree_with_every_algorithm() {
    let rsa = [Hash::Sha1, Hash::Sha256, Hash::Sha512];
    let rsa = rsa.into_iter().flat_map(|hash| [KeyAlgorithm::RsaV15(hash), KeyAlgorithm::RsaPss(hash)]);
    let algorithms = Hash::ALL.into_iter().map(KeyAlgorithm::Ecdsa).chain(rsa);
    let mut curves = [Curve::BrainpoolP256r1, Curve::P521, Curve::P224, Curve::P384].into_iter().cycle();
    for algorithm in algorithms {
        let hierarchy = Hierarchy::new(algorithm, curves.next().unwrap());
        let mut card = hierarchy.card(date(2026, 1, 15));
        hierarchy.run(&mut card).unwrap();
        // The document verifier does not have what the terminal's certificate says besides.
        assert_eq!(card.state.granted().unwrap().right_names(), ["read-dg3"], "{algorithm}");
        // A terminal below a domestic document verifier tells the time.
        assert_eq!(card.trust.today, date(2026, 2, 10));
    }
}

#[test]
fn a_flipped_bit_anywhere_grants_nothing() {
    let hierarchy = hierarchy();
    // Two commands a certificate, then MSE:Set AT, GET CHALLENGE (without data), EXTERNAL AUTHENTICATE.
    for at in [0, 1, 2, 3, 4, 6] {
        let mut card = hierarchy.card(date(2026, 1, 15));
        card.flip = Some(at);
        let result = hierarchy.run(&mut card);
        let expected = match at {
            0 | 2 => matches!(result, Err(TerminalAuthError::UnknownAuthority { .. })),
            1 | 3 => matches!(result, Err(TerminalAuthError::Certificate { .. })),
            _ => matches!(result, Err(TerminalAuthError::Refused { .. })),
        };
        assert!(expected, "{at} {result:?}");
        assert_eq!(card.state.granted(), None);
    }
}

#[test]
fn another_session_or_another_key_grants_nothing() {
    let hierarchy = hierarchy();
    for change in 0..3 {
        let mut card = hierarchy.card(date(2026, 1, 15));
        let stranger = Holder::new("UTIS00001", P256, Curve::P256);
        match change {
            0 => card.identity[0] ^= 1,
            1 => card.ephemeral_key[31] ^= 1,
            _ => {}
        }
        let signer = if change == 2 { &stranger } else { &hierarchy.terminal };
        let result =
            authenticate(&mut card, &hierarchy.chain, BINDING, &mut |message| Some(signer.sign(message)), usize::MAX);
        let refused = TerminalAuthError::Refused { instruction: 0x82, status: Status::AUTHENTICATION_FAILED };
        assert_eq!(result.unwrap_err().to_string(), refused.to_string());
        assert_eq!(card.state.granted(), None);
        // The challenge is used up.
        let again = card.answer(&Command::new(0, 0x82, 0, 0).with_data([1; 64]));
        assert_eq!(again, Err(Status::CONDITIONS_NOT_SATISFIED));
    }
}

#[test]
fn steps_out_of_order_are_refused() {
    let hierarchy = hierarchy();
    let mut card = hierarchy.card(date(2026, 1, 15));
    let [dv, terminal] = &hierarchy.chain[..] else { panic!() };
    let set = |p2, name: &Reference| Command::new(0, 0x22, 0x81, p2).with_data(encode(REFERENCE, name.bytes()));
    let verify = |certificate: &CvCertificate| Command::new(0, 0x2A, 0, 0xBE).with_data(certificate.content());
    let (get_challenge, sign) = (Command::new(0, 0x84, 0, 0), Command::new(0, 0x82, 0, 0).with_data([1; 64]));

    assert_eq!(card.answer(&verify(dv)), Err(Status::CONDITIONS_NOT_SATISFIED));
    assert_eq!(card.answer(&get_challenge), Err(Status::CONDITIONS_NOT_SATISFIED));
    assert_eq!(card.answer(&sign), Err(Status::CONDITIONS_NOT_SATISFIED));
    // The terminal's authority is not known before its certificate, and is no terminal after it.
    assert_eq!(card.answer(&set(0xB6, &dv.body().holder)), Err(Status::REFERENCED_DATA_NOT_FOUND));
    assert_eq!(card.answer(&set(0xB6, &dv.body().authority)), Ok(vec![]));
    // The terminal's certificate is not one of the CVCA.
    assert_eq!(card.answer(&verify(terminal)), Err(Status::AUTHENTICATION_FAILED));
    assert_eq!(card.answer(&verify(dv)), Err(Status::CONDITIONS_NOT_SATISFIED));
    assert_eq!(card.answer(&set(0xB6, &dv.body().authority)), Ok(vec![]));
    assert_eq!(card.answer(&verify(dv)), Ok(vec![]));
    assert_eq!(card.answer(&set(0xA4, &dv.body().holder)), Err(Status::REFERENCED_DATA_NOT_FOUND));
    // Once granted, everything that begins anew takes the rights away.
    hierarchy.run(&mut card).unwrap();
    assert!(card.state.granted().is_some());
    assert_eq!(card.answer(&set(0xB6, &dv.body().authority)), Ok(vec![]));
    assert_eq!(card.state.granted(), None);
    let nobody = authenticate(&mut card, &[], BINDING, &mut |_| None, usize::MAX);
    assert!(matches!(nobody, Err(TerminalAuthError::NoCertificate)));
    let mute = authenticate(&mut card, &hierarchy.chain, BINDING, &mut |_| None, usize::MAX);
    assert!(matches!(mute, Err(TerminalAuthError::NoSignature)));
}

#[test]
fn the_card_knows_the_date_from_certificates() {
    let hierarchy = hierarchy();
    // Later than the terminal's certificate.
    let mut card = hierarchy.card(date(2026, 3, 11));
    let result = hierarchy.run(&mut card);
    assert!(matches!(result, Err(TerminalAuthError::Certificate { holder, .. }) if holder.bytes() == b"UTIS00001"));
    // The date never goes back.
    assert_eq!(card.trust.today, date(2026, 3, 11));
    // A foreign document verifier's terminals do not tell the time.
    let foreign = Holder::new("XODV00001", P256, Curve::P256);
    let terminal = Holder::new("XOIS00001", P256, Curve::P256);
    let (from, to) = (date(2026, 2, 1), date(2026, 6, 1));
    let chain = [
        hierarchy.cvca.certify(&foreign, chat(Level::ForeignDv, BOTH), from, to),
        foreign.certify(&terminal, chat(Level::Terminal, BOTH), date(2026, 5, 1), to),
    ];
    let mut card = hierarchy.card(date(2026, 1, 15));
    authenticate(&mut card, &chain, BINDING, &mut |message| Some(terminal.sign(message)), usize::MAX).unwrap();
    assert_eq!(card.trust.today, date(2026, 2, 1));
}

#[test]
fn a_link_certificate_makes_a_new_trust_point_for_good() {
    let hierarchy = hierarchy();
    let mut card = hierarchy.card(date(2026, 1, 15));
    let next = Holder::new("UTCVCA00002", KeyAlgorithm::Ecdsa(Hash::Sha384), Curve::BrainpoolP384r1);
    let link = hierarchy.cvca.certify(&next, chat(Level::Cvca, &["read-dg4"]), date(2027, 11, 1), date(2030, 1, 1));
    let (dv, terminal) = (
        Holder::new("UTDV00002", KeyAlgorithm::Ecdsa(Hash::Sha384), Curve::BrainpoolP384r1),
        Holder::new("UTIS00002", KeyAlgorithm::Ecdsa(Hash::Sha384), Curve::BrainpoolP384r1),
    );
    let (from, to) = (date(2027, 12, 1), date(2028, 2, 1));
    let dv_certificate = next.certify(&dv, chat(Level::DomesticDv, BOTH), from, to);
    let terminal_certificate = dv.certify(&terminal, chat(Level::Terminal, BOTH), from, to);
    let chain = [link.clone(), dv_certificate.clone(), terminal_certificate.clone()];
    let mut sign = |message: &[u8]| Some(terminal.sign(message));
    authenticate(&mut card, &chain, BINDING, &mut sign, usize::MAX).unwrap();
    // The rights are those of the new CVCA certificate.
    assert_eq!(card.state.granted().unwrap().right_names(), ["read-dg4"]);
    let holders = |card: &Reading| {
        let points = card.trust.points.iter();
        points.map(|point| point.certificate().body().holder.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(holders(&card), ["UTCVCA00002", "UTCVCA00001"]);
    // Without power the trust points stay, and the new one needs no link.
    card.state = ChipTerminalAuth::default();
    authenticate(&mut card, &chain[1..], BINDING, &mut sign, usize::MAX).unwrap();
    // The link again changes nothing; the old point goes when it has expired.
    card.state = ChipTerminalAuth::default();
    authenticate(&mut card, &chain, BINDING, &mut sign, usize::MAX).unwrap();
    assert_eq!(holders(&card), ["UTCVCA00002", "UTCVCA00001"]);
    let late = Holder::new("UTDV00003", KeyAlgorithm::Ecdsa(Hash::Sha384), Curve::BrainpoolP384r1);
    let late_certificate = next.certify(&late, chat(Level::DomesticDv, BOTH), date(2028, 1, 2), date(2028, 3, 1));
    let terminal_certificate = late.certify(&terminal, chat(Level::Terminal, BOTH), date(2028, 1, 2), date(2028, 2, 1));
    card.state = ChipTerminalAuth::default();
    authenticate(&mut card, &[late_certificate, terminal_certificate], BINDING, &mut sign, usize::MAX).unwrap();
    assert_eq!(holders(&card), ["UTCVCA00002"]);
    // A third link pushes out the first.
    let mut card = hierarchy.card(date(2026, 1, 15));
    let third = Holder::new("UTCVCA00003", P256, Curve::P256);
    let second_link = next.certify(&third, chat(Level::Cvca, BOTH), date(2027, 11, 2), date(2031, 1, 1));
    for certificate in [&link, &second_link] {
        let set = encode(REFERENCE, certificate.body().authority.bytes());
        card.answer(&Command::new(0, 0x22, 0x81, 0xB6).with_data(set)).unwrap();
        card.answer(&Command::new(0, 0x2A, 0, 0xBE).with_data(certificate.content())).unwrap();
    }
    assert_eq!(holders(&card), ["UTCVCA00003", "UTCVCA00002"]);
}

#[test]
fn authorities_are_read_from_ef_cvca() {
    let file = [
        &encode(iso7816::tlv::Tag(0x42), b"UTCVCA00002")[..],
        &encode(iso7816::tlv::Tag(0x42), b"UTCVCA00001"),
        &[0; 10],
    ];
    let found = authorities(&file.concat()).unwrap();
    assert_eq!(found.iter().map(Reference::to_string).collect::<Vec<_>>(), ["UTCVCA00002", "UTCVCA00001"]);
    assert!(authorities(&[0; 36]).unwrap().is_empty());
    assert!(authorities(&[0x42, 0x00]).is_err());
}

#[test]
fn a_key_file_opens_with_its_passphrase_and_its_certificate_only() {
    let hierarchy = hierarchy();
    let secret = |text: &str| crate::secret::Secret::from(text.as_bytes());
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let pem = hierarchy.terminal.key.private_key_to_pem_pkcs8_passphrase(cipher, b"invented words").unwrap();
    let [dv, terminal] = &hierarchy.chain[..] else { panic!() };
    let key = TerminalKey::open(&pem, &secret("invented words"), terminal).unwrap();
    let signature = key.sign(b"message").unwrap();
    let inherited = Some(Curve::P256);
    assert_eq!(terminal.key(inherited).unwrap().verify(b"message", &signature), Ok(()));
    assert!(terminal.key(inherited).unwrap().verify(b"another", &signature).is_err());
    assert_eq!(format!("{key:?}"), "TerminalKey(ECDSA-SHA-256)");
    let error = |pem: &[u8], words, certificate| TerminalKey::open(pem, &secret(words), certificate).err().unwrap();
    assert_eq!(error(&pem, "other words", terminal), TerminalKeyError::Passphrase);
    assert_eq!(error(&pem, "invented words", dv), TerminalKeyError::NotOfCertificate);
    let clear = hierarchy.terminal.key.private_key_to_pem_pkcs8().unwrap();
    assert_eq!(error(&clear, "", terminal), TerminalKeyError::NotEncrypted);
}

#[test]
fn what_a_chip_believes_is_stored_and_read_back() {
    let hierarchy = hierarchy();
    let mut trust = hierarchy.card(date(2026, 1, 15)).trust;
    let next = Holder::new("UTCVCA00002", P256, Curve::P256);
    let mut link = hierarchy.cvca.certify(&next, chat(Level::Cvca, BOTH), date(2027, 11, 1), date(2030, 1, 1));
    for without_domain in [false, true] {
        if without_domain {
            let mut body = link.body().clone();
            body.public_key = body.public_key.without_domain();
            let body = body.encode().unwrap();
            link = CvCertificate::from_bytes(&CvCertificate::assemble(&body, &hierarchy.cvca.sign(&body))).unwrap();
        }
        let mut chain = crate::cvc::chain::VerifiedChain::begin(trust.points.last().unwrap());
        chain.extend(&link, trust.today).unwrap();
        trust.learn(&chain).unwrap();
        assert_eq!(trust.points.len(), 2);
        let bytes = trust.to_bytes().unwrap();
        assert_eq!(Trust::from_bytes(&bytes).unwrap(), trust, "{without_domain}");
        assert!(
            authorities(&trust.authorities())
                .unwrap()
                .iter()
                .map(Reference::to_string)
                .eq(["UTCVCA00002", "UTCVCA00001"])
        );
        assert_eq!(trust.authorities().len(), EF_CVCA_LENGTH);
    }
    let bytes = trust.to_bytes().unwrap();
    let third = [&bytes[..], &encode(CERTIFICATE, hierarchy.root.content())].concat();
    assert!(matches!(Trust::from_bytes(&third), Err(TrustError::Count(3))));
    assert!(matches!(Trust::from_bytes(&bytes[..9]), Err(TrustError::Count(0))));
    let dv = [&bytes[..9], &encode(CERTIFICATE, hierarchy.chain[0].content())].concat();
    assert!(matches!(Trust::from_bytes(&dv), Err(TrustError::TrustPoint(_))));
    for end in 0..bytes.len() {
        let _ = Trust::from_bytes(&bytes[..end]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_memories_never_cause_a_panic(at in 0usize..400, byte: u8, cut in 0usize..600) {
        let vectors = Vectors::load("eac2-worked-example-ecdh");
        let root = CvCertificate::from_bytes(&vectors.bytes("/terminal_authentication/cvca_certificate")).unwrap();
        let trust = Trust { points: vec![TrustPoint::new(root).unwrap()], today: date(2010, 10, 1) };
        let mut bytes = trust.to_bytes().unwrap();
        if let Some(there) = bytes.get_mut(at) {
            *there = byte;
        }
        bytes.truncate(cut);
        let _ = Trust::from_bytes(&bytes);
    }

    #[test]
    fn hostile_terminals_are_granted_nothing(
        commands in prop::collection::vec((0usize..5, prop::collection::vec(any::<u8>(), 0..60)), 0..8),
    ) {
        let vectors = Vectors::load("eac2-worked-example-ecdh");
        let root = vectors.bytes("/terminal_authentication/cvca_certificate");
        let root = TrustPoint::new(CvCertificate::from_bytes(&root).unwrap()).unwrap();
        let mut card = Reading::new(vec![root], date(2010, 10, 1));
        let before = card.trust.clone();
        for (kind, data) in commands {
            let (ins, p1, p2) = [(0x22, 0x81, 0xB6), (0x2A, 0, 0xBE), (0x22, 0x81, 0xA4), (0x84, 0, 0), (0x82, 0, 0)][kind];
            let _ = card.answer(&Command::new(0, 0x22, 0x81, 0xB6).with_data(encode(REFERENCE, b"DETESTeIDCVCA00001")));
            let _ = card.answer(&Command::new(0, ins, p1, p2).with_data(data));
            prop_assert_eq!(card.state.granted(), None);
        }
        prop_assert_eq!(&card.trust, &before);
    }

    #[test]
    fn hostile_chips_never_cause_a_panic(answers in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..20), prop::sample::select(vec![0x9000u16, 0x6300, 0x6A88])), 0..8)) {
        struct Hostile(std::collections::VecDeque<(Vec<u8>, u16)>);
        impl Card for Hostile {
            fn transmit(&mut self, _: &Command) -> Result<Response, TransmitError> {
                let (data, status) = self.0.pop_front().ok_or(TransmitError::Lost)?;
                Ok(Response { data, status: Status(status) })
            }
        }
        let vectors = Vectors::load("eac2-worked-example-ecdh");
        let terminal = vectors.bytes("/terminal_authentication/terminal_certificate");
        let chain = [CvCertificate::from_bytes(&terminal).unwrap()];
        let _ = authenticate(&mut Hostile(answers.into()), &chain, BINDING, &mut |_| Some(vec![1; 64]), usize::MAX);
    }
}
