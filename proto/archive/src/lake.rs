//! The lake: the folder, or the location in an object store, that holds every book.

pub mod inspect;
pub mod inventory;
mod snapshot_cache;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::FutureExt as _;
use greenpark_model::{clock::Clock, day::Instant, id::ParkId};
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path, prefix::PrefixStore};
use url::Url;

use snapshot_cache::Snapshots;

use crate::{
    book::{Book, Consumed, Tables},
    error::{LakeOpenError, LakeReadError},
    readings::file::ReadingsFile,
    reference::Reference,
    snapshot::{Extent, Reader, Snapshot},
    store::{Disk, LocalStore, LogBounds, Storage},
    tables::{
        access_log::AccessTable,
        consumed::consumed_of,
        dead_letters::{self, LettersTable},
        messages::MessagesTable,
        written::{Commits, WrittenTable, commits_at, commits_of},
    },
};

/// What the Delta transactions of a book record.
#[derive(Debug, Clone, Default)]
pub struct BookTxns {
    /// How far each partition of the log was consumed into it.
    pub consumed: Vec<Consumed>,
    /// The number of commits of the other tables of the partition at its last commit.
    pub commits_beside: Commits,
}

/// A lake. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    storage: Storage,
    snapshots: Mutex<Snapshots>,
    reference: Reference,
}

impl Lake {
    /// Opens the lake at `root`: a folder, which is created if it is missing, or the URL of an object store.
    /// Its commits are dated by `clock`.
    ///
    /// # Errors
    /// [`LakeOpenError`] if the location cannot be used.
    pub async fn open(root: &str, clock: Clock) -> Result<Self, LakeOpenError> {
        let folder = match Url::parse(root) {
            Ok(url) if url.scheme() == "file" => {
                url.to_file_path().unwrap_or_else(|()| root.into())
            }
            // A scheme of one letter is a drive.
            Ok(url) if url.scheme().len() > 1 => return Self::at_url(root, &url, clock),
            _ => PathBuf::from(root),
        };
        let opened = tokio::task::spawn_blocking(move || LocalStore::open(&folder)).await;
        let local = opened.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let local = local.map_err(|source| LakeOpenError::Folder {
            folder: root.to_owned(),
            source,
        })?;
        Ok(Self::on(Arc::new(local), clock))
    }

    fn at_url(root: &str, url: &Url, clock: Clock) -> Result<Self, LakeOpenError> {
        let (store, path) =
            object_store::parse_url(url).map_err(|source| LakeOpenError::Location {
                location: root.to_owned(),
                source: source.into(),
            })?;
        Ok(Self::over(Arc::new(PrefixStore::new(store, path)), clock))
    }

