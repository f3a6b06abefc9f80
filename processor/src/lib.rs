//! How the log comes to rest: from records to hot files, sealed days and totals.
//!
//! ```text
//! reader ─▶ intake ─▶ buffer (rows by park and day) ─▶ flush ─▶ book.publish ─▶ Published ─▶ reader.commit
//! ```
//!
//! A flush takes everything that is buffered. A day that is still open, or still being written to, lands
//! as a *hot* file and is visible at once; a day that is over and quiet is *sealed*: one file per
//! enterprise, deduplicated and sorted, with its totals. Late rows land hot and their day is sealed anew
//! as the next revision. The offset up to which a book has consumed the log travels in the commit of its
//! files, and the group's offset is stored only after every book is durable, and with it the numbers of
//! messages that gateways number. A question may ask, through [`Freshness`], to have what the log holds
//! published at once.
//!
//! Dead letters come to rest by a loop of their own, [`LetterArchiver`].
//!
//! It deliberately knows nothing of MQTT, of indicators and of factors.

mod archived;
mod aside;
mod buffer;
mod clock;
mod commits;
mod entry;
mod error;
mod flush;
mod freshness;
mod group;
mod hot;
mod letters;
pub mod metrics;
mod numbered;
mod origin;
mod pace;
mod park;
mod portion;
mod run;
mod seal;
pub mod settings;
mod traits;
mod watermark;

pub use crate::{
    archived::{Archived, Listener},
    aside::ParksAside,
    clock::Clock,
    error::RunError,
    freshness::Freshness,
    letters::{LetterArchiver, LetterError, LetterSettings, letter_group},
    metrics::Metrics,
    origin::{adopt, partitions_of},
    run::Processor,
    settings::Settings,
};
