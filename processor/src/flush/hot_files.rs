//! Decides which hot files of a day are merged. Pure.
//!
//! Files are ordered by offset, and a merged file replaces its parts, so only neighbours are merged: the newest files,
//! and older ones while they are not much larger. So a row is rewritten a logarithmic number of times.

/// Hot files of one day at which merging begins.
const HOT_FILES_MAX: usize = 12;
/// A file is merged if it has at most this many times the rows of all newer files.
const GROWTH: u64 = 4;

/// Returns how many of the newest files to merge with `new_rows` new rows; `rows` lists the rows of the existing
/// files, oldest first. Returns 0 while there are few files. No merged file has more than `rows_max` rows; a file of
/// more than half of `rows_max`, and all older ones, are never merged.
pub(crate) fn files_to_merge(rows: &[u64], new_rows: u64, rows_max: u64) -> usize {
    let full = rows.iter().rposition(|&file| file > rows_max / 2);
    let rows = &rows[full.map_or(0, |at| at + 1)..];
    if rows.len() < HOT_FILES_MAX {
        return 0;
    }
    let mut newer = new_rows;
    let mut count = 0;
    for &file in rows.iter().rev() {
        let small = file <= newer.saturating_mul(GROWTH);
        let few = count < HOT_FILES_MAX / 2;
        if newer.saturating_add(file) > rows_max || !(small || few) {
            break;
        }
        newer = newer.saturating_add(file);
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates `count` flushes of `new` rows. Returns the remaining files, the highest number of files, and the rows
    /// written.
    fn flushes(count: u64, new: u64, rows_max: u64) -> (Vec<u64>, usize, u64) {
        let (mut files, mut written, mut most): (Vec<u64>, u64, usize) = (Vec::new(), 0, 0);
        for _flush in 0..count {
            let along = files_to_merge(&files, new, rows_max);
            let merged: u64 = files.drain(files.len() - along..).sum();
            files.push(merged + new);
            written += merged + new;
            most = most.max(files.len());
        }
        (files, most, written)
    }

    #[test]
    fn few_files_are_left_alone() {
        assert_eq!(files_to_merge(&[1; HOT_FILES_MAX - 1], 1, 1_000), 0);
    }

    #[test]
    fn a_row_is_rewritten_seldom_and_files_stay_few() {
        let (_, most, written) = flushes(17_280, 80, u64::MAX);
        assert!(most <= 3 * HOT_FILES_MAX, "{most} files");
        let times = written / (17_280 * 80);
        assert!(times <= 12, "each row written {times} times");
    }

    #[test]
    fn no_file_is_made_of_more_rows_than_may_be_in_memory() {
        let rows_max = 100_000;
        let (files, most, written) = flushes(17_280, 80, rows_max);
        assert!(files.iter().all(|&file| file <= rows_max), "{files:?}");
        let whole = usize::try_from(17_280 * 80 / (rows_max / 2)).expect("small");
        assert!(most <= whole + 3 * HOT_FILES_MAX, "{most} files");
        let times = written / (17_280 * 80);
        assert!(times <= 12, "each row written {times} times");
        // Larger flushes stay files of their own.
        assert_eq!(files_to_merge(&[900; 20], 900, 1_000), 0);
    }
}
