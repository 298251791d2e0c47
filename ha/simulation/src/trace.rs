//! What happened: the last lines for people, and a hash of everything.

use std::collections::VecDeque;

/// How many lines are kept.
const LINES_MAX: usize = 160;

/// See the head of this module.
#[derive(Default)]
pub(crate) struct Trace {
    lines: VecDeque<String>,
    hash: u64,
}

impl Trace {
    /// Notes something worth reading.
    pub(crate) fn line(&mut self, now_ms: u64, text: &str) {
        for byte in text.bytes() {
            self.mix(u64::from(byte));
        }
        if self.lines.len() >= LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>4}.{:03} {text}", now_ms / 1_000, now_ms % 1_000));
    }

    /// Notes something for the hash alone.
    pub(crate) fn mix(&mut self, number: u64) {
        self.hash = mix(self.hash, number);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines).into()
    }
}

/// Any change of either number changes about half of the bits.
pub(crate) fn mix(left: u64, right: u64) -> u64 {
    let mut mixed = (left ^ right.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x2545_f491_4f6c_dd1d);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
