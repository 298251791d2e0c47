//! What a store has done, counted.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        #[derive(Default)]
        pub(crate) struct Counters { $(pub(crate) $name: AtomicU64,)+ }

        /// What a store has done since it was opened.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])+ pub $name: u64,)+
            /// Sessions whose headers are remembered.
            pub known_sessions: u64,
            /// Requests that the driver repeated on another node.
            pub driver_retries: u64,
            /// Requests that had no answer in time.
            pub driver_timeouts: u64,
            /// Connections to all nodes.
            pub driver_connections: u64,
        }

        impl Counters {
            pub(crate) fn counts(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed),)+ ..Counts::default() }
            }
        }
    };
}

counters! {
    /// Rows of figures written.
    rows_written,
    /// Changes of sessions written.
    sessions_written,
    /// Changes of sessions that had to be written in parts.
    sessions_split,
    /// Changes of sessions written although the session was that far already.
    sessions_again,
    /// Headers looked up because they were not known.
    headers_looked_up,
    /// Sessions read.
    sessions_read,
    /// Reads begun again because the session changed meanwhile or was being written.
    reads_repeated,
    /// Reads given up for that reason.
    reads_unsettled,
    /// Dead letters written.
    letters_written,
}

pub(crate) fn count(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}
