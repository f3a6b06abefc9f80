//! The `greenpark` process.

use std::{process::ExitCode, thread};

use greenpark_runtime::{exit, tls};
use mimalloc::MiMalloc;

/// Queries allocate a lot on several threads at once; the C library's allocator would cost a fifth of their time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tls::install();
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // At least two, so that one busy task never delays pings.
        .worker_threads(cores.max(2))
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => ExitCode::from(runtime.block_on(greenpark::run::run(std::env::args_os()))),
        Err(error) => {
            greenpark_console::output::line(&format!("greenpark: cannot start: {error}"));
            ExitCode::from(exit::FAILURE)
        }
    }
}
