//! A log whose appends are timed and counted.

use futures::future::{BoxFuture, FutureExt};
use greenpark_log::{AppendError, DurableLog, LogWriter, Record, Topic};
use tokio::time::Instant;

use crate::metrics::IngestMetrics;

/// Passes every append on to `log`, and counts those that it has made durable.
#[derive(Debug)]
pub(crate) struct MeasuredLog {
    pub(crate) log: LogWriter,
    pub(crate) metrics: IngestMetrics,
}

impl DurableLog for MeasuredLog {
    fn append(&self, topic: Topic, records: Vec<Record>) -> BoxFuture<'_, Result<(), AppendError>> {
        let bytes: usize = records.iter().map(|record| record.payload.len()).sum();
        async move {
            let began = Instant::now();
            let _receipt = self.log.append(topic, records).await?;
            self.metrics.append_seconds.end(began);
            self.metrics.appends.inc();
            self.metrics.record_bytes.inc_by(bytes as u64);
            Ok(())
        }
        .boxed()
    }
}
