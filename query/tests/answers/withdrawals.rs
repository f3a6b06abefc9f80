//! Statements that were wrong and are withdrawn, and answers as of before and after.

use greenpark_model::reading::Kind;
use greenpark_proto::query::v1::{self as pb, withdrawal::Of};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    fixture::{PARK, With, World, at, day, get, one_day, rows, series, value, value_added, year},
    statements::{correction, hourly, noted},
};

const NAME: &str = "parks/p/enterprises/e";

fn added(amount: &str) -> pb::Statistic {
    value_added(PARK, "e", year(2024), amount)
}

/// A world whose clock is the one that commits are told by, where `e` used 1,000 kWh in 2024.
async fn world() -> World {
    let world = World::new().await;
    let file = one_day("e", day("2024-03-01"), &[("electricity", "1000")]);
    world.seal(PARK, &[file], 1, With::Totals).await;
    world.go_on();
    world
}

/// The service's now, after which the clock goes on.
fn moment(world: &World) -> prost_types::Timestamp {
    world.go_on();
    let now = world.clock().now().millis();
    world.go_on();
    prost_types::Timestamp {
        seconds: now.div_euclid(1_000),
        nanos: i32::try_from(now.rem_euclid(1_000) * 1_000_000).expect("less than a second"),
    }
}

async fn denominator(world: &mut World, as_of: Option<prost_types::Timestamp>) -> String {
    let asked = pb::GetIndicatorRequest {
        as_of,
        ..get(NAME, year(2024))
    };
    let figure = world.indicators.get_energy_intensity(asked).await;
    value(&figure.expect("a figure").into_inner().denominator).to_owned()
}

#[tokio::test]
async fn a_withdrawn_statistic_counts_no_more_and_still_did_before() {
    let mut world = world().await;
    world.declare(PARK, vec![added("100")]).await;
    let before = moment(&world);
    let answer = world.withdraw(vec![Of::Statistic(added(""))]).await;
    assert_eq!(answer.expect("withdrawn").recorded, 1);
    let after = moment(&world);
    let figure = world.energy(NAME, year(2024)).await;
    assert!(figure.value.is_empty());
    assert!(
        noted(&figure.notes, &["is zero or not declared"]),
        "{:?}",
        figure.notes
    );
    world.declare(PARK, vec![added("90")]).await;
    world.go_on();
    assert_eq!(denominator(&mut world, Some(before)).await, "100");
    assert_eq!(denominator(&mut world, Some(after)).await, "0");
    assert_eq!(denominator(&mut world, None).await, "90");
    world.stop().await;
}

