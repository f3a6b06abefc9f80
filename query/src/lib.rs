//! Greenpark's answers: what a control centre asks and an auditor verifies, over gRPC.
//!
//! Closed days come from the `totals` table of a book, every other day from its readings by the same fold
//! of the model, and both through DataFusion over exactly the files of one snapshot. A figure is a Σ
//! over a Σ, divided once, in an envelope that says what it stands on. It reads the archive and records
//! entries in its reference table. It deliberately neither ingests nor seals, and every question
//! needs a [`Scope`](scope::Scope) of what its asker may read.
//!
//! | module | what it holds |
//! |---|---|
//! | [`service`] | the service as a value |
//! | `rpc` | the methods of `park.query.v1` |
//! | `books`, `cache` | days of books, folded and kept |
//! | `engine`, `table`, `reader`, `decode`, `scan` | DataFusion over a snapshot |
//! | `registry`, [`statistics`] | dated entries and declarations |
//! | `measure`, `consumption`, `deflator`, `figure`, `progress`, `comparison`, `scorecard` | figures, pure |
//! | [`assessment`] | what the assessment deducts: the rules and the ledger of certificates |
//! | `counting`, `sides`, `corrections`, `population` | which consumption counts, and whose, pure |
//! | `materials`, `leakage` | the water balance and the waste ledger, pure |
//! | [`factors`], [`plans`], [`carbon`], [`footprint`], [`bulk`], `fields`, `data` | files of data, all mistakes told at once |
//! | `letters` | dead letters: filters, names, what was sent again |
//! | [`quality`] | indices against thresholds, and findings by name |
//! | `explain`, [`recompute`] | what a figure stands on, and the figure again from its readings |
//! | `extract` | files and manifests for auditors |

pub mod assessment;
pub mod bulk;
pub mod carbon;
pub mod error;
pub mod factors;
pub mod footprint;
pub mod metrics;
pub mod name;
pub mod plans;
pub mod quality;
pub mod recompute;
pub mod scope;
pub mod service;
pub mod settings;
pub mod statistics;

mod books;
mod cache;
mod comparison;
mod consumption;
mod corrections;
mod counting;
mod data;
mod decode;
mod deflator;
mod engine;
mod explain;
mod extract;
mod fields;
mod figure;
mod implausible;
mod latest;
mod leakage;
mod letters;
mod limits;
mod materials;
mod measure;
mod paging;
mod park_days;
mod period;
mod population;
mod progress;
mod reader;
mod registry;
mod rpc;
mod scan;
mod scorecard;
mod sides;
mod soundness;
mod table;

pub use fields::{FileError, Mistake, Mistakes};
pub use metrics::Metrics;
pub use service::{Clock, Freshness, ServeError, Service};
pub use settings::Settings;
