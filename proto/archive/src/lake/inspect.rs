//! Checks of a lake's books. Nothing is repaired and nothing is written.

use std::{collections::HashMap, fmt};

use futures::TryStreamExt as _;
use greenpark_model::{day::Instant, id::ParkId};
use object_store::path::Path;

use crate::{
    book::{Consumed, Tables},
    error::LakeReadError,
    lake::Lake,
    snapshot::{Extent, Reader, Snapshot},
    tables::consumed::consumed_of,
};

/// A book as its log records it.
#[derive(Debug, Clone)]
pub struct BookInspection {
    /// Its files.
    pub snapshot: Snapshot,
    /// How far each partition of the log has been consumed into it. More than one means that the park has
    /// moved.
    pub consumed: Vec<Consumed>,
    /// When its newest version was made, by the clock of its writer.
    pub committed_at: Instant,
}

/// A file that a book names and that is missing or has another size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Astray {
    /// The path within the lake.
    pub path: String,
    /// The size in bytes that the book records.
    pub size: u64,
    /// The size it has; `None` if it is gone.
    pub found: Option<u64>,
}

impl fmt::Display for Astray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, size) = (&self.path, self.size);
        match self.found {
            Some(found) => write!(f, "{path} has {found} of {size} bytes"),
            None => write!(f, "{path} is gone"),
        }
    }
}

impl Lake {
    /// Reads the newest state of a book from its log anew; `None` if there is no book.
    ///
    /// # Errors
    /// [`LakeReadError`] if its log cannot be read.
    pub async fn inspect(
        &self,
        park: &ParkId,
        year: i16,
    ) -> Result<Option<BookInspection>, LakeReadError> {
        let readings = Tables::of(self.storage(), park, year).readings;
        let Some(snapshot) = Reader::new(self.storage(), park, year)
            .load(Extent::Whole)
            .await?
        else {
            return Ok(None);
        };
        let txns = readings.txns_at(snapshot.readings_version).await?;
        Ok(Some(BookInspection {
            consumed: consumed_of(&txns),
            committed_at: readings.made_at(snapshot.readings_version).await?,
            snapshot,
        }))
    }

    /// Checks the packed entries of a book's logs. Its past is read from them and from the entries that are not
    /// packed.
    ///
    /// # Errors
    /// [`LakeReadError`] if any is gone or damaged.
    pub async fn check_past(&self, park: &ParkId, year: i16) -> Result<(), LakeReadError> {
        let tables = Tables::of(self.storage(), park, year);
        tables.readings.check_past().await?;
        tables.totals.check_past().await?;
        tables.rollups.check_past().await
    }

    /// The files of `snapshot` that are gone or have another size than it records. The store is listed once.
    ///
    /// # Errors
    /// [`LakeReadError`] if the store cannot be listed.
    pub async fn astray(&self, snapshot: &Snapshot) -> Result<Vec<Astray>, LakeReadError> {
        let readings = snapshot.files.iter().map(|file| (&file.path, file.size));
        let totals = snapshot.totals_files.iter();
        let totals = totals.map(|file| (&file.path, file.size));
        let mut astray = self.compare(snapshot.readings_root(), readings).await?;
        astray.extend(self.compare(snapshot.totals_root(), totals).await?);
        let rollups = snapshot.rollups_files.iter();
        let rollups = rollups.map(|file| (&file.path, file.size));
        astray.extend(self.compare(snapshot.rollups_root(), rollups).await?);
        Ok(astray)
    }

    /// The number of files of a park's numbered messages, and those that are gone or have another size.
    ///
    /// # Errors
    /// [`LakeReadError`] if the table cannot be read, or the store cannot be listed.
    pub async fn astray_messages(
        &self,
        park: &ParkId,
    ) -> Result<(usize, Vec<Astray>), LakeReadError> {
        let mut table = self.messages(park);
        let named = table.file_sizes().await?;
        self.compare_all(table.root(), &named).await
    }

    /// The same for the dead letters of a park.
    ///
    /// # Errors
    /// [`LakeReadError`] if the table cannot be read, or the store cannot be listed.
    pub async fn astray_letters(
        &self,
        park: &ParkId,
    ) -> Result<(usize, Vec<Astray>), LakeReadError> {
        let mut table = self.letters(park);
        let named = table.file_sizes().await?;
        self.compare_all(table.root(), &named).await
    }

    /// The same for the access log.
    ///
    /// # Errors
    /// [`LakeReadError`] if the table cannot be read, or the store cannot be listed.
    pub async fn astray_access_log(&self) -> Result<(usize, Vec<Astray>), LakeReadError> {
        let mut table = self.access_log();
        let named = table.file_sizes().await?;
        self.compare_all(table.root(), &named).await
    }

