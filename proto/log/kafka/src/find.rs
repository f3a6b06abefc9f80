//! One record by its offset, whatever the group reads meanwhile.

use std::time::Duration;

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    types::RDKafkaErrorCode,
};

use super::{topics::ANSWER_TIMEOUT, wire};
use greenpark_log::record::Entry;
use greenpark_model::log_position::Partition;
use tokio::time::Instant;

/// One poll.
const POLL: Duration = Duration::from_millis(200);

/// The record of `partition` at `offset`; `None` if the brokers do not hold it (any more).
pub(crate) fn find(
    config: &ClientConfig,
    topic: &str,
    partition: Partition,
    offset: u64,
) -> Result<Option<Entry>, KafkaError> {
    let mut config = config.clone();
    // Assigned, not subscribed: no group hears of it.
    config
        .set("group.id", "greenpark-find")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("check.crcs", "true")
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false");
    let consumer: BaseConsumer = config.create()?;
    // OK because Kafka's partitions are counted in an i32.
    let partition = partition.get() as i32;
    let (low, high) = consumer.fetch_watermarks(topic, partition, ANSWER_TIMEOUT)?;
    let wanted = i64::try_from(offset).unwrap_or(i64::MAX);
    if !(low..high).contains(&wanted) {
        return Ok(None);
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(wanted))?;
    consumer.assign(&list)?;
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    let mut last = None;
    while Instant::now() < deadline {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let found = message_at(&message, wanted);
                return Ok(found);
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
            Some(Err(error)) if is_gone(&error) => return Ok(None),
            // librdkafka goes on by itself.
            Some(Err(error)) => last = Some(error),
            None => {}
        }
    }
    Err(last.unwrap_or(KafkaError::MessageConsumption(
        RDKafkaErrorCode::OperationTimedOut,
    )))
}

fn message_at(message: &rdkafka::message::BorrowedMessage<'_>, wanted: i64) -> Option<Entry> {
    use rdkafka::Message as _;
    (message.offset() == wanted).then(|| wire::entry_of(message))
}

/// The record went between our two questions.
fn is_gone(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset)
    )
}
