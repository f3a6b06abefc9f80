//! The errors of the archive, one enum per operation.

use greenpark_model::day::CivilDay;

/// The error of a library below us; its type is not part of our interface.
pub type LibraryError = Box<dyn std::error::Error + Send + Sync>;

/// A lake or a book could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LakeOpenError {
    /// The location is neither a folder nor a supported object store.
    #[error(
        "'{location}' is no place for a lake; give a folder or the URL of an object store this build supports"
    )]
    Location {
        /// The location that was given.
        location: String,
        /// The cause.
        #[source]
        source: LibraryError,
    },
    /// The folder cannot be made or used.
    #[error(
        "the folder '{folder}' cannot be used for a lake; check that it exists and may be written"
    )]
    Folder {
        /// The folder.
        folder: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The book's state cannot be read.
    #[error("the book cannot be read")]
    Read(#[from] LakeReadError),
    /// A state that a crash left half done cannot be repaired.
    #[error("what a crash left half done cannot be repaired now; open the book again")]
    Repair(#[source] LakePublishError),
}

/// Something in the lake could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LakeReadError {
    /// The store did not return a file.
    #[error("'{path}' cannot be read from the lake")]
    Store {
        /// The file or folder.
        path: String,
        /// The cause.
        #[source]
        source: object_store::Error,
    },
    /// A table's log is inconsistent.
    #[error("the log of table '{table}' cannot be read")]
    Log {
        /// The table.
        table: String,
        /// The cause.
        #[source]
        source: LibraryError,
    },
    /// An entry of a table's log that records the past is gone.
    #[error(
        "entry {version} of the log of table '{table}' is missing: it was cleaned by another program, and what it told \
         of the past is gone"
    )]
    Cleaned {
        /// The table.
        table: String,
        /// The version of the entry.
        version: i64,
    },
    /// Another program has upgraded the table to features that we do not support.
    #[error(
        "table '{table}' was upgraded by another program to {feature}, which Greenpark does not read; restore it to an earlier version"
    )]
    Feature {
        /// The table.
        table: String,
        /// The unsupported feature.
        feature: String,
    },
    /// A file of the table was not written by us.
    #[error(
        "'{path}' in table '{table}' has no name of ours; another program wrote it, restore the table to an earlier version"
    )]
    Name {
        /// The table.
        table: String,
        /// The file.
        path: String,
    },
    /// A file's contents are damaged.
    #[error("'{path}' is damaged; restore it from a copy, its name holds the start of its sha256")]
    Decode {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: FileDecodeError,
    },
    /// Work on another thread did not return.
    #[error("reading '{path}' was interrupted; try again")]
    Interrupted {
        /// The file.
        path: String,
    },
}

/// A change was not published, or it is unknown whether it was.
#[derive(Debug, thiserror::Error)]
pub enum LakePublishError {
    /// Another writer has committed to the table: drop everything held for it and leave.
    #[error(
        "another writer has moved '{table}' past version {version}; drop what is held for it and open it again"
    )]
    Fenced {
        /// The table.
        table: String,
        /// The version that we held.
        version: i64,
    },
    /// The files of the change could not be made durable; nothing was committed.
    #[error("files for '{table}' cannot be made durable; check the disk, then publish again")]
    Write {
        /// The table.
        table: String,
        /// The cause.
        #[source]
        source: LibraryError,
    },
    /// The log entry was not found after it was sent; it may still appear.
    #[error(
        "version {version} of '{table}' could not be committed; open the table again and compare"
    )]
    Commit {
        /// The table.
        table: String,
        /// The version that was to be written.
        version: i64,
        /// The cause.
        #[source]
        source: LibraryError,
    },
    /// A file of the change belongs to another book.
    #[error("{day} does not belong in the book of {year}; publish it to its own year's book")]
    OtherYear {
        /// The file's day.
        day: CivilDay,
        /// The book's year.
        year: i16,
    },
    /// The change would leave two sealed files of one enterprise and day.
    #[error("'{path}' is sealed already; remove the older revision in the same change")]
    SealedTwice {
        /// The sealed file that is in the book.
        path: String,
    },
    /// The change removes a file that is not in the book.
    #[error("'{path}' is not in the book; open it again")]
    NotThere {
        /// The file.
        path: String,
    },
    /// Totals or reference entries could not be encoded.
    #[error("the rows cannot be encoded")]
    Encode(#[from] EncodeError),
    /// The table could not be read.
    #[error("the table cannot be read")]
    Read(#[from] LakeReadError),
}

/// Rows could not be encoded into a file.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// There are no rows.
    #[error("a file needs at least one row")]
    Empty,
    /// The columns break an invariant of [`ReadingRows`](crate::rows::ReadingRows).
    #[error("columns of a file must have one length and name keys and flags that exist")]
    Columns,
    /// A value exceeds its column's type.
    #[error("a value is beyond its column's type")]
    Range,
    /// The Parquet library refused.
    #[error("parquet refused the rows")]
    Parquet(#[source] LibraryError),
}

/// A file could not be decoded into rows.
#[derive(Debug, thiserror::Error)]
pub enum FileDecodeError {
    /// Not a Parquet file, or a damaged one.
    #[error("not a parquet file that can be read")]
    Parquet(#[source] LibraryError),
    /// A column is missing or of another type.
    #[error("column '{0}' is missing or of another type")]
    Column(&'static str),
    /// A name in a column is unknown.
    #[error("column '{column}' holds '{text}', which is none of its names")]
    Value {
        /// The column.
        column: &'static str,
        /// The unknown name.
        text: String,
    },
}
