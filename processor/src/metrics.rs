//! Metrics of the processor. Counters change per batch, never per reading.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tokio::time::Instant;

/// Upper bounds of the duration buckets, in seconds: from a commit on a fast disk to a day of a large park.
const SECONDS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 60.0,
];

/// A timed step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Step {
    /// A flush of all parks.
    Flush,
    /// The sealing of the settled days of one book.
    Seal,
    /// One commit to a book.
    Commit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabel {
    step: Step,
}

/// Durations of the steps.
#[derive(Debug, Clone)]
pub struct Steps(Family<StepLabel, Histogram, fn() -> Histogram>);

impl Default for Steps {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(SECONDS)))
    }
}

impl Steps {
    /// Records the end of a step that began at `began`.
    pub(crate) fn end(&self, step: Step, began: Instant) {
        let seconds = began.elapsed().as_secs_f64();
        self.0.get_or_create(&StepLabel { step }).observe(seconds);
    }
}

/// The processor's counters.
#[derive(Debug, Clone, Default)]
pub struct ProcessorMetrics {
    /// Readings taken from the log.
    pub readings: Counter,
    /// Readings of records that the books had already consumed: after a kill, or after a lake was restored.
    pub passed_over: Counter,
    /// Records that could not be decoded and were skipped.
    pub unreadable: Counter,
    /// Readings dropped as repeats when files were written.
    pub duplicates: Counter,
    /// Readings that corrected an earlier value of the same identity.
    pub conflicts: Counter,
    /// Enterprise-days sealed, every revision counted.
    pub sealed: Counter,
    /// Hot files written.
    pub hot_files: Counter,
    /// Commits to books.
    pub commits: Counter,
    /// Durations of flushes, seals and commits.
    pub steps: Steps,
    /// Rows buffered now.
    pub buffered: Gauge,
    /// Parks that are suspended now.
    pub suspended_parks: Gauge,
    /// Dead letters stored in the lake.
    pub dead_letters: Counter,
    /// Dead letters dropped from the lake because their enterprise or park has too many.
    pub dead_letters_dropped: Counter,
    /// Records of dead letters that could not be decoded and were skipped.
    pub unreadable_dead_letters: Counter,
}

impl ProcessorMetrics {
    /// Registers every metric under `greenpark_processor_…`.
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
            metrics.suspended_parks.clone(),
        );
        metrics.register_dead_letters(scope);
        metrics
    }

    fn register_dead_letters(&self, scope: &mut Registry) {
        scope.register(
            "dead_letters",
            "Dead letters kept in the lake",
            self.dead_letters.clone(),
        );
        scope.register(
            "dead_letters_dropped",
            "Dead letters dropped from the lake beyond its bounds",
            self.dead_letters_dropped.clone(),
        );
        scope.register(
            "dead_letters_unreadable",
            "Records of dead letters passed over",
            self.unreadable_dead_letters.clone(),
        );
    }
}
