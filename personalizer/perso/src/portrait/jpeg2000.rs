//! JPEG 2000 without a codec of our own: a file is recognised by its header, and coded by `opj_compress`.

use std::io::ErrorKind;
use std::process::{Command, Stdio};

use super::{Picture, PortraitError};
use crate::profile::Portrait;

/// The signature box that every JP2 file starts with (15444-1 §I.5.1).
const JP2_SIGNATURE: [u8; 12] = [0, 0, 0, 0x0C, b'j', b'P', b' ', b' ', 0x0D, 0x0A, 0x87, 0x0A];
/// SOC and SIZ, which every code stream starts with (15444-1 §A.4.1, §A.5.1).
const CODE_STREAM: [u8; 4] = [0xFF, 0x4F, 0xFF, 0x51];

/// Accepts a JP2 file or code stream whose header gives the profile's size; the picture itself is not decoded.
pub(super) fn check(file: &[u8], profile: &Portrait) -> Result<(), PortraitError> {
    let (width, height) = (profile.width, profile.height);
    match size(file) {
        Some(size) if size == (u32::from(width), u32::from(height)) => Ok(()),
        _ => Err(PortraitError::NotJpeg2000 { width, height }),
    }
}

/// Width and height from the SIZ marker: `FF51 Lsiz Rsiz Xsiz Ysiz XOsiz YOsiz ...`.
fn size(file: &[u8]) -> Option<(u32, u32)> {
    if !file.starts_with(&JP2_SIGNATURE) && !file.starts_with(&CODE_STREAM) {
        return None;
    }
    let start = file.windows(4).position(|window| window == CODE_STREAM)?;
    let fields = file.get(start + 8..start + 24)?;
    let number = |at: usize| Some(u32::from_be_bytes(fields.get(at..at + 4)?.try_into().ok()?));
    Some((number(0)?.checked_sub(number(8)?)?, number(4)?.checked_sub(number(12)?)?))
}

/// Codes a picture in at most `limit` bytes.
pub(super) fn encode(picture: &Picture, limit: usize) -> Result<Vec<u8>, PortraitError> {
    let folder = tempfile::tempdir().map_err(failed)?;
    let (source, target) = (folder.path().join("portrait.ppm"), folder.path().join("portrait.jp2"));
    std::fs::write(&source, picture.to_ppm()).map_err(failed)?;
    // Boxes and markers need some bytes beyond the rate; a few per cent of room leave the file under the limit.
    let ratio = picture.rgb().len() as f64 / (limit as f64 * 0.97);
    let run = Command::new("opj_compress")
        .arg("-i")
        .arg(&source)
        .arg("-o")
        .arg(&target)
        .arg("-r")
        .arg(format!("{:.2}", ratio.max(1.0)))
        .stdin(Stdio::null())
        .output();
    let output = match run {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(PortraitError::NoJpeg2000Encoder),
        Err(error) => return Err(failed(error)),
        Ok(output) => output,
    };
    if !output.status.success() {
        return Err(PortraitError::Encoder { detail: format!("opj_compress ended with {}", output.status) });
    }
    std::fs::read(&target).map_err(failed)
}

fn failed(error: std::io::Error) -> PortraitError {
    PortraitError::Encoder { detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::rings;
    use super::*;
    use crate::profile::PortraitFormat;

    const PROFILE: Portrait = Portrait { format: PortraitFormat::Jpeg2000, width: 413, height: 531, max_bytes: 18_000 };

    #[test]
    fn a_coded_picture_fits_and_its_header_is_recognised() {
        let coded = match encode(&rings(413, 531), 18_000) {
            Err(PortraitError::NoJpeg2000Encoder) => return println!("skipped: opj_compress is not installed"),
            coded => coded.unwrap(),
        };
        assert!(coded.len() <= 18_000 && coded.len() > 9_000, "{}", coded.len());
        check(&coded, &PROFILE).unwrap();
        let narrower = Portrait { width: 412, ..PROFILE };
        assert!(matches!(check(&coded, &narrower), Err(PortraitError::NotJpeg2000 { .. })));
    }

    #[test]
    fn other_files_are_not_jpeg_2000() {
        assert!(check(b"\xFF\xD8\xFF", &PROFILE).is_err());
        assert!(check(&JP2_SIGNATURE, &PROFILE).is_err());
    }

    proptest! {
        #[test]
        fn hostile_headers_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = size(&[&CODE_STREAM[..], &bytes].concat());
            let _ = size(&[&JP2_SIGNATURE[..], &bytes].concat());
        }
    }
}
