//! The meters of an enterprise as its gateway reads them: one payload per span of time, in order.

use greenpark_model::{
    amount::Amount,
    day::{CivilDay, DAY_MS, Instant},
    reading::Kind,
};

use super::{
    meter::{Cursor, HOUR_MS, Meter},
    park::{ENTERPRISES, GATEWAY, MeterSpec, PARK},
    trend::FIRST_DAY,
};
use crate::payload::{Head, PayloadColumns};

/// An enterprise's meters, at one instant of their history.
#[derive(Debug)]
pub(super) struct Source {
    enterprise: usize,
    registers: Vec<Cursor>,
    weighbridges: Vec<Meter>,
    /// Every reading at or before this instant was sent.
    until: i64,
}

/// The first instant of the history.
pub(super) fn first_instant() -> i64 {
    CivilDay::from_epoch_days(FIRST_DAY).start().millis()
}

impl Source {
    /// Creates the source of the enterprise at `index`, of which everything up to `until` was sent.
    pub(super) fn new(index: usize, until: i64) -> Self {
        let until = until.max(first_instant() - 1);
        let day = Instant::from_millis(until + 1).day().epoch_days();
        let (registers, weighbridges): (Vec<_>, Vec<_>) =
            Meter::all(index).partition(|meter| meter.spec.kind == Kind::Register);
        let registers = registers
            .into_iter()
            .map(|meter| Cursor::at(meter, day))
            .collect();
        Self {
            enterprise: index,
            registers,
            weighbridges,
            until,
        }
    }

    /// The topic of the enterprise's gateway.
    pub(super) fn topic(&self) -> String {
        format!(
            "park/{PARK}/{}/{GATEWAY}/up/readings",
            ENTERPRISES[self.enterprise].id
        )
    }

    /// The client id of the gateway.
    pub(super) fn client_id(&self) -> String {
        format!("{PARK}-{}-{GATEWAY}", ENTERPRISES[self.enterprise].id)
    }

    /// The instant up to which everything was sent.
    pub(super) fn until(&self) -> i64 {
        self.until
    }

    /// Returns every unsent reading up to and including `until`: registers hour by hour, tickets at their instants.
    pub(super) fn advance(&mut self, until: i64) -> PayloadColumns {
        let mut columns = PayloadColumns::default();
        if until <= self.until {
            return columns;
        }
        for cursor in &mut self.registers {
            let (from, values) = hours(cursor, self.until + 1, until);
            columns.add_steps(head(cursor.meter()), from, HOUR_MS, &values);
        }
        self.add_tickets(until, &mut columns);
        self.until = until;
        columns
    }

    /// Like [`Source::advance`], plus every register at `until` itself.
    pub(super) fn advance_live(&mut self, until: i64) -> PayloadColumns {
        let mut columns = PayloadColumns::default();
        if until <= self.until {
            return columns;
        }
        for cursor in &mut self.registers {
            let (from, mut values) = hours(cursor, self.until + 1, until);
            columns.add_steps(head(cursor.meter()), from, HOUR_MS, &values);
            if until % HOUR_MS != 0 {
                values.clear();
                values.push(cursor.register_at(until));
                columns.add_steps(head(cursor.meter()), until, HOUR_MS, &values);
            }
        }
        self.add_tickets(until, &mut columns);
        self.until = until;
        columns
    }

    /// Estimates the readings of `hours` hours; tickets count as on the first day of 2020.
    pub(super) fn hourly(&self, hours: u64) -> u64 {
        let tickets: usize = self
            .weighbridges
            .iter()
            .map(|m| m.tickets(FIRST_DAY).len())
            .sum();
        self.registers.len() as u64 * hours + tickets as u64 * hours / 24
    }

    /// Counts the readings of each meter from the beginning up to and including `until`.
    pub(super) fn count(&self, until: i64, mut add: impl FnMut(&MeterSpec, u64)) {
        let first = first_instant();
        let hours = (until - first).div_euclid(HOUR_MS) + 1;
        for cursor in &self.registers {
            add(cursor.meter().spec, hours.max(0).unsigned_abs());
        }
        let last = Instant::from_millis(until).day().epoch_days();
        for meter in &self.weighbridges {
            let days = (FIRST_DAY..=last).flat_map(|day| meter.tickets(day));
            add(
                meter.spec,
                days.filter(|ticket| ticket.at <= until).count() as u64,
            );
        }
    }

