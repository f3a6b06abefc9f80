//! Caches answers while their inputs are unchanged.
//!
//! An answer about past days depends only on the question, the scope, the registry, the state of the books and the
//! current day. A control centre repeats the same questions about all its parks, so each answer is computed once and
//! again when an input changes. A cached answer is dated now, because a new one would be equal.

use std::sync::Arc;

use futures::FutureExt as _;
use greenpark_model::{day::CivilDay, id::ParkId};
use greenpark_proto::query::v1 as pb;
use prost::Message;
use sha2::{Digest as _, Sha256};

use crate::{
    access::scope::Scope,
    error::QueryError,
    figures::convert::timestamp,
    grpc::{concurrent::concurrently, server::Shared},
    lake::cache::Cache,
    register::{name::Name, registry::Registry},
};

/// Parks, and books per park, whose state is read concurrently.
const AT_ONCE: usize = 8;

/// The state of a book: its year, and the versions of its readings and totals.
pub(in crate::grpc) type Book = (i16, i64, i64);

/// The digest of the question, the name and the scope.
type Key = [u8; 32];

/// Cached answers by the digest of their question.
pub(crate) type Answers = Cache<Key, Arc<CachedAnswer>>;

/// A cached answer and its inputs.
#[derive(Debug)]
pub(crate) struct CachedAnswer {
    inputs: Inputs,
    answer: Vec<u8>,
}

/// The inputs of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Inputs {
    registry: i64,
    today: CivilDay,
    books: Vec<(ParkId, Vec<Book>)>,
}

/// A question whose answer can be cached.
#[derive(Clone)]
pub(in crate::grpc) struct CachedQuestion<'a> {
    /// Identifies the question, apart from the name and the scope.
    pub(in crate::grpc) text: String,
    pub(in crate::grpc) name: &'a Name,
    /// The last day of the question.
    pub(in crate::grpc) last: CivilDay,
    pub(in crate::grpc) scope: &'a Scope,
    pub(in crate::grpc) registry: &'a Registry,
}

/// An answer with an `as_of` instant.
pub(in crate::grpc) trait Dated: Message + Default {
    /// Sets the instant.
    fn date(&mut self, at: prost_types::Timestamp);
}

impl Dated for pb::Figure {
    fn date(&mut self, at: prost_types::Timestamp) {
        self.as_of = Some(at);
    }
}

impl Dated for pb::ListIndicatorsResponse {
    fn date(&mut self, at: prost_types::Timestamp) {
        self.figures.iter_mut().for_each(|figure| figure.date(at));
    }
}

impl Dated for pb::Progress {
    fn date(&mut self, at: prost_types::Timestamp) {
        self.as_of = Some(at);
        for target in &mut self.targets {
            let figures = target.base.iter_mut().chain(&mut target.current);
            figures.for_each(|figure| figure.date(at));
        }
    }
}

impl Dated for pb::Scorecard {
    fn date(&mut self, at: prost_types::Timestamp) {
        self.as_of = Some(at);
    }
}

impl CachedQuestion<'_> {
    fn key(&self) -> Key {
        let Self {
            text, name, scope, ..
        } = self;
        Sha256::digest(format!("{text} {name} {scope:?}")).into()
    }
}

impl Shared {
    /// The cached answer to `question`, or that of `make`, which is then cached if possible.
    pub(in crate::grpc) async fn cached<T: Dated>(
        &self,
        cached_question: CachedQuestion<'_>,
        make: impl Future<Output = Result<T, QueryError>>,
    ) -> Result<T, QueryError> {
        let Some(inputs) = self.inputs(&cached_question).await else {
            return make.await;
        };
        let key = cached_question.key();
        if let Some(cached) = self.answers.get(&key)
            && cached.inputs == inputs
            && let Ok(mut answer) = T::decode(&cached.answer[..])
        {
            self.metrics.answer_kept.inc();
            answer.date(timestamp(self.moment(cached_question.registry)));
            return Ok(answer);
        }
        let answer = make.await?;
        if answer.encoded_len() > self.answers.capacity() {
            return Ok(answer);
        }
        let cached = CachedAnswer {
            inputs,
            answer: answer.encode_to_vec(),
        };
        let bytes = cached.bytes();
        self.answers.insert(key, Arc::new(cached), bytes);
        Ok(answer)
    }

    /// The inputs of an answer to `question`; `None` if it should not be cached: questions as of the past are rare,
    /// and an answer about days that are not over changes with every instant.
    async fn inputs(&self, cached_question: &CachedQuestion<'_>) -> Option<Inputs> {
        let CachedQuestion {
            name,
            last,
            scope,
            registry,
            ..
        } = *cached_question;
        let now = self.moment(registry);
        if registry.as_of.is_some() || now < last.end() {
            return None;
        }
        let parks: Vec<ParkId> = match name {
            Name::Parks => self.parks(scope, registry).await.ok()?,
            name => name.park().cloned().into_iter().collect(),
        };
        Some(Inputs {
            registry: registry.version,
            today: now.day(),
            // An unreadable book is reported when it is needed.
            books: self.states_of(parks).await.ok()?,
        })
    }

    /// The states of all books of `parks`.
    pub(in crate::grpc) async fn states_of(
        &self,
        parks: Vec<ParkId>,
    ) -> Result<Vec<(ParkId, Vec<Book>)>, QueryError> {
        let mut looks = Vec::new();
        for park in parks {
            looks.push(self.states(park).boxed());
        }
        concurrently(looks, AT_ONCE).await
    }

    /// The states of all books of `park`.
    async fn states(&self, park: ParkId) -> Result<(ParkId, Vec<Book>), QueryError> {
        let mut looks = Vec::new();
        for year in self.books.lake.years(&park).await? {
            looks.push(self.state(&park, year).boxed());
        }
        let states = concurrently(looks, AT_ONCE).await?;
        Ok((park, states.into_iter().flatten().collect()))
    }

    async fn state(&self, park: &ParkId, year: i16) -> Result<Option<Book>, QueryError> {
        let book = self.books.lake.brief(park, year).await?;
        Ok(book.map(|of| (year, of.readings_version, of.totals_version)))
    }
}

impl CachedAnswer {
    fn bytes(&self) -> usize {
        let books: usize = self.inputs.books.iter().map(|(_, of)| of.len()).sum();
        let parks = self.inputs.books.len() * size_of::<(ParkId, Vec<Book>)>();
        size_of::<Key>() + size_of::<Self>() + self.answer.len() + parks + books * size_of::<Book>()
    }
}
