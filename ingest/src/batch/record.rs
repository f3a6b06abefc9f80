//! Builds the record of a gateway's batch or of a dead letter.

use bytes::Bytes;
use greenpark_log::{ContentType, Headers, Record};

use crate::topic::Origin;

/// Builds a record of `origin` without a number.
pub(super) fn record(origin: &Origin, content_type: ContentType, payload: Bytes) -> Record {
    let headers = Headers {
        enterprise: origin.enterprise.clone(),
        gateway: origin.gateway.clone(),
        epoch: 0,
        sequence: 0,
        content_type,
    };
    Record {
        park: origin.park.clone(),
        headers,
        payload,
    }
}
