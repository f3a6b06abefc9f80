//! The cases of the bench.

mod callers;
mod fold;
mod log;
mod park;
mod query;
mod rest;
mod scorecard;
mod travel;
mod year;

use tokio::runtime::Runtime;

/// A case: it runs, asserts its result and prints its lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Runtime),
}

/// All cases, roughly in the order of a reading's way.
pub(crate) const ALL: &[Case] = &[
    Case {
        name: "decode",
        run: travel::decode,
    },
    Case {
        name: "log",
        run: log::append,
    },
    Case {
        name: "listener",
        run: travel::listener,
    },
    Case {
        name: "hot-flush",
        run: rest::hot_flush,
    },
    Case {
        name: "seal",
        run: rest::seal,
    },
    Case {
        name: "fold",
        run: fold::daily_totals,
    },
    Case {
        name: "log-to-sealed",
        run: rest::log_to_sealed,
    },
    Case {
        name: "end-to-end",
        run: travel::end_to_end,
    },
    Case {
        name: "query",
        run: query::intensity,
    },
    Case {
        name: "park",
        run: park::parks,
    },
    Case {
        name: "callers",
        run: callers::callers,
    },
    Case {
        name: "scorecard",
        run: scorecard::scorecard,
    },
    Case {
        name: "year",
        run: year::year,
    },
];
