//! A store that fails one put on purpose.

use std::{
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory,
    path::Path,
};

/// How a put fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is stored.
    Refused,
    /// It is stored, but the answer is an error.
    AnswerLost,
}

#[derive(Debug)]
pub(super) struct FaultyStore {
    inner: InMemory,
    fault: Mutex<Option<(Fault, u32)>>,
    failed: AtomicBool,
}

impl FaultyStore {
    pub(super) fn new(inner: InMemory) -> Self {
        Self {
            inner,
            fault: Mutex::default(),
            failed: AtomicBool::new(false),
        }
    }

    /// Makes the put after `puts` more fail.
    pub(super) fn fail(&self, fault: Fault, puts: u32) {
        *self.fault.lock().expect("no panic") = Some((fault, puts));
        self.failed.store(false, Ordering::Relaxed);
    }

    /// Makes every put succeed again; returns true if one has failed.
    pub(super) fn heal(&self) -> bool {
        *self.fault.lock().expect("no panic") = None;
        self.failed.load(Ordering::Relaxed)
    }

    fn due(&self) -> Option<Fault> {
        let mut fault = self.fault.lock().expect("no panic");
        match fault.as_mut() {
            Some((_, left)) if *left > 0 => {
                *left -= 1;
                None
            }
            Some((due, _)) => {
                let due = *due;
                *fault = None;
                self.failed.store(true, Ordering::Relaxed);
                Some(due)
            }
            None => None,
        }
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

fn failure() -> Error {
    Error::Generic {
        store: "FaultyStore",
        source: "made to fail".into(),
    }
}

#[async_trait::async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let due = self.due();
        if due == Some(Fault::Refused) {
            return Err(failure());
        }
        // The writer repeats a put of a file named by its content, so the answer does not matter. Log entries
        // are what must not be misjudged.
        let entry = location.extension() == Some("json");
        let put = self.inner.put_opts(location, payload, opts).await?;
        if due == Some(Fault::AnswerLost) && entry {
            Err(failure())
        } else {
            Ok(put)
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
