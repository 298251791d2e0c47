//! What breaks, and when: drawn from the seed before anything happens.

use std::fmt;

use rand::Rng;
use rand::rngs::SmallRng;
use tandem_model::route::Chain;

use crate::place::{Place, names};

/// Something breaks. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A place crashes and starts again after a while.
    Crash(Place, u64),
    /// Whoever leads the group crashes.
    CrashLeader(u64),
    /// All control nodes crash at once.
    CrashControl(u64),
    /// The next leader that commits a switch crashes before it tells anybody.
    SwitchIsDeadly,
    /// A place does nothing for a while, then goes on as if nothing had been.
    Pause(Place, u64),
    /// Whoever leads the group does nothing for a while.
    PauseLeader(u64),
    /// The next write of a control node's disk fails.
    Disk(usize),
    /// A control node's wall clock is so far ahead from now on.
    Wall(usize, u64),
    /// Nothing comes through from some places to others.
    Cut { from: u32, to: u32, both: bool, for_ms: u64 },
    /// Whatever goes from some places to others takes longer.
    Slow { from: u32, to: u32, by_ms: u64, for_ms: u64 },
    /// A chain falls ill.
    Ill(Chain, Ill, u64),
    /// The active chain's publisher begins anew, asks the group whether it may, and pauses with the
    /// answer in its hands; when it goes on it hears of nobody but the live topic.
    Zombie(u64),
    /// No events and no beats come.
    LogStops(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Fault::Cut { from, to, both, for_ms } => {
                let way = if both { "<->" } else { "->" };
                write!(formatter, "cut for {for_ms} ms: {} {way} {}", names(from), names(to))
            }
            Fault::Slow { from, to, by_ms, for_ms } => {
                write!(formatter, "slower by {by_ms} ms for {for_ms} ms: {} -> {}", names(from), names(to))
            }
            _ => write!(formatter, "{self:?}"),
        }
    }
}

/// How a chain falls ill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ill {
    /// It reads nothing, and answers.
    Stuck,
    /// It reads more slowly than events come.
    Behind,
    /// It answers after so long.
    Slow(u64),
    /// So many of 100 requests fail.
    Errors(u32),
    /// Its hot store is lost.
    HotLost,
    /// Some of its rows are wrong.
    Wrong,
    /// Its stores are emptied; it fills them again from what it has computed.
    Emptied,
}

/// How many there are of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) controls: usize,
    pub(crate) gateways: usize,
}

impl Shape {
    fn control(self, rng: &mut SmallRng) -> Place {
        Place::Control(rng.random_range(0..self.controls))
    }

    fn gateway(self, rng: &mut SmallRng) -> Place {
        Place::Gateway(rng.random_range(0..self.gateways))
    }

    fn all_controls(self) -> u32 {
        (0..self.controls).map(|number| Place::Control(number).bit()).sum()
    }

    fn all_gateways(self) -> u32 {
        (0..self.gateways).map(|number| Place::Gateway(number).bit()).sum()
    }

    /// Everybody but clients.
    fn servers(self) -> u32 {
        let chains: u32 = Chain::ALL.map(|chain| Place::Chain(chain).bit()).iter().sum();
        self.all_controls() + self.all_gateways() + chains + Place::Live.bit()
    }
}

fn chain(rng: &mut SmallRng) -> Chain {
    if rng.random() { Chain::A } else { Chain::B }
}

/// Everything that may break, up to `until_ms`: about one thing in 1.5 s, sometimes several at once.
pub(crate) fn storm(rng: &mut SmallRng, shape: Shape, until_ms: u64) -> Vec<(u64, Fault)> {
    let mut faults = Vec::new();
    let mut at_ms = rng.random_range(500..4_000);
    while at_ms < until_ms {
        let count = if rng.random_range(0..10) == 0 { 5 } else { 1 };
        for _ in 0..count {
            faults.push((at_ms, any(rng, shape)));
        }
        at_ms += rng.random_range(200..2_800);
    }
    faults
}

fn any(rng: &mut SmallRng, shape: Shape) -> Fault {
    let long_ms = rng.random_range(300..8_000);
    match rng.random_range(0..31) {
        0 => Fault::Crash(shape.control(rng), long_ms),
        1 | 2 => Fault::CrashLeader(rng.random_range(100..4_000)),
        3 => Fault::CrashControl(rng.random_range(100..3_000)),
        4 => Fault::SwitchIsDeadly,
        5 => Fault::Pause(shape.control(rng), long_ms),
        6 | 7 => Fault::PauseLeader(rng.random_range(300..4_000)),
        8 => Fault::Disk(rng.random_range(0..shape.controls)),
        9 => Fault::Wall(rng.random_range(0..shape.controls), rng.random_range(0..90_000)),
        10 | 11 => Fault::Crash(Place::Chain(chain(rng)), long_ms),
        12 | 13 => Fault::Pause(Place::Chain(chain(rng)), long_ms),
        14 => Fault::Crash(shape.gateway(rng), rng.random_range(100..3_000)),
        15 => Fault::Pause(shape.gateway(rng), rng.random_range(300..3_000)),
        16..=20 => cut(rng, shape, long_ms),
        21 => {
            let (from, to) = (rng.random::<u32>(), rng.random::<u32>());
            Fault::Slow { from, to, by_ms: rng.random_range(20..300), for_ms: long_ms }
        }
        30 => Fault::Zombie(rng.random_range(2_000..6_000)),
        22 => Fault::LogStops(rng.random_range(500..3_000)),
        _ => Fault::Ill(chain(rng), ill(rng), long_ms),
    }
}

