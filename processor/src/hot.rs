//! Which hot files of a day to merge as they pile up. Pure.
//!
//! Files stand in the order of their offsets, and a merged one takes the place of its parts, so only
//! neighbours are merged: the newest ones, and older ones while they are not much larger. A row is then
//! rewritten a logarithmic number of times.

use crate::settings::HOT_FILES_MAX;

/// A file is merged along if it has at most this many times the rows of all newer ones.
const GROWTH: u64 = 4;

/// How many of the newest files to merge with `new_rows` that are about to be written; `rows` are those
/// of the existing files, oldest first. None while there are few.
pub(crate) fn files_to_merge(rows: &[u64], new_rows: u64) -> usize {
    if rows.len() < HOT_FILES_MAX {
        return 0;
    }
    let mut newer = new_rows;
    let mut count = 0;
    for &file in rows.iter().rev() {
        let small = file <= newer.saturating_mul(GROWTH);
        if !small && count >= HOT_FILES_MAX / 2 {
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

    #[test]
    fn few_files_are_left_alone() {
        assert_eq!(files_to_merge(&[1; HOT_FILES_MAX - 1], 1), 0);
    }

    #[test]
    fn a_row_is_rewritten_seldom_and_files_stay_few() {
        let (mut files, mut written, mut most): (Vec<u64>, u64, usize) = (Vec::new(), 0, 0);
        for _flush in 0..17_280 {
            let count = files_to_merge(&files, 80);
            let merged: u64 = files.drain(files.len() - count..).sum();
            files.push(merged + 80);
            written += merged + 80;
            most = most.max(files.len());
        }
        assert!(most <= 3 * HOT_FILES_MAX, "{most} files");
        assert!(
            written / (17_280 * 80) <= 12,
            "each row written {} times",
            written / (17_280 * 80)
        );
    }
}
