//! Carries a drill out: load, watch, act, wait, count.
//!
//! Faults in force are held in one place, and ended there: after the steps, when the error budget is
//! spent, when somebody breaks the drill off, and, should this very future be dropped, by the
//! guards themselves.

mod watching;

use std::future::Future;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_model::route::Chain;
use tokio::time::{Instant, sleep};

use crate::drill::{Drill, ErrorBudget, LoadPlan, Step, Timing};
use crate::evidence::{DecisionMark, Ending, Evidence, Marks, Strike};
use crate::history::{History, Recorder};
use crate::load::{Clock, Load, wall_ms};
use crate::stand::{Injected, Stand};

use watching::Watch;

/// How often conditions are looked at.
const POLL: Duration = Duration::from_millis(20);
/// The phase between the beats and the fault: anything within one beat.
const PHASE_MS: u64 = 1_000;
/// How long chains that were made wrong may take to be told to differ.
const DIFFERENCE: Duration = Duration::from_secs(15);

/// What to run.
#[derive(Clone, Debug)]
pub struct Request {
    /// The drill.
    pub drill: Drill,
    /// The chain it is about.
    pub struck: Chain,
    /// Decides the load's events and the phase of the fault.
    pub seed: u64,
    /// How long each part takes.
    pub timing: Timing,
    /// How much load.
    pub load: LoadPlan,
    /// When it ends at once.
    pub budget: ErrorBudget,
}

/// Runs a drill to its end, whatever comes. `broken_off` is done when somebody wants it to stop.
pub async fn run(
    stand: &dyn Stand,
    request: Request,
    broken_off: impl Future<Output = ()> + Send,
) -> Evidence {
    let clock = Clock::start();
    let mut run = Run {
        stand,
        recorder: Recorder::default(),
        clock,
        marks: Marks::default(),
        strikes: Vec::new(),
        open: Vec::new(),
        watch: Watch::start(&stand.gateways(), &stand.key(), clock),
        request,
    };
    tokio::pin!(broken_off);
    let ready = tokio::select! {
        ready = run.prepare() => ready,
        () = &mut broken_off => Err("broken off before it began".to_owned()),
    };
    let epoch_before = match ready {
        Ok(epoch) => epoch,
        Err(why) => return run.evidence(Ending::Blocked(why), History::default(), Vec::new(), None).await,
    };
    let Request { timing, load, seed, .. } = run.request;
    let load = Load::start(&stand.gateways(), &stand.key(), load, seed, run.recorder.clone(), clock);
    let ending = tokio::select! {
        ending = run.act() => ending,
        () = &mut broken_off => Ending::Interrupted("broken off".to_owned()),
    };
    run.heal();
    if !matches!(ending, Ending::Interrupted(_)) {
        tokio::select! {
            () = run.calm_down() => {}
            () = &mut broken_off => {}
        }
    }
    run.marks.ended_us = clock.us();
    let finals = load.end(Duration::from_millis(timing.recovery_ms_max)).await;
    let history = run.recorder.take();
    run.evidence(ending, history, finals, Some(epoch_before)).await
}

struct Run<'a> {
    stand: &'a dyn Stand,
    request: Request,
    recorder: Recorder,
    clock: Clock,
    marks: Marks,
    strikes: Vec<Strike>,
    /// Faults in force, by their place in `strikes`.
    open: Vec<(usize, Box<dyn Injected>)>,
    watch: Watch,
}

