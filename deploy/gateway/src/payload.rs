//! Payloads in the native JSON of ingest (`ingest/schema/readings.schema.json`).
//!
//! Values are written from exact micro-units, or copied as the text of the source: no float is involved.

use std::io::Write as _;

use bytes::Bytes;
use greenpark_model::{
    amount::Amount,
    quantity::Quantity,
    reading::{Flag, Kind},
};

/// The fields that all readings of a series share.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The meter.
    pub meter: &'a str,
    /// The measured quantity.
    pub quantity: Quantity,
    /// The kind of the values.
    pub kind: Kind,
    /// The unit of the values; the canonical one of the quantity's medium if empty.
    pub unit: &'a str,
}

/// A columnar payload that grows series by series.
#[derive(Debug, Default)]
pub struct PayloadColumns {
    text: Vec<u8>,
    readings: u32,
}

impl PayloadColumns {
    /// Adds values at regular steps from `from_ms` on.
    pub fn add_steps(&mut self, head: Head<'_>, from_ms: i64, step_ms: i64, values: &[Amount]) {
        if values.is_empty() {
            return;
        }
        self.open(head);
        append(
            &mut self.text,
            format_args!("\"from\":{from_ms},\"step\":{step_ms}"),
        );
        self.text.extend_from_slice(b",\"value\":[");
        for value in values {
            write_amount(&mut self.text, *value);
            self.text.push(b',');
        }
        self.close(values.len());
    }

    /// Adds events, each with its instant.
    pub fn add_events(&mut self, head: Head<'_>, events: &[(i64, Amount)]) {
        if events.is_empty() {
            return;
        }
        self.open(head);
        self.text.extend_from_slice(b"\"at\":[");
        for (at, _) in events {
            append(&mut self.text, format_args!("{at},"));
        }
        self.text.pop();
        self.text.extend_from_slice(b"],\"value\":[");
        for (_, value) in events {
            write_amount(&mut self.text, *value);
            self.text.push(b',');
        }
        self.close(events.len());
    }

    /// Adds values at instants of their own, each value as JSON number text, with their tickets.
    pub fn add_listed<'a>(
        &mut self,
        head: Head<'_>,
        flag: Flag,
        readings: impl Iterator<Item = (i64, &'a str, Option<&'a str>)> + Clone,
    ) {
        self.open(head);
        if flag != Flag::Normal {
            append(
                &mut self.text,
                format_args!("\"flag\":\"{}\",", flag.as_str()),
            );
        }
        self.text.extend_from_slice(b"\"at\":[");
        for (at, ..) in readings.clone() {
            append(&mut self.text, format_args!("{at},"));
        }
        self.text.pop();
        if readings.clone().any(|(.., ticket)| ticket.is_some()) {
            self.text.extend_from_slice(b"],\"ticket\":[");
            for (.., ticket) in readings.clone() {
                match ticket {
                    Some(ticket) => append(&mut self.text, format_args!("\"{ticket}\",")),
                    None => self.text.extend_from_slice(b"null,"),
                }
            }
            self.text.pop();
        }
        self.text.extend_from_slice(b"],\"value\":[");
        let mut count = 0;
        for (_, value, _) in readings {
            append(&mut self.text, format_args!("{value},"));
            count += 1;
        }
        self.close(count);
    }

    /// Returns the number of readings so far.
    #[must_use]
    pub fn readings(&self) -> u32 {
        self.readings
    }

    /// Returns the payload.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        if self.text.is_empty() {
            self.text.extend_from_slice(b"{\"series\":[");
        }
        self.text.extend_from_slice(b"]}");
        Bytes::from(self.text)
    }

    fn open(&mut self, head: Head<'_>) {
        self.text.extend_from_slice(if self.text.is_empty() {
            b"{\"series\":["
        } else {
            b","
        });
        write_head(&mut self.text, head);
    }

    fn close(&mut self, count: usize) {
        // The comma after the last value.
        self.text.pop();
        self.text.extend_from_slice(b"]}");
        self.readings += u32::try_from(count).unwrap_or(u32::MAX);
    }
}

/// Returns a payload of one reading; the value is JSON number text.
#[must_use]
pub fn single(head: Head<'_>, at_ms: i64, value: &str, flag: Flag, ticket: Option<&str>) -> Bytes {
    let mut text = Vec::with_capacity(160);
    write_head(&mut text, head);
    append(&mut text, format_args!("\"at\":{at_ms},\"value\":{value}"));
    if flag != Flag::Normal {
        append(&mut text, format_args!(",\"flag\":\"{}\"", flag.as_str()));
    }
    if let Some(ticket) = ticket {
        append(&mut text, format_args!(",\"ticket\":\"{ticket}\""));
    }
    text.push(b'}');
    Bytes::from(text)
}

