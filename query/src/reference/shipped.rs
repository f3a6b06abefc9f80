//! The data files that are shipped with the program, by their names under `query/data`.

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../data/", $name)))),*]
    };
}

/// Name and text of each.
pub(crate) const FILES: [(&str, &str); 14] = shipped![
    "assessment/assessment-2024.toml",
    "carbon/ghg-2025.toml",
    "factors/gbt-2589-2008.toml",
    "factors/gbt-2589-2020.toml",
    "forms/205-1.toml",
    "forms/waste-ledger.toml",
    "plans/chongqing-city-2022-2025.toml",
    "plans/chongqing-parks-14fyp.toml",
    "plans/miit-14fyp.toml",
    "plans/zero-carbon-parks.toml",
    "quality/on-line-monitoring.toml",
    "waste/bulk-ndrc-2021.toml",
    "waste/bulk-research-six.toml",
    "waste/catalogue.toml",
];
