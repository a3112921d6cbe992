//! A State in a temporary directory: it signs documents and puts them into soft cards, ready to be read.
//!
//! Cards are filled directly, not through the personalization dialogue: what is tested here is reading and judging.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use authority::defect_list::{DefectiveSigner, SeriesDefect, SignerDefects};
use authority::{
    Authority, BundleRequest, DocumentSigner, Passphrase, Profile, RecordSigner, Signer, SignerKind, StoredKey,
};
use channel::active_auth::announcement;
use channel::hash::Hash;
use channel::pace::{Mapping, Suite};
use channel::secret::Secret;
use channel::suite::Curve;
use iso7816::tlv::{Writer, encode};
use jiff::civil::{self, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use lds::com::Com;
use lds::date::Date;
use lds::dg::dg01::Dg1;
use lds::dg::dg02::{Dg2, Face};
use lds::dg::dg11::Dg11;
use lds::dg::dg12::Dg12;
use lds::dg::dg13::{Dg13, Field};
use lds::dg::dg14::Dg14;
use lds::dg::dg15::Dg15;
use lds::files::EF_CARD_SECURITY;
use lds::globalplatform::dgi;
use lds::mrz::{Mrz, MrzDate, Sex, Td1, name_field};
use lds::security_infos::{ID_CA_ECDH_AES_128, ID_PACE_ECDH_GM_AES_128, PublicKeyInfo, SecurityInfo, SecurityInfos};
use lds::sod::{HashAlgorithm, LdsSecurityObject, wrap};
use lds::transliteration::{Policy, arabic};
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::rsa::Rsa;
use openssl::sha::{sha1, sha256};
use soft_card::emrtd::{ActiveKey, ApplicationLife, ChipKey};
use soft_card::{BlankOptions, SoftCard, State};
use tempfile::TempDir;
use trust::der::{INTEGER, OCTET_STRING, OID, SEQUENCE, SET, context, context_constructed, oid};
use trust::{Certificate, RevokedDocument, TrustStore};

pub const CAN: &str = "123456";
/// Of every key of an authority.
pub const PASSPHRASE: &str = "a passphrase for tests";

/// Noon of a day in universal time.
pub fn noon(year: i16, month: i8, day: i8) -> Timestamp {
    date(year, month, day).at(12, 0, 0, 0).in_tz("UTC").unwrap().timestamp()
}

/// When the authorities of these tests begin their work, unless they are told another time.
pub fn usual_start() -> Timestamp {
    noon(2026, 11, 1)
}

pub fn days_after(start: Timestamp, days: i64) -> Timestamp {
    start + SignedDuration::from_hours(24 * days)
}

/// An authority with one document signer.
pub struct Issuer {
    pub directory: TempDir,
    pub authority: Authority,
    pub signer: DocumentSigner,
    /// Where the key is that signs.
    key: PathBuf,
    /// Whether it signs although its certificate is for something else.
    stolen: bool,
    passphrase: Passphrase,
    start: Timestamp,
}

impl Issuer {
    pub fn new(profile: &str) -> Self {
        Self::starting(profile, usual_start())
    }

    /// Signs documents one day after this moment, issues trust bundles nineteen days after it.
    pub fn starting(profile: &str, start: Timestamp) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let passphrase = Passphrase::new(PASSPHRASE);
        let profile = Profile::find(profile).unwrap();
        let mut authority = Authority::init(&directory.path().join("pki"), profile, &passphrase, start).unwrap();
        let record = authority.new_document_signer(Some("ds"), &passphrase, &passphrase, start).unwrap();
        let signer = DocumentSigner::load(&record.directory, &passphrase).unwrap();
        Issuer { directory, authority, signer, key: record.directory, stolen: false, passphrase, start }
    }

    /// The trust store that posts have today.
    pub fn store(&mut self, revoked: Vec<RevokedDocument>) -> TrustStore {
        TrustStore::from_bundle(self.bundle(revoked).bundle)
    }

    /// The trust store that posts had so many days after the start.
    pub fn store_after(&mut self, days: i64) -> TrustStore {
        let request = BundleRequest { allow_fewer: true, ..BundleRequest::default() };
        let bundle = self.authority.export_bundle(request, &self.passphrase, days_after(self.start, days));
        TrustStore::from_bundle(bundle.unwrap().bundle)
    }

    pub fn bundle(&mut self, revoked_documents: Vec<RevokedDocument>) -> authority::ExportedBundle {
        self.export(BundleRequest { revoked_documents, allow_fewer: true, ..BundleRequest::default() })
    }

    pub fn export(&mut self, request: BundleRequest) -> authority::ExportedBundle {
        self.authority.export_bundle(request, &self.passphrase, days_after(self.start, 19)).unwrap()
    }

    pub fn revoke_signer(&mut self) {
        self.authority.revoke("ds", days_after(self.start, 9)).unwrap();
        self.authority.issue_crl(&self.passphrase, days_after(self.start, 9)).unwrap();
    }

    /// A defect list about the document signer, or another one.
    pub fn defect_list(&mut self, key_id: Option<&str>, known: SeriesDefect) -> trust::DefectList {
        let own = || hex::encode(self.signer.certificate().key_identifier());
        let signer = DefectiveSigner::KeyId(key_id.map_or_else(own, str::to_owned));
        let (secret, now) = (&self.passphrase, days_after(self.start, 2));
        self.authority.ensure_signer(SignerKind::DeviationList, 10, secret, secret, now).unwrap();
        let defects = [SignerDefects { signer, known: vec![known] }];
        let list = self.authority.sign_defect_list(&defects, None, secret, now).unwrap();
        trust::DefectList::from_der(&list.bytes).unwrap()
    }

    /// Signs with another document signer from now on.
    pub fn change_signer(&mut self) {
        let secret = &self.passphrase;
        let record = self.authority.new_document_signer(Some("ds-2"), secret, secret, self.start).unwrap();
        self.signer = DocumentSigner::load(&record.directory, secret).unwrap();
        self.key = record.directory;
    }

    /// The directory of a new signer of this kind.
    pub fn another(&mut self, kind: SignerKind, name: &str) -> PathBuf {
        let secret = &self.passphrase;
        self.authority.new_signer(kind, Some(name), secret, secret, self.start).unwrap().directory
    }

    /// A new residence signer.
    pub fn office(&mut self, name: &str) -> RecordSigner {
        let directory = self.another(SignerKind::Residence, name);
        RecordSigner::load(&directory, &self.passphrase).unwrap()
    }

    /// Signs everything with the key in this directory from now on, which none of our own signers does.
    pub fn sign_with(&mut self, key: PathBuf) {
        (self.key, self.stolen) = (key, true);
    }

    /// Makes the CSCA sign documents itself, which it must not.
    pub fn sign_with_the_csca(&mut self) {
        self.sign_with(self.directory.path().join("pki/csca"));
    }

    /// What a signer without scruples makes of any content: signed data with the least that CMS asks for. A record stands beside it.
    pub fn sign_anyway(&self, directory: &Path, content_type: &[u8], content: &[u8]) -> Vec<u8> {
        let key = StoredKey::open(directory, &self.passphrase).unwrap();
        let certificate = Certificate::from_der(&std::fs::read(directory.join("certificate.der")).unwrap()).unwrap();
        let (digest, kind) = (key.algorithm().digest_identifier(), encode(OID, content_type));
        let attribute = |name: &[u8], value: &[u8]| encode(SEQUENCE, [encode(OID, name), encode(SET, value)].concat());
        let attributes = [
            attribute(oid::CONTENT_TYPE, &kind),
            attribute(oid::MESSAGE_DIGEST, &encode(OCTET_STRING, key.algorithm().hash().digest(content))),
        ]
        .concat();
        let signature = key.sign(&encode(SET, &attributes)).unwrap();
        let mut data = Writer::new();
        data.put(INTEGER, [3]).put(SET, &digest);
        let enclosed = match content_type == oid::DATA {
            true => Vec::new(),
            false => encode(context_constructed(0), encode(OCTET_STRING, content)),
        };
        data.put(SEQUENCE, [kind, enclosed].concat()).put(context_constructed(0), certificate.der());
        data.nest(SET, |signers| {
            signers.nest(SEQUENCE, |signer| {
                signer.put(INTEGER, [3]).put(context(0), certificate.key_identifier()).raw(&digest);
                signer.put(context_constructed(0), &attributes).raw(key.algorithm().signature_identifier());
                signer.put(OCTET_STRING, &signature);
            });
        });
        let signed = encode(context_constructed(0), encode(SEQUENCE, data.finish()));
        encode(SEQUENCE, [encode(OID, oid::SIGNED_DATA), signed].concat())
    }

    /// EF.CardSecurity with these entries.
    pub fn card_security(&self, infos: Vec<SecurityInfo>) -> Vec<u8> {
        let infos = SecurityInfos::new(infos).to_bytes();
        if self.stolen {
            return self.sign_anyway(&self.key, oid::SECURITY_OBJECT, &infos);
        }
        self.signer.sign_card_security_at(&infos, days_after(self.start, 1)).unwrap()
    }

    /// A card with this document, powered up.
    pub fn card(&self, document: &Document) -> SoftCard {
        SoftCard::from_state(&self.state(document))
    }

    /// The memory of a card with this document.
    pub fn state(&self, document: &Document) -> State {
        let (groups, key, active_key) = document.groups();
        let digest = |bytes: &[u8]| match document.hash {
            HashAlgorithm::Sha1 => sha1(bytes).to_vec(),
            _ => sha256(bytes).to_vec(),
        };
        let hashes: BTreeMap<u8, Vec<u8>> = groups.iter().map(|(n, bytes)| (*n, digest(bytes))).collect();
        let content = LdsSecurityObject::v0(document.hash, hashes).to_bytes();
        let cms = match document.hash {
            // Our own signer refuses to, and to sign with a key that is for something else.
            HashAlgorithm::Sha1 => self.sign_anyway(&self.key, oid::LDS_SECURITY_OBJECT, &content),
            _ if self.stolen => self.sign_anyway(&self.key, oid::LDS_SECURITY_OBJECT, &content),
            _ => self.signer.sign_security_object_at(&content, days_after(self.start, 1)).unwrap(),
        };

        let mut state = State::blank(BlankOptions { serial: Some([1, 2, 3, 4, 5, 6]), ..Default::default() }).unwrap();
        let emrtd = &mut state.emrtd;
        emrtd.files.insert(0x011E, Com::lds_1_7(groups.keys().copied()).to_bytes());
        emrtd.files.insert(0x011D, wrap(&cms));
        for (number, bytes) in groups {
            emrtd.files.insert(0x0100 | u16::from(number), bytes);
        }
        if !document.pace.is_empty() {
            emrtd.files.insert(0x011C, SecurityInfos::new(document.pace.clone()).to_bytes());
        }
        emrtd.mrz_information = Some(Secret::new(document.mrz().information().into_bytes()));
        emrtd.card_access_number = Some(Secret::new(CAN.as_bytes().to_vec()));
        emrtd.active_key = active_key;
        emrtd.chip_key = document.chip_authentication.then_some(key);
        if let Some(suite) = document.mapping() {
            let (key, public) = key_on(suite.group.curve().unwrap());
            let public = SecurityInfo::chip_authentication_public_key(public, None);
            let infos = document.pace.iter().cloned().chain([public]).collect();
            emrtd.files.insert(dgi::number_of(&EF_CARD_SECURITY), self.card_security(infos));
            emrtd.mapping_key = Some(key);
        }
        emrtd.life_cycle = ApplicationLife::Personalized;
        emrtd.complete = true;
        state
    }
}

