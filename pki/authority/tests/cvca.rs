//! Card-verifiable certificates from a CVCA to terminals, judged by the crate `trust` as a card would.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;

use authority::cvca::{CvError, CvGrant, CvMade, CvPeriod, CvStore, NewCvca};
use authority::{Algorithm, KeyError, Passphrase, RsaSize};
use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use tempfile::TempDir;
use trust::EllipticCurve;
use trust::cvc::chain::{self, TrustPoint};
use trust::cvc::{CvRequest, Level, TerminalType};

const TODAY: Date = date(2026, 11, 22);

/// Some hour of the day.
fn at(day: Date) -> Timestamp {
    day.at(9, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp()
}

fn passphrase() -> Passphrase {
    Passphrase::new("a passphrase for tests")
}

struct Desk {
    folder: TempDir,
    store: CvStore,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = CvStore::new(folder.path());
        Desk { folder, store }
    }

    fn with_cvca(algorithm: Algorithm) -> (Self, TrustPoint) {
        let desk = Desk::new();
        let made = desk.store.create_cvca(&cvca(algorithm), &passphrase(), at(TODAY)).unwrap();
        let root = TrustPoint::new(made.certificate).unwrap();
        (desk, root)
    }

    fn certify(&self, issuer: &str, name: (&str, &str), grant: &CvGrant, today: Date) -> Result<CvMade, CvError> {
        self.store.certify(issuer, name, grant, &passphrase(), &passphrase(), at(today))
    }
}

fn cvca(algorithm: Algorithm) -> NewCvca {
    let (country, mnemonic) = ("UT".to_owned(), "ISCVCA".to_owned());
    NewCvca { country, mnemonic, terminal_type: TerminalType::Inspection, rights: None, algorithm, period: None }
}

fn brainpool() -> Algorithm {
    Algorithm::Ecdsa(EllipticCurve::BrainpoolP256r1)
}

fn grant(level: Level) -> CvGrant {
    CvGrant { level, rights: None, period: None }
}

#[test]
fn a_terminal_is_believed_across_a_link() {
    let (desk, root) = Desk::with_cvca(brainpool());
    let rolled =
        desk.store.roll_over("UTISCVCA", None, None, (&passphrase(), &passphrase()), at(TODAY + 1.year())).unwrap();
    assert_eq!(rolled.certificate.body().holder.to_string(), "UTISCVCA00002");
    let link = rolled.link.unwrap();
    assert!(link.is_link() && link.body().public_key == rolled.certificate.body().public_key);

    let today = TODAY + 2.years();
    let dv = desk.certify("UTISCVCA", ("UT", "DVDOM"), &grant(Level::DomesticDv), today).unwrap();
    assert!(!dv.certificate.body().public_key.has_domain());
    let only_fingers = CvGrant { rights: Some(vec!["read-dg3".to_owned()]), ..grant(Level::Terminal) };
    let terminal = desk.certify("UTDVDOM", ("UT", "POST001"), &only_fingers, today).unwrap();
    assert_eq!(terminal.certificate.body().expires, today + 1.month());

    // The folder of the terminal holds all that a card asks for.
    let holder = desk.store.holder("UTPOST001").unwrap();
    let path = holder.current().unwrap().0.chain().unwrap();
    assert_eq!(path, [link.clone(), dv.certificate.clone(), terminal.certificate.clone()]);
    let verified = chain::verify(std::slice::from_ref(&root), &path, today).unwrap();
    assert_eq!((verified.effective().level(), verified.effective().right_names()), (Level::Terminal, vec!["read-dg3"]));
    assert_eq!(verified.trust_points()[0].certificate(), &link);
    assert_eq!(verified.card_date(), Some(today));

    // All of it is on record.
    let audit = authority::acts::audit(desk.folder.path(), None).unwrap();
    assert!(audit.unrecorded.is_empty(), "{:?}", audit.unrecorded);
    let kinds: Vec<_> = audit.acts.entries.iter().map(|entry| entry.act.kind.as_str()).collect();
    assert_eq!(kinds, ["cvca", "cvca", "cv-link", "cv-certificate", "cv-certificate"]);

    // The link is good for ever; the old CVCA certifies nobody after its end.
    let late = TODAY + 4.years();
    assert!(chain::verify(std::slice::from_ref(&root), std::slice::from_ref(&link), late).is_ok());
    assert!(chain::verify(std::slice::from_ref(&root), &path, late).is_err());
    let newer = TrustPoint::new(rolled.certificate).unwrap();
    assert!(chain::verify(&[newer], &path[1..], today).is_ok());
}

