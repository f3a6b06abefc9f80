//! Waits until the query service reports that every acknowledged reading is stored and every closed day is sealed.

use std::time::Duration;

use anyhow::bail;
use greenpark_client::{
    connection::{QueryConnection, refusal},
    name,
};
use greenpark_console::{output::thousands, progress::ProgressBar};
use greenpark_gateway::demo::{
    history::{self, Expected, Loaded},
    park::PARK,
    trend::FIRST_DAY,
};
use greenpark_model::day::{CivilDay, Instant as Moment};
use greenpark_proto::query::v1 as api;
use tokio::time::{Instant, sleep};

/// The longest wait after the last acknowledgement; usually it takes seconds.
const PATIENCE: Duration = Duration::from_secs(180);
/// The pause between two requests.
const PAUSE: Duration = Duration::from_millis(500);
/// The last year whose days must all be sealed: the plan's last.
const LAST_SEALED_YEAR: i16 = 2025;

/// The readings of the closed days that the service has.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Stored {
    received: Expected,
    /// Days of the plan's years that are not sealed.
    open_days: u32,
}

/// Waits until the readings of every closed day have arrived and the plan's years are sealed.
pub(super) async fn wait(service: &QueryConnection, loaded: &Loaded) -> anyhow::Result<()> {
    // Yesterday: today may get more readings.
    let last = Moment::from_millis(loaded.until).day().previous();
    let expected = history::expected(last.end().millis() - 1);
    let deadline = Instant::now() + PATIENCE;
    let mut gauge = ProgressBar::wait("storing and sealing");
    loop {
        let stored = request_stored(service, last).await?;
        if stored.is_complete(&expected) {
            gauge.finish();
            return Ok(());
        }
        let state = stored.describe(&expected);
        if Instant::now() > deadline {
            bail!(
                "not everything is stored {} s after it was acknowledged: {state}",
                PATIENCE.as_secs()
            );
        }
        gauge.report(&format!("storing and sealing: {state}"));
        sleep(PAUSE).await;
    }
}

async fn request_stored(service: &QueryConnection, last: CivilDay) -> anyhow::Result<Stored> {
    let first = CivilDay::from_epoch_days(FIRST_DAY);
    let mut client = service.indicators();
    let mut stored = Stored::default();
    let request = api::GetIndicatorRequest {
        name: format!("parks/{PARK}"),
        period: Some(name::days(first, last)),
        ..api::GetIndicatorRequest::default()
    };
    let received = |figure: api::Figure| figure.coverage.map_or(0, |coverage| coverage.received);
    let water = client
        .get_water_intensity(request.clone())
        .await
        .map_err(refusal)?
        .into_inner();
    stored.received.water = received(water);
    let energy = client
        .get_energy_intensity(request.clone())
        .await
        .map_err(refusal)?
        .into_inner();
    stored.received.energy = received(energy);
    let waste = client
        .get_waste_utilization(request.clone())
        .await
        .map_err(refusal)?
        .into_inner();
    stored.received.waste = received(waste);
    let end = CivilDay::from_date(jiff::civil::Date::constant(LAST_SEALED_YEAR, 12, 31)).min(last);
    let plan = api::GetIndicatorRequest {
        period: Some(name::days(first, end)),
        ..request
    };
    let plan = client
        .get_energy_intensity(plan)
        .await
        .map_err(refusal)?
        .into_inner();
    stored.open_days = plan
        .coverage
        .map_or(u32::MAX, |coverage| coverage.open_days);
    Ok(stored)
}

impl Stored {
    /// Live readings of an earlier run are extra, so more than expected is complete as well.
    fn is_complete(&self, expected: &Expected) -> bool {
        self.open_days == 0
            && self.received.energy >= expected.energy
            && self.received.water >= expected.water
            && self.received.waste >= expected.waste
    }

    fn describe(&self, expected: &Expected) -> String {
        let sum = |e: &Expected| thousands(e.energy + e.water + e.waste);
        format!(
            "{} of {} counted readings, {} days open",
            sum(&self.received),
            sum(expected),
            self.open_days
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_means_every_reading_and_every_day() {
        let expected = Expected {
            energy: 10,
            water: 5,
            waste: 2,
        };
        let stored = Stored {
            received: expected,
            open_days: 0,
        };
        assert!(stored.is_complete(&expected));
        assert!(
            !Stored {
                open_days: 1,
                ..stored
            }
            .is_complete(&expected)
        );
        let fewer = Expected {
            water: 4,
            ..expected
        };
        let stored = Stored {
            received: fewer,
            open_days: 3,
        };
        assert!(!stored.is_complete(&expected));
        assert_eq!(
            stored.describe(&expected),
            "16 of 17 counted readings, 3 days open"
        );
    }
}
