//! The makes of printers that are known.
