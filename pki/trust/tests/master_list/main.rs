//! Master lists and the archive: generated ones, and the public ones where they lie beside the project.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod forge;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use forge::{Csca, Signed, list_of, master_list};
use jiff::Timestamp;
use proptest::prelude::*;
use trust::archive::{Archive, Change, Fingerprint, LoadError, Plan, Reason, Request, SaveError, Writing};
use trust::chain::{self, Document};
use trust::import::{self, Bounds, Content, ImportError, Unreadable};
use trust::master_list::{Role, Verification, id};
use trust::{Certificate, Crl, Leniency, MasterList, Outcome, Policy};

/// DocumentTypeList with "P".
const DOCUMENT_TYPES: &[(&str, &[u8])] = &[("2.23.136.1.1.6.2", b"\x30\x08\x02\x01\x00\x31\x03\x13\x01P")];
/// Lists are signed on the first of November.
const KEY_UNTIL_OCTOBER: &[(&str, &[u8])] = &[("2.5.29.16", b"\x30\x11\x81\x0f20261030000000Z")];
const KEY_UNTIL_DECEMBER: &[(&str, &[u8])] = &[("2.5.29.16", b"\x30\x11\x81\x0f20261230000000Z")];

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn plan(archive: &Archive, file: &str, bytes: &[u8], pins: &[Certificate], confirmed: &[Fingerprint]) -> Plan {
    let pieces = import::read(bytes, &Bounds::default()).unwrap();
    let sha256 = openssl::sha::sha256(bytes);
    archive.plan(&Request { file, sha256, pieces: &pieces, pins, confirmed, now: now(), by: "a test" })
}

/// Five states: 0 with two generations and a link, 1 with a link whose issuer is missing, the rest with one root.
struct World {
    list: Vec<u8>,
    pin: Certificate,
    roots: Vec<Csca>,
    link: Certificate,
    orphan: Certificate,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let pinned = Csca::root("DE", "csca-germany");
    let signer = pinned.list_signer();
    let mut roots: Vec<Csca> =
        ["AA", "BB", "CC", "DD", "EE"].iter().map(|country| Csca::root(country, "CSCA")).collect();
    let second = Csca::root("AA", "CSCA 2");
    let link = roots[0].link_to(&second);
    let orphan = Csca::root("BB", "CSCA").link_to(&roots[1]);
    roots.push(second);
    let mut certificates: Vec<&Certificate> = roots.iter().map(|csca| &csca.certificate).collect();
    certificates.insert(1, &link);
    certificates.push(&orphan);
    let list = master_list(&list_of(certificates.iter().map(|one| one.der())), &signer, &[&pinned.certificate]);
    World { list, pin: pinned.certificate.clone(), roots, link, orphan }
});

#[test]
fn a_list_of_a_pinned_signer_is_believed_and_its_roots_with_it() {
    let world = &*WORLD;
    let list = MasterList::from_der(&world.list).unwrap();
    assert_eq!(list.entries().len(), 8);
    assert_eq!(list.countries().into_iter().collect::<Vec<_>>(), ["AA", "BB", "CC", "DD", "EE"]);
    let roles = list.roles();
    let of = |certificate: &Certificate| {
        roles[list.entries().iter().position(|entry| entry.fingerprint == certificate.fingerprint()).unwrap()]
    };
    assert_eq!(roles.iter().filter(|role| **role == Role::SelfSigned).count(), 6);
    assert!(matches!(of(&world.link), Role::Link { .. }));
    assert_eq!(of(&world.orphan), Role::MissingIssuer);

    let verification = list.verify(std::slice::from_ref(&world.pin), now());
    assert!(verification.is_believed(), "{:#?}", verification.findings);
    assert!(verification.leniencies.is_empty());
    assert_eq!(verification.pinned.as_ref(), Some(&world.pin));

    let plan = plan(&Archive::default(), "de.ml", &world.list, std::slice::from_ref(&world.pin), &[]);
    let believed = |reason: Reason| {
        plan.changes.iter().filter(|change| matches!(change, Change::Anchor(_, found) if *found == reason)).count()
    };
    assert_eq!(believed(Reason::Listed), 6);
    assert_eq!(believed(Reason::LinkedFrom(world.roots[0].certificate.fingerprint())), 1);
    assert!(plan.changes.contains(&Change::Pending(world.orphan.fingerprint())));
    assert_eq!((plan.changes.len(), plan.unchanged), (8, 0));
    // The link and the second root are one key of two generations.
    assert_eq!(plan.archive.anchors().len(), 6);
    assert!(plan.archive.anchors().values().any(|held| held.len() == 2));
}

