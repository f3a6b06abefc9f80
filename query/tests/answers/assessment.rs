//! Gross and assessed energy intensity beside each other (METHOD (j)).
//!
//! METHOD's vectors at one 8.137th of their size: 1,000 tce there are 1,000,000 kWh here, so 1 tce there is
//! 1 MWh of electricity here, and every per cent is the same.

use greenpark_model::reading::Kind;
use greenpark_proto::query::v1 as pb;
use greenpark_query::QuerySettings;

use crate::fixture::*;

/// Who is asked.
pub(crate) const WHOLE: &str = "parks/p";
/// The only enterprise.
pub(crate) const STEEL: &str = "parks/p/enterprises/steel";

/// Puts a million kWh into every day's reading of a year.
async fn meter_year(world: &World, park: &str, year: i32) {
    let first = day(&format!("{year}-01-01"));
    let days = day(&format!("{year}-12-31")).days_since(first) + 1;
    // Days alike, so that none looks like a spike.
    let rest = 1_000_000 - 2_732 * (days - 1);
    let mut values = vec!["2732".to_owned(); usize::try_from(days).expect("a year")];
    values[0] = rest.to_string();
    let meter = series("m", "electricity", Kind::Interval);
    let files = daily("steel", &meter, first, &values);
    world.seal(park, &files, 1, With::Totals).await;
}

/// A park whose steel plant uses a million kWh in 2020 and in 2025, for 1,000 and 1,100 of value added.
pub(crate) async fn steel(world: &mut World, park: &str) {
    let name = format!("parks/{park}/enterprises/steel/meters/m");
    world
        .register_meter(pb::Meter {
            name,
            quantity: "electricity".to_owned(),
            kind: "interval".to_owned(),
            interval_s: 86_400,
            counted: true,
            valid_from: "2018-01-01".to_owned(),
            ..pb::Meter::default()
        })
        .await;
    world.register_enterprise(park, "steel", true).await;
    for (of, value) in [(2020, "1000"), (2025, "1100")] {
        meter_year(world, park, of).await;
        world
            .declare(park, vec![value_added(park, "steel", year(of), value)])
            .await;
    }
}

pub(crate) fn certificate(id: &str, kind: &str, mwh: &str, region: &str) -> pb::Certificate {
    pb::Certificate {
        id: id.to_owned(),
        mwh: mwh.to_owned(),
        generated: "2025-03".to_owned(),
        region: region.to_owned(),
        kind: kind.to_owned(),
        used_for: STEEL.to_owned(),
        year: 2025,
        retired_on: "2025-12-20".to_owned(),
        ..pb::Certificate::default()
    }
}

pub(crate) async fn declare(
    world: &mut World,
    parent: &str,
    certificates: Vec<pb::Certificate>,
) -> Result<u32, tonic::Status> {
    let request = pb::DeclareCertificatesRequest {
        parent: parent.to_owned(),
        certificates,
        recorded_by: "energy office".to_owned(),
        evidence: "settlement 7".to_owned(),
    };
    let answer = world.registry.declare_certificates(request).await;
    answer.map(|answer| answer.into_inner().recorded)
}

/// 40 MWh worth of natural gas used as raw material, which is 4.916 tce.
async fn raw_material(world: &mut World, of: i32) {
    let gas = pb::Statistic {
        series: "raw_material:natural_gas".to_owned(),
        amount: "4048.422960".to_owned(),
        price_base: String::new(),
        ..value_added(PARK, "steel", year(of), "1")
    };
    world.declare(PARK, vec![gas]).await;
}

fn of_plan(year: i32) -> pb::GetProgressRequest {
    pb::GetProgressRequest {
        name: WHOLE.to_owned(),
        year,
        ..pb::GetProgressRequest::default()
    }
}

