//! Dead letters on embedded defaults, from a gateway's publish to a person who sends them again.

use greenpark_tests_pipeline::{letters, site::Site};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_found_mended_and_sent_again_once() {
    Box::pin(letters::course(Site::start().await)).await;
}