#[test]
fn without_a_pin_everything_is_pending_and_advice_names_the_list() {
    let world = &*WORLD;
    let plan = plan(&Archive::default(), "de.ml", &world.list, &[], &[]);
    assert_eq!(plan.lists[0].1.finding(id::TRUST).unwrap().outcome, Outcome::Undetermined);
    assert!(plan.changes.iter().all(|change| matches!(change, Change::Pending(_))));
    assert!(plan.archive.anchors().is_empty());

    let root = &world.roots[2];
    let signer = root.document_signer();
    let document = Document { now: now(), code: None, issuing_state: None, issued: None };
    let found = chain::judge(&signer.certificate, &plan.archive.trust_store(Policy::default()), &document);
    let trust = found.finding(chain::id::TRUST).unwrap();
    assert_eq!(trust.outcome, Outcome::Undetermined);
    let remedy = trust.remedy.as_ref().unwrap();
    assert!(remedy.contains(&hex::encode(root.certificate.key_identifier())), "{remedy}");
    assert!(remedy.contains("DE's master list of 2026-11-01 (de.ml, not verified yet)"), "{remedy}");

    // The same list again, this time with its signer pinned: now it is believed.
    let again = self::plan(&plan.archive, "de.ml", &world.list, std::slice::from_ref(&world.pin), &[]);
    assert_eq!(again.changes.iter().filter(|change| matches!(change, Change::NowBelieved(..))).count(), 7);
    let found = chain::judge(&signer.certificate, &again.archive.trust_store(Policy::default()), &document);
    assert!(found.finding(chain::id::TRUST).unwrap().is_successful());
}

#[test]
fn a_forged_list_believes_nobody() {
    let world = &*WORLD;
    let stranger = Csca::root("DE", "csca-germany");
    let forged = master_list(
        &list_of([stranger.certificate.der()]),
        &stranger.list_signer(),
        &[&stranger.certificate, &world.pin],
    );
    let plan = plan(&Archive::default(), "forged.ml", &forged, std::slice::from_ref(&world.pin), &[]);
    assert_eq!(plan.lists[0].1.finding(id::TRUST).unwrap().outcome, Outcome::Undetermined);
    assert!(plan.archive.anchors().is_empty());

    let place = world.list.windows(4).position(|window| window == b"CSCA").unwrap();
    let mut altered = world.list.clone();
    altered[place] ^= 1;
    let list = MasterList::from_der(&altered).unwrap();
    let verification = list.verify(std::slice::from_ref(&world.pin), now());
    assert_eq!(verification.finding(id::SIGNATURE).unwrap().outcome, Outcome::Failed);
    assert!(!verification.is_believed());
}

