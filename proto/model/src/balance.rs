//! Which flows of an energy count in comprehensive consumption (综合能源消费量).
//!
//! Consumption is what was used, less what transformation gave out and what was recovered, so that a boiler
//! house or a power plant of the enterprise's own is not counted twice (statistical forms 205-1 and 205-2:
//! Σ consumption − Σ transformation output − Σ recovered). An energy's balance has two sides, and each tells
//! the consumption by itself:
//! - the *consumption side*: consumed + transformed in − transformed out − recovered;
//! - the *supply side*: purchased + produced − exported − what the stock grew by.
//!
//! Where an enterprise meters the consumption side of an energy, that side counts and the other one is only
//! told, for adding both would count the same energy twice. Primary energy made on the spot counts where it
//! is used, or as produced where use is not metered.
//!
//! ```
//! use greenpark_model::balance::Side;
//! use greenpark_model::quantity::Flow;
//! let side = Side::of([Flow::Purchased, Flow::StockChange]);
//! assert_eq!((side.sign(Flow::Purchased), side.sign(Flow::StockChange)), (1, -1));
//! let side = Side::of([Flow::Purchased, Flow::Consumed]);
//! assert_eq!((side.sign(Flow::Purchased), side.sign(Flow::Consumed)), (0, 1));
//! ```

use crate::quantity::Flow;

/// A side of an energy's balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// What was used, less what was made of it.
    Consumption,
    /// What came in, less what went out or into stock.
    Supply,
}

impl Side {
    /// The side that counts of an energy whose metered flows are these.
    #[must_use]
    pub fn of(flows: impl IntoIterator<Item = Flow>) -> Self {
        let used = |flow: Flow| Self::Consumption.sign(flow) != 0;
        if flows.into_iter().any(used) {
            Self::Consumption
        } else {
            Self::Supply
        }
    }

    /// How a flow counts on this side: added, taken off, or not at all.
    #[must_use]
    pub const fn sign(self, flow: Flow) -> i8 {
        match (self, flow) {
            (Self::Consumption, Flow::Consumed | Flow::TransformedIn) => 1,
            (Self::Consumption, Flow::TransformedOut | Flow::Recovered) => -1,
            (Self::Supply, Flow::Purchased | Flow::Produced) => 1,
            (Self::Supply, Flow::Exported | Flow::StockChange) => -1,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tonnes of standard coal of one energy from flows in tonnes of standard coal.
    fn tce(flows: &[(Flow, i64)]) -> i64 {
        let side = Side::of(flows.iter().map(|(flow, _)| *flow));
        let counted = |(flow, tce): &(Flow, i64)| i64::from(side.sign(*flow)) * tce;
        flows.iter().map(counted).sum()
    }

    #[test]
    fn method_a_a_boiler_house_is_not_counted_twice() {
        // 100 tce of coal make 85 tce of steam, of which the enterprise uses 60 and sells 25.
        let coal = tce(&[(Flow::TransformedIn, 100)]);
        let steam = tce(&[
            (Flow::TransformedOut, 85),
            (Flow::Consumed, 60),
            (Flow::Exported, 25),
        ]);
        assert_eq!(coal + steam, 75);
        // By what was bought and sold it is the same.
        assert_eq!(
            tce(&[(Flow::Purchased, 100)]) + tce(&[(Flow::Exported, 25)]),
            75
        );
    }

    #[test]
    fn method_a_a_plant_of_heat_and_power_counts_its_losses_and_what_is_used() {
        // 1,000 of gas give 350 of power and 450 of heat; 300 of power is used, and 100 more is bought.
        let gas = tce(&[(Flow::TransformedIn, 1_000)]);
        let power = tce(&[
            (Flow::TransformedOut, 350),
            (Flow::Consumed, 400),
            (Flow::Purchased, 100),
            (Flow::Exported, 50),
        ]);
        let heat = tce(&[(Flow::TransformedOut, 450), (Flow::Consumed, 450)]);
        assert_eq!(gas + power + heat, 1_050);
        let supply =
            tce(&[(Flow::Purchased, 1_000)]) + tce(&[(Flow::Purchased, 100), (Flow::Exported, 50)]);
        assert_eq!(gas + power + heat, supply);
    }

    #[test]
    fn what_goes_into_stock_is_not_consumed_and_recovered_heat_is_taken_off() {
        assert_eq!(tce(&[(Flow::Purchased, 100), (Flow::StockChange, 12)]), 88);
        assert_eq!(
            tce(&[(Flow::Purchased, 100), (Flow::StockChange, -12)]),
            112
        );
        assert_eq!(tce(&[(Flow::Consumed, 100), (Flow::Recovered, 9)]), 91);
        assert_eq!(tce(&[(Flow::Purchased, 70), (Flow::Produced, 30)]), 100);
    }

    #[test]
    fn flows_of_waste_count_on_neither_side() {
        for flow in [
            Flow::Generated,
            Flow::Utilized,
            Flow::Dumped,
            Flow::Received,
        ] {
            assert_eq!(
                (Side::Supply.sign(flow), Side::Consumption.sign(flow)),
                (0, 0)
            );
        }
    }
}
