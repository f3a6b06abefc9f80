//! The console that the commands share: the text files that people hand in, and what a command shows them.
//!
//! | Module | Holds |
//! |---|---|
//! | [`output`] | the format of an answer, standard output and standard error |
//! | [`sheet`] | an answer as a table, JSON, CSV or a workbook |
//! | [`progress`] | the progress bar of a long job |
//! | [`encoding`], [`line_text`] | text files in the encodings and with the line ends that spreadsheets write |

pub mod encoding;
pub mod line_text;
pub mod output;
pub mod progress;
pub mod sheet;
