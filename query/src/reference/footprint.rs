//! Refuses electricity carbon-footprint factors (电力碳足迹因子) in place of a grid factor.
//!
//! A footprint factor counts the whole life cycle of electricity: fuel supply, plants, lines. A grid factor counts
//! the emissions of generation. Both have the same unit and similar values, so only the name distinguishes them. A
//! file that names a footprint factor is refused, and the mistake says what to write instead.

use crate::reference::data_file::Entry;

/// The names of a footprint factor in files, in lower case.
const NAMES: &[&str] = &[
    "footprint",
    "碳足迹",
    "life cycle",
    "life-cycle",
    "lifecycle",
    "life_cycle",
    "生命周期",
];

/// The error for a footprint factor in place of a grid factor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "names '{name}': an electricity carbon-footprint factor (电力碳足迹因子) counts the whole life cycle and is no \
     grid factor; write the grid's mean emission factor of the year (电力二氧化碳排放因子), as MEE and NBS publish \
     it, in [[grid]]"
)]
pub struct FootprintFactor {
    /// The word that names the footprint factor.
    pub name: &'static str,
}

/// Refuses a text that names a footprint factor.
///
/// # Errors
/// [`FootprintFactor`] with the word that names it.
pub(crate) fn check(text: &str) -> Result<(), FootprintFactor> {
    let small = text.to_lowercase();
    match NAMES.iter().find(|name| small.contains(**name)) {
        Some(name) => Err(FootprintFactor { name }),
        None => Ok(()),
    }
}

/// Notes every field of `entry` that names a footprint factor in its name or its text; returns true if there is one.
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
            let message = check(text).expect_err("named").to_string();
            assert!(message.contains("电力二氧化碳排放因子"), "{message}");
        }
        assert_eq!(check("MEE and NBS, notice 33/2024; public code"), Ok(()));
    }
}
