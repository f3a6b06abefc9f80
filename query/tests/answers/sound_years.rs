//! Years of one enterprise that are sound, and what tests change of them.

use greenpark_archive::rows::ReadingRows;
use greenpark_model::{
    day::{CivilDay, DayRange},
    reading::Kind,
};
use greenpark_proto::query::v1 as pb;

use crate::fixture::*;

/// The enterprise of these years.
pub(crate) const NAME: &str = "parks/p/enterprises/e";
/// Seconds of a year: the interval of a meter that is read once in it.
pub(crate) const YEARLY: u32 = 31_536_000;
/// Seconds of a day.
pub(crate) const DAILY: u32 = 86_400;

/// The entry of a meter that counts, from 2018 on.
pub(crate) fn meter(id: &str, of: &str, quantity: &str, kind: &str, interval_s: u32) -> pb::Meter {
    pb::Meter {
        name: format!("parks/{PARK}/enterprises/{id}/meters/{of}"),
        title: of.to_owned(),
        quantity: quantity.to_owned(),
        kind: kind.to_owned(),
        interval_s,
        counted: true,
        valid_from: "2018-01-01".to_owned(),
        ..pb::Meter::default()
    }
}

/// A reading at noon of 1 June of `of`, of a meter that is read once a year.
pub(crate) fn june(id: &str, of: i32, amounts: &[(&str, &str)]) -> (CivilDay, ReadingRows) {
    one_day(id, day(&format!("{of}-06-01")), amounts)
}

/// Days of `id`'s meter `electricity`: a reading a day at noon, each of `amount` kWh, or a register that rises by
/// as much.
pub(crate) fn kwh_a_day(
    id: &str,
    kind: Kind,
    range: DayRange,
    amount: i64,
) -> Vec<(CivilDay, ReadingRows)> {
    let of = series("electricity", "electricity", kind);
    let since = day("2020-01-01");
    let value = |day: CivilDay| match kind {
        Kind::Register => amount * i64::from(day.days_since(since)),
        _ => amount,
    };
    let days = range.iter().map(|day| {
        let value = value(day).to_string();
        (
            day,
            rows(id, &[(of.clone(), &[(at(day, 12), value.as_str())])]),
        )
    });
    days.collect()
}

/// The days of a year from its first on.
pub(crate) fn first_days(of: i16, many: i32) -> DayRange {
    let year = DayRange::year(of).expect("a year");
    let last = year.first().plus(many - 1);
    DayRange::new(year.first(), last).expect("in order")
}

impl World {
    /// Seals days of several years.
    pub(crate) async fn seal_all(&self, days: Vec<(CivilDay, ReadingRows)>) {
        for of_year in days.chunk_by(|a, b| a.0.year() == b.0.year()) {
            self.seal(PARK, of_year, 1, With::Totals).await;
        }
    }

    /// Registers `e` with one meter of electricity that is read once a year.
    pub(crate) async fn register_yearly(&mut self, id: &str) {
        self.register_enterprise(PARK, id, true).await;
        let entry = meter(id, "electricity", "electricity", "interval", YEARLY);
        self.register_meter(entry).await;
    }

    /// Declares value added of years, final.
    pub(crate) async fn declare_years(&mut self, id: &str, values: &[(i32, &str)]) {
        let all = values
            .iter()
            .map(|(of, amount)| value_added(PARK, id, year(*of), amount));
        self.declare(PARK, all.collect()).await;
    }

    /// Progress of `name` in `year` against the parks' plan.
    pub(crate) async fn progress_of(&mut self, name: &str, year: i32) -> pb::Progress {
        let request = pb::GetProgressRequest {
            name: name.to_owned(),
            year,
            ..pb::GetProgressRequest::default()
        };
        let answer = self.indicators.get_progress(request).await;
        answer.expect("progress").into_inner()
    }

    /// The energy target of the park in 2025.
    pub(crate) async fn energy_target(&mut self) -> pb::TargetProgress {
        let mut progress = self.progress_of("parks/p", 2025).await;
        progress.targets.swap_remove(0)
    }

    /// The energy line of the park's scorecard of 2025.
    pub(crate) async fn energy_line(&mut self) -> pb::ScorecardLine {
        let request = pb::GetProgressRequest {
            name: "parks/p".to_owned(),
            year: 2025,
            ..pb::GetProgressRequest::default()
        };
        let answer = self.indicators.get_scorecard(request).await;
        answer
            .expect("a scorecard")
            .into_inner()
            .lines
            .swap_remove(0)
    }
}

/// Years 2020 and 2025 of `e` with one reading each: sound, and the target met.
pub(crate) async fn two_years() -> World {
    let mut world = World::new().await;
    world.register_yearly("e").await;
    world
        .seal_all(vec![june("e", 2020, &[("electricity", "1000000")])])
        .await;
    world
        .seal_all(vec![june("e", 2025, &[("electricity", "800000")])])
        .await;
    world
        .declare_years("e", &[(2020, "1000"), (2025, "1000")])
        .await;
    world
}

/// The reasons of these, each with its year.
pub(crate) fn told(reasons: &[pb::UnsoundReason]) -> Vec<(pb::UnsoundKind, i32)> {
    reasons
        .iter()
        .map(|reason| (reason.kind(), reason.year))
        .collect()
}

/// The kinds of reasons, each once.
pub(crate) fn kinds(reasons: &[pb::UnsoundReason]) -> Vec<pb::UnsoundKind> {
    let mut kinds: Vec<pb::UnsoundKind> = reasons.iter().map(pb::UnsoundReason::kind).collect();
    kinds.dedup();
    kinds
}

/// Nothing is judged, compared or forecast, and every part says why.
pub(crate) fn withheld(target: &pb::TargetProgress) {
    assert_eq!(target.verdict(), pb::Verdict::Unknown, "{target:?}");
    assert!(!target.unsound.is_empty());
    assert_eq!(
        (
            target.change_percent.as_str(),
            target.progress_percent.as_str()
        ),
        ("", "")
    );
    assert_eq!(target.required_pace_percent, "");
    for compared in [&target.like_for_like, &target.fixed_panel] {
        let compared = compared.as_ref().expect("told");
        assert_eq!(
            (
                compared.change_percent.as_str(),
                compared.progress_percent.as_str()
            ),
            ("", "")
        );
        assert!(!compared.unsound.is_empty());
    }
    assert!(target.split.is_none() && !target.split_unsound.is_empty());
    assert!(target.forecast.is_none());
}
