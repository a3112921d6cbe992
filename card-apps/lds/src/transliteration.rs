//! Names in the MRZ.
