//! The balance of an energy: which flows count in comprehensive consumption (综合能源消费量).
//!
//! Consumption is the energy used, less the output of transformation and the energy recovered, so that the
//! enterprise's own boiler house or power plant is not counted twice (statistical forms 205-1 and 205-2:
//! Σ consumption − Σ transformation output − Σ recovered). An energy's balance has two sides, and each gives
//! the consumption by itself:
//! - the *consumption side*: consumed + transformed in − transformed out − recovered;
//! - the *supply side*: purchased + produced − exported − growth of the stock.
//!
//! Only one side counts, for adding both would count the same energy twice. The enterprise declares the side for
//! each energy. Without a declaration the metered side counts; if both are metered, the larger one counts until a
//! side is declared, so that a small metered flow never hides a large one.
//!
//! ```
//! use greenpark_model::amount::Sum;
//! use greenpark_model::balance::{Balance, Side};
//! use greenpark_model::quantity::Flow;
//! let mut balance = Balance::default();
//! balance.book(Flow::Purchased, Sum(36_500_000));
//! assert_eq!((balance.larger(), balance.has_both()), (Side::Supply, false));
//! balance.book(Flow::Consumed, Sum(1));
//! assert_eq!((balance.larger(), balance.has_both()), (Side::Supply, true));
//! assert_eq!((Side::Supply.sign(Flow::Purchased), Side::Supply.sign(Flow::Consumed)), (1, 0));
//! ```

use crate::meter::{amount::Sum, quantity::Flow};

/// A side of an energy's balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Energy used, less the energies made of it.
    Consumption,
    /// Energy received, less the energy exported or added to stock.
    Supply,
}

/// The metered sums on each side of an energy's balance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balance {
    /// `None` where no flow of the consumption side is metered.
    consumption: Option<Sum>,
    /// `None` where no flow of the supply side is metered.
    supply: Option<Sum>,
}

impl Side {
    /// Both sides.
    pub const ALL: [Self; 2] = [Self::Consumption, Self::Supply];

    /// The name on every wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consumption => "consumption",
            Self::Supply => "supply",
        }
    }

    /// The side with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|side| side.as_str() == name)
    }

    /// The side that a flow belongs to; `None` for the flows of waste.
    #[must_use]
    pub fn of(flow: Flow) -> Option<Self> {
        Self::ALL.into_iter().find(|side| side.sign(flow) != 0)
    }

    /// The sign of a flow on this side: 1 to add, -1 to subtract, 0 if it does not count.
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

impl Balance {
    /// Adds the amount of a metered flow to its side.
    pub fn book(&mut self, flow: Flow, amount: Sum) {
        let Some(side) = Side::of(flow) else { return };
        let sum = match side {
            Side::Consumption => &mut self.consumption,
            Side::Supply => &mut self.supply,
        };
        *sum.get_or_insert_default() += Sum(amount.0 * i128::from(side.sign(flow)));
    }

    /// The sum of a side; `None` where none of its flows is metered.
    #[must_use]
    pub const fn of(&self, side: Side) -> Option<Sum> {
        match side {
            Side::Consumption => self.consumption,
            Side::Supply => self.supply,
        }
    }

    /// The sums of both balances, side by side.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let sum = |one: Option<Sum>, other: Option<Sum>| match (one, other) {
            (Some(one), Some(other)) => Some(one + other),
            (one, other) => one.or(other),
        };
        Self {
            consumption: sum(self.consumption, other.consumption),
            supply: sum(self.supply, other.supply),
        }
    }

    /// Returns true if flows of both sides are metered.
    #[must_use]
    pub const fn has_both(&self) -> bool {
        self.consumption.is_some() && self.supply.is_some()
    }

    /// The side with the larger sum, or the only metered one; the consumption side if both are equal.
    #[must_use]
    pub fn larger(&self) -> Side {
        match (self.consumption, self.supply) {
            (None, Some(_)) => Side::Supply,
            (Some(consumption), Some(supply)) if supply > consumption => Side::Supply,
            _ => Side::Consumption,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tonnes of standard coal of one energy from flows in tonnes of standard coal.
    fn tce(flows: &[(Flow, i64)]) -> i64 {
        let mut balance = Balance::default();
        for (flow, tce) in flows {
            balance.book(*flow, Sum(i128::from(*tce)));
        }
        let counted = balance.of(balance.larger()).expect("a flow is metered");
        i64::try_from(counted.0).expect("small")
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
        // The purchases and sales give the same.
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
    fn growth_of_stock_and_recovered_heat_are_not_consumption() {
        assert_eq!(tce(&[(Flow::Purchased, 100), (Flow::StockChange, 12)]), 88);
        assert_eq!(
            tce(&[(Flow::Purchased, 100), (Flow::StockChange, -12)]),
            112
        );
        assert_eq!(tce(&[(Flow::Consumed, 100), (Flow::Recovered, 9)]), 91);
        assert_eq!(tce(&[(Flow::Purchased, 70), (Flow::Produced, 30)]), 100);
    }

    #[test]
    fn a_small_metered_flow_never_hides_the_other_side() {
        assert_eq!(tce(&[(Flow::Purchased, 4_486), (Flow::Consumed, 1)]), 4_486);
        assert_eq!(tce(&[(Flow::Purchased, 1), (Flow::Consumed, 4_486)]), 4_486);
    }

    #[test]
    fn equal_sides_give_the_consumption_side_in_any_order() {
        let mut balance = Balance::default();
        balance.book(Flow::Purchased, Sum(7));
        balance.book(Flow::Consumed, Sum(7));
        assert_eq!(balance.larger(), Side::Consumption);
        assert_eq!(Balance::default().larger(), Side::Consumption);
    }

    #[test]
    fn a_sides_name_parses_back() {
        for side in Side::ALL {
            assert_eq!(Side::from_name(side.as_str()), Some(side));
        }
        assert_eq!(Side::from_name("demand"), None);
    }

    #[test]
    fn flows_of_waste_count_on_neither_side() {
        for flow in [
            Flow::Generated,
            Flow::Utilized,
            Flow::Dumped,
            Flow::Received,
        ] {
            assert_eq!(Side::of(flow), None);
        }
    }
}
