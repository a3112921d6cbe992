//! The five font files that faces are drawn with, and no other.
//!
//! Every file is named: a directory would bring faces that share a family name (the oblique OCR-B calls itself
//! regular) or that are picked for letters the wanted family lacks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use resvg::usvg::fontdb::{Database, ID};
use resvg::usvg::{Font, FontFamily, FontResolver};

/// One font file and the Debian package that brings it.
struct File {
    name: &'static str,
    package: &'static str,
    directories: &'static [&'static str],
}

const NOTO: &[&str] = &["/usr/share/fonts/truetype/noto", "/usr/share/fonts/noto"];
const OCRB: &[&str] = &["/usr/share/fonts/opentype/ocr-b"];

const FILES: [File; 5] = [
    File { name: "NotoNaskhArabic-Regular.ttf", package: "fonts-noto-core", directories: NOTO },
    File { name: "NotoNaskhArabic-Bold.ttf", package: "fonts-noto-core", directories: NOTO },
    File { name: "NotoSans-Regular.ttf", package: "fonts-noto-core", directories: NOTO },
    File { name: "NotoSans-Bold.ttf", package: "fonts-noto-core", directories: NOTO },
    File { name: "OCRB.otf", package: "fonts-ocr-b", directories: OCRB },
];

const NASKH: &str = "Noto Naskh Arabic";
const SANS: &str = "Noto Sans";
const OCR: &str = "OCR B";

/// The fonts that faces are drawn with.
#[derive(Clone, Debug)]
pub struct Fonts {
    database: Arc<Database>,
    faces: Faces,
}

#[derive(Clone, Copy, Debug)]
struct Faces {
    naskh: [ID; 2],
    sans: [ID; 2],
    ocr: ID,
}

/// Why the fonts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FontError {
    /// A font file is not there.
    #[error("the font {file} is missing; install the Debian package {package}")]
    Missing {
        /// The file's name.
        file: &'static str,
        /// The package that brings it.
        package: &'static str,
    },
    /// A font file is there and cannot be used.
    #[error("the font {} cannot be read; reinstall the Debian package {package}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The package that brings it.
        package: &'static str,
    },
}

impl Fonts {
    /// Loads the fonts from where Debian installs them.
    ///
    /// # Errors
    /// [`FontError`] naming the package to install.
    pub fn installed() -> Result<Self, FontError> {
        Self::load(|file| file.directories.iter().map(|directory| Path::new(directory).join(file.name)).collect())
    }

    /// Loads the same files from one directory.
    ///
    /// # Errors
    /// [`FontError`] naming the file that is missing.
    pub fn from_directory(directory: &Path) -> Result<Self, FontError> {
        Self::load(|file| vec![directory.join(file.name)])
    }

    fn load(candidates: impl Fn(&File) -> Vec<PathBuf>) -> Result<Self, FontError> {
        let mut database = Database::new();
        let mut load = |file: &File| -> Result<ID, FontError> {
            let path = candidates(file)
                .into_iter()
                .find(|path| path.is_file())
                .ok_or(FontError::Missing { file: file.name, package: file.package })?;
            let before = database.len();
            let loaded = database.load_font_file(&path).is_ok() && database.len() == before + 1;
            let id = database.faces().last().map(|face| face.id);
            id.filter(|_| loaded).ok_or(FontError::Unreadable { path, package: file.package })
        };
        let [naskh, naskh_bold, sans, sans_bold, ocr] = &FILES;
        let faces =
            Faces { naskh: [load(naskh)?, load(naskh_bold)?], sans: [load(sans)?, load(sans_bold)?], ocr: load(ocr)? };
        Ok(Fonts { database: Arc::new(database), faces })
    }

    pub(super) fn database(&self) -> Arc<Database> {
        Arc::clone(&self.database)
    }

    /// Chooses among the five faces by family and weight. A family that is not here gets no face at all, and
    /// the text check after parsing reports it; OCR-B never stands in for another face nor the reverse.
    pub(super) fn resolver(&self) -> FontResolver<'static> {
        let faces = self.faces;
        FontResolver {
            select_font: Box::new(move |font, _| faces.select(font)),
            select_fallback: Box::new(move |_, used, _| faces.fall_back(used)),
        }
    }
}

impl Faces {
    fn select(self, font: &Font) -> Option<ID> {
        let [regular, bold] = font.families().iter().find_map(|family| match family {
            FontFamily::Named(name) if name == NASKH => Some(self.naskh),
            FontFamily::Named(name) if name == SANS => Some(self.sans),
            FontFamily::Named(name) if name == OCR => Some([self.ocr; 2]),
            _ => None,
        })?;
        Some(if font.weight() >= 600 { bold } else { regular })
    }

    /// Latin inside Naskh comes from Sans and Arabic inside Sans from Naskh, at the same weight.
    fn fall_back(self, used: &[ID]) -> Option<ID> {
        let base = used.first()?;
        let weight_pairs = self.naskh.into_iter().zip(self.sans);
        let other = weight_pairs.into_iter().find_map(|(naskh, sans)| match *base {
            id if id == naskh => Some(sans),
            id if id == sans => Some(naskh),
            _ => None,
        })?;
        (!used.contains(&other)).then_some(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_font_names_its_package() {
        let empty = tempfile::tempdir().unwrap();
        let error = Fonts::from_directory(empty.path()).unwrap_err();
        assert!(matches!(
            error,
            FontError::Missing { file: "NotoNaskhArabic-Regular.ttf", package: "fonts-noto-core" }
        ));
    }

    #[test]
    fn a_broken_font_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("NotoNaskhArabic-Regular.ttf"), b"not a font").unwrap();
        assert!(matches!(Fonts::from_directory(directory.path()), Err(FontError::Unreadable { .. })));
    }
}
