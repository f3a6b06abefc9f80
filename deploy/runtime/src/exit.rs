//! What the exit codes of our processes mean.

/// The process did what it was asked to.
pub const SUCCESS: u8 = 0;

/// It could not: the reason is on standard error.
pub const FAILURE: u8 = 1;

/// It was asked in a wrong way: settings or arguments (`EX_USAGE` of sysexits.h).
pub const USAGE: u8 = 64;