#[test]
fn other_curves_and_rsa_make_chains() {
    for algorithm in [Algorithm::Ecdsa(EllipticCurve::P384), Algorithm::RsaPss(RsaSize::R3072)] {
        let (desk, root) = Desk::with_cvca(algorithm);
        let dv = desk.certify("UTISCVCA", ("UT", "DV"), &grant(Level::ForeignDv), TODAY).unwrap();
        let terminal = desk.certify("UTDV", ("UT", "POST"), &grant(Level::Terminal), TODAY).unwrap();
        let path = [dv.certificate, terminal.certificate];
        let verified = chain::verify(std::slice::from_ref(&root), &path, TODAY).unwrap();
        assert_eq!(verified.effective().right_names(), ["read-dg4", "read-dg3"], "{algorithm}");
        // The date of a terminal below a foreign document verifier is nobody's.
        assert_eq!(verified.card_date(), Some(TODAY));
    }
}

#[test]
fn a_verifier_elsewhere_asks_and_renews() {
    let (home, root) = Desk::with_cvca(brainpool());
    let abroad = Desk::new();
    let name = ("XO", "DVFOR");
    let authority = root.certificate();
    let (_, request) =
        abroad.store.request(name, Some(authority), brainpool(), (&passphrase(), &passphrase()), at(TODAY)).unwrap();
    assert_eq!((request.authenticated_by(), request.body().authority.as_ref()), (None, Some(&authority.body().holder)));

    let dv = grant(Level::ForeignDv);
    let answer = home.store.issue("UTISCVCA", &request, None, &dv, &passphrase(), at(TODAY)).unwrap();
    let again = home.store.issue("UTISCVCA", &request, None, &dv, &passphrase(), at(TODAY));
    assert!(matches!(again, Err(CvError::NotAuthenticated(_))), "{again:?}");
    let made = abroad.store.accept("XODVFOR", &[root.certificate().clone(), answer.clone()], &[], at(TODAY)).unwrap();
    assert_eq!(made.certificate, answer);
    assert!(matches!(abroad.store.accept("XODVFOR", &[answer], &[], at(TODAY)), Err(CvError::NotAwaited(_))));
    abroad.certify("XODVFOR", ("XO", "POST"), &grant(Level::Terminal), TODAY).unwrap();

    // The next request is signed by the key before it too.
    let (path, renewal) =
        abroad.store.request(name, Some(authority), brainpool(), (&passphrase(), &passphrase()), at(TODAY)).unwrap();
    assert_eq!(renewal.authenticated_by().unwrap().to_string(), "XODVFOR00001");
    assert_eq!(CvRequest::from_bytes(&fs::read(path).unwrap()).unwrap().encode(), renewal.bytes());
    let next = home.store.issue("UTISCVCA", &renewal, None, &dv, &passphrase(), at(TODAY)).unwrap();
    assert_eq!(next.body().holder.to_string(), "XODVFOR00002");
    assert!(matches!(
        home.store.issue("UTISCVCA", &renewal, None, &dv, &passphrase(), at(TODAY)),
        Err(CvError::AlreadyIssued(_))
    ));
    // Meanwhile the certified key stays the current one.
    assert_eq!(abroad.store.holder("XODVFOR").unwrap().current().unwrap().0.sequence, 1);
    abroad.store.accept("XODVFOR", std::slice::from_ref(&next), &[], at(TODAY)).unwrap();
    assert_eq!(abroad.store.holder("XODVFOR").unwrap().current().unwrap().0.sequence, 2);
}

