//! Verdicts of worked years.

use greenpark_model::{
    assessment::BasisOfAssessment,
    coal::Basis,
    indicator::{Indicator, Key},
    money::PriceBase,
    positive::Positive,
    soundness::Reason,
};

use super::*;

/// A plan for 2021 to 2025 without targets.
pub(crate) fn five_years() -> Plan {
    Plan {
        id: "p".into(),
        title: String::new(),
        source: String::new(),
        base_year: 2020,
        end_year: 2025,
        targets: Vec::new(),
    }
}

fn figure(indicator: Indicator, value: &str) -> EvaluatedFigure {
    let key = Key {
        indicator,
        basis: Some(Basis::Calorific),
        basis_of_assessment: BasisOfAssessment::Gross,
        media: greenpark_model::coal::Media::Excluded,
        price_base: Some(PriceBase::Constant(2020)),
    };
    let value = value
        .parse()
        .ok()
        .and_then(|value| Positive::new(value).ok());
    let ratio = value.map(|value| Ratio { key, value });
    let value = ratio.map(|r| r.rounded().to_string()).unwrap_or_default();
    EvaluatedFigure {
        figure: pb::Figure {
            value,
            ..pb::Figure::default()
        },
        ratio,
        parts: (Decimal::ZERO, Decimal::ZERO),
        unsound: Vec::new(),
    }
}

fn judged(form: TargetForm, values: &[&str]) -> pb::TargetProgress {
    let indicator = Indicator::EnergyIntensity;
    let plan = five_years();
    let figures = (2020..)
        .zip(values.iter().map(|v| figure(indicator, v)))
        .collect();
    judge(
        Target { indicator, form },
        Years {
            plan: &plan,
            figures,
        },
    )
}

/// METHOD (b): −9.933 % is the even pace of −16 % after three years.
#[test]
fn a_fall_is_judged_by_the_even_pace_and_progress_by_logarithms() {
    let sixteen = TargetForm::Fall(Decimal::from(16));
    let kept = judged(sixteen, &["1", "0.98", "0.95", "0.9"]);
    assert_eq!(kept.change_percent, "-10.0000");
    assert_eq!(kept.scheduled_percent, "-9.9326");
    assert_eq!(kept.progress_percent, "60.4293");
    assert_eq!(kept.required_pace_percent, "3.3908");
    assert_eq!(kept.verdict(), pb::Verdict::OnSchedule);
    assert_eq!(kept.years.len(), 4);
    let late = judged(sixteen, &["1", "0.98", "0.95", "0.91"]);
    assert_eq!(late.verdict(), pb::Verdict::Behind);
    let met = judged(sixteen, &["1", "1", "1", "1", "1", "0.84"]);
    assert_eq!(
        (met.verdict(), met.progress_percent.as_str()),
        (pb::Verdict::Met, "100.0000")
    );
    assert_eq!(met.required_pace_percent, "");
    let missed = judged(sixteen, &["1", "1", "1", "1", "1", "0.841"]);
    assert_eq!(missed.verdict(), pb::Verdict::Missed);
    let unknown = judged(sixteen, &["", "1", "1", "1", "1", "0.841"]);
    assert_eq!(unknown.verdict(), pb::Verdict::Unknown);
}

#[test]
fn a_year_beyond_the_plans_end_has_no_target() {
    let sixteen = TargetForm::Fall(Decimal::from(16));
    let after = judged(sixteen, &["1", "1", "1", "1", "1", "0.84", "0.5"]);
    assert_eq!(after.verdict(), pb::Verdict::Unknown);
    assert_eq!(
        after.notes,
        ["no target declared for 2026: plan 'p' ended in 2025"]
    );
    let target = after.target.clone().expect("an indicator");
    assert_eq!(target.indicator, "energy-intensity");
    assert_eq!((target.form.as_str(), target.percent.as_str()), ("", ""));
    // The change is a fact; schedule and progress do not exist.
    assert_eq!(after.change_percent, "-50.0000");
    assert_eq!(
        (
            after.scheduled_percent.as_str(),
            after.progress_percent.as_str(),
            after.required_pace_percent.as_str()
        ),
        ("", "", "")
    );
    let scheduled = |at: usize| after.years[at].scheduled_percent.as_str();
    assert_eq!((scheduled(5), scheduled(6)), ("-16.0000", ""));
    let seventy = TargetForm::Floor(Decimal::from(70));
    let floor = judged(seventy, &["80", "70", "70", "72", "73", "74", "1"]);
    assert_eq!(floor.verdict(), pb::Verdict::Unknown);
    assert_eq!(
        floor.notes,
        ["no target declared for 2026: plan 'p' ended in 2025"]
    );
}

