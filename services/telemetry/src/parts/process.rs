//! The process itself, as far as `/proc` tells without much ado. What it does not tell is absent.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Samples, Telemetry, catalogue};

/// Ticks of processor time per second in `/proc`: fixed by Linux towards programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// Shows what runs here, since when, and what it uses.
pub(crate) fn process(telemetry: &Telemetry, role: &'static str, version: &'static str) {
    // Metrics are set up first thing, so now is as good as the time that /proc has in ticks.
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    telemetry.source(move |samples| {
        samples.set(&catalogue::BUILD, &[version, role], 1.0);
        samples.set(&catalogue::PROCESS_START, &[], started);
        usage(samples);
    });
}

fn usage(samples: &mut Samples) {
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        if let Some(kib) = number(&status, "VmRSS:") {
            samples.set(&catalogue::PROCESS_MEMORY, &[], kib * 1024.0);
        }
        if let Some(threads) = number(&status, "Threads:") {
            samples.set(&catalogue::PROCESS_THREADS, &[], threads);
        }
    }
    if let Some(ticks) = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| ticks(&stat)) {
        samples.set(&catalogue::PROCESS_CPU, &[], ticks / TICKS_PER_SECOND);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder being read.
        samples.set(&catalogue::PROCESS_FDS, &[], files.count().saturating_sub(1) as f64);
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(files_max) = number(&limits, "Max open files") {
        samples.set(&catalogue::PROCESS_FDS_MAX, &[], files_max);
    }
}

/// The number that follows `name` at the beginning of a line.
fn number(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// User and system time. The program's name, in brackets, may hold anything, also brackets.
fn ticks(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    Some(fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says_is_read() {
        let status = "Name:\ta\nVmRSS:\t   1234 kB\nThreads:\t7\n";
        assert_eq!((number(status, "VmRSS:"), number(status, "Threads:")), (Some(1234.0), Some(7.0)));
        assert_eq!(
            number("Max open files            1024       4096   files", "Max open files"),
            Some(1024.0)
        );
        assert_eq!(number("Max open files            unlimited", "Max open files"), None);
        let stat = "12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(ticks(stat), Some(200.0));
    }
}
