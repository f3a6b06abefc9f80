//! Keeps measured consumptions, so that each is measured once. Progress and scorecards need the same member for its
//! group, its panels and its own part, and a control centre repeats its questions.
//!
//! Consumptions of a range that is over are kept between questions, as long as the books and the registry are the
//! same. A range that is not over is measured at the instant of each question.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use greenpark_model::{
    coal::{Basis, Media},
    day::{CivilDay, DayRange, Instant},
    id::{EnterpriseId, ParkId},
    indicator::Indicator,
    water::WaterSource,
};

use super::{Measured, Question, measure};
use crate::{
    figures::park_days::ParkDays,
    lake::books::{BookDays, Books, cached},
    register::registry,
};

/// Consumptions measured on the same books use at most the cache's capacity divided by this.
const MEASURED_PART: usize = 8;

/// The consumptions measured so far, by enterprise and terms.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// Consumptions of ranges that are over.
    shared: Arc<ConsumptionCache>,
    /// Consumptions of other ranges, and of enterprises that the scope does not permit.
    own: ConsumptionCache,
}

#[derive(Debug)]
struct ConsumptionCache(Mutex<Entries>);

impl Default for ConsumptionCache {
    fn default() -> Self {
        Self::bounded(usize::MAX)
    }
}

#[derive(Debug)]
struct Entries {
    /// The bound of `bytes`.
    bytes_max: usize,
    measured: HashMap<(EnterpriseId, MeasureKey), Arc<Measured>>,
    /// The size of all entries in bytes.
    bytes: usize,
}

/// Consumptions measured on the same books and registry, kept between questions.
#[derive(Debug)]
struct MeasuredBooks {
    books: Vec<Weak<BookDays>>,
    registry: Weak<registry::Park>,
    shared: Arc<ConsumptionCache>,
}

impl Memo {
    /// Returns the memo of earlier questions on the `loaded` books of `park`, which the next question continues.
    pub(crate) fn resume(
        books: &Books,
        park: &ParkId,
        loaded: &[Arc<BookDays>],
        registry: &Arc<registry::Park>,
    ) -> Self {
        let years = loaded.iter().map(|book| book.snapshot.year).collect();
        let key = cached::Key::Measured(park.clone(), years);
        let known = match books.cache.get(&key) {
            Some(cached::Entry::Measured(known)) => known.downcast::<MeasuredBooks>().ok(),
            _ => None,
        };
        let bytes_max = books.cache.capacity() / MEASURED_PART;
        let create = || Arc::new(MeasuredBooks::new(loaded, registry, bytes_max));
        let measured = known
            .filter(|known| known.is_of(loaded, registry))
            .unwrap_or_else(create);
        let memo = measured.memo();
        let bytes = measured.bytes();
        books
            .cache
            .insert(key, cached::Entry::Measured(measured), bytes);
        memo
    }
}

impl MeasuredBooks {
    /// Creates an empty cache of at most `bytes_max` bytes for these books and this registry.
    fn new(books: &[Arc<BookDays>], registry: &Arc<registry::Park>, bytes_max: usize) -> Self {
        Self {
            books: books.iter().map(Arc::downgrade).collect(),
            registry: Arc::downgrade(registry),
            shared: Arc::new(ConsumptionCache::bounded(bytes_max)),
        }
    }

    /// Returns true if it was made for these books and this registry.
    fn is_of(&self, books: &[Arc<BookDays>], registry: &Arc<registry::Park>) -> bool {
        // Addresses identify allocations, because a weak pointer keeps its allocation from being reused.
        let same = |(known, book): (&Weak<_>, &Arc<_>)| Weak::as_ptr(known) == Arc::as_ptr(book);
        self.books.len() == books.len()
            && self.books.iter().zip(books).all(same)
            && Weak::as_ptr(&self.registry) == Arc::as_ptr(registry)
    }

    /// The memo of a question that continues this cache.
    fn memo(&self) -> Memo {
        Memo {
            shared: Arc::clone(&self.shared),
            own: ConsumptionCache::default(),
        }
    }

    /// The size in bytes.
    fn bytes(&self) -> usize {
        self.shared.lock().bytes + size_of::<Self>()
    }
}

impl ConsumptionCache {
    fn bounded(bytes_max: usize) -> Self {
        Self(Mutex::new(Entries {
            bytes_max,
            measured: HashMap::new(),
            bytes: 0,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The terms of a question that decide the measured consumption; the denominator is not among them. The registry and
/// the service's data are the same for all questions on a park's days.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct MeasureKey {
    indicator: Indicator,
    basis: Basis,
    range: DayRange,
    media: Media,
    sources: Vec<WaterSource>,
    factors: String,
    /// The day of the question, which decides the published factors.
    today: CivilDay,
    /// The instant of the question, if the range is not over then.
    now: Option<Instant>,
}

impl MeasureKey {
    fn new(question: &Question<'_>) -> Self {
        Self {
            indicator: question.indicator,
            basis: question.basis,
            range: question.range,
            media: question.media,
            sources: question.sources.to_vec(),
            factors: question.rules.factors.id.clone(),
            today: question.now.day(),
            now: Some(question.now).filter(|now| *now < question.range.last().end()),
        }
    }
}

impl ParkDays {
    /// The consumption of `enterprise`.
    pub(crate) fn measured(
        &self,
        question: &Question<'_>,
        enterprise: &EnterpriseId,
    ) -> Arc<Measured> {
        let key = (enterprise.clone(), MeasureKey::new(question));
        let is_shared = key.1.now.is_none() && self.permits(enterprise);
        let memo = match is_shared {
            true => &self.memo.shared,
            false => &self.memo.own,
        };
        if let Some(known) = memo.lock().measured.get(&key) {
            return Arc::clone(known);
        }
        let measured = Arc::new(measure(question, self, enterprise));
        let bytes = size_of_val(&key) + measured.bytes();
        let mut memo = memo.lock();
        if memo.bytes + bytes > memo.bytes_max {
            // Later questions may concern other enterprises.
            (memo.measured, memo.bytes) = (HashMap::new(), 0);
        }
        memo.bytes += bytes;
        memo.measured.insert(key, Arc::clone(&measured));
        measured
    }
}
