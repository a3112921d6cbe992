//! Secure channels for both ends: BAC, PACE, secure messaging, Chip Authentication, SCP03.
