//! The exit codes of our processes.

/// The command succeeded.
pub const SUCCESS: u8 = 0;

/// The command failed; the reason is on standard error.
pub const FAILURE: u8 = 1;

/// The settings or arguments are wrong (`EX_USAGE` of sysexits.h).
pub const USAGE: u8 = 64;
