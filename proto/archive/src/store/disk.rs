//! The operations that a lake needs of a disk beyond an object store: making files durable.

use bytes::Bytes;
use object_store::{ObjectStore, Result, path::Path};

use super::LocalStore;

/// A store whose plain puts are durable when they return, and which can make files durable together.
///
/// [`LocalStore`] runs in production; a simulation has its own, whose crashes drop everything that was not made
/// durable.
#[async_trait::async_trait]
pub trait Disk: ObjectStore {
    /// Puts all `files`, whose names depend on their content, and makes them durable together.
    ///
    /// # Errors
    /// If any of them could not be written or synced; some may have been.
    async fn put_together(&self, files: Vec<(Path, Bytes)>) -> Result<()>;

    /// Makes an existing file, and the folders above it, durable.
    ///
    /// # Errors
    /// If it does not exist or cannot be synced.
    async fn sync(&self, path: &Path) -> Result<()>;

    /// Reads a whole file.
    ///
    /// # Errors
    /// If it does not exist or cannot be read.
    async fn read(&self, path: &Path) -> Result<Bytes>;
}

#[async_trait::async_trait]
impl Disk for LocalStore {
    async fn put_together(&self, files: Vec<(Path, Bytes)>) -> Result<()> {
        Self::put_together(self, files).await
    }

    async fn sync(&self, path: &Path) -> Result<()> {
        self.sync_path(path).await
    }

    async fn read(&self, path: &Path) -> Result<Bytes> {
        self.read_whole(path).await
    }
}
