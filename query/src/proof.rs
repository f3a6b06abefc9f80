//! What makes figures provable: the keys of the transparency log, the publisher that appends to it, extract folders,
//! and their verification without the service.

pub(crate) mod folder;
mod guard;
pub(crate) mod keys;
pub(crate) mod publisher;
pub(crate) mod small_lake;
pub mod verify;
mod workbook;
