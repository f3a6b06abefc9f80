//! The numerator of a figure and its components. Pure.

use greenpark_model::{
    amount::{AmountError, Sum},
    coal::tce_of_heat,
    indicator::{Indicator, round},
    quantity::{Flow, Quantity},
    waste::Ledger,
};
use greenpark_proto::query::v1 as pb;
use rust_decimal::Decimal;

use crate::{
    error::QueryError,
    figures::{
        convert::amount,
        figure::{PLACES, out_of_range, percent},
        measure::{CoalFactor, Factors, Measured, Part, Question},
    },
};

/// The numerator and its components.
#[derive(Debug, Default)]
pub(super) struct Numerator {
    pub(super) total: Decimal,
    /// The estimated parts. This sum and the next three add up absolute values.
    estimated: Decimal,
    manual: Decimal,
    unregistered: Decimal,
    absolute: Decimal,
    /// Standard coal beside a numerator of carbon dioxide.
    pub(super) tce: Decimal,
    pub(super) components: Vec<pb::Component>,
    pub(super) ledger: Ledger,
}

/// The contribution of one part to the numerator.
struct Contribution {
    value: Decimal,
    estimated: Decimal,
    manual: Decimal,
    unregistered: Decimal,
    unit: &'static str,
}

impl Numerator {
    /// The numerator of `measured`.
    pub(super) fn of(question: &Question<'_>, measured: &Measured) -> Result<Self, QueryError> {
        let mut made = Self::default();
        for ((quantity, by), part) in &measured.parts {
            made.add_part(question, *quantity, by, part)?;
        }
        Ok(made)
    }

    /// The estimated share and the share corrected by hand, in per cent of all parts, by absolute values.
    pub(super) fn shares(&self) -> Result<(Decimal, Decimal), QueryError> {
        let share = |part| -> Result<Decimal, QueryError> {
            Ok(percent(part, self.absolute)?.unwrap_or_default())
        };
        Ok((share(self.estimated)?, share(self.manual)?))
    }

    /// The part that was estimated or corrected by hand as a fraction of the numerator; `None` if that is zero.
    pub(super) fn uncertain_share(&self) -> Option<Decimal> {
        let part = self.estimated.checked_add(self.manual)?;
        part.checked_div(self.whole())
    }

    /// The part of meters without a registry entry as a fraction of the numerator; `None` if that is zero.
    pub(super) fn unregistered_share(&self) -> Option<Decimal> {
        self.unregistered.checked_div(self.whole())
    }

    /// The base of a share: the numerator, or the absolute sum of all parts if the numerator is not above zero.
    fn whole(&self) -> Decimal {
        if self.total > Decimal::ZERO {
            self.total
        } else {
            self.absolute
        }
    }

    fn add_part(
        &mut self,
        question: &Question<'_>,
        quantity: Quantity,
        by: &Factors,
        part: &Part,
    ) -> Result<(), QueryError> {
        let unit = quantity.medium.unit().symbol();
        let contribution = match question.indicator {
            Indicator::EnergyIntensity => tce(question, by, part)?,
            Indicator::CarbonIntensity => tco2(by, part)?,
            Indicator::CarbonPerEnergy => {
                let coal = tce(question, by, part)?;
                let coal = coal.map_or(Decimal::ZERO, |coal| coal.value);
                self.tce = plus(self.tce, coal)?;
                tco2(by, part)?
            }
            Indicator::WaterIntensity => Some(in_own_unit(part, unit)?),
            Indicator::WasteUtilization => {
                self.ledger.book(quantity.flow, part.amount);
                utilized(quantity.flow, part)?
            }
        };
        if let Some(contribution) = &contribution {
            self.total = plus(self.total, contribution.value)?;
            self.absolute = plus(self.absolute, contribution.value.abs())?;
            self.estimated = plus(self.estimated, contribution.estimated.abs())?;
            self.manual = plus(self.manual, contribution.manual.abs())?;
            self.unregistered = plus(self.unregistered, contribution.unregistered.abs())?;
        }
        let (factor, factor_source) = factor(question, by);
        self.components.push(pb::Component {
            quantity: quantity.to_string(),
            amount: Some(amount(part.amount, unit)),
            estimated: Some(amount(part.estimated, unit)),
            factor,
            factor_source,
            contribution: contribution.map(|of| {
                let value = match of.unit {
                    "tce" | "tCO2" => round(of.value, PLACES).to_string(),
                    _ => part.counted.to_string(),
                };
                amount(value, of.unit)
            }),
            manual: Some(amount(part.manual, unit)),
        });
        Ok(())
    }
}

