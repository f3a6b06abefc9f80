//! What enterprises were measured to have consumed, kept while one question is answered: progress and scorecards ask
//! the same of a member for its group, its panels and its own part. Of a range that is not over each of them is asked at
//! an instant of its own, so that nothing is found again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use greenpark_model::{
    coal::{Basis, Media},
    day::{CivilDay, DayRange, Instant},
    id::EnterpriseId,
    indicator::Indicator,
    water::WaterSource,
};

use super::{Measured, Question, measure};
use crate::park_days::ParkDays;

/// What was measured so far, by whose it is and what was asked.
#[derive(Debug, Default)]
pub(crate) struct Memo(Mutex<HashMap<(EnterpriseId, Asked), Arc<Measured>>>);

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
        let memo = || self.memo.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = memo().get(&key) {
            return Arc::clone(known);
        }
        let measured = Arc::new(measure(question, self, enterprise));
        memo().insert(key, Arc::clone(&measured));
        measured
    }
}