#[test]
fn who_may_sign_a_list() {
    let csca = Csca::root("DE", "csca");
    let pins = std::slice::from_ref(&csca.certificate);
    let content = list_of([csca.certificate.der()]);
    let verify = |signer: &Csca| MasterList::from_der(&master_list(&content, signer, &[])).unwrap().verify(pins, now());

    let by_csca = verify(&csca);
    assert!(by_csca.is_believed());
    assert_eq!(by_csca.leniencies, [Leniency::ListSignedByAuthority]);
    // A document signer has no purpose: only who is pinned himself needs none.
    let refused = |verification: &Verification| {
        let failed = verification.findings.iter().filter(|finding| finding.is_failed());
        assert_eq!(failed.map(|finding| finding.id).collect::<Vec<_>>(), [id::PURPOSE]);
        assert!(!verification.is_believed());
    };
    let plain = csca.document_signer();
    refused(&verify(&plain));
    let list = MasterList::from_der(&master_list(&content, &plain, &[])).unwrap();
    let pinned = list.verify(std::slice::from_ref(&plain.certificate), now());
    assert!(pinned.is_believed());
    assert_eq!(pinned.leniencies, [Leniency::ListSignerWithoutPurpose]);
    // Who may sign types of documents signs no list, whatever else is said of him.
    for purpose in [None, Some(forge::MASTER_LIST_SIGNER)] {
        let signer = csca.signer("Signer", Signed { purpose, extensions: DOCUMENT_TYPES, ..Signed::default() });
        refused(&verify(&signer));
        let list = MasterList::from_der(&master_list(&content, &signer, &[])).unwrap();
        refused(&list.verify(std::slice::from_ref(&signer.certificate), now()));
    }
    let purpose = Some(forge::MASTER_LIST_SIGNER);
    let signer = |extensions| csca.signer("Signer", Signed { purpose, extensions, ..Signed::default() });
    assert!(verify(&signer(KEY_UNTIL_DECEMBER)).is_believed());
    let late = verify(&signer(KEY_UNTIL_OCTOBER));
    assert!(late.findings.iter().any(|finding| finding.id == id::SIGNING_TIME && finding.is_failed()));
    assert!(!late.is_believed());
    let other = verify(&csca.signer("Signer", Signed { purpose: Some("serverAuth"), ..Signed::default() }));
    assert!(!other.is_believed());
    assert!(other.findings.iter().any(|finding| finding.id == id::PURPOSE && finding.is_failed()));
    let expired = verify(&csca.signer("Signer", Signed { until: "20261030000000Z", ..Signed::default() }));
    assert!(expired.findings.iter().any(|finding| finding.id == id::SIGNING_TIME && finding.is_failed()));
    assert!(!expired.is_believed());

    // The next generation of the pinned CSCA: believed through the link that the list itself brings.
    let next = Csca::root("DE", "csca");
    let link = csca.link_to(&next);
    let content = list_of([next.certificate.der(), link.der()]);
    let list = MasterList::from_der(&master_list(&content, &next.list_signer(), &[])).unwrap();
    assert!(list.verify(pins, now()).is_believed());
    // And the one after it, whatever the order of the links.
    let third = Csca::root("DE", "csca");
    let links = (csca.link_to(&next), next.link_to(&third));
    let content = list_of([links.1.der(), third.certificate.der(), links.0.der()]);
    let list = MasterList::from_der(&master_list(&content, &third.list_signer(), &[])).unwrap();
    assert!(list.verify(pins, now()).is_believed());
    let content = list_of([links.1.der(), third.certificate.der()]);
    let list = MasterList::from_der(&master_list(&content, &third.list_signer(), &[])).unwrap();
    assert!(!list.verify(pins, now()).is_believed());
    let without = list_of([next.certificate.der()]);
    let list = MasterList::from_der(&master_list(&without, &next.list_signer(), &[])).unwrap();
    assert!(!list.verify(pins, now()).is_believed());
}

#[test]
fn a_revoked_signers_list_is_not_believed() {
    let (csca, stranger) = (Csca::root("DE", "csca"), Csca::root("DE", "csca"));
    let (signer, other) = (csca.list_signer(), csca.list_signer());
    let bytes = master_list(&list_of([csca.certificate.der()]), &signer, &[]);
    let pins = std::slice::from_ref(&csca.certificate);
    let believed_after = |crl: &[u8]| {
        let archive = plan(&Archive::default(), "csca.crl", crl, &[], &[]).archive;
        assert_eq!(archive.crls().count(), 1);
        let together = forge::zip(&[("de.ml", &bytes), ("csca.crl", crl)]);
        let (after, with) =
            (plan(&archive, "de.ml", &bytes, pins, &[]), plan(&Archive::default(), "x", &together, pins, &[]));
        let believed = after.lists[0].1.is_believed();
        assert_eq!((with.lists[0].1.is_believed(), after.archive.anchors().is_empty()), (believed, !believed));
        believed
    };
    assert!(!believed_after(&csca.revocation_list(&signer.certificate)));
    assert!(believed_after(&csca.revocation_list(&other.certificate)));
    assert!(believed_after(&stranger.revocation_list(&signer.certificate)));

    // A later generation certified the signer, and revoked him.
    let next = Csca::root("DE", "csca");
    let signer = next.list_signer();
    let list = list_of([next.certificate.der(), csca.link_to(&next).der()]);
    let list = MasterList::from_der(&master_list(&list, &signer, &[])).unwrap();
    let crl = Crl::from_der(&next.revocation_list(&signer.certificate)).unwrap();
    assert!(list.verify(pins, now()).is_believed());
    let revoked = list.verify(pins, now()).unless_revoked([&crl], []);
    assert!(revoked.finding(id::TRUST).unwrap().is_failed() && !revoked.is_believed());
}

