//! Counters against the truth, a second oracle beside `counters`: generated meters of which it is known what was consumed.
//!
//! [`truth`] invents the consumption first (idle times, loads up to the rating, outages of minutes to
//! weeks, meters replaced, multipliers changed) and shows it on registers that pass their modulus;
//! [`delivery`] has the readings arrive as parks send them and stores them as the archive does;
//! [`glitches`] spoils them. What a day must be is read from the truth alone and never from the rules of
//! the fold, so the two can only agree by both being right.
//!
//! # What no reading can prove
//! The generators stay within these limits. Each is one of what registers say:
//! - a register that passes its modulus twice between two readings, or in the step in which its meter is
//!   changed, has more than one explanation;
//! - a meter without a rating takes a rise for consumption, so there a rise is a glitch only if the register
//!   does not reach it on that day, nor by its next step, and falls back at once;
//! - a value that the meter could have shown by then is no glitch to anybody, nor is one beside a rollover
//!   or a change;
//! - which of two readings is off, a third one says: a glitch has two clean readings on either side and
//!   three of its own day, and one beside midnight has no other glitch on its day;
//! - glitches in a row that agree with each other are a jump or a reset where the day ends before the
//!   register comes back, or where it reaches them later on the day;
//! - glitches in a row that differ, lie below the register and come back by no more than the meter can measure are
//!   a reset: where midnight falls must not matter, so a rise is judged by the steps beside it and no others;
//! - a rise of a meter without a rating that is far beyond what it did in its life is set aside (FAULTS A12);
//! - a glitch beside midnight may have readings next to it left out too: the total is exact, the split at
//!   midnight is interpolated over a longer edge.

mod days;
mod delivery;
mod glitches;
mod odd_streams;
mod parts;
mod truth;
