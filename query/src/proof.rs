//! What makes figures provable: the keys of the transparency log, the publisher that appends to it, and what an extract
//! folder is.

pub(crate) mod folder;
pub(crate) mod form;
mod guard;
pub(crate) mod keys;
pub(crate) mod publisher;
pub(crate) mod workbook;