async fn energy_target(world: &mut World, request: pb::GetProgressRequest) -> pb::TargetProgress {
    let answer = world.indicators.get_progress(request).await;
    let progress = answer.expect("progress").into_inner();
    let is_energy = |of: &pb::TargetProgress| {
        let target = of.target.as_ref();
        target.is_some_and(|target| target.indicator == "energy-intensity")
    };
    let mut targets = progress.targets.into_iter();
    targets.find(is_energy).expect("an energy target")
}

pub(crate) fn assessment(figure: &pb::Figure) -> &pb::Assessment {
    figure.assessment.as_ref().expect("both figures")
}

fn other(target: &pb::TargetProgress) -> &pb::OtherBasis {
    target.other_basis.as_ref().expect("the other basis")
}

async fn declare_basis(world: &mut World, basis: &str, from: &str) -> Result<(), tonic::Status> {
    let request = pb::DeclareAssessmentBasisRequest {
        parent: WHOLE.to_owned(),
        basis: Some(pb::AssessmentBasis {
            plan: "chongqing-parks-14fyp".to_owned(),
            basis_of_assessment: basis.to_owned(),
            valid_from: from.to_owned(),
            ..pb::AssessmentBasis::default()
        }),
        recorded_by: "park office".to_owned(),
        evidence: "letter 3".to_owned(),
    };
    let answer = world.registry.declare_assessment_basis(request).await;
    answer.map(|_| ())
}

#[tokio::test]
async fn method_j_1_both_figures_stand_beside_each_other_with_every_line() {
    let mut world = World::new().await;
    steel(&mut world, PARK).await;
    raw_material(&mut world, 2025).await;
    let own = certificate("PV-1", "self_use", "60", "chongqing");
    assert_eq!(
        declare(&mut world, WHOLE, vec![own]).await.expect("taken"),
        1
    );
    let figure = world.energy(WHOLE, year(2025)).await;
    assert_eq!(figure.basis_of_assessment, "gross");
    assert_eq!(figure.value, "0.111727");
    let of = assessment(&figure);
    assert_eq!(of.rule_set, "assessment-2024");
    assert_eq!(
        (of.gross_value.as_str(), of.assessed_value.as_str()),
        ("0.111727", "0.100555")
    );
    assert_eq!(value(&of.gross), "122.900000");
    assert_eq!(value(&of.assessed), "110.610000");
    let lines: Vec<_> = of
        .deductions
        .iter()
        .map(|line| (line.kind.as_str(), line.id.as_str(), value(&line.deducted)))
        .collect();
    assert_eq!(
        lines,
        [
            ("self_use", "PV-1", "7.374000"),
            ("raw_material", "natural_gas", "4.916000")
        ]
    );
    let first = &of.deductions[0];
    assert_eq!(first.used_for, STEEL);
    assert!(first.rule_source.starts_with("[C2] "), "{first:?}");
    assert!(first.factor_source.starts_with('['), "{first:?}");
    assert!(first.declared.contains("energy office"), "{first:?}");
    assert!(of.bound.is_none());
    let target = energy_target(&mut world, of_plan(2025)).await;
    assert_eq!(target.basis_of_assessment, "gross");
    assert!(target.basis_source.contains("nobody declared it"));
    assert_eq!(
        (target.change_percent.as_str(), target.verdict()),
        ("-9.0909", pb::Verdict::Missed)
    );
    assert_eq!(other(&target).basis_of_assessment, "assessed");
    assert_eq!(other(&target).change_percent, "-18.1818");
    let card = world.indicators.get_scorecard(of_plan(2025)).await;
    let card = card.expect("a scorecard").into_inner();
    let line = card.lines.iter().find(|l| l.id == "energy-intensity");
    let line = line.expect("a line");
    assert_eq!(line.basis_of_assessment, "gross");
    let beside = line.other_basis.as_ref().expect("the other basis");
    assert_eq!(beside.value, "0.100555");
    let of = line.assessment.as_ref().expect("both figures");
    assert_eq!(of.deductions.len(), 2);
    world.stop().await;
}

