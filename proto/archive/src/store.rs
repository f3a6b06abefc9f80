//! Makes files durable before anything is built on them.
//!
//! object_store's local store does not sync (until 0.14): a crash could leave an empty log entry behind an
//! acknowledged commit. [`LocalStore`] syncs every file that it puts and the folders that it made for it, and
//! makes the many files of one commit durable together.

pub(crate) mod digest;
mod disk;

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path as FsPath, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use greenpark_model::{clock::Clock, day::Instant};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, Result, UploadPart, local::LocalFileSystem, path::Path,
};
use tracing::warn;

pub use self::disk::Disk;

/// Up to this many files are synced one by one; more are cheaper to sync with their whole file system.
const FSYNC_FILES_MAX: usize = 16;
/// Concurrent puts to a remote store.
const REMOTE_PUTS_MAX: usize = 32;
/// The store that errors of this module name.
const STORE: &str = "LocalStore";

/// A folder as an object store whose files survive a power cut once they are put.
#[derive(Debug)]
pub struct LocalStore {
    files: LocalFileSystem,
    root: PathBuf,
}

impl fmt::Display for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STORE}({})", self.root.display())
    }
}

impl LocalStore {
    /// Opens the store in `root`, which is created if it is missing.
    ///
    /// # Errors
    /// If the folder cannot be created or used.
    pub fn open(root: &FsPath) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let root = root.canonicalize()?;
        let files = LocalFileSystem::new_with_prefix(&root).map_err(io::Error::other)?;
        Ok(Self { files, root })
    }

    /// Puts all `files`, whose names depend on their content, and makes them durable together.
    ///
    /// # Errors
    /// If any of them could not be written or synced; some may have been.
    pub async fn put_together(&self, files: Vec<(Path, Bytes)>) -> Result<()> {
        let root = self.root.clone();
        blocking(move || write_together(&root, &files)).await
    }

    fn place(&self, location: &Path) -> PathBuf {
        self.root.join(location.as_ref())
    }

    async fn sync_path(&self, path: &Path) -> Result<()> {
        let (root, place) = (self.root.clone(), self.place(path));
        blocking(move || sync_file(&root, &place)).await
    }

    async fn read_whole(&self, path: &Path) -> Result<Bytes> {
        let (place, name) = (self.place(path), path.to_string());
        let read = tokio::task::spawn_blocking(move || fs::read(place)).await;
        let generic = |source: Box<dyn std::error::Error + Send + Sync>| Error::Generic {
            store: STORE,
            source,
        };
        match read.map_err(|source| generic(source.into()))? {
            Ok(bytes) => Ok(bytes.into()),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Err(Error::NotFound {
                path: name,
                source: source.into(),
            }),
            Err(source) => Err(generic(source.into())),
        }
    }
}

#[async_trait::async_trait]
impl ObjectStore for LocalStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        if matches!(opts.mode, PutMode::Update(_)) || !opts.attributes.is_empty() {
            return self.files.put_opts(location, payload, opts).await;
        }
        let (root, path) = (self.root.clone(), self.place(location));
        blocking(move || put_durably(&root, &path, &payload, &opts.mode)).await?;
        Ok(PutResult {
            e_tag: None,
            version: None,
        })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let root = self.root.clone();
        blocking(move || is_there(&root)).await?;
        let upload = self.files.put_multipart_opts(location, opts).await?;
        Ok(Box::new(DurableUpload {
            upload,
            root: self.root.clone(),
            path: self.place(location),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        sorted(self.files.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        sorted(self.files.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await?;
        let (root, path) = (self.root.clone(), self.place(to));
        blocking(move || sync_file(&root, &path)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.files.rename_opts(from, to, options).await?;
        let (root, path) = (self.root.clone(), self.place(to));
        blocking(move || sync_file(&root, &path)).await
    }
}

/// Listings of a Delta log must be in order, as every store but a file system returns them.
fn sorted(
    listing: BoxStream<'static, Result<ObjectMeta>>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let all = async move {
        let mut all: Vec<ObjectMeta> = listing.try_collect().await?;
        all.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok::<_, Error>(stream::iter(all.into_iter().map(Ok)))
    };
    stream::once(all).try_flatten().boxed()
}

/// An upload in parts that syncs what it completes.
#[derive(Debug)]
struct DurableUpload {
    upload: Box<dyn MultipartUpload>,
    root: PathBuf,
    path: PathBuf,
}

#[async_trait::async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let put = self.upload.complete().await?;
        let (root, path) = (self.root.clone(), self.path.clone());
        blocking(move || sync_file(&root, &path)).await?;
        Ok(put)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<()> {
    let generic = |source: Box<dyn std::error::Error + Send + Sync>| Error::Generic {
        store: STORE,
        source,
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) if source.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::AlreadyExists {
                path: String::new(),
                source: source.into(),
            })
        }
        Ok(Err(source)) => Err(generic(source.into())),
        Err(source) => Err(generic(source.into())),
    }
}

