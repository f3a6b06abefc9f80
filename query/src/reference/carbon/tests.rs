//! The built-in carbon set against METHOD (e), and files that are wrong.

use greenpark_model::carbon::{Fallback, Region};

use super::*;

fn factor(set: &CarbonSet, medium: Medium, place: &str, on: &str) -> String {
    let region: Region = place.parse().expect("a region");
    set.find(medium, &region, on.parse().expect("a day"))
        .expect("a factor")
        .tco2_per_unit
        .normalize()
        .to_string()
}

/// Public code has swapped 2021 and 2022; here each factor applies to each day of its own year.
#[test]
fn method_e_grid_factors_stand_on_the_days_of_their_years() {
    let set = load(&[]).expect("built in");
    for (place, year, expected) in [
        ("national", 2021, "0.0005568"),
        ("national", 2022, "0.0005366"),
        ("national", 2023, "0.0005306"),
        ("chongqing", 2022, "0.0005227"),
        ("chongqing", 2023, "0.0005581"),
    ] {
        for end in ["01-01", "12-31"] {
            let on = format!("{year}-{end}");
            assert_eq!(factor(&set, Medium::Electricity, place, &on), expected);
        }
    }
    for factor in &set.grid {
        assert_eq!(factor.valid_from.year(), factor.year);
        assert_eq!(factor.valid_to.map(|last| last.year()), Some(factor.year));
        assert!(factor.published.year() > factor.year);
        assert!(factor.source.starts_with('['), "{}", factor.source);
    }
}

#[test]
fn method_e_fuels_stand_in_their_canonical_units() {
    let set = load(&[]).expect("built in");
    for (medium, expected) in [
        (Medium::NaturalGas, "0.00216219"),
        (Medium::Diesel, "3.0959"),
        (Medium::Gasoline, "2.9251"),
        (Medium::Lpg, "3.1013"),
        (Medium::Lng, "2.8313"),
        (Medium::FuelOil, "3.1705"),
        (Medium::Coke, "2.8604"),
        (Medium::RawCoal, "1.7417"),
        (Medium::Heat, "0.00011"),
        (Medium::Steam, "0.304"),
    ] {
        assert_eq!(factor(&set, medium, "national", "2024-06-30"), expected);
    }
    for fuel in &set.fuels {
        match fuel.composition {
            Some(parts) => assert!(parts.rounds_to(fuel.tco2_per_unit), "{fuel:?}"),
            None => assert!(
                [Medium::Heat, Medium::Steam].contains(&fuel.medium),
                "{fuel:?}"
            ),
        }
    }
}

#[test]
fn a_year_that_is_not_published_is_an_error_or_marked() {
    let set = load(&[]).expect("built in");
    let chongqing = "chongqing".parse().expect("a region");
    let on = |day: &str| day.parse().expect("a day");
    let strict = set.find(Medium::Electricity, &chongqing, on("2024-06-30"));
    assert!(strict.is_err());
    let fallback = |day: &str| {
        set.find_or_fall_back(Medium::Electricity, &chongqing, on(day))
            .expect("a fallback")
            .fallback
    };
    assert_eq!(
        fallback("2024-06-30"),
        Some(Fallback::EarlierYear { year: 2023 })
    );
    assert_eq!(
        fallback("2021-06-30"),
        Some(Fallback::National { year: 2021 })
    );
}

const OURS: &str = "id = \"ours\"\n[[grid]]\nregion = \"chongqing\"\nyear = 2024\n\
                    kg_per_kwh = \"0.5500\"\nvalid_from = \"2024-01-01\"\nvalid_to = \"2024-12-31\"\n\
                    published = \"2026-06-30\"\nstatus = \"C\"\nsource = \"notice\"\n";

#[test]
fn an_operators_year_is_added_and_changes_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("carbon.toml");
    std::fs::write(&file, OURS).expect("written");
    let before = load(&[]).expect("built in");
    let after = load(&[file]).expect("read");
    assert_eq!(after.id, format!("ours+{}", before.id));
    assert_eq!(
        factor(&after, Medium::Electricity, "chongqing", "2024-06-30"),
        "0.00055"
    );
    for on in ["2022-01-01", "2022-12-31", "2023-06-30"] {
        let figure = |set| factor(set, Medium::Electricity, "chongqing", on);
        assert_eq!(figure(&before), figure(&after));
    }
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    let again = OURS.replace("id = \"ours\"\n", "");
    let text = format!(
        "{OURS}{again}[[grid]]\nregion = \"Chongqing\"\nyear = 1999\nkg_per_kwh = 0.5\n\
         [[fuel]]\nmedium = \"diesel\"\ntitle = \"柴油\"\nunit = \"kWh\"\ntco2_per_unit = \"3.0960\"\n\
         lhv_gj = \"42.652\"\ncarbon_t_per_tj = \"20.2\"\noxidation = \"0.98\"\n\
         valid_from = \"2000-01-01\"\nstatus = \"C2\"\nsource = \"guide\"\n"
    );
    let error = parse(&text, "carbon.toml").expect_err("wrong").to_string();
    for told in [
        "'carbon.toml': ",
        "grid 2, valid_from: grid 1 holds for chongqing on these days",
        "grid 3, region: 'Chongqing' is no region",
        "grid 3, year: 1999 is no year",
        "grid 3, kg_per_kwh: is of type float, not a text",
        "grid 3, valid_from: is missing",
        "grid 3, published: is missing",
        "grid 3, status: is missing",
        "fuel 1, unit: 'kWh' is not t or a multiple of it",
        "fuel 1, tco2_per_unit: 3.0960 is not lhv_gj",
    ] {
        assert!(error.contains(told), "{told}\n{error}");
    }
    assert!(matches!(
        parse("id = ", "carbon.toml"),
        Err(FileError::Parse { .. })
    ));
}

/// METHOD (j): a life-cycle factor is another quantity.
#[test]
fn method_j_a_carbon_footprint_factor_is_refused_as_a_grid_factor_by_name() {
    let entry = |source: &str| {
        format!(
            "id = \"ours\"\n[[grid]]\nregion = \"national\"\nyear = 2024\nkg_per_kwh = \"0.5777\"\n\
             valid_from = \"2024-01-01\"\nvalid_to = \"2024-12-31\"\npublished = \"2025-12-01\"\n\
             status = \"C2\"\nsource = \"{source}\"\n"
        )
    };
    assert!(parse(&entry("MEE and NBS, notice"), "c.toml").is_ok());
    for source in [
        "2024年全国电力平均碳足迹因子",
        "national electricity carbon footprint factor",
        "life cycle of electricity",
    ] {
        let told = parse(&entry(source), "c.toml").expect_err("refused");
        let FileError::Wrong { mistakes, .. } = &told else {
            panic!("a mistake of the file: {told}");
        };
        let mistake = &mistakes.all()[0];
        assert_eq!(
            (mistake.entry.as_str(), mistake.field.as_str()),
            ("grid 1", "source")
        );
        assert!(mistake.problem.contains("[[grid]]"), "{mistake}");
        assert!(
            mistake.problem.contains("电力二氧化碳排放因子"),
            "{mistake}"
        );
    }
    let listed = "id = \"ours\"\n[[footprint]]\nkg_per_kwh = \"0.6205\"\n";
    let told = parse(listed, "c.toml").expect_err("refused").to_string();
    assert!(told.contains("footprint 1, footprint: names"), "{told}");
    let named = entry("notice").replace("\"ours\"", "\"electricity-footprint-2024\"");
    let told = parse(&named, "c.toml").expect_err("refused").to_string();
    assert!(told.contains("id: names 'footprint'"), "{told}");
}
