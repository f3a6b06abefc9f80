//! Durations and sizes as operators write them, the same in every service: `"30s"`, `"128MiB"`.
//!
//! A field may be a [`span::Span`] or a [`size::Size`]; a field of type `Duration` or `usize` accepts the same texts
//! with `#[serde(with = "greenpark_settings::span")]`.
//!
//! ```
//! use greenpark_settings::{size::Size, span::Span};
//! assert_eq!("128MiB".parse::<Size>().expect("a size").0, 128 << 20);
//! assert_eq!("90s".parse::<Span>().expect("a duration").to_string(), "90s");
//! ```

pub mod size;
pub mod span;
