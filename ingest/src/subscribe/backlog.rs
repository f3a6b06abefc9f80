//! Detects whether the broker may still be sending messages that it queued while we were
//! disconnected.
//!
//! No packet marks the end of the queue. But a broker sends queued messages as long as its window
//! of unacknowledged messages has room, and it answers requests in order. So if an answer arrives
//! when fewer messages are unacknowledged than at the peak, or none, the window has room and the
//! queue behind it is empty. The request is the SUBSCRIBE that begins an epoch, and the same one
//! again after acknowledgements.

/// Counts an epoch's messages with a quality of service above 0.
#[derive(Debug)]
pub(super) struct Backlog {
    /// The queue was seen empty, or there was none.
    drained: bool,
    received: u64,
    acknowledged: u64,
    /// The most messages unacknowledged at once: no more than the broker's window.
    peak: u64,
    /// The number of acknowledged messages before the pending request.
    requested: Option<u64>,
}

impl Backlog {
    /// The state before the broker has reported a session.
    pub(super) fn new() -> Self {
        Self {
            drained: true,
            received: 0,
            acknowledged: 0,
            peak: 0,
            requested: None,
        }
    }

    /// Starts an epoch; the broker has a session of ours or none, and a request is under way.
    pub(super) fn begin(&mut self, session_present: bool) {
        *self = Self {
            drained: !session_present,
            requested: Some(0),
            ..Self::new()
        };
    }

    /// Counts a received message; returns true if the broker may have queued it.
    pub(super) fn receive(&mut self, qos: u8) -> bool {
        if qos > 0 {
            self.received += 1;
            self.peak = self.peak.max(self.received - self.acknowledged);
        }
        !self.drained
    }

    /// Counts acknowledgements that were handed to the connection; returns true if a new request
    /// should follow them.
    pub(super) fn acknowledge(&mut self, count: u64) -> bool {
        self.acknowledged = (self.acknowledged + count).min(self.received);
        let requests_again = !self.drained && self.requested.is_none();
        if requests_again {
            self.requested = Some(self.acknowledged);
        }
        requests_again
    }

    /// Evaluates the answer to the request.
    pub(super) fn answer(&mut self) {
        if let Some(acknowledged) = self.requested.take() {
            let left = self.received - acknowledged;
            self.drained |= left == 0 || left < self.peak;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_session_nothing_was_queued() {
        let mut backlog = Backlog::new();
        backlog.begin(false);
        assert!(!backlog.receive(1));
        assert!(!backlog.acknowledge(1));
    }

    #[test]
    fn an_empty_queue_is_seen_with_the_first_answer() {
        let mut backlog = Backlog::new();
        backlog.begin(true);
        backlog.answer();
        assert!(!backlog.receive(1) && !backlog.receive(0));
    }

    /// A broker with a window of 20 that queued 50 messages, and sends more while they are drained.
    #[test]
    fn a_queue_is_drained_when_the_window_is_no_longer_full() {
        let mut backlog = Backlog::new();
        backlog.begin(true);
        let (mut kept, mut in_flight) = (50, 0);
        let send = |backlog: &mut Backlog, count: u64| (0..count).all(|_| backlog.receive(1));
        assert!(send(&mut backlog, 20));
        (kept, in_flight) = (kept - 20, in_flight + 20);
        backlog.answer();
        while kept > 0 {
            assert!(backlog.acknowledge(in_flight));
            let next = kept.min(20);
            assert!(send(&mut backlog, next), "{kept} were kept still");
            (kept, in_flight) = (kept - next, next);
            backlog.answer();
        }
        assert_eq!(in_flight, 10);
        assert!(!backlog.receive(1), "the window had room");
        assert!(!backlog.acknowledge(11));
    }

    #[test]
    fn fewer_than_a_window_are_drained_by_an_acknowledgement() {
        let mut backlog = Backlog::new();
        backlog.begin(true);
        for _ in 0..5 {
            assert!(backlog.receive(1));
        }
        backlog.answer();
        assert!(
            backlog.receive(1),
            "five of a window of five may be all that fits"
        );
        assert!(backlog.acknowledge(6));
        backlog.answer();
        assert!(!backlog.receive(1));
    }
}
