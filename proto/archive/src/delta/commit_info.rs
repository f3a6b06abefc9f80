//! Our part of an entry's commitInfo: the marks, and a note beside them. Each entry repeats all of both.

use std::collections::BTreeMap;

use serde_json::Value;

/// What it is called.
pub(crate) const OURS: &str = "greenpark";
/// What the marks in it are called.
pub(crate) const MARKS: &str = "marks";
/// What the note in it is called.
pub(crate) const NOTE: &str = "note";

/// Our part of the commitInfo with which an entry begins; `None` where another program wrote it.
pub(crate) fn ours_in(entry: &[u8]) -> Result<Option<Value>, serde_json::Error> {
    let first = entry.split(|&byte| byte == b'\n').next();
    let mut info: Value = serde_json::from_slice(first.unwrap_or_default())?;
    let ours = info
        .get_mut("commitInfo")
        .and_then(|info| info.get_mut(OURS));
    Ok(ours
        .filter(|ours| ours.get(MARKS).is_some_and(Value::is_object))
        .map(Value::take))
}

/// The marks in our part of an entry.
pub(crate) fn marks_of(ours: &Value) -> BTreeMap<String, i64> {
    let marks = ours.get(MARKS).and_then(Value::as_object);
    let marks = marks.into_iter().flatten();
    marks
        .filter_map(|(name, mark)| Some((name.clone(), mark.as_i64()?)))
        .collect()
}