    fn add_tickets(&self, until: i64, columns: &mut PayloadColumns) {
        let first = Instant::from_millis(self.until + 1).day().epoch_days();
        let last = Instant::from_millis(until).day().epoch_days();
        for meter in &self.weighbridges {
            let tickets: Vec<(i64, Amount)> = (first..=last)
                .flat_map(|day| meter.tickets(day))
                .filter(|ticket| self.until < ticket.at && ticket.at <= until)
                .map(|ticket| (ticket.at, ticket.mass))
                .collect();
            columns.add_events(head(*meter), &tickets);
        }
    }
}

/// Returns the registers at every full hour from `from` to `until`, and the first of these hours. The cursor ends on the
/// day of the instant after `until`.
fn hours(cursor: &mut Cursor, from: i64, until: i64) -> (i64, Vec<Amount>) {
    // Hours of Asia/Shanghai begin with those of UTC.
    let first = (from + HOUR_MS - 1).div_euclid(HOUR_MS) * HOUR_MS;
    let mut values = Vec::new();
    let mut start = CivilDay::from_epoch_days(cursor.day()).start().millis();
    while start <= until {
        // A day that continues after `until` is read again the next time.
        let whole = start + DAY_MS <= until + 1;
        let registers = if whole {
            cursor.next_day()
        } else {
            cursor.clone().next_day()
        };
        let at = |hour: usize| start + hour as i64 * HOUR_MS;
        let wanted = (0..24).filter(|&hour| first <= at(hour) && at(hour) <= until);
        values.extend(wanted.map(|hour| registers[hour]));
        if !whole {
            break;
        }
        start = CivilDay::from_epoch_days(cursor.day()).start().millis();
    }
    (first, values)
}

fn head(meter: Meter) -> Head<'static> {
    Head {
        meter: meter.spec.id,
        quantity: meter.spec.quantity,
        kind: meter.spec.kind,
        unit: "",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Every reading of a payload by meter and instant, its value as text.
    fn readings(columns: PayloadColumns, into: &mut BTreeMap<(String, i64), String>) -> u32 {
        let count = columns.readings();
        let json: serde_json::Value = serde_json::from_slice(&columns.finish()).expect("JSON");
        for series in json["series"].as_array().expect("series") {
            let meter = series["meter"].as_str().expect("a meter");
            for (n, value) in (0i64..).zip(series["value"].as_array().expect("values")) {
                let at = match series["from"].as_i64() {
                    Some(from) => from + n * series["step"].as_i64().expect("a step"),
                    None => series["at"][n as usize].as_i64().expect("an instant"),
                };
                into.insert((meter.to_owned(), at), value.to_string());
            }
        }
        count
    }

    #[test]
    fn history_is_the_same_however_it_is_cut() {
        let (start, end) = (first_instant(), first_instant() + 200 * HOUR_MS + 17);
        let mut whole = BTreeMap::new();
        let count = readings(Source::new(0, 0).advance(end), &mut whole);
        assert_eq!(whole.len(), count as usize);
        let electricity = whole
            .keys()
            .filter(|(meter, _)| meter == "electricity-1")
            .count();
        assert_eq!(electricity, 201);

        let mut cut = BTreeMap::new();
        let mut source = Source::new(0, 0);
        let mut at = start;
        while at < end {
            at = (at + 7 * HOUR_MS + 1_234_567).min(end);
            readings(source.advance(at), &mut cut);
        }
        assert_eq!(cut, whole);

        // As after a restart in the middle.
        let middle = start + 99 * HOUR_MS;
        let mut halves = BTreeMap::new();
        readings(Source::new(0, 0).advance(middle), &mut halves);
        readings(Source::new(0, middle).advance(end), &mut halves);
        assert_eq!(halves, whole);
    }

    #[test]
    fn live_readings_lie_between_the_hours() {
        let middle = first_instant() + 30 * HOUR_MS + HOUR_MS / 2;
        let mut live = BTreeMap::new();
        let mut source = Source::new(4, first_instant() + 29 * HOUR_MS);
        readings(source.advance_live(middle), &mut live);
        readings(
            source.advance_live(first_instant() + 31 * HOUR_MS),
            &mut live,
        );
        let of = |at: i64| {
            let text = live
                .get(&("electricity-1".to_owned(), at))
                .expect("a reading");
            text.parse::<Amount>().expect("a decimal")
        };
        let hour = first_instant() + 30 * HOUR_MS;
        assert!(of(hour) < of(middle) && of(middle) < of(hour + HOUR_MS));
        assert_eq!(source.until(), hour + HOUR_MS);
    }
}
