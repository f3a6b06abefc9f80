//! Whether the broker may still be sending what it kept while we were away.
//!
//! No packet says where that ends. But a broker sends what it has as long as its window of unacknowledged messages
//! has room, and it answers requests in their order. So an answer that finds less unacknowledged than was once, or
//! nothing, finds a window with room and an empty queue behind it. The request is the SUBSCRIBE that begins an epoch,
//! and the same one again behind acknowledgements.

/// Counts an epoch's messages with a quality of service above 0.
#[derive(Debug)]
pub(super) struct Backlog {
    /// The queue was seen empty, or there was none.
    drained: bool,
    received: u64,
    acknowledged: u64,
    /// The most that was unacknowledged at once: no more than the broker's window.
    peak: u64,
    /// How much had been acknowledged before the request that is not answered yet.
    asked: Option<u64>,
}

impl Backlog {
    /// Before the broker has said whether it kept anything.
    pub(super) fn new() -> Self {
        Self {
            drained: true,
            received: 0,
            acknowledged: 0,
            peak: 0,
            asked: None,
        }
    }

    /// The broker has a session of ours, or has none; a request is under way.
    pub(super) fn begin(&mut self, session_present: bool) {
        *self = Self {
            drained: !session_present,
            asked: Some(0),
            ..Self::new()
        };
    }

    /// Counts a message that came; whether the broker may have kept it.
    pub(super) fn receive(&mut self, qos: u8) -> bool {
        if qos > 0 {
            self.received += 1;
            self.peak = self.peak.max(self.received - self.acknowledged);
        }
        !self.drained
    }

    /// Counts acknowledgements that were handed to the connection; whether to ask again behind them.
    pub(super) fn acknowledge(&mut self, count: u64) -> bool {
        self.acknowledged = (self.acknowledged + count).min(self.received);
        let asks = !self.drained && self.asked.is_none();
        if asks {
            self.asked = Some(self.acknowledged);
        }
        asks
    }

    /// The request is answered.
    pub(super) fn answer(&mut self) {
        if let Some(acknowledged) = self.asked.take() {
            let left = self.received - acknowledged;
            self.drained |= left == 0 || left < self.peak;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_session_nothing_was_kept() {
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

    /// A broker with a window of 20 that kept 50 messages, and sends more while they are drained.
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