#[test]
fn an_authority_below_a_csca_is_no_link() {
    let (csca, below) = (Csca::root("DE", "csca"), Csca::root("DE", "Another Authority"));
    let intermediate = csca.authority_below(&below);
    intermediate.verify_signature(csca.certificate.public_key()).unwrap();
    let fingerprint = csca.certificate.fingerprint();
    let root = plan(&Archive::default(), "csca.cer", csca.certificate.der(), &[], &[fingerprint]).archive;
    let alone = plan(&root, "below.cer", intermediate.der(), &[], &[]);
    assert_eq!(alone.changes, [Change::Pending(intermediate.fingerprint())]);
    // Nor the way to a list signer; a believed list vouches for what it holds.
    let pins = std::slice::from_ref(&csca.certificate);
    let content = list_of([csca.certificate.der(), intermediate.der()]);
    let listed = plan(&Archive::default(), "de.ml", &master_list(&content, &csca.list_signer(), &[]), pins, &[]);
    assert!(listed.lists[0].1.is_believed());
    assert!(listed.archive.get(&intermediate.fingerprint()).unwrap().is_believed());
    let list = MasterList::from_der(&master_list(&content, &below.list_signer(), &[])).unwrap();
    assert!(!list.verify(pins, now()).is_believed());
}

#[test]
fn of_many_keys_under_one_name_few_are_tried() {
    let twin = || Csca::root("DE", "csca");
    let role_behind = |decoys: usize| {
        let (issuer, next) = (twin(), Csca::root("DE", "csca"));
        let link = issuer.link_by_name_to(&next);
        let mut all: Vec<Certificate> = (0..decoys).map(|_| twin().certificate).collect();
        all.extend([issuer.certificate.clone(), link]);
        let list = master_list(&list_of(all.iter().map(|one| one.der())), &next, &[]);
        *MasterList::from_der(&list).unwrap().roles().last().unwrap()
    };
    assert_eq!(role_behind(15), Role::Link { issuer: 15 });
    assert_eq!(role_behind(16), Role::MissingIssuer);
}

#[test]
fn a_link_is_believed_only_if_a_known_key_signed_it() {
    let (first, second, third) = (Csca::root("ID", "CSCA"), Csca::root("ID", "CSCA B"), Csca::root("ID", "CSCA C"));
    let (link, next) = (first.link_to(&second), second.link_to(&third));
    let one_by_one =
        |archive: &Archive, certificate: &Certificate| plan(archive, "link.cer", certificate.der(), &[], &[]);

    // Links first: nobody known signed them.
    let archive = one_by_one(&Archive::default(), &next).archive;
    let archive = one_by_one(&archive, &link).archive;
    let archive = one_by_one(&archive, &third.certificate).archive;
    assert!(archive.anchors().is_empty());

    // Someone confirms the first root: everything follows, each with its reason.
    let fingerprint = first.certificate.fingerprint();
    let plan = plan(&archive, "first.cer", first.certificate.der(), &[], &[fingerprint]);
    assert!(plan.changes.contains(&Change::Anchor(fingerprint, Reason::Confirmed)));
    assert!(plan.changes.contains(&Change::NowBelieved(link.fingerprint(), Reason::LinkedFrom(fingerprint))));
    assert!(plan.changes.contains(&Change::NowBelieved(next.fingerprint(), Reason::LinkedFrom(link.fingerprint()))));
    let same = Reason::SameKeyAs(next.fingerprint());
    assert!(plan.changes.contains(&Change::NowBelieved(third.certificate.fingerprint(), same)));
    assert_eq!(plan.archive.anchors().len(), 3);

    // A link of the same name by a stranger, and one into another country, are not.
    let stranger = Csca::root("ID", "CSCA").link_to(&Csca::root("ID", "CSCA D"));
    let abroad = first.link_to(&Csca::root("MY", "CSCA"));
    for foreign in [&stranger, &abroad] {
        let plan = one_by_one(&plan.archive, foreign);
        assert_eq!(plan.changes, [Change::Pending(foreign.fingerprint())]);
    }
}

