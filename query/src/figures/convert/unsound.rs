//! The wire form of the reasons against a figure, and of the thresholds behind them. Pure.

use greenpark_model::{
    indicator::round,
    soundness::{NAMES, Reason},
};
use greenpark_proto::query::v1 as pb;

use crate::{figures::convert::timestamp, reference::quality_rules::QualityRules};

/// Decimal places of shares.
const PLACES: u32 = 6;

/// The wire form of `reasons`; `year` is 0 if the request names only one period.
pub(crate) fn on_wire(reasons: &[Reason], year: i16) -> Vec<pb::UnsoundReason> {
    reasons.iter().map(|reason| convert(reason, year)).collect()
}

fn convert(reason: &Reason, year: i16) -> pb::UnsoundReason {
    let share = reason.share();
    let mut message = pb::UnsoundReason {
        kind: kind(reason).into(),
        names: reason.concerned().to_vec(),
        share: share.map_or_else(String::new, |s| round(s.found, PLACES).to_string()),
        threshold: share.map_or_else(String::new, |s| s.threshold.normalize().to_string()),
        count: reason.count(),
        year: year.into(),
        detail: reason.to_string(),
        mend: reason.mend().to_owned(),
        ..pb::UnsoundReason::default()
    };
    match reason {
        Reason::NotPositive { term, value, .. } => {
            message.term = term.to_string();
            message.value = value.normalize().to_string();
        }
        Reason::LateChange { late, .. } => {
            message.gateways.clone_from(&late.gateways);
            message.late_readings = late.readings;
            message.late_corrections = late.corrections;
            message.first_arrived = late.arrived.map(|(first, _)| timestamp(first));
            message.last_arrived = late.arrived.map(|(_, last)| timestamp(last));
            message.final_since = late.final_since.map(timestamp);
        }
        _ => {}
    }
    message
}

/// The wire kind of a reason; kinds are numbered from 1 in the order of [`NAMES`].
fn kind(reason: &Reason) -> pb::UnsoundKind {
    let place = NAMES.iter().position(|name| *name == reason.name());
    place
        .and_then(|place| i32::try_from(place + 1).ok())
        .and_then(|number| pb::UnsoundKind::try_from(number).ok())
        .unwrap_or(pb::UnsoundKind::Unspecified)
}

/// The wire form of the thresholds of soundness.
pub(crate) fn thresholds(rules: &QualityRules) -> Vec<pb::SoundnessThreshold> {
    let threshold = |(name, value): (&str, rust_decimal::Decimal)| pb::SoundnessThreshold {
        name: name.to_owned(),
        value: value.normalize().to_string(),
    };
    rules.soundness().map(threshold).collect()
}

#[cfg(test)]
mod tests {
    use greenpark_model::{
        day::Instant,
        soundness::{LateChanges, Share, Term},
    };
    use rust_decimal::Decimal;

    use super::*;

    #[test]
    fn a_wire_kind_has_the_name_and_number_of_its_reason() {
        for (number, name) in (1..).zip(NAMES) {
            let kind = pb::UnsoundKind::try_from(number).expect("a kind a name");
            let wire = format!("UNSOUND_KIND_{}", name.to_uppercase());
            assert_eq!(kind.as_str_name(), wire);
        }
    }

    #[test]
    fn a_reason_carries_its_numbers_beside_its_sentence() {
        let share = Share {
            found: Decimal::from(20) / Decimal::from(365),
            threshold: Decimal::new(90, 2),
        };
        let meters = vec!["m".to_owned()];
        let late = LateChanges {
            readings: 2,
            corrections: 1,
            gateways: vec!["gw".to_owned()],
            arrived: Some((Instant::from_millis(1_000), Instant::from_millis(2_000))),
            final_since: Some(Instant::from_millis(0)),
        };
        let reasons = [
            Reason::Coverage {
                share,
                meters: meters.clone(),
            },
            Reason::NotPositive {
                term: Term::Numerator,
                value: Decimal::new(-5000, 1),
                names: Vec::new(),
            },
            Reason::LateChange {
                share,
                late,
                meters,
            },
        ];
        let [coverage, negative, late] = &on_wire(&reasons, 2025)[..] else {
            panic!("three reasons")
        };
        assert_eq!(coverage.kind(), pb::UnsoundKind::Coverage);
        assert_eq!(
            (coverage.share.as_str(), coverage.threshold.as_str()),
            ("0.054795", "0.9")
        );
        assert_eq!((coverage.year, coverage.count), (2025, 1));
        assert_eq!(
            (negative.term.as_str(), negative.value.as_str()),
            ("numerator", "-500")
        );
        assert_eq!(
            (late.late_readings, late.late_corrections, late.count),
            (2, 1, 3)
        );
        let arrived = late.last_arrived.expect("an instant");
        assert_eq!(arrived.seconds, 2);
    }
}
