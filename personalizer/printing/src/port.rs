//! A serial line.
/// Why a serial line failed.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// x
    #[error("x")]
    Open,
}
