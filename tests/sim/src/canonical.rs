//! The digest of a lake, in a form that two runs of one seed share.
//!
//! Data files count by their bytes. An entry of a table's log counts as JSON with sorted keys, for Delta
//! keeps some of it in hash maps, and without what the archive takes from the process and not from its
//! callers: the system's time (`commitInfo.timestamp`, `add.modificationTime`,
//! `remove.deletionTimestamp`, `txn.lastUpdated`, `metaData.createdTime`), the table's random id
//! (`metaData.id`), and the writer's name and the count of its entries (`commitInfo.greenpark.writer` and
//! `.entry`), and the digest of an entry with all that (`commitInfo.greenpark.note.entry`). Checkpoints and their hint say again what the entries say, and count by their names.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::run::hex;

/// What is left out, by action.
const LEFT_OUT: [(&str, &[&str]); 5] = [
    ("commitInfo", &["timestamp"]),
    ("add", &["modificationTime"]),
    ("remove", &["deletionTimestamp"]),
    ("txn", &["lastUpdated"]),
    ("metaData", &["id", "createdTime"]),
];

/// The digest of `files`, by path.
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

/// A line of an entry without what is left out; keys are sorted, for a JSON map of ours is.
fn canonical(line: &[u8]) -> String {
    let Ok(mut action) = serde_json::from_slice::<Value>(line) else {
        return String::from_utf8_lossy(line).into_owned();
    };
    for (name, fields) in LEFT_OUT {
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
    sorted(&action, &mut text);
    text
}

/// Writes `value` with the keys of every object in order, whatever order the map keeps.
fn sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            for key in keys {
                text.push_str(key);
                text.push(':');
                sorted(&map[key], text);
                text.push(',');
            }
        }
        Value::Array(items) => items.iter().for_each(|item| {
            sorted(item, text);
            text.push(';');
        }),
        other => text.push_str(&other.to_string()),
    }
}
