//! Checks meters and their changes before they are registered.

use std::str::FromStr as _;

use greenpark_archive::{
    meters::{
        METER, METER_CHANGE, MeterKey, Meters, Particulars, RegisteredMeter, read_clock,
        write_change,
    },
    reference::ReferenceEntry,
};
use greenpark_model::{
    amount::Amount,
    day::{CivilDay, Instant},
    fold::{MeterChange, Multiplier},
    id::{MeterId, ParkId},
    limits::INSTANT_MS_MIN,
    quantity::{MediumClass, Quantity},
    reading::Kind,
    waste_code::WasteCode,
    water::WaterSource,
};
use greenpark_proto::query::v1 as pb;

use super::{Checks, Provenance};
use crate::{error::QueryError, register::name::Name};

/// A meter to register.
pub(in crate::grpc) struct NewMeter {
    pub(in crate::grpc) park: ParkId,
    key: MeterKey,
    /// `None` keeps the multiplier of the meter.
    multiplier: Option<Multiplier>,
    valid: (CivilDay, Option<CivilDay>),
    body: RegisteredMeter,
}

/// A change to record; without a multiplier the previous one stays.
pub(in crate::grpc) struct NewChange {
    pub(in crate::grpc) park: ParkId,
    pub(in crate::grpc) key: MeterKey,
    instant: Instant,
    old_final: Amount,
    new_initial: Amount,
    multiplier: Option<Multiplier>,
}

/// Converts an instant of a request.
pub(super) fn instant_of(at: prost_types::Timestamp) -> Instant {
    let ms = at.seconds.saturating_mul(1_000);
    Instant::from_millis(ms.saturating_add(i64::from(at.nanos) / 1_000_000))
}

fn name(park: &ParkId, key: &MeterKey) -> Name {
    Name::Meter(park.clone(), key.enterprise.clone(), key.meter.clone())
}

/// Parses the name and quantity of a meter into its park and key.
pub(super) fn place(
    checks: &mut Checks,
    prefix: (&str, &str),
    meter: &str,
    quantity: &str,
) -> Option<(ParkId, MeterKey)> {
    let (name_field, quantity_field) = prefix;
    let name = Name::parse(name_field, meter).and_then(|name| match name {
        Name::Meter(park, enterprise, meter) => Ok((park, enterprise, meter)),
        other => Err(other.unfit(name_field, "parks/P/enterprises/E/meters/M")),
    });
    let name = checks.take(name);
    let quantity = quantity.parse::<Quantity>();
    if let Err(error) = &quantity {
        checks.wrong(quantity_field, error.to_string());
    }
    name.zip(quantity.ok())
        .map(|((park, enterprise, meter), quantity)| {
            let key = MeterKey {
                enterprise,
                meter,
                quantity,
            };
            (park, key)
        })
}

/// Parses a multiplier; `None` for an empty text.
fn multiplier(checks: &mut Checks, field: &str, text: &str) -> Option<Multiplier> {
    if text.is_empty() {
        return None;
    }
    let made = Multiplier::new(checks.amount(field, text)?);
    if made.is_err() {
        checks.wrong(
            field,
            "must be above 0 and at most 1000000, as CT ratio × PT ratio is",
        );
    }
    made.ok()
}

/// Parses the time at which a daily counter restarts into a minute of the day; `None` for an empty text.
fn restart(checks: &mut Checks, kind: Option<Kind>, text: &str) -> Option<u16> {
    if text.is_empty() {
        return None;
    }
    if kind.is_some_and(|kind| kind != Kind::DailyCounter) {
        checks.wrong("meter.restart", "fits a daily_counter only");
    }
    let minute = read_clock(text);
    if let Err(error) = &minute {
        checks.wrong("meter.restart", error.to_string());
    }
    minute.ok()
}

/// Checks the entry of a meter.
pub(in crate::grpc) fn meter(
    request: Option<&pb::Meter>,
    provenance: Provenance<'_>,
) -> Result<NewMeter, QueryError> {
    let request = request.ok_or_else(|| QueryError::invalid("meter", "is missing"))?;
    let mut checks = Checks::default();
    let fields = ("meter.name", "meter.quantity");
    let place = place(&mut checks, fields, &request.name, &request.quantity);
    checks.text("meter.title", &request.title);
    let kind = Kind::from_name(&request.kind);
    if kind.is_none() {
        checks.wrong(
            "meter.kind",
            "is none of register, interval, event, gauge and daily_counter",
        );
    }
    let modulus = checks.positive("meter.modulus", &request.modulus);
    let rated_per_hour = checks.positive("meter.rated_per_hour", &request.rated_per_hour);
    let headroom = checks.positive("meter.headroom", &request.headroom);
    let multiplier = multiplier(&mut checks, "meter.multiplier", &request.multiplier);
    if modulus.is_some() && kind.is_some_and(|kind| kind != Kind::Register) {
        checks.wrong("meter.modulus", "fits a register only");
    }
    let restart = restart(&mut checks, kind, &request.restart);
    let (from, to) = checks.validity("meter", &request.valid_from, &request.valid_to);
    let of = place.as_ref().map(|(_, key)| key);
    let particulars = particulars(&mut checks, request, of);
    provenance.check(&mut checks);
    let made = place.zip(kind).zip(from);
    let made = made.map(|(((park, key), kind), valid_from)| NewMeter {
        park,
        body: RegisteredMeter {
            title: request.title.clone(),
            quantity: key.quantity,
            kind,
            interval_s: request.interval_s,
            modulus,
            rated_per_hour,
            headroom,
            multiplier: Multiplier::ONE,
            counted: request.counted,
            bidirectional: request.bidirectional,
            restart,
            particulars,
        },
        key,
        multiplier,
        valid: (valid_from, to),
    });
    checks.done(made)
}

