//! How long something took: by the wall, and on the CPU. Both, because on a busy machine only the
//! second says what a core can do, and on a quiet one they must agree.

use std::time::{Duration, Instant};

/// What a measured piece of work took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    pub(super) wall: Duration,
    /// Time this thread was on a CPU, where the system tells.
    pub(super) cpu: Option<Duration>,
}

impl Took {
    /// Of two runs the better.
    pub(super) fn better(self, other: Self) -> Self {
        if other.wall < self.wall { other } else { self }
    }

    /// `count` per second.
    pub(super) fn per_second(self, count: u64) -> u64 {
        (count as f64 / self.wall.as_secs_f64()) as u64
    }

    /// `count` per second on a CPU.
    pub(super) fn per_cpu_second(self, count: u64) -> Option<u64> {
        let cpu = self.cpu.filter(|cpu| !cpu.is_zero())?;
        Some((count as f64 / cpu.as_secs_f64()) as u64)
    }

    /// How much of `whole` this is; by the CPU where that is known of both.
    pub(super) fn share_of(self, whole: Self) -> f64 {
        match (self.cpu, whole.cpu) {
            (Some(part), Some(whole)) if !whole.is_zero() => part.as_secs_f64() / whole.as_secs_f64(),
            _ => self.wall.as_secs_f64() / whole.wall.as_secs_f64(),
        }
    }
}

/// Does `work` on this thread and tells how long it took.
pub(super) fn timed<T>(work: impl FnOnce() -> T) -> (T, Took) {
    let (cpu, wall) = (cpu(), Instant::now());
    let result = work();
    let wall = wall.elapsed();
    let cpu = self::cpu().zip(cpu).map(|(after, before)| after.saturating_sub(before));
    (result, Took { wall, cpu })
}

/// Linux: the first number of the thread's `schedstat` is its time on CPUs, in nanoseconds.
fn cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

/// Times what the whole process does, on all its threads.
pub(super) struct Meter {
    wall: Instant,
    cpu: Option<Duration>,
}

impl Meter {
    pub(super) fn start() -> Self {
        Self { cpu: process_cpu(), wall: Instant::now() }
    }

    /// What was taken since the start; on the CPU to a hundredth of a second.
    pub(super) fn took(&self) -> Took {
        let wall = self.wall.elapsed();
        Took { wall, cpu: process_cpu().zip(self.cpu).map(|(now, then)| now.saturating_sub(then)) }
    }
}

/// Linux: `utime` and `stime` of `/proc/self/stat`, fields 14 and 15, in hundredths of a second.
fn process_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program stands in parentheses and may hold anything; field 3 comes after it.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((next()? + next()?) * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_is_on_the_cpu_while_it_works() {
        let meter = Meter::start();
        let mut number = 1_u64;
        while meter.took().cpu.expect("told by Linux") < Duration::from_millis(20) {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
    }

    #[test]
    fn the_better_of_two_is_the_shorter() {
        let took = |ms| Took { wall: Duration::from_millis(ms), cpu: None };
        assert_eq!(took(20).better(took(10)).wall, took(10).wall);
        assert_eq!(took(10).better(took(20)).wall, took(10).wall);
        assert_eq!(took(500).per_second(1_000), 2_000);
        assert_eq!(took(500).per_cpu_second(1_000), None);
        let on_cpu = |ms| Took { cpu: Some(Duration::from_millis(ms)), ..took(1_000) };
        assert_eq!(on_cpu(250).per_cpu_second(1_000), Some(4_000));
        assert_eq!(on_cpu(250).share_of(on_cpu(500)), 0.5);
        assert_eq!(took(250).share_of(on_cpu(500)), 0.25);
    }
}