impl Run<'_> {
    /// Everything is well and the right chain serves; returns the epoch from which decisions count.
    async fn prepare(&mut self) -> Result<u64, String> {
        let Request { drill, struck, timing, .. } = self.request.clone();
        if let Some(why) = drill.faults().into_iter().find_map(|fault| self.stand.cannot(fault)) {
            return Err(why);
        }
        if self.stand.gateways().is_empty() {
            return Err("the stand has no gateway".to_owned());
        }
        let until = Instant::now() + Duration::from_millis(timing.recovery_ms_max);
        if !self.well(wall_ms(), until, true).await {
            return Err("both chains must be ready and agree before a drill begins, and do not".to_owned());
        }
        let serves = drill.serves_first(struck);
        let reason = format!("drill {}: chain {serves} serves first", drill.id);
        let route = self.stand.switch(serves, reason).await.map_err(|error| error.to_string())?;
        while !self.watch.all_follow(route.epoch) {
            if Instant::now() >= until {
                return Err(format!("not every gateway follows epoch {}", route.epoch));
            }
            sleep(POLL).await;
        }
        Ok(route.epoch)
    }

    /// Steady load, then the steps; ends early where the budget is spent.
    async fn act(&mut self) -> Ending {
        let Request { timing, seed, .. } = self.request;
        let ms = Duration::from_millis;
        sleep(ms(timing.warm_up_ms)).await;
        self.marks.steady_us = self.clock.us();
        let phase_ms = SmallRng::seed_from_u64(seed).random_range(0..PHASE_MS);
        sleep(ms(timing.before_ms) + ms(phase_ms)).await;
        self.marks.began_us = self.clock.us();
        let (recorder, first) = (self.recorder.clone(), self.recorder.count());
        let reads_max = self.request.budget.reads_max;
        let spent = async {
            loop {
                let errors = recorder.errors_from(first);
                if errors > reads_max {
                    return errors;
                }
                sleep(POLL).await;
            }
        };
        tokio::select! {
            outcome = self.steps() => match outcome {
                Ok(()) => Ending::Done,
                Err(why) => Ending::Interrupted(why),
            },
            errors = spent => Ending::BudgetSpent(errors),
        }
    }

    async fn steps(&mut self) -> Result<(), String> {
        let Request { drill, struck, timing, .. } = self.request.clone();
        for step in drill.steps(struck, timing) {
            match step {
                Step::Inject(fault, chain) => {
                    let from_us = self.clock.us();
                    let injected = self.stand.inject(fault, chain).await;
                    let injected =
                        injected.map_err(|error| format!("{fault} could not be begun: {error}"))?;
                    tracing::info!(drill = drill.id, %fault, ?chain, "in force");
                    self.open.push((self.strikes.len(), injected));
                    self.strikes.push(Strike { fault, chain, from_us, to_us: None, struck: None });
                }
                Step::Hold(hold_ms) => sleep(Duration::from_millis(hold_ms)).await,
                Step::Heal => self.heal(),
                Step::Settle => self.settle().await,
                Step::Switch(to) => {
                    let reason = format!("drill {}: planned", drill.id);
                    let switched = self.stand.switch(to, reason).await;
                    switched.map_err(|error| format!("the switch was not decided: {error}"))?;
                }
            }
            if self.marks.in_force_us == 0 {
                self.marks.in_force_us = self.clock.us();
            }
        }
        Ok(())
    }

    /// Ends every fault.
    fn heal(&mut self) {
        for (index, mut injected) in self.open.drain(..) {
            injected.heal();
            let strike = &mut self.strikes[index];
            strike.struck = injected.struck();
            strike.to_us = Some(self.clock.us());
            self.marks.healed_us = strike.to_us;
        }
    }

    /// Waits until everything is well again, within the time for that.
    async fn settle(&mut self) {
        let Request { timing, .. } = self.request;
        let is_wrong = self.request.drill.is_wrong_on_purpose();
        let patience = if is_wrong { DIFFERENCE } else { Duration::from_millis(timing.recovery_ms_max) };
        self.marks.settled_us = None;
        if self.well(wall_ms(), Instant::now() + patience, !is_wrong).await {
            self.marks.settled_us = Some(self.clock.us());
        }
    }

    /// After the steps, or what was done of them.
    async fn calm_down(&mut self) {
        if self.marks.settled_us.is_none() && !self.strikes.is_empty() {
            self.settle().await;
        }
        sleep(Duration::from_millis(self.request.timing.after_ms)).await;
    }

    /// Whether both chains come to be ready, with all their stores, and to agree (or not, where
    /// they were made to differ) on a beat after `since_ms` of the wall clock.
    async fn well(&self, since_ms: u64, until: Instant, must_agree: bool) -> bool {
        let since_us = self.clock.us();
        loop {
            let last = self.watch.last();
            let is_well = last.is_some_and(|sample| {
                let is_whole = sample.chains.iter().all(|chain| chain.ready && chain.degraded.is_empty());
                let is_new = sample.at_us >= since_us && sample.beat_ms.is_some_and(|beat| beat >= since_ms);
                match must_agree {
                    true => is_whole && is_new && sample.verdict == "equal",
                    false => is_whole && sample.verdict == "different",
                }
            });
            if is_well || Instant::now() >= until {
                return is_well;
            }
            sleep(POLL).await;
        }
    }

    async fn evidence(
        self,
        ending: Ending,
        history: History,
        finals: Vec<crate::oracle::Final>,
        epoch_before: Option<u64>,
    ) -> Evidence {
        let mut decisions = Vec::new();
        if let Some(epoch_before) = epoch_before {
            match self.stand.decisions().await {
                Ok(decided) => {
                    decisions = decided
                        .into_iter()
                        .filter(|decided| decided.route.epoch > epoch_before)
                        .map(|decided| DecisionMark {
                            epoch: decided.route.epoch,
                            active: decided.route.active,
                            reason: decided.route.reason,
                            at_us: self.clock.us_of_wall_ms(decided.decided_ms),
                        })
                        .collect();
                    decisions.sort_by_key(|decision| decision.epoch);
                }
                Err(error) => tracing::error!(%error, "what was decided can't be read"),
            }
        }
        let rules = self.stand.rules().await;
        let Request { drill, struck, seed, timing, load, budget } = self.request;
        Evidence {
            drill,
            struck,
            seed,
            stand: self.stand.name(),
            timing,
            load,
            budget,
            began_wall_ms: self.clock.began_wall_ms,
            marks: self.marks,
            strikes: self.strikes,
            ending,
            history,
            finals,
            samples: self.watch.take(),
            decisions,
            rules,
        }
    }
}
