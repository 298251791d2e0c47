//! How long answers usually take, as an observer learns it.

/// Before so many answers nothing is usual.
const KNOWN_FROM: u32 = 20;
/// Longer than so many times the usual is not learnt: it is a symptom.
const LEARNT_FACTOR: u64 = 3;

/// A sliding mean, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usual {
    mean_us: u64,
    count: u32,
}

impl Usual {
    pub(crate) fn learn(&mut self, took_us: u64) {
        if self.count < KNOWN_FROM {
            self.mean_us = (self.mean_us * u64::from(self.count) + took_us) / u64::from(self.count + 1);
            self.count += 1;
        } else if took_us <= self.mean_us * LEARNT_FACTOR {
            self.mean_us = (self.mean_us * 63 + took_us) / 64;
        }
    }

    pub(crate) fn known_us(&self) -> Option<u64> {
        (self.count >= KNOWN_FROM).then_some(self.mean_us)
    }
}
