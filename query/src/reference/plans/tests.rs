//! The plans that ship against METHOD (f) and (g) and the parks' policy, and files that are wrong.

use super::*;

#[test]
fn the_parks_plan_is_built_in() {
    let plans = load(&[]).expect("built in");
    let (plan, price_base) = plans.find(DEFAULT).expect("the default plan");
    assert_eq!((plan.base_year, plan.end_year), (2020, 2025));
    assert_eq!(price_base, PriceBase::Constant(2020));
    let forms: Vec<_> = plan.targets.iter().map(|t| (t.indicator, t.form)).collect();
    assert_eq!(
        forms,
        [
            (
                Indicator::EnergyIntensity,
                TargetForm::Fall(Decimal::from(16))
            ),
            (
                Indicator::WaterIntensity,
                TargetForm::Fall(Decimal::from(20))
            ),
            (
                Indicator::WasteUtilization,
                TargetForm::Floor(Decimal::from(70))
            ),
        ]
    );
}

#[test]
fn a_further_plan_needs_no_code_and_one_of_the_same_id_replaces_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plan.toml");
    let next = BUILT_IN
        .replace("id = \"chongqing-parks-14fyp\"", "id = \"a-next\"")
        .replace("base_year = 2020", "base_year = 2025")
        .replace("end_year = 2025", "end_year = 2030");
    std::fs::write(&file, &next).expect("written");
    let plans = load(std::slice::from_ref(&file)).expect("read");
    assert_eq!(
        plans
            .all()
            .iter()
            .map(|p| p.id.as_str())
            .collect::<Vec<_>>(),
        ["a-next", DEFAULT]
    );
    std::fs::write(&file, next.replace("a-next", DEFAULT)).expect("written");
    let plans = load(std::slice::from_ref(&file)).expect("read");
    assert_eq!(plans.find(DEFAULT).expect("replaced").0.base_year, 2025);
    std::fs::write(&file, next.replace("end_year = 2030", "end_year = 2024")).expect("written");
    assert!(load(&[file]).is_err());
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

/// The requirements of section two of the parks' policy that no meter measures.
#[test]
fn the_parks_plan_declares_the_unmetered_requirements_of_its_policy() {
    let plans = load(&[]).expect("built in");
    let forms: Vec<_> = plans.declared(DEFAULT).iter().map(|d| d.form).collect();
    let at_least = |text: &str| declared::Criterion::AtLeast(decimal(text));
    assert_eq!(
        forms,
        [
            declared::Criterion::YearlyGrowth(decimal("6.5")),
            at_least("86"),
            at_least("37"),
            at_least("60"),
            at_least("2.2"),
            at_least("55"),
            at_least("70"),
            at_least("65"),
            declared::Criterion::Count(10),
            declared::Criterion::Count(18),
            declared::Criterion::Count(50),
            declared::Criterion::Count(500),
            declared::Criterion::Count(30),
        ]
    );
    for entry in plans.declared(DEFAULT) {
        assert_eq!((entry.measured, entry.scale), (None, None), "{}", entry.id);
        assert!(!entry.title.is_ascii(), "{}", entry.id);
    }
}

#[test]
fn method_g_plans_of_the_city_and_the_ministry() {
    let plans = load_all(&[]).expect("shipped");
    let falls = |id: &str| -> Vec<TargetForm> {
        let (plan, price_base) = plans.find(id).expect("a plan");
        assert_eq!((plan.base_year, plan.end_year), (2020, 2025));
        assert_eq!(price_base, PriceBase::Constant(2020));
        plan.targets.iter().map(|target| target.form).collect()
    };
    let fall = |text: &str| TargetForm::Fall(decimal(text));
    assert_eq!(
        falls("chongqing-city-2022-2025"),
        [fall("14.5"), fall("15")]
    );
    assert_eq!(falls("miit-14fyp"), [fall("13.5"), fall("16")]);
    let of_the_ministry = |id: &str| {
        let found = plans.declared("miit-14fyp").iter().find(|d| d.id == id);
        let found = found.expect("declared");
        (found.form, found.measured)
    };
    assert_eq!(
        of_the_ministry("carbon-intensity"),
        (declared::Criterion::Fall(decimal("18")), None)
    );
    // It is reached by the end year, not kept in every year as the parks' 70 % are.
    assert_eq!(
        of_the_ministry("bulk-waste-utilization"),
        (
            declared::Criterion::AtLeast(decimal("57")),
            Some(Indicator::WasteUtilization)
        )
    );
    assert_eq!(plans.declared("unknown"), []);
    assert_eq!(plans.all().len(), 4);
}

