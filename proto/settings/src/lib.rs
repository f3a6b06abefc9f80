//! How an operator *writes* durations and sizes, the same in every service: `"30s"`, `"128MiB"`.
//!
//! [`span::Span`] and [`size::Size`] are fields of their own; a field that is a plain `Duration` or
//! `usize` takes the same texts with `#[serde(with = "greenpark_settings::span")]`.
//!
//! ```
//! use greenpark_settings::{size::Size, span::Span};
//! assert_eq!("128MiB".parse::<Size>().expect("a size").0, 128 << 20);
//! assert_eq!("90s".parse::<Span>().expect("a duration").to_string(), "90s");
//! ```

pub mod size;
pub mod span;
