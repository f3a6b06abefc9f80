//! Which hot files of a day to merge as they pile up. Pure.
//!
//! Files stand in the order of their offsets, and a merged one takes the place of its parts, so only
//! neighbours are merged: the newest ones, and older ones while they are not much larger. A row is then
//! rewritten a logarithmic number of times.

use crate::settings::HOT_FILES_MAX;

/// A file is merged along if it has at most this many times the rows of all newer ones.
const GROWTH: u64 = 4;

/// How many of the newest files to merge with `new_rows` that are about to be written; `rows` are those
/// of the existing files, oldest first. None while there are few. No file is made of more than `rows_max`
/// rows, and one of more than half of them rests with all that are older.
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

    /// Flushes of `new` rows; the files left, how many there were at most, and how many rows were written.
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
        // Flushes that are larger than that are files of their own.
        assert_eq!(files_to_merge(&[900; 20], 900, 1_000), 0);
    }
}
