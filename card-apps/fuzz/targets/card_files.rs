//! The files beside the data groups: EF.COM, EF.SOD, SecurityInfos, EF.ATR/INFO, EF.DIR, EF.CVCA; and the machine-readable zone.
#![no_main]

use channel::chip_auth::ChipAuthSuite;
use channel::{active_auth, pace, terminal_auth};
use lds::com::Com;
use lds::directory::Directory;
use lds::info::AtrInfo;
use lds::mrz::{Mrz, Td1};
use lds::security_infos::{PublicKeyInfo, SecurityInfo, SecurityInfos};
use lds::sod::{self, LdsSecurityObject};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(com) = Com::parse(bytes) {
        assert_eq!(Com::parse(&com.to_bytes()).as_ref(), Ok(&com));
    }
    if let Ok(directory) = Directory::parse(bytes) {
        assert_eq!(Directory::parse(&directory.to_bytes()).as_ref(), Ok(&directory));
    }
    let info = AtrInfo::parse(bytes);
    assert_eq!(AtrInfo::parse(&info.to_bytes()), info);
    if let Ok(object) = LdsSecurityObject::parse(bytes) {
        assert_eq!(LdsSecurityObject::parse(&object.to_bytes()).as_ref(), Ok(&object));
    }
    if let Ok(cms) = sod::unwrap(bytes) {
        assert_eq!(sod::unwrap(&sod::wrap(cms)), Ok(cms));
    }
    if let Ok(infos) = SecurityInfos::parse(bytes) {
        assert_eq!(infos.as_bytes(), bytes);
        infos.infos().iter().for_each(entry);
    }
    if let Ok(key) = PublicKeyInfo::from_der(bytes) {
        let _ = (key.element(), active_auth::ActivePublicKey::rsa(key.element()));
    }
    let _ = terminal_auth::authorities(bytes);
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(mrz) = Mrz::parse(text)
    {
        assert_eq!(Mrz::parse(mrz.as_str()).as_ref(), Ok(&mrz));
        let _ = (mrz.document_number(), mrz.birth(), mrz.expiry(), mrz.sex(), mrz.identifiers(), mrz.information());
        let _ =
            (mrz.wrong_check_digits(), mrz.lines(), mrz.optional_1(), mrz.optional_2(), mrz.name_may_be_truncated());
        let _ = Td1::parse(text).map(|td1| td1.to_mrz());
    }
});

/// What the channels make of an entry.
fn entry(entry: &SecurityInfo) {
    let written = SecurityInfos::new(vec![entry.clone()]).to_bytes();
    let read = SecurityInfos::parse(&written).expect("what was read can be written");
    assert_eq!(read.infos(), std::slice::from_ref(entry));
    match entry {
        SecurityInfo::Pace { oid, parameter_id: Some(id), .. } => {
            let _ = pace::Suite::from_info(oid, *id);
        }
        SecurityInfo::ActiveAuthentication { signature, .. } => {
            let _ = active_auth::announced_hash(signature);
        }
        other => {
            let _ = ChipAuthSuite::from_oid(other.oid());
        }
    }
}
