//! The muster command: one file per command
