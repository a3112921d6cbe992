//! What an operator is told when there is no backup, or none that can be restored.

use authority::backup::BackupError;

use super::{Failure, TRUST, USAGE, acts_advice, key_advice};

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let why = error.to_string();
        let (remedy, exit) = match error {
            BackupError::Issue(error) => return error.into(),
            BackupError::State(error) => return authority::OpenError::from(error).into(),
            BackupError::Citizens(error) => return error.into(),
            BackupError::Cv(error) => return error.into(),
            BackupError::File(_) => {
                ("Check the path, its permissions and the space on the disk, then repeat the command.", TRUST)
            }
            BackupError::Exists(_) => ("Choose another name: a backup is never overwritten.", USAGE),
            BackupError::Unkept(_) => ("Move it out of the authority's directory.", TRUST),
            BackupError::Changed(_) => ("Repeat the command while nobody writes there.", TRUST),
            BackupError::NoAuthority(_) => ("Name the directory of an authority with --dir.", USAGE),
            BackupError::Key { error, .. } => key_advice(&error),
            BackupError::Acts(error) => acts_advice(&error),
            BackupError::Damaged { .. } => ("Take another copy of this backup, or an older backup.", TRUST),
            BackupError::Older { .. } => {
                ("Keep what is there. If it is damaged, move it away and keep it: its record is needed.", TRUST)
            }
            BackupError::NotEmpty(_) => {
                ("Name a directory that does not exist yet, or move away what is there.", USAGE)
            }
            BackupError::Since { .. } => (
                "Give the newest published revocation list with --crl; or --nothing-since if you are sure that nothing was issued, \
                 revoked or signed since then.",
                USAGE,
            ),
            BackupError::ForeignList => (
                "Give the list of this CSCA. If it is by a newer key, the backup is older than the rollover: restore a newer one.",
                TRUST,
            ),
            BackupError::OlderList { .. } => ("Give the newest list that was published.", TRUST),
        };
        Failure { what: "It was not finished.".to_owned(), why, remedy: remedy.to_owned(), exit }
    }
}
