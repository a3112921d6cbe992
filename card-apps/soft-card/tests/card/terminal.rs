//! Terminal Authentication before the fingers: who may read them, how long, and what the card learns on the way.

use std::path::Path;

use channel::chip_auth::{self, ChipAuthSuite, ChipPublicKey, KeyAgreement};
use channel::cvc::chain::TrustPoint;
use channel::cvc::{Chat, CvBody, CvCertificate, CvPublicKey, KeyAlgorithm, Level, Reference, TerminalType};
use channel::hash::Hash;
use channel::pace::{self, LADDER, Mapping, Suite};
use channel::random::OsRandom;
use channel::sm::Secured;
use channel::suite::{Cipher, Curve};
use channel::terminal_auth::{self, Binding, TerminalAuthError, TerminalKey, TerminalSigner, Trust};
use channel::{bac, password};
use iso7816::tlv::{Tag, encode};
use iso7816::{Aid, Card, Command, Response, Status, TransmitError};
use jiff::civil::{Date, date};
use lds::globalplatform::Dgi;
use lds::globalplatform::dgi::TERMINAL_TRUST;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use proptest::prelude::*;
use soft_card::fault::{Faults, Tear, When};
use soft_card::{SoftCard, State};

use crate::support::*;

const ECDSA: KeyAlgorithm = KeyAlgorithm::Ecdsa(Hash::Sha256);
const BOTH: &[&str] = &["read-dg3", "read-dg4"];

/// A name with a key on P-256.
pub struct Holder {
    name: &'static str,
    pub key: TerminalKey,
    point: Vec<u8>,
}

impl Holder {
    pub fn new(name: &'static str) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = EcKey::generate(&group).unwrap();
        let mut context = BigNumContext::new().unwrap();
        let point = key.public_key().to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context).unwrap();
        Holder { name, key: TerminalKey::new(PKey::from_ec_key(key).unwrap(), ECDSA), point }
    }

    pub fn certify(&self, other: &Holder, level: Level, rights: &[&str], (from, to): (Date, Date)) -> CvCertificate {
        self.certify_chat(
            other,
            Chat::named(TerminalType::Inspection, level, rights.iter().copied()).unwrap(),
            (from, to),
        )
    }

    pub fn certify_chat(&self, other: &Holder, chat: Chat, (effective, expires): (Date, Date)) -> CvCertificate {
        let reference = |name: &str| Reference::from_bytes(name.as_bytes()).unwrap();
        let with_domain = chat.level() == Level::Cvca;
        let body = CvBody {
            authority: reference(self.name),
            public_key: CvPublicKey::ec(ECDSA, Curve::P256, &other.point, with_domain).unwrap(),
            holder: reference(other.name),
            chat,
            effective,
            expires,
            extensions: vec![],
        };
        let body = body.encode().unwrap();
        CvCertificate::from_bytes(&CvCertificate::assemble(&body, &self.key.sign(&body).unwrap())).unwrap()
    }
}

const CARD_DATE: Date = date(2026, 1, 15);

/// A CVCA, a domestic document verifier and a terminal.
pub struct Hierarchy {
    cvca: Holder,
    root: CvCertificate,
    pub terminal: Holder,
    pub chain: Vec<CvCertificate>,
}

impl Hierarchy {
    /// Inspection systems: the CVCA grants both groups, the document verifier DG3 alone.
    pub fn new() -> Self {
        Self::of(TerminalType::Inspection, ["UTCVCA00001", "UTDV00001", "UTIS00001"], BOTH, &["read-dg3"])
    }

    /// Residence offices: the document verifier grants these rights.
    pub fn offices(rights: &[&str]) -> Self {
        let names = ["UTATCVCA00001", "UTDVAT00001", "UTOFFICE00001"];
        Self::of(TerminalType::Authentication, names, &["read-dg17", "write-dg17", "write-dg18"], rights)
    }