    /// The number of `named` files of the table at `root`, and those that are astray.
    async fn compare_all(
        &self,
        root: String,
        named: &[(String, u64)],
    ) -> Result<(usize, Vec<Astray>), LakeReadError> {
        let each = named.iter().map(|(path, size)| (path, *size));
        Ok((named.len(), self.compare(root, each).await?))
    }

    async fn compare<'a>(
        &self,
        root: String,
        named: impl Iterator<Item = (&'a String, u64)>,
    ) -> Result<Vec<Astray>, LakeReadError> {
        let listed = self.store().list(Some(&Path::from(root.as_str())));
        let listed = listed
            .map_ok(|found| (found.location.to_string(), found.size))
            .try_collect::<HashMap<String, u64>>();
        let listed = listed.await.map_err(|source| LakeReadError::Store {
            path: root.clone(),
            source,
        })?;
        let astray = named.filter_map(|(path, size)| {
            let path = format!("{root}/{path}");
            let found = listed.get(&path).copied();
            (found != Some(size)).then_some(Astray { path, size, found })
        });
        Ok(astray.collect())
    }
}

#[cfg(test)]
mod tests {
    use greenpark_model::{log_position::Partition, numbers::Numbers};

    use super::*;
    use crate::{
        fixture::{day, enterprise, flush, hot, park, registers},
        tables::messages::{GatewayEpoch, Messages},
    };

    #[tokio::test]
    async fn a_book_reports_what_it_consumed_and_which_files_are_astray() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().to_str().expect("text");
        let lake = Lake::open(root, greenpark_runtime::clock::system())
            .await
            .expect("a lake");
        let none = lake.inspect(&park(), 2026).await.expect("readable");
        assert!(none.is_none());
        let mut book = lake.book(&park(), 2026).await.expect("a book");
        let day = day("2026-11-22");
        for offset in 1..=3 {
            let rows = registers(day, &["steel"], 20 + i64::try_from(offset).expect("small"));
            let change = flush(hot(&rows, day, offset), offset + 1);
            let _ = book.publish(change).await.expect("published");
        }
        let inspect = async || {
            let found = lake.inspect(&park(), 2026).await.expect("readable");
            found.expect("a book")
        };
        let found = inspect().await;
        let consumed = Consumed::up_to(Partition::FIRST, 4);
        assert_eq!(found.consumed, [consumed]);
        assert!(found.committed_at > Instant::from_millis(1_577_836_800_000));
        let astray = lake.astray(&found.snapshot).await.expect("listed");
        assert_eq!(astray, []);
        let place = |n: usize| {
            let path = &found.snapshot.files[n].path;
            let root = found.snapshot.readings_root();
            folder.path().join(root).join(path)
        };
        std::fs::remove_file(place(0)).expect("there");
        let torn = std::fs::File::options().write(true).open(place(2));
        torn.and_then(|file| file.set_len(7)).expect("there");
        let astray = lake.astray(&found.snapshot).await.expect("listed");
        let found: Vec<_> = astray.iter().map(|file| file.found).collect();
        assert_eq!(found, [None, Some(7)], "{astray:?}");
    }

    #[tokio::test]
    async fn a_file_of_messages_that_is_gone_is_astray() {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = Lake::open(
            folder.path().to_str().expect("text"),
            greenpark_runtime::clock::system(),
        )
        .await;
        let lake = lake.expect("a lake");
        let none = lake.astray_messages(&park()).await.expect("readable");
        assert_eq!(none, (0, Vec::new()));
        let of = GatewayEpoch {
            enterprise: enterprise("steel"),
            gateway: "g1".parse().expect("an id"),
            epoch: 7,
        };
        let mut numbers = Numbers::default();
        numbers.insert(1, 5);
        let mut messages = Messages::default();
        messages.insert(&of, day("2026-11-22"), &numbers);
        let added = lake.messages(&park()).add(&messages, 0).await;
        assert!(added.expect("added"));
        let whole = lake.astray_messages(&park()).await.expect("readable");
        assert_eq!(whole, (1, Vec::new()));
        let table = folder.path().join("east/messages");
        let file = std::fs::read_dir(table).expect("a table");
        let mut file = file.map(|file| file.expect("a file").path());
        let file = file.find(|path| path.extension().is_some_and(|ext| ext == "parquet"));
        std::fs::remove_file(file.expect("a file")).expect("removed");
        let (named, astray) = lake.astray_messages(&park()).await.expect("readable");
        assert_eq!((named, astray.len()), (1, 1));
        assert!(astray[0].to_string().ends_with(" is gone"), "{astray:?}");
    }
}
