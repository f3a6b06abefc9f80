//! A book that an earlier version began gets the columns of this version's files.

use serde_json::Value;

use super::*;
use crate::fixture::registers;
use greenpark_model::ticket::Ticket;
use greenpark_runtime::clock;

/// The columns in the metadata action of an entry of the readings' log, and the table's id; `None` if the entry
/// has no such action.
fn metadata(folder: &std::path::Path, version: i64) -> Option<(Vec<String>, String)> {
    let path = format!("east/2026/readings/_delta_log/{version:020}.json");
    let entry = std::fs::read_to_string(folder.join(path)).expect("an entry");
    let actions = entry
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let metadata = actions
        .filter_map(|action: Value| action.get("metaData").cloned())
        .next()?;
    let schema: Value =
        serde_json::from_str(metadata["schemaString"].as_str().expect("text")).expect("JSON");
    let fields = schema["fields"].as_array().expect("fields").iter();
    let names = fields.map(|field| field["name"].as_str().expect("a name").to_owned());
    let id = metadata["id"].as_str().expect("an id").to_owned();
    Some((names.collect(), id))
}

/// Rewrites the table's first entry to that of a version without tickets and late readings.
fn age(folder: &std::path::Path) {
    let path = folder.join("east/2026/readings/_delta_log/00000000000000000000.json");
    let entry = std::fs::read_to_string(&path).expect("an entry");
    let older = |line: &str| {
        let mut action: Value = serde_json::from_str(line).expect("JSON");
        if let Some(metadata) = action.get_mut("metaData") {
            let schema = metadata["schemaString"].as_str().expect("text");
            let mut schema: Value = serde_json::from_str(schema).expect("JSON");
            let fields = schema["fields"].as_array_mut().expect("fields");
            fields.truncate(fields.len() - 3);
            metadata["schemaString"] = schema.to_string().into();
        }
        format!("{action}\n")
    };
    let older: String = entry.lines().map(older).collect();
    std::fs::write(path, older).expect("written");
}

#[tokio::test]
async fn an_older_table_gets_its_new_columns_with_the_first_file_that_has_them() {
    let (folder, lake) = local().await;
    let day = day("2026-11-22");
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let rows = registers(day, &["steel"], 24);
    let _ = book
        .publish(flush(hot(&rows, day, 1), 2))
        .await
        .expect("published");
    age(folder.path());
    let (old, id) = metadata(folder.path(), 0).expect("a table begins with one");
    assert!(!old.contains(&"ticket".to_owned()), "{old:?}");

    // Files with the old columns need nothing.
    let lake = Lake::open(folder.path().to_str().expect("text"), clock::system())
        .await
        .expect("a lake");
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let _ = book
        .publish(flush(hot(&registers(day, &["glass"], 24), day, 2), 3))
        .await
        .expect("published");
    assert_eq!(metadata(folder.path(), 1), None);

    let mut ticketed = registers(day, &["tin"], 24);
    ticketed.tickets = vec![(3, Ticket::new("7").expect("a number"))];
    let _ = book
        .publish(flush(hot(&ticketed, day, 3), 4))
        .await
        .expect("published");
    let (new, same) = metadata(folder.path(), 2).expect("the columns came");
    assert_eq!(new[..old.len()], old);
    assert_eq!(
        new[old.len()..],
        ["ticket", "late_received", "late_gateway"]
    );
    assert_eq!(same, id);

    // Only once, and a newly opened table knows it.
    let mut book = lake.book(&park(), 2026).await.expect("a book");
    let mut more = ticketed.clone();
    more.values[0] += 1;
    let _ = book
        .publish(flush(hot(&more, day, 4), 5))
        .await
        .expect("published");
    assert_eq!(metadata(folder.path(), 3), None);
    let state: TableState<ReadingsFile> = book.readings.load_at(3).await.expect("readable");
    assert!(state.metadata.is_some());
    let read = book.files().last().cloned().expect("a file");
    let read = book.read(&read).await.expect("readable");
    assert_eq!(read.tickets, ticketed.tickets);
}