    fn of(terminal_type: TerminalType, names: [&'static str; 3], all: &[&str], rights: &[&str]) -> Self {
        let [cvca, dv, terminal] = names.map(Holder::new);
        let chat = |level, rights: &[&str]| Chat::named(terminal_type, level, rights.iter().copied()).unwrap();
        let root = cvca.certify_chat(&cvca, chat(Level::Cvca, all), (date(2026, 1, 1), date(2028, 1, 1)));
        let period = (date(2026, 2, 10), date(2026, 3, 10));
        let chain = vec![
            cvca.certify_chat(&dv, chat(Level::DomesticDv, rights), (date(2026, 2, 1), date(2026, 5, 1))),
            dv.certify_chat(&terminal, chat(Level::Terminal, all), period),
        ];
        Hierarchy { cvca, root, terminal, chain }
    }

    pub fn trust(&self) -> Trust {
        Trust { points: vec![TrustPoint::new(self.root.clone()).unwrap()], today: CARD_DATE }
    }

    /// The same below the CVCA of another.
    pub fn under(&mut self, other: &Hierarchy) {
        let dv = Holder::new("UTDVXX00001");
        let [before, own] = &self.chain[..] else { panic!() };
        let (chat, own) = (before.body().chat, own.body().chat);
        let period = (date(2026, 2, 10), date(2026, 3, 10));
        self.chain = vec![other.cvca.certify_chat(&dv, chat, period), dv.certify_chat(&self.terminal, own, period)];
    }

    /// What a card believes that believes another one too.
    pub fn trust_with(&self, other: &Hierarchy) -> Trust {
        Trust { points: [self.trust().points, other.trust().points].concat(), ..self.trust() }
    }

    /// A document with fingers and eyes, whose card believes this CVCA.
    fn document(&self) -> Document {
        let mut document = Document::new(100);
        document.files.push(Dgi::new(0x0104, encode(Tag(0x76), MARKER)));
        document.files.push(Dgi::new(TERMINAL_TRUST, self.trust().to_bytes().unwrap()));
        document
    }

    fn card(&self) -> SoftCard {
        personalized(&self.document())
    }

    pub fn run(&self, inspection: &mut Inspection<'_>) -> Result<(), TerminalAuthError> {
        inspection.authenticate(&self.chain, &self.terminal)
    }
}

/// A session of Chip Authentication, and what a terminal signs in it.
pub struct Inspection<'c> {
    pub card: Secured<&'c mut dyn Card>,
    identity: Vec<u8>,
    ephemeral_key: Vec<u8>,
    /// The most data bytes of one command.
    longest: usize,
}

impl<'c> Inspection<'c> {
    /// PACE, the application, Chip Authentication.
    pub fn by_pace(card: &'c mut dyn Card) -> Self {
        let suite = Suite { mapping: Mapping::Generic, group: Curve::P256.into(), cipher: Cipher::Aes128 };
        let opened = pace::open(card, &suite, &can(), LADDER[0], &mut OsRandom).unwrap();
        let mut card = Secured::new(opened.session, card);
        must(&mut card, &select(&Aid::emrtd())).unwrap();
        Self::proved(card, opened.chip_identity, Cipher::Aes128)
    }

    fn by_bac(card: &'c mut dyn Card) -> Self {
        must(card, &select(&Aid::emrtd())).unwrap();
        let session = bac::open(card, &password::MrzKey::from_information(INFORMATION), &mut OsRandom).unwrap();
        Self::proved(Secured::new(session, card), b"L898902C<3".to_vec(), Cipher::TripleDes)
    }

    fn proved(mut card: Secured<&'c mut dyn Card>, identity: Vec<u8>, cipher: Cipher) -> Self {
        let ephemeral_key = prove(&mut card, cipher);
        Inspection { card, identity, ephemeral_key, longest: usize::MAX }
    }

