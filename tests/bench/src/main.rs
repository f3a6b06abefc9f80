//! Measures Greenpark and its parts: `cargo run --release -p greenpark-tests-bench [NAME…]`.
//!
//! Every case asserts its result, prints readings a second and CPU-seconds per million readings of the whole
//! process including the load generator, and has deterministic inputs.

mod cases;
mod fixture;
mod load;
mod measure;
mod synthetic_park;

use std::process::ExitCode;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    measure::print_head();
    for case in cases::ALL {
        let is_wanted =
            wanted.is_empty() || wanted.iter().any(|w| case.name.starts_with(w.as_str()));
        if is_wanted {
            (case.run)(&runtime);
        }
    }
    ExitCode::SUCCESS
}