#[test]
fn a_figure_with_open_days_is_not_judged() {
    let plan = five_years();
    let indicator = Indicator::WasteUtilization;
    for form in [
        TargetForm::Fall(Decimal::from(16)),
        TargetForm::Floor(Decimal::from(70)),
    ] {
        let mut last = figure(indicator, "80");
        last.unsound.push(Reason::Open { days: 3 });
        let figures = vec![(2020, figure(indicator, "100")), (2021, last)];
        let years = Years {
            plan: &plan,
            figures,
        };
        let judged = judge(Target { indicator, form }, years);
        assert_eq!(judged.verdict(), pb::Verdict::Unknown);
        assert!(judged.notes[0].contains("still open"), "{:?}", judged.notes);
        let [reason] = &judged.unsound[..] else {
            panic!("one reason: {:?}", judged.unsound)
        };
        assert_eq!((reason.kind(), reason.year), (pb::UnsoundKind::Open, 2021));
        assert_eq!(judged.years[1].unsound, judged.unsound);
        let percents = (&judged.change_percent, &judged.progress_percent);
        assert_eq!((percents.0.as_str(), percents.1.as_str()), ("", ""));
    }
}

#[test]
fn an_unsound_base_leaves_no_year_to_compare() {
    let plan = five_years();
    let indicator = Indicator::EnergyIntensity;
    let form = TargetForm::Fall(Decimal::from(16));
    let mut base = figure(indicator, "1");
    base.unsound.push(Reason::Open { days: 3 });
    let figures = vec![
        (2020, base),
        (2021, figure(indicator, "0.9")),
        (2022, figure(indicator, "0.8")),
    ];
    let years = Years {
        plan: &plan,
        figures,
    };
    let judged = judge(Target { indicator, form }, years);
    assert_eq!(judged.verdict(), pb::Verdict::Unknown);
    assert!(
        judged
            .years
            .iter()
            .all(|point| point.change_percent.is_empty())
    );
    // The figures and the plan's schedule are still reported.
    assert_eq!(judged.years[2].value, "0.800000");
    assert_eq!(judged.scheduled_percent, "-6.7365");
    assert_eq!(judged.unsound[0].year, 2020);
}

#[test]
fn a_sound_year_below_the_floor_misses_it_even_if_another_year_is_open() {
    let plan = five_years();
    let indicator = Indicator::WasteUtilization;
    let form = TargetForm::Floor(Decimal::from(70));
    let mut open = figure(indicator, "80");
    open.unsound.push(Reason::Open { days: 3 });
    let figures = vec![
        (2020, figure(indicator, "80")),
        (2021, figure(indicator, "69")),
        (2022, open),
    ];
    let years = Years {
        plan: &plan,
        figures,
    };
    let judged = judge(Target { indicator, form }, years);
    assert_eq!(judged.verdict(), pb::Verdict::Behind);
    assert!(judged.unsound.is_empty() && !judged.years[2].unsound.is_empty());
}

#[test]
fn a_floor_must_hold_in_every_year_after_the_base() {
    let seventy = TargetForm::Floor(Decimal::from(70));
    let held = judged(seventy, &["60", "70", "71", "72", "73", "74"]);
    assert_eq!(held.verdict(), pb::Verdict::Met);
    assert!(held.base.is_none() && held.change_percent.is_empty());
    let broken = judged(seventy, &["80", "70", "69.999999", "72", "73", "74"]);
    assert_eq!(broken.verdict(), pb::Verdict::Missed);
    assert_eq!(broken.notes, ["below 70 % in 2022"]);
    assert_eq!(
        judged(seventy, &["80", "70", ""]).verdict(),
        pb::Verdict::Unknown
    );
    assert_eq!(
        judged(seventy, &["80", "70"]).verdict(),
        pb::Verdict::OnSchedule
    );
}