    fn authenticate(&mut self, chain: &[CvCertificate], terminal: &Holder) -> Result<(), TerminalAuthError> {
        let binding = Binding { chip_identity: &self.identity, ephemeral_key: &self.ephemeral_key };
        terminal_auth::authenticate(
            &mut self.card,
            chain,
            binding,
            &mut |message| terminal.key.sign(message),
            self.longest,
        )
    }

    pub fn ask(&mut self, command: &Command) -> Response {
        self.card.transmit(command).unwrap()
    }

    /// The status words of READ BINARY by short identifier for the fingers and for the eyes.
    pub fn fingers_and_eyes(&mut self) -> (u16, u16) {
        (self.short(3).status.0, self.short(4).status.0)
    }

    fn short(&mut self, id: u8) -> Response {
        self.ask(&Command::new(0x00, 0xB0, 0x80 | id, 0x00).with_ne(256))
    }

    pub fn authorities(&mut self) -> Vec<String> {
        let file = self.ask(&Command::new(0x00, 0xB0, 0x9C, 0x00).with_ne(36)).data;
        terminal_auth::authorities(&file).unwrap().iter().map(Reference::to_string).collect()
    }
}

/// Chip Authentication with the document's key; gives what Terminal Authentication signs.
fn prove(card: &mut Secured<&mut dyn Card>, cipher: Cipher) -> Vec<u8> {
    let key = ChipPublicKey { group: Curve::P256.into(), octets: Document::new(0).chip_point };
    let suite = ChipAuthSuite { agreement: KeyAgreement::Ecdh, cipher };
    let opened = chip_auth::open(card, &key, None, suite, &mut OsRandom).unwrap();
    card.replace(opened.session);
    opened.ephemeral_key
}

const NO: u16 = 0x6982;
/// Commands of [`Inspection::by_pace`]: five of PACE, the selection, two of Chip Authentication.
pub const BEFORE_TERMINALS: u64 = 8;

#[test]
fn the_fingers_open_after_terminal_authentication_and_close_with_the_session() {
    let hierarchy = Hierarchy::new();
    for by_pace in [true, false] {
        let mut card = hierarchy.card();
        {
            let mut inspection = if by_pace { Inspection::by_pace(&mut card) } else { Inspection::by_bac(&mut card) };
            assert_eq!(inspection.fingers_and_eyes(), (NO, NO));
            assert_eq!(inspection.authorities(), ["UTCVCA00001"]);
            hierarchy.run(&mut inspection).unwrap();
            // The document verifier may not read the eyes, whatever the terminal's certificate says.
            assert_eq!(inspection.fingers_and_eyes(), (0x9000, NO));
            assert_eq!(inspection.short(3).data, hierarchy.document().file(0x0103));
            // Selected, the file stays readable; the face and the list of authorities too.
            assert_eq!(inspection.ask(&Command::new(0, 0xA4, 0x02, 0x0C).with_data([0x01, 0x03])).status, Status::OK);
            assert_eq!(
                inspection.ask(&Command::new(0, 0xB0, 0, 0).with_ne(4)).data,
                hierarchy.document().file(0x0103)[..4]
            );
            assert_eq!(inspection.ask(&Command::new(0, 0xA4, 0x02, 0x0C).with_data([0x01, 0x04])).status.0, NO);
            // Chip Authentication once more is another session.
            inspection.ephemeral_key = prove(&mut inspection.card, Cipher::Aes128);
            assert_eq!(inspection.fingers_and_eyes(), (NO, NO));
            hierarchy.run(&mut inspection).unwrap();
            assert_eq!(inspection.fingers_and_eyes(), (0x9000, NO));
        }
        // A plain command ends it all.
        assert_eq!(status(&mut card, "00b0830000"), NO);
        let mut inspection = Inspection::by_pace(&mut card);
        assert_eq!(inspection.fingers_and_eyes(), (NO, NO));
    }
}

