//! Which errors of a client are news. librdkafka goes on by itself after most of them and reports them
//! again and again; an operator wants to read once that there is trouble, and once that it is over.

use std::{mem, time::Duration};

use rdkafka::{error::KafkaError, types::RDKafkaErrorCode};
use tokio::time::Instant;

/// A trouble that was not met for so long is news again: librdkafka repeats one that lasts every 30 s.
const QUIET: Duration = Duration::from_secs(120);

/// The kinds of trouble that were met since the client last worked, and when each was met last.
#[derive(Debug, Default)]
pub(crate) struct Troubles(Vec<(Option<RDKafkaErrorCode>, Instant)>);

impl Troubles {
    /// Whether an error met at `now` is to be told.
    pub(crate) fn is_news(&mut self, cause: &KafkaError, now: Instant) -> bool {
        let code = cause.rdkafka_error_code();
        // The end of a partition is no trouble: we ask to be told of it, and it comes as an error.
        if matches!(cause, KafkaError::PartitionEOF(_))
            || code == Some(RDKafkaErrorCode::PartitionEOF)
        {
            return false;
        }
        let Some((_, last)) = self.0.iter_mut().find(|(kind, _)| *kind == code) else {
            self.0.push((code, now));
            return true;
        };
        now.duration_since(mem::replace(last, now)) > QUIET
    }

    /// The client works; whether that is news.
    pub(crate) fn end(&mut self) -> bool {
        !mem::take(&mut self.0).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_partition_is_no_trouble() {
        let (mut troubles, now) = (Troubles::default(), Instant::now());
        let ends = [
            KafkaError::Global(RDKafkaErrorCode::PartitionEOF),
            KafkaError::PartitionEOF(3),
        ];
        for end in ends {
            assert!(!troubles.is_news(&end, now), "{end}");
        }
        assert!(!troubles.end());
    }

    #[test]
    fn a_trouble_is_told_once_until_the_client_works_again() {
        let (mut troubles, now) = (Troubles::default(), Instant::now());
        let down = KafkaError::Global(RDKafkaErrorCode::AllBrokersDown);
        let transport = KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure);
        assert!(troubles.is_news(&transport, now) && troubles.is_news(&down, now));
        assert!(!troubles.is_news(&transport, now) && !troubles.is_news(&down, now));
        assert!(troubles.end() && !troubles.end());
        assert!(troubles.is_news(&transport, now));
    }

    #[test]
    fn a_trouble_that_lasts_stays_told_and_one_that_comes_back_is_news() {
        let mut troubles = Troubles::default();
        let transport = KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure);
        let mut now = Instant::now();
        assert!(troubles.is_news(&transport, now));
        for _ in 0..10 {
            now += QUIET / 4;
            assert!(!troubles.is_news(&transport, now));
        }
        now += QUIET + Duration::from_millis(1);
        assert!(troubles.is_news(&transport, now));
    }
}
