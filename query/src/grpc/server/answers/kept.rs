//! Answers that are kept as long as what they stand on is the same.
//!
//! What is told of days that are over follows from what is asked, who asks, the registry, the state of the books and
//! the day on which it is asked, and from nothing else. A control centre asks the same of all its parks again and again:
//! each answer is made once, and made anew when one of these has changed. It says that it is as of now, for it would be
//! the same.

use std::sync::Arc;

use futures::FutureExt as _;
use greenpark_model::{day::CivilDay, id::ParkId};
use greenpark_proto::query::v1 as pb;
use prost::Message;
use sha2::{Digest as _, Sha256};

use crate::{
    error::QueryError,
    figures::convert::timestamp,
    grpc::{concurrent::beside, server::Shared},
    lake::cache::Cache,
    register::{name::Name, registry::Registry},
    scope::Scope,
};

/// Parks, and books of each, that are looked at beside each other.
const AT_ONCE: usize = 8;

/// The state of a book: its year, and the versions of its readings and totals.
type Book = (i16, i64, i64);

/// The digest of what is asked, of whom and by whom.
type Key = [u8; 32];

/// Answers by the digest of their question.
pub(crate) type Answers = Cache<Key, Arc<Kept>>;

/// An answer and what it stands on.
#[derive(Debug)]
pub(crate) struct Kept {
    standing: Standing,
    answer: Vec<u8>,
}

/// What an answer stands on.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    registry: i64,
    today: CivilDay,
    books: Vec<(ParkId, Vec<Book>)>,
}

/// What is asked, of whom and by whom.
#[derive(Clone)]
pub(in crate::grpc) struct Asking<'a> {
    /// All that tells the question from others, but for the name and who asks.
    pub(in crate::grpc) what: String,
    pub(in crate::grpc) name: &'a Name,
    /// The last day that it is about.
    pub(in crate::grpc) last: CivilDay,
    pub(in crate::grpc) scope: &'a Scope,
    pub(in crate::grpc) registry: &'a Registry,
}

/// An answer that says as of when it is.
pub(in crate::grpc) trait Dated: Message + Default {
    /// It is as of `at`.
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

impl Asking<'_> {
    fn key(&self) -> Key {
        let Self {
            what, name, scope, ..
        } = self;
        Sha256::digest(format!("{what} {name} {scope:?}")).into()
    }
}

impl Shared {
    /// The answer that is kept to `asking`, or the one that `make` makes, which is kept where it can be.
    pub(in crate::grpc) async fn once<T: Dated>(
        &self,
        asking: Asking<'_>,
        make: impl Future<Output = Result<T, QueryError>>,
    ) -> Result<T, QueryError> {
        let Some(standing) = self.standing(&asking).await else {
            return make.await;
        };
        let key = asking.key();
        if let Some(kept) = self.answers.get(&key)
            && kept.standing == standing
            && let Ok(mut answer) = T::decode(&kept.answer[..])
        {
            self.metrics.answer_kept.inc();
            answer.date(timestamp(self.moment(asking.registry)));
            return Ok(answer);
        }
        let answer = make.await?;
        if answer.encoded_len() > self.answers.capacity() {
            return Ok(answer);
        }
        let kept = Kept {
            standing,
            answer: answer.encode_to_vec(),
        };
        let bytes = kept.bytes();
        self.answers.insert(key, Arc::new(kept), bytes);
        Ok(answer)
    }

    /// What an answer to `asking` stands on; nothing where it is not to be kept: what is asked of the past is asked
    /// once, and of days that are not over each moment tells something else.
    async fn standing(&self, asking: &Asking<'_>) -> Option<Standing> {
        let Asking {
            name,
            last,
            scope,
            registry,
            ..
        } = *asking;
        let now = self.moment(registry);
        if registry.as_of.is_some() || now < last.end() {
            return None;
        }
        let parks: Vec<ParkId> = match name {
            Name::Parks => self.parks(scope, registry).await.ok()?,
            name => name.park().cloned().into_iter().collect(),
        };
        let mut looks = Vec::new();
        for park in parks {
            looks.push(self.states(park).boxed());
        }
        let books = beside(looks, AT_ONCE).await;
        Some(Standing {
            registry: registry.version,
            today: now.day(),
            // A book that cannot be read is told of where it is needed.
            books: books.ok()?,
        })
    }

    /// The states of all books of `park`.
    async fn states(&self, park: ParkId) -> Result<(ParkId, Vec<Book>), QueryError> {
        let mut looks = Vec::new();
        for year in self.books.lake.years(&park).await? {
            looks.push(self.state(&park, year).boxed());
        }
        let states = beside(looks, AT_ONCE).await?;
        Ok((park, states.into_iter().flatten().collect()))
    }

    async fn state(&self, park: &ParkId, year: i16) -> Result<Option<Book>, QueryError> {
        let book = self.books.lake.brief(park, year).await?;
        Ok(book.map(|of| (year, of.readings_version, of.totals_version)))
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        let books: usize = self.standing.books.iter().map(|(_, of)| of.len()).sum();
        let parks = self.standing.books.len() * size_of::<(ParkId, Vec<Book>)>();
        size_of::<Key>() + size_of::<Self>() + self.answer.len() + parks + books * size_of::<Book>()
    }
}