#[test]
fn each_right_opens_its_file_only() {
    let Hierarchy { cvca, root, .. } = Hierarchy::new();
    let hierarchy = |rights: &[&str], terminal_type| {
        let (dv, terminal) = (Holder::new("UTDV00001"), Holder::new("UTIS00001"));
        let period = (date(2026, 2, 1), date(2026, 3, 1));
        let chat = |level| Chat::named(terminal_type, level, rights.iter().copied()).unwrap();
        let chain = vec![
            cvca.certify_chat(&dv, chat(Level::DomesticDv), period),
            dv.certify_chat(&terminal, chat(Level::Terminal), period),
        ];
        (chain, terminal)
    };
    let trust = Trust { points: vec![TrustPoint::new(root.clone()).unwrap()], today: CARD_DATE };
    for (rights, terminal_type, expected) in [
        (BOTH, TerminalType::Inspection, (0x9000, 0x9000)),
        (&["read-dg4"], TerminalType::Inspection, (NO, 0x9000)),
        (&[], TerminalType::Inspection, (NO, NO)),
        // Rights of the same name that are for another application.
        (BOTH, TerminalType::Authentication, (NO, NO)),
    ] {
        let mut card = Hierarchy::new().card();
        let mut state = card.state().clone();
        state.emrtd.terminal_trust = Some(trust.clone());
        card = SoftCard::from_state(&state);
        let (chain, terminal) = hierarchy(rights, terminal_type);
        let mut inspection = Inspection::by_pace(&mut card);
        inspection.authenticate(&chain, &terminal).unwrap();
        assert_eq!(inspection.fingers_and_eyes(), expected, "{rights:?} {terminal_type:?}");
    }
}

#[test]
fn only_a_session_of_chip_authentication_hears_of_terminals() {
    let hierarchy = Hierarchy::new();
    let dialogue = |hierarchy: &Hierarchy| -> Vec<Command> {
        let set = |p2, name: &Reference| Command::new(0, 0x22, 0x81, p2).with_data(encode(Tag(0x83), name.bytes()));
        let [dv, terminal] = &hierarchy.chain[..] else { panic!() };
        vec![
            set(0xB6, &dv.body().authority),
            Command::new(0, 0x2A, 0, 0xBE).with_data(dv.content()),
            set(0xA4, &terminal.body().holder),
            Command::new(0, 0x84, 0, 0).with_ne(8),
            Command::new(0, 0x82, 0, 0).with_data([7; 64]),
        ]
    };
    // Without a session BAC is meant by the last two.
    let mut card = hierarchy.card();
    must(&mut card, &select(&Aid::emrtd())).unwrap();
    let words = |card: &mut dyn Card, commands: &[Command]| -> Vec<u16> {
        commands.iter().map(|command| card.transmit(command).unwrap().status.0).collect()
    };
    assert_eq!(words(&mut card, &dialogue(&hierarchy)), [NO, NO, NO, 0x9000, 0x6700]);
    // PACE alone is not enough.
    let suite = Suite { mapping: Mapping::Generic, group: Curve::P256.into(), cipher: Cipher::Aes128 };
    let session = pace::open(&mut card, &suite, &can(), LADDER[0], &mut OsRandom).unwrap().session;
    let mut secured = Secured::new(session, &mut card);
    must(&mut secured, &select(&Aid::emrtd())).unwrap();
    assert_eq!(words(&mut secured, &dialogue(&hierarchy)), [NO; 5]);
    // A card that knows no authority does not know the commands, and has no list of authorities.
    let mut plain = personalized(&Document::new(100));
    let mut inspection = Inspection::by_pace(&mut plain);
    assert_eq!(words(&mut inspection.card, &dialogue(&hierarchy)), [0x6D00, 0x6D00, 0x6D00, 0x6985, 0x6985]);
    assert_eq!(inspection.short(0x1C).status, Status::FILE_NOT_FOUND);
}