#[tokio::test]
async fn method_j_2_certificates_of_another_province_count_for_half_of_the_saving() {
    let mut world = World::new().await;
    steel(&mut world, PARK).await;
    raw_material(&mut world, 2025).await;
    let below = certificate("GEC-1", "certificate", "50", "sichuan");
    declare(&mut world, WHOLE, vec![below])
        .await
        .expect("taken");
    let figure = world.energy(WHOLE, year(2025)).await;
    let of = assessment(&figure);
    // 0.16 × 122.9 × 1.1, and half of it; 50 MWh are 6.145 tce.
    let bound = of.bound.as_ref().expect("a bound");
    assert_eq!(bound.plan, "chongqing-parks-14fyp");
    assert_eq!(
        (value(&bound.saving), value(&bound.most)),
        ("21.630400", "10.815200")
    );
    assert_eq!(value(&of.deductions[0].deducted), "6.145000");
    assert_eq!(of.deductions[0].limit, "");
    let above = certificate("GEC-2", "certificate", "150", "guizhou");
    let own = certificate("GEC-3", "certificate", "0.000001", "chongqing");
    declare(&mut world, WHOLE, vec![above, own])
        .await
        .expect("taken");
    let figure = world.energy(WHOLE, year(2025)).await;
    let of = assessment(&figure);
    let deducted: Vec<_> = of.deductions.iter().map(|d| value(&d.deducted)).collect();
    assert_eq!(deducted, ["6.145000", "4.670200", "0.000000", "4.916000"]);
    assert!(of.deductions[1].limit.contains("10.815200 tce"), "{of:?}");
    let target = energy_target(&mut world, of_plan(2025)).await;
    assert_eq!(other(&target).change_percent, "-20.7273");
    // A year of no plan asks no saving, so nothing of other provinces counts.
    world.set_now(day("2027-02-01"), 0);
    let later = pb::Certificate {
        year: 2026,
        ..certificate("GEC-4", "certificate", "1", "sichuan")
    };
    declare(&mut world, WHOLE, vec![later])
        .await
        .expect("taken");
    let figure = world.energy(WHOLE, year(2026)).await;
    let line = &assessment(&figure).deductions[0];
    assert_eq!(value(&line.deducted), "0.000000");
    assert!(line.limit.contains("no target is known"), "{line:?}");
    world.stop().await;
}

#[tokio::test]
async fn method_j_3_without_an_entry_both_bases_agree_bit_for_bit() {
    let mut world = World::new().await;
    steel(&mut world, PARK).await;
    for (name, of) in [
        (WHOLE, year(2025)),
        (STEEL, year(2020)),
        ("parks/-", days("2025-03-02", "2025-05-07")),
    ] {
        let figure = world.energy(name, of).await;
        let of = assessment(&figure);
        assert!(!figure.value.is_empty());
        assert_eq!(of.gross_value, figure.value);
        assert_eq!(of.assessed_value, figure.value);
        assert_eq!(of.gross, figure.numerator);
        assert_eq!(of.assessed, figure.numerator);
        assert!(of.deductions.is_empty() && of.notes.is_empty());
        assert_eq!(of.rule_set, "assessment-2024");
    }
    let target = energy_target(&mut world, of_plan(2025)).await;
    let beside = other(&target);
    assert_eq!(beside.change_percent, target.change_percent);
    assert_eq!(beside.progress_percent, target.progress_percent);
    assert_eq!(beside.years.len(), target.years.len());
    for (one, other) in beside.years.iter().zip(&target.years) {
        assert_eq!((one.year, &one.value), (other.year, &other.value));
    }
    let water = world.indicators.get_water_intensity(get(WHOLE, year(2025)));
    let water = water.await.expect("a figure").into_inner();
    assert!(water.assessment.is_none() && water.basis_of_assessment.is_empty());
    world.stop().await;
}