/// With which key a document's chip does Active Authentication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Active {
    No,
    Rsa { bits: u32 },
    Ecdsa(Curve, Hash),
}

/// What stands in a document, before it is signed.
#[derive(Clone)]
pub struct Document {
    pub td1: Td1,
    pub personal: Dg11,
    pub details: Dg12,
    pub national: Dg13,
    pub portrait: Vec<u8>,
    pub pace: Vec<SecurityInfo>,
    pub chip_authentication: bool,
    pub active_authentication: Active,
    /// Of the data groups: SHA-256, or SHA-1.
    pub hash: HashAlgorithm,
    /// Data groups besides the usual ones, or instead of them.
    pub extra: BTreeMap<u8, Vec<u8>>,
    /// A zone of another size in the place of `td1`.
    pub zone: Option<Mrz>,
    /// Overrides characters of the MRZ: position and character.
    pub misprint: Option<(usize, char)>,
}

impl Document {
    /// A specimen of Utopia with an Arabic name.
    pub fn specimen() -> Self {
        Self::issued_after(usual_start())
    }

    /// The same, issued one day after this moment and valid for ten years.
    pub fn issued_after(start: Timestamp) -> Self {
        let day = days_after(start, 1).to_zoned(TimeZone::UTC).date();
        let issued = in_lds(day);
        let expires = in_lds(day + 10.years() - 1.day());
        let translit = |text| arabic(text, Policy::KurdishExtension).unwrap();
        let td1 = Td1 {
            document_code: "ID".into(),
            issuing_state: "UTO".into(),
            document_number: "ZZ0000017".into(),
            optional_1: "199900000011".into(),
            birth: MrzDate::parse("990101").unwrap(),
            sex: Sex::Female,
            expiry: MrzDate::from(expires),
            nationality: "UTO".into(),
            optional_2: String::new(),
            name: name_field(&translit("التجريبي"), &translit("زينب"), 30).text,
        };
        let personal = Dg11 {
            full_name: Some("زينب<علي<حسين<التجريبي".into()),
            other_names: vec!["فاطمة<محمد".into()],
            personal_number: Some("199900000011".into()),
            birth_date: Some(Date::new(1999, 1, 1).unwrap()),
            birth_place: vec!["الكرادة".into(), "بغداد".into()],
            ..Dg11::default()
        };
        let details = Dg12 {
            authority: Some("مديرية الجنسية والمعلومات المدنية".into()),
            issue_date: Some(issued),
            ..Dg12::default()
        };
        let mut national = Dg13::new();
        national.set(Field::BloodGroup, "O+");
        national.set(Field::Religion, "never to be shown");
        Document {
            td1,
            personal,
            details,
            national,
            portrait: portrait(),
            pace: vec![SecurityInfo::pace(ID_PACE_ECDH_GM_AES_128, Curve::BrainpoolP256r1.parameter_id())],
            chip_authentication: true,
            active_authentication: Active::No,
            hash: HashAlgorithm::Sha256,
            extra: BTreeMap::new(),
            zone: None,
            misprint: None,
        }
    }

