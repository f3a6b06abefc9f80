//! In which portions a day of many rows is sealed, so that memory does not grow with it. Pure.

use std::collections::BTreeMap;

use greenpark_model::id::EnterpriseId;

/// A portion of a day.
#[derive(Debug)]
pub(crate) struct Portion {
    /// The first and the last of its enterprises, which are neighbours; `None` for all.
    pub(crate) between: Option<(EnterpriseId, EnterpriseId)>,
    /// Rows it has at most.
    pub(crate) rows: u64,
    /// Whether no portion of the day came before.
    pub(crate) is_first: bool,
    /// Whether no further portion of the day comes.
    pub(crate) is_last: bool,
}

impl Portion {
    /// The whole day, of at most `rows` rows.
    pub(crate) fn whole(rows: u64) -> Self {
        Self {
            between: None,
            rows,
            is_first: true,
            is_last: true,
        }
    }
}

/// Portions of neighbouring enterprises that have at most `rows_max` rows each, or are one enterprise.
pub(crate) fn portions_of(rows: BTreeMap<EnterpriseId, u64>, rows_max: u64) -> Vec<Portion> {
    let mut ranges: Vec<(EnterpriseId, EnterpriseId, u64)> = Vec::new();
    for (enterprise, count) in rows {
        match ranges.last_mut() {
            Some((_, last, filled)) if *filled + count <= rows_max => {
                *last = enterprise;
                *filled += count;
            }
            _ => ranges.push((enterprise.clone(), enterprise, count)),
        }
    }
    let count = ranges.len();
    let portions = ranges.into_iter().enumerate();
    portions
        .map(|(at, (first, last, rows))| Portion {
            between: Some((first, last)),
            rows,
            is_first: at == 0,
            is_last: at + 1 == count,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(rows: &[(&str, u64)], rows_max: u64) -> Vec<(String, String, bool)> {
        let rows = rows
            .iter()
            .map(|(name, rows)| (EnterpriseId::new(name).expect("an id"), *rows));
        portions_of(rows.collect(), rows_max)
            .into_iter()
            .map(|portion| {
                let (first, last) = portion.between.expect("not the whole day");
                (first.to_string(), last.to_string(), portion.is_last)
            })
            .collect()
    }

    #[test]
    fn neighbours_share_a_portion_up_to_the_bound_and_a_large_one_has_its_own() {
        let rows = [("a", 40), ("b", 60), ("c", 1), ("d", 500), ("e", 7)];
        let told = |first: &str, last: &str, is_last| (first.to_owned(), last.to_owned(), is_last);
        assert_eq!(
            ranges(&rows, 100),
            [
                told("a", "b", false),
                told("c", "c", false),
                told("d", "d", false),
                told("e", "e", true)
            ]
        );
        assert_eq!(ranges(&rows, 1_000), [told("a", "e", true)]);
    }
}
