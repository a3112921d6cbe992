//! What one file of a chip holds, field by field, for people who look at files; nothing is judged.

use channel::chip_auth::{ChipAuthSuite, KeyAgreement};
use channel::pace::Suite;
use channel::suite::Group;
use inspection::procedure::{cipher_name, suite_words};
use lds::com::Com;
use lds::dg::Defect;
use lds::dg::dg01::Dg1;
use lds::dg::dg02::Dg2;
use lds::dg::dg03::Dg3;
use lds::dg::dg04::Dg4;
use lds::dg::dg05::{Dg5, DisplayedImage};
use lds::dg::dg06::Dg6;
use lds::dg::dg07::Dg7;
use lds::dg::dg11::Dg11;
use lds::dg::dg12::Dg12;
use lds::dg::dg13::Dg13;
use lds::dg::dg14::Dg14;
use lds::dg::dg15::Dg15;
use lds::dg::dg16::Dg16;
use lds::dg::features::{FeatureKind, Features};
use lds::directory::Directory;
use lds::files::{self, EF_ATR_INFO, EF_CARD_ACCESS, EF_CARD_SECURITY, EF_COM, EF_DIR, EF_SOD, File};
use lds::info::AtrInfo;
use lds::security_infos::{PublicKeyInfo, SecurityInfo, SecurityInfos};
use lds::sod::LdsSecurityObject;
use trust::security_object;

/// A file taken apart.
#[derive(Default)]
pub struct Contents {
    /// Label and value, in the order of the file.
    pub fields: Vec<(&'static str, String)>,
    /// Known departures from the standard that were read nevertheless.
    pub deviations: Vec<Defect>,
}

/// The file that bytes begin like; where two begin alike, the one whose structure they have.
pub fn recognised(bytes: &[u8]) -> Option<&'static File> {
    let tag = iso7816::tlv::Reader::new(bytes).next().ok()??.tag;
    let group = files::data_group_by_tag(tag);
    // EF.DIR and DG1 share a tag.
    if group.is_some_and(|file| file.data_group == Some(1)) && Directory::parse(bytes).is_ok() {
        return Some(&EF_DIR);
    }
    let others = [&EF_COM, &EF_SOD, &EF_CARD_ACCESS, &EF_CARD_SECURITY];
    group.or_else(|| others.into_iter().find(|file| file.tag == Some(tag)))
}

/// Takes a file apart; the reason where its bytes are not that file.
pub fn contents(file: &File, bytes: &[u8]) -> Result<Contents, String> {
    let mut shown = Contents::default();
    match file.data_group {
        Some(number) => shown.data_group(number, bytes).map_err(|error| error.to_string())?,
        None if *file == EF_COM => {
            let com = Com::parse(bytes).map_err(|error| error.to_string())?;
            shown.put("LDS version", com.lds_version);
            shown.put("Unicode version", com.unicode_version);
            shown.put("data groups", list(com.data_groups.iter()));
        }
        None if *file == EF_SOD => shown.security_object(bytes)?,
        None if *file == EF_CARD_ACCESS => {
            shown.security_infos(&SecurityInfos::parse(bytes).map_err(|error| error.to_string())?);
        }
        None if *file == EF_CARD_SECURITY => {
            let signed = security_object::parse_card_security(bytes).map_err(|error| error.to_string())?;
            let infos = SecurityInfos::parse(signed.claimed().security_infos());
            shown.security_infos(&infos.map_err(|error| error.to_string())?);
        }
        None if *file == EF_DIR => {
            for application in Directory::parse(bytes).map_err(|error| error.to_string())?.applications {
                let label = application.label.map(|label| format!(" ({label})")).unwrap_or_default();
                shown.put("application", format!("{}{label}", application.identifier));
            }
        }
        None if *file == EF_ATR_INFO => shown.info(&AtrInfo::parse(bytes)),
        None => return Err(format!("{} is not taken apart here", file.name)),
    }
    Ok(shown)
}

