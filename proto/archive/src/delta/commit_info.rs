//! Our part of an entry's commitInfo: the transactions, and a note beside them, which each entry repeats; and the digests
//! of its own sealed files.

use std::collections::BTreeMap;

use serde_json::Value;

/// The key of our part.
pub(crate) const OURS: &str = "greenpark";
/// The key of the transactions in it.
pub(crate) const TXNS: &str = "marks";
/// The key of the digests in it: those of the sealed files that the entry adds, in its order. Other entries do not
/// repeat them.
pub(crate) const DIGESTS: &str = "sha256";
/// The key of the note in it.
pub(crate) const NOTE: &str = "note";

/// Our part of the commitInfo with which an entry begins; `None` if another program wrote it.
pub(crate) fn ours_in(entry: &[u8]) -> Result<Option<Value>, serde_json::Error> {
    let first = entry.split(|&byte| byte == b'\n').next();
    let mut info: Value = serde_json::from_slice(first.unwrap_or_default())?;
    let ours = info
        .get_mut("commitInfo")
        .and_then(|info| info.get_mut(OURS));
    Ok(ours
        .filter(|ours| ours.get(TXNS).is_some_and(Value::is_object))
        .map(Value::take))
}

/// The digests in our part of an entry.
pub(crate) fn digests_of(ours: &Value) -> impl Iterator<Item = &str> {
    let digests = ours.get(DIGESTS).and_then(Value::as_array);
    digests.into_iter().flatten().filter_map(Value::as_str)
}

/// The transactions in our part of an entry.
pub(crate) fn txns_of(ours: &Value) -> BTreeMap<String, i64> {
    let txns = ours.get(TXNS).and_then(Value::as_object);
    let txns = txns.into_iter().flatten();
    txns.filter_map(|(name, version)| Some((name.clone(), version.as_i64()?)))
        .collect()
}
