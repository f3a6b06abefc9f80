//! The text of facts that few days have, in the column `odd` of the totals table.
//!
//! The fields that exist, separated by a semicolon, in this order: `implausible 2; sentinels 1; set aside
//! 4294967295; export 36; peak 900; stretches A B C`. A stretch is the registers that it keeps, joined by `~`,
//! each `register@instant` with the instant in UTC milliseconds: the first and the last, or the first, the
//! first that differs, the last that differs from the last, and the last. `-export` follows if a bidirectional
//! meter measured below zero in it.

use std::{fmt::Write as _, sync::Arc};

use greenpark_model::{
    amount::{Amount, Sum},
    day::Instant,
    fold::{DayFold, Odd, Point, Stretch},
};

/// Formats the facts of a fold that few days have; `None` if it has none.
#[must_use]
pub fn write_odd(fold: &DayFold) -> Option<String> {
    let mut parts = Vec::new();
    let counts = [
        ("implausible", fold.outcomes.implausible),
        ("sentinels", fold.outcomes.sentinels),
    ];
    let some = counts.iter().filter(|(_, count)| *count > 0);
    parts.extend(some.map(|(name, count)| format!("{name} {count}")));
    if let Some(odd) = &fold.odd {
        let sums = [("set aside", odd.set_aside), ("export", odd.export)];
        let some = sums.iter().filter(|(_, sum)| *sum != Sum::ZERO);
        parts.extend(some.map(|(name, sum)| format!("{name} {}", sum.0)));
        parts.extend(odd.peak.map(|peak| format!("peak {}", peak.0)));
        if !odd.stretches.is_empty() {
            let texts: Vec<String> = odd.stretches.iter().map(write_stretch).collect();
            parts.push(format!("stretches {}", texts.join(" ")));
        }
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Adds the facts in a text to a fold; `None` if the text has another form.
#[must_use]
pub fn read_odd(text: &str, mut fold: DayFold) -> Option<DayFold> {
    let mut odd = Odd::default();
    let sum = |text: &str| text.parse().ok().map(Sum);
    for part in text.split("; ") {
        if let Some(count) = part.strip_prefix("implausible ") {
            fold.outcomes.implausible = count.parse().ok()?;
        } else if let Some(count) = part.strip_prefix("sentinels ") {
            fold.outcomes.sentinels = count.parse().ok()?;
        } else if let Some(amount) = part.strip_prefix("set aside ") {
            odd.set_aside = sum(amount)?;
        } else if let Some(amount) = part.strip_prefix("export ") {
            odd.export = sum(amount)?;
        } else if let Some(amount) = part.strip_prefix("peak ") {
            odd.peak = Some(sum(amount)?);
        } else {
            let texts = part.strip_prefix("stretches ")?.split(' ');
            odd.stretches = texts.map(read_stretch).collect::<Option<_>>()?;
        }
    }
    fold.odd = (odd != Odd::default()).then(|| Arc::new(odd));
    Some(fold)
}

fn write_stretch(stretch: &Stretch) -> String {
    let points = [
        Some(stretch.first),
        stretch.head,
        stretch.tail,
        Some(stretch.last),
    ];
    let texts: Vec<String> = points
        .into_iter()
        .flatten()
        .map(|point| format!("{}@{}", point.register.micro(), point.instant.millis()))
        .collect();
    let mut text = texts.join("~");
    if stretch.export != Sum::ZERO {
        write!(text, "~-{}", stretch.export.0).expect("a string takes any text");
    }
    text
}

fn read_stretch(text: &str) -> Option<Stretch> {
    let mut points = Vec::new();
    let mut export = Sum::ZERO;
    for part in text.split('~') {
        if let Some((register, instant)) = part.split_once('@') {
            points.push(Point {
                instant: Instant::from_millis(instant.parse().ok()?),
                register: Amount::from_micro(register.parse().ok()?).ok()?,
            });
        } else {
            export = Sum(part.strip_prefix('-')?.parse().ok()?);
        }
    }
    let (head, tail) = match points.as_slice() {
        [_, _] => (None, None),
        [_, head, tail, _] => (Some(*head), Some(*tail)),
        _ => return None,
    };
    Some(Stretch {
        first: *points.first()?,
        head,
        tail,
        last: *points.last()?,
        export,
    })
}

#[cfg(test)]
mod tests {
    use greenpark_model::fold::Outcomes;
    use proptest::prelude::*;

    use super::*;

    fn point() -> impl Strategy<Value = Point> {
        (any::<i64>(), -1_000_000i64..1_000_000_000).prop_map(|(instant, micro)| Point {
            instant: Instant::from_millis(instant),
            register: Amount::from_micro(micro).expect("in range"),
        })
    }

    fn stretch() -> impl Strategy<Value = Stretch> {
        let inner = prop::option::of((point(), point()));
        (point(), inner, point(), 0i128..9).prop_map(|(first, inner, last, export)| Stretch {
            first,
            head: inner.map(|(head, _)| head),
            tail: inner.map(|(_, tail)| tail),
            last,
            export: Sum(export),
        })
    }

    proptest! {
        #[test]
        fn what_few_days_have_is_read_back(
            (implausible, sentinels) in (0u32..3, 0u32..3),
            (set_aside, export) in (0i128..9, 0i128..9),
            peak in prop::option::of(0i128..1_000),
            stretches in prop::collection::vec(stretch(), 0..5),
        ) {
            let odd = Odd { stretches, set_aside: Sum(set_aside), export: Sum(export), peak: peak.map(Sum) };
            let fold = DayFold {
                outcomes: Outcomes { implausible, sentinels, ..Outcomes::default() },
                odd: (odd != Odd::default()).then(|| Arc::new(odd)),
                ..DayFold::default()
            };
            match write_odd(&fold) {
                Some(text) => prop_assert_eq!(read_odd(&text, DayFold::default()), Some(fold)),
                None => prop_assert_eq!(fold, DayFold::default()),
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "stretches",
            "stretches 1@2",
            "set aside much",
            "peaks 3",
        ] {
            assert_eq!(read_odd(text, DayFold::default()), None, "{text}");
        }
    }
}