#[test]
fn an_answer_leads_to_a_cvca_that_is_believed_or_is_not_stored() {
    let ((home, root), (rogue, false_root)) = (Desk::with_cvca(brainpool()), Desk::with_cvca(brainpool()));
    let abroad = Desk::new();
    let ask = |authority| {
        abroad.store.request(("XO", "DV"), authority, brainpool(), (&passphrase(), &passphrase()), at(TODAY)).unwrap().1
    };
    let issue = |desk: &Desk, request: &CvRequest| {
        desk.store.issue("UTISCVCA", request, None, &grant(Level::ForeignDv), &passphrase(), at(TODAY)).unwrap()
    };
    // Whoever saw the request answers, under the same names; alone or with a root of his own before it.
    let request = ask(Some(root.certificate()));
    let forged = issue(&rogue, &request);
    for answer in [vec![forged.clone()], vec![false_root.certificate().clone(), forged]] {
        let refused = abroad.store.accept("XODV", &answer, &[], at(TODAY));
        assert!(matches!(refused, Err(CvError::Chain(_))), "{refused:?}");
    }
    // Nobody was named and nobody is given: nobody is believed.
    let unnamed = Desk::new();
    let keys = (&passphrase(), &passphrase());
    let (_, second) = unnamed.store.request(("XO", "OTHER"), None, brainpool(), keys, at(TODAY)).unwrap();
    let answer = issue(&home, &second);
    let alone = unnamed.store.accept("XOOTHER", std::slice::from_ref(&answer), &[], at(TODAY));
    assert!(matches!(alone, Err(CvError::Chain(_))), "{alone:?}");
    assert!(unnamed.store.holder("XOOTHER").unwrap().current().is_none());
    unnamed.store.accept("XOOTHER", &[answer], std::slice::from_ref(&root), at(TODAY)).unwrap();

    let answer = issue(&home, &request);
    let late = abroad.store.accept("XODV", std::slice::from_ref(&answer), &[], at(TODAY + 4.months()));
    assert!(matches!(late, Err(CvError::Chain(_))), "{late:?}");
    abroad.store.accept("XODV", &[answer], &[], at(TODAY)).unwrap();
}

#[test]
fn a_certificate_that_expired_vouches_for_nothing() {
    let (home, root) = Desk::with_cvca(brainpool());
    let abroad = Desk::new();
    let later = at(TODAY + 4.months());
    let ask = |now| {
        let keys = (&passphrase(), &passphrase());
        abroad.store.request(("XO", "DV"), Some(root.certificate()), brainpool(), keys, now).unwrap().1
    };
    let issue = |request: &CvRequest, now| {
        home.store.issue("UTISCVCA", request, None, &grant(Level::ForeignDv), &passphrase(), now)
    };
    abroad.store.accept("XODV", &[issue(&ask(at(TODAY)), at(TODAY)).unwrap()], &[], at(TODAY)).unwrap();
    let renewal = ask(at(TODAY));
    assert!(renewal.authenticated_by().is_some());
    let refused = issue(&renewal, later);
    assert!(matches!(refused, Err(CvError::AuthenticatorExpired { .. })), "{refused:?}");
    // It begins as the first time.
    let anew = ask(later);
    assert_eq!(anew.authenticated_by(), None);
    assert!(matches!(issue(&anew, at(TODAY)), Err(CvError::NotAuthenticated(_))));
    abroad.store.accept("XODV", &[issue(&anew, later).unwrap()], &[], later).unwrap();
}