#[test]
fn what_a_newer_list_no_longer_has_is_told_and_kept() {
    let world = &*WORLD;
    let pins = std::slice::from_ref(&world.pin);
    let pinned = Csca::root("DE", "csca");
    let signer = pinned.list_signer();
    let sign = |certificates: &[&Certificate]| {
        master_list(&list_of(certificates.iter().map(|one| one.der())), &signer, &[&pinned.certificate])
    };
    let (a, b) = (&world.roots[0].certificate, &world.roots[1].certificate);
    let pins = [pins, std::slice::from_ref(&pinned.certificate)].concat();
    let first = plan(&Archive::default(), "1.ml", &sign(&[a]), &pins, &[]);
    let second = plan(&first.archive, "2.ml", &sign(&[b]), &pins, &[]);
    assert_eq!(
        second.changes,
        [Change::Anchor(b.fingerprint(), Reason::Listed), Change::NoLongerListed(a.fingerprint())]
    );
    assert_eq!(second.archive.anchors().len(), 2);
    assert_eq!(second.archive.generation(), 2);
}

#[test]
fn every_container_gives_the_same_certificates() {
    use base64::Engine;
    let world = &*WORLD;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let folded = |text: String| {
        text.as_bytes().chunks(70).map(|part| String::from_utf8(part.to_vec()).unwrap()).collect::<Vec<_>>()
    };
    let root = &world.roots[0].certificate;
    let ldif = format!(
        "version: 1\n\ndn: cn=1,o=ml,c=DE\npkdMasterListContent:: {}\n\ndn: cn=2,o=ml,c=DE\nCscaMasterListData;binary:: {}\n\ndn: cn=3,c=AA\nuserCertificate;binary:: {}\nsn: 1\n\ndn: cn=4\ncertificateRevocationList;binary:: MAA=\n",
        folded(base64(&world.list)).join("\n "),
        folded(base64(&world.list)).join("\n "),
        folded(base64(root.der())).join("\n "),
    );
    let pieces = import::read(ldif.as_bytes(), &Bounds::default()).unwrap();
    let kinds: Vec<&str> = pieces.iter().map(|piece| kind(&piece.content)).collect();
    assert_eq!(kinds, ["list", "list", "certificate", "unreadable"]);
    assert_eq!(pieces[2].place, "cn=3,c=AA");

    let pem = format!(
        "some words\n-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n-----BEGIN CMS-----\n{}\n-----END CMS-----\n",
        folded(base64(root.der())).join("\n"),
        folded(base64(&world.list)).join("\n"),
    );
    let pieces = import::read(pem.as_bytes(), &Bounds::default()).unwrap();
    assert_eq!(pieces.iter().map(|piece| kind(&piece.content)).collect::<Vec<_>>(), ["certificate", "list"]);

    let zip = forge::zip(&[("lists/de.ml", &world.list), ("pkd.ldif", ldif.as_bytes()), ("readme.txt", b"hello")]);
    let pieces = import::read(&zip, &Bounds::default()).unwrap();
    let kinds: Vec<&str> = pieces.iter().map(|piece| kind(&piece.content)).collect();
    assert_eq!(kinds, ["list", "list", "list", "certificate", "unreadable", "unreadable"]);
    assert_eq!(pieces[3].place, "pkd.ldif: cn=3,c=AA");

    let plan = plan(&Archive::default(), "all.zip", &zip, std::slice::from_ref(&world.pin), &[]);
    assert_eq!((plan.lists.len(), plan.archive.certificates().count()), (3, 8));
    assert_eq!(plan.refused.len(), 2);
}