/// Flips a bit in the data of the nth command below the session, before it is protected.
struct Flipping<'a, 'c> {
    inner: &'a mut Secured<&'c mut dyn Card>,
    at: usize,
    count: usize,
}

impl Card for Flipping<'_, '_> {
    fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
        let mut command = command.clone();
        if self.count == self.at
            && let Some(last) = command.data.last_mut()
        {
            *last ^= 1;
        }
        self.count += 1;
        self.inner.transmit(&command)
    }
}

#[test]
fn a_flipped_bit_in_any_step_and_a_step_left_out_open_nothing() {
    let hierarchy = Hierarchy::new();
    let mut card = hierarchy.card();
    let before = card.state().emrtd.terminal_trust.clone();
    for at in [0, 1, 2, 3, 4, 6] {
        let mut inspection = Inspection::by_pace(&mut card);
        let Inspection { card, identity, ephemeral_key, .. } = &mut inspection;
        let binding = Binding { chip_identity: identity, ephemeral_key };
        let mut flipping = Flipping { inner: card, at, count: 0 };
        let sign = &mut |message: &[u8]| hierarchy.terminal.key.sign(message);
        assert!(
            terminal_auth::authenticate(&mut flipping, &hierarchy.chain, binding, sign, usize::MAX).is_err(),
            "{at}"
        );
        assert_eq!(inspection.fingers_and_eyes(), (NO, NO), "{at}");
    }
    assert_ne!(card.state().emrtd.terminal_trust, before, "a certificate that was good has told the date");
    // A challenge is good for the very next command, whatever comes between: a file, an application, one that is not there.
    let read = Command::new(0, 0xB0, 0x81, 0).with_ne(4);
    for between in [read, select(&Aid::emrtd()), select(&eid::Application::Piv.aid())] {
        let mut inspection = Inspection::by_pace(&mut card);
        let (identity, ephemeral_key) = (inspection.identity.clone(), inspection.ephemeral_key.clone());
        struct Curious<'a, 'c>(&'a mut Secured<&'c mut dyn Card>, Command);
        impl Card for Curious<'_, '_> {
            fn transmit(&mut self, command: &Command) -> Result<Response, TransmitError> {
                if command.ins == 0x82 {
                    self.0.transmit(&self.1)?;
                }
                self.0.transmit(command)
            }
        }
        let binding = Binding { chip_identity: &identity, ephemeral_key: &ephemeral_key };
        let sign = &mut |message: &[u8]| hierarchy.terminal.key.sign(message);
        let mut curious = Curious(&mut inspection.card, between.clone());
        let result = terminal_auth::authenticate(&mut curious, &hierarchy.chain, binding, sign, usize::MAX);
        let refused = Status::CONDITIONS_NOT_SATISFIED;
        assert!(
            matches!(result, Err(TerminalAuthError::Refused { instruction: 0x82, status }) if status == refused),
            "{between:?}"
        );
        assert_eq!(inspection.fingers_and_eyes(), (NO, NO));
    }
    // Another chip, another session, another key.
    for change in 0..3 {
        let mut inspection = Inspection::by_pace(&mut card);
        let stranger = Holder::new("UTIS00001");
        match change {
            0 => inspection.identity[5] ^= 1,
            1 => inspection.ephemeral_key[5] ^= 1,
            _ => {}
        }
        let signer = if change == 2 { &stranger } else { &hierarchy.terminal };
        assert!(inspection.authenticate(&hierarchy.chain, signer).is_err());
        assert_eq!(inspection.fingers_and_eyes(), (NO, NO));
    }
}

