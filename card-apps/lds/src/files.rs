//! The one table of files (9303-10 §3.10, §4.2, §4.7; 7816-4 §8.2.1).
//!
//! Whatever needs an identifier, a tag or an access rule of a file asks here; nobody keeps a list of its own.

use iso7816::tlv::Tag;

/// The largest file that any parser of this crate accepts, in bytes.
pub const MAX_FILE: usize = 0x4_0000;

/// Where a file lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Place {
    /// Under the master file, readable before an application is selected.
    MasterFile,
    /// Inside the eMRTD application, `A0000002471001`.
    Emrtd,
}

/// What a terminal must have done before it may read a file (9303-10 §3.6, 9303-11 §4, §7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Access {
    /// Nothing.
    Free,
    /// PACE or Basic Access Control.
    Basic,
    /// PACE; Basic Access Control does not do.
    Pace,
    /// Terminal Authentication with the right for this file, after chip access.
    Extended,
}

/// One elementary file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct File {
    /// Name as the standards print it.
    pub name: &'static str,
    /// File identifier.
    pub id: u16,
    /// Short file identifier, 1 to 30; `None` where the standards give none.
    pub short_id: Option<u8>,
    /// Tag of the outer data object; `None` where the file is a list of data objects without a fixed first one.
    pub tag: Option<Tag>,
    /// Data group number, 1 to 16; `None` for the other files.
    pub data_group: Option<u8>,
    /// Where the file lies.
    pub place: Place,
    /// Who may read it.
    pub access: Access,
}

/// EF.DIR: the applications on the card.
pub const EF_DIR: File = master("EF.DIR", 0x2F00, Some(0x1E), Some(0x61));
/// EF.ATR/INFO: buffer sizes and capabilities of the card.
pub const EF_ATR_INFO: File = master("EF.ATR/INFO", 0x2F01, Some(0x01), None);
/// EF.CardAccess: the SecurityInfos needed before access (a SET).
pub const EF_CARD_ACCESS: File = master("EF.CardAccess", 0x011C, Some(0x1C), Some(0x31));
/// EF.CardSecurity: signed SecurityInfos (CMS SignedData, a SEQUENCE; 9303-10 §3.11.4), readable after PACE.
pub const EF_CARD_SECURITY: File =
    File { access: Access::Pace, ..master("EF.CardSecurity", 0x011D, Some(0x1D), Some(0x30)) };
/// EF.CVCA: names of the country verifying authorities the chip knows.
pub const EF_CVCA: File = application("EF.CVCA", 0x011C, 0x1C, 0x42);
/// EF.COM: versions and the list of data groups.
pub const EF_COM: File = application("EF.COM", 0x011E, 0x1E, 0x60);
/// EF.SOD: the document security object.
pub const EF_SOD: File = application("EF.SOD", 0x011D, 0x1D, 0x77);

/// Every file, in the order in which a reader meets them.
pub const FILES: &[File] = &[
    EF_CARD_ACCESS,
    EF_CARD_SECURITY,
    EF_DIR,
    EF_ATR_INFO,
    EF_COM,
    EF_SOD,
    EF_CVCA,
    group("EF.DG1", 1, 0x61, Access::Basic),
    group("EF.DG2", 2, 0x75, Access::Basic),
    group("EF.DG3", 3, 0x63, Access::Extended),
    group("EF.DG4", 4, 0x76, Access::Extended),
    group("EF.DG5", 5, 0x65, Access::Basic),
    group("EF.DG6", 6, 0x66, Access::Basic),
    group("EF.DG7", 7, 0x67, Access::Basic),
    group("EF.DG8", 8, 0x68, Access::Basic),
    group("EF.DG9", 9, 0x69, Access::Basic),
    group("EF.DG10", 10, 0x6A, Access::Basic),
    group("EF.DG11", 11, 0x6B, Access::Basic),
    group("EF.DG12", 12, 0x6C, Access::Basic),
    group("EF.DG13", 13, 0x6D, Access::Basic),
    group("EF.DG14", 14, 0x6E, Access::Basic),
    group("EF.DG15", 15, 0x6F, Access::Basic),
    group("EF.DG16", 16, 0x70, Access::Basic),
];

