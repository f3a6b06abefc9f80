//! Instants, civil days, and the texts in which devices and people write them.

pub mod day;
mod spelling;
pub mod stamp;
