//! How a table gets its columns: all of them when it is created, and new ones when a file first has them.

use std::collections::HashSet;

use deltalake_core::{
    StructType,
    kernel::{Action, Metadata, Protocol, new_metadata},
};
use serde_json::{Value, json};

use super::{NewData, Null, Table};
use crate::error::LibraryError;

impl Table {
    /// The actions that create a table. History is evidence: a program that honors the table's settings does
    /// not delete its log. Checkpoints name a removed file only as long as its entry stays in the log; by
    /// default they name it for a week.
    pub(super) fn creation_actions(&self) -> Result<[Action; 2], LibraryError> {
        let schema = structure(self.fields().collect())?;
        let kept = self.storage.log_bounds().kept_ms / 1_000;
        let settings = [
            ("delta.enableExpiredLogCleanup", "false".to_owned()),
            ("delta.checkpointInterval", "100".to_owned()),
            (
                "delta.deletedFileRetentionDuration",
                format!("interval {kept} seconds"),
            ),
        ];
        let metadata = new_metadata(&schema, self.shape.partition.iter(), settings)?;
        let protocol: Protocol =
            serde_json::from_value(json!({ "minReaderVersion": 1, "minWriterVersion": 2 }))?;
        Ok([Action::Protocol(protocol), Action::Metadata(metadata)])
    }

    /// The table's metadata with every column of its shape, if it lacks one that a file of `add` has. Its
    /// identity, its settings and its columns stay. Files that lack a column read as null, so nothing is
    /// rewritten.
    pub(super) fn evolved_metadata(
        &self,
        metadata: Option<&Metadata>,
        add: &[NewData],
    ) -> Result<Option<Metadata>, LibraryError> {
        let mut needs = add.iter().flat_map(|file| &file.more_columns).peekable();
        let (Some(metadata), Some(_)) = (metadata, needs.peek()) else {
            return Ok(None);
        };
        let mut metadata = serde_json::to_value(metadata)?;
        let schema = metadata.get("schemaString").and_then(Value::as_str);
        let schema: Value = serde_json::from_str(schema.unwrap_or_default())?;
        let has = schema.get("fields").and_then(Value::as_array);
        let has = has.cloned().unwrap_or_default();
        let names: HashSet<&str> = has.iter().filter_map(name_of).collect();
        if needs.all(|name| names.contains(*name)) {
            return Ok(None);
        }
        let new: Vec<Value> = self
            .fields()
            .filter(|field| name_of(field).is_some_and(|name| !names.contains(name)))
            .collect();
        let schema = structure(has.iter().cloned().chain(new).collect())?;
        metadata["schemaString"] = Value::String(serde_json::to_string(&schema)?);
        Ok(Some(serde_json::from_value(metadata)?))
    }

    /// The columns of the shape, as a schema lists them.
    fn fields(&self) -> impl Iterator<Item = Value> {
        self.shape.columns.iter().map(|(name, kind, null)| {
            json!({ "name": name, "type": kind, "nullable": *null == Null::Allowed, "metadata": {} })
        })
    }
}

fn name_of(field: &Value) -> Option<&str> {
    field.get("name")?.as_str()
}

fn structure(fields: Vec<Value>) -> Result<StructType, LibraryError> {
    Ok(serde_json::from_value(
        json!({ "type": "struct", "fields": fields }),
    )?)
}
