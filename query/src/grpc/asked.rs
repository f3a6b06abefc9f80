//! What a request asks about, as the access log records it: names, and the days of extracts and figures.

use greenpark_proto::query::v1 as pb;

/// Names that a record holds of a request with many.
const NAMES: usize = 4;

/// A request, as far as the access log records it.
pub(crate) trait Asked {
    /// The resources and the days, such as `parks/east/enterprises/steel 2024`. Not checked: it is what was asked.
    fn asked(&self) -> String;
}

/// Requests with a name, or a name and a period.
macro_rules! asked {
    ($($request:ident: $name:ident $(, $period:ident)?;)*) => {
        $(impl Asked for pb::$request {
            fn asked(&self) -> String {
                let asked = bounded(&self.$name);
                $(let asked = with_period(asked, self.$period.as_ref());)?
                asked
            }
        })*
    };
}

asked! {
    GetIndicatorRequest: name, period;
    ListIndicatorsRequest: parent, period;
    GetQualityRequest: name, period;
    GetWaterBalanceRequest: name, period;
    GetWasteLedgerRequest: name, period;
    GetProgressRequest: name;
    StreamReadingsRequest: name, period;
    ExtractRequest: name, period;
    ExtractFolderRequest: name, period;
    ExtractFormRequest: name, period;
    GetDeadLetterRequest: name;
    ListEnterprisesRequest: parent;
    ListMetersRequest: parent;
    ListStatisticsRequest: parent;
    ListCorrectionsRequest: parent;
    ListCertificatesRequest: parent;
    ListGrantsRequest: parent;
    DeclareStatisticsRequest: parent;
    DeclareCalorificValuesRequest: parent;
    DeclareSidesRequest: parent;
    DeclareDeflatorsRequest: parent;
    DeclareIndicatorsRequest: parent;
    DeclareCertificatesRequest: parent;
    DeclareAssessmentBasisRequest: parent;
    WithdrawRequest: parent;
    StreamAccessLogRequest: parent, period;
}

/// Requests that hold what they are about.
macro_rules! asked_within {
    ($($request:ident: $held:ident.$name:ident;)*) => {
        $(impl Asked for pb::$request {
            fn asked(&self) -> String {
                let held = self.$held.as_ref();
                held.map_or_else(String::new, |held| bounded(&held.$name))
            }
        })*
    };
}

asked_within! {
    RegisterEnterpriseRequest: enterprise.name;
    RegisterMeterRequest: meter.name;
    RecordMeterChangeRequest: change.meter;
    RecordCorrectionRequest: correction.meter;
    ListDeadLettersRequest: filter.parent;
    StreamDeadLettersRequest: filter.parent;
    CountDeadLettersRequest: filter.parent;
}

/// Requests about everything that their caller may see.
macro_rules! asked_nothing {
    ($($request:ident),*) => {
        $(impl Asked for pb::$request {
            fn asked(&self) -> String {
                String::new()
            }
        })*
    };
}

asked_nothing!(
    ListParksRequest,
    ListPlansRequest,
    WhoAmIRequest,
    GetCheckpointRequest
);

impl Asked for pb::ExplainRequest {
    fn asked(&self) -> String {
        let question = self.question.as_ref();
        question.map_or_else(String::new, Asked::asked)
    }
}

impl Asked for pb::RecordDeadLetterReplayRequest {
    fn asked(&self) -> String {
        let first: Vec<String> = self.names.iter().take(NAMES).map(|n| bounded(n)).collect();
        match self.names.len().saturating_sub(NAMES) {
            0 => first.join(", "),
            more => format!("{} and {more} more", first.join(", ")),
        }
    }
}

impl Asked for pb::RecordGrantRequest {
    fn asked(&self) -> String {
        let grant = self.grant.as_ref();
        grant.map_or_else(String::new, |grant| {
            format!(
                "{} {} to {}",
                bounded(&grant.name),
                bounded(&grant.role),
                bounded(&grant.caller)
            )
        })
    }
}

impl Asked for pb::RevokeGrantRequest {
    fn asked(&self) -> String {
        let (name, role, caller) = (&self.name, &self.role, &self.caller);
        format!("{} {} of {}", bounded(name), bounded(role), bounded(caller))
    }
}

/// The longest name that is recorded, in characters; a resource's name is shorter.
const CHARS_MAX: usize = 300;

/// A text of a request, cut if it is too long for a name.
pub(super) fn bounded(text: &str) -> String {
    text.chars().take(CHARS_MAX).collect()
}

/// A period as it was asked or declared; empty without one.
pub(super) fn period_text(period: Option<&pb::Period>) -> String {
    use pb::period::Period;
    match period.and_then(|period| period.period.as_ref()) {
        None => String::new(),
        Some(Period::Days(days)) => format!("{}..{}", bounded(&days.first), bounded(&days.last)),
        Some(Period::Month(text) | Period::Quarter(text) | Period::Plan(text)) => bounded(text),
        Some(Period::Year(year)) => year.to_string(),
    }
}

fn with_period(name: String, period: Option<&pb::Period>) -> String {
    match period_text(period) {
        period if period.is_empty() => name,
        period => format!("{name} {period}"),
    }
}
