//! One suite for every log: what `contract` promises, held against memory, the embedded file, Kafka by
//! librdkafka's mock cluster, and a real broker when `GREENPARK_KAFKA` names one.

mod cases;
mod subject;

use std::thread;

use subject::Subject;

/// How many of the mock's clusters run at once.
const MOCKS_AT_ONCE: usize = 6;

macro_rules! conformance {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                crate::cases::$case(&crate::Subject::memory()).await;
            })+
        }

        mod embedded {
            $(#[tokio::test]
            async fn $case() {
                crate::cases::$case(&crate::Subject::embedded()).await;
            })+
        }

        /// One test and not many: the mock makes each new group wait for seconds, so some cases wait
        /// together, each on a thread of its own. Not all: each brings a cluster and its clients.
        #[test]
        fn the_kafka_mock_conforms() {
            let cases: &[(&str, fn())] = &[$((stringify!($case), || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async {
                    cases::$case(&Subject::kafka_mock().await).await;
                });
            })),+];
            let mut failed = Vec::new();
            for group in cases.chunks(MOCKS_AT_ONCE) {
                let running: Vec<_> = group
                    .iter()
                    .map(|&(name, case)| (name, thread::spawn(case)))
                    .collect();
                let ended = running.into_iter().map(|(name, case)| (name, case.join()));
                failed.extend(ended.filter(|(_, end)| end.is_err()).map(|(name, _)| name));
            }
            assert!(failed.is_empty(), "{failed:?} failed, see above");
        }

        /// Needs `GREENPARK_KAFKA=host:port`; says so and passes without it.
        #[tokio::test]
        async fn a_real_broker_conforms() {
            let Some(brokers) = subject::real_brokers() else { return };
            $(
                subject::say(concat!("real broker: ", stringify!($case)));
                cases::$case(&Subject::kafka_real(&brokers, stringify!($case)).await).await;
            )+
        }
    };
}

conformance!(
    records_come_back_as_they_were,
    order_within_a_park_is_kept,
    overlapping_appends_arrive_once_each,
    calls_made_one_after_the_other_keep_their_order,
    a_new_reader_starts_at_the_committed_offset,
    uncommitted_records_come_again,
    a_commit_never_moves_backwards,
    a_record_is_found_by_its_offset,
    a_partition_is_read_again_from_where_it_is_asked_for,
    an_oversize_record_is_refused_with_its_call,
    an_empty_append_has_a_receipt,
    an_empty_log_answers_with_nothing,
    caught_up_means_nothing_is_left,
    a_delivery_is_bounded,
    more_than_the_window_gets_through,
    groups_do_not_see_each_other,
    a_dropped_next_loses_nothing,
    a_waiting_reader_is_woken,
    a_partition_has_one_reader_of_a_group,
    a_partition_comes_with_its_end,
);