#[tokio::test]
async fn the_base_year_has_its_own_deductions() {
    let mut world = World::new().await;
    steel(&mut world, PARK).await;
    raw_material(&mut world, 2025).await;
    let base = pb::Certificate {
        generated: "2020-03".to_owned(),
        year: 2020,
        retired_on: String::new(),
        ..certificate("PV-0", "self_use", "100", "chongqing")
    };
    declare(&mut world, WHOLE, vec![base]).await.expect("taken");
    let target = energy_target(&mut world, of_plan(2025)).await;
    // 960 ÷ 1,100 against 900 ÷ 1,000.
    assert_eq!(other(&target).change_percent, "-3.0303");
    assert_eq!(target.change_percent, "-9.0909");
    world.stop().await;
}

#[tokio::test]
async fn a_park_that_declares_the_assessed_basis_is_judged_by_it_from_that_day_on() {
    let mut world = World::new().await;
    steel(&mut world, PARK).await;
    raw_material(&mut world, 2025).await;
    let own = certificate("PV-1", "self_use", "60", "chongqing");
    declare(&mut world, WHOLE, vec![own]).await.expect("taken");
    declare_basis(&mut world, "assessed", "2026-01-01")
        .await
        .expect("declared");
    let before = energy_target(&mut world, of_plan(2025)).await;
    assert_eq!(before.basis_of_assessment, "gross");
    declare_basis(&mut world, "assessed", "2025-12-31")
        .await
        .expect("declared");
    let judged = energy_target(&mut world, of_plan(2025)).await;
    assert_eq!(judged.basis_of_assessment, "assessed");
    assert!(judged.basis_source.contains("park office"), "{judged:?}");
    assert_eq!(
        (judged.change_percent.as_str(), judged.verdict()),
        ("-18.1818", pb::Verdict::Met)
    );
    let current = judged.current.as_ref().expect("a figure");
    assert_eq!(
        (current.basis_of_assessment.as_str(), current.value.as_str()),
        ("assessed", "0.100555")
    );
    let like = judged.like_for_like.as_ref().expect("compared");
    assert_eq!(like.change_percent, "-18.1818");
    assert_eq!(other(&judged).basis_of_assessment, "gross");
    assert_eq!(other(&judged).change_percent, "-9.0909");
    let refused = declare_basis(&mut world, "net", "2025-12-31").await;
    let refused = refused.expect_err("no basis");
    assert!(refused.message().contains("neither gross nor assessed"));
    world.stop().await;
}

#[tokio::test]
async fn a_plan_that_says_assessed_is_judged_by_it_and_by_no_declaration() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plan.toml");
    let text = "id = \"ours\"\ntitle = \"ours\"\nsource = \"s\"\nbase_year = 2020\nend_year = 2025\n\
                price_base = \"constant-2020\"\nbasis_of_assessment = \"assessed\"\n\
                [[target]]\nindicator = \"energy-intensity\"\nform = \"fall\"\npercent = \"16\"\n";
    std::fs::write(&file, text).expect("written");
    let mut world = World::with(QuerySettings {
        plan_files: vec![file],
        ..QuerySettings::default()
    })
    .await;
    steel(&mut world, PARK).await;
    let own = certificate("PV-1", "self_use", "100", "chongqing");
    declare(&mut world, WHOLE, vec![own]).await.expect("taken");
    let request = pb::GetProgressRequest {
        plan: "ours".to_owned(),
        ..of_plan(2025)
    };
    let judged = energy_target(&mut world, request).await;
    assert_eq!(judged.basis_of_assessment, "assessed");
    assert_eq!(judged.basis_source, "plan 'ours' says so");
    assert_eq!(judged.verdict(), pb::Verdict::Met);
    let plans = world.indicators.list_plans(pb::ListPlansRequest {}).await;
    let plans = plans.expect("plans").into_inner().plans;
    let says = |id: &str| {
        let plan = plans.iter().find(|plan| plan.id == id);
        plan.expect("a plan").basis_of_assessment.clone()
    };
    assert_eq!(
        (says("ours").as_str(), says("miit-14fyp").as_str()),
        ("assessed", "")
    );
    let request = pb::DeclareAssessmentBasisRequest {
        parent: WHOLE.to_owned(),
        basis: Some(pb::AssessmentBasis {
            plan: "ours".to_owned(),
            basis_of_assessment: "gross".to_owned(),
            valid_from: "2025-01-01".to_owned(),
            ..pb::AssessmentBasis::default()
        }),
        recorded_by: "park office".to_owned(),
        evidence: String::new(),
    };
    let refused = world.registry.declare_assessment_basis(request).await;
    assert_eq!(
        refused.expect_err("refused").code(),
        tonic::Code::FailedPrecondition
    );
    world.stop().await;
}

