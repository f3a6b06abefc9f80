//! Parses the period of a request into a range of civil days.

use greenpark_model::{
    day::{CivilDay, DayRange},
    plan::Plan,
};
use greenpark_proto::query::v1 as pb;

use crate::{
    error::QueryError,
    limits::{RANGE_DAYS_MAX, YEARS},
    register::statistics::DeclaredPeriod,
};

/// Resolves the period of a request. It may name one of `plans`; `today` is the last day of a plan that still
/// runs.
pub(crate) fn resolve(
    period: Option<&pb::Period>,
    plans: &[Plan],
    today: CivilDay,
) -> Result<DayRange, QueryError> {
    let Some(period) = period.and_then(|p| p.period.as_ref()) else {
        return Err(QueryError::invalid(
            "period",
            "is missing; give days, a month, a quarter, a year or a plan",
        ));
    };
    let range = match period {
        pb::period::Period::Days(days) => days_range(days)?,
        pb::period::Period::Plan(id) => plan_range(id, plans, today)?,
        declared => declared_period("period", declared)?.range(),
    };
    if range.days() > RANGE_DAYS_MAX {
        return Err(QueryError::invalid(
            "period.days",
            format!(
                "{} to {} is longer than 40 years",
                range.first(),
                range.last()
            ),
        ));
    }
    Ok(range)
}

/// Parses a year, quarter or month, the value of `field`.
pub(crate) fn declared_period(
    field: &str,
    period: &pb::period::Period,
) -> Result<DeclaredPeriod, QueryError> {
    let (text, parsed) = match period {
        pb::period::Period::Year(year) => {
            let year_in_calendar = i16::try_from(*year).ok().and_then(DeclaredPeriod::year);
            (year.to_string(), year_in_calendar)
        }
        pb::period::Period::Quarter(text) | pb::period::Period::Month(text) => {
            let parsed = text.parse().ok().filter(|p| {
                matches!(p, DeclaredPeriod::Quarter(..))
                    == matches!(period, pb::period::Period::Quarter(_))
            });
            (
                text.clone(),
                parsed.filter(|p| !matches!(p, DeclaredPeriod::Year(_))),
            )
        }
        pb::period::Period::Days(_) | pb::period::Period::Plan(_) => ("days".to_owned(), None),
    };
    parsed.ok_or_else(|| {
        let start: String = text.chars().take(40).collect();
        let wanted = match period {
            pb::period::Period::Month(_) => "a month like 2026-11",
            pb::period::Period::Quarter(_) => "a quarter like 2026-Q4",
            pb::period::Period::Year(_) => "a year from 2000 to 2199",
            _ => "a year, a quarter or a month",
        };
        QueryError::invalid(field, format!("'{start}' does not do; write {wanted}"))
    })
}

fn days_range(days: &pb::Days) -> Result<DayRange, QueryError> {
    let read = |field: &str, text: &str| {
        text.parse::<CivilDay>()
            .ok()
            .filter(|day| YEARS.contains(&day.year()))
            .ok_or_else(|| {
                let start: String = text.chars().take(40).collect();
                QueryError::invalid(
                    field,
                    format!("'{start}' is no day; write one like 2026-11-23"),
                )
            })
    };
    let (first, last) = (
        read("period.days.first", &days.first),
        read("period.days.last", &days.last),
    );
    let (first, last) = match (first, last) {
        (Ok(first), Ok(last)) => (first, last),
        (Err(QueryError::Invalid(mut both)), Err(QueryError::Invalid(second))) => {
            both.extend(second);
            return Err(QueryError::Invalid(both));
        }
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    DayRange::new(first, last).ok_or_else(|| {
        QueryError::invalid(
            "period.days.last",
            format!("ends {last}, before it begins {first}; both days are included"),
        )
    })
}

/// The range from the end of the base year to today or the plan's end.
fn plan_range(id: &str, plans: &[Plan], today: CivilDay) -> Result<DayRange, QueryError> {
    let plan = plans
        .iter()
        .find(|p| p.id == id)
        .ok_or_else(|| QueryError::NotFound {
            name: id.chars().take(80).collect(),
            known: plans.iter().map(|p| p.id.clone()).collect(),
        })?;
    let first = DayRange::year(plan.base_year.saturating_add(1)).map(DayRange::first);
    let last = DayRange::year(plan.end_year).map(DayRange::last);
    let range = first
        .zip(last)
        .and_then(|(first, last)| DayRange::new(first, last.min(today)));
    range.ok_or_else(|| {
        QueryError::Precondition("PLAN_NOT_BEGUN", format!("plan '{id}' has not begun yet"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(period: pb::period::Period) -> pb::Period {
        pb::Period {
            period: Some(period),
        }
    }

    fn resolved(p: pb::period::Period) -> Result<String, String> {
        let today = "2026-11-23".parse().expect("a day");
        let plan = Plan {
            id: "p".into(),
            title: String::new(),
            source: String::new(),
            base_year: 2025,
            end_year: 2030,
            targets: Vec::new(),
        };
        match resolve(Some(&period(p)), &[plan], today) {
            Ok(range) => Ok(format!("{}/{}", range.first(), range.last())),
            Err(QueryError::Invalid(violations)) => Err(violations[0].field.clone()),
            Err(other) => Err(other.to_string()),
        }
    }

    #[test]
    fn every_form_of_a_period_is_parsed() {
        use pb::period::Period::{Days, Month, Plan, Quarter, Year};
        let days = |first: &str, last: &str| {
            Days(pb::Days {
                first: first.to_owned(),
                last: last.to_owned(),
            })
        };
        assert_eq!(resolved(Year(2020)), Ok("2020-01-01/2020-12-31".into()));
        assert_eq!(
            resolved(Month("2021-02".into())),
            Ok("2021-02-01/2021-02-28".into())
        );
        assert_eq!(
            resolved(Quarter("2026-Q4".into())),
            Ok("2026-10-01/2026-12-31".into())
        );
        assert_eq!(
            resolved(Plan("p".into())),
            Ok("2026-01-01/2026-11-23".into())
        );
        assert_eq!(
            resolved(days("2026-11-01", "2026-11-01")),
            Ok("2026-11-01/2026-11-01".into())
        );
        assert_eq!(
            resolved(days("2026-11-02", "2026-11-01")),
            Err("period.days.last".into())
        );
        assert_eq!(
            resolved(days("2000-01-01", "2150-01-01")),
            Err("period.days".into())
        );
        assert_eq!(
            resolved(days("yesterday", "2150-01-01")),
            Err("period.days.first".into())
        );
        for bad in [
            Year(1),
            Year(99_999),
            Month("2021-13".into()),
            Quarter("2021-Q5".into()),
        ] {
            assert_eq!(resolved(bad), Err("period".into()));
        }
        assert_eq!(resolved(Month("2021-Q1".into())), Err("period".into()));
        assert_eq!(resolved(Quarter("2021".into())), Err("period".into()));
    }
}