    /// PACE with chip authentication mapping, when the document offers it in a form that the card knows.
    fn mapping(&self) -> Option<Suite> {
        let suites = self.pace.iter().filter_map(|info| match info {
            SecurityInfo::Pace { oid, parameter_id: Some(id), .. } => Suite::from_info(oid, *id),
            _ => None,
        });
        suites.into_iter().find(|suite| suite.mapping == Mapping::ChipAuthentication)
    }

    pub fn mrz(&self) -> Mrz {
        let mrz = self.zone.clone().unwrap_or_else(|| self.td1.to_mrz().unwrap());
        let Some((position, character)) = self.misprint else { return mrz };
        let text = mrz.as_str().chars().enumerate().map(|(at, c)| if at == position { character } else { c });
        Mrz::parse(&text.collect::<String>()).unwrap()
    }

    /// Every data group, and the chip's private keys.
    fn groups(&self) -> (BTreeMap<u8, Vec<u8>>, ChipKey, Option<ActiveKey>) {
        let (key, public) = key_on(Curve::P256);
        let mut infos = self.pace.clone();
        if self.chip_authentication {
            infos.push(SecurityInfo::chip_authentication(ID_CA_ECDH_AES_128, None));
            infos.push(SecurityInfo::chip_authentication_public_key(public, None));
        }
        if let Active::Ecdsa(_, hash) = self.active_authentication {
            infos.push(SecurityInfo::ActiveAuthentication { version: 1, signature: announcement(hash) });
        }
        let mut groups = BTreeMap::from([
            (1, Dg1::new(self.mrz()).to_bytes()),
            (2, Dg2::new(Face::new(self.portrait.clone()).unwrap()).to_bytes()),
            (11, self.personal.to_bytes()),
            (12, self.details.to_bytes()),
            (13, self.national.to_bytes()),
            (14, Dg14::new(SecurityInfos::new(infos)).to_bytes()),
        ]);
        let (active_key, dg15) = active_key(self.active_authentication).unzip();
        groups.extend(dg15.map(|key| (15, Dg15::new(key).to_bytes())));
        groups.extend(self.extra.clone());
        (groups, key, active_key)
    }
}

