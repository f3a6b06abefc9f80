//! A reading and its identity.
//!
//! The identity of a reading is (enterprise, meter, quantity, kind, instant), and of an event also its
//! [ticket](crate::meter::ticket). The same identity with the same value is a *duplicate*; with another value it is
//! a *conflict*, and the one later in the log counts, whether or not the same value came before it. A [`Series`]
//! is the part of the identity that does not change from reading to reading.
//!
//! An interval's instant is its *start*, and a reading belongs to the civil day of its instant. A register at
//! exactly 00:00 is the first of its day and, as the neighbour, the end of the day before.

use crate::{
    meter::{
        amount::Amount,
        id::MeterId,
        quantity::{Quantity, coded},
    },
    time::day::Instant,
};

coded! {
    /// The meaning of a reading's value.
    Kind {
        /// A counter's register (表底数): consumption is the difference of two.
        Register = 1, "register", "表底数";
        /// The amount of an interval that starts at the instant.
        Interval = 2, "interval", "区间量";
        /// An amount at an instant, such as a weighbridge ticket (过磅单).
        Event = 3, "event", "事件量";
        /// A level, such as a stock or a power: never summed.
        Gauge = 4, "gauge", "瞬时量";
        /// A register that restarts each day at a declared local time: a day's consumption is the highest value
        /// before the restart.
        DailyCounter = 5, "daily_counter", "日累计量";
    }
}

coded! {
    /// The data flag of HJ 212-2017, table 8.
    Flag {
        /// Normal.
        Normal = 78, "N", "正常";
        /// Instrument stopped.
        Stopped = 70, "F", "停运";
        /// Under maintenance.
        Maintenance = 77, "M", "维护";
        /// Value set by hand.
        Manual = 83, "S", "手工";
        /// Instrument fault.
        Fault = 68, "D", "故障";
        /// Calibrating.
        Calibration = 67, "C", "校准";
        /// Above the range.
        OverRange = 84, "T", "超上限";
        /// Link between instrument and logger broken.
        LinkFailure = 66, "B", "通讯异常";
    }
}

/// A meter, the quantity it measures, and the kind of its values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Series {
    /// The meter.
    pub meter: MeterId,
    /// The quantity that it measures.
    pub quantity: Quantity,
    /// The meaning of its values.
    pub kind: Kind,
}

/// One reading of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reading {
    /// The instant; the start of an interval.
    pub instant: Instant,
    /// The meter's value, in the canonical unit of its medium.
    pub value: Amount,
    /// The quality of the value, as the meter flagged it.
    pub flag: Flag,
}

impl Flag {
    /// Returns true if a value with this flag counts: N and S are valid, every other flag means that the
    /// instrument did not measure.
    #[must_use]
    pub const fn is_valid(self) -> bool {
        matches!(self, Self::Normal | Self::Manual)
    }
}
