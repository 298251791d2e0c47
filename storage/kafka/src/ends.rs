//! How far the log is known to reach, and whether Kafka answers.

use std::sync::Arc;

use parking_lot::Mutex;
use tandem_storage::{Result, StoreError};
use tokio::sync::watch;

/// Per partition an offset below which every readable record known lies.
pub(crate) struct Ends(watch::Sender<Arc<[u64]>>);

impl Ends {
    pub(crate) fn new(partitions: u32) -> Self {
        let ends: Arc<[u64]> = vec![0; partitions as usize].into();
        Self(watch::Sender::new(ends))
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<[u64]>> {
        self.0.subscribe()
    }

    pub(crate) fn of(&self, partition: u32) -> u64 {
        self.0.borrow().get(partition as usize).copied().unwrap_or(0)
    }

    /// Notes what is known now; ends never go back.
    pub(crate) fn raise(&self, known: impl IntoIterator<Item = (u32, u64)>) {
        // Before the lock: whoever says what is known may look at the ends for that.
        let known: Vec<(u32, u64)> = known.into_iter().collect();
        self.0.send_if_modified(|ends| {
            let mut raised: Option<Vec<u64>> = None;
            for (partition, end) in known {
                let index = partition as usize;
                if ends.get(index).is_some_and(|before| *before < end) {
                    raised.get_or_insert_with(|| ends.to_vec())[index] = end;
                }
            }
            let is_raised = raised.is_some();
            if let Some(raised) = raised {
                *ends = raised.into();
            }
            is_raised
        });
    }

    /// Wakes whoever waits, so that they look again.
    pub(crate) fn wake(&self) {
        self.0.send_modify(|_| {});
    }
}

/// Whether Kafka answers, as the watcher found it last.
#[derive(Default)]
pub(crate) struct Pulse(Mutex<Heard>);

#[derive(Default)]
struct Heard {
    /// Why it does not.
    down: Option<StoreError>,
    /// What can't be mended while this process runs.
    damage: Option<StoreError>,
}

impl Pulse {
    /// Notes how it is now; answers whether that is news.
    pub(crate) fn note(&self, outcome: std::result::Result<(), StoreError>) -> bool {
        let mut heard = self.0.lock();
        let was_down = heard.down.is_some();
        match outcome {
            Ok(()) => heard.down = None,
            Err(error) => heard.down = Some(error),
        }
        was_down != heard.down.is_some()
    }

    pub(crate) fn damage(&self, error: StoreError) {
        let mut heard = self.0.lock();
        if heard.damage.is_none() {
            tracing::error!(%error, "the log can't be used any more");
            heard.damage = Some(error);
        }
    }

    /// An error if there is no point in asking Kafka.
    pub(crate) fn check(&self) -> Result<()> {
        let heard = self.0.lock();
        heard.damage.clone().or_else(|| heard.down.clone()).map_or(Ok(()), Err)
    }

    /// Whether the log is still the one it was.
    pub(crate) fn check_damage(&self) -> Result<()> {
        self.0.lock().damage.clone().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_never_go_back_and_only_news_wakes() {
        let ends = Ends::new(2);
        let mut watched = ends.subscribe();
        ends.raise([(1, 5)]);
        assert!(watched.has_changed().unwrap());
        assert_eq!(**watched.borrow_and_update(), [0, 5]);
        ends.raise([(0, 0), (1, 4), (7, 9)]);
        assert!(!watched.has_changed().unwrap());
        ends.wake();
        assert!(watched.has_changed().unwrap());
        assert_eq!((ends.of(1), ends.of(7)), (5, 0));
    }

    #[test]
    fn a_pulse_comes_back_and_damage_stays() {
        let pulse = Pulse::default();
        let away = || Err(StoreError::Unavailable("away".to_owned()));
        assert!(pulse.check().is_ok() && !pulse.note(Ok(())));
        assert!(pulse.note(away()) && !pulse.note(away()));
        assert!(pulse.check().is_err_and(|error| error.is_retryable()) && pulse.check_damage().is_ok());
        assert!(pulse.note(Ok(())) && pulse.check().is_ok());
        pulse.damage(StoreError::Damaged("other log".to_owned()));
        pulse.note(Ok(()));
        assert!(pulse.check().is_err_and(|error| !error.is_retryable()) && pulse.check_damage().is_err());
    }
}
