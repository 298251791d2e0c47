//! What always holds, over random entries and random faults.
//!
//! `TANDEM_SEEDS` asks for more, from `TANDEM_SEED` on; what fails says its seed.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_failover::{
    Action, Bounds, Condition, Decided, Decision, Distance, Entry, Evidence, Finding, HISTORY_MAX, Refusal,
    Rule, Settings, Standing, Switch, SwitchKind, Symptom, Votes, Window,
};
use tandem_model::route::Chain;

use crate::asked;
use crate::world::{Ill, START_MS, World};

const LOGS: u64 = 2_000;
const ENTRIES: usize = 150;
const WORLDS: u64 = 150;

fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let from = asked("TANDEM_SEED").unwrap_or(0);
    from..from + asked("TANDEM_SEEDS").unwrap_or(count)
}

fn any_chain(rng: &mut SmallRng) -> Chain {
    Chain::ALL[rng.random_range(0..2)]
}

fn any_finding(rng: &mut SmallRng) -> Finding {
    let conditions = [
        Condition::Healthy,
        Condition::Settling,
        Condition::Suspect,
        Condition::Unknown,
        Condition::Grey,
        Condition::Stuck,
        Condition::Wrong,
        Condition::Down,
    ];
    // Healthy and down often, else hardly anything would be allowed.
    let condition = match rng.random_range(0..4) {
        0 => Condition::Healthy,
        1 => Condition::Down,
        _ => conditions[rng.random_range(0..conditions.len())],
    };
    let symptom = Symptom::ALL[rng.random_range(0..Symptom::ALL.len())];
    let votes = Votes { symptom, seen_by: 3, of: 4, is_agreed: rng.random() };
    Finding { condition, votes: if rng.random_ratio(1, 3) { vec![votes] } else { Vec::new() } }
}

fn any_entry(rng: &mut SmallRng, decided: &Decided, time_ms: u64) -> Entry {
    let chain = any_chain(rng);
    let from_ms = time_ms + rng.random_range(0..600_000);
    let window = match decided.blocked().first() {
        Some(window) if rng.random() => *window,
        _ => Window { from_ms, to_ms: from_ms + rng.random_range(0..900_000) },
    };
    let action = match rng.random_range(0..40) {
        0 => Action::Drain(chain),
        1 | 2 => Action::Undrain(chain),
        3 => Action::Freeze,
        4 | 5 => Action::Unfreeze,
        6 => Action::Quarantine(chain),
        7 | 8 => Action::Release(chain),
        9 => Action::Block(window),
        10 => Action::Unblock(window),
        11 => {
            let cool_down_ms = rng.random_range(30_000..900_000);
            Action::SetBounds(Bounds { cool_down_ms, ..Bounds::default() })
        }
        kind => {
            let kind = match kind {
                12..16 => SwitchKind::Planned,
                16 => SwitchKind::BreakGlass,
                _ => SwitchKind::Automatic,
            };
            let to = if rng.random_ratio(9, 10) { decided.active().other() } else { chain };
            let expected_epoch = decided.epoch() - u64::from(rng.random_ratio(1, 10));
            let distance = Distance { behind_ms: rng.random_range(0..2_500), unread_records: 7 };
            let distance = rng.random_ratio(9, 10).then_some(distance);
            let evidence = Evidence { active: any_finding(rng), target: any_finding(rng), distance };
            Action::Switch(Switch { kind, to, expected_epoch, evidence })
        }
    };
    // Now and then a leader whose clock is behind.
    let at_ms = time_ms - if rng.random_ratio(1, 5) { rng.random_range(0..60_000) } else { 0 };
    let reason = if rng.random_ratio(1, 50) { String::new() } else { "why".to_owned() };
    Entry { at_ms, by: "anna".to_owned(), reason, action }
}

