//! Divides a day of many rows into chunks that are sealed one by one, so that memory stays bounded. Pure.

use std::collections::BTreeMap;

use greenpark_model::id::EnterpriseId;

/// A range of enterprises of one day that is sealed at once.
#[derive(Debug)]
pub(crate) struct SealChunk {
    /// First and last enterprise of the range; `None` for all enterprises.
    pub(crate) between: Option<(EnterpriseId, EnterpriseId)>,
    /// Upper bound of its rows.
    pub(crate) rows: u64,
    /// True for the first chunk of the day.
    pub(crate) is_first: bool,
    /// True for the last chunk of the day.
    pub(crate) is_last: bool,
}

impl SealChunk {
    /// One chunk for the whole day, of at most `rows` rows.
    pub(crate) fn whole(rows: u64) -> Self {
        Self {
            between: None,
            rows,
            is_first: true,
            is_last: true,
        }
    }
}

/// Groups neighbouring enterprises into chunks of at most `rows_max` rows; a larger enterprise is a chunk of its own.
pub(crate) fn chunks_of(rows: BTreeMap<EnterpriseId, u64>, rows_max: u64) -> Vec<SealChunk> {
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
    let chunks = ranges.into_iter().enumerate();
    chunks
        .map(|(at, (first, last, rows))| SealChunk {
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
        chunks_of(rows.collect(), rows_max)
            .into_iter()
            .map(|chunk| {
                let (first, last) = chunk.between.expect("not the whole day");
                (first.to_string(), last.to_string(), chunk.is_last)
            })
            .collect()
    }

    #[test]
    fn neighbours_share_a_chunk_up_to_the_bound_and_a_large_enterprise_has_its_own() {
        let rows = [("a", 40), ("b", 60), ("c", 1), ("d", 500), ("e", 7)];
        let range = |first: &str, last: &str, is_last| (first.to_owned(), last.to_owned(), is_last);
        assert_eq!(
            ranges(&rows, 100),
            [
                range("a", "b", false),
                range("c", "c", false),
                range("d", "d", false),
                range("e", "e", true)
            ]
        );
        assert_eq!(ranges(&rows, 1_000), [range("a", "e", true)]);
    }
}
