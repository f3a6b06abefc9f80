//! Answers unary questions: within the deadline, counted, and cached if possible.

mod kept;

use std::sync::Arc;

use futures::Future;
use greenpark_proto::query::v1 as pb;
use tokio::time::Instant;
use tonic::{Code, Request, Response, Status};

use crate::{
    access::{entry::Entry, scope::Scope},
    error::QueryError,
    grpc::{
        asked::Asked,
        server::{Shared, admission::entry_of},
    },
    metrics::{Ending, Method},
};

pub(in crate::grpc) use kept::{Answers, Book, CachedQuestion};

/// An answer that can carry a note that recent readings may be missing.
pub(crate) trait Answer {
    /// True if it is made from books, which must then contain all readings acknowledged before the question.
    const READS_BOOKS: bool = true;

    /// Notes that the books were behind the log.
    fn note_behind(&mut self);
}

impl Shared {
    /// Answers a unary question within its deadline; retries once if a file was replaced meanwhile.
    pub(crate) async fn answer<T, F, R: Asked + Sync>(
        &self,
        method: &'static str,
        request: &Request<R>,
        work: impl Fn(Scope) -> F + Send,
    ) -> Result<Response<T>, Status>
    where
        T: Answer + prost::Message,
        F: Future<Output = Result<T, QueryError>> + Send,
    {
        let begun = Instant::now();
        let _under_way = self.metrics.begin();
        let answer = async {
            let admitted = self
                .admit(
                    (request.metadata(), request.extensions()),
                    request.get_ref(),
                    &self.permits,
                    (self.settings.deadline, T::READS_BOOKS),
                )
                .await?;
            let work = async {
                match work(admitted.scope()).await {
                    Err(error) if error.is_file_replaced() => {
                        self.metrics.retried.inc();
                        work(admitted.scope()).await
                    }
                    answer => answer,
                }
            };
            let mut answer = tokio::time::timeout_at(admitted.until, work)
                .await
                .unwrap_or(Err(QueryError::Deadline))
                .map_err(|error| admitted.permitted.scope.hide(error))?;
            if admitted.behind {
                answer.note_behind();
            }
            Ok(answer)
        };
        let answer: Result<T, QueryError> = answer.await;
        let answer = answer.map_err(QueryError::status);
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        let entry = entry_of(request.extensions());
        if let (Some(entry), Ok(answer)) = (entry, &answer) {
            entry.sent(0, answer.encoded_len() as u64);
        }
        self.ended(method, entry, code, begun);
        answer.map(Response::new)
    }

    /// Counts an answer, and notes its outcome in the access log.
    pub(super) fn ended(
        &self,
        method: &'static str,
        entry: Option<&Arc<Entry>>,
        code: Code,
        begun: Instant,
    ) {
        self.count(method, code, begun);
        if let Some(entry) = entry {
            entry.end(code_name(code));
        }
    }

    /// Counts an answer.
    pub(crate) fn count(&self, method: &'static str, code: Code, begun: Instant) {
        self.metrics
            .answered
            .get_or_create(&Ending {
                method,
                code: code_name(code),
            })
            .inc();
        let seconds = begun.elapsed().as_secs_f64();
        self.metrics
            .seconds
            .get_or_create(&Method { method })
            .observe(seconds);
    }
}

/// The name of a gRPC code in metrics and in the access log.
pub(super) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::InvalidArgument => "invalid_argument",
        Code::NotFound => "not_found",
        Code::FailedPrecondition => "failed_precondition",
        Code::PermissionDenied => "permission_denied",
        Code::Unauthenticated => "unauthenticated",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::ResourceExhausted => "resource_exhausted",
        Code::Unavailable => "unavailable",
        Code::Cancelled => "cancelled",
        Code::Unimplemented => "unimplemented",
        _ => "internal",
    }
}

/// The note of an answer from books behind the log.
const BEHIND: &str =
    "readings acknowledged a moment ago may be missing: the processor is behind the log";

impl Answer for pb::Figure {
    fn note_behind(&mut self) {
        self.status = pb::PeriodStatus::Operational.into();
        self.notes.push(BEHIND.to_owned());
    }
}

impl Answer for pb::ListIndicatorsResponse {
    fn note_behind(&mut self) {
        self.figures.iter_mut().for_each(Answer::note_behind);
    }
}

impl Answer for pb::WaterBalance {
    fn note_behind(&mut self) {
        self.status = pb::PeriodStatus::Operational.into();
        self.notes.push(BEHIND.to_owned());
    }
}

impl Answer for pb::QualityReport {
    fn note_behind(&mut self) {
        self.notes.push(BEHIND.to_owned());
    }
}

impl Answer for pb::WasteLedger {
    fn note_behind(&mut self) {
        self.status = pb::PeriodStatus::Operational.into();
        self.notes.push(BEHIND.to_owned());
    }
}

impl Answer for pb::Progress {
    fn note_behind(&mut self) {
        for target in &mut self.targets {
            target.notes.push(BEHIND.to_owned());
            let figures = target.base.iter_mut().chain(&mut target.current);
            figures.for_each(Answer::note_behind);
        }
    }
}

impl Answer for pb::Scorecard {
    fn note_behind(&mut self) {
        for line in self.lines.iter_mut().filter(|l| l.kind == "measured") {
            line.status = pb::PeriodStatus::Operational.into();
            line.notes.push(BEHIND.to_owned());
        }
    }
}

/// Answers that do not depend on the log, or that state the instants of their readings.
macro_rules! unaffected {
    ($reads_books:literal: $($answer:ty),* $(,)?) => {
        $(impl Answer for $answer {
            const READS_BOOKS: bool = $reads_books;

            fn note_behind(&mut self) {}
        })*
    };
}

unaffected!(
    false:
    pb::ListDeadLettersResponse,
    pb::Checkpoint,
    pb::DeadLetterEntry,
    pb::CountDeadLettersResponse,
    pb::RecordDeadLetterReplayResponse,
    pb::ListPlansResponse,
    pb::WhoAmIResponse,
    pb::ListGrantsResponse,
    pb::Grant,
);

unaffected!(
    true:
    pb::ListParksResponse,
    pb::Enterprise,
    pb::ListEnterprisesResponse,
    pb::Meter,
    pb::MeterChange,
    pb::Correction,
    pb::ListCorrectionsResponse,
    pb::ListMetersResponse,
    pb::DeclareStatisticsResponse,
    pb::DeclareIndicatorsResponse,
    pb::DeclareCalorificValuesResponse,
    pb::DeclareDeflatorsResponse,
    pb::DeclareSidesResponse,
    pb::WithdrawResponse,
    pb::ListStatisticsResponse,
    pb::DeclareCertificatesResponse,
    pb::ListCertificatesResponse,
    pb::AssessmentBasis,
);
