//! Metrics of the process: memory, CPU time and descriptors, under Prometheus' standard names. Each scrape reads `/proc`;
//! a system without `/proc` has none of them.

use std::fs;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

/// Ticks of a second of CPU time: the same on every Linux that we run on.
const TICKS: f64 = 100.0;
/// Bytes of a page, as above.
const PAGE_BYTES: f64 = 4096.0;

#[derive(Debug)]
struct Process;

/// The values of `/proc` for this process.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Used {
    resident_bytes: f64,
    cpu_seconds: f64,
    open_fds: f64,
    max_fds: f64,
}

/// Adds the metrics of the process to `registry`.
pub fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(Process));
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(used) = used() else {
            return Ok(());
        };
        let cpu = ConstCounter::new(used.cpu_seconds);
        let of_cpu = encoder.encode_descriptor(
            "process_cpu_seconds",
            "CPU time of the process, of user and system",
            None,
            cpu.metric_type(),
        )?;
        cpu.encode(of_cpu)?;
        let gauges = [
            (
                "process_resident_memory_bytes",
                "Memory that is in RAM",
                used.resident_bytes,
            ),
            (
                "process_open_fds",
                "Descriptors that are open",
                used.open_fds,
            ),
            (
                "process_max_fds",
                "Descriptors that may be open",
                used.max_fds,
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            let of_gauge = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(of_gauge)?;
        }
        Ok(())
    }
}

fn used() -> Option<Used> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let fds = fs::read_dir("/proc/self/fd").ok()?.count();
    let (resident_bytes, cpu_seconds) = of_stat(&stat)?;
    Some(Used {
        resident_bytes,
        cpu_seconds,
        // OK because descriptors are few.
        open_fds: f64::from(u32::try_from(fds).ok()?),
        max_fds: of_limits(&limits)?,
    })
}

/// Resident bytes and CPU seconds of a line of `/proc/PID/stat`.
fn of_stat(stat: &str) -> Option<(f64, f64)> {
    // The command, in brackets, may have spaces in it; what follows is counted from the third field.
    let (_, rest) = stat.rsplit_once(')')?;
    let field = |number: usize| rest.split_whitespace().nth(number - 3)?.parse::<f64>().ok();
    let ticks = field(14)? + field(15)?;
    Some((field(24)? * PAGE_BYTES, ticks / TICKS))
}

/// The soft limit of descriptors in `/proc/PID/limits`.
fn of_limits(limits: &str) -> Option<f64> {
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_brackets_and_spaces_moves_no_field() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 99 1000 25 18446744073709551615";
        assert_eq!(of_stat(stat), Some((25.0 * PAGE_BYTES, 2.0)));
        let limits = "Limit Soft Hard Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(of_limits(limits), Some(1024.0));
    }

    #[test]
    fn this_process_uses_memory_time_and_descriptors() {
        let used = used().expect("there is a /proc");
        assert!(used.resident_bytes > 1e5, "{used:?}");
        assert!(
            used.open_fds >= 3.0 && used.max_fds >= used.open_fds,
            "{used:?}"
        );
    }
}
