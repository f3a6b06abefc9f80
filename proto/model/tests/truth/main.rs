//! Counters compared with the truth, a second oracle beside `counters`: generated meters with a known consumption.
//!
//! [`truth`] invents the consumption first (idle times, loads up to the rating, outages of minutes to
//! weeks, meters replaced, multipliers changed) and shows it on registers that pass their modulus;
//! [`delivery`] delivers the readings as parks send them and stores them as the archive does;
//! [`glitches`] spoils them. The expected days come from the truth alone and never from the rules of
//! the fold, so both can only agree if both are right.
//!
//! # Limits of proof
//! Some cases have more than one explanation of their registers. The generators avoid them:
//! - a register that passes its modulus twice between two readings, or in the step in which its meter is
//!   changed, has more than one explanation;
//! - for a meter without a rating a rise is consumption, so there a rise is a glitch only if the register
//!   does not reach it on that day, nor by its next step, and falls back at once;
//! - a value that the meter could have reached by then cannot be recognized as a glitch, nor can one beside a
//!   rollover or a change;
//! - only a third reading decides which of two is wrong: a glitch has two clean readings on either side and
//!   three of its own day, and one beside midnight has no other glitch on its day;
//! - consecutive glitches that agree with each other are a jump or a reset if the day ends before the
//!   register returns, or if the register reaches them later on the day;
//! - consecutive glitches that differ, lie below the register and return by no more than the meter can measure are
//!   a reset: the place of midnight must not matter, so a rise is judged only by the steps beside it;
//! - a rise of a meter without a rating far beyond its usual consumption is set aside (FAULTS A12);
//! - a glitch beside midnight may leave out readings next to it, too: the total is exact, the split at
//!   midnight is interpolated over a longer edge.

mod days;
mod delivery;
mod glitches;
mod odd_streams;
mod parts;
mod truth;
