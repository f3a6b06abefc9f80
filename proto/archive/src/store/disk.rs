//! What a lake asks of a disk beyond an object store: to make files durable, and to say when they are.

use bytes::Bytes;
use object_store::{ObjectStore, Result, path::Path};

use super::LocalStore;

/// A store whose plain puts are durable when they return, and which can make files durable together.
///
/// [`LocalStore`] is the one that runs in production; a simulation brings its own, whose crashes drop
/// what was not made durable.
#[async_trait::async_trait]
pub trait Disk: ObjectStore {
    /// Puts all `files`, which name their content, and makes them durable together.
    ///
    /// # Errors
    /// If any of them could not be written or synced; some may be there.
    async fn put_together(&self, files: Vec<(Path, Bytes)>) -> Result<()>;

    /// Makes a file that is there, and the folders that lead to it, durable.
    ///
    /// # Errors
    /// If it is not there or cannot be synced.
    async fn sync(&self, path: &Path) -> Result<()>;

    /// The whole of a file.
    ///
    /// # Errors
    /// If it is not there or cannot be read.
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
