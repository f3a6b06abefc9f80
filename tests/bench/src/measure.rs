//! Measures wall time, CPU time and memory of this process.

#![expect(clippy::print_stdout, reason = "its output is what a bench is for")]

use std::{fs, time::Instant};

/// Ticks a second in `/proc/self/stat`, which Linux fixes at 100 for user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// A measurement under way.
#[derive(Debug)]
pub(crate) struct Measure {
    name: &'static str,
    began: Instant,
    cpu: f64,
}

pub(crate) fn print_head() {
    println!(
        "{:<34} {:>12} {:>9} {:>14} {:>18} {:>9}",
        "case", "readings", "seconds", "readings/s", "CPU-s per million", "RSS MiB"
    );
}

impl Measure {
    /// Begins the measurement of the case `name`.
    pub(crate) fn begin(name: &'static str) -> Self {
        Self {
            name,
            cpu: cpu_seconds(),
            began: Instant::now(),
        }
    }

    /// Ends the measurement and prints its line.
    pub(crate) fn end(self, readings: u64) {
        let wall = self.began.elapsed().as_secs_f64();
        let cpu = cpu_seconds() - self.cpu;
        let count = readings as f64;
        println!(
            "{:<34} {readings:>12} {wall:>9.2} {:>14.0} {:>18.3} {:>9}",
            self.name,
            count / wall,
            cpu / count * 1e6,
            rss_mib(),
        );
    }
}

/// User and system time of all threads of this process.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux has /proc");
    // The second field is the name in parentheses and may contain spaces; utime is the 14th field, stime the 15th.
    let rest = stat.rsplit(')').next().expect("stat has a name");
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number of ticks");
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

/// Resident memory in MiB.
fn rss_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let line = status
        .lines()
        .find(|l| l.starts_with("VmRSS:"))
        .expect("a resident size");
    let kib: u64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("kibibytes");
    kib / 1024
}