/// A signature, as a JPEG.
pub fn signature() -> Vec<u8> {
    let mut jpeg = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 60);
    encoder.encode(&[255; 60 * 20], 60, 20, jpeg_encoder::ColorType::Luma).unwrap();
    jpeg
}

fn in_lds(day: civil::Date) -> Date {
    Date::new(day.year() as u16, day.month() as u8, day.day() as u8).unwrap()
}

fn active_key(kind: Active) -> Option<(ActiveKey, PublicKeyInfo)> {
    match kind {
        Active::No => None,
        Active::Rsa { bits } => {
            let key = Rsa::generate(bits).unwrap();
            let public = PublicKeyInfo::rsa(&key.public_key_to_der_pkcs1().unwrap());
            Some((ActiveKey::Rsa { private: Secret::new(key.private_key_to_der().unwrap()) }, public))
        }
        Active::Ecdsa(curve, _) => {
            let private = Secret::new((1..=curve.field_length() as u8).collect());
            let key = channel::chip_auth::ChipKey { key_id: None, group: curve.into(), private: private.clone() };
            let public = PublicKeyInfo::explicit(curve.parameter_id(), &key.public_key().unwrap().octets);
            Some((ActiveKey::Ec { parameter_id: curve.parameter_id(), private }, public.unwrap()))
        }
    }
}

