//! Electricity carbon-footprint factors (电力碳足迹因子), which are refused where a grid factor is asked.
//!
//! A footprint factor counts the whole life cycle of electricity: fuel supply, plants, lines. A grid factor counts
//! what generation emits. The two have the same unit and are near each other, so nothing but their name tells
//! them apart: a file that names one is refused, and the mistake says what to write.

use crate::reference::data_file::Entry;

/// How files name a footprint factor, in small letters.
const NAMES: &[&str] = &[
    "footprint",
    "碳足迹",
    "life cycle",
    "life-cycle",
    "lifecycle",
    "life_cycle",
    "生命周期",
];

/// A footprint factor where a grid factor is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "names '{name}': an electricity carbon-footprint factor (电力碳足迹因子) counts the whole life cycle and is no \
     grid factor; write the grid's mean emission factor of the year (电力二氧化碳排放因子), as MEE and NBS publish \
     it, in [[grid]]"
)]
pub struct FootprintFactor {
    /// The word that names it.
    pub name: &'static str,
}

/// Refuses a text that names a footprint factor.
///
/// # Errors
/// [`FootprintFactor`] with the word that it has.
pub(crate) fn check(text: &str) -> Result<(), FootprintFactor> {
    let small = text.to_lowercase();
    match NAMES.iter().find(|name| small.contains(**name)) {
        Some(name) => Err(FootprintFactor { name }),
        None => Ok(()),
    }
}

/// Notes every field of `entry` that names a footprint factor, by its name or its text; whether there is one.
pub(crate) fn refuse(entry: &mut Entry<'_>) -> bool {
    let named: Vec<(String, String)> = entry
        .texts()
        .filter_map(|(field, text)| {
            let wrong = check(field).and_then(|()| check(text)).err()?;
            Some((field.to_owned(), wrong.to_string()))
        })
        .collect();
    let found = !named.is_empty();
    for (field, problem) in named {
        entry.wrong(&field, problem);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footprint_factor_is_known_by_its_name_in_both_languages() {
        for text in [
            "全国电力平均碳足迹因子",
            "Electricity carbon FOOTPRINT factor of 2024",
            "life-cycle inventory",
            "全生命周期",
        ] {
            let told = check(text).expect_err("named").to_string();
            assert!(told.contains("电力二氧化碳排放因子"), "{told}");
        }
        assert_eq!(check("MEE and NBS, notice 33/2024; public code"), Ok(()));
    }
}