#[test]
fn whatever_is_applied_the_rules_hold_and_all_nodes_agree() {
    let (mut automatic, mut emergencies, mut refused) = (0_u64, 0_u64, std::collections::BTreeSet::new());
    for seed in seeds(LOGS) {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut decided = Decided::new(any_chain(&mut rng), Bounds::default());
        let beginning = decided.clone();
        let mut time_ms = START_MS;
        let mut log = Vec::new();
        let mut last_automatic: Option<u64> = None;
        for _ in 0..ENTRIES {
            time_ms += rng.random_range(0..240_000);
            let entry = any_entry(&mut rng, &decided, time_ms);
            let before = decided.clone();
            let result = decided.apply(&entry);
            log.push(entry.clone());
            let context = || format!("seed {seed}, entry {}: {entry:?}: {result:?}", log.len());

            assert!(decided.time_ms() >= before.time_ms().max(entry.at_ms), "{}", context());
            assert!(!(decided.drained().a && decided.drained().b), "{}", context());
            assert!(!decided.drained().of(decided.active()), "{}", context());
            assert!(decided.history().len() <= HISTORY_MAX);
            match (&entry.action, &result) {
                (Action::Switch(switch), Ok(decision)) => {
                    assert_eq!(decided.epoch(), before.epoch() + 1, "{}", context());
                    assert_eq!(decided.active(), before.active().other(), "{}", context());
                    assert_eq!(decision.rulings.len(), Rule::ALL.len(), "{}", context());
                    if switch.kind == SwitchKind::Automatic {
                        automatic += 1;
                        let is_emergency =
                            check_automatic(&before, &decided, switch, last_automatic, &context);
                        emergencies += u64::from(is_emergency);
                        last_automatic = Some(decided.time_ms());
                    }
                }
                _ => {
                    assert_eq!(decided.route(), before.route(), "{}", context());
                    if let Err(Refusal::Rules(rulings)) = &result {
                        let those = rulings.iter().filter(|ruling| ruling.standing == Standing::Refused);
                        refused.extend(those.map(|ruling| ruling.rule));
                    }
                }
            }
        }
        replay(seed, beginning, &log, &decided, &mut rng);
    }
    // It was not for nothing: enough happened, and every rule refused something.
    if asked("TANDEM_SEEDS").is_none_or(|count| count >= LOGS) {
        assert!(automatic > 1_000 && emergencies > 100, "{automatic} automatic, {emergencies} emergencies");
        assert_eq!(refused.len(), Rule::ALL.len(), "{refused:?}");
    }
}

/// What an automatic switch must keep to, said once more. Says whether it was within the cool-down.
fn check_automatic(
    before: &Decided,
    after: &Decided,
    switch: &Switch,
    last_automatic: Option<u64>,
    context: &dyn Fn() -> String,
) -> bool {
    let now_ms = after.time_ms();
    assert!(before.frozen().is_none(), "frozen: {}", context());
    let is_blocked = before.blocked().iter().any(|window| window.from_ms <= now_ms && now_ms < window.to_ms);
    assert!(!is_blocked, "blocked: {}", context());
    assert!(!before.drained().of(switch.to) && !before.quarantined().of(switch.to), "{}", context());
    assert!(switch.evidence.distance.is_some_and(|distance| distance.behind_ms <= 2_000), "{}", context());
    let (active, target) = (&switch.evidence.active, &switch.evidence.target);
    let shared = active.agreed().any(|symptom| target.agreed().any(|other| other == symptom));
    assert!(!shared, "same symptom: {}", context());
    let is_cooling = last_automatic.is_some_and(|last_ms| now_ms - last_ms < before.bounds().cool_down_ms);
    if is_cooling {
        let is_bad = active.condition == Condition::Down || before.is_active_distrusted();
        assert!(is_bad, "cool-down: {}", context());
        assert!(!matches!(target.condition, Condition::Grey | Condition::Unknown), "{}", context());
    }
    is_cooling
}

/// Another node, which stops somewhere and goes on from what it wrote down, agrees.
fn replay(seed: u64, beginning: Decided, log: &[Entry], expected: &Decided, rng: &mut SmallRng) {
    let mut other = beginning;
    let stops_at = rng.random_range(0..log.len());
    for (index, entry) in log.iter().enumerate() {
        if index == stops_at {
            let bytes = postcard::to_stdvec(&other).expect("plain data");
            other = postcard::from_bytes(&bytes).expect("plain data");
            let text = serde_json::to_string(&other).expect("plain data");
            other = serde_json::from_str(&text).expect("plain data");
        }
        let bytes = postcard::to_stdvec(entry).expect("plain data");
        let entry: Entry = postcard::from_bytes(&bytes).expect("plain data");
        let _: Result<Decision, Refusal> = other.apply(&entry);
    }
    assert_eq!(&other, expected, "seed {seed}");
}

