//! How fast the embedded log appends: 8 tasks, records of 200 B, calls of 1, 100 and 1,000 records.
//!
//! `cargo run --release -p greenpark-log --example append [FOLDER]` prints records/s, receipts/s and
//! CPU-seconds per million, by this machine's disk. A reader reads and commits behind the writers.

use std::{
    env, fs,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use bytes::Bytes;
use greenpark_log::{ContentType, Headers, LogReader, Record, Topic};
use greenpark_log_embedded::{EmbeddedLog, LogFileSettings};
use greenpark_model::id::{EnterpriseId, GatewayId, ParkId};
use tokio::time::Instant;

const TASKS: usize = 8;
const SECONDS: u64 = 3;
const PAYLOAD_BYTES: usize = 200;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = match env::args().nth(1) {
        Some(folder) => PathBuf::from(folder),
        None => env::temp_dir().join(format!("greenpark-append-{}", std::process::id())),
    };
    for (records, readers) in [(1, 0), (100, 0), (1_000, 0), (1, 1), (100, 1), (1_000, 1)] {
        fs::remove_dir_all(&folder).or_else(missing_is_fine)?;
        measure(&folder, records, readers).await?;
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

fn missing_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

async fn measure(
    folder: &std::path::Path,
    records: usize,
    readers: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let log = EmbeddedLog::open(
        folder,
        LogFileSettings::default(),
        greenpark_runtime::clock::system(),
    )?;
    let (started, cpu) = (Instant::now(), cpu_seconds()?);
    let reading: Vec<_> = (0..readers)
        .map(|reader| tokio::spawn(read(log.reader(&format!("g{reader}")))))
        .collect();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let writer = log.writer();
            tokio::spawn(async move {
                let record = record(task);
                let mut calls = 0;
                while started.elapsed() < Duration::from_secs(SECONDS) {
                    let batch = vec![record.clone(); records];
                    let receipt = writer.append(Topic::Readings, batch).await;
                    calls += usize::from(receipt.is_ok_and(|receipt| receipt.records() == records));
                }
                calls
            })
        })
        .collect();
    let mut calls = 0;
    for task in tasks {
        calls += task.await?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let appended = (calls * records) as f64;
    let mut read = 0;
    for reader in reading {
        read += reader.await?;
    }
    let cpu = (cpu_seconds()? - cpu) * 1e6 / appended;
    writeln!(
        io::stdout(),
        "calls of {records:>4}: {:>9.0} records/s, {:>6.0} receipts/s, {cpu:>6.2} CPU-s per million, read {read}",
        appended / seconds,
        calls as f64 / seconds,
    )?;
    Ok(())
}

/// Reads and commits until nothing comes for a while.
async fn read(mut reader: Box<dyn LogReader>) -> usize {
    let mut read = 0;
    let mut quiet = 0;
    while quiet < 3 {
        let Ok(delivered) = reader.next(8 << 20, Duration::from_millis(100)).await else {
            break;
        };
        quiet = if delivered.entries.is_empty() {
            quiet + 1
        } else {
            0
        };
        read += delivered.entries.len();
        if let Some(last) = delivered.entries.last() {
            let position = last.position;
            if reader
                .commit(position.partition, position.offset + 1)
                .await
                .is_err()
            {
                break;
            }
        }
    }
    read
}

fn record(task: usize) -> Record {
    Record {
        park: ParkId::new("park-1").expect("an id"),
        headers: Headers {
            enterprise: EnterpriseId::new(&format!("enterprise-{task}")).expect("an id"),
            gateway: GatewayId::new("gw-7").expect("an id"),
            epoch: 1,
            sequence: 42,
            content_type: ContentType::ReadingBatch,
        },
        payload: Bytes::from(vec![b'x'; PAYLOAD_BYTES]),
    }
}

/// User and system time of this process, as Linux counts it, in hundredths.
fn cpu_seconds() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse::<f64>().ok());
    Ok(ticks.sum::<f64>() / 100.0)
}
