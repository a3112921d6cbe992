//! The data groups.