/// Random faults, seen by all, and the judge lost at random moments: every automatic switch leaves
/// a chain that is ill, for one that does not show the same symptom; nothing else is proposed.
#[test]
fn the_judge_may_be_lost_at_any_moment() {
    let mut switches = 0;
    for seed in seeds(WORLDS) {
        let mut world = World::new(seed, 2, 2, 250, Settings::default());
        let all = 0..world.observers();
        world.loss_permille = 10;
        let mut ill_until = [(START_MS, START_MS, Ill::Stuck); 2];
        for _ in 0..60 {
            for chain in Chain::ALL {
                let ills = [Ill::NoAnswers, Ill::Errors(40), Ill::Slow(20), Ill::Stuck, Ill::HotLost];
                let ill = ills[world.rng.random_range(0..ills.len())];
                let is_well = ill_until[chain as usize].1 + 5_000 < world.now_ms;
                if is_well && world.rng.random_ratio(1, 6) {
                    let for_ms = world.rng.random_range(1..40) * 1_000;
                    ill_until[chain as usize] = (world.now_ms, world.now_ms + for_ms, ill);
                    world.ill(chain, ill, for_ms, all.clone());
                }
            }
            if world.rng.random_ratio(1, 5) {
                world.lose_judge();
            }
            let steps = world.rng.random_range(4..200);
            for _ in 0..steps {
                let (active, done) = (world.decided.active(), world.done.len());
                world.step();
                for result in &world.done[done..] {
                    let decision = result.as_ref().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
                    let [left, to] = [active, active.other()].map(|chain| ill_until[chain as usize]);
                    let context = format!("seed {seed}, at {}: {decision:?}", world.now_ms - START_MS);
                    // Ill now, or until four seconds ago: that is how far back the judge looks.
                    let is_ill = |of: (u64, u64, Ill)| of.0 < world.now_ms && world.now_ms <= of.1 + 4_000;
                    assert!(is_ill(left), "left a chain that is well: {context}");
                    // Long enough for everybody to have seen it.
                    let shows = to.0 + 4_500 < world.now_ms && world.now_ms <= to.1;
                    assert!(!(shows && left.2 == to.2), "the same symptom: {context}");
                    switches += 1;
                }
            }
        }
    }
    let is_short = asked("TANDEM_SEEDS").is_some_and(|count| count < WORLDS);
    assert!(is_short || switches > 50, "only {switches} switches: the test tests nothing");
}

/// A chain that keeps falling ill counts as healthy later each time.
#[test]
fn each_illness_makes_the_calm_time_longer() {
    let mut world = World::new(1, 3, 3, 250, Settings::default());
    let all = 0..world.observers();
    world.run(20_000);
    let mut calm_ms = Vec::new();
    for _ in 0..5 {
        world.ill(Chain::B, Ill::NoAnswers, 5_000, all.clone());
        world.run(5_000);
        assert_eq!(world.judge.finding(Chain::B).condition, Condition::Down);
        let well_ms = world.now_ms;
        while world.judge.finding(Chain::B).condition != Condition::Healthy {
            world.step();
        }
        calm_ms.push(world.now_ms - well_ms);
    }
    assert!((10_000..15_000).contains(&calm_ms[0]), "{calm_ms:?}");
    let grows = calm_ms.windows(2).all(|pair| pair[1] > pair[0] * 3 / 2);
    assert!(grows, "{calm_ms:?}");
}

/// What was seen long ago says nothing: the last words of observers that fell silent do not decide.
#[test]
fn old_observations_decide_nothing() {
    let mut world = World::new(1, 3, 3, 100, Settings::default());
    let all = 0..world.observers();
    world.run(20_000);
    // All see it fail for a second, and are silent from then on.
    world.ill(Chain::A, Ill::NoAnswers, 1_100, all.clone());
    world.run(1_100);
    world.ill(Chain::A, Ill::Unseen, 60_000, all);
    world.run(1_200);
    assert_eq!(world.judge.finding(Chain::A).condition, Condition::Unknown);
    world.run(30_000);
    assert!(world.done.is_empty(), "{:?}", world.done);
}
