//! Appends to the embedded log, with fsync.

use bytes::Bytes;
use greenpark_log::{ContentType, Headers, Record, Topic};
use greenpark_model::id::{EnterpriseId, GatewayId};
use tokio::runtime::Runtime;

use crate::{
    fixture::{Place, block_on, park},
    measure::Measure,
};

/// Records of 200 bytes in calls of 100, from eight tasks.
pub(crate) fn append(runtime: &Runtime) {
    const TASKS: u64 = 8;
    const CALLS: u64 = 2_500;
    const RECORDS: u64 = 100;
    let place = Place::new();
    let measure = Measure::begin("log append, 100 records a call");
    let appended = block_on(runtime, async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|t| tokio::spawn(calls(place.log.writer(), t)))
            .collect();
        let mut appended = 0;
        for task in tasks {
            appended += task.await.expect("no panic");
        }
        appended
    });
    assert_eq!(appended, TASKS * CALLS * RECORDS);
    measure.end(appended);

    async fn calls(writer: greenpark_log::LogWriter, task: u64) -> u64 {
        let record = Record {
            park: park(),
            headers: Headers {
                enterprise: EnterpriseId::new("e").expect("an id"),
                gateway: GatewayId::new(&format!("g{task}")).expect("an id"),
                epoch: 0,
                sequence: 0,
                content_type: ContentType::ReadingBatch,
            },
            payload: Bytes::from(vec![7; 200]),
        };
        let mut appended = 0;
        for _call in 0..CALLS {
            let records = vec![record.clone(); RECORDS as usize];
            let receipt = writer
                .append(Topic::Readings, records)
                .await
                .expect("appended");
            appended += receipt.records() as u64;
        }
        appended
    }
}
