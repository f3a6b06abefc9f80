//! How long Kafka keeps readings, and the refusal of a topic that could lose them unread.
//!
//! Kafka removes records by age and by size and does not ask whether anybody has read them; a group
//! whose records are gone starts again at what is left. So the topics are made without a limit. An
//! operator may set one in time, of [`RETENTION_MIN`] or more: whoever reads the log may be away for
//! that long. A shorter one is refused, and so is compaction, which would leave one record of each park.
//! A limit in bytes has no length in time; it is accepted, and reported as an error at each start.

use std::time::Duration;

use rdkafka::admin::{AdminOptions, ConfigResource, ResourceSpecifier};
use tracing::{error, warn};

use super::{
    KafkaSettings,
    topics::{self, ANSWER_TIMEOUT},
};
use greenpark_log::{error::OpenError, record::Topic};

/// The shortest retention of readings that is accepted: an outage that spans a long holiday and the
/// repair after it.
pub(crate) const RETENTION_MIN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const CLEANUP_POLICY: &str = "cleanup.policy";
const RETENTION_MS: &str = "retention.ms";
const RETENTION_BYTES: &str = "retention.bytes";

/// Kafka's word for no limit.
const UNLIMITED: &str = "-1";

/// What makes a topic keep its records for good.
pub(crate) const FOR_GOOD: [(&str, &str); 3] = [
    (CLEANUP_POLICY, "delete"),
    (RETENTION_MS, UNLIMITED),
    (RETENTION_BYTES, UNLIMITED),
];

/// What an acceptable topic still leaves to the operator.
#[derive(Debug, PartialEq, Eq)]
enum Leftover {
    /// Nothing: records stay for [`RETENTION_MIN`] at least.
    Nothing,
    /// Records go when a partition reaches this size.
    Bytes(String),
    /// The brokers did not tell.
    Unsaid,
}

/// Refuses a topic of readings that could lose them unread. Brokers that do not tell, because they are
/// old or because we may not ask, are believed.
pub(crate) async fn check(settings: &KafkaSettings) -> Result<(), OpenError> {
    let topic = settings.topic(Topic::Readings);
    let leftover = match describe(settings, &topic).await? {
        Some(found) => judge(&topic, |property| {
            found.get(property).and_then(|entry| entry.value.as_deref())
        })?,
        None => Leftover::Unsaid,
    };
    match leftover {
        Leftover::Nothing => {}
        Leftover::Bytes(bytes) => error!(
            topic,
            bytes, "kafka drops readings unread when a partition reaches its retention.bytes"
        ),
        Leftover::Unsaid => warn!(
            topic,
            "kafka does not say how long it keeps readings; see to it that retention.ms is -1"
        ),
    }
    Ok(())
}

/// The topic's settings, if the brokers tell.
pub(crate) async fn describe(
    settings: &KafkaSettings,
    topic: &str,
) -> Result<Option<ConfigResource>, OpenError> {
    let admin = topics::admin(settings)?;
    let options = AdminOptions::new().request_timeout(Some(ANSWER_TIMEOUT));
    let wanted = [ResourceSpecifier::Topic(topic)];
    match admin.describe_configs(&wanted, &options).await {
        Ok(mut found) => match found.pop() {
            Some(Ok(found)) => Ok(Some(found)),
            Some(Err(code)) => {
                warn!(topic, %code, "kafka refuses to describe a topic");
                Ok(None)
            }
            None => Ok(None),
        },
        Err(cause) => {
            warn!(topic, %cause, "kafka does not describe a topic");
            Ok(None)
        }
    }
}

/// Judges a topic of readings by its settings.
fn judge<'a>(
    topic: &str,
    setting: impl Fn(&str) -> Option<&'a str>,
) -> Result<Leftover, OpenError> {
    let refuse = |property, found: &str, needed| OpenError::Retention {
        topic: topic.to_owned(),
        property,
        found: found.to_owned(),
        needed,
    };
    if let Some(policy) = setting(CLEANUP_POLICY)
        && policy != "delete"
    {
        return Err(refuse(CLEANUP_POLICY, policy, "delete"));
    }
    let kept = setting(RETENTION_MS);
    let Some(ms) = kept.and_then(|ms| ms.parse::<i64>().ok()) else {
        return Ok(Leftover::Unsaid);
    };
    // Below zero is no limit.
    if u64::try_from(ms).is_ok_and(|ms| Duration::from_millis(ms) < RETENTION_MIN) {
        return Err(refuse(RETENTION_MS, &ms.to_string(), UNLIMITED));
    }
    Ok(match setting(RETENTION_BYTES) {
        Some(UNLIMITED) => Leftover::Nothing,
        Some(bytes) => Leftover::Bytes(bytes.to_owned()),
        None => Leftover::Unsaid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(policy: &str, ms: &str, bytes: &str) -> Result<Leftover, OpenError> {
        judge("t", |property| match property {
            CLEANUP_POLICY => Some(policy),
            RETENTION_MS => Some(ms),
            RETENTION_BYTES => Some(bytes),
            _ => None,
        })
    }

    #[test]
    fn a_topic_made_here_is_accepted() {
        let found = judge("t", |property| {
            let of = FOR_GOOD.iter().find(|(name, _)| *name == property);
            of.map(|(_, value)| *value)
        });
        assert!(matches!(found, Ok(Leftover::Nothing)), "{found:?}");
    }

    #[test]
    fn a_month_is_accepted_and_a_week_is_refused() {
        let month = (30u64 * 24 * 3_600 * 1_000).to_string();
        let found = judged("delete", &month, "-1");
        assert!(matches!(found, Ok(Leftover::Nothing)), "{found:?}");
        let week = "604800000";
        let refused = judged("delete", week, "-1");
        assert!(
            matches!(
                &refused,
                Err(OpenError::Retention { property: "retention.ms", found, .. }) if found == week
            ),
            "{refused:?}"
        );
    }

    #[test]
    fn compaction_is_refused() {
        for policy in ["compact", "compact,delete"] {
            let refused = judged(policy, "-1", "-1");
            assert!(
                matches!(
                    &refused,
                    Err(OpenError::Retention {
                        property: "cleanup.policy",
                        ..
                    })
                ),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_limit_in_bytes_is_left_to_the_operator() {
        let found = judged("delete", "-1", "1073741824");
        assert!(
            matches!(&found, Ok(Leftover::Bytes(bytes)) if bytes == "1073741824"),
            "{found:?}"
        );
    }

    #[test]
    fn what_is_not_said_is_not_taken_for_good() {
        let found = judge("t", |_| None);
        assert!(matches!(found, Ok(Leftover::Unsaid)), "{found:?}");
    }
}
