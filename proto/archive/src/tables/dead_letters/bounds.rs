//! Decides which files of a park's letters are joined and which are dropped. Pure.
//!
//! New letters are joined to the newest files as long as these are small. So a letter is written a few times,
//! and an enterprise has a few files. None grows beyond an eighth of the bound: whole files are dropped, so
//! seven eighths of the bound stay.

use std::collections::BTreeMap;

use greenpark_model::id::EnterpriseId;

use super::{Letters, file::LettersFile};

/// The bounds on kept letters. An enterprise always keeps its newest file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Letters of one enterprise.
    pub enterprise_letters: u64,
    /// Bytes of the files of one enterprise.
    pub enterprise_bytes: u64,
    /// Bytes of the files of one park.
    pub park_bytes: u64,
}

/// A joined file has at most this fraction of an enterprise's bounds.
const SHARES: u64 = 8;

/// The plan for the letters of one enterprise.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// New letters.
    pub(super) new: Letters,
    /// Files to join with them, the oldest first.
    pub(super) join: Vec<LettersFile>,
    /// Files to drop; only their counts stay.
    pub(super) drop: Vec<LettersFile>,
    /// Files that stay unchanged, the oldest first.
    keep: Vec<LettersFile>,
}

impl Plan {
    /// Returns true if nothing is to be written.
    pub(super) fn is_idle(&self) -> bool {
        self.new.kept.is_empty() && self.drop.is_empty()
    }

    /// The letters and bytes after the plan.
    fn size(&self) -> (u64, u64) {
        let files = self.keep.iter().chain(&self.join);
        let start = (self.new.kept.len() as u64, self.new.bytes());
        files.fold(start, |(letters, bytes), file| {
            (letters + file.letters, bytes + file.size)
        })
    }

    /// Moves the oldest file with letters to the dropped files; returns false if no file has letters.
    fn drop_oldest(&mut self) -> bool {
        for files in [&mut self.keep, &mut self.join] {
            if let Some(oldest) = files.iter().position(|file| file.letters > 0) {
                self.drop.push(files.remove(oldest));
                return true;
            }
        }
        false
    }

    /// Returns true if letters are left after one more file is dropped.
    fn has_several(&self) -> bool {
        let files = self.keep.iter().chain(&self.join);
        let holding = files.filter(|file| file.letters > 0).count();
        holding > usize::from(self.new.kept.is_empty())
    }

    fn of(mut new: Letters, mut files: Vec<LettersFile>, bounds: &Bounds) -> Self {
        files.sort_by_key(|file| file.version);
        let most = usize::try_from(bounds.enterprise_letters.max(1)).unwrap_or(usize::MAX);
        new.drop_first(new.kept.len().saturating_sub(most));
        let mut excess = new.bytes().saturating_sub(bounds.enterprise_bytes);
        let mut count = 0;
        for letter in new.kept.iter().take(new.kept.len().saturating_sub(1)) {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(super::weight(letter));
            count += 1;
        }
        new.drop_first(count);
        let (mut letters, mut bytes) = (new.kept.len() as u64, new.bytes());
        let mut join = Vec::new();
        while let Some(file) = files.pop_if(|file| {
            let fits = letters + file.letters <= bounds.enterprise_letters / SHARES
                && bytes + file.size <= bounds.enterprise_bytes / SHARES;
            // A file that holds nothing but counts is joined, too.
            fits && file.letters <= letters.saturating_mul(2)
        }) {
            letters += file.letters;
            bytes += file.size;
            join.push(file);
        }
        join.reverse();
        let mut plan = Self {
            new,
            join,
            drop: Vec::new(),
            keep: files,
        };
        while exceeds(plan.size(), bounds) && plan.drop_oldest() {}
        plan
    }
}

fn exceeds((letters, bytes): (u64, u64), bounds: &Bounds) -> bool {
    letters > bounds.enterprise_letters || bytes > bounds.enterprise_bytes
}

/// Plans, for each enterprise, the changes for `new` letters and the existing `files`.
pub(super) fn plan(
    mut new: BTreeMap<EnterpriseId, Letters>,
    files: impl Iterator<Item = LettersFile>,
    bounds: &Bounds,
) -> BTreeMap<EnterpriseId, Plan> {
    let mut there: BTreeMap<EnterpriseId, Vec<LettersFile>> = BTreeMap::new();
    for file in files {
        there.entry(file.enterprise.clone()).or_default().push(file);
    }
    for enterprise in new.keys() {
        there.entry(enterprise.clone()).or_default();
    }
    let mut plans: BTreeMap<EnterpriseId, Plan> = BTreeMap::new();
    for (enterprise, mut files) in there {
        let plan = match new.remove(&enterprise) {
            Some(new) => Plan::of(new, files, bounds),
            None => {
                files.sort_by_key(|file| file.version);
                Plan {
                    keep: files,
                    ..Plan::default()
                }
            }
        };
        plans.insert(enterprise, plan);
    }
    let mut total: u64 = plans.values().map(|plan| plan.size().1).sum();
    while total > bounds.park_bytes {
        let largest = plans.values_mut().filter(|plan| plan.has_several());
        let Some(plan) = largest.max_by_key(|plan| plan.size().1) else {
            break;
        };
        let before = plan.size().1;
        plan.drop_oldest();
        total -= before - plan.size().1;
    }
    plans.retain(|_, plan| !plan.is_idle());
    plans
}
