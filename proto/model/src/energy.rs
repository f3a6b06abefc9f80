//! Energy: which flows count, their standard coal, and the carbon dioxide they cause.

pub mod balance;
pub mod carbon;
pub mod coal;