fn kind(content: &Content) -> &'static str {
    match content {
        Content::MasterList(_) => "list",
        Content::Certificate(_) => "certificate",
        Content::Crl(_) => "crl",
        Content::Unreadable(_) => "unreadable",
    }
}

#[test]
fn bombs_and_damaged_archives_end_early() {
    let zeros = vec![0; 4 * 1024 * 1024];
    let bomb = forge::zip(&[("a", &zeros), ("b", &zeros)]);
    assert!(bomb.len() < 64 * 1024);
    let bounds = Bounds { unpacked: 5 * 1024 * 1024, ..Bounds::default() };
    assert_eq!(import::read(&bomb, &bounds).unwrap_err(), ImportError::Bomb(bounds.unpacked));
    let many = Bounds { pieces: 1, ..Bounds::default() };
    assert_eq!(import::read(&bomb, &many).unwrap_err(), ImportError::TooMany(1));
    assert_eq!(import::read(&bomb[..bomb.len() - 30], &Bounds::default()).unwrap_err(), ImportError::Zip);
    let short = Bounds { bytes: 10, ..Bounds::default() };
    assert!(matches!(import::read(&bomb, &short), Err(ImportError::TooLarge { .. })));
    let nothing = import::read(b"nothing", &Bounds::default()).unwrap();
    assert!(matches!(nothing[0].content, Content::Unreadable(Unreadable::Unknown)));
}

#[test]
fn an_archive_comes_back_from_its_file() {
    let world = &*WORLD;
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("archive");
    assert_eq!(Archive::open(&place).unwrap(), Archive::default());
    let archive = plan(&Archive::default(), "de.ml", &world.list, std::slice::from_ref(&world.pin), &[]).archive;
    let writing = Writing::begin(&place).unwrap();
    assert!(matches!(Writing::begin(&place), Err(SaveError::Busy(_))));
    writing.save(&archive).unwrap();
    drop(writing);
    assert_eq!(Archive::open(&place).unwrap(), archive);
    fs::write(place.join("archive.json"), b"{}").unwrap();
    assert!(matches!(Archive::open(&place), Err(LoadError::Json(_))));
    let newer = String::from_utf8(archive.to_json()).unwrap().replacen("\"version\":1", "\"version\":3", 1);
    assert!(matches!(Archive::from_json(newer.as_bytes()), Err(LoadError::Format { version: 3, .. })));
}

/// The public lists, with their published numbers. The German root that lies beside them is of October 2024: younger than
/// the list, whose signer an older key certified. The Dutch list holds that one.
#[test]
fn the_dutch_and_the_german_list() {
    let lists = [
        ("NL_ML_2025-07-29.ml", "NL_ROOT_CA.cer", 394, 120, (394, 0, 0)),
        ("DE_ML_2024-08-07-07-38-24.ml", "DE_ROOT_CA_CSCA07.cer", 541, 109, (358, 176, 7)),
    ];
    let mut archive = Archive::default();
    for (file, root, certificates, countries, roles) in lists {
        let (Some(file), Some(root)) = (shared(file), shared(root)) else { return };
        let bytes = fs::read(&file).unwrap();
        let pin = certificate(&root);
        let list = MasterList::from_der(&bytes).unwrap();
        assert_eq!((list.entries().len(), list.countries().len()), (certificates, countries));
        let found = list.roles();
        let count = |wanted: fn(&Role) -> bool| found.iter().filter(|role| wanted(role)).count();
        let counted = (
            count(|role| matches!(role, Role::SelfSigned)),
            count(|role| matches!(role, Role::Link { .. })),
            count(|role| matches!(role, Role::MissingIssuer)),
        );
        assert_eq!(counted, roles);

        let verification = list.verify(std::slice::from_ref(&pin), now());
        assert!(verification.finding(id::SIGNATURE).unwrap().is_successful());
        let pins = if certificates == 541 {
            let trust = verification.finding(id::TRUST).unwrap();
            assert_eq!(trust.outcome, Outcome::Undetermined);
            assert!(trust.reason.contains("a40a5fc380ae3e59af1b32d6136aefeec8ca35e8"), "{}", trust.reason);
            assert!(trust.reason.contains("e8a62993eae208aa203e49d7649bbae1ba3560cb"), "{}", trust.reason);
            archive.anchors_of("DE")
        } else {
            vec![pin]
        };
        let plan = plan(&archive, "list.ml", &bytes, &pins, &[]);
        assert!(plan.lists[0].1.is_believed(), "{:#?}", plan.lists[0].1.findings);
        archive = plan.archive;
    }
    let believed = archive.certificates().filter(|held| held.is_believed()).count();
    let pending = archive.certificates().filter(|held| !held.is_believed()).count();
    // Seven links lack their issuer, eight say that they are no authority: their keys are believed only as roots.
    // One is tied to no key of its own list, and changes the name without saying so.
    assert_eq!((believed, pending), (581, 16));
    assert_eq!(archive.sources().len(), 2);
}

