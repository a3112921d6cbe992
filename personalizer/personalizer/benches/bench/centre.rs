//! A printing centre in memory: an authority, its document signer, what an embassy believes.

use std::error::Error;

use authority::{Authority, BundleRequest, DocumentSigner, Passphrase, Profile};
use jiff::Timestamp;
use tempfile::TempDir;
use trust::TrustStore;

/// The authority's profile, and the card's.
pub const PROFILE: &str = "specimen-uto";

/// What the rows share.
pub struct Centre {
    pub signer: DocumentSigner,
    pub trust: TrustStore,
    /// The signer counts its uses in it.
    _folder: TempDir,
}

impl Centre {
    /// Makes a new authority with one document signer.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let now = Timestamp::now();
        let passphrases = (Passphrase::new("authority of the bench"), Passphrase::new("signer of the bench"));
        let profile = Profile::find(PROFILE).ok_or("no such profile")?;
        let mut authority = Authority::init(&folder.path().join("authority"), profile, &passphrases.0, now)?;
        let signer = authority.new_document_signer(None, &passphrases.0, &passphrases.1, now)?;
        let bundle = authority.export_bundle(BundleRequest::default(), &passphrases.0, now)?;
        Ok(Centre {
            signer: DocumentSigner::load(&signer.directory, &passphrases.1)?,
            trust: TrustStore::from_bundle(bundle.bundle),
            _folder: folder,
        })
    }
}
