//! A whole park on one machine, for end-to-end tests: started on free ports and a folder that goes away,
//! fed by the replay that users run, asked over gRPC.
//!
//! [`site`] starts and stops it, [`letters`] has something refused, [`meter_year`] and [`register_year`] make the data, [`ask`] asks.

pub mod ask;
pub mod letters;
pub mod meter_year;
pub mod register_year;
pub mod site;
