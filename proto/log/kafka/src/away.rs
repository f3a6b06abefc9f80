//! Which errors of Kafka pass by themselves.

use rdkafka::{error::KafkaError, types::RDKafkaErrorCode};

/// Whether the cluster, or a group's coordinator, is away or busy: the same may be asked again.
pub(crate) fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::RebalanceInProgress
                | RDKafkaErrorCode::CoordinatorLoadInProgress
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::NotCoordinator
                | RDKafkaErrorCode::WaitingForCoordinator
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::NetworkException
                | RDKafkaErrorCode::Resolve
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_told_from_what_is_wrong() {
        for code in [
            RDKafkaErrorCode::RebalanceInProgress,
            RDKafkaErrorCode::BrokerTransportFailure,
        ] {
            assert!(passes(&KafkaError::ConsumerCommit(code)), "{code}");
            assert!(passes(&KafkaError::MetadataFetch(code)), "{code}");
        }
        for code in [
            RDKafkaErrorCode::TopicAuthorizationFailed,
            RDKafkaErrorCode::UnknownMemberId,
        ] {
            assert!(!passes(&KafkaError::ConsumerCommit(code)), "{code}");
        }
    }
}