fn ill(rng: &mut SmallRng) -> Ill {
    match rng.random_range(0..8) {
        0 => Ill::Stuck,
        1 => Ill::Behind,
        2 => Ill::Slow(rng.random_range(40..250)),
        3 => Ill::Errors(rng.random_range(15..60)),
        4 => Ill::HotLost,
        5 => Ill::Emptied,
        _ => Ill::Wrong,
    }
}

fn cut(rng: &mut SmallRng, shape: Shape, for_ms: u64) -> Fault {
    let both = rng.random_range(0..3) > 0;
    let (from, to) = match rng.random_range(0..6) {
        // A control node alone; its observers with it, or only from the others.
        0 => (shape.control(rng).bit(), shape.all_controls()),
        1 => (shape.control(rng).bit(), shape.servers()),
        // A chain from everybody, from control, from one gateway.
        2 => (Place::Chain(chain(rng)).bit(), shape.servers()),
        3 => (Place::Chain(chain(rng)).bit(), shape.all_controls()),
        // A gateway from control.
        4 => (shape.gateway(rng).bit(), shape.all_controls()),
        _ => {
            let side: u32 = rng.random();
            (side, !side & shape.servers())
        }
    };
    if rng.random() {
        Fault::Cut { from, to, both, for_ms }
    } else {
        Fault::Cut { from: to, to: from, both, for_ms }
    }
}

/// What happens all the time and must not lead to anything: pauses of a second, one observer that
/// sees nothing for a few seconds, a leader that is lost, control away.
pub(crate) fn noise(rng: &mut SmallRng, shape: Shape, until_ms: u64) -> Vec<(u64, Fault)> {
    let mut faults = Vec::new();
    let mut at_ms = rng.random_range(15_000..40_000);
    while at_ms < until_ms {
        let chains = Chain::ALL.map(|chain| Place::Chain(chain).bit());
        let observer = if rng.random() { shape.control(rng).bit() } else { shape.gateway(rng).bit() };
        let blip_ms = rng.random_range(3_000..=8_000);
        let fault = match rng.random_range(0..10) {
            0 | 1 => Fault::Pause(Place::Chain(chain(rng)), 1_000),
            2 => {
                let to = chains[rng.random_range(0..2)];
                Fault::Cut { from: observer, to, both: rng.random(), for_ms: blip_ms }
            }
            3 => Fault::Cut { from: observer, to: chains[0] | chains[1], both: true, for_ms: blip_ms },
            4 => {
                let to = chains[rng.random_range(0..2)];
                Fault::Slow { from: observer, to, by_ms: 120, for_ms: blip_ms }
            }
            5 => Fault::LogStops(1_000),
            6 => Fault::CrashControl(rng.random_range(1_000..30_000)),
            7 => Fault::CrashLeader(rng.random_range(500..5_000)),
            8 => Fault::Pause(shape.gateway(rng), 1_000),
            _ => Fault::PauseLeader(1_000),
        };
        faults.push((at_ms, fault));
        at_ms += rng.random_range(10_000..120_000);
    }
    faults
}

/// Both chains in turn get slow, again and again: what flaps if it is let.
pub(crate) fn turns(rng: &mut SmallRng, until_ms: u64) -> Vec<(u64, Fault)> {
    let mut faults = Vec::new();
    let (mut at_ms, mut ill) = (rng.random_range(14_000..18_000), Chain::A);
    while at_ms < until_ms {
        faults.push((at_ms, Fault::Ill(ill, Ill::Slow(rng.random_range(100..200)), 9_000)));
        at_ms += rng.random_range(22_000..26_000);
        ill = ill.other();
    }
    faults
}

/// Control goes for good; gateways start again; then the active chain goes for good.
pub(crate) fn no_control(rng: &mut SmallRng, shape: Shape, until_ms: u64) -> Vec<(u64, Fault)> {
    let for_ever_ms = u64::from(u32::MAX);
    let mut faults = vec![(rng.random_range(3_000..5_000), Fault::CrashControl(for_ever_ms))];
    for number in 0..shape.gateways {
        let at_ms = rng.random_range(6_000..10_000);
        faults.push((at_ms, Fault::Crash(Place::Gateway(number), rng.random_range(100..2_000))));
    }
    faults.push((
        rng.random_range(12_000..until_ms.max(12_001)),
        Fault::Crash(Place::Chain(Chain::A), for_ever_ms),
    ));
    faults
}
