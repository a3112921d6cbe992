//! JPEG 2000 without a codec of our own: a file is recognised by its header, and coded by `opj_compress`.

use std::io::ErrorKind;
use std::process::{Command, Stdio};

use lds::dg::picture::{ImageFormat, inspect};

use super::{Picture, PortraitError};
use crate::profile::Portrait;

/// Accepts a JP2 file or code stream whose header gives the profile's size; the picture itself is not decoded.
pub(super) fn check(file: &[u8], profile: &Portrait) -> Result<(), PortraitError> {
    let (width, height) = (profile.width, profile.height);
    match inspect(file) {
        Ok(picture)
            if picture.format == ImageFormat::Jpeg2000
                && (picture.width, picture.height) == (u32::from(width), u32::from(height)) =>
        {
            Ok(())
        }
        _ => Err(PortraitError::NotJpeg2000 { width, height }),
    }
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
    use super::super::tests::rings;
    use super::*;
    use crate::profile::{PortraitFormat, PortraitRecord};

    const PROFILE: Portrait = Portrait {
        format: PortraitFormat::Jpeg2000,
        width: 413,
        height: 531,
        max_bytes: 18_000,
        record: PortraitRecord::Iso19794,
    };

    #[test]
    fn a_coded_picture_fits_and_its_header_is_recognised() {
        let coded = match encode(&rings(413, 531), 18_000) {
            Err(error @ PortraitError::NoJpeg2000Encoder) => return test_vectors::missing(&error.to_string()),
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
        assert!(check(b"", &PROFILE).is_err());
    }
}