#[test]
fn the_indonesian_links_build_their_chains() {
    let names = ["2010-12_CSCA", "2016-01_CSCA", "2016-01_CSCA_LINK", "2020-10_CSCA", "2020-10_CSCA_LINK"];
    let files: Option<Vec<_>> = names.iter().map(|name| shared(&format!("IDN/{name}.cer"))).collect();
    let Some(files) = files else { return };
    let all: Vec<Certificate> = files.iter().map(|file| certificate(file)).collect();
    let mut archive = Archive::default();
    // Both links change the name and do not say so: nothing tells them from other authorities below the first CSCA.
    for certificate in all.iter().rev() {
        archive = plan(&archive, "idn.cer", certificate.der(), &[], &[all[0].fingerprint()]).archive;
    }
    assert_eq!(archive.certificates().filter(|held| held.is_believed()).count(), 1);
    for link in [&all[2], &all[4]] {
        archive = plan(&archive, "idn.cer", link.der(), &[], &[link.fingerprint()]).archive;
    }
    assert!(archive.certificates().all(|held| held.is_believed()));
    assert_eq!(archive.anchors().len(), 3);
    let reason = |index: usize| archive.get(&all[index].fingerprint()).unwrap().reasons[0].reason;
    assert_eq!(reason(0), Reason::Confirmed);
    assert_eq!(reason(2), Reason::Confirmed);
    assert_eq!(reason(1), Reason::SameKeyAs(all[2].fingerprint()));
    assert_eq!(reason(4), Reason::Confirmed);
    assert!(matches!(reason(3), Reason::SameKeyAs(_)));
}

fn shared(file: &str) -> Option<std::path::PathBuf> {
    test_vectors::shared(&format!("data/masterlists/{file}"))
}

fn certificate(path: &Path) -> Certificate {
    let bytes = fs::read(path).unwrap();
    Certificate::from_der(&bytes).or_else(|_| Certificate::from_pem(&bytes)).unwrap()
}

proptest! {
    #[test]
    fn hostile_files_end(bytes in prop::collection::vec(any::<u8>(), 0..300), head in 0usize..5) {
        let heads: [&[u8]; 5] = [b"", b"PK\x03\x04", b"-----BEGIN CERTIFICATE-----\n", b"dn: x\nuserCertificate:: ", b"\x30\x82"];
        let _ = import::read(&[heads[head], &bytes].concat(), &Bounds::default());
        let _ = MasterList::from_der(&bytes);
        prop_assert!(Archive::from_json(&bytes).is_err());
    }

    #[test]
    fn a_spoiled_list_is_never_believed_with_other_certificates(
        place in any::<prop::sample::Index>(), value in any::<u8>(), cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let world = &*WORLD;
        let mut bytes = world.list.clone();
        let place = place.index(bytes.len());
        bytes[place] = value;
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(list) = MasterList::from_der(&bytes)
            && list.verify(std::slice::from_ref(&world.pin), now()).is_believed()
        {
            let original = MasterList::from_der(&world.list).unwrap();
            prop_assert_eq!(list.signed_data().content(), original.signed_data().content());
        }
    }

    #[test]
    fn a_spoiled_zip_ends(place in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut bytes = forge::zip(&[("a.ldif", b"dn: x\ncn: y\n"), ("b.der", &[0x30, 0])]);
        let place = place.index(bytes.len());
        bytes[place] = value;
        let _ = import::read(&bytes, &Bounds::default());
    }
}
