//! The machine readable zone.
