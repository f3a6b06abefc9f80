//! Statements that tests make: sides, withdrawals and corrections.

use greenpark_proto::query::v1::{self as pb, withdrawal::Of};
use tonic::Status;

use crate::fixture::{PARK, World};

impl World {
    /// Declares the side of an energy's balance of `id` of [`PARK`] from the first to the last day.
    pub(crate) async fn declare_side(
        &mut self,
        id: &str,
        medium: &str,
        side: &str,
        (first, last): (&str, &str),
    ) {
        let request = pb::DeclareSidesRequest {
            parent: format!("parks/{PARK}"),
            sides: vec![pb::BalanceSide {
                enterprise: format!("parks/{PARK}/enterprises/{id}"),
                medium: medium.to_owned(),
                side: side.to_owned(),
                valid_from: first.to_owned(),
                valid_to: last.to_owned(),
            }],
            recorded_by: "test".to_owned(),
            evidence: "diagram of the mains".to_owned(),
        };
        let declared = self.registry.declare_sides(request).await;
        assert_eq!(declared.expect("declared").into_inner().recorded, 1);
    }

    /// Withdraws statements of [`PARK`], all for one reason.
    pub(crate) async fn withdraw(&mut self, of: Vec<Of>) -> Result<pb::WithdrawResponse, Status> {
        let withdrawal = |of| pb::Withdrawal {
            of: Some(of),
            reason: "entered for the wrong year".to_owned(),
        };
        let request = pb::WithdrawRequest {
            parent: format!("parks/{PARK}"),
            withdrawals: of.into_iter().map(withdrawal).collect(),
            recorded_by: "bureau".to_owned(),
            evidence: "letter 3".to_owned(),
        };
        let answer = self.registry.withdraw(request).await;
        answer.map(tonic::Response::into_inner)
    }

    /// Corrects a meter of `e` of [`PARK`] by hand.
    pub(crate) async fn correct(
        &mut self,
        (meter, quantity, kind): (&str, &str, &str),
        days: (&str, &str),
        amount: &str,
    ) {
        let correction = correction((meter, quantity, kind), days, amount);
        let request = pb::RecordCorrectionRequest {
            correction: Some(correction),
            recorded_by: "metering".to_owned(),
            evidence: "form 12".to_owned(),
        };
        let recorded = self.registry.record_correction(request).await;
        recorded.expect("recorded");
    }
}

/// A correction by hand of a meter of `e` of [`PARK`].
pub(crate) fn correction(
    (meter, quantity, kind): (&str, &str, &str),
    (first, last): (&str, &str),
    amount: &str,
) -> pb::Correction {
    pb::Correction {
        meter: format!("parks/{PARK}/enterprises/e/meters/{meter}"),
        quantity: quantity.to_owned(),
        kind: kind.to_owned(),
        days: Some(pb::Days {
            first: first.to_owned(),
            last: last.to_owned(),
        }),
        amount: amount.to_owned(),
        reason: "the meter was dead".to_owned(),
        ..pb::Correction::default()
    }
}

/// A registered meter of `e` of [`PARK`] that is read every hour.
pub(crate) fn hourly(meter: &str, quantity: &str, kind: &str) -> pb::Meter {
    pb::Meter {
        name: format!("parks/{PARK}/enterprises/e/meters/{meter}"),
        quantity: quantity.to_owned(),
        kind: kind.to_owned(),
        interval_s: 3_600,
        counted: true,
        valid_from: "2020-01-01".to_owned(),
        ..pb::Meter::default()
    }
}

/// Whether a note has all of `parts`.
pub(crate) fn noted(notes: &[String], parts: &[&str]) -> bool {
    let all = |note: &String| parts.iter().all(|part| note.contains(part));
    notes.iter().any(all)
}
