//! Readings files: their names, their Parquet columns, and the conversion to and from
//! [`ReadingRows`](crate::rows::ReadingRows).

pub mod columns;
pub(crate) mod decode;
pub mod file;
mod pages;
