//! Dead letters with the embedded defaults, from a gateway's publish to a person who resends them.

use greenpark_tests_pipeline::{dead_letters, test_park::TestPark};

#[tokio::test(flavor = "multi_thread")]
async fn refused_readings_are_found_and_resent_once() {
    Box::pin(dead_letters::check_course(TestPark::start().await)).await;
}