#[test]
fn a_stranger_does_not_take_over_a_name() {
    let (home, root) = Desk::with_cvca(brainpool());
    let (honest, thief) = (Desk::new(), Desk::new());
    let dv = grant(Level::ForeignDv);
    let issue = |request: &CvRequest, voucher: Option<&TrustPoint>| {
        home.store.issue("UTISCVCA", request, voucher, &dv, &passphrase(), at(TODAY))
    };
    let (_, first) =
        honest.store.request(("XO", "DV"), None, brainpool(), (&passphrase(), &passphrase()), at(TODAY)).unwrap();
    let answer = issue(&first, None).unwrap();
    honest.store.accept("XODV", &[answer], std::slice::from_ref(&root), at(TODAY)).unwrap();

    // The thief has keys of the same names, certified by somebody else: his own outer signature does not help him.
    let (_, false_first) =
        thief.store.request(("XO", "DV"), None, brainpool(), (&passphrase(), &passphrase()), at(TODAY)).unwrap();
    assert!(matches!(issue(&false_first, None), Err(CvError::NotAuthenticated(_))));
    let own = thief.store.create_cvca(&NewCvca { country: "XO".into(), ..cvca(brainpool()) }, &passphrase(), at(TODAY));
    let own = own.unwrap();
    let bought = thief.store.issue("XOISCVCA", &false_first, None, &dv, &passphrase(), at(TODAY)).unwrap();
    let bought_from = TrustPoint::new(own.certificate.clone()).unwrap();
    thief.store.accept("XODV", &[bought], &[bought_from], at(TODAY)).unwrap();
    let (_, false_renewal) =
        thief.store.request(("XO", "DV"), None, brainpool(), (&passphrase(), &passphrase()), at(TODAY)).unwrap();
    assert!(matches!(issue(&false_renewal, None), Err(CvError::Request(_))));
    let voucher = TrustPoint::new(own.certificate).unwrap();
    assert!(matches!(issue(&false_renewal, Some(&voucher)), Err(CvError::Request(_))));
    let unknown = {
        let bytes =
            CvRequest::to_authenticate(first.bytes(), &trust::cvc::Reference::new("XO", "OTHER", "00009").unwrap());
        CvRequest::from_bytes(&CvRequest::assemble_authenticated(&bytes, &[0; 64])).unwrap()
    };
    assert!(matches!(issue(&unknown, None), Err(CvError::UnknownAuthenticator(_))));
}

