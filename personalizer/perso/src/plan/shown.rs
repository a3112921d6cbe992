//! A plan for people: what `--dry-run` prints.

use std::fmt;

use iso7816::Aid;
use lds::files::{EF_CARD_SECURITY, EF_SOD};
use lds::globalplatform::dgi::{
    ACTIVE_AUTHENTICATION_KEY, CAN, CHIP_AUTHENTICATION_KEY, MAPPING_KEY, MRZ_INFORMATION, TERMINAL_TRUST, number_of,
};
use openssl::sha::sha256;

use super::{Plan, PlannedFile, Secrets};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "document {} by profile {}", self.document_number, self.profile)?;
        writeln!(f, "  issued {}, valid to {}", self.issued, self.expires)?;
        for line in self.mrz.lines() {
            writeln!(f, "  {line}")?;
        }
        if self.name_truncated {
            writeln!(f, "  the name is truncated in the MRZ")?;
        }
        if self.residence_left_out {
            writeln!(f, "  the residence is left out: cards of this profile have no place for its record")?;
        }
        if !self.files.is_empty() {
            writeln!(f, "files")?;
        }
        for planned in &self.files {
            let PlannedFile { file, bytes } = planned;
            writeln!(
                f,
                "  {:04X} {:<13} {:>6} bytes  {}",
                file.id,
                file.name,
                bytes.len(),
                hex::encode(sha256(bytes))
            )?;
        }
        if let Some(infos) = &self.card_security {
            let number = number_of(&EF_CARD_SECURITY);
            writeln!(f, "  {number:04X} {} signature over {} bytes", EF_CARD_SECURITY.name, infos.len())?;
        }
        if !self.files.is_empty() {
            writeln!(f, "  {:04X} {:<13} signature over {} bytes", EF_SOD.id, EF_SOD.name, self.security_object.len())?;
        }
        if let Some(trust) = &self.terminal_trust {
            writeln!(
                f,
                "  {TERMINAL_TRUST:04X} {:<13} {:>6} bytes  the authority of terminals, and the day",
                "",
                trust.len()
            )?;
        }
        let steps = match self.applet {
            Some(applet) => applet.dialect().steps(self),
            None => {
                let named: Vec<_> = self.secret_names().map(|(id, name)| format!("{id:04X} {name}")).collect();
                writeln!(f, "secrets, enciphered under the card's data encryption key")?;
                writeln!(f, "  {}", named.join(", "))?;
                self.steps()
            }
        };
        writeln!(f, "steps")?;
        for (index, step) in steps.iter().enumerate() {
            writeln!(f, "  {:>2}. {step}", index + 1)?;
        }
        Ok(())
    }
}

impl Plan {
    /// The steps on a card of this project, for people.
    fn steps(&self) -> Vec<String> {
        let blocks = self.files.iter().map(|planned| planned.bytes.len() + 5).sum::<usize>().div_ceil(self.block_size);
        let rotation = self.issuer_keys.map(|version| {
            format!("PUT KEY version {version:02X}, a channel under these keys, DELETE those that the chip came with")
        });
        let before = [
            format!("SELECT {}, GET DATA 9F7F 0045", Aid::issuer_domain()),
            "INITIALIZE UPDATE, EXTERNAL AUTHENTICATE".to_owned(),
            "GET STATUS: application SELECTABLE, no binding".to_owned(),
            "STORE DATA 45: bind the chip to this document".to_owned(),
        ];
        let keys = self.citizen.iter().flat_map(|wanted| &wanted.keys);
        let keys = keys.map(|(key, algorithm)| format!("{:02X} {algorithm:?}", *key as u8));
        let keys = keys.collect::<Vec<_>>().join(", ");
        let citizen = self.citizen.as_ref().map(|wanted| {
            let residence = if wanted.residence.is_some() { ", residence record" } else { "" };
            [
                format!("SELECT {}, a channel on it, GENERATE {keys}", eid::Application::Piv.aid()),
                "a PIN for the moment, the card proves each key: it signs a certificate request, or agrees on a secret"
                    .to_owned(),
                "citizen CA: a certificate for each key".to_owned(),
                format!(
                    "PUT DATA capability container, CHUID, discovery object, security object, certificates, card status{residence}"
                ),
            ]
        });
        let delivered = self.citizen.as_ref().map(|_| {
            [
                "read back the citizen application: objects, certificates, no key works".to_owned(),
                "transport PIN and PUK, and their letter".to_owned(),
                "SET STATUS citizen applications PERSONALIZED".to_owned(),
            ]
        });
        let after = [
            format!("INSTALL [for personalization] {}", Aid::emrtd()),
            format!(
                "STORE DATA {}, enciphered",
                self.secret_names().map(|(id, _)| format!("{id:04X}")).collect::<Vec<_>>().join(" ")
            ),
            format!(
                "STORE DATA files and EF.SOD, {blocks} blocks and those of the signature, {} bytes each",
                self.block_size
            ),
            "SET STATUS application PERSONALIZED".to_owned(),
            match &self.secrets.active_key {
                None => "read back: PACE with the access number, all files, chip authentication; judge".to_owned(),
                Some(_) => "read back: PACE with the access number, all files, chip and active authentication; judge"
                    .to_owned(),
            },
        ];
        let last = "SET STATUS card SECURED".to_owned();
        let steps = before.into_iter().chain(rotation).chain(citizen.into_iter().flatten()).chain(after);
        steps.chain(delivered.into_iter().flatten()).chain([last]).collect()
    }
}

impl Plan {
    /// The data groupings with secrets, in the order in which they are written.
    fn secret_names(&self) -> impl Iterator<Item = (u16, &'static str)> {
        let Secrets { mapping_key, active_key, .. } = &self.secrets;
        let usual = [
            (MRZ_INFORMATION, "MRZ_information"),
            (CAN, "access number"),
            (CHIP_AUTHENTICATION_KEY, "chip authentication key"),
        ];
        let mapping = mapping_key.as_ref().map(|_| (MAPPING_KEY, "key of chip authentication mapping"));
        let active = active_key.as_ref().map(|_| (ACTIVE_AUTHENTICATION_KEY, "active authentication key"));
        usual.into_iter().chain(mapping).chain(active)
    }
}