/// A drawn key for Chip Authentication, or for the mapping of that name.
fn key_on(curve: Curve) -> (ChipKey, PublicKeyInfo) {
    let group = EcGroup::from_curve_name(curve.nid()).unwrap();
    let key = EcKey::generate(&group).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let point = key.public_key().to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context).unwrap();
    let private = Secret::new(key.private_key().to_vec_padded(curve.field_length() as i32).unwrap());
    let id = curve.parameter_id();
    (ChipKey { parameter_id: id, key_id: None, private }, PublicKeyInfo::explicit(id, &point).unwrap())
}

/// A drawn face, as a JPEG.
fn portrait() -> Vec<u8> {
    const WIDTH: u16 = 240;
    const HEIGHT: u16 = 320;
    let mut pixels = Vec::new();
    for y in 0..i32::from(HEIGHT) {
        for x in 0..i32::from(WIDTH) {
            let inside = |cx: i32, cy: i32, rx: i32, ry: i32| {
                let (dx, dy) = ((x - cx) * 100 / rx, (y - cy) * 100 / ry);
                dx * dx + dy * dy < 10_000
            };
            let eye = inside(95, 135, 9, 6) || inside(145, 135, 9, 6);
            let skin = inside(120, 150, 62, 82);
            let colour = match (eye, skin, inside(120, 330, 110, 90)) {
                (true, ..) => [40, 30, 30],
                (_, true, _) => [214, 172, 140],
                (.., true) => [60, 80, 120],
                _ => [226, 230, 234],
            };
            pixels.extend(colour);
        }
    }
    let mut jpeg = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 90);
    encoder.encode(&pixels, WIDTH, HEIGHT, jpeg_encoder::ColorType::Rgb).unwrap();
    jpeg
}
