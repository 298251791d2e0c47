//! The drills, with what should come of each. The aims are those of the failover benchmark.

use super::{Drill, Expect, Kind, Switch, Target};
use crate::fault::Fault;

/// Every drill there is.
pub fn catalogue() -> Vec<Drill> {
    use Fault::*;
    let calm = Expect {
        switch: Switch::Never,
        errors_ppm_max: Some(100),
        gap_ms_max: Some(1_000),
        p99_percent_max: None,
        hidden_ms_max: None,
        difference_ms_max: None,
        reads_min: 50,
    };
    let away = |within_ms, hidden_ms| Expect {
        switch: Switch::Within(within_ms),
        hidden_ms_max: Some(hidden_ms),
        ..calm
    };
    let may = Expect { switch: Switch::May, ..calm };
    let planned =
        Expect { switch: Switch::Asked, errors_ppm_max: Some(0), p99_percent_max: Some(150), ..calm };
    let wrong = Expect { switch: Switch::May, difference_ms_max: Some(10_000), ..calm };
    let nobody = Expect { switch: Switch::May, errors_ppm_max: None, gap_ms_max: None, ..calm };
    let drill = |id: &str, kind, target, expect, hypothesis: &str| Drill {
        id: id.to_owned(),
        kind,
        target,
        hypothesis: hypothesis.to_owned(),
        expect,
    };
    let of = |fault: Fault, expect, hypothesis: &str| {
        drill(fault.name(), Kind::Fault(fault), Target::Active, expect, hypothesis)
    };
    let everybody = |fault: Fault, expect, hypothesis: &str| {
        drill(fault.name(), Kind::Fault(fault), Target::Everybody, expect, hypothesis)
    };
    let standby = |fault: Fault, expect, hypothesis: &str| {
        let id = format!("{}-standby", fault.name());
        drill(&id, Kind::Fault(fault), Target::Standby, expect, hypothesis)
    };
    vec![
        of(
            Crash,
            away(1_500, 200),
            "Reads go to the other chain at once, the route follows within 1.5 s; no reader waits a second.",
        ),
        of(
            Pause,
            away(1_500, 200),
            "A chain that stands still is left like a dead one, and does no harm when it goes on.",
        ),
        of(
            BlackholeIn,
            away(1_500, 200),
            "Silence is noticed by waiting: hedges hide it, the route follows within 1.5 s.",
        ),
        of(
            BlackholeOut,
            away(1_500, 200),
            "A chain that works but can't answer is left, although its figures go on.",
        ),
        of(Blackhole, away(1_500, 200), "A chain that is cut off is left, and catches up when it is back."),
        of(
            Slow,
            away(5_000, 500),
            "A chain that is ten times slower is left within 5 s, although each answer is right.",
        ),
        of(
            Errors,
            away(5_000, 500),
            "One error in five is enough: readers see none of them, the route follows within 5 s.",
        ),
        of(
            StuckCompute,
            away(3_000, 1_000),
            "Answers look fine but time stands still: noticed by progress at beats, within 3 s.",
        ),
        of(
            WrongData,
            wrong,
            "Chains that differ are found at the next common beat, within 10 s; nobody switches on a difference alone.",
        ),
        of(HotLost, may, "The row store answers; no reader fails or goes backwards."),
        of(
            RowsLost,
            may,
            "The hot store and the other chain answer; nothing is lost when the store is back.",
        ),
        of(
            LogCut,
            away(3_000, 1_000),
            "The chain's figures stand still: it is left within 3 s and catches up afterwards.",
        ),
        of(
            DiskStall,
            away(3_000, 1_000),
            "Nothing is written, so progress stands still: the chain is left within 3 s.",
        ),
        of(
            DiskFull,
            away(3_000, 1_000),
            "The chain can't write: it is left within 3 s, and goes on where it was.",
        ),
        everybody(
            LogLost,
            calm,
            "Both chains show the same symptom: no switch; reads go on, writers wait and lose nothing.",
        ),
        everybody(
            GatewayCutOff,
            Expect { switch: Switch::Asked, errors_ppm_max: Some(0), ..calm },
            "The gateway misses a switch, keeps the last route, and follows when it is back; nobody notices.",
        ),
        standby(Crash, calm, "Nobody notices that the standby dies, and it catches up."),
        standby(Slow, calm, "Nobody notices that the standby is slow."),
        standby(StuckCompute, calm, "Nobody notices that the standby falls behind."),
        standby(WrongData, wrong, "A wrong standby is found at the next common beat, and not switched to."),
        drill(
            "crash-without-leader",
            Kind::CrashWithoutLeader,
            Target::Active,
            away(4_000, 200),
            "The gateway alone hides the crash; a new leader decides within 4 s; never two epochs at once.",
        ),
        drill(
            "both-at-once",
            Kind::BothAtOnce,
            Target::Everybody,
            nobody,
            "Nobody can answer; when the chains are back, nothing is lost, doubled or older.",
        ),
        drill(
            "switch",
            Kind::Switch,
            Target::Active,
            planned,
            "An operator's switch: no error, p99 at most 1.5 times, nobody notices.",
        ),
        drill(
            "rolling-restart",
            Kind::RollingRestart,
            Target::Everybody,
            Expect { errors_ppm_max: Some(0), ..may },
            "Each chain restarts in turn; no reader gets an error.",
        ),
        drill(
            "release",
            Kind::Release,
            Target::Active,
            Expect { p99_percent_max: None, ..planned },
            "Standby, switch, then the other: no reader gets an error.",
        ),
    ]
}
