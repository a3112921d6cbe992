//! All data groups: what was read can be written, and reads the same.
#![no_main]

use lds::dg::features::{FeatureKind, Features};
use lds::dg::{dg01, dg02, dg03, dg04, dg05, dg06, dg07, dg11, dg12, dg13, dg14, dg15, dg16, picture};
use libfuzzer_sys::fuzz_target;

macro_rules! again {
    ($bytes:expr, $($kind:ty),*) => {$(
        if let Ok(group) = <$kind>::parse($bytes) {
            assert_eq!(<$kind>::parse(&group.to_bytes()).as_ref(), Ok(&group));
        }
    )*};
}

fuzz_target!(|bytes: &[u8]| {
    again!(bytes, dg01::Dg1, dg02::Dg2, dg05::Dg5, dg06::Dg6, dg07::Dg7, dg11::Dg11, dg12::Dg12, dg14::Dg14);
    again!(bytes, dg15::Dg15, dg16::Dg16);
    // What may not be shown is not written either.
    if let Ok(profile) = dg13::Dg13::parse(bytes) {
        let again = dg13::Dg13::parse(&profile.to_bytes()).expect("what was read can be written");
        assert!(again.shown().eq(profile.shown()) && again.others().is_empty());
    }
    // A face that was read goes into both encodings.
    if let Ok(group) = dg02::Dg2::parse(bytes) {
        for face in group.faces {
            let face = dg02::Dg2::new(face.in_iso39794());
            assert!(dg02::Dg2::parse(&face.to_bytes()).is_ok());
        }
    }
    if let Ok(group) = dg03::Dg3::parse(bytes)
        && let Ok(written) = group.to_bytes()
    {
        assert_eq!(dg03::Dg3::parse(&written).as_ref(), Ok(&group));
    }
    let _ = dg04::Dg4::parse(bytes);
    for kind in [FeatureKind::Data, FeatureKind::Structure, FeatureKind::Substance] {
        if let Ok(group) = Features::parse(kind, bytes) {
            assert_eq!(Features::parse(kind, &group.to_bytes()).as_ref(), Ok(&group));
        }
    }
    let _ = picture::inspect(bytes);
});
