//! What the values of a profile must be.

use channel::cvc::Reference;

use super::{ATTEMPTS_CAP, ActiveKeyKind, FORMAT, Profile, ProfileError};

impl Profile {
    /// Whether every value can be used.
    pub(super) fn check(&self, name: &str) -> Result<(), ProfileError> {
        if self.format != FORMAT {
            return Err(ProfileError::Version { name: name.to_owned(), found: self.format });
        }
        let letters = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_uppercase());
        let code = |text: &str| text.len() == 2 && text.starts_with(['A', 'C', 'I']);
        let groups = &self.lds.data_groups;
        let other = |version: u8| (0x01..=0x7F).contains(&version) && version != self.card.key_version;
        let rules: [(bool, &'static str, &'static str); 19] = [
            (letters(&self.document.state, 3), "document.state", "three capital letters"),
            (letters(&self.document.nationality, 3), "document.nationality", "three capital letters"),
            (code(&self.document.code), "document.code", "two characters, the first of them A, C or I (9303-5)"),
            (
                (1..=15).contains(&self.document.validity_years),
                "document.validity_years",
                "between 1 and 15 (two-digit years are not unique beyond)",
            ),
            (
                (9..=15).contains(&self.document.national_number_digits),
                "document.national_number_digits",
                "between 9 and 15",
            ),
            (
                groups.iter().all(|group| [1, 2, 3, 11, 12, 13, 14, 15].contains(group)),
                "lds.data_groups",
                "numbers among 1, 2, 3, 11, 12, 13, 14, 15",
            ),
            (
                self.eac.is_some() || !groups.contains(&3),
                "lds.data_groups",
                "a list without 3: fingers are only for cards with the table [eac], which ask who reads them",
            ),
            (
                self.eac.as_ref().is_none_or(|eac| is_authority(&eac.authority) && self.card.applet.is_none()),
                "eac.authority",
                "country and mnemonic of the country verifying CA, such as UTISCVCA; on chips of this project only",
            ),
            (
                self.eac.as_ref().and_then(|eac| Some((eac, eac.residence_authority.as_ref()?))).is_none_or(
                    |(eac, offices)| is_authority(offices) && *offices != eac.authority && self.eid.is_some(),
                ),
                "eac.residence_authority",
                "country and mnemonic of another country verifying CA, such as UTATCVCA; for cards with the table [eid], which \
                 have a residence record",
            ),
            (
                !self.is_travel_document()
                    || [1, 2].iter().all(|group| groups.contains(group))
                        && (self.card.applet.is_some() || groups.contains(&14)),
                "lds.data_groups",
                "a list with 1, 2 and 14: MRZ, face and chip authentication are never left out",
            ),
            (
                self.active_authentication.is_some() == groups.contains(&15),
                "lds.data_groups",
                "a list with 15 when there is a table [active_authentication], and only then",
            ),
            (
                self.card.applet.is_some()
                    || self.active_authentication.is_none_or(|active| active.key != ActiveKeyKind::Rsa1024),
                "active_authentication.key",
                "\"P-256\", \"P-384\", \"brainpoolP256r1\", \"RSA-2048\" or \"RSA-3072\"; RSA-1024 is for applets that take nothing else",
            ),
            (
                self.card.security_level == 0x33
                    || self.card.security_level == 0x03
                    || self.card.security_level == 0x13,
                "card.security_level",
                "0x03, 0x13 or 0x33: commands are always encrypted",
            ),
            (matches!(self.card.proofs, 8 | 16), "card.proofs", "8 or 16"),
            (
                (16..=self.card.channel().short_data().min(239)).contains(&self.card.block_size),
                "card.block_size",
                "between 16 and 239, or 223 with proofs of 16 bytes",
            ),
            (
                self.keys.as_ref().is_none_or(|keys| other(keys.version)),
                "keys.version",
                "between 0x01 and 0x7F, and another than card.key_version",
            ),
            (
                self.eid
                    .as_ref()
                    .is_none_or(|eid| !eid.keys.is_empty() && eid.keys.is_sorted_by(|key, next| key < next)),
                "eid.keys",
                "one or more of \"authentication\", \"signature\", \"key-management\", in this order",
            ),
            ((1..=ATTEMPTS_CAP).contains(&self.card.attempts), "card.attempts", "between 1 and 3"),
            (
                (100..=4000).contains(&self.portrait.width)
                    && (100..=4000).contains(&self.portrait.height)
                    && (2_000..=60_000).contains(&self.portrait.max_bytes),
                "portrait",
                "100 to 4000 pixels a side and 2000 to 60000 bytes",
            ),
        ];
        let broken = rules.into_iter().find(|(holds, ..)| !holds).map(|(_, key, expected)| (key, expected));
        let broken = broken.or_else(|| self.card.applet.and_then(|applet| applet.dialect().misfit(self)));
        match broken {
            Some((key, expected)) => Err(ProfileError::Value { name: name.to_owned(), key, expected }),
            None => Ok(()),
        }
    }
}

/// Country and mnemonic, as in a certificate holder reference.
fn is_authority(name: &str) -> bool {
    name.split_at_checked(2).is_some_and(|(country, mnemonic)| Reference::new(country, mnemonic, "00000").is_ok())
}
