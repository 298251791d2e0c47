//! Chance from a seed: whole numbers only, so that a seed means the same traffic on every machine.

/// A stream of random numbers (SplitMix64, Steele, Lea and Flood 2014): small, and each seed gives a
/// stream of its own. Nothing secret is made with it.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

/// Pauses of people against their median, in sixteenths, from the shortest to the longest tenth: most
/// are near it, a few are very long, as people read, talk and come back.
const PAUSE_SIXTEENTHS: [u64; 11] = [3, 5, 8, 11, 14, 16, 20, 27, 40, 72, 200];

impl Chance {
    /// The stream `stream` of a seed: streams of one seed have nothing to do with each other.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut chance = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        chance.0 = chance.next();
        chance
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `end`, which is at least 1.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(end.max(1));
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number from `low` to `high`, both of them possible.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// True in `permille` of 1,000 cases.
    pub(crate) fn permille(&mut self, permille: u64) -> bool {
        self.below(1_000) < permille
    }

    /// One of them; there must be one.
    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(all.len() as u64)).unwrap_or(0);
        &all[index]
    }

    /// How long a person waits whose pauses have this median.
    pub(crate) fn pause_ms(&mut self, median_ms: u64) -> u64 {
        let step = usize::try_from(self.below(10)).unwrap_or(0);
        let sixteenths = self.between(PAUSE_SIXTEENTHS[step] * 64, PAUSE_SIXTEENTHS[step + 1] * 64);
        (median_ms * sixteenths / (16 * 64)).max(1)
    }

    /// A time around `ms`, by up to `percent` of 100 more or less: what a timer makes of it.
    pub(crate) fn about_ms(&mut self, ms: u64, percent: u64) -> u64 {
        let spread = ms * percent / 100;
        self.between(ms - spread.min(ms), ms + spread).max(1)
    }

    /// `chars` letters and digits.
    pub(crate) fn text(&mut self, chars: usize) -> String {
        const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..chars).map(|_| char::from(*self.pick(LETTERS))).collect()
    }

    /// `chars` hexadecimal digits.
    pub(crate) fn hexadecimal(&mut self, chars: usize) -> String {
        (0..chars).map(|_| char::from(*self.pick(b"0123456789abcdef"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_stream_name_one_sequence() {
        let first = |seed, stream| Chance::new(seed, stream).next();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(2, 1));
        assert_ne!(first(1, 2), first(1, 3));
    }

    #[test]
    fn numbers_stay_in_their_range_and_reach_both_ends() {
        let mut chance = Chance::new(7, 0);
        let drawn: Vec<u64> = (0..1_000).map(|_| chance.between(3, 6)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&3), Some(&6)));
    }

    #[test]
    fn half_of_the_pauses_are_shorter_than_their_median() {
        let mut chance = Chance::new(7, 1);
        let shorter = (0..10_000).filter(|_| chance.pause_ms(8_000) < 8_000).count();
        assert!((4_700..5_300).contains(&shorter), "{shorter}");
    }
}
