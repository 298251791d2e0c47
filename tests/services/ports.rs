//! Free ports, chosen at start.
//!
//! A port must stay ours while its server is stopped: clients dial it again and again, and must
//! find nobody rather than somebody else. So ports come from below the range from which the
//! kernel takes its own, in blocks; whoever uses a block holds its first port for as long as it
//! lives, which keeps two sets of servers apart without any file.

use std::net::TcpListener;

use anyhow::Context;
use uuid::Uuid;

const FIRST: u16 = 10_000;
const LAST: u16 = 32_000;
/// Ports of a block: what a set of servers with all its extras needs, and some more for those
/// that are taken.
const BLOCK: u16 = 40;
/// Where Linux says which ports it gives to outgoing connections.
const KERNEL_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// A block of ports.
pub(crate) struct Ports {
    /// Holds the block.
    _first: TcpListener,
    next: u16,
    end: u16,
}

impl Ports {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let last = kernel_first().unwrap_or(LAST).min(LAST);
        let mut blocks: Vec<u16> = (FIRST..last.saturating_sub(BLOCK)).step_by(usize::from(BLOCK)).collect();
        // From somewhere else each time: the sets of one machine rarely meet.
        let start = Uuid::new_v4().as_u128() % blocks.len().max(1) as u128;
        blocks.rotate_left(usize::try_from(start).expect("below a length"));
        let held = |first| bind(first).map(|listener| (first, listener));
        let (first, listener) = blocks.into_iter().find_map(held).context("no block of free ports")?;
        Ok(Self { _first: listener, next: first + 1, end: first + BLOCK })
    }

    /// The next port that nobody listens on.
    pub(crate) fn take(&mut self) -> anyhow::Result<u16> {
        let port = (self.next..self.end).find(|port| bind(*port).is_some());
        let port = port.context("too few free ports; start again for another block")?;
        self.next = port + 1;
        Ok(port)
    }
}

fn bind(port: u16) -> Option<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).ok()
}

fn kernel_first() -> Option<u16> {
    let range = std::fs::read_to_string(KERNEL_RANGE).ok()?;
    range.split_whitespace().next()?.parse().ok().filter(|first| *first > FIRST + 2 * BLOCK)
}