    /// The lake in `store`, which must keep every object and refuse to create an existing one.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>, clock: Clock) -> Self {
        Self::with(Storage::remote(store, clock))
    }

    /// The lake on `disk`, which makes files durable on request.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>, clock: Clock) -> Self {
        Self::with(Storage::disk(disk, clock))
    }

    /// The same lake, with `bounds` on the logs of its tables.
    #[must_use]
    pub fn with_log_bounds(&self, bounds: LogBounds) -> Self {
        Self::with(self.shared.storage.clone().with_log_bounds(bounds))
    }

    /// Bounds the cached snapshots to `bytes` together, except for a single larger one. A snapshot that is not
    /// cached and nowhere in use is read again on request.
    pub fn bound_snapshots(&self, bytes: usize) {
        self.snapshots().bound(bytes);
    }

    fn snapshots(&self) -> MutexGuard<'_, Snapshots> {
        let snapshots = self.shared.snapshots.lock();
        snapshots.unwrap_or_else(PoisonError::into_inner)
    }

    fn with(storage: Storage) -> Self {
        let reference = Reference::new(&storage);
        let shared = Shared {
            storage,
            snapshots: Mutex::default(),
            reference,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The store, rooted at the lake.
    #[must_use]
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(self.shared.storage.store())
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.shared.storage
    }

    /// The registry and the declarations.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.shared.reference
    }

    /// The numbered messages of a park.
    #[must_use]
    pub fn messages(&self, park: &ParkId) -> MessagesTable {
        MessagesTable::new(&self.shared.storage, park)
    }

    /// The dead letters of a park.
    #[must_use]
    pub fn letters(&self, park: &ParkId) -> LettersTable {
        LettersTable::new(&self.shared.storage, park)
    }

    /// The access log.
    #[must_use]
    pub fn access_log(&self) -> AccessTable {
        AccessTable::new(&self.shared.storage)
    }

    /// The parks that have dead letters, sorted. Some of the names may be no parks.
    ///
    /// # Errors
    /// [`LakeReadError`] if the lake cannot be listed.
    pub async fn letter_parks(&self) -> Result<Vec<ParkId>, LakeReadError> {
        let names = self.folders(Some(Path::from(dead_letters::ROOT))).await?;
        Ok(names.iter().filter_map(|n| ParkId::new(n).ok()).collect())
    }

    /// The parks that have a folder, sorted.
    ///
    /// # Errors
    /// [`LakeReadError`] if the lake cannot be listed.
    pub async fn parks(&self) -> Result<Vec<ParkId>, LakeReadError> {
        let names = self.folders(None).await?;
        // The lake's own tables have names that no park can have.
        Ok(names.iter().filter_map(|n| ParkId::new(n).ok()).collect())
    }

    /// The years of a park that have a folder, sorted.
    ///
    /// # Errors
    /// [`LakeReadError`] if the lake cannot be listed.
    pub async fn years(&self, park: &ParkId) -> Result<Vec<i16>, LakeReadError> {
        let names = self.folders(Some(Path::from(park.as_str()))).await?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    async fn folders(&self, within: Option<Path>) -> Result<Vec<String>, LakeReadError> {
        let listed = self
            .shared
            .storage
            .store()
            .list_with_delimiter(within.as_ref())
            .await;
        let path = within.map(String::from).unwrap_or_default();
        let listed = listed.map_err(|source| LakeReadError::Store { path, source })?;
        let folders = listed.common_prefixes.iter();
        let mut names: Vec<String> = folders
            .filter_map(|path| Some(path.filename()?.to_owned()))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Opens a book for its writer and repairs what a crash left half done. The first publish creates the
    /// tables.
    ///
    /// # Errors
    /// [`LakeOpenError`] if its state cannot be read or repaired.
    pub async fn book(&self, park: &ParkId, year: i16) -> Result<Book, LakeOpenError> {
        Book::open(&self.shared.storage, park, year).boxed().await
    }

    /// How far the log was consumed into every book of `park`.
    ///
    /// # Errors
    /// [`LakeReadError`] if a book's log cannot be read.
    pub async fn consumed(&self, park: &ParkId) -> Result<Vec<Consumed>, LakeReadError> {
        let txns = self.txns(park).await?.into_iter();
        Ok(txns.flat_map(|txns| txns.consumed).collect())
    }

    /// The number of commits of each table of `park` that is written from the log.
    ///
    /// # Errors
    /// [`LakeReadError`] if a table's log cannot be read.
    pub async fn commits(&self, park: &ParkId) -> Result<Commits, LakeReadError> {
        let mut commits = Commits::new();
        for year in self.years(park).await? {
            if let Some(snapshot) = self.brief(park, year).await? {
                let many = commits_at(snapshot.readings_version);
                commits.insert((park.clone(), WrittenTable::Book(year)), many);
            }
        }
        let messages = self.messages(park).commits().await?;
        commits.insert((park.clone(), WrittenTable::Messages), messages);
        Ok(commits)
    }

    /// What the Delta transactions of every book of `park` record.
    ///
    /// # Errors
    /// [`LakeReadError`] if a book's log cannot be read.
    pub async fn txns(&self, park: &ParkId) -> Result<Vec<BookTxns>, LakeReadError> {
        let mut txns = Vec::new();
        for year in self.years(park).await? {
            if let Some(snapshot) = self.brief(park, year).await? {
                let readings = Tables::of(&self.shared.storage, park, year).readings;
                let of_book = readings.txns_at(snapshot.readings_version).await?;
                txns.push(BookTxns {
                    consumed: consumed_of(&of_book),
                    commits_beside: commits_of(&of_book),
                });
            }
        }
        Ok(txns)
    }

    /// The newest state of a book; `None` if there is no book. A repeated call costs two reads of the log if
    /// nothing has changed, and otherwise reads what has changed.
    ///
    /// # Errors
    /// [`LakeReadError`] if the log cannot be read.
    pub async fn snapshot(
        &self,
        park: &ParkId,
        year: i16,
    ) -> Result<Option<Arc<Snapshot>>, LakeReadError> {
        self.newest(park, year, Extent::Whole).await
    }

    /// The newest state of a book [in brief](Snapshot::is_brief); `None` if there is no book. Its cost grows
    /// with what was added since the last rollup, not with the number of sealed days.
    ///
    /// # Errors
    /// [`LakeReadError`] if the log cannot be read.
    pub async fn brief(
        &self,
        park: &ParkId,
        year: i16,
    ) -> Result<Option<Arc<Snapshot>>, LakeReadError> {
        self.newest(park, year, Extent::Brief).await
    }

    /// The state of `of` with every file named.
    ///
    /// # Errors
    /// [`LakeReadError`] if the log cannot be read.
    pub async fn whole(&self, of: &Arc<Snapshot>) -> Result<Arc<Snapshot>, LakeReadError> {
        if !of.is_brief() {
            return Ok(Arc::clone(of));
        }
        let newest = self.snapshot(&of.park, of.year).await?;
        if let Some(newest) = newest.filter(|now| now.readings_version == of.readings_version) {
            return Ok(newest);
        }
        let reader = Reader::new(&self.shared.storage, &of.park, of.year);
        Ok(Arc::new(reader.whole(of).boxed().await?))
    }

    async fn newest(
        &self,
        park: &ParkId,
        year: i16,
        extent: Extent,
    ) -> Result<Option<Arc<Snapshot>>, LakeReadError> {
        let key = (park.clone(), year, extent);
        let slot = self.snapshots().slot(&key, &self.shared.storage);
        let mut newest = slot.newest.lock().await;
        let known = newest.known.upgrade();
        let found = match &known {
            Some(old) => slot.reader.follow(old, extent).boxed().await?,
            None => slot.reader.load(extent).boxed().await?,
        };
        let Some(now) = found.map(Arc::new).or(known) else {
            return Ok(None);
        };
        let is_kept = newest
            .kept
            .as_ref()
            .is_some_and(|kept| Arc::ptr_eq(kept, &now));
        if !is_kept {
            newest.known = Arc::downgrade(&now);
            newest.kept = Some(Arc::clone(&now));
            self.snapshots().note(&key, now.bytes());
        }
        Ok(Some(now))
    }

    /// The state of a book at `at`; `None` if there was no book yet. Files that were hot then may be gone: see
    /// [`missing`](Self::missing).
    ///
    /// # Errors
    /// [`LakeReadError`] if the log cannot be read, or was cleaned by another program.
    pub async fn snapshot_as_of(
        &self,
        park: &ParkId,
        year: i16,
        at: Instant,
    ) -> Result<Option<Arc<Snapshot>>, LakeReadError> {
        let Some(newest) = self.brief(park, year).await? else {
            return Ok(None);
        };
        let reader = Reader::new(&self.shared.storage, park, year);
        let then = reader.load_as_of(&newest, at).boxed().await?;
        Ok(then.map(Arc::new))
    }

    /// When the newest commit to a book was made, by the clock of its writer; `None` if there is no book. Reads
    /// the last year of each park; ignores a book that cannot be read.
    ///
    /// # Errors
    /// [`LakeReadError`] if the lake cannot be listed.
    pub async fn newest_commit(&self) -> Result<Option<Instant>, LakeReadError> {
        let mut newest = None;
        for park in self.parks().await? {
            if let Some(year) = self.years(&park).await?.into_iter().max() {
                newest = newest.max(self.newest_of(&park, year).await.ok().flatten());
            }
        }
        Ok(newest)
    }

    async fn newest_of(&self, park: &ParkId, year: i16) -> Result<Option<Instant>, LakeReadError> {
        let Some(book) = self.brief(park, year).await? else {
            return Ok(None);
        };
        self.changed_at(&book).await.map(Some)
    }

    /// When the commit that led to `snapshot` was made, by the clock of its writer.
    ///
    /// # Errors
    /// [`LakeReadError`] if the log cannot be read.
    pub async fn changed_at(&self, snapshot: &Snapshot) -> Result<Instant, LakeReadError> {
        let reader = Reader::new(&self.shared.storage, &snapshot.park, snapshot.year);
        reader.made_at(snapshot.readings_version).await
    }

    /// When the first and the last commit between the readings of `then` and those of `now` were made.
    ///
    /// # Errors
    /// [`LakeReadError`] if the log cannot be read, or was cleaned by another program.
    pub async fn changed_since(
        &self,
        then: &Snapshot,
        now: &Snapshot,
    ) -> Result<(Instant, Instant), LakeReadError> {
        let reader = Reader::new(&self.shared.storage, &now.park, now.year);
        let last = now.readings_version;
        let first = reader
            .made_at((then.readings_version + 1).min(last))
            .await?;
        Ok((first, reader.made_at(last).await?))
    }

    /// Hot files of `snapshot` that no longer exist: their readings are in sealed files now. None is missing
    /// from the newest snapshot, nor from one that was the newest just before.
    ///
    /// # Errors
    /// [`LakeReadError`] if the store does not answer.
    pub async fn missing<'a>(
        &self,
        snapshot: &'a Snapshot,
    ) -> Result<Vec<&'a ReadingsFile>, LakeReadError> {
        let mut missing = Vec::new();
        for file in snapshot.files.iter().filter(|file| file.is_hot()) {
            let place = Path::from(format!("{}/{}", snapshot.readings_root(), file.path));
            match self.shared.storage.store().head(&place).await {
                Ok(_) => {}
                Err(object_store::Error::NotFound { .. }) => missing.push(file),
                Err(source) => {
                    let path = place.to_string();
                    return Err(LakeReadError::Store { path, source });
                }
            }
        }
        Ok(missing)
    }
}

#[cfg(test)]
mod tests;
