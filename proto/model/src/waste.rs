//! The solid-waste ledger of a period.
//!
//! Comprehensive utilisation rate (综合利用率) = utilized ÷ (generated + utilized from old stock), and
//! the accounting identity of the statistics: generated = (utilized − from old stock) + stored +
//! (disposed − from old stock) + dumped.
//!
//! Utilisation counts where the waste was generated (综合利用量由原产生固体废物的单位统计): waste from another
//! enterprise is `received`, and its utilisation does not count for a group a second time. So *utilized* in both
//! formulas is net of *received*. (NBS, the statistics' explanation of 一般工业固体废物综合利用量; recalled, not
//! confirmed: status R.) The receiver's own books close the same way: received waste that it uses sums to zero, and
//! received waste that it only stores is −received + stored.

pub mod code;

use rust_decimal::Decimal;

use crate::meter::{
    amount::{AmountError, Sum},
    quantity::{Flow, Medium},
};

/// The categories that count as bulk industrial solid waste (大宗工业固废): data, for definitions differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkSet {
    /// The name that results carry.
    pub id: String,
    /// The categories.
    pub categories: Vec<Medium>,
    /// The source of the definition, with its status.
    pub source: String,
}

/// Tonnes by flow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Generated.
    pub generated: Sum,
    /// Utilized, old stock included.
    pub utilized: Sum,
    /// The part of the utilized waste that comes from stock of former years.
    pub utilized_old_stock: Sum,
    /// Stored.
    pub stored: Sum,
    /// Disposed of, old stock included.
    pub disposed: Sum,
    /// The part of the disposed waste that comes from stock of former years.
    pub disposed_old_stock: Sum,
    /// Dumped.
    pub dumped: Sum,
    /// Received from others, who booked it as utilized.
    pub received: Sum,
}

impl Ledger {
    /// Books `amount` under `flow`; ignores flows that are not of waste.
    pub fn book(&mut self, flow: Flow, amount: Sum) {
        let entry = match flow {
            Flow::Generated => &mut self.generated,
            Flow::Utilized => &mut self.utilized,
            Flow::UtilizedOldStock => &mut self.utilized_old_stock,
            Flow::Stored => &mut self.stored,
            Flow::Disposed => &mut self.disposed,
            Flow::DisposedOldStock => &mut self.disposed_old_stock,
            Flow::Dumped => &mut self.dumped,
            Flow::Received => &mut self.received,
            _ => return,
        };
        *entry += amount;
    }

    /// The utilisation of the group's own waste: utilized less received.
    #[must_use]
    pub fn net_utilized(&self) -> Sum {
        self.utilized - self.received
    }

    /// The sums of both ledgers.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            generated: self.generated + other.generated,
            utilized: self.utilized + other.utilized,
            utilized_old_stock: self.utilized_old_stock + other.utilized_old_stock,
            stored: self.stored + other.stored,
            disposed: self.disposed + other.disposed,
            disposed_old_stock: self.disposed_old_stock + other.disposed_old_stock,
            dumped: self.dumped + other.dumped,
            received: self.received + other.received,
        }
    }

    /// The denominator of the rate: generated + utilized from old stock.
    #[must_use]
    pub fn available(&self) -> Sum {
        self.generated + self.utilized_old_stock
    }

    /// Utilized ÷ available in per cent; `None` if nothing was available.
    ///
    /// # Errors
    /// [`AmountError::OutOfRange`] beyond 28 digits.
    pub fn utilization_percent(&self) -> Result<Option<Decimal>, AmountError> {
        if self.available().0 == 0 {
            return Ok(None);
        }
        let hundredfold = self
            .net_utilized()
            .decimal()?
            .checked_mul(Decimal::ONE_HUNDRED);
        let rate = hundredfold
            .and_then(|u| u.checked_div(self.available().decimal().ok()?))
            .ok_or(AmountError::OutOfRange)?;
        Ok(Some(rate))
    }

    /// Generated less the sum that the identity accounts for: zero if the books agree.
    #[must_use]
    pub fn identity_gap(&self) -> Sum {
        let accounted = (self.net_utilized() - self.utilized_old_stock)
            + self.stored
            + (self.disposed - self.disposed_old_stock)
            + self.dumped;
        self.generated - accounted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::amount;

    /// METHOD (d): generated 100, used 80 of which old stock 10, stored 25, disposed 5.
    #[test]
    fn method_d_utilization_counts_old_stock_in_the_denominator() {
        let mut ledger = Ledger::default();
        for (flow, tonnes) in [
            (Flow::Generated, 100),
            (Flow::Utilized, 80),
            (Flow::UtilizedOldStock, 10),
            (Flow::Stored, 25),
            (Flow::Disposed, 5),
        ] {
            ledger.book(flow, amount::whole(tonnes).expect("in range").into());
        }
        assert_eq!(ledger.identity_gap(), Sum::ZERO);
        let rate = ledger
            .utilization_percent()
            .expect("in range")
            .expect("available");
        assert_eq!(rate.round_dp(2).to_string(), "72.73");
    }

    /// METHOD (d), the national check of 2018, in 10⁸ t.
    #[test]
    fn method_d_national_tailings_and_fly_ash_of_2018() {
        let rate = |generated: &str, utilized: &str, old: &str| {
            let sum = |t: &str| Sum::from(t.parse::<amount::Amount>().expect("a decimal"));
            let mut ledger = Ledger::default();
            ledger.book(Flow::Generated, sum(generated));
            ledger.book(Flow::Utilized, sum(utilized));
            ledger.book(Flow::UtilizedOldStock, sum(old));
            let rate = ledger
                .utilization_percent()
                .expect("in range")
                .expect("available");
            rate.round_dp(1).to_string()
        };
        assert_eq!(rate("8.8", "2.4", "0.11516"), "26.9");
        assert_eq!(rate("5.3", "4.0", "0.03205"), "75.0");
    }

    #[test]
    fn waste_received_from_another_is_utilized_once() {
        let tonnes = |tonnes: i64| Sum::from(amount::whole(tonnes).expect("in range"));
        let ledger = |entries: &[(Flow, i64)]| {
            let mut ledger = Ledger::default();
            for (flow, t) in entries {
                ledger.book(*flow, tonnes(*t));
            }
            ledger
        };
        // One generates 100 t and gives 60 to another, who makes bricks of it.
        let maker = ledger(&[
            (Flow::Generated, 100),
            (Flow::Utilized, 60),
            (Flow::Stored, 40),
        ]);
        let receiver = ledger(&[(Flow::Received, 60), (Flow::Utilized, 60)]);
        let park = maker.plus(&receiver);
        for books in [&maker, &receiver, &park] {
            assert_eq!(books.identity_gap(), Sum::ZERO);
        }
        let rate = park.utilization_percent().expect("in range");
        assert_eq!(rate.map(|rate| rate.normalize()), Some(Decimal::from(60)));
        assert_eq!(receiver.utilization_percent(), Ok(None));
    }

    #[test]
    fn without_available_waste_there_is_no_rate() {
        assert_eq!(Ledger::default().utilization_percent(), Ok(None));
    }
}