#[tokio::test]
async fn what_a_park_uses_as_a_whole_is_not_its_enterprises_and_a_part_of_a_year_has_no_figure() {
    let mut world = World::new().await;
    steel(&mut world, PARK).await;
    let whole = pb::Certificate {
        used_for: WHOLE.to_owned(),
        ..certificate("GPT-1", "trade", "100", "sichuan")
    };
    declare(&mut world, WHOLE, vec![whole])
        .await
        .expect("taken");
    let park = world.energy(WHOLE, year(2025)).await;
    assert_eq!(value(&assessment(&park).assessed), "110.610000");
    let alone = world.energy(STEEL, year(2025)).await;
    let of = assessment(&alone);
    assert_eq!(value(&of.assessed), "122.900000");
    assert!(of.notes[0].contains("GPT-1 of parks/p"), "{:?}", of.notes);
    let part = world.energy(WHOLE, days("2025-01-01", "2025-06-30")).await;
    assert!(!part.value.is_empty());
    let of = assessment(&part);
    assert!(of.assessed_value.is_empty() && of.assessed.is_none());
    assert!(of.notes[0].contains("GPT-1"), "{:?}", of.notes);
    // A year without certificates has both.
    let base = world.energy(WHOLE, year(2020)).await;
    assert_eq!(assessment(&base).assessed_value, base.value);
    world.stop().await;
}

#[tokio::test]
async fn a_year_beyond_the_plans_end_has_no_target() {
    let mut world = World::new().await;
    steel(&mut world, PARK).await;
    meter_year(&world, PARK, 2026).await;
    let value = value_added(PARK, "steel", year(2026), "1200");
    world.declare(PARK, vec![value]).await;
    world.set_now(day("2027-02-01"), 0);
    let beyond = "no target declared for 2026: plan 'chongqing-parks-14fyp' ended in 2025";
    let answer = world.indicators.get_progress(of_plan(2026)).await;
    let progress = answer.expect("progress").into_inner();
    for target in &progress.targets {
        assert_eq!(target.verdict(), pb::Verdict::Unknown);
        assert!(target.notes.iter().any(|n| n == beyond), "{target:?}");
        let asked = target.target.as_ref().expect("an indicator");
        assert_eq!((asked.form.as_str(), asked.percent.as_str()), ("", ""));
        assert_eq!(target.scheduled_percent, "");
        assert_eq!(target.progress_percent, "");
        assert!(target.forecast.is_none());
    }
    let energy = &progress.targets[0];
    assert_eq!(energy.change_percent, "-16.6667");
    let like = energy.like_for_like.as_ref().expect("compared");
    assert_eq!(
        (like.change_percent.as_str(), like.progress_percent.as_str()),
        ("-16.6667", "")
    );
    let card = world.indicators.get_scorecard(of_plan(2026)).await;
    let card = card.expect("a scorecard").into_inner();
    assert!(card.lines.len() > 3);
    for line in &card.lines {
        assert_eq!(line.verdict(), pb::Verdict::Unknown);
        assert_eq!((line.form.as_str(), line.asked.as_str()), ("", ""));
        assert!(line.notes.iter().any(|n| n == beyond), "{line:?}");
    }
    world.stop().await;
}
