//! Greenpark's query service over gRPC: it answers a control centre, and lets an auditor verify the answers.
//!
//! Closed days come from the `totals` table of a book, every other day from its readings by the same fold of the
//! model. DataFusion reads both from exactly the files of one snapshot. A figure is a Σ over a Σ, divided once, in an
//! envelope with its sources. The service reads the archive and appends entries to its reference table. It deliberately
//! neither ingests nor seals. Every question has a
//! [`Scope`](access::scope::Scope) of what its caller may read.
//!
//! | room | what it holds |
//! |---|---|
//! | [`mod@reference`] | data files: factors, carbon, waste sets, plans, thresholds |
//! | [`register`] | the registry, statistics, deflators, corrections, certificates, indicator values |
//! | `lake` | DataFusion over a snapshot, books of days, the cache |
//! | [`figures`] | measure, figure, progress, comparison, scorecard, materials, quality |
//! | `proof` | the publisher of the transparency log, and what an extract folder is |
//! | [`access`] | callers, grants, rights and scopes |
//! | [`grpc`] | the server and the services of `park.query.v1` |

pub mod access;
pub mod error;
pub mod figures;
pub mod grpc;
pub mod metrics;
pub mod reference;
pub mod register;
pub mod settings;

mod lake;
mod limits;
mod proof;

pub use grpc::proofs::verify;
pub use grpc::recompute::{RecomputeError, recompute};
pub use grpc::server::{BooksBarrier, QueryService, ServeError};
pub use metrics::QueryMetrics;
pub use reference::data_file::{FileError, FileMistakes, Mistake};
pub use register::statistics::StatisticSeries;
pub use settings::QuerySettings;