#[test]
fn the_card_learns_date_and_trust_points_for_good() {
    let hierarchy = Hierarchy::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("card.json");
    hierarchy.card().state().create(&path).unwrap();
    let next = Holder::new("UTCVCA00002");
    let (dv, terminal) = (Holder::new("UTDV00002"), Holder::new("UTIS00002"));
    let period = (date(2027, 12, 1), date(2028, 1, 20));
    let chain = vec![
        hierarchy.cvca.certify(&next, Level::Cvca, BOTH, (date(2027, 11, 1), date(2030, 1, 1))),
        next.certify(&dv, Level::DomesticDv, BOTH, period),
        dv.certify(&terminal, Level::Terminal, BOTH, period),
    ];
    {
        let mut card = SoftCard::open(&path).unwrap();
        let mut inspection = Inspection::by_pace(&mut card);
        inspection.authenticate(&chain, &terminal).unwrap();
        assert_eq!(inspection.fingers_and_eyes(), (0x9000, 0x9000));
        assert_eq!(inspection.authorities(), ["UTCVCA00002", "UTCVCA00001"]);
    }
    let mut card = SoftCard::open(&path).unwrap();
    let trust = |card: &SoftCard| card.state().emrtd.terminal_trust.clone().unwrap();
    assert_eq!(trust(&card).today, date(2027, 12, 1));
    let mut inspection = Inspection::by_pace(&mut card);
    assert_eq!(inspection.authorities(), ["UTCVCA00002", "UTCVCA00001"]);
    // The old terminal's certificate is of a day gone by; the new one needs no link any more.
    let result = hierarchy.run(&mut inspection);
    assert!(matches!(result, Err(TerminalAuthError::Certificate { holder, .. }) if holder.bytes() == b"UTDV00001"));
    assert_eq!(inspection.fingers_and_eyes(), (NO, NO));
    inspection.authenticate(&chain[1..], &terminal).unwrap();
    assert_eq!(inspection.fingers_and_eyes(), (0x9000, 0x9000));
    // A date beyond the old trust point's end: it goes.
    let late = Holder::new("UTDV00003");
    let certificate = next.certify(&late, Level::DomesticDv, BOTH, (date(2028, 1, 2), date(2028, 3, 1)));
    assert!(inspection.authenticate(&[certificate], &late).is_err(), "no terminal");
    assert_eq!(inspection.authorities(), ["UTCVCA00002"]);
    assert_eq!(trust(&card).today, date(2028, 1, 2));
    assert_eq!(State::load(&path).unwrap(), *card.state());
}

/// Torn at every command of an authentication that changes the card: it believes what it did before, or what it does after.
#[test]
fn a_torn_card_keeps_the_old_or_the_new() {
    let hierarchy = Hierarchy::new();
    let next = Holder::new("UTCVCA00002");
    let (dv, terminal) = (Holder::new("UTDV00002"), Holder::new("UTIS00002"));
    let period = (date(2027, 12, 1), date(2027, 12, 20));
    let chain = [
        hierarchy.cvca.certify(&next, Level::Cvca, BOTH, (date(2027, 11, 1), date(2030, 1, 1))),
        next.certify(&dv, Level::DomesticDv, BOTH, period),
        dv.certify(&terminal, Level::Terminal, BOTH, period),
    ];
    let directory = tempfile::tempdir().unwrap();
    let fresh = hierarchy.card();
    // What may be believed: before, after the link, after the document verifier (the terminal tells nothing later).
    let mut beliefs = vec![hierarchy.trust()];
    for end in 1..=2 {
        let mut card = SoftCard::from_state(fresh.state());
        assert!(Inspection::by_pace(&mut card).authenticate(&chain[..end], &terminal).is_err(), "no terminal");
        beliefs.push(card.state().emrtd.terminal_trust.clone().unwrap());
    }
    let mut seen = vec![0; beliefs.len()];
    for at in 0..9 {
        for when in [When::Before, When::After] {
            let path = directory.path().join(format!("{at}{when:?}.json"));
            fresh.state().create(&path).unwrap();
            let mut card = SoftCard::open(&path).unwrap();
            card.tear(Tear { at: BEFORE_TERMINALS + at, when });
            assert!(Inspection::by_pace(&mut card).authenticate(&chain, &terminal).is_err(), "{at} {when:?}");
            drop(card);
            let mut card = SoftCard::open(&path).unwrap();
            let belief = card.state().emrtd.terminal_trust.clone().unwrap();
            let which = beliefs.iter().position(|known| *known == belief);
            seen[which.unwrap_or_else(|| panic!("{at} {when:?} {belief:?}"))] += 1;
            let mut inspection = Inspection::by_pace(&mut card);
            let names = inspection.authorities();
            let from = usize::from(names[0] == "UTCVCA00002");
            inspection.authenticate(&chain[from..], &terminal).unwrap();
            assert_eq!(inspection.fingers_and_eyes(), (0x9000, 0x9000));
        }
    }
    assert_eq!(seen, [3, 4, 11], "each of them is met");
}

