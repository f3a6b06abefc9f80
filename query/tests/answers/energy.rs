//! Standard coal and carbon dioxide in the cases that real parks have.

use std::io::Write as _;

use greenpark_proto::query::v1 as pb;
use greenpark_query::QuerySettings;
use tonic::Code;

use crate::fixture::{PARK, With, World, day, days, get, one_day, value, value_added, year};

const NAME: &str = "parks/p/enterprises/e";

/// A world where `e` used these amounts on a day of 2022 and added value for 100.
async fn world_of(settings: QuerySettings, amounts: &[(&str, &str)]) -> World {
    let mut world = World::with(settings).await;
    let of = one_day("e", day("2022-03-01"), amounts);
    world.seal(PARK, &[of], 1, With::Totals).await;
    let declared = value_added(PARK, "e", year(2022), "100");
    world.declare(PARK, vec![declared]).await;
    world
}

async fn energy(world: &mut World) -> pb::Figure {
    world.energy(NAME, year(2022)).await
}

fn contribution<'a>(figure: &'a pb::Figure, quantity: &str) -> &'a str {
    let of = figure.components.iter().find(|c| c.quantity == quantity);
    value(&of.expect("a component").contribution)
}

#[tokio::test]
async fn a_boiler_house_is_not_counted_twice() {
    let amounts = [
        ("raw_coal.transformed_in", "100"),
        ("steam.transformed_out", "600"),
        ("steam", "400"),
        ("electricity", "1000"),
    ];
    let mut world = world_of(QuerySettings::default(), &amounts).await;
    let figure = energy(&mut world).await;
    // 100 t × 714.3 + (400 − 600) t × 94.3 + 1,000 kWh × 0.1229, in kgce.
    assert_eq!(value(&figure.numerator), "52.692900");
    assert_eq!(contribution(&figure, "steam.transformed_out"), "-56.580000");
    assert_eq!(
        contribution(&figure, "raw_coal.transformed_in"),
        "71.430000"
    );
    world.stop().await;
}

#[tokio::test]
async fn what_was_bought_counts_where_use_is_not_metered_and_is_only_told_where_it_is_declared() {
    let amounts = [
        ("diesel.purchased", "10"),
        ("diesel.stock_change", "2"),
        ("electricity.purchased", "5000"),
        ("electricity", "4900"),
    ];
    let mut world = world_of(QuerySettings::default(), &amounts).await;
    world
        .declare_side("e", "electricity", "consumption", ("2020-01-01", ""))
        .await;
    let figure = energy(&mut world).await;
    // 8 t × 1,457.1 + 4,900 kWh × 0.1229, in kgce.
    assert_eq!(value(&figure.numerator), "12.259010");
    assert_eq!(contribution(&figure, "electricity.purchased"), "0.000000");
    let told = |note: &String| note.contains("as supplied and as used") && note.contains(NAME);
    assert!(figure.notes.iter().any(told), "{:?}", figure.notes);
    world.stop().await;
}

#[tokio::test]
async fn a_measured_calorific_value_counts_instead_of_the_factor_on_its_days() {
    let mut world = world_of(QuerySettings::default(), &[("raw_coal", "100")]).await;
    let default = energy(&mut world).await;
    assert_eq!(value(&default.numerator), "71.430000");
    let asked = |medium: &str, kj: &str| pb::DeclareCalorificValuesRequest {
        parent: "parks/p".to_owned(),
        values: vec![pb::CalorificValue {
            enterprise: NAME.to_owned(),
            medium: medium.to_owned(),
            kj_per_unit: kj.to_owned(),
            valid_from: "2022-01-01".to_owned(),
            valid_to: "2022-12-31".to_owned(),
        }],
        recorded_by: "laboratory".to_owned(),
        evidence: "report 7".to_owned(),
    };
    let registry = &mut world.registry;
    let refused = registry
        .declare_calorific_values(asked("electricity", "-1"))
        .await;
    let refused = refused.expect_err("no fuel, and no heat");
    assert_eq!(refused.code(), Code::InvalidArgument);
    for field in ["values[0].medium", "values[0].kj_per_unit"] {
        assert!(refused.message().contains(field), "{}", refused.message());
    }
    let taken = registry
        .declare_calorific_values(asked("raw_coal", "29307600"))
        .await;
    assert_eq!(taken.expect("taken").into_inner().recorded, 1);
    let measured = energy(&mut world).await;
    // 29,307,600 kJ/t is standard coal itself.
    assert_eq!(value(&measured.numerator), "100.000000");
    let source = &measured.components[0].factor_source;
    assert!(
        source.contains("laboratory") && source.contains("report 7"),
        "{source}"
    );
    world.stop().await;
}