fn list<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

impl Contents {
    /// Adds a field, unless it is empty.
    fn put(&mut self, label: &'static str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.fields.push((label, value));
        }
    }

    fn optional(&mut self, label: &'static str, value: Option<impl ToString>) {
        self.put(label, value.map(|value| value.to_string()).unwrap_or_default());
    }

    fn data_group(&mut self, number: u8, bytes: &[u8]) -> Result<(), lds::dg::ReadError> {
        let mut noted = Vec::new();
        match number {
            1 => self.zone(&Dg1::parse(bytes)?),
            2 => self.faces(&Dg2::parse_noting(bytes, &mut noted)?),
            3 => self.fingers(&Dg3::parse_noting(bytes, &mut noted)?),
            4 => self.irises(&Dg4::parse_noting(bytes, &mut noted)?),
            5 => self.pictures("portrait", &Dg5::parse_noting(bytes, &mut noted)?.portraits),
            6 => self.put("content", hex::encode(Dg6::parse(bytes)?.content)),
            7 => self.pictures("signature or mark", &Dg7::parse_noting(bytes, &mut noted)?.signatures),
            8 => self.features(&Features::parse_noting(FeatureKind::Data, bytes, &mut noted)?),
            9 => self.features(&Features::parse_noting(FeatureKind::Structure, bytes, &mut noted)?),
            10 => self.features(&Features::parse_noting(FeatureKind::Substance, bytes, &mut noted)?),
            11 => self.personal(Dg11::parse_noting(bytes, &mut noted)?),
            12 => self.document(Dg12::parse_noting(bytes, &mut noted)?),
            13 => {
                let dg13 = Dg13::parse_noting(bytes, &mut noted)?;
                dg13.shown().for_each(|(field, value)| self.put("national", format!("{field:?}: {value}")));
            }
            14 => self.security_infos(&Dg14::parse(bytes)?.infos),
            15 => self.put("key", key_words(&Dg15::parse(bytes)?.key)),
            _ => self.persons(&Dg16::parse_noting(bytes, &mut noted)?),
        }
        self.deviations = noted;
        Ok(())
    }

    fn zone(&mut self, dg1: &Dg1) {
        let mrz = &dg1.mrz;
        self.put("format", format!("{:?}", mrz.format()).to_uppercase());
        mrz.lines().into_iter().for_each(|line| self.put("line", line));
        self.put("document number", mrz.document_number());
        self.put("wrong check digits", list(mrz.wrong_check_digits().iter()));
    }

    fn faces(&mut self, dg2: &Dg2) {
        for face in &dg2.faces {
            let (series, format) = (face.encoding(), face.format());
            let size = format!("{}x{} pixels, {} bytes", face.width(), face.height(), face.image().len());
            self.put("face", format!("{series:?}, {format:?}, {size}"));
        }
    }

    fn fingers(&mut self, dg3: &Dg3) {
        for finger in &dg3.fingers {
            let kind = format!("{:?}, {:?}, {} bytes", finger.encoding, finger.format, finger.image.len());
            self.put("finger", format!("{}, {kind}", finger.position));
        }
        self.optional("random bytes", dg3.random.as_ref().map(Vec::len));
    }

    fn irises(&mut self, dg4: &Dg4) {
        for iris in &dg4.irises {
            let kind = format!("{:?}, {:?}, {} bytes", iris.encoding, iris.format, iris.image.len());
            self.put("iris", format!("{:?}, {kind}", iris.eye));
        }
        self.optional("random bytes", dg4.random.as_ref().map(Vec::len));
    }

    fn pictures(&mut self, label: &'static str, images: &[DisplayedImage]) {
        for image in images {
            let bytes = image.image().len();
            self.put(
                label,
                match image.picture() {
                    Ok(picture) => {
                        format!("{:?}, {}x{} pixels, {bytes} bytes", picture.format, picture.width, picture.height)
                    }
                    Err(error) => format!("{bytes} bytes: {error}"),
                },
            );
        }
    }

    fn features(&mut self, features: &Features) {
        for (tag, value) in &features.templates {
            self.put("template", format!("{tag}: {}", hex::encode(value)));
        }
    }

    fn personal(&mut self, dg11: Dg11) {
        self.optional("full name", dg11.full_name);
        self.put("other names", dg11.other_names.join("; "));
        self.optional("personal number", dg11.personal_number);
        self.optional("date of birth", dg11.birth_date);
        self.put("place of birth", dg11.birth_place.join("; "));
        self.put("address", dg11.address.join("; "));
        self.optional("telephone", dg11.telephone);
        self.optional("profession", dg11.profession);
        self.optional("title", dg11.title);
        self.optional("summary", dg11.summary);
        self.optional("proof of citizenship, bytes", dg11.citizenship_image.map(|image| image.len()));
        self.put("other documents", dg11.other_documents.join("; "));
        self.optional("custody", dg11.custody);
    }

    fn document(&mut self, dg12: Dg12) {
        self.optional("issuing authority", dg12.authority);
        self.optional("date of issue", dg12.issue_date);
        self.put("other persons", dg12.other_persons.join("; "));
        self.optional("endorsements", dg12.endorsements);
        self.optional("exit requirements", dg12.exit_requirements);
        self.optional("image of front, bytes", dg12.front.map(|image| image.len()));
        self.optional("image of rear, bytes", dg12.rear.map(|image| image.len()));
        self.optional("personalized", dg12.personalized.map(|moment| moment.to_digits()));
        self.optional("personalization system", dg12.system);
    }

    fn persons(&mut self, dg16: &Dg16) {
        for person in dg16.persons() {
            let recorded = person.recorded.map(|date| format!("recorded {date}"));
            let parts = [person.name.clone(), person.telephone.clone(), Some(person.address.join("; ")), recorded];
            self.put("notify", list(parts.into_iter().flatten().filter(|part| !part.is_empty())));
        }
    }

    fn security_infos(&mut self, infos: &SecurityInfos) {
        infos.infos().iter().for_each(|info| self.put("info", words_of(info)));
    }

    /// The list of hashes. Whether anybody signed it is for `judge` to say.
    fn security_object(&mut self, bytes: &[u8]) -> Result<(), String> {
        let cms = lds::sod::unwrap(bytes).map_err(|error| error.to_string())?;
        let signed = security_object::parse(cms).map_err(|error| error.to_string())?;
        let listed = LdsSecurityObject::parse(signed.claimed().content()).map_err(|error| error.to_string())?;
        self.put("version", listed.version.to_string());
        self.optional("LDS version", listed.lds_version.as_ref().map(|version| &version.lds));
        self.put("hash", listed.hash.name());
        for (number, hash) in &listed.hashes {
            self.put("data group", format!("{number}: {}", hex::encode(hash)));
        }
        Ok(())
    }

    fn info(&mut self, info: &AtrInfo) {
        self.optional("service data", info.service_data.map(|byte| format!("{byte:02x}")));
        self.put("capabilities", hex::encode(&info.capabilities));
        if let Some(lengths) = info.extended_length {
            self.put("longest command", lengths.command.to_string());
            self.put("longest response", lengths.response.to_string());
        }
        for (tag, value) in &info.others {
            self.put("other", format!("{tag}: {}", hex::encode(value)));
        }
    }
}

