//! The words for what goes wrong. A stand says how each is done where it runs.

use serde::{Deserialize, Serialize};

/// How much longer a slow chain takes.
pub const SLOW_FACTOR: u32 = 10;
/// An answer of a slow chain takes this much longer at least, in milliseconds: ten times a usual
/// answer over a network and real stores. Ten times next to nothing would disturb nobody.
pub const SLOW_MS_MIN: u64 = 200;
/// How many answers of a failing chain are errors, per cent.
pub const ERRORS_PERCENT: u32 = 20;

/// Declares the faults once: variant, name on the command line, what it does in one sentence.
macro_rules! faults {
    ($($variant:ident $name:literal $title:literal),+ $(,)?) => {
        /// One thing that goes wrong, in one chain or, where [`Fault::is_of_a_chain`] says so, not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Fault {
            $(#[doc = $title] $variant),+
        }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Fault] = &[$(Fault::$variant),+];

            /// Its name in commands and reports.
            pub const fn name(self) -> &'static str {
                match self { $(Fault::$variant => $name),+ }
            }

            /// What happens, in one sentence.
            pub const fn title(self) -> &'static str {
                match self { $(Fault::$variant => $title),+ }
            }
        }
    };
}

faults! {
    Crash "crash" "Every process of the chain dies without writing what it holds.",
    Pause "pause" "Every process of the chain stands still, then goes on as if nothing had been.",
    BlackholeIn "blackhole-in" "Questions to the chain vanish on their way; connections stay open.",
    BlackholeOut "blackhole-out" "The chain works, but its answers vanish on their way.",
    Blackhole "blackhole" "The chain is cut off: from the gateway, the log and its stores.",
    Slow "slow" "The chain's answers take ten times as long, 200 ms more at least.",
    Errors "errors" "One in five answers of the chain is an error.",
    StuckCompute "stuck-compute" "The chain reads no more of the log, while its answers look fine.",
    WrongData "wrong-data" "The chain misses a few events of the log, and does not know.",
    HotLost "hot-lost" "The chain's hot store is gone.",
    RowsLost "rows-lost" "The chain's row store is gone.",
    LogCut "log-cut" "The chain can't reach the log; it knows, and its answers get old.",
    LogLost "log-lost" "The log is gone for everybody.",
    DiskStall "disk-stall" "Writes of the chain's stores and snapshots hang.",
    DiskFull "disk-full" "Writes of the chain's stores and snapshots fail.",
    ControlLeaderLost "control-leader-lost" "The control node that leads is gone.",
    GatewayCutOff "gateway-cut-off" "The gateway hears nothing from the control group.",
}

impl Fault {
    /// Whether it strikes one chain, so that it has two directions.
    pub const fn is_of_a_chain(self) -> bool {
        !matches!(self, Fault::LogLost | Fault::ControlLeaderLost | Fault::GatewayCutOff)
    }

    /// The fault of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
