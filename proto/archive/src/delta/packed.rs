//! The packed form of a log's entries: which files were added and removed, and when.
//!
//! Hot files are deleted soon after their table removes them, so nobody can read them again. In their place one
//! *stand-in* per day is kept: a name that no file has. It is in the table from the first hot file of the day
//! to the last. A reader of an instant in between finds the stand-in missing, as it would find the hot files
//! missing. All other files are kept exactly.
//!
//! The text is lines of JSON: a head, then one change per line.

use std::collections::{BTreeMap, HashMap};

use greenpark_model::day::Instant;
use serde::{Deserialize, Serialize};

use crate::delta::state::TableFile;

/// The format of the text.
const FORMAT: u32 = 1;

/// The changes of the versions from 0 up to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed {
    /// The last version whose changes are here.
    pub(super) upto: i64,
    /// By version; the first version is always among them.
    pub(super) changes: BTreeMap<i64, PackedChange>,
}

/// The change of one version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PackedChange {
    /// When it was made, in milliseconds.
    pub(super) made_at: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) add: Vec<PackedFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) remove: Vec<String>,
}

/// A file that was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackedFile {
    pub(super) path: String,
    pub(crate) size: u64,
    pub(crate) rows: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: u32,
    upto: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    version: i64,
    #[serde(flatten)]
    change: PackedChange,
}

/// A range of versions, each with its instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    from: (i64, i64),
    to: (i64, i64),
}

impl Packed {
    /// The packed form of a log of which nothing is packed yet.
    pub(super) const fn nothing() -> Self {
        Self {
            upto: -1,
            changes: BTreeMap::new(),
        }
    }

    /// Replaces files that were added, removed and deleted with stand-ins.
    pub(super) fn stand_in<F: TableFile>(&mut self) {
        let stand_in = |path: &str| F::parse(path, 0, 0).and_then(|file| file.stand_in());
        let mut added: HashMap<String, (i64, i64)> = HashMap::new();
        let mut spans: BTreeMap<String, Vec<Span>> = BTreeMap::new();
        let mut removed_in: HashMap<String, i64> = HashMap::new();
        for (&version, change) in &self.changes {
            let at = (version, change.made_at);
            for path in &change.remove {
                if let Some((from, stand_in)) = added.remove(path).zip(stand_in(path)) {
                    let span = Span { from, to: at };
                    spans.entry(stand_in).or_default().push(span);
                    removed_in.insert(path.clone(), version);
                }
            }
            let transient = change.add.iter().filter(|f| stand_in(&f.path).is_some());
            for file in transient {
                added.entry(file.path.clone()).or_insert(at);
            }
        }
        for (&version, change) in &mut self.changes {
            // Files that still exist stay, even if one of the same name was removed before.
            change.add.retain(|file| {
                removed_in
                    .get(&file.path)
                    .is_none_or(|went| *went <= version)
            });
            change.remove.retain(|path| !removed_in.contains_key(path));
        }
        for (path, spans) in spans {
            for span in joined(spans) {
                self.change_at(span.from).add.push(PackedFile {
                    path: path.clone(),
                    size: 0,
                    rows: 0,
                });
                self.change_at(span.to).remove.push(path.clone());
            }
        }
        let first = self.changes.first_key_value().map(|(first, _)| *first);
        self.changes.retain(|version, change| {
            Some(*version) == first || !change.add.is_empty() || !change.remove.is_empty()
        });
    }

    fn change_at(&mut self, (version, made_at): (i64, i64)) -> &mut PackedChange {
        self.changes.entry(version).or_insert(PackedChange {
            made_at,
            ..PackedChange::default()
        })
    }

    /// The last change at or before `at`, and the files after it; `None` before the first change.
    pub(crate) fn as_of(&self, at: Instant) -> Option<(i64, BTreeMap<&str, &PackedFile>)> {
        let mut files = BTreeMap::new();
        let mut last = None;
        for (version, change) in &self.changes {
            if change.made_at > at.millis() {
                break;
            }
            for path in &change.remove {
                files.remove(path.as_str());
            }
            files.extend(change.add.iter().map(|file| (file.path.as_str(), file)));
            last = Some(*version);
        }
        last.map(|version| (version, files))
    }

    /// Returns true if the writer's clock makes the state at `at` unknowable: a change that was made later
    /// comes before one that was made by then.
    pub(crate) fn is_unclear(&self, at: Instant) -> bool {
        let mut later = self
            .changes
            .values()
            .skip_while(|change| change.made_at <= at.millis());
        later.any(|change| change.made_at <= at.millis())
    }

    /// The versions after `version`, each with its instant and the files it added.
    pub(crate) fn added_after(
        &self,
        version: i64,
    ) -> impl Iterator<Item = (i64, Instant, impl Iterator<Item = &str>)> {
        let changes = self.changes.range(version.saturating_add(1)..);
        changes.map(|(&version, change)| {
            let files = change.add.iter().map(|file| file.path.as_str());
            (version, Instant::from_millis(change.made_at), files)
        })
    }

    /// The last version whose changes are here.
    pub(crate) const fn upto(&self) -> i64 {
        self.upto
    }

    /// When the first change of `version` or a later one was made; `None` if there is none.
    pub(crate) fn made_at(&self, version: i64) -> Option<Instant> {
        let (_, change) = self.changes.range(version..).next()?;
        Some(Instant::from_millis(change.made_at))
    }

    pub(super) fn to_text(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = Vec::new();
        let head = Head {
            format: FORMAT,
            upto: self.upto,
        };
        serde_json::to_writer(&mut text, &head)?;
        text.push(b'\n');
        for (&version, change) in &self.changes {
            let change = change.clone();
            serde_json::to_writer(&mut text, &Line { version, change })?;
            text.push(b'\n');
        }
        Ok(text)
    }

    pub(super) fn from_text(text: &[u8]) -> serde_json::Result<Self> {
        let mut lines = text
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty());
        let head: Head = serde_json::from_slice(lines.next().unwrap_or_default())?;
        if head.format != FORMAT {
            let message = format!("its form is {}, and {FORMAT} is known", head.format);
            return Err(serde::de::Error::custom(message));
        }
        let mut changes = BTreeMap::new();
        for line in lines {
            let line: Line = serde_json::from_slice(line)?;
            changes.insert(line.version, line.change);
        }
        Ok(Self {
            upto: head.upto,
            changes,
        })
    }
}

/// Joins spans that touch.
fn joined(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.from.0 <= last.to.0 => last.to = last.to.max(span.to),
            _ => joined.push(span),
        }
    }
    joined
}