/// A SecurityInfo in words; identifiers that are not known here stay hexadecimal.
fn words_of(info: &SecurityInfo) -> String {
    let key = |id: &Option<Vec<u8>>| id.as_ref().map(|id| format!(", key {}", hex::encode(id))).unwrap_or_default();
    match info {
        SecurityInfo::Pace { oid, version, parameter_id } => {
            let suite = parameter_id.and_then(|id| Suite::from_info(oid, id));
            match (suite, parameter_id) {
                (Some(suite), _) => format!("PACE version {version}: {}", suite_words(suite)),
                (None, Some(id)) => {
                    format!("PACE version {version}: not known here ({}, parameters {id})", hex::encode(oid))
                }
                (None, None) => {
                    format!("PACE version {version}: {}, domain parameters of the chip's own", hex::encode(oid))
                }
            }
        }
        SecurityInfo::ChipAuthentication { oid, version, key_id } => {
            let suite = match ChipAuthSuite::from_oid(oid) {
                Some(ChipAuthSuite { agreement: KeyAgreement::Dh, cipher }) => format!("DH, {}", cipher_name(cipher)),
                Some(ChipAuthSuite { cipher, .. }) => format!("ECDH, {}", cipher_name(cipher)),
                None => format!("not known here ({})", hex::encode(oid)),
            };
            format!("Chip Authentication version {version}: {suite}{}", key(key_id))
        }
        SecurityInfo::ChipAuthenticationPublicKey { key: public, key_id, .. } => {
            format!("public key of Chip Authentication: {}{}", key_words(public), key(key_id))
        }
        SecurityInfo::TerminalAuthentication { version, .. } => format!("Terminal Authentication version {version}"),
        SecurityInfo::ActiveAuthentication { version, signature } => {
            format!("Active Authentication version {version}, signatures {}", hex::encode(signature))
        }
        SecurityInfo::Other { oid, .. } => format!("not known here: {}", hex::encode(oid)),
    }
}