/// Refuses to make the root anew: where a disk is away, a few files in its place would pass for the lake.
fn is_there(root: &FsPath) -> io::Result<()> {
    fs::metadata(root).map(drop)
}

/// Puts one file under its name atomically and durably, after the folders above it.
fn put_durably(
    root: &FsPath,
    path: &FsPath,
    payload: &PutPayload,
    mode: &PutMode,
) -> io::Result<()> {
    is_there(root)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let staged = stage_name(path);
    let put = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&staged)?;
        payload.iter().try_for_each(|part| file.write_all(part))?;
        file.sync_all()?;
        match mode {
            PutMode::Create => fs::hard_link(&staged, path),
            _ => fs::rename(&staged, path),
        }
    };
    let done = put();
    // After a rename there is nothing left to remove, and after a failure nothing else to do about it.
    let _ = fs::remove_file(&staged);
    done?;
    sync_folders(root, [path])
}

/// The name of a file until it is complete: listings of object_store omit such names.
fn stage_name(path: &FsPath) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!("#{}{number:012}", std::process::id()));
    PathBuf::from(name)
}

fn write_together(root: &FsPath, files: &[(Path, Bytes)]) -> io::Result<()> {
    // Opened before the first write, so that syncing it reports the failures of all of them.
    let folder = File::open(root)?;
    let paths: Vec<PathBuf> = files
        .iter()
        .map(|(path, _)| root.join(path.as_ref()))
        .collect();
    let folders: BTreeSet<&FsPath> = paths.iter().filter_map(|path| path.parent()).collect();
    folders.into_iter().try_for_each(fs::create_dir_all)?;
    for (path, (_, bytes)) in paths.iter().zip(files) {
        write_named_by_content(path, bytes)?;
    }
    if cfg!(target_os = "linux") && paths.len() > FSYNC_FILES_MAX {
        return sync_file_system(&folder);
    }
    paths
        .iter()
        .try_for_each(|path| File::open(path)?.sync_all())?;
    sync_folders(root, paths.iter().map(PathBuf::as_path))
}

/// Syncs everything on the file system of `folder`.
#[cfg(target_os = "linux")]
fn sync_file_system(folder: &File) -> io::Result<()> {
    rustix::fs::syncfs(folder).map_err(io::Error::from)
}

/// Only Linux can; elsewhere files are synced one by one.
#[cfg(not(target_os = "linux"))]
fn sync_file_system(_folder: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Writes a file whose name depends on its content. A complete one is left alone, because it may be published
/// and a published file never changes; one that a crash left in part is replaced.
fn write_named_by_content(path: &FsPath, bytes: &Bytes) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(bytes),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::read(path)? == *bytes {
                return Ok(());
            }
            let staged = stage_name(path);
            fs::write(&staged, bytes)?;
            fs::rename(&staged, path)
        }
        Err(error) => Err(error),
    }
}

