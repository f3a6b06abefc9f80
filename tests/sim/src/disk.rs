//! A disk that keeps written and synced content apart.
//!
//! It performs the steps that the local store performs on a file system, with a turn between the steps: a
//! plain put writes and syncs a temporary file, renames it, and syncs the folder; files put together are
//! written under their names, then all synced. A kill leaves the *written* content, as a page cache does. A
//! power cut leaves the *synced* content; each other file is dropped, kept, or torn.
//!
//! Deletes take effect on table logs only. The archive deletes data files that no snapshot names after a
//! minute of real time, which would make a run depend on its speed.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::{
    FutureExt as _, StreamExt as _,
    stream::{self, BoxStream},
};
use greenpark_archive::store::Disk;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, memory::InMemory, path::Path,
};

use crate::{actor::next_turn, op::DiskFault, random::Random};

const STORE: &str = "SimulatedDisk";

/// A file as a running system sees it.
#[derive(Debug, Clone)]
struct File {
    bytes: Bytes,
    /// Whether its content is on the disk. Its name is on the disk once its folder is synced.
    synced: bool,
}

#[derive(Debug, Default)]
struct State {
    written: BTreeMap<String, File>,
    synced: BTreeMap<String, Bytes>,
    faults: Vec<(DiskFault, u8)>,
    full: u8,
    slow: u8,
    changes: u64,
    /// Log entries that were cut short, with their whole content.
    damaged: Vec<(String, Bytes)>,
}

/// The simulated disk.
#[derive(Debug)]
pub(crate) struct SimDisk {
    /// The written content, to read and list.
    written: Arc<InMemory>,
    /// The content that the worst power cut would leave.
    synced: Arc<InMemory>,
    state: Mutex<State>,
}

impl fmt::Display for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STORE)
    }
}

