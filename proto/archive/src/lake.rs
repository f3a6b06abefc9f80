//! The folder, or the place in an object store, that holds every book.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use futures::FutureExt as _;
use greenpark_model::{day::Instant, id::ParkId};
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path, prefix::PrefixStore};
use url::Url;

use crate::{
    book::{Book, Consumed, tables},
    change::consumed_of,
    error::{OpenError, ReadError},
    file::ReadingsFile,
    letters::{self, LettersTable},
    messages::MessagesTable,
    reference::Reference,
    snapshot::{Reader, Snapshot},
    store::{Disk, LocalStore, LogBounds, Storage},
    written::{Commits, WrittenTable, commits_at, commits_of},
};

/// Books whose state is kept for readers: seven years of eighteen parks, some tens of megabytes.
const SNAPSHOTS_MAX: usize = 128;

/// What the marks of a book say.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// How far each partition of the log was consumed into it.
    pub consumed: Vec<Consumed>,
    /// How many commits the other tables of the partition had when it was written last.
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

/// Snapshots by book. What was not asked for longest goes first.
#[derive(Debug)]
struct Snapshots {
    bytes_max: usize,
    bytes: usize,
    asked: u64,
    slots: HashMap<(ParkId, i16), Kept>,
}

/// A book's slot, with when it was last asked for and what its snapshot takes.
#[derive(Debug)]
struct Kept {
    asked: u64,
    bytes: usize,
    slot: Arc<Slot>,
}

/// One book's newest known snapshot; locked while it is refreshed, so that readers that come together
/// read the log once.
#[derive(Debug)]
struct Slot {
    reader: Reader,
    newest: tokio::sync::Mutex<Newest>,
}

/// A snapshot, which lives on where it is in use even when it is not kept here any more.
#[derive(Debug, Default)]
struct Newest {
    kept: Option<Arc<Snapshot>>,
    known: Weak<Snapshot>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            bytes_max: usize::MAX,
            bytes: 0,
            asked: 0,
            slots: HashMap::new(),
        }
    }
}

impl Snapshots {
    /// Takes note of what a book's snapshot takes, and gives others up until all are within the bound.
    fn note(&mut self, key: &(ParkId, i16), bytes: usize) {
        let Some(kept) = self.slots.get_mut(key) else {
            return;
        };
        self.bytes = self.bytes - kept.bytes + bytes;
        kept.bytes = bytes;
        self.make_room();
    }

    fn make_room(&mut self) {
        if self.bytes <= self.bytes_max {
            return;
        }
        let mut oldest: Vec<&mut Kept> = self.slots.values_mut().collect();
        oldest.sort_unstable_by_key(|kept| kept.asked);
        for kept in oldest {
            // One that is being refreshed stays: it is asked for now.
            if self.bytes > self.bytes_max
                && let Ok(mut newest) = kept.slot.newest.try_lock()
            {
                newest.kept = None;
                self.bytes -= std::mem::take(&mut kept.bytes);
            }
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.slots.iter().min_by_key(|(_, kept)| kept.asked);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone())
            && let Some(kept) = self.slots.remove(&oldest)
        {
            self.bytes -= kept.bytes;
        }
    }
}

impl Lake {
    /// The lake at `root`: a folder, which is made if it is missing, or the URL of an object store.
    ///
    /// # Errors
    /// [`OpenError`] if the place cannot be used.
    pub async fn open(root: &str) -> Result<Self, OpenError> {
        let folder = match Url::parse(root) {
            Ok(url) if url.scheme() == "file" => {
                url.to_file_path().unwrap_or_else(|()| root.into())
            }
            // A scheme of one letter is a drive.
            Ok(url) if url.scheme().len() > 1 => return Self::at_url(root, &url),
            _ => PathBuf::from(root),
        };
        let opened = tokio::task::spawn_blocking(move || LocalStore::open(&folder)).await;
        let local = opened.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let local = local.map_err(|source| OpenError::Folder {
            folder: root.to_owned(),
            source,
        })?;
        Ok(Self::on(Arc::new(local)))
    }

    fn at_url(root: &str, url: &Url) -> Result<Self, OpenError> {
        let (store, path) = object_store::parse_url(url).map_err(|source| OpenError::Location {
            location: root.to_owned(),
            source: source.into(),
        })?;
        Ok(Self::over(Arc::new(PrefixStore::new(store, path))))
    }