#[test]
fn method_f_zero_carbon_parks_have_a_ceiling_by_their_scale() {
    let plans = load_all(&[]).expect("shipped");
    let (plan, _) = plans.find("zero-carbon-parks").expect("a plan");
    assert_eq!(plan.base_year, 2025);
    let ceiling = |tce: &str| -> Vec<declared::Criterion> {
        let all = plans.declared("zero-carbon-parks").iter();
        all.filter(|d| d.scale.is_some_and(|scale| scale.binds(decimal(tce))))
            .map(|d| d.form)
            .collect()
    };
    assert_eq!(ceiling("199999"), []);
    assert_eq!(
        ceiling("200000"),
        [declared::Criterion::AtMost(decimal("0.20"))]
    );
    assert_eq!(
        ceiling("1000000"),
        [declared::Criterion::AtMost(decimal("0.30"))]
    );
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    let text = "id = \"x\"\ntitle = \"\"\nbase_year = 2025\nend_year = 2025\n\
                price_base = \"nominal\"\nodd = 1\n\
                [[target]]\nindicator = \"energy\"\nform = \"rise\"\npercent = \"101\"\n\
                [[target]]\nindicator = \"energy-intensity\"\nform = \"fall\"\npercent = \"100\"\n\
                [[declared]]\nid = \"a\"\ntitle = \"甲\"\nunit = \"percent\"\nform = \"count\"\n\
                value = \"1.5\"\nbelow_tce = \"1\"\nstatus = \"C\"\nsource = \"s\"\n\
                [[declared]]\nid = \"b\"\ntitle = \"乙\"\nunit = \"t\"\nform = \"fall\"\n\
                value = \"18\"\nstatus = \"C\"\nsource = \"s\"\n\
                [[declared]]\nid = \"b\"\ntitle = \"丙\"\nunit = \"t\"\nform = \"at-least\"\n\
                value = \"18\"\nstatus = \"C\"\nsource = \"s\"\n";
    let error = parse(text, "plan.toml").expect_err("wrong");
    let told = error.to_string();
    for mistake in [
        "'plan.toml': title: is empty; source: is missing; price_base: unknown price base 'nominal'",
        "end_year: is not after base_year, 2025",
        "odd: is unknown",
        "target 1, indicator: 'energy' is no indicator",
        "target 1, percent: '101' is no decimal above 0 up to 100",
        "target 1, form: 'rise' is neither fall nor floor",
        "target 2, form: a fall is below 100 per cent",
        "declared 1, form: a count is a whole number, and value is 1.5",
        "declared 1, below_tce: has no from_tce to begin at",
        "declared 2, unit: is 't', but the form is in percent",
        "declared 3, id: 'b' is the id of declared 2 already",
    ] {
        assert!(told.contains(mistake), "{mistake}\n{told}");
    }
    let FileError::Wrong { mistakes, .. } = error else {
        panic!("not told as mistakes: {error}");
    };
    assert_eq!(mistakes.all().len(), 13);
}

#[test]
fn a_plan_without_requirements_is_refused() {
    let head = BUILT_IN.split("[[").next().expect("a head");
    let told = parse(head, "plan.toml").expect_err("nothing").to_string();
    assert!(told.contains("target: is missing"), "{told}");
}
