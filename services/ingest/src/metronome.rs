//! The metronome: a beat into every partition once a second. Only beats move time, so this is the
//! one place where the wall clock enters the figures.
//!
//! Beats strictly rise. When the wall clock steps back, seconds are left out until it has caught
//! up again; when it steps forward, or the log was away, the seconds between are left out too: a
//! beat says "it is now this late", it need not say so every second. A beat whose append failed
//! may be in the log all the same, so its second is never written again.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tandem_model::time::SECOND_MS;
use tandem_model::{PartitionId, Record};
use tandem_storage::{Append, EventLog};
use tokio::sync::watch;

use crate::counts::MetronomeCounts;

const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A step of the wall clock beyond this is worth a line in the log.
const STEP_SECONDS: u64 = 5;

/// Writes beats until `stop` holds true or its sender is gone. `now_ms` is the wall clock in
/// milliseconds since the epoch ([`wall_ms`] but in tests).
pub async fn metronome(log: Arc<dyn EventLog>, stop: watch::Receiver<bool>, now_ms: impl Fn() -> u64 + Send) {
    metronome_counted(log, stop, now_ms, watch::Sender::default()).await;
}

/// The same, which says in `counts` how it stands.
pub async fn metronome_counted(
    log: Arc<dyn EventLog>,
    mut stop: watch::Receiver<bool>,
    now_ms: impl Fn() -> u64 + Send,
    counts: watch::Sender<MetronomeCounts>,
) {
    let partitions = log.partitions();
    let mut clock = Clock::default();
    let mut backoff = BACKOFF_MIN;
    let mut wait = Duration::from_millis(until_next_second_ms(now_ms()));
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = match clock.beat(now_ms()) {
            None => {
                if clock.is_behind {
                    counts.send_modify(|counts| counts.refused += 1);
                }
                Duration::from_millis(until_next_second_ms(now_ms()))
            }
            // Not cancelled by a stop: the append is brief, and a beat must not be left in doubt.
            Some(second) => match log.append(beats(second, partitions)).await {
                Ok(_) => {
                    backoff = BACKOFF_MIN;
                    counts.send_modify(|counts| {
                        counts.beats += 1;
                        counts.last_second = Some(second);
                    });
                    Duration::from_millis(until_next_second_ms(now_ms()))
                }
                Err(error) => {
                    counts.send_modify(|counts| counts.failed += 1);
                    tracing::warn!(%error, second, retry_ms = backoff.as_millis() as u64, "beat not written");
                    let wait = backoff;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                    wait
                }
            },
        };
    }
}

/// The wall clock, in milliseconds since the epoch.
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Which second to beat.
#[derive(Debug, Default)]
struct Clock {
    last: Option<u64>,
    is_behind: bool,
}

impl Clock {
    /// The second to beat at `now_ms`, if it is later than every one before.
    fn beat(&mut self, now_ms: u64) -> Option<u64> {
        let second = now_ms / SECOND_MS;
        if let Some(last) = self.last {
            if second <= last {
                if second + STEP_SECONDS < last && !self.is_behind {
                    self.is_behind = true;
                    tracing::error!(
                        second,
                        last,
                        "the wall clock stepped back: no beats until it has caught up"
                    );
                }
                return None;
            }
            if second > last + STEP_SECONDS {
                tracing::warn!(
                    second,
                    last,
                    "seconds without a beat: the log was away or the clock stepped forward"
                );
            }
        }
        self.is_behind = false;
        self.last = Some(second);
        Some(second)
    }
}

fn beats(second: u64, partitions: u32) -> Append {
    let beat = Record::beat(second);
    let records = (0..partitions).map(|partition| (PartitionId(partition), beat.clone())).collect();
    Append { records, receipt: None }
}

