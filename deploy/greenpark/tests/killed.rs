//! SIGKILL ends the whole process ten times while a sender resends unacknowledged readings: the figure is exactly the
//! sum of the sender's readings, and no reading counts twice.

mod place;

use std::time::{Duration, Instant};

use place::{Place, READINGS, find, number};

const KILLS: u32 = 10;
/// How long each life of the process lasts.
const LIFE: Duration = Duration::from_millis(700);
/// Readings a second: slow enough for every kill to fall into the replay.
const SPEED: &str = "2500";

#[test]
fn killed_ten_times_during_a_replay_the_figure_is_exact() {
    let place = Place::new();
    let mut process = place.start();
    let replay = place.replay(SPEED);
    for kill in 0..KILLS {
        let early = replay.recv_timeout(LIFE);
        assert!(
            early.is_err(),
            "the replay ended before kill {kill}: {early:?}"
        );
        process.kill().expect("it runs");
        process.wait().expect("it was ours");
        process = place.start();
    }
    let output = replay
        .recv_timeout(Duration::from_secs(120))
        .expect("the replay ends");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{stdout}{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = place.figure();
        let stored = number(&answer, "received") == Some(READINGS);
        if stored && number(&answer, "open_days").unwrap_or(0) == 0 {
            let amount = find(&answer, "components").and_then(|c| find(c, "value"));
            let amount = amount.and_then(|amount| amount.as_str());
            assert_eq!(amount, Some(place.minutes.kwh().as_str()));
            break;
        }
        assert!(Instant::now() < deadline, "not all was stored: {answer}");
    }
    process.kill().expect("it runs");
    process.wait().expect("it was ours");
}