/// Short commands: certificates arrive in links, each protected by itself; a link of anything else is refused, and so is a chain that
/// another command breaks, or that never ends.
#[test]
fn long_certificates_come_in_links() {
    let hierarchy = Hierarchy::new();
    let miserly = soft_card::persona::EMBEDDED.iter().find(|(name, _)| *name == "miserly").unwrap().1;
    let make = soft_card::persona::Persona::parse(miserly).unwrap().make;
    let mut state = hierarchy.card().state().clone();
    state.make = make;
    let next = Holder::new("UTCVCA00002");
    let link = hierarchy.cvca.certify(&next, Level::Cvca, BOTH, (date(2026, 1, 20), date(2028, 1, 1)));
    assert!(link.content().len() > 255, "{}", link.content().len());
    let dv = next.certify(&hierarchy.terminal, Level::DomesticDv, BOTH, (date(2026, 2, 1), date(2026, 5, 1)));
    let terminal = Holder::new("UTIS00002");
    let own = hierarchy.terminal.certify(&terminal, Level::Terminal, BOTH, (date(2026, 2, 1), date(2026, 3, 1)));
    let chain = [link.clone(), dv, own];
    for longest in [terminal_auth::SHORT_COMMAND, 100, 7] {
        let mut card = SoftCard::from_state(&state);
        let mut inspection = Inspection::by_pace(&mut card);
        inspection.longest = longest;
        inspection.authenticate(&chain, &terminal).unwrap();
        assert_eq!(inspection.fingers_and_eyes(), (0x9000, 0x9000), "{longest}");
    }
    let mut card = SoftCard::from_state(&state);
    let mut inspection = Inspection::by_pace(&mut card);
    let set = encode(Tag(0x83), link.body().authority.bytes());
    let set = Command::new(0, 0x22, 0x81, 0xB6).with_data(set);
    let (head, tail) = link.content().split_at(200);
    let piece = |class, data: &[u8]| Command::new(class, 0x2A, 0, 0xBE).with_data(data);
    assert_eq!(inspection.ask(&set).status, Status::OK);
    assert_eq!(inspection.ask(&piece(0x10, head)).status, Status::OK);
    assert_eq!(inspection.short(1).status, Status::OK, "another command between");
    assert_eq!(inspection.ask(&piece(0x00, tail)).status, Status::WRONG_DATA);
    assert_eq!(inspection.authorities(), ["UTCVCA00001"]);
    assert_eq!(inspection.ask(&Command { cla: 0x10, ..set.clone() }).status, Status::CHAINING_NOT_SUPPORTED);
    assert_eq!(inspection.ask(&set).status, Status::OK);
    let endless = (0..100).map(|_| inspection.ask(&piece(0x10, &[0; 200])).status).find(|status| !status.is_ok());
    assert_eq!(endless, Some(Status::WRONG_LENGTH));
    assert_eq!(inspection.fingers_and_eyes(), (NO, NO));
}