fn sync_file(root: &FsPath, path: &FsPath) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    sync_folders(root, [path])
}

/// Syncs the folders from those of `paths` up to `root`, each once.
fn sync_folders<'a>(root: &FsPath, paths: impl IntoIterator<Item = &'a FsPath>) -> io::Result<()> {
    let above = |path: &'a FsPath| {
        path.ancestors()
            .skip(1)
            .take_while(|folder| folder.starts_with(root))
    };
    let folders: BTreeSet<&FsPath> = paths.into_iter().flat_map(above).collect();
    folders
        .into_iter()
        .try_for_each(|folder| File::open(folder)?.sync_all())
}

/// Bounds on the length of a table's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogBounds {
    /// Entries between checkpoints of a table with few files.
    pub checkpoint_entries: usize,
    /// The newest entries, which are not packed: readers that are further behind load the table anew.
    pub kept_entries: i64,
    /// The minimum age of an entry that is packed, in milliseconds.
    pub kept_ms: i64,
    /// Entries that are packed at once, if a checkpoint lies within so many.
    pub packed_at_once: i64,
}

impl Default for LogBounds {
    fn default() -> Self {
        Self {
            checkpoint_entries: 100,
            kept_entries: 4_096,
            kept_ms: 3_600_000,
            packed_at_once: 16_384,
        }
    }
}

/// The storage of a lake.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    store: Arc<dyn ObjectStore>,
    disk: Option<Arc<dyn Disk>>,
    clock: Clock,
    log_bounds: LogBounds,
}

impl Storage {
    pub(crate) fn disk(disk: Arc<dyn Disk>, clock: Clock) -> Self {
        let store: Arc<dyn ObjectStore> = Arc::clone(&disk) as _;
        Self {
            store,
            disk: Some(disk),
            clock,
            log_bounds: LogBounds::default(),
        }
    }

    pub(crate) fn remote(store: Arc<dyn ObjectStore>, clock: Clock) -> Self {
        Self {
            store,
            disk: None,
            clock,
            log_bounds: LogBounds::default(),
        }
    }

    pub(crate) fn with_log_bounds(self, log_bounds: LogBounds) -> Self {
        Self { log_bounds, ..self }
    }

    /// The present instant, which dates the commits of its tables.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The bounds on its tables' logs.
    pub(crate) fn log_bounds(&self) -> LogBounds {
        self.log_bounds
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Makes all `files` durable; nothing may be built on them before.
    pub(crate) async fn put_together(&self, files: Vec<(Path, Bytes)>) -> Result<()> {
        if let Some(disk) = &self.disk {
            return disk.put_together(files).await;
        }
        let put = |(path, bytes): (Path, Bytes)| async move {
            self.store.put(&path, bytes.into()).await.map(|_| ())
        };
        stream::iter(files)
            .map(put)
            .buffer_unordered(REMOTE_PUTS_MAX)
            .try_collect()
            .await
    }

    /// Deletes the files that exist. One that is not deleted does no harm.
    pub(crate) async fn delete(&self, paths: Vec<Path>) {
        let paths = stream::iter(paths).map(Ok).boxed();
        let mut deleted = self.store.delete_stream(paths);
        while let Some(result) = deleted.next().await {
            match result {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, "a file that is needed no more was not deleted");
                }
            }
        }
    }

    /// Makes an existing file, and the folders above it, durable.
    pub(crate) async fn sync(&self, path: &Path) -> Result<()> {
        match &self.disk {
            Some(disk) => disk.sync(path).await,
            None => Ok(()),
        }
    }

    /// Reads a whole file.
    pub(crate) async fn read(&self, path: &Path) -> Result<Bytes> {
        match &self.disk {
            Some(disk) => disk.read(path).await,
            None => self.store.get(path).await?.bytes().await,
        }
    }
}

#[cfg(test)]
mod tests;
