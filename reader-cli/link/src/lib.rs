//! Readers: PC/SC, soft-card socket, journal, replay.