/// 1 to 1000.
fn until_next_second_ms(now_ms: u64) -> u64 {
    SECOND_MS - now_ms % SECOND_MS
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use tandem_storage::StoreError;
    use tokio::time::Instant;

    use super::*;
    use crate::fake::FakeLog;

    const START_MS: u64 = 1_732_190_400_250;

    /// A wall clock that runs with the virtual time and can be set off by `step_ms`.
    fn virtual_clock() -> (Arc<AtomicI64>, impl Fn() -> u64 + Send) {
        let step_ms = Arc::new(AtomicI64::new(0));
        let (begin, step) = (Instant::now(), Arc::clone(&step_ms));
        let now = move || {
            let elapsed = begin.elapsed().as_millis() as u64;
            (START_MS + elapsed).saturating_add_signed(step.load(Ordering::Relaxed))
        };
        (step_ms, now)
    }

    async fn after_ms(ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn beats_every_partition_at_whole_seconds_until_stopped() {
        let log = Arc::new(FakeLog::new(3));
        let (_, now) = virtual_clock();
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(metronome(log.clone(), stopped, now));
        after_ms(740).await;
        assert_eq!(log.lines(0), Vec::<String>::new());
        after_ms(3_020).await;
        let second = START_MS / 1000;
        let expected: Vec<String> = (1..=4)
            .map(|n| format!(r#"{{"type":"beat","beat":{},"ts":{}}}"#, second + n, (second + n) * 1000))
            .collect();
        for partition in 0..3 {
            assert_eq!(log.lines(partition), expected);
        }
        assert_eq!(log.appends(), 4);
        stop.send(true).unwrap();
        tokio::time::timeout(Duration::from_millis(1), running).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_stopper_stops_it() {
        let (stop, stopped) = watch::channel(false);
        let (_, now) = virtual_clock();
        let running = tokio::spawn(metronome(Arc::new(FakeLog::new(1)), stopped, now));
        drop(stop);
        tokio::time::timeout(Duration::from_millis(1), running).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_steps_leaves_seconds_out_and_never_goes_back() {
        let log = Arc::new(FakeLog::new(1));
        let (step_ms, now) = virtual_clock();
        let (_stop, stopped) = watch::channel(false);
        let (counts, counted) = watch::channel(MetronomeCounts::default());
        tokio::spawn(metronome_counted(log.clone(), stopped, now, counts));
        let second = START_MS / 1000;
        after_ms(2_800).await;
        assert_eq!(log.beats(0), [second + 1, second + 2, second + 3]);
        step_ms.store(-3_000, Ordering::Relaxed);
        after_ms(2_900).await;
        assert_eq!(log.beats(0).len(), 3);
        after_ms(1_100).await;
        assert_eq!(log.beats(0).last(), Some(&(second + 4)));
        let expected =
            MetronomeCounts { beats: 4, last_second: Some(second + 4), ..MetronomeCounts::default() };
        assert_eq!(*counted.borrow(), expected, "a small step is waited out");
        step_ms.store(60_000, Ordering::Relaxed);
        after_ms(1_000).await;
        let beats = log.beats(0);
        assert!(*beats.last().unwrap() >= second + 64, "{beats:?}");
        assert!(beats.windows(2).all(|pair| pair[0] < pair[1]), "{beats:?}");
        step_ms.store(-3_600_000, Ordering::Relaxed);
        after_ms(3_000).await;
        assert_eq!(counted.borrow().refused, 3, "an hour back is not to be trusted");
    }

    #[tokio::test(start_paused = true)]
    async fn errors_are_waited_out_and_no_second_is_written_twice() {
        let log = Arc::new(FakeLog::new(1));
        let (_, now) = virtual_clock();
        let (_stop, stopped) = watch::channel(false);
        let (counts, counted) = watch::channel(MetronomeCounts::default());
        tokio::spawn(metronome_counted(log.clone(), stopped, now, counts));
        // The first three fail, and what failed is there all the same.
        log.fail_after_writing(3, StoreError::Timeout("test".to_owned()));
        after_ms(10_000).await;
        let beats = log.beats(0);
        assert!(beats.windows(2).all(|pair| pair[0] < pair[1]), "{beats:?}");
        assert_eq!(beats.last(), Some(&(START_MS / 1000 + 10)));
        assert_eq!(counted.borrow().failed, 3);
        log.fail_before_writing(usize::MAX, StoreError::Unavailable("test".to_owned()));
        let before = log.appends();
        after_ms(60_000).await;
        let tries = log.appends() - before;
        assert!((10..=20).contains(&tries), "{tries} tries in a minute");
    }
}