/// Parses the further particulars of the meter of `key`.
fn particulars(checks: &mut Checks, request: &pb::Meter, key: Option<&MeterKey>) -> Particulars {
    let field = |name: &str| format!("meter.{name}");
    let parent = checks.parsed(&field("parent"), &request.parent, MeterId::new);
    if parent.is_some() && parent.as_ref() == key.map(|key| &key.meter) {
        checks.wrong("meter.parent", "is the meter itself");
    }
    let verified_until = match request.verified_until.as_str() {
        "" => None,
        text => checks.day("meter.verified_until", text),
    };
    let water_source = checks.parsed(
        &field("water_source"),
        &request.water_source,
        WaterSource::from_str,
    );
    let waste_code = checks.parsed(
        &field("waste_code"),
        &request.waste_code,
        WasteCode::from_str,
    );
    let class = key.map(|key| key.quantity.medium.class());
    if water_source.is_some() && class.is_some_and(|class| class != MediumClass::Water) {
        checks.wrong("meter.water_source", "fits a meter of water only");
    }
    if waste_code.is_some() && class.is_some_and(|class| class != MediumClass::Waste) {
        checks.wrong("meter.waste_code", "fits a meter of solid waste only");
    }
    Particulars {
        parent,
        verified_until,
        water_source,
        waste_code,
    }
}

impl NewMeter {
    pub(in crate::grpc) fn name(&self) -> Name {
        name(&self.park, &self.key)
    }

    /// The entry, with the multiplier of the meter's first day. Another multiplier is refused unless the first day
    /// is registered anew: it would apply from a wall-clock time with an unknown register.
    pub(in crate::grpc) fn into_entry(
        mut self,
        known: &Meters,
        provenance: Provenance<'_>,
    ) -> Result<ReferenceEntry, QueryError> {
        let (from, to) = self.valid;
        let name = self.name();
        let begins = known.first_day(&self.key);
        let anew = begins.is_none_or(|day| from <= day && to.is_none_or(|to| day <= to));
        let holds = known.multiplier(&self.key, from.start().max(begins.unwrap_or(from).start()));
        if let (false, Some(request), Some(holds)) = (anew, self.multiplier, holds)
            && request != holds
        {
            let message = format!(
                "{name} has the multiplier {} on {from}; a multiplier changes at a register reading: record \
                 it with RecordMeterChange, or restate the meter from its first day",
                holds.value()
            );
            return Err(QueryError::Precondition(
                "MULTIPLIER_WITHOUT_READING",
                message,
            ));
        }
        let first = begins.and_then(|day| known.initial_multiplier(&self.key, day));
        let stated = self.multiplier.filter(|_| anew);
        self.body.multiplier = stated.or(first).unwrap_or_default();
        Ok(provenance.entry(METER, name.to_string(), self.valid, self.body.write()))
    }
}

/// Checks a change of a meter.
pub(in crate::grpc) fn change(
    request: Option<&pb::MeterChange>,
    provenance: Provenance<'_>,
) -> Result<NewChange, QueryError> {
    let request = request.ok_or_else(|| QueryError::invalid("change", "is missing"))?;
    let mut checks = Checks::default();
    let fields = ("change.meter", "change.quantity");
    let place = place(&mut checks, fields, &request.meter, &request.quantity);
    let instant = request.at.map(instant_of);
    let instant =
        instant.filter(|at| (INSTANT_MS_MIN..=provenance.at.millis()).contains(&at.millis()));
    if instant.is_none() {
        checks.wrong("change.at", "is missing, before 2000, or still to come");
    }
    let register = |checks: &mut Checks, field: &str, text: &str| {
        let amount = checks.amount(field, text)?;
        if amount < Amount::ZERO {
            checks.wrong(field, "must not be negative; write what the register read");
        }
        Some(amount)
    };
    let old_final = register(&mut checks, "change.old_final", &request.old_final);
    let new_initial = register(&mut checks, "change.new_initial", &request.new_initial);
    let multiplier = multiplier(&mut checks, "change.multiplier", &request.multiplier);
    provenance.check(&mut checks);
    let made = place.zip(instant).zip(old_final).zip(new_initial);
    let made = made.map(
        |((((park, key), instant), old_final), new_initial)| NewChange {
            park,
            key,
            instant,
            old_final,
            new_initial,
            multiplier,
        },
    );
    checks.done(made)
}

impl NewChange {
    pub(in crate::grpc) fn name(&self) -> Name {
        name(&self.park, &self.key)
    }

    /// The change, with the multiplier valid from then on.
    pub(in crate::grpc) fn completed(&self, known: &Meters) -> Result<MeterChange, QueryError> {
        let just_before = Instant::from_millis(self.instant.millis() - 1);
        let Some(before) = known.multiplier(&self.key, just_before) else {
            let message = format!(
                "{} is not registered for {}; register the meter first",
                self.name(),
                self.key.quantity
            );
            return Err(QueryError::Precondition("METER_NOT_REGISTERED", message));
        };
        Ok(MeterChange {
            instant: self.instant,
            old_final: self.old_final,
            new_initial: self.new_initial,
            multiplier: self.multiplier.unwrap_or(before),
        })
    }

    /// The entry of the completed change.
    pub(in crate::grpc) fn entry(
        &self,
        change: MeterChange,
        provenance: Provenance<'_>,
    ) -> ReferenceEntry {
        let day = change.instant.day();
        let body = write_change(self.key.quantity, change);
        provenance.entry(
            METER_CHANGE,
            self.name().to_string(),
            (day, Some(day)),
            body,
        )
    }
}