/// The file of data group `number` (1 to 16).
pub fn data_group(number: u8) -> Option<&'static File> {
    FILES.iter().find(|file| file.data_group == Some(number))
}

/// The file with this identifier at this place.
pub fn by_id(place: Place, id: u16) -> Option<&'static File> {
    FILES.iter().find(|file| file.place == place && file.id == id)
}

/// The file with this short identifier at this place.
pub fn by_short_id(place: Place, short_id: u8) -> Option<&'static File> {
    FILES.iter().find(|file| file.place == place && file.short_id == Some(short_id))
}

/// The data group whose outer data object has this tag, as listed in EF.COM.
pub fn data_group_by_tag(tag: Tag) -> Option<&'static File> {
    FILES.iter().find(|file| file.data_group.is_some() && file.tag == Some(tag))
}

/// The file with this name, as printed in the table (`EF.DG1`) or without its prefix (`DG1`, `dg1`).
pub fn by_name(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| {
        let short = file.name.strip_prefix("EF.").unwrap_or(file.name);
        file.name.eq_ignore_ascii_case(name) || short.eq_ignore_ascii_case(name)
    })
}

/// The outer tag of data group `number`, for the module that knows its content.
pub(crate) const fn group_tag(number: u8) -> Tag {
    let mut rest = FILES;
    while let [file, after @ ..] = rest {
        if let Some(group) = file.data_group
            && group == number
        {
            return outer_tag(file);
        }
        rest = after;
    }
    Tag(0)
}

/// The outer tag of a file that has one.
pub(crate) const fn outer_tag(file: &File) -> Tag {
    match file.tag {
        Some(tag) => tag,
        None => Tag(0),
    }
}

const fn master(name: &'static str, id: u16, short_id: Option<u8>, tag: Option<u32>) -> File {
    let tag = match tag {
        Some(tag) => Some(Tag(tag)),
        None => None,
    };
    File { name, id, short_id, tag, data_group: None, place: Place::MasterFile, access: Access::Free }
}

const fn application(name: &'static str, id: u16, short_id: u8, tag: u32) -> File {
    File {
        name,
        id,
        short_id: Some(short_id),
        tag: Some(Tag(tag)),
        data_group: None,
        place: Place::Emrtd,
        access: Access::Basic,
    }
}

const fn group(name: &'static str, number: u8, tag: u32, access: Access) -> File {
    let id = 0x0100 | number as u16;
    File { data_group: Some(number), access, ..application(name, id, number, tag) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_files_share_an_identifier_at_one_place() {
        let mut ids = HashSet::new();
        let mut short_ids = HashSet::new();
        for file in FILES {
            assert!(ids.insert((file.place, file.id)), "{}", file.name);
            assert!(short_ids.insert((file.place, file.short_id)), "{}", file.name);
        }
    }

    #[test]
    fn the_table_answers_by_every_key() {
        let face = data_group(2).unwrap();
        assert_eq!((face.name, face.id, face.short_id, face.tag), ("EF.DG2", 0x0102, Some(2), Some(Tag(0x75))));
        assert_eq!(by_id(Place::Emrtd, 0x0102), Some(face));
        assert_eq!(by_short_id(Place::Emrtd, 2), Some(face));
        assert_eq!(data_group_by_tag(Tag(0x75)), Some(face));
        assert_eq!(by_name("dg2"), Some(face));
        assert_eq!(by_id(Place::MasterFile, 0x011D), Some(&EF_CARD_SECURITY));
        assert_eq!(by_id(Place::Emrtd, 0x011D), Some(&EF_SOD));
        assert_eq!(data_group(17), None);
    }
}
