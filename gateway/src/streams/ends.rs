//! Why a stream ends that nobody has left.

use std::sync::Arc;
use std::time::Duration;

use tandem_identity::Caller;
use tandem_ingest::wall_ms;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::callers::{Callers, Shown, Standing};

/// How long a stream may last: whoever comes back shows a key that still holds.
const LIFE: Duration = Duration::from_secs(3_600);
/// After a goodbye clients come back after so long, each at its own moment, in milliseconds.
pub(super) const RETURN_MS: std::ops::Range<u64> = 500..3_000;

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// This gateway closes.
    Closing,
    /// It has lasted long enough.
    Hour,
    /// The caller may see something else now.
    Changed,
    /// What the caller has shown does not hold any more.
    Key,
}

impl Why {
    /// Its name in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Why::Closing => "closing",
            Why::Hour => "hour",
            Why::Changed => "changed",
            Why::Key => "key",
        }
    }

    /// After how many milliseconds the client should come back; nothing where that is of no use. Streams are
    /// told one from the other by their numbers, and come back spread out.
    pub(super) fn return_ms(self, number: u64) -> Option<u64> {
        let span = RETURN_MS.end - RETURN_MS.start;
        // Steps of the golden ratio: however many, they lie evenly.
        let place = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        (self != Why::Key).then(|| RETURN_MS.start + ((place * span) >> 32))
    }
}

/// All that may end a stream.
pub(super) struct Ends {
    is_draining: watch::Receiver<bool>,
    changes: watch::Receiver<()>,
    callers: Arc<Callers>,
    caller: Caller,
    shown: Shown,
    until: Instant,
}

impl Ends {
    /// For a stream of `caller` that begins.
    pub(super) fn new(
        is_draining: watch::Receiver<bool>,
        callers: Arc<Callers>,
        caller: Caller,
        shown: Shown,
    ) -> Self {
        let left = shown.until_ms.map(|until_ms| Duration::from_millis(until_ms.saturating_sub(wall_ms())));
        let until = Instant::now() + left.map_or(LIFE, |left| left.min(LIFE));
        let mut changes = callers.changes();
        // What changed since the caller was let in is looked at first.
        changes.mark_changed();
        Self { is_draining, changes, callers, caller, shown, until }
    }

    /// Waits for the end.
    pub(super) async fn wait(&mut self) -> Why {
        loop {
            tokio::select! {
                biased;
                // Whoever drains is never dropped before its streams.
                _ = self.is_draining.wait_for(|is_draining| *is_draining) => return Why::Closing,
                _ = self.changes.changed() => match self.callers.standing(&self.caller, &self.shown) {
                    Standing::Same => {}
                    Standing::Changed => return Why::Changed,
                    Standing::Over => return Why::Key,
                },
                () = sleep_until(self.until) => {
                    let is_over = self.shown.until_ms.is_some_and(|until_ms| until_ms <= wall_ms());
                    return if is_over { Why::Key } else { Why::Hour };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_come_back_spread_out() {
        let mut times: Vec<u64> = (0..1_000).filter_map(|number| Why::Closing.return_ms(number)).collect();
        times.sort_unstable();
        assert_eq!(times.len(), 1_000);
        assert!(times.iter().all(|ms| RETURN_MS.contains(ms)));
        // 2.5 ms for each of them.
        let gap = times.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(gap <= Some(6), "{gap:?}");
        assert_eq!(Why::Key.return_ms(7), None);
    }
}
