//! Terminal types stand side by side: each has trust points of its own, and no chain leads to the rights of another.

use super::*;

const WRITE: &[&str] = &["write-dg17"];

fn at(level: Level) -> Chat {
    Chat::named(TerminalType::Authentication, level, WRITE.iter().copied()).unwrap()
}

/// A CVCA of authentication terminals, and what it certifies.
struct Offices {
    cvca: Holder,
    root: CvCertificate,
    dv: Holder,
    office: Holder,
    chain: [CvCertificate; 2],
}

fn offices() -> Offices {
    let [cvca, dv, office] =
        ["UTATCVCA00001", "UTDVAT00001", "UTOFFICE00001"].map(|name| Holder::new(name, P256, Curve::P256));
    let root = cvca.certify(&cvca, at(Level::Cvca), date(2026, 1, 1), date(2028, 1, 1));
    let chain = [
        cvca.certify(&dv, at(Level::DomesticDv), date(2026, 2, 1), date(2026, 5, 1)),
        dv.certify(&office, at(Level::Terminal), date(2026, 2, 10), date(2026, 3, 10)),
    ];
    Offices { cvca, root, dv, office, chain }
}

/// A card that believes both.
fn card(inspection: &Hierarchy, offices: &Offices) -> Reading {
    let points = [&inspection.root, &offices.root].map(|root| TrustPoint::new(root.clone()).unwrap());
    Reading::new(points.to_vec(), date(2026, 1, 15))
}

fn names(card: &Reading) -> Vec<String> {
    card.trust.points.iter().map(|point| point.certificate().body().holder.to_string()).collect()
}

#[test]
fn each_type_is_granted_its_own_rights_and_ef_cvca_names_inspection_only() {
    let (inspection, offices) = (hierarchy(), offices());
    let mut card = card(&inspection, &offices);
    inspection.run(&mut card).unwrap();
    let granted = card.state.granted().unwrap();
    assert!(granted.grants(TerminalType::Inspection, "read-dg3"));
    assert!(!granted.grants(TerminalType::Authentication, "write-dg17"));
    authenticate(&mut card, &offices.chain, BINDING, &mut |message| Some(offices.office.sign(message)), usize::MAX)
        .unwrap();
    let granted = card.state.granted().unwrap();
    assert!(granted.grants(TerminalType::Authentication, "write-dg17"));
    assert!(!granted.grants(TerminalType::Inspection, "read-dg3"));
    let named = authorities(&card.trust.authorities()).unwrap();
    assert_eq!(named.iter().map(Reference::to_string).collect::<Vec<_>>(), ["UTCVCA00001"]);
    assert_eq!(Trust::from_bytes(&card.trust.to_bytes().unwrap()).unwrap(), card.trust);
}

#[test]
fn no_certificate_leads_to_the_rights_of_another_type() {
    let (inspection, offices) = (hierarchy(), offices());
    let mut card = card(&inspection, &offices);
    let (from, to) = (date(2026, 2, 1), date(2026, 3, 1));
    // A link would make a new trust point.
    let next = Holder::new("UTCVCA00002", P256, Curve::P256);
    let link = inspection.cvca.certify(&next, at(Level::Cvca), from, date(2029, 1, 1));
    let set = encode(REFERENCE, link.body().authority.bytes());
    card.answer(&Command::new(0, 0x22, 0x81, 0xB6).with_data(set)).unwrap();
    let refused = card.answer(&Command::new(0, 0x2A, 0, 0xBE).with_data(link.content()));
    assert_eq!(refused, Err(Status::AUTHENTICATION_FAILED));
    assert_eq!(names(&card), ["UTCVCA00001", "UTATCVCA00001"]);
    // A document verifier of the other type, with the terminal below it, is let in and granted nothing.
    let below = |cvca: &Holder, chat: fn(Level) -> Chat| {
        [
            cvca.certify(&offices.dv, chat(Level::DomesticDv), from, to),
            offices.dv.certify(&offices.office, chat(Level::Terminal), from, to),
        ]
    };
    let is = |level| chat(level, BOTH);
    let mixed = [offices.chain[0].clone(), below(&offices.cvca, is)[1].clone()];
    for chain in [below(&inspection.cvca, at), below(&offices.cvca, is), mixed] {
        card.state = ChipTerminalAuth::default();
        authenticate(&mut card, &chain, BINDING, &mut |message| Some(offices.office.sign(message)), usize::MAX)
            .unwrap();
        assert_eq!(card.state.granted().unwrap().rights(), 0);
    }
}

