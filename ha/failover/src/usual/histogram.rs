//! How long answers took, as counts in buckets: whole numbers only, of fixed size.
//!
//! Below 16 µs each value has its own bucket; above, each doubling is cut into eight. So a quantile
//! is at most an eighth too high, and never too low.

/// Values below it are kept exactly, in microseconds.
const EXACT_US: u64 = 16;
/// log2 of that.
const EXACT_BITS: u32 = 4;
/// log2 of the buckets per doubling.
const PART_BITS: u32 = 3;
/// Longest time told apart, in microseconds: 134 s. No answer may take as long.
const MAX_US: u64 = (1 << 27) - 1;
const BUCKETS: usize = 16 + (27 - EXACT_BITS as usize) * (1 << PART_BITS);

/// Counts of times.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: [u32; BUCKETS],
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], count: 0 }
    }
}

impl Histogram {
    /// Notes one time, in microseconds.
    pub fn note(&mut self, us: u64) {
        let bucket = &mut self.buckets[bucket_of(us)];
        *bucket = bucket.saturating_add(1);
        self.count += 1;
    }

    /// How many were noted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes over what another one counted.
    pub fn add(&mut self, other: &Histogram) {
        for (own, others) in self.buckets.iter_mut().zip(&other.buckets) {
            *own = own.saturating_add(*others);
        }
        self.count += other.count;
    }

    /// The time that so many of 100 do not exceed, in microseconds; 0 while nothing was noted.
    pub fn quantile_us(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return highest_us(index);
            }
        }
        0
    }
}

fn bucket_of(us: u64) -> usize {
    let us = us.min(MAX_US);
    if us < EXACT_US {
        return us as usize;
    }
    let exponent = us.ilog2();
    let part = (us >> (exponent - PART_BITS)) & ((1 << PART_BITS) - 1);
    (EXACT_US + (u64::from(exponent - EXACT_BITS) << PART_BITS) + part) as usize
}

/// The highest value that falls into a bucket.
fn highest_us(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < EXACT_US {
        return bucket;
    }
    let (doubling, part) = ((bucket - EXACT_US) >> PART_BITS, (bucket - EXACT_US) & ((1 << PART_BITS) - 1));
    let width = doubling + u64::from(EXACT_BITS - PART_BITS);
    (((1 << PART_BITS) + part + 1) << width) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_close_to_its_end() {
        let edges = (0..28).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1]);
        for us in edges.chain((0..5_000).map(|step| step * 26_843)).filter(|us| *us <= MAX_US) {
            let (bucket, highest) = (bucket_of(us), highest_us(bucket_of(us)));
            assert!(highest >= us && highest - us <= us / 8, "{us}: {highest}");
            assert!(bucket == 0 || highest_us(bucket - 1) < us, "{us}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!(highest_us(BUCKETS - 1), MAX_US);
    }

    #[test]
    fn quantiles_are_at_most_an_eighth_too_high() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_us(50), 0);
        (1..=1_000).for_each(|us| histogram.note(us));
        for (percent, exact) in [(1, 10), (50, 500), (99, 990), (100, 1_000)] {
            let found = histogram.quantile_us(percent);
            assert!(found >= exact && found <= exact + exact / 8, "{percent}: {found}");
        }
        let mut twice = histogram.clone();
        twice.add(&histogram);
        assert_eq!((twice.count(), twice.quantile_us(50)), (2_000, histogram.quantile_us(50)));
    }
}
