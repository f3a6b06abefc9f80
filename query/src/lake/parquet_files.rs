//! Reads the lake's Parquet files for DataFusion.
//!
//! A small file is fetched whole, once: a sealed day is a few KiB, and separate requests for the footer and each
//! column would cost more than its bytes. Errors keep their type on the way up, so that a missing file differs from
//! a broken one; DataFusion's own reader turns them into text.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use datafusion::{
    datasource::{listing::PartitionedFile, physical_plan::ParquetFileReaderFactory},
    error::Result,
    execution::object_store::ObjectStoreUrl,
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use futures::{FutureExt as _, future::BoxFuture};
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};
use parquet::{
    arrow::{arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader},
    errors::ParquetError,
    file::metadata::{ParquetMetaData, ParquetMetaDataReader},
};

use crate::limits::{FOOTER_BYTES_HINT, WHOLE_FILE_BYTES_MAX};

/// Our own URL for the lake's store; paths below it are paths within the lake.
const STORE_URL: &str = "greenpark-lake://books";

/// The URL of the lake's store for scans.
pub(crate) fn store_url() -> ObjectStoreUrl {
    ObjectStoreUrl::parse(STORE_URL).expect("a scheme and an authority make a store's URL")
}

/// Creates readers of files in the lake's store.
#[derive(Debug)]
pub(crate) struct LakeFiles(pub(crate) Arc<dyn ObjectStore>);

struct LakeFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    /// The bytes of a small file, once fetched.
    whole: Option<Bytes>,
}

impl ParquetFileReaderFactory for LakeFiles {
    fn create_reader(
        &self,
        _partition: usize,
        file: PartitionedFile,
        _footer_hint: Option<usize>,
        _metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        Ok(Box::new(LakeFile {
            store: Arc::clone(&self.0),
            path: file.object_meta.location,
            size: file.object_meta.size,
            whole: None,
        }))
    }
}

fn failed(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl LakeFile {
    async fn range(&mut self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        if self.size > WHOLE_FILE_BYTES_MAX {
            return self
                .store
                .get_range(&self.path, range)
                .await
                .map_err(failed);
        }
        let whole = match &self.whole {
            Some(whole) => whole,
            None => {
                let bytes = self.store.get(&self.path).await.map_err(failed)?;
                self.whole.insert(bytes.bytes().await.map_err(failed)?)
            }
        };
        let beyond = || ParquetError::EOF(format!("'{}' is shorter than its log says", self.path));
        let start = usize::try_from(range.start).map_err(|_| beyond())?;
        let end = usize::try_from(range.end).map_err(|_| beyond())?;
        if start > end || end > whole.len() {
            return Err(beyond());
        }
        Ok(whole.slice(start..end))
    }
}

impl AsyncFileReader for LakeFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.range(range).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let mut reader =
                ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES_HINT));
            if let Some(options) = options {
                reader = reader
                    .with_metadata_options(Some(options.metadata_options().clone()))
                    .with_column_index_policy(options.column_index_policy())
                    .with_offset_index_policy(options.offset_index_policy());
            }
            let size = self.size;
            reader.load_and_finish(self, size).await.map(Arc::new)
        }
        .boxed()
    }
}
