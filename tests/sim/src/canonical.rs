//! The digest of a lake: equal for two runs of the same seed.
//!
//! The digest covers the bytes of each data file. It covers a log entry of a table as JSON with sorted keys,
//! because Delta keeps parts of it in hash maps, and without the fields that come from the process:
//! - the time and the random id of a table's creation (`metaData.createdTime` and `.id`), which deltalake makes,
//! - the name of the writer and the count of its entries (`commitInfo.greenpark.writer` and `.entry`),
//! - the digest of an entry with those fields (`commitInfo.greenpark.note.entry`).
//!
//! It covers only the names of checkpoints and their hints, because they repeat the entries.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::run::hex;

/// The fields that the digest leaves out, by action.
const LEFT_OUT_FIELDS: [(&str, &[&str]); 2] =
    [("commitInfo", &[]), ("metaData", &["id", "createdTime"])];

/// Computes the digest of `files`, a map from path to content.
pub(crate) fn digest_lake(files: &BTreeMap<String, Bytes>) -> String {
    let mut digest = Sha256::new();
    for (path, bytes) in files {
        digest.update(path.as_bytes());
        if !path.contains("/_delta_log/") {
            digest.update(bytes);
        } else if path.ends_with(".json") {
            for line in bytes.split(|&byte| byte == b'\n') {
                digest.update(canonical(line).as_bytes());
            }
        }
    }
    hex(&digest.finalize())
}

/// A line of a log entry without the fields that are left out, with sorted keys.
fn canonical(line: &[u8]) -> String {
    let Ok(mut action) = serde_json::from_slice::<Value>(line) else {
        return String::from_utf8_lossy(line).into_owned();
    };
    for (name, fields) in LEFT_OUT_FIELDS {
        if let Some(body) = action.get_mut(name).and_then(Value::as_object_mut) {
            fields.iter().for_each(|field| drop(body.remove(*field)));
            if let Some(ours) = body.get_mut("greenpark").and_then(Value::as_object_mut) {
                drop((ours.remove("writer"), ours.remove("entry")));
                if let Some(note) = ours.get_mut("note").and_then(Value::as_object_mut) {
                    drop(note.remove("entry"));
                }
            }
        }
    }
    let mut text = String::new();
    write_sorted(&action, &mut text);
    text
}

/// Writes `value` with sorted keys, independent of the order that the map keeps.
fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            for key in keys {
                text.push_str(key);
                text.push(':');
                write_sorted(&map[key], text);
                text.push(',');
            }
        }
        Value::Array(items) => items.iter().for_each(|item| {
            write_sorted(item, text);
            text.push(';');
        }),
        other => text.push_str(&other.to_string()),
    }
}