/// Its group and the public element.
fn key_words(key: &PublicKeyInfo) -> String {
    let group = match key.parameter_id.and_then(Group::from_parameter_id) {
        Some(group) => group.name(),
        None if key.is_rsa() => "RSA",
        None => "group not known here",
    };
    format!("{group}, {}", hex::encode(&key.point))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_chip_offers_is_told_in_words() {
        let words = |text: &str| {
            let file = recognised(&hex::decode(text).unwrap()).unwrap();
            contents(file, &hex::decode(text).unwrap()).unwrap().fields
        };
        // The PACEInfo of 9303-11 appendix G.1; the same of a protocol and of parameters that nobody knows.
        let known = "31143012060a04007f0007020204020202010202010d";
        assert_eq!(words(known), [("info", "PACE version 2: generic mapping, brainpoolP256r1, AES-128".to_owned())]);
        let unknown = words("31143012060a04007f0007020204090902010202013f");
        assert_eq!(unknown[0].1, "PACE version 2: not known here (04007f00070202040909, parameters 63)");
        let chip = words("3111300f060a04007f00070202030202020101");
        assert_eq!(chip[0].1, "Chip Authentication version 1: ECDH, AES-128");
    }

    #[test]
    fn files_are_recognised_by_their_structure() {
        let name = |text: &str| recognised(&hex::decode(text).unwrap()).map(|file| file.name);
        assert_eq!(name("61094f07a0000002471001"), Some("EF.DIR"));
        assert_eq!(name("6103040141"), Some("EF.DG1"));
        assert_eq!(name("6703020100"), Some("EF.DG7"));
        assert_eq!(name("60155f0104303130375f36063034303030305c0361756e"), Some("EF.COM"));
        assert_eq!(name("3003020101"), Some("EF.CardSecurity"));
        assert_eq!(name("ffff"), None);
    }

    #[test]
    fn every_specimen_file_is_taken_apart() {
        let Some(folder) = test_vectors::shared("data/lds-specimen") else { return };
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "bin") {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let file = recognised(&bytes).unwrap();
            assert!(path.file_stem().unwrap().to_str().unwrap().replace("EF_", "EF.") == file.name);
            assert!(!contents(file, &bytes).unwrap().fields.is_empty(), "{}", file.name);
        }
    }
}