#[tokio::test]
async fn a_withdrawal_of_nothing_and_a_second_one_say_what_there_is() {
    let mut world = world().await;
    let other = value_added(PARK, "e", year(2023), "7");
    world.declare(PARK, vec![added("100"), other]).await;
    let statistic = || Of::Statistic(added(""));
    let never = pb::Statistic {
        price_base: "current".to_owned(),
        ..added("")
    };
    let refused = world.withdraw(vec![Of::Statistic(never)]).await;
    let refused = refused.expect_err("never declared");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    for part in [
        "value_added of 2024 (current)",
        "value_added of 2024 (constant-2020)",
        "value_added of 2023 (constant-2020)",
    ] {
        assert!(refused.message().contains(part), "{}", refused.message());
    }
    let twice = world.withdraw(vec![statistic(), statistic()]).await;
    assert!(twice.expect_err("twice").message().contains("twice"));
    world.withdraw(vec![statistic()]).await.expect("withdrawn");
    let again = world.withdraw(vec![statistic()]).await;
    let again = again.expect_err("withdrawn already");
    assert!(
        again.message().contains("withdrawn by bureau"),
        "{}",
        again.message()
    );
    // One that cannot be withdrawn keeps the others.
    let both = vec![
        Of::Statistic(value_added(PARK, "e", year(2023), "")),
        statistic(),
    ];
    world.withdraw(both).await.expect_err("one is wrong");
    let asked = pb::ListStatisticsRequest {
        parent: NAME.to_owned(),
        ..pb::ListStatisticsRequest::default()
    };
    let listed = world.registry.list_statistics(asked).await.expect("listed");
    assert_eq!(listed.into_inner().statistics.len(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_withdrawn_correction_gives_the_readings_back() {
    let mut world = world().await;
    let of = ("electricity", "electricity", "interval");
    let days = ("2024-03-01", "2024-03-01");
    world.correct(of, days, "800").await;
    let before = moment(&world);
    let withdrawal = Of::Correction(correction(of, days, ""));
    world
        .withdraw(vec![withdrawal.clone()])
        .await
        .expect("withdrawn");
    world.go_on();
    let kwh = |figure: &pb::Figure| value(&figure.components[0].amount).to_owned();
    let now = world.energy(NAME, year(2024)).await;
    assert_eq!(kwh(&now), "1000");
    let asked = pb::GetIndicatorRequest {
        as_of: Some(before),
        ..get(NAME, year(2024))
    };
    let then = world.indicators.get_energy_intensity(asked).await;
    assert_eq!(kwh(&then.expect("a figure").into_inner()), "800");
    let again = world.withdraw(vec![withdrawal]).await;
    let again = again.expect_err("withdrawn already");
    assert!(
        again.message().contains("nothing of its kind is in force"),
        "{}",
        again.message()
    );
    world.stop().await;
}

#[tokio::test]
async fn a_withdrawn_change_of_a_meter_is_as_if_it_had_not_been_recorded() {
    let mut world = World::new().await;
    let main = series("main", "electricity", Kind::Register);
    let of = day("2024-03-01");
    let values = [(at(of, 1), "100"), (at(of, 5), "110"), (at(of, 9), "130")];
    let file = rows("e", &[(main, &values)]);
    world.seal(PARK, &[(of, file)], 1, With::Totals).await;
    world
        .register_meter(hourly("main", "electricity", "register"))
        .await;
    let change = |hours: i64, multiplier: &str| pb::MeterChange {
        meter: format!("{NAME}/meters/main"),
        quantity: "electricity".to_owned(),
        at: Some(prost_types::Timestamp {
            seconds: at(of, hours) / 1_000,
            nanos: 0,
        }),
        old_final: "110".to_owned(),
        new_initial: "110".to_owned(),
        multiplier: multiplier.to_owned(),
    };
    async fn kwh(world: &mut World) -> String {
        let figure = world.energy(NAME, year(2024)).await;
        value(&figure.components[0].amount).to_owned()
    }
    assert_eq!(kwh(&mut world).await, "30");
    for change in [change(5, "10"), change(20, "")] {
        let request = pb::RecordMeterChangeRequest {
            change: Some(change),
            recorded_by: "test".to_owned(),
            evidence: "form 1".to_owned(),
        };
        let recorded = world.registry.record_meter_change(request).await;
        recorded.expect("recorded");
    }
    assert_eq!(kwh(&mut world).await, "210");
    let answer = world.withdraw(vec![Of::MeterChange(change(5, ""))]).await;
    let answer = answer.expect("withdrawn");
    assert!(
        noted(&answer.notes, &["keeps the multiplier 10"]),
        "{:?}",
        answer.notes
    );
    assert_eq!(kwh(&mut world).await, "30");
    let again = world.withdraw(vec![Of::MeterChange(change(5, ""))]).await;
    let again = again.expect_err("withdrawn already");
    assert!(
        again
            .message()
            .contains("in force are a change of electricity at 2024-03-01T20:00"),
        "{}",
        again.message()
    );
    world.stop().await;
}

#[tokio::test]
async fn every_mistake_of_a_withdrawal_is_named() {
    let mut world = World::new().await;
    let request = pb::WithdrawRequest {
        parent: "parks/p".to_owned(),
        withdrawals: vec![
            pb::Withdrawal::default(),
            pb::Withdrawal {
                of: Some(Of::Correction(correction(
                    ("m", "steam-ish", ""),
                    ("2024-03-02", "2024-03-01"),
                    "",
                ))),
                reason: "typo".to_owned(),
            },
        ],
        recorded_by: String::new(),
        evidence: String::new(),
    };
    let refused = world.registry.withdraw(request).await.expect_err("wrong");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = refused.get_details_bad_request().expect("details");
    let fields = details.field_violations.into_iter().map(|of| of.field);
    assert_eq!(
        fields.collect::<Vec<_>>(),
        [
            "recorded_by",
            "withdrawals[0].reason",
            "withdrawals[0]",
            "withdrawals[1].correction.quantity",
            "withdrawals[1].correction.days",
        ]
    );
    world.stop().await;
}
