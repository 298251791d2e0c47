//! What an address does without a valid credential, and what all do whose headers have one form.

use super::recent::Recent;

const WINDOW_MS: u64 = 10 * 60_000;

const FAILED: usize = 0;
const GOOD: usize = 1;

/// An address. Requests with a valid credential are counted only to see how large a part the others
/// are: behind one address of a carrier there are thousands of people.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Address {
    of_late: Recent<2, WINDOW_MS>,
    honeypots: Recent<1, WINDOW_MS>,
    public: Recent<1, 60_000>,
}

impl Address {
    pub(crate) fn good(&mut self, now_ms: u64) {
        self.of_late.add(GOOD, now_ms);
    }

    /// One more without a valid credential: how many, of how many.
    pub(crate) fn failed(&mut self, now_ms: u64) -> (u32, u32) {
        self.of_late.add(FAILED, now_ms);
        let failed = self.of_late.count(FAILED, now_ms);
        (failed, failed.saturating_add(self.of_late.count(GOOD, now_ms)))
    }

    /// One more for a public page: how many in a minute.
    pub(crate) fn public(&mut self, now_ms: u64) -> u32 {
        self.public.add(0, now_ms);
        self.public.count(0, now_ms)
    }

    pub(crate) fn honeypot(&mut self, now_ms: u64) {
        self.honeypots.add(0, now_ms);
    }

    /// How often of late.
    pub(crate) fn honeypots(&self, now_ms: u64) -> u32 {
        self.honeypots.count(0, now_ms)
    }
}

/// A form of headers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ShapeState {
    of_late: Recent<2, WINDOW_MS>,
    /// One bit by network that failed, of the window that runs and the one before.
    networks: [u64; 2],
}

impl ShapeState {
    fn advance(&mut self, now_ms: u64) {
        if self.of_late.advance(now_ms) {
            self.networks = [0, self.networks[0]];
        }
    }

    pub(crate) fn good(&mut self, now_ms: u64) {
        self.advance(now_ms);
        self.of_late.add(GOOD, now_ms);
    }

    /// One more without a valid credential, from a network: how many, of how many, from how many
    /// networks, about and at most 64.
    pub(crate) fn failed(&mut self, network: u64, now_ms: u64) -> (u32, u32, u32) {
        self.advance(now_ms);
        self.networks[0] |= 1 << (network % 64);
        self.of_late.add(FAILED, now_ms);
        let failed = self.of_late.count(FAILED, now_ms);
        let of = failed.saturating_add(self.of_late.count(GOOD, now_ms));
        (failed, of, (self.networks[0] | self.networks[1]).count_ones())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_700_000_000_000;

    #[test]
    fn good_requests_make_failed_ones_a_smaller_part() {
        let mut address = Address::default();
        for _ in 0..90 {
            address.good(NOW_MS);
        }
        for _ in 0..9 {
            address.failed(NOW_MS);
        }
        assert_eq!(address.failed(NOW_MS), (10, 100));
        assert_eq!(address.failed(NOW_MS + 3 * WINDOW_MS), (1, 1));
    }

    #[test]
    fn a_form_of_headers_knows_how_many_networks_it_came_from() {
        let mut shape = ShapeState::default();
        for network in 0..5 {
            shape.failed(network, NOW_MS);
        }
        assert_eq!(shape.failed(0, NOW_MS), (6, 6, 5));
    }
}