    /// The lake in `store`, which must keep what it has taken and refuse to create what is there.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self::with(Storage::remote(store))
    }

    /// The lake on `disk`, which makes durable what it is asked to.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>) -> Self {
        Self::with(Storage::disk(disk))
    }

    /// The same lake, the logs of its tables grow as `bounds` say.
    #[must_use]
    pub fn with_log_bounds(&self, bounds: LogBounds) -> Self {
        Self::with(self.shared.storage.clone().with_log_bounds(bounds))
    }

    /// Keeps snapshots of no more than `bytes` together, but for one that is larger: what is in use nowhere is read again
    /// when it is asked for.
    pub fn bound_snapshots(&self, bytes: usize) {
        let mut snapshots = self.snapshots();
        snapshots.bytes_max = bytes;
        snapshots.make_room();
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

    /// The parks that have dead letters, sorted, be they parks or not.
    ///
    /// # Errors
    /// [`ReadError`] if the lake cannot be listed.
    pub async fn letter_parks(&self) -> Result<Vec<ParkId>, ReadError> {
        let names = self.folders(Some(Path::from(letters::ROOT))).await?;
        Ok(names.iter().filter_map(|n| ParkId::new(n).ok()).collect())
    }

    /// The parks that have a folder, sorted.
    ///
    /// # Errors
    /// [`ReadError`] if the lake cannot be listed.
    pub async fn parks(&self) -> Result<Vec<ParkId>, ReadError> {
        let names = self.folders(None).await?;
        // The lake's own tables have names that no park can have.
        Ok(names.iter().filter_map(|n| ParkId::new(n).ok()).collect())
    }

    /// The years of a park that have a folder, sorted.
    ///
    /// # Errors
    /// [`ReadError`] if the lake cannot be listed.
    pub async fn years(&self, park: &ParkId) -> Result<Vec<i16>, ReadError> {
        let names = self.folders(Some(Path::from(park.as_str()))).await?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    async fn folders(&self, within: Option<Path>) -> Result<Vec<String>, ReadError> {
        let listed = self
            .shared
            .storage
            .store()
            .list_with_delimiter(within.as_ref())
            .await;
        let path = within.map(String::from).unwrap_or_default();
        let listed = listed.map_err(|source| ReadError::Store { path, source })?;
        let folders = listed.common_prefixes.iter();
        let mut names: Vec<String> = folders
            .filter_map(|path| Some(path.filename()?.to_owned()))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Opens a book for its writer, repairing what a crash left half done. Tables are made by the first
    /// publish.
    ///
    /// # Errors
    /// [`OpenError`] if its state cannot be read or repaired.
    pub async fn book(&self, park: &ParkId, year: i16) -> Result<Book, OpenError> {
        Book::open(&self.shared.storage, park, year).boxed().await
    }

    /// What every book of `park` says of how far the log was consumed into it.
    ///
    /// # Errors
    /// [`ReadError`] if a book's log cannot be read.
    pub async fn consumed(&self, park: &ParkId) -> Result<Vec<Consumed>, ReadError> {
        let marks = self.marks(park).await?.into_iter();
        Ok(marks.flat_map(|marks| marks.consumed).collect())
    }

    /// How many commits each table of `park` has that is written from the log.
    ///
    /// # Errors
    /// [`ReadError`] if a table's log cannot be read.
    pub async fn commits(&self, park: &ParkId) -> Result<Commits, ReadError> {
        let mut commits = Commits::new();
        for year in self.years(park).await? {
            if let Some(snapshot) = self.snapshot(park, year).await? {
                let many = commits_at(snapshot.readings_version);
                commits.insert((park.clone(), WrittenTable::Book(year)), many);
            }
        }
        let messages = self.messages(park).commits().await?;
        commits.insert((park.clone(), WrittenTable::Messages), messages);
        Ok(commits)
    }

    /// What the marks of every book of `park` say.
    ///
    /// # Errors
    /// [`ReadError`] if a book's log cannot be read.
    pub async fn marks(&self, park: &ParkId) -> Result<Vec<Marks>, ReadError> {
        let mut marks = Vec::new();
        for year in self.years(park).await? {
            if let Some(snapshot) = self.snapshot(park, year).await? {
                let (readings, _) = tables(&self.shared.storage, park, year);
                let of_book = readings.marks_at(snapshot.readings_version).await?;
                marks.push(Marks {
                    consumed: consumed_of(&of_book),
                    commits_beside: commits_of(&of_book),
                });
            }
        }
        Ok(marks)
    }

    /// The newest state of a book, `None` if there is no book. Asking again costs two looks into the log
    /// when nothing has changed, and otherwise what has changed.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub async fn snapshot(
        &self,
        park: &ParkId,
        year: i16,
    ) -> Result<Option<Arc<Snapshot>>, ReadError> {
        let slot = self.slot(park, year);
        let mut newest = slot.newest.lock().await;
        let known = newest.known.upgrade();
        let found = match &known {
            Some(old) => slot.reader.follow(old).boxed().await?,
            None => slot.reader.load().boxed().await?,
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
            self.snapshots().note(&(park.clone(), year), now.bytes());
        }
        Ok(Some(now))
    }

    /// The state that a book had at `at`; `None` if there was no book yet. Files that were hot then may
    /// be gone: see [`missing`](Self::missing).
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read, or was cleaned by another program.
    pub async fn snapshot_as_of(
        &self,
        park: &ParkId,
        year: i16,
        at: Instant,
    ) -> Result<Option<Arc<Snapshot>>, ReadError> {
        let Some(newest) = self.snapshot(park, year).await? else {
            return Ok(None);
        };
        let reader = Reader::new(&self.shared.storage, park, year);
        let then = reader.load_as_of(&newest, at).boxed().await?;
        Ok(then.map(Arc::new))
    }

    /// When the newest commit to a book was made, as the clock of its writer said; `None` where there is no book.
    /// Asks the last year of each park; a book that cannot be read says nothing.
    ///
    /// # Errors
    /// [`ReadError`] if the lake cannot be listed.
    pub async fn newest_commit(&self) -> Result<Option<Instant>, ReadError> {
        let mut newest = None;
        for park in self.parks().await? {
            if let Some(year) = self.years(&park).await?.into_iter().max() {
                newest = newest.max(self.newest_of(&park, year).await.ok().flatten());
            }
        }
        Ok(newest)
    }

    async fn newest_of(&self, park: &ParkId, year: i16) -> Result<Option<Instant>, ReadError> {
        let Some(book) = self.snapshot(park, year).await? else {
            return Ok(None);
        };
        let reader = Reader::new(&self.shared.storage, park, year);
        reader.made_at(book.readings_version).await.map(Some)
    }

    /// When the first and the last of the commits that lead from the readings of `then` to those of `now` were
    /// made.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read, or was cleaned by another program.
    pub async fn changed_since(
        &self,
        then: &Snapshot,
        now: &Snapshot,
    ) -> Result<(Instant, Instant), ReadError> {
        let reader = Reader::new(&self.shared.storage, &now.park, now.year);
        let last = now.readings_version;
        let first = reader
            .made_at((then.readings_version + 1).min(last))
            .await?;
        Ok((first, reader.made_at(last).await?))
    }

    /// Hot files of `snapshot` that are there no more: their readings rest in sealed files since. None is
    /// missing from a newest snapshot, nor from one that a reader has only just left behind.
    ///
    /// # Errors
    /// [`ReadError`] if the store does not answer.
    pub async fn missing<'a>(
        &self,
        snapshot: &'a Snapshot,
    ) -> Result<Vec<&'a ReadingsFile>, ReadError> {
        let mut missing = Vec::new();
        for file in snapshot.files.iter().filter(|file| file.is_hot()) {
            let place = Path::from(format!("{}/{}", snapshot.readings_root(), file.path));
            match self.shared.storage.store().head(&place).await {
                Ok(_) => {}
                Err(object_store::Error::NotFound { .. }) => missing.push(file),
                Err(source) => {
                    let path = place.to_string();
                    return Err(ReadError::Store { path, source });
                }
            }
        }
        Ok(missing)
    }

    fn slot(&self, park: &ParkId, year: i16) -> Arc<Slot> {
        let mut snapshots = self.snapshots();
        snapshots.asked += 1;
        let asked = snapshots.asked;
        let key = (park.clone(), year);
        if let Some(kept) = snapshots.slots.get_mut(&key) {
            kept.asked = asked;
            return Arc::clone(&kept.slot);
        }
        if snapshots.slots.len() >= SNAPSHOTS_MAX {
            snapshots.forget_oldest();
        }
        let reader = Reader::new(&self.shared.storage, park, year);
        let slot = Arc::new(Slot {
            reader,
            newest: tokio::sync::Mutex::default(),
        });
        let kept = Kept {
            asked,
            bytes: 0,
            slot: Arc::clone(&slot),
        };
        snapshots.slots.insert(key, kept);
        slot
    }
}

#[cfg(test)]
mod tests;
