//! The metrics of the query service. No other file has their names.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Upper bounds of the duration buckets, in seconds: from a warm figure to the longest deadline.
const SECONDS: [f64; 12] = [
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0,
];

/// Labels: a method and its status code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Ending {
    pub(crate) method: &'static str,
    pub(crate) code: &'static str,
}

/// Label: a method.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Method {
    pub(crate) method: &'static str,
}

/// The metrics of the query service. Clones share their counters.
#[derive(Debug, Clone)]
pub struct QueryMetrics {
    pub(crate) answered: Family<Ending, Counter>,
    pub(crate) seconds: Family<Method, Histogram, fn() -> Histogram>,
    pub(crate) under_way: Gauge,
    pub(crate) retried: Counter,
    pub(crate) behind: Counter,
    pub(crate) answer_kept: Counter,
    pub(crate) book_found: Counter,
    pub(crate) book_loaded: Counter,
    pub(crate) readings_folded: Counter,
    pub(crate) readings_sent: Counter,
    pub(crate) extract_bytes: Counter,
    pub(crate) entries_recorded: Counter,
    pub(crate) cache_bytes: Gauge,
    pub(crate) open: Gauge,
    pub(crate) access_records: Counter,
    pub(crate) access_lost: Counter,
    pub(crate) log_leaves: Gauge,
    pub(crate) log_failures: Counter,
}

impl Default for QueryMetrics {
    fn default() -> Self {
        Self {
            answered: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            under_way: Gauge::default(),
            retried: Counter::default(),
            behind: Counter::default(),
            answer_kept: Counter::default(),
            book_found: Counter::default(),
            book_loaded: Counter::default(),
            readings_folded: Counter::default(),
            readings_sent: Counter::default(),
            extract_bytes: Counter::default(),
            entries_recorded: Counter::default(),
            cache_bytes: Gauge::default(),
            open: Gauge::default(),
            access_records: Counter::default(),
            access_lost: Counter::default(),
            log_leaves: Gauge::default(),
            log_failures: Counter::default(),
        }
    }
}

impl QueryMetrics {
    /// Registers the metrics in `registry`, with the prefix `greenpark_query_`.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let m = &metrics;
        let to = registry.sub_registry_with_prefix("greenpark_query");
        to.register(
            "answers",
            "Questions by method and gRPC code",
            m.answered.clone(),
        );
        to.register("seconds", "How long questions took", m.seconds.clone());
        to.register("under_way", "Questions being answered", m.under_way.clone());
        to.register(
            "retries",
            "Questions asked again of a newer snapshot",
            m.retried.clone(),
        );
        to.register(
            "behind",
            "Questions answered from books behind the log",
            m.behind.clone(),
        );
        to.register(
            "answers_kept",
            "Answers given again, for nothing that they stand on had changed",
            m.answer_kept.clone(),
        );
        to.register(
            "books_found",
            "Books whose folded days were in the cache",
            m.book_found.clone(),
        );
        to.register(
            "books_loaded",
            "Books whose days were folded anew",
            m.book_loaded.clone(),
        );
        to.register(
            "readings_folded",
            "Readings of open days folded",
            m.readings_folded.clone(),
        );
        to.register(
            "readings_sent",
            "Readings streamed",
            m.readings_sent.clone(),
        );
        to.register(
            "extract_bytes",
            "Bytes of extracts sent",
            m.extract_bytes.clone(),
        );
        to.register(
            "entries_recorded",
            "Entries recorded",
            m.entries_recorded.clone(),
        );
        to.register(
            "cache_bytes",
            "Bytes of folded days and of the registry held",
            m.cache_bytes.clone(),
        );
        metrics.register_access(to);
        metrics
    }

    fn register_access(&self, to: &mut Registry) {
        to.register(
            "open",
            "1 if whoever reaches the service may read and declare everything, by query.open",
            self.open.clone(),
        );
        to.register(
            "access_records",
            "Records written to the access log",
            self.access_records.clone(),
        );
        to.register(
            "access_lost",
            "Records of the access log that were lost, for it could not be written",
            self.access_lost.clone(),
        );
        to.register(
            "log_leaves",
            "Leaves of the transparency log; 0 until it was read",
            self.log_leaves.clone(),
        );
        to.register(
            "log_failures",
            "Attempts to bring the transparency log up to date that failed",
            self.log_failures.clone(),
        );
    }
}

/// A running question. It is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Gauge);

impl QueryMetrics {
    pub(crate) fn begin(&self) -> UnderWay {
        self.under_way.inc();
        UnderWay(self.under_way.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}