/// The fault `card-date`: a card that nobody read for years, and one that was told a day to come.
#[test]
fn a_stale_card_lets_in_what_has_ended_and_a_hasty_one_keeps_out_what_is_good() {
    let hierarchy = Hierarchy::new();
    for (day, opens) in [("2020-01-01", true), ("2026-03-10", true), ("2026-03-11", false), ("2099-12-31", false)] {
        let text = format!(
            "format = \"bitaqa-soft-card-fault\"\nversion = 1\nseed = 7\n[[fault]]\nkind = \"card-date\"\ndate = \"{day}\"\n"
        );
        let faults = Faults::parse(&text, Path::new("faults.toml")).unwrap();
        let mut card = hierarchy.card().with_faults(&faults).unwrap();
        let mut inspection = Inspection::by_pace(&mut card);
        assert_eq!(hierarchy.run(&mut inspection).is_ok(), opens, "{day}");
        assert_eq!(inspection.fingers_and_eyes().0, if opens { 0x9000 } else { NO }, "{day}");
        assert!(personalized(&Document::new(9)).with_faults(&faults).is_err(), "it knows no terminals");
    }
}

/// A link that leads round in circles is only worth what its signatures are: the card keeps two points, and ends no session.
#[test]
fn a_chain_of_any_length_costs_the_card_nothing() {
    let hierarchy = Hierarchy::new();
    let next = Holder::new("UTCVCA00002");
    let period = (date(2026, 1, 1), date(2028, 1, 1));
    let there = hierarchy.cvca.certify(&next, Level::Cvca, BOTH, period);
    let back = next.certify(&hierarchy.cvca, Level::Cvca, BOTH, period);
    let mut card = hierarchy.card();
    let mut inspection = Inspection::by_pace(&mut card);
    let mut chain: Vec<_> = [there, back].into_iter().cycle().take(60).collect();
    assert!(inspection.authenticate(&chain, &next).is_err(), "no terminal");
    chain.extend(hierarchy.chain.clone());
    inspection.authenticate(&chain, &hierarchy.terminal).unwrap();
    assert_eq!(inspection.fingers_and_eyes(), (0x9000, NO));
    assert_eq!(inspection.authorities().len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn hostile_terminals_read_no_finger(
        steps in prop::collection::vec((0usize..8, any::<prop::sample::Index>(), any::<u8>()), 1..14),
    ) {
        static HIERARCHY: std::sync::LazyLock<Hierarchy> = std::sync::LazyLock::new(Hierarchy::new);
        static CARD: std::sync::LazyLock<State> = std::sync::LazyLock::new(|| HIERARCHY.card().state().clone());
        let [dv, terminal] = &HIERARCHY.chain[..] else { panic!() };
        let set = |p2, name: &Reference| Command::new(0, 0x22, 0x81, p2).with_data(encode(Tag(0x83), name.bytes()));
        let mut card = SoftCard::from_state(&CARD);
        let mut inspection = Inspection::by_pace(&mut card);
        for (kind, at, flip) in steps {
            let mut command = match kind {
                0 => set(0xB6, &dv.body().authority),
                1 => set(0xB6, &dv.body().holder),
                2 => Command::new(0, 0x2A, 0, 0xBE).with_data(dv.content()),
                3 => Command::new(0, 0x2A, 0, 0xBE).with_data(terminal.content()),
                4 => set(0xA4, &terminal.body().holder),
                5 => Command::new(0, 0x84, 0, 0).with_ne(8),
                6 => Command::new(0, 0x82, 0, 0).with_data([flip; 64]),
                _ => Command::new(0, 0xA4, 0x02, 0x0C).with_data([0x01, flip % 5]),
            };
            // A third of the commands as they are.
            if flip > 85 && !command.data.is_empty() {
                let at = at.index(command.data.len());
                command.data[at] ^= flip;
            }
            inspection.ask(&command);
            prop_assert_eq!(inspection.fingers_and_eyes(), (NO, NO));
        }
        // The card is none the worse for it.
        HIERARCHY.run(&mut inspection).unwrap();
        prop_assert_eq!(inspection.fingers_and_eyes(), (0x9000, NO));
    }
}