/// `{"meter":…,"quantity":…,"kind":…,"unit":…,`; ids and names need no escape.
fn write_head(text: &mut Vec<u8>, head: Head<'_>) {
    let unit = if head.unit.is_empty() {
        head.quantity.medium.unit().symbol()
    } else {
        head.unit
    };
    let (meter, quantity, kind) = (head.meter, head.quantity, head.kind.as_str());
    append(
        text,
        format_args!(
            "{{\"meter\":\"{meter}\",\"quantity\":\"{quantity}\",\"kind\":\"{kind}\",\"unit\":\"{unit}\","
        ),
    );
}

/// Writes the shortest exact decimal without a formatter, because every value of the demo passes here.
fn write_amount(text: &mut Vec<u8>, amount: Amount) {
    let micro = amount.micro();
    if micro < 0 {
        text.push(b'-');
    }
    let magnitude = micro.unsigned_abs();
    write_digits(text, magnitude / 1_000_000);
    let mut fraction = magnitude % 1_000_000;
    if fraction != 0 {
        text.push(b'.');
        let mut place = 100_000;
        while fraction != 0 {
            // OK because fraction < 10 × place, so the quotient is a digit.
            text.push(b'0' + (fraction / place) as u8);
            fraction %= place;
            place /= 10;
        }
    }
}

fn write_digits(text: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        // OK because a remainder of ten is a digit.
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[start..]);
}

fn append(text: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what)
        .expect("a vector takes whatever is written");
}

#[cfg(test)]
mod tests {
    use greenpark_model::quantity::{Flow, Medium};

    use super::*;

    const ASH: Head<'_> = Head {
        meter: "ash-1",
        quantity: Quantity {
            medium: Medium::FlyAsh,
            flow: Flow::Utilized,
        },
        kind: Kind::Event,
        unit: "",
    };

    #[test]
    fn amounts_are_written_as_they_are_printed() {
        for micro in [
            0,
            1,
            10,
            999_999,
            1_000_000,
            3_170_000,
            -5,
            -1_500_000,
            999_999_999_999_999_999,
        ] {
            let amount = Amount::from_micro(micro).expect("in range");
            let mut text = Vec::new();
            write_amount(&mut text, amount);
            assert_eq!(String::from_utf8(text).expect("digits"), amount.to_string());
        }
    }

    #[test]
    fn a_payload_is_json_and_counts_its_readings() {
        let mut columns = PayloadColumns::default();
        let head = Head {
            meter: "e-1",
            quantity: Quantity::consumed(Medium::Electricity),
            kind: Kind::Register,
            unit: "MWh",
        };
        let amount = |text: &str| text.parse::<Amount>().expect("a decimal");
        columns.add_steps(
            head,
            1_577_808_000_000,
            3_600_000,
            &[amount("1.5"), amount("2")],
        );
        columns.add_steps(head, 0, 1, &[]);
        columns.add_listed(
            ASH,
            Flag::Manual,
            [(5, "30.25", Some("WB-1")), (9, "28", None)].into_iter(),
        );
        columns.add_events(ASH, &[(7, amount("12.5"))]);
        columns.add_events(ASH, &[]);
        assert_eq!(columns.readings(), 5);
        let json: serde_json::Value = serde_json::from_slice(&columns.finish()).expect("JSON");
        let expected = serde_json::json!({"series": [
            {"meter": "e-1", "quantity": "electricity", "kind": "register", "unit": "MWh",
             "from": 1_577_808_000_000_i64, "step": 3_600_000, "value": [1.5, 2]},
            {"meter": "ash-1", "quantity": "fly_ash.utilized", "kind": "event", "unit": "t",
             "flag": "S", "at": [5, 9], "ticket": ["WB-1", null], "value": [30.25, 28]},
            {"meter": "ash-1", "quantity": "fly_ash.utilized", "kind": "event", "unit": "t",
             "at": [7], "value": [12.5]},
        ]});
        assert_eq!(json, expected);
        assert_eq!(
            single(ASH, 7, "30.25", Flag::Normal, None),
            &br#"{"meter":"ash-1","quantity":"fly_ash.utilized","kind":"event","unit":"t","at":7,"value":30.25}"#[..]
        );
    }
}