fn failed(why: &'static str) -> Error {
    Error::Generic {
        store: STORE,
        source: why.into(),
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The log entries of one table of readings or messages, oldest first.
fn log_entries(state: &State, table: u8) -> Vec<String> {
    let is_entry = |path: &&String| {
        let from_log = path.contains("/readings/") || path.contains("/messages/");
        from_log && path.contains("/_delta_log/") && path.ends_with(".json")
    };
    let entries: Vec<&String> = state.written.keys().filter(is_entry).collect();
    let mut tables = entries.chunk_by(|a, b| folder_of(a) == folder_of(b));
    let count = tables.clone().count().max(1);
    let entries = tables.nth(usize::from(table) % count).unwrap_or_default();
    entries.iter().map(|path| (*path).clone()).collect()
}

/// Puts a file into an in-memory store, which never waits.
fn put_in_memory(store: &InMemory, path: &str, bytes: &Bytes) {
    let path = Path::from(path);
    let put = store.put(&path, bytes.clone().into());
    let done = put.now_or_never().expect("memory does not wait");
    done.expect("memory accepts every put");
}

impl State {
    /// Returns true if a call of this kind fails now, and disarms the fault.
    fn strikes(&mut self, fault: DiskFault) -> bool {
        let Some(at) = self.faults.iter().position(|(armed, _)| *armed == fault) else {
            return false;
        };
        match self.faults[at].1.checked_sub(1) {
            Some(left) => {
                self.faults[at].1 = left;
                false
            }
            None => {
                self.faults.remove(at);
                true
            }
        }
    }

    fn is_full(&mut self) -> bool {
        let full = self.full > 0;
        self.full = self.full.saturating_sub(1);
        full
    }
}

impl SimDisk {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            written: Arc::default(),
            synced: Arc::default(),
            state: Mutex::default(),
        })
    }

    /// The store of the written content.
    pub(crate) fn written(&self) -> Arc<InMemory> {
        Arc::clone(&self.written)
    }

    /// The store of the synced content.
    pub(crate) fn synced(&self) -> Arc<InMemory> {
        Arc::clone(&self.synced)
    }

    /// A number that grows with every change.
    pub(crate) fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// Every written file, by path.
    pub(crate) fn files(&self) -> BTreeMap<String, Bytes> {
        let state = self.lock();
        let files = state.written.iter();
        files
            .map(|(path, file)| (path.clone(), file.bytes.clone()))
            .collect()
    }

    pub(crate) fn arm(&self, fault: DiskFault, after: u8) {
        self.lock().faults.push((fault, after));
    }

    pub(crate) fn fill(&self, puts: u8) {
        self.lock().full = puts;
    }

    pub(crate) fn slow_down(&self, turns: u8) {
        self.lock().slow = turns;
    }

    pub(crate) fn heal(&self) {
        let mut state = self.lock();
        state.faults.clear();
        (state.full, state.slow) = (0, 0);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the power: `luck` decides the fate of each file whose synced content differs from the written one.
    pub(crate) fn power_cut(&self, luck: u64) {
        let mut luck = Random::new(luck);
        let mut state = self.lock();
        state.changes += 1;
        let written: Vec<(String, File)> = state.written.clone().into_iter().collect();
        for (path, file) in written {
            let before = state.synced.get(&path).cloned();
            if before.as_ref() == Some(&file.bytes) {
                continue;
            }
            let left = match (luck.below(4), file.synced) {
                (0, _) => before,
                (1, false) => {
                    let bytes = u32::try_from(file.bytes.len()).unwrap_or(u32::MAX).max(1);
                    Some(file.bytes.slice(..luck.below(bytes) as usize))
                }
                (2, false) => Some(Bytes::new()),
                _ => Some(file.bytes),
            };
            match left {
                Some(bytes) => self.replace(&mut state, &path, bytes),
                None => self.remove(&mut state, &path),
            }
        }
    }

    /// A copy of the synced content.
    pub(crate) fn copy(&self) -> BTreeMap<String, Bytes> {
        self.lock().synced.clone()
    }

    /// Replaces all files by `copy`.
    pub(crate) fn restore(&self, copy: &BTreeMap<String, Bytes>) {
        let mut state = self.lock();
        state.damaged.clear();
        let written: Vec<String> = state.written.keys().cloned().collect();
        for path in written.iter().filter(|path| !copy.contains_key(*path)) {
            self.remove(&mut state, path);
        }
        for (path, bytes) in copy {
            self.replace(&mut state, path, bytes.clone());
        }
    }

    /// Removes the newest `entries` log entries of a table.
    pub(crate) fn lose_entries(&self, table: u8, entries: u8) {
        let mut state = self.lock();
        let log = log_entries(&state, table);
        for path in log.iter().rev().take(entries.into()) {
            self.remove_entry(&mut state, path);
        }
    }

    /// Cuts the newest log entry of a table to half.
    pub(crate) fn damage_entry(&self, table: u8) {
        let mut state = self.lock();
        if let Some(path) = log_entries(&state, table).pop()
            && let Some(file) = state.written.get(&path)
        {
            let whole = file.bytes.clone();
            let half = whole.slice(..whole.len() / 2);
            self.replace(&mut state, &path, half);
            state.damaged.push((path, whole));
        }
    }

    /// Removes each damaged entry that is the last of its table. If the table has newer entries, because a
    /// checkpoint spared the writer the damaged one, restores its whole content as from a copy.
    pub(crate) fn move_damaged_away(&self) {
        let mut state = self.lock();
        for (path, whole) in std::mem::take(&mut state.damaged) {
            let of_table = |other: &&String| folder_of(other) == folder_of(&path);
            let entries = state.written.keys().filter(of_table);
            let last = entries.filter(|other| other.ends_with(".json")).max();
            match last == Some(&path) {
                true => self.remove_entry(&mut state, &path),
                false => self.replace(&mut state, &path, whole),
            }
        }
    }

    /// Returns true if a log entry is damaged, so that its table cannot be read.
    pub(crate) fn is_damaged(&self) -> bool {
        !self.lock().damaged.is_empty()
    }

    fn replace(&self, state: &mut State, path: &str, bytes: Bytes) {
        state.changes += 1;
        put_in_memory(&self.written, path, &bytes);
        put_in_memory(&self.synced, path, &bytes);
        state.synced.insert(path.to_owned(), bytes.clone());
        let synced = true;
        state
            .written
            .insert(path.to_owned(), File { bytes, synced });
    }

    /// Removes a log entry, its checkpoint if there is one, and the hint that may name the checkpoint.
    fn remove_entry(&self, state: &mut State, path: &str) {
        self.remove(state, path);
        let checkpoint = path.strip_suffix(".json").unwrap_or(path);
        self.remove(state, &format!("{checkpoint}.checkpoint.parquet"));
        self.remove(state, &format!("{}/_last_checkpoint", folder_of(path)));
    }

    fn remove(&self, state: &mut State, path: &str) {
        state.changes += 1;
        state.written.remove(path);
        state.synced.remove(path);
        for store in [&self.written, &self.synced] {
            // A file that was never synced is in the written store only.
            let gone = store.delete(&Path::from(path)).now_or_never();
            drop(gone.expect("memory does not wait"));
        }
    }

    /// Waits for the turns that a call takes.
    async fn wait_turns(&self) {
        let turns = self.lock().slow;
        for _ in 0..=turns {
            next_turn().await;
        }
    }

    fn write(&self, path: &str, bytes: Bytes, synced: bool) {
        let mut state = self.lock();
        state.changes += 1;
        put_in_memory(&self.written, path, &bytes);
        state
            .written
            .insert(path.to_owned(), File { bytes, synced });
    }

    /// Syncs the content of each file and the names in its folder.
    fn sync_files<'a>(&self, paths: impl Iterator<Item = &'a str>) {
        let mut state = self.lock();
        state.changes += 1;
        for path in paths {
            if let Some(file) = state.written.get_mut(path) {
                file.synced = true;
            }
            let folder = folder_of(path);
            let named: Vec<(String, Bytes)> = state
                .written
                .iter()
                .filter(|(path, file)| file.synced && folder_of(path) == folder)
                .map(|(path, file)| (path.clone(), file.bytes.clone()))
                .collect();
            for (path, bytes) in named {
                if state.synced.get(&path) != Some(&bytes) {
                    put_in_memory(&self.synced, &path, &bytes);
                    state.synced.insert(path, bytes);
                }
            }
        }
    }

    fn file(&self, path: &str) -> Option<Bytes> {
        self.lock().written.get(path).map(|file| file.bytes.clone())
    }
}

