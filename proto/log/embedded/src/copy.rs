//! A copy of the log's file, made by a read transaction: a file that is copied while it is open is no log.

use std::path::Path;

use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};

use super::{
    EmbeddedLog, LogFileSettings,
    store::{CHUNKS, COMMITTED, LETTERS, META, SEEN, Store, StoreError},
};
use greenpark_log::error::OpenError;

/// Bytes of records that are written at once.
const PORTION_BYTES: usize = 64 << 20;

impl EmbeddedLog {
    /// Copies the log in `folder`, which nothing may have open, to the file `to`, which must not be there.
    ///
    /// # Errors
    /// [`OpenError`]: another process has the log open, one of the files cannot be used, or the disk refuses.
    pub fn copy(folder: &Path, settings: LogFileSettings, to: &Path) -> Result<(), OpenError> {
        let (store, _contents) = Store::open(folder, settings.partitions, settings.cache_bytes)?;
        let copied = store.with(|from| {
            let to = Database::create(to).map_err(redb::Error::from)?;
            copy_chunks(from, &to)?;
            copy_table(from, &to, COMMITTED)?;
            copy_table(from, &to, LETTERS)?;
            copy_table(from, &to, SEEN)?;
            // Last: a file without a format is none.
            copy_table(from, &to, META)
        });
        copied.map_err(|error| OpenError::File {
            path: to.display().to_string(),
            cause: Box::new(error),
        })
    }
}

/// Copies the records in portions, so that no transaction holds all of them in memory.
fn copy_chunks(from: &Database, to: &Database) -> Result<(), StoreError> {
    let chunks: ReadOnlyTable<_, _> = from.begin_read()?.open_table(CHUNKS)?;
    let mut pairs = chunks.iter()?.peekable();
    while pairs.peek().is_some() {
        let transaction = to.begin_write()?;
        {
            let mut table = transaction.open_table(CHUNKS)?;
            let mut bytes = 0;
            while bytes < PORTION_BYTES {
                let Some(pair) = pairs.next() else { break };
                let (key, chunk) = pair?;
                bytes += chunk.value().len();
                table.insert(key.value(), chunk.value())?;
            }
        }
        transaction.commit()?;
    }
    Ok(())
}

fn copy_table<K: redb::Key + 'static, V: redb::Value + 'static>(
    from: &Database,
    to: &Database,
    definition: TableDefinition<'static, K, V>,
) -> Result<(), StoreError> {
    let of = from.begin_read()?.open_table(definition)?;
    let transaction = to.begin_write()?;
    {
        let mut table = transaction.open_table(definition)?;
        for pair in of.iter()? {
            let (key, value) = pair?;
            table.insert(key.value(), value.value())?;
        }
    }
    transaction.commit()?;
    Ok(())
}
