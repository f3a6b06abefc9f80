//! What enterprises were measured to have consumed, so that it is measured once: progress and scorecards ask the same of
//! a member for its group, its panels and its own part, and a control centre asks again and again.
//!
//! What was measured of a range that is over is kept between questions, as long as the books and the registry are the
//! same. Of a range that is not over each question asks at an instant of its own.

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

/// What was measured on the same books takes no more than this part of the cache.
const MEASURED_PART: usize = 8;

/// What was measured so far, by whose it is and what was asked.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    /// Of ranges that are over.
    kept: Arc<Kept>,
    /// Of others, and of whom the asker may not see.
    here: Kept,
}

#[derive(Debug)]
struct Kept(Mutex<Entries>);

impl Default for Kept {
    fn default() -> Self {
        Self::bounded(usize::MAX)
    }
}

#[derive(Debug)]
struct Entries {
    /// It keeps no more than that.
    bytes_max: usize,
    measured: HashMap<(EnterpriseId, Asked), Arc<Measured>>,
    /// Bytes of all of them.
    bytes: usize,
}

/// What was measured on the same books and registry, kept between questions.
#[derive(Debug)]
struct MeasuredBooks {
    books: Vec<Weak<BookDays>>,
    registry: Weak<registry::Park>,
    kept: Arc<Kept>,
}

impl Memo {
    /// What questions have measured on `loaded` books of `park` so far, which the next one goes on with.
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
        let anew = || Arc::new(MeasuredBooks::new(loaded, registry, bytes_max));
        let measured = known
            .filter(|known| known.is_of(loaded, registry))
            .unwrap_or_else(anew);
        let memo = measured.memo();
        let bytes = measured.bytes();
        books
            .cache
            .insert(key, cached::Entry::Measured(measured), bytes);
        memo
    }
}

impl MeasuredBooks {
    /// Nothing yet of these books and this registry, and no more than some bytes later.
    fn new(books: &[Arc<BookDays>], registry: &Arc<registry::Park>, bytes_max: usize) -> Self {
        Self {
            books: books.iter().map(Arc::downgrade).collect(),
            registry: Arc::downgrade(registry),
            kept: Arc::new(Kept::bounded(bytes_max)),
        }
    }

    /// Whether these are the books and the registry.
    fn is_of(&self, books: &[Arc<BookDays>], registry: &Arc<registry::Park>) -> bool {
        // What a weak pointer points to is not made anew in its place.
        let same = |(known, book): (&Weak<_>, &Arc<_>)| Weak::as_ptr(known) == Arc::as_ptr(book);
        self.books.len() == books.len()
            && self.books.iter().zip(books).all(same)
            && Weak::as_ptr(&self.registry) == Arc::as_ptr(registry)
    }

    /// The memo of a question that goes on with it.
    fn memo(&self) -> Memo {
        Memo {
            kept: Arc::clone(&self.kept),
            here: Kept::default(),
        }
    }

    /// Bytes of what was measured.
    fn bytes(&self) -> usize {
        self.kept.lock().bytes + size_of::<Self>()
    }
}

impl Kept {
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

/// What of a question tells what is measured; what a figure divides by does not. The registry and the service's data are
/// the same for all questions of a park's days.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Asked {
    indicator: Indicator,
    basis: Basis,
    range: DayRange,
    media: Media,
    sources: Vec<WaterSource>,
    factors: String,
    /// When it is asked: factors are those that were published then.
    today: CivilDay,
    /// The same of a range that is not over then.
    now: Option<Instant>,
}

impl Asked {
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
    /// What `enterprise` consumed.
    pub(crate) fn measured(
        &self,
        question: &Question<'_>,
        enterprise: &EnterpriseId,
    ) -> Arc<Measured> {
        let key = (enterprise.clone(), Asked::new(question));
        let is_kept = key.1.now.is_none() && self.permits(enterprise);
        let memo = match is_kept {
            true => &self.memo.kept,
            false => &self.memo.here,
        };
        if let Some(known) = memo.lock().measured.get(&key) {
            return Arc::clone(known);
        }
        let measured = Arc::new(measure(question, self, enterprise));
        let bytes = size_of_val(&key) + measured.bytes();
        let mut memo = memo.lock();
        if memo.bytes + bytes > memo.bytes_max {
            // Others may be asked from now on.
            (memo.measured, memo.bytes) = (HashMap::new(), 0);
        }
        memo.bytes += bytes;
        memo.measured.insert(key, Arc::clone(&measured));
        measured
    }
}