#[async_trait::async_trait]
impl Disk for SimDisk {
    async fn put_together(&self, files: Vec<(Path, Bytes)>) -> Result<()> {
        for (path, bytes) in &files {
            self.wait_turns().await;
            if self.lock().strikes(DiskFault::PutRefused) {
                return Err(failed("the put was refused"));
            }
            if self.lock().is_full() {
                self.write(path.as_ref(), bytes.slice(..bytes.len() / 2), false);
                return Err(failed("no space left on the disk"));
            }
            // The local store does not write a file again whose content is already there.
            if self.file(path.as_ref()).as_ref() != Some(bytes) {
                self.write(path.as_ref(), bytes.clone(), false);
            }
        }
        self.wait_turns().await;
        if self.lock().strikes(DiskFault::AnswerLost) {
            return Err(failed("the sync failed"));
        }
        self.sync_files(files.iter().map(|(path, _)| path.as_ref()));
        next_turn().await;
        Ok(())
    }

    async fn sync(&self, path: &Path) -> Result<()> {
        self.wait_turns().await;
        if self.lock().strikes(DiskFault::AnswerLost) {
            return Err(failed("the sync failed"));
        }
        if self.file(path.as_ref()).is_none() {
            return Err(not_found(path));
        }
        self.sync_files(std::iter::once(path.as_ref()));
        Ok(())
    }

    async fn read(&self, path: &Path) -> Result<Bytes> {
        self.wait_turns().await;
        if self.lock().strikes(DiskFault::ReadFails) {
            return Err(failed("the read failed"));
        }
        self.file(path.as_ref()).ok_or_else(|| not_found(path))
    }
}

fn not_found(path: &Path) -> Error {
    Error::NotFound {
        path: path.to_string(),
        source: "no such file".into(),
    }
}

fn unused(operation: &str) -> Error {
    Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: STORE.to_owned(),
    }
}

#[async_trait::async_trait]
impl ObjectStore for SimDisk {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let (path, bytes) = (location.as_ref(), Bytes::from(payload));
        self.wait_turns().await;
        if self.lock().strikes(DiskFault::PutRefused) {
            return Err(failed("the put was refused"));
        }
        if self.lock().is_full() {
            return Err(failed("no space left on the disk"));
        }
        if opts.mode == PutMode::Create && self.file(path).is_some() {
            return Err(Error::AlreadyExists {
                path: location.to_string(),
                source: "the name is taken".into(),
            });
        }
        self.write(path, bytes, true);
        next_turn().await;
        if self.lock().strikes(DiskFault::AnswerLost) {
            return Err(failed("the answer was lost"));
        }
        self.sync_files(std::iter::once(path));
        next_turn().await;
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(unused("put_multipart"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.wait_turns().await;
        self.written.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.wait_turns().await;
        self.written.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let delete = |location: Result<Path>| {
            let location = location?;
            if location.as_ref().contains("/_delta_log/") {
                self.remove(&mut self.lock(), location.as_ref());
            }
            Ok(location)
        };
        let deleted: Vec<_> = locations
            .collect::<Vec<_>>()
            .now_or_never()
            .unwrap_or_default();
        let deleted: Vec<Result<Path>> = deleted.into_iter().map(delete).collect();
        stream::iter(deleted).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.written.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.wait_turns().await;
        self.written.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        Err(unused("copy"))
    }
}