#[tokio::test]
async fn media_count_only_where_they_are_asked_as_bought() {
    let amounts = [
        ("electricity", "1000"),
        ("compressed_air.purchased", "1000"),
        ("fresh_water", "100"),
    ];
    let mut world = world_of(QuerySettings::default(), &amounts).await;
    let excluded = energy(&mut world).await;
    assert_eq!(
        (value(&excluded.numerator), excluded.media.as_str()),
        ("0.122900", "excluded")
    );
    let mut asked = get(NAME, year(2022));
    asked.media = "purchased".to_owned();
    let purchased = world.indicators.get_energy_intensity(asked.clone()).await;
    let purchased = purchased.expect("a figure").into_inner();
    // And 1,000 m³ × 0.0400 + 100 t × 0.2571, in kgce.
    assert_eq!(value(&purchased.numerator), "0.188610");
    assert_eq!(purchased.media, "purchased");
    asked.media = "all".to_owned();
    let refused = world.indicators.get_energy_intensity(asked.clone()).await;
    assert!(
        refused
            .expect_err("unknown")
            .message()
            .contains("neither excluded nor purchased")
    );
    asked.media = "purchased".to_owned();
    let refused = world.indicators.get_water_intensity(asked).await;
    assert_eq!(
        refused.expect_err("no energy").code(),
        Code::InvalidArgument
    );
    world.stop().await;
}

#[tokio::test]
async fn an_edition_is_asked_by_its_name_and_a_verdict_only_at_the_plans_basis() {
    let mut world = World::new().await;
    let of = one_day("e", day("2020-03-01"), &[("electricity", "1000")]);
    world.seal(PARK, &[of], 1, With::Totals).await;
    let mut asked = get(NAME, year(2020));
    asked.basis = pb::Basis::PrimaryEquivalent.into();
    asked.factor_set = "gbt-2589-2008".to_owned();
    let old = world.indicators.get_energy_intensity(asked.clone()).await;
    let old = old.expect("a figure").into_inner();
    assert_eq!(
        (value(&old.numerator), old.factor_set.as_str()),
        ("0.404000", "gbt-2589-2008")
    );
    asked.factor_set = "gbt-2589".to_owned();
    let refused = world.indicators.get_energy_intensity(asked).await;
    let refused = refused.expect_err("no such set");
    assert!(
        refused.message().contains("gbt-2589-2020, gbt-2589-2008"),
        "{}",
        refused.message()
    );
    let progress = pb::GetProgressRequest {
        name: "parks/p".to_owned(),
        basis: pb::Basis::PrimaryEquivalent.into(),
        ..pb::GetProgressRequest::default()
    };
    let refused = world.indicators.get_progress(progress).await;
    let refused = refused.expect_err("another basis");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let message = refused.message();
    assert!(
        message.contains("calorific") && message.contains("GetEnergyIntensity"),
        "{message}"
    );
    world.stop().await;
}

const LATER: &str = "id = \"later\"\n\
    [[grid]]\nregion = \"chongqing\"\nyear = 2024\nkg_per_kwh = \"0.9\"\nvalid_from = \"2024-01-01\"\n\
    valid_to = \"2024-12-31\"\npublished = \"2026-06-30\"\nstatus = \"C\"\nsource = \"made up\"\n";

