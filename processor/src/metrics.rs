//! What the processor counts. Counters move per batch, never per reading.

use std::time::Instant;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Upper bounds of the duration buckets, in seconds: from a commit on a fast disk to a day of a large park.
const SECONDS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 60.0,
];

/// What takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Step {
    /// All that was buffered, of all parks.
    Flush,
    /// The days that have settled, of one book.
    Seal,
    /// One commit to a book.
    Commit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Taken {
    step: Step,
}

/// How long steps took.
#[derive(Debug, Clone)]
pub struct Steps(Family<Taken, Histogram, fn() -> Histogram>);

impl Default for Steps {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(SECONDS)))
    }
}

impl Steps {
    /// A step that was begun at `began` has ended.
    pub(crate) fn end(&self, step: Step, began: Instant) {
        let seconds = began.elapsed().as_secs_f64();
        self.0.get_or_create(&Taken { step }).observe(seconds);
    }
}

/// The processor's counters.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Readings taken from the log.
    pub readings: Counter,
    /// Readings of records that the books had consumed before: after a kill, or where a lake was restored.
    pub passed_over: Counter,
    /// Records that could not be read and were passed over.
    pub unreadable: Counter,
    /// Readings that were dropped as repeats when files were made.
    pub duplicates: Counter,
    /// Readings whose identity had another value before.
    pub conflicts: Counter,
    /// Enterprise-days sealed, every revision counted.
    pub sealed: Counter,
    /// Hot files written.
    pub hot_files: Counter,
    /// Commits to books.
    pub commits: Counter,
    /// How long flushes, seals and commits took.
    pub steps: Steps,
    /// Rows buffered now.
    pub buffered: Gauge,
    /// Parks that are set aside now.
    pub parks_set_aside: Gauge,
    /// Dead letters kept in the lake.
    pub letters: Counter,
    /// Dead letters dropped from the lake, for their enterprise or park has too many.
    pub letters_dropped: Counter,
    /// Records of dead letters that could not be read and were passed over.
    pub unreadable_letters: Counter,
}

impl Metrics {
    /// Registers every counter under `greenpark_processor_…`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let scope = registry.sub_registry_with_prefix("greenpark_processor");
        scope.register(
            "readings",
            "Readings taken from the log",
            metrics.readings.clone(),
        );
        scope.register(
            "passed_over",
            "Readings of log records that the books had consumed before",
            metrics.passed_over.clone(),
        );
        scope.register(
            "unreadable",
            "Log records passed over",
            metrics.unreadable.clone(),
        );
        scope.register(
            "duplicates",
            "Readings dropped as repeats",
            metrics.duplicates.clone(),
        );
        scope.register(
            "conflicts",
            "Readings of another value before",
            metrics.conflicts.clone(),
        );
        scope.register("sealed", "Enterprise-days sealed", metrics.sealed.clone());
        scope.register("hot_files", "Hot files written", metrics.hot_files.clone());
        scope.register("commits", "Commits to books", metrics.commits.clone());
        scope.register(
            "step_seconds",
            "How long a flush, a seal and a commit took",
            metrics.steps.0.clone(),
        );
        scope.register("buffered", "Rows buffered now", metrics.buffered.clone());
        scope.register(
            "parks_set_aside",
            "Parks whose books cannot be read or written now",
            metrics.parks_set_aside.clone(),
        );
        metrics.register_letters(scope);
        metrics
    }

    fn register_letters(&self, scope: &mut Registry) {
        scope.register(
            "dead_letters",
            "Dead letters kept in the lake",
            self.letters.clone(),
        );
        scope.register(
            "dead_letters_dropped",
            "Dead letters dropped from the lake beyond its bounds",
            self.letters_dropped.clone(),
        );
        scope.register(
            "dead_letters_unreadable",
            "Records of dead letters passed over",
            self.unreadable_letters.clone(),
        );
    }
}