fn plus(one: Decimal, other: Decimal) -> Result<Decimal, QueryError> {
    one.checked_add(other).ok_or_else(out_of_range)
}

/// Tonnes of standard coal of `sum`; `None` if no factor is known.
pub(super) fn tce_of(
    question: &Question<'_>,
    by: &Factors,
    sum: Sum,
) -> Option<Result<Decimal, AmountError>> {
    let set = question.rules.factors;
    match &by.coal {
        CoalFactor::Set(place) => set.factors.get(*place).map(|factor| factor.tce(sum)),
        CoalFactor::Measured { kj_per_unit, .. } => set
            .kj_per_kgce
            .map(|heat| tce_of_heat(sum, *kj_per_unit, heat)),
        CoalFactor::Unneeded | CoalFactor::Unknown => None,
    }
}

/// The contribution in tonnes of standard coal; `None` if no factor is known.
fn tce(
    question: &Question<'_>,
    by: &Factors,
    part: &Part,
) -> Result<Option<Contribution>, QueryError> {
    let of = |sum| tce_of(question, by, sum);
    let parts = [
        part.counted,
        part.counted_estimated,
        part.counted_manual,
        part.counted_unregistered,
    ];
    let [
        Some(value),
        Some(estimated),
        Some(manual),
        Some(unregistered),
    ] = parts.map(of)
    else {
        return Ok(None);
    };
    Ok(Some(Contribution {
        value: value.map_err(|_| out_of_range())?,
        estimated: estimated.map_err(|_| out_of_range())?,
        manual: manual.map_err(|_| out_of_range())?,
        unregistered: unregistered.map_err(|_| out_of_range())?,
        unit: "tce",
    }))
}

/// The contribution in tonnes of carbon dioxide; `None` if no factor is known.
fn tco2(by: &Factors, part: &Part) -> Result<Option<Contribution>, QueryError> {
    let Some(emission) = &by.carbon else {
        return Ok(None);
    };
    let of = |sum: Sum| {
        let amount = sum.decimal().map_err(|_| out_of_range())?;
        let tonnes = amount.checked_mul(emission.tco2_per_unit);
        tonnes.map(|t| t.normalize()).ok_or_else(out_of_range)
    };
    Ok(Some(Contribution {
        value: of(part.counted)?,
        estimated: of(part.counted_estimated)?,
        manual: of(part.counted_manual)?,
        unregistered: of(part.counted_unregistered)?,
        unit: "tCO2",
    }))
}

/// Utilized waste adds to the numerator. Received waste is subtracted, because the sender has booked it already.
fn utilized(flow: Flow, part: &Part) -> Result<Option<Contribution>, QueryError> {
    match flow {
        Flow::Utilized => in_own_unit(part, "t").map(Some),
        Flow::Received => {
            let of = in_own_unit(part, "t")?;
            Ok(Some(Contribution {
                value: -of.value,
                ..of
            }))
        }
        _ => Ok(None),
    }
}

fn in_own_unit(part: &Part, unit: &'static str) -> Result<Contribution, QueryError> {
    let decimal = |sum: Sum| sum.decimal().map_err(|_| out_of_range());
    Ok(Contribution {
        value: decimal(part.counted)?,
        estimated: decimal(part.counted_estimated)?,
        manual: decimal(part.counted_manual)?,
        unregistered: decimal(part.counted_unregistered)?,
        unit,
    })
}

/// The texts of a factor and its source.
pub(super) fn factor(question: &Question<'_>, by: &Factors) -> (String, String) {
    if question.needs_carbon() {
        let Some(emission) = &by.carbon else {
            return (String::new(), String::new());
        };
        let source = match &emission.fallback {
            Some(origin) => format!("{}; {origin}", emission.source),
            None => emission.source.clone(),
        };
        return (emission.tco2_per_unit.normalize().to_string(), source);
    }
    match &by.coal {
        CoalFactor::Set(place) => match question.rules.factors.factors.get(*place) {
            Some(factor) => (factor.kgce_per_unit.to_string(), factor.source.clone()),
            None => (String::new(), String::new()),
        },
        CoalFactor::Measured {
            kj_per_unit,
            source,
        } => {
            let heat = question.rules.factors.kj_per_kgce.unwrap_or_default();
            let kj = Sum::from(*kj_per_unit).decimal();
            let kgce = kj.ok().and_then(|kj| kj.checked_div(heat));
            let text = kgce.map(|kgce| round(kgce, PLACES).normalize().to_string());
            let source = format!("measured {kj_per_unit} kJ, {source}");
            (text.unwrap_or_default(), source)
        }
        CoalFactor::Unneeded | CoalFactor::Unknown => (String::new(), String::new()),
    }
}
