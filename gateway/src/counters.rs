//! What the gateway counts: plain atomics, read without stopping anything.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tandem_model::route::Chain;
use tandem_strict::Violation;

/// One count, only ever rising.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Declares a set of counters and what is read from it, once.
macro_rules! counters {
    ($(#[$meta:meta])* $counters:ident => $counts:ident { $($(#[$doc:meta])* $name:ident),+ $(,)? }) => {
        #[derive(Debug, Default)]
        pub(crate) struct $counters {
            $(pub(crate) $name: Counter),+
        }

        impl $counters {
            fn read(&self) -> $counts {
                $counts { $($name: self.$name.read()),+ }
            }
        }

        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct $counts {
            $($(#[$doc])* pub $name: u64),+
        }
    };
}

counters! {
    /// What was counted about reads since the start.
    ReadCounters => ReadCounts {
        /// Reads that the chains were asked for. Those answered with others' answers are not among them.
        requests,
        /// Reads answered with the answer to an equal one that was under way.
        shared,
        /// Reads answered from memory.
        from_memory,
        /// Reads asked of the other chain too because the first was slow.
        hedges,
        /// Hedges whose answer came first.
        hedges_won,
        /// Hedges that the budget did not allow.
        hedges_refused,
        /// Reads asked of the other chain because the first failed or was behind the token.
        failovers,
        /// Reads that were not asked of the other chain after a failure, because it could not take more.
        failovers_refused,
        /// Reads that went to the other chain than the route names, because that one was in trouble.
        rerouted,
        /// Reads that waited on a chain when it was found to be in trouble, and were asked of the other.
        moved,
        /// Copies of reads sent to a chain to see how it is: the standby's share, and trials.
        copies,
        /// Routes that answers named before control did.
        routes_learnt,
        /// Reads that had to wait until a chain reached the token.
        waited,
        /// Reads answered with older data than the token.
        stale,
        /// Reads answered with 503 by the gateway.
        unavailable,
    }
}

counters! {
    /// What was counted about one chain since the start.
    ChainCounters => ChainCounts {
        /// Asked, hedges and repeats included.
        asked,
        /// Answered with 5xx, or not at all.
        errors,
        /// Did not answer in time; these are errors too.
        timeouts,
        /// Had not read as far as the token.
        behind,
        /// Slower than the hedge delay.
        slow,
        /// Found to be in trouble: its breaker opened.
        trips,
    }
}

counters! {
    /// What was counted about clients' connections since the start.
    ConnectionCounters => ConnectionCounts {
        /// Closed because the client did not take its answers.
        stalled,
        /// Closed because the client took back more requests than it let be answered.
        reset,
    }
}

counters! {
    /// What was counted about TLS since the start.
    TlsCounters => TlsCounts {
        /// Handshakes that were done.
        done,
        /// Handshakes that failed: nothing in common, nonsense, a client that left.
        failed,
        /// Handshakes that were given up because they took too long.
        late,
        /// Connections closed because too many handshakes were under way.
        refused,
        /// Times that other certificates were taken into use.
        loaded,
        /// Times that other certificates were refused, or could not be read: those before stay.
        load_failed,
    }
}

counters! {
    /// What was counted about configurations since the start.
    ReloadCounters => ReloadCounts {
        /// Configurations that were taken into use while it ran.
        applied,
        /// Configurations that were refused as a whole, because something in them was wrong.
        refused,
    }
}

/// How often each [`Violation`] was met.
#[derive(Debug)]
pub(crate) struct Violations([Counter; Violation::ALL.len()]);

impl Default for Violations {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl Violations {
    pub(crate) fn of(&self, violation: Violation) -> &Counter {
        &self.0[violation as usize]
    }
}

counters! {
    /// What was counted about who asks, since the start. Those who show nothing are not counted.
    CallerCounters => CallerCounts {
        /// Keys that nobody has, or with a wrong secret, mistyped ones among them.
        unknown,
        /// Keys whose time was over, or that were revoked.
        ended,
        /// Tokens that were not taken.
        tokens,
        /// Signatures that were not taken.
        signatures,
        /// Signed requests that had been taken before.
        replayed,
        /// Signed requests that there was no room to remember.
        replays_full,
        /// Bodies that were not the signed ones.
        bodies,
        /// Bodies with events of sessions that are not their sender's.
        foreign,
        /// Files of keys, and sets of token keys, that were taken into use.
        loaded,
        /// The same that were refused, or could not be read: what was there before stays.
        load_failed,
    }
}

/// All counters of a gateway.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) reads: ReadCounters,
    pub(crate) callers: CallerCounters,
    pub(crate) repairs_ordered: Counter,
    pub(crate) connections: ConnectionCounters,
    pub(crate) tls: TlsCounters,
    pub(crate) reloads: ReloadCounters,
    pub(crate) violations: Violations,
    chains: [ChainCounters; 2],
}

impl Counters {
    pub(crate) fn chain(&self, chain: Chain) -> &ChainCounters {
        &self.chains[chain as usize]
    }

    pub(crate) fn read(&self) -> Counts {
        let [a, b] = &self.chains;
        Counts {
            reads: self.reads.read(),
            callers: self.callers.read(),
            repairs_ordered: self.repairs_ordered.read(),
            connections: self.connections.read(),
            tls: self.tls.read(),
            reloads: self.reloads.read(),
            chains: ChainsCounts { a: a.read(), b: b.read() },
        }
    }

    pub(crate) fn violations(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Violation::ALL.iter().map(|violation| (violation.name(), self.violations.of(*violation).read()))
    }
}

/// What a gateway has counted since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// About reads.
    #[serde(flatten)]
    pub reads: ReadCounts,
    /// About who asks.
    pub callers: CallerCounts,
    /// Orders to repair that a chain has kept.
    pub repairs_ordered: u64,
    /// About clients' connections.
    pub connections: ConnectionCounts,
    /// About TLS.
    pub tls: TlsCounts,
    /// About configurations that were replaced while it ran.
    pub reloads: ReloadCounts,
    /// About the chains.
    pub chains: ChainsCounts,
}

/// [`ChainCounts`] by chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChainsCounts {
    /// Of chain a.
    pub a: ChainCounts,
    /// Of chain b.
    pub b: ChainCounts,
}