#[test]
fn what_is_not_allowed_is_refused() {
    let (desk, _) = Desk::with_cvca(brainpool());
    let name = ("UT", "DV");
    let dv = grant(Level::DomesticDv);
    let terminal = desk.certify("UTISCVCA", name, &grant(Level::Terminal), TODAY);
    assert!(matches!(terminal, Err(CvError::WrongLevel { .. })));
    let cvca_again = desk.certify("UTISCVCA", name, &grant(Level::Cvca), TODAY);
    assert!(matches!(cvca_again, Err(CvError::WrongLevel { .. })));
    let long = CvGrant { period: Some(CvPeriod::Months(4)), ..dv.clone() };
    assert!(matches!(desk.certify("UTISCVCA", name, &long, TODAY), Err(CvError::Lifetime { .. })));
    let late = desk.certify("UTISCVCA", name, &dv, TODAY + 4.years());
    assert!(matches!(late, Err(CvError::IssuerExpired { .. })));
    let unknown = CvGrant { rights: Some(vec!["read-dg1".to_owned()]), ..dv.clone() };
    assert!(matches!(desk.certify("UTISCVCA", name, &unknown, TODAY), Err(CvError::Chat(_))));
    assert!(matches!(desk.certify("UTNOBODY", name, &dv, TODAY), Err(CvError::NoSuchHolder(_))));
    assert!(matches!(desk.certify("../../x", name, &dv, TODAY), Err(CvError::Reference(_))));
    assert!(matches!(desk.certify("UTISCVCA", ("UT", "../x"), &dv, TODAY), Err(CvError::Reference(_))));
    let taken = desk.store.create_cvca(&cvca(brainpool()), &passphrase(), at(TODAY));
    assert!(matches!(taken, Err(CvError::HolderExists(_))));
    let wrong =
        desk.store.roll_over("UTISCVCA", None, None, (&Passphrase::new("another one"), &passphrase()), at(TODAY));
    assert!(matches!(wrong, Err(CvError::HolderKey { error: KeyError::WrongPassphrase, .. })), "{wrong:?}");

    let narrow = CvGrant { rights: Some(vec!["read-dg3".to_owned()]), ..dv };
    desk.certify("UTISCVCA", name, &narrow, TODAY).unwrap();
    let both = CvGrant { rights: Some(vec!["read-dg4".to_owned()]), ..grant(Level::Terminal) };
    let refused = desk.certify("UTDV", ("UT", "POST"), &both, TODAY);
    assert!(matches!(refused, Err(CvError::RightNotHeld { right: "read-dg4", .. })));
    assert!(matches!(
        desk.store.roll_over("UTDV", None, None, (&passphrase(), &passphrase()), at(TODAY)),
        Err(CvError::NotACvca(_))
    ));
    let other_kind = desk.store.request(
        ("XO", "DV"),
        None,
        Algorithm::Ecdsa(EllipticCurve::P256),
        (&passphrase(), &passphrase()),
        at(TODAY),
    );
    let issued = desk.store.issue("UTISCVCA", &other_kind.unwrap().1, None, &narrow, &passphrase(), at(TODAY));
    assert!(matches!(issued, Err(CvError::KeyKind(_))));
    // Nothing of all that used up a number or left a holder behind.
    let names: Vec<_> = desk.store.holders().unwrap().iter().map(|holder| holder.name()).collect();
    assert_eq!(names, ["UTDV", "UTISCVCA", "XODV"]);
    assert_eq!(desk.store.holder("UTISCVCA").unwrap().current().unwrap().0.sequence, 1);
}

#[test]
fn leftovers_of_an_interrupted_issue_are_ignored_and_numbers_are_not_used_twice() {
    let (desk, _) = Desk::with_cvca(brainpool());
    let holder = desk.folder.path().join("cvc/UTISCVCA");
    // Interrupted after the number was burnt, before the key's folder took its name.
    let record = fs::read_to_string(holder.join("holder.json")).unwrap();
    fs::write(holder.join("holder.json"), record.replace("\"last_sequence\": 1", "\"last_sequence\": 2")).unwrap();
    fs::create_dir(holder.join("generations/.00002.new")).unwrap();
    fs::create_dir(desk.folder.path().join("cvc/.UTDV.new")).unwrap();
    assert_eq!(desk.store.holders().unwrap().len(), 1);
    let rolled = desk.store.roll_over("UTISCVCA", None, None, (&passphrase(), &passphrase()), at(TODAY)).unwrap();
    assert_eq!(rolled.certificate.body().holder.to_string(), "UTISCVCA00003");
    // A holder without a key goes on where it was interrupted.
    let only_name = Desk::new();
    let made = only_name.store.create_cvca(&cvca(brainpool()), &passphrase(), at(TODAY)).unwrap();
    fs::remove_dir_all(made.directory).unwrap();
    let made = only_name.store.create_cvca(&cvca(brainpool()), &passphrase(), at(TODAY)).unwrap();
    assert_eq!(made.certificate.body().holder.to_string(), "UTISCVCA00002");
}

#[test]
fn one_process_issues_at_a_time() {
    let (desk, _) = Desk::with_cvca(brainpool());
    let held = fs::File::options().append(true).open(desk.folder.path().join("lock")).unwrap();
    held.lock().unwrap();
    let busy = desk.store.roll_over("UTISCVCA", None, None, (&passphrase(), &passphrase()), at(TODAY));
    assert!(matches!(busy, Err(CvError::Busy(_))));
}