#[tokio::test]
async fn a_new_grid_factor_never_changes_an_older_years_figure() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(LATER.as_bytes()).expect("written");
    let settings = QuerySettings {
        carbon_files: vec![file.path().to_owned()],
        ..QuerySettings::default()
    };
    let amounts = [("electricity", "1000000"), ("natural_gas", "10000")];
    let (mut before, mut after) = (
        world_of(QuerySettings::default(), &amounts).await,
        world_of(settings, &amounts).await,
    );
    for world in [&mut before, &mut after] {
        let of = one_day("e", day("2024-03-01"), &amounts);
        world.seal(PARK, &[of], 1, With::Totals).await;
        let declared = value_added(PARK, "e", year(2024), "100");
        world.declare(PARK, vec![declared]).await;
        let of_2022 = world
            .indicators
            .get_carbon_intensity(get(NAME, year(2022)))
            .await;
        let of_2022 = of_2022.expect("a figure").into_inner();
        // 1,000 MWh × 0.5227 + 21.6219 t of the gas, per 100 × 10⁴ yuan.
        assert_eq!(
            (of_2022.value.as_str(), of_2022.unit.as_str()),
            ("5.443219", "tco2/10k-yuan")
        );
        assert_eq!(of_2022.status(), pb::PeriodStatus::Final);
    }
    let of_2024 = |world: &mut World| {
        let mut client = world.indicators.clone();
        async move {
            let figure = client.get_carbon_intensity(get(NAME, year(2024))).await;
            figure.expect("a figure").into_inner()
        }
    };
    let borrowed = of_2024(&mut before).await;
    assert_eq!(value(&borrowed.numerator), "579.721900");
    assert_eq!(borrowed.status(), pb::PeriodStatus::Preliminary);
    let told = |note: &String| note.contains("chongqing's of 2023 for 2024");
    assert!(borrowed.notes.iter().any(told), "{:?}", borrowed.notes);
    let own = of_2024(&mut after).await;
    assert_eq!(value(&own.numerator), "921.621900");
    assert_eq!(
        (own.status(), own.carbon_set.as_str()),
        (pb::PeriodStatus::Final, "later+ghg-2025")
    );
    before.stop().await;
    after.stop().await;
}

const LATER_FUEL: &str = "id = \"later\"\n\
    [[fuel]]\nmedium = \"natural_gas\"\ntitle = \"gas\"\nunit = \"10^4 m3\"\ntco2_per_unit = \"30\"\n\
    valid_from = \"2000-01-01\"\npublished = \"2100-01-01\"\nstatus = \"C\"\nsource = \"made up\"\n";

#[tokio::test]
async fn a_fuels_carbon_factor_counts_as_of_its_publication() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(LATER_FUEL.as_bytes()).expect("written");
    let settings = QuerySettings {
        carbon_files: vec![file.path().to_owned()],
        ..QuerySettings::default()
    };
    let world = world_of(settings, &[("natural_gas", "10000")]).await;
    world.go_on();
    let mut client = world.indicators.clone();
    let mut ask = async |as_of| {
        let asked = pb::GetIndicatorRequest {
            as_of,
            ..get(NAME, year(2022))
        };
        let figure = client.get_carbon_intensity(asked).await;
        figure.expect("a figure").into_inner()
    };
    let before = ask(None).await;
    assert_eq!(value(&before.numerator), "21.621900");
    world.set_now(day("2100-01-01"), 12);
    let after = ask(None).await;
    assert_eq!(value(&after.numerator), "30.000000");
    assert_eq!(ask(before.as_of).await, before);
    drop(client);
    world.stop().await;
}

#[tokio::test]
async fn carbon_per_energy_divides_by_the_standard_coal_of_the_same_meters() {
    let mut world = world_of(QuerySettings::default(), &[("electricity", "1000000")]).await;
    let figure = world
        .indicators
        .get_carbon_per_energy(get(NAME, year(2022)))
        .await;
    let figure = figure.expect("a figure").into_inner();
    // 522.7 t of carbon dioxide, 122.9 tce.
    assert_eq!(
        (figure.value.as_str(), figure.unit.as_str()),
        ("4.253051", "tco2/tce")
    );
    assert_eq!(value(&figure.denominator), "122.900000");
    let mut asked = get(NAME, year(2022));
    asked.denominator = "gross_output".to_owned();
    let refused = world.indicators.get_carbon_per_energy(asked).await;
    assert_eq!(refused.expect_err("its own").code(), Code::InvalidArgument);
    world.stop().await;
}

fn statistic(series: &str, period: pb::period::Period, amount: &str, base: &str) -> pb::Statistic {
    pb::Statistic {
        series: series.to_owned(),
        price_base: base.to_owned(),
        ..value_added(PARK, "e", period, amount)
    }
}

