//! The logical data structure of Doc 9303-10: files, data groups, MRZ, transliteration.
//!
//! This crate knows which files an identity card holds and what their bytes mean, for the card, for whoever writes
//! it and for whoever reads it. It does no cryptography: hashes and signatures are made and judged elsewhere, always
//! over the bytes that were written or read, never over bytes encoded again from a parsed value.
//!
//! - [`files`]: the one table of files, with identifiers, tags and access
//! - [`mrz`], [`transliteration`]: the machine readable zone and how names get into it (9303-3, 9303-5)
//! - [`dg`]: the data groups; [`com`], [`sod`], [`security_infos`]: the files that speak about them
//! - [`info`], [`directory`]: what the card says of itself before an application is selected
//! - [`globalplatform`]: what the card and the personalizer agree on before there is a document
//!
//! Reading is lenient where cards in the field are known to differ (each leniency is a [`dg::Defect`]); writing is
//! strict.

pub mod com;
pub mod date;
pub mod dg;
pub mod directory;
pub mod files;
pub mod globalplatform;
pub mod info;
pub mod mrz;
pub mod security_infos;
pub mod sod;
pub mod transliteration;
