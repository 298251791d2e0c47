//! What can be set about the shield.

use std::time::Duration;

use tandem_shield::{Memory, Rules};

/// What becomes of the shield's verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShieldMode {
    /// Nothing is judged.
    Off,
    /// Everything is judged, counted and can be explained; everybody passes.
    #[default]
    Observe,
    /// Verdicts are carried out.
    Enforce,
}

impl ShieldMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Observe, Self::Enforce];

    /// Its name in configurations and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// How hostile traffic is met.
#[derive(Clone, Debug)]
pub struct ShieldConfig {
    /// What becomes of verdicts. Default: they are only observed.
    pub mode: ShieldMode,
    /// The rules to begin with.
    pub rules: Rules,
    /// How much is remembered. It does not change while the gateway runs.
    pub memory: Memory,
    /// How long a request waits that is to be slowed down. Default 500 ms.
    pub slow: Duration,
    /// Most requests that are held back so at one time; one more is answered with 429. Default 1,024.
    pub slowed_max: usize,
    /// How many verdicts can be explained afterwards, the newest. Default 4,096. It does not change while
    /// the gateway runs.
    pub explained_max: usize,
    /// What puzzles and clearances are signed with; the same at all gateways that take each other's. Default:
    /// random, this gateway's own.
    pub secret: Option<[u8; 32]>,
}

impl Default for ShieldConfig {
    fn default() -> Self {
        Self {
            mode: ShieldMode::default(),
            rules: Rules::default(),
            memory: Memory::default(),
            slow: Duration::from_millis(500),
            slowed_max: 1_024,
            explained_max: 4_096,
            secret: None,
        }
    }
}