#[test]
fn links_of_one_type_push_out_none_of_the_other() {
    let (inspection, offices) = (hierarchy(), offices());
    let mut card = card(&inspection, &offices);
    let mut holder = &offices.cvca;
    let [second, third] = ["UTATCVCA00002", "UTATCVCA00003"].map(|name| Holder::new(name, P256, Curve::P256));
    for (next, day) in [(&second, date(2026, 3, 1)), (&third, date(2026, 4, 1))] {
        let link = holder.certify(next, at(Level::Cvca), day, date(2029, 1, 1));
        let set = encode(REFERENCE, link.body().authority.bytes());
        card.answer(&Command::new(0, 0x22, 0x81, 0xB6).with_data(set)).unwrap();
        card.answer(&Command::new(0, 0x2A, 0, 0xBE).with_data(link.content())).unwrap();
        holder = next;
    }
    assert_eq!(names(&card), ["UTATCVCA00003", "UTATCVCA00002", "UTCVCA00001"]);
    assert_eq!(Trust::from_bytes(&card.trust.to_bytes().unwrap()).unwrap(), card.trust);
    // Three of one type are too many, two of each are not.
    let stored = card.trust.to_bytes().unwrap();
    let with = |root: &CvCertificate| Trust::from_bytes(&[&stored[..], root.bytes()].concat());
    assert!(matches!(with(&offices.root), Err(TrustError::Count(3))));
    let other = Holder::new("UTCVCA00009", P256, Curve::P256);
    let root = other.certify(&other, chat(Level::Cvca, BOTH), date(2026, 1, 1), date(2028, 1, 1));
    assert_eq!(with(&root).unwrap().points.len(), 4);
    // The last one of a type stays, expired or not.
    card.trust.today = date(2035, 1, 1);
    let chain = crate::cvc::chain::VerifiedChain::begin(&card.trust.points[0]);
    card.trust.learn(&chain).unwrap();
    assert_eq!(names(&card), ["UTATCVCA00003", "UTCVCA00001"]);
}

#[test]
fn a_link_that_takes_the_name_of_the_other_type_is_refused() {
    let (inspection, offices) = (hierarchy(), offices());
    let mut card = card(&inspection, &offices);
    let thief = Holder::new("UTCVCA00001", P256, Curve::P256);
    let link = offices.cvca.certify(&thief, at(Level::Cvca), date(2026, 3, 1), date(2029, 1, 1));
    let before = card.trust.clone();
    let set = encode(REFERENCE, link.body().authority.bytes());
    card.answer(&Command::new(0, 0x22, 0x81, 0xB6).with_data(set)).unwrap();
    let refused = card.answer(&Command::new(0, 0x2A, 0, 0xBE).with_data(link.content()));
    assert_eq!(refused, Err(Status::AUTHENTICATION_FAILED));
    assert_eq!(card.trust, before);
    inspection.run(&mut card).unwrap();
    assert!(card.state.granted().unwrap().grants(TerminalType::Inspection, "read-dg3"));
    // Nor is a card personalized so.
    let stored = [before.to_bytes().unwrap(), link.bytes().to_vec()].concat();
    assert!(matches!(Trust::from_bytes(&stored), Err(TrustError::Name(name)) if name.to_string() == "UTCVCA00001"));
}