#[tokio::test]
async fn energy_is_told_per_gross_output_and_per_product() {
    let mut world = world_of(QuerySettings::default(), &[("electricity", "1000000")]).await;
    let other = one_day("f", day("2022-03-01"), &[("electricity", "5000")]);
    world.seal(PARK, &[other], 1, With::Totals).await;
    let steel = statistic("product:crude_steel", year(2022), "500", "");
    let output = statistic("gross_output", year(2022), "400", "constant-2020");
    world.declare(PARK, vec![steel, output]).await;
    let ask = async |world: &mut World, name: &str, denominator: &str| {
        let mut asked = get(name, year(2022));
        asked.denominator = denominator.to_owned();
        world.indicators.get_energy_intensity(asked).await
    };
    let per_output = ask(&mut world, NAME, "gross_output").await;
    let per_output = per_output.expect("a figure").into_inner();
    assert_eq!(
        (per_output.value.as_str(), per_output.unit.as_str()),
        ("0.307250", "tce/10k-yuan")
    );
    assert_eq!(per_output.denominator_series, "gross_output");
    let per_tonne = ask(&mut world, "parks/p", "product:crude_steel").await;
    let per_tonne = per_tonne.expect("a figure").into_inner();
    // Only who makes steel is counted.
    assert_eq!(
        (per_tonne.value.as_str(), per_tonne.unit.as_str()),
        ("0.245800", "tce/t")
    );
    assert_eq!(per_tonne.enterprises, [NAME]);
    assert!(per_tonne.price_base.is_empty());
    let refused = ask(&mut world, NAME, "profit")
        .await
        .expect_err("no series");
    assert!(
        refused.message().contains("product:NAME"),
        "{}",
        refused.message()
    );
    let bad = statistic("product:crude_steel", year(2023), "500", "current");
    let bad = pb::DeclareStatisticsRequest {
        parent: "parks/p".to_owned(),
        statistics: vec![bad],
        recorded_by: "test".to_owned(),
        evidence: String::new(),
    };
    let refused = world
        .registry
        .declare_statistics(bad)
        .await
        .expect_err("no money");
    assert!(
        refused.message().contains("price_base"),
        "{}",
        refused.message()
    );
    world.stop().await;
}

async fn deflate(world: &mut World, form: &str, of: i32, value: &str) {
    let request = pb::DeclareDeflatorsRequest {
        parent: "parks/-".to_owned(),
        deflators: vec![pb::Deflator {
            form: form.to_owned(),
            year: of,
            base: "constant-2020".to_owned(),
            value: value.to_owned(),
            industry: String::new(),
        }],
        recorded_by: "bureau".to_owned(),
        evidence: "yearbook".to_owned(),
    };
    let taken = world.registry.declare_deflators(request).await;
    assert_eq!(taken.expect("taken").into_inner().recorded, 1);
}

#[tokio::test]
async fn nominal_value_added_needs_a_declared_deflator() {
    let mut world = World::new().await;
    let of = one_day("e", day("2022-03-01"), &[("electricity", "1000000")]);
    world.seal(PARK, &[of], 1, With::Totals).await;
    let nominal = statistic("value_added", year(2022), "110", "current");
    world.declare(PARK, vec![nominal]).await;
    let mixed = world
        .indicators
        .get_energy_intensity(get(NAME, year(2022)))
        .await;
    let mixed = mixed.expect_err("other prices");
    assert!(
        mixed.message().contains("declare a deflator"),
        "{}",
        mixed.message()
    );
    deflate(&mut world, "price-index", 2022, "1.1").await;
    let figure = energy(&mut world).await;
    assert_eq!(
        (figure.value.as_str(), value(&figure.denominator)),
        ("1.229000", "100")
    );
    let told = |note: &String| note.contains("price index 1.1 of 2022");
    assert!(figure.notes.iter().any(told), "{:?}", figure.notes);
    assert_eq!(figure.status(), pb::PeriodStatus::Final);
    let month = days("2022-03-01", "2022-03-31");
    let part = world.energy(NAME, month).await;
    assert_eq!(part.status(), pb::PeriodStatus::Operational);
    world.stop().await;
}

#[tokio::test]
async fn method_b_value_added_follows_from_the_base_year_by_real_growth() {
    let mut world = World::new().await;
    let of = one_day("e", day("2022-03-01"), &[("electricity", "1000000")]);
    world.seal(PARK, &[of], 1, With::Totals).await;
    let base = statistic("value_added", year(2020), "100", "current");
    world.declare(PARK, vec![base]).await;
    deflate(&mut world, "real-growth", 2021, "10").await;
    let lacking = energy(&mut world).await;
    assert_eq!(lacking.value, "");
    deflate(&mut world, "real-growth", 2022, "-5").await;
    let figure = energy(&mut world).await;
    // 100 × 1.10 × 0.95.
    assert_eq!(value(&figure.denominator), "104.5");
    world.stop().await;
}
