//! Runs the tables of `tests/cases.md`, each row in both directions.

use std::ops::Range;

use tandem_failover::{
    Action, Bounds, Condition, Decided, Decision, DigestVerdict, Distance, Entry, Evidence, Observation,
    Refusal, Rule, Ruling, Settings, Standing, Switch, SwitchKind, Window, Wish,
};
use tandem_model::route::Chain;

use crate::world::{Ill, START_MS, World};

const TABLES: &str = include_str!("../cases.md");
/// Time between the end of what is seen and the end of the row.
const AFTERWARDS_MS: u64 = 30_000;

/// The rows of the table under a heading, without its head.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let section = TABLES.split("\n## ").find(|section| section.starts_with(heading)).expect("the section");
    let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// The chain that a row calls `name`, in this direction.
fn chain(name: &str, is_mirrored: bool) -> Chain {
    let chain = Chain::from_name(name).unwrap_or_else(|| panic!("{name} is no chain"));
    if is_mirrored { chain.other() } else { chain }
}

fn seconds_ms(words: &str) -> u64 {
    let number = words.strip_suffix(" s").unwrap_or_else(|| panic!("`{words}` is no time"));
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    whole.parse::<u64>().expect("a number") * 1_000 + tenths.parse::<u64>().expect("a number") * 100
}

#[test]
fn what_is_seen_leads_to_what_the_table_says() {
    let rows = rows("What is seen");
    assert!(rows.len() > 50, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let [seen, by, lasts, before, decision, within, _why] = row[..] else { panic!("{row:?}") };
        for is_mirrored in [false, true] {
            let context = format!("{seen} | {by} | {lasts} | {before} (mirrored: {is_mirrored})");
            let mut world = begin(before, is_mirrored);
            let (start_ms, for_ms) = (world.now_ms, seconds_ms(lasts));
            let (all, done) = (world.observers(), world.done.len());
            let observers = match by {
                "all" => 0..all,
                "one" => 0..1,
                "half" => 0..all / 2,
                "most" => 0..all / 2 + 1,
                _ => panic!("{context}: who?"),
            };
            seen.split(" + ").for_each(|one| see(&mut world, one, for_ms, &observers, is_mirrored));
            world.run(for_ms + AFTERWARDS_MS);
            let made: Vec<&Decision> = world.done[done..].iter().map(|done| done.as_ref().unwrap()).collect();
            let words: Vec<String> =
                made.iter().map(|decision| words(&decision.entry.action, is_mirrored)).collect();
            let expected = if decision == "stay" { "" } else { decision };
            let mut words = words;
            words.sort();
            let words = words.join(", ");
            if words != expected {
                wrong.push(format!("{context}: decided `{words}`: {}", explain(&world)));
            }
            if let Some(last) = made.last().filter(|_| words == expected) {
                let took_ms = last.at_ms - start_ms;
                if took_ms > seconds_ms(within) {
                    wrong.push(format!("{context}: took {took_ms} ms"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn words(action: &Action, is_mirrored: bool) -> String {
    let name = |of: Chain| chain(of.name(), is_mirrored);
    match action {
        Action::Switch(switch) => format!("switch to {}", name(switch.to)),
        Action::Quarantine(of) => format!("quarantine {}", name(*of)),
        other => format!("{other:?}"),
    }
}

/// What the judge thinks and how each rule stands, for a row that fails.
fn explain(world: &World) -> String {
    let entry = world.judge.automatic(&world.decided);
    match world.decided.check(&entry) {
        Ok(_) => entry.reason,
        Err(refused) => format!("{}; {refused}", entry.reason),
    }
}

/// A world with what a row wants before it (several things are separated by `; `), and a calm
/// minute.
fn begin(before: &str, is_mirrored: bool) -> World {
    let (gateways, controls) = match before {
        "one gateway, three control nodes" => (1, 3),
        "one gateway, one control node" => (1, 1),
        "one gateway alone" => (1, 0),
        "no gateways" => (0, 3),
        _ => (3, 3),
    };
    let [a, b] = ["a", "b"].map(|name| chain(name, is_mirrored));
    let mut world = World::new(1, gateways, controls, 100, Settings::default());
    world.decided = Decided::new(a, Bounds::default());
    let all = 0..world.observers();
    let end_ms = world.now_ms + 60_000;
    let until = |world: &mut World, at_ms: u64| world.run(at_ms.saturating_sub(world.now_ms));
    for before in before.split("; ") {
        let now_ms = world.now_ms;
        let block = |from_ms| Action::Block(Window { from_ms, to_ms: from_ms + 3_600_000 });
        let words: Vec<&str> = before.split(' ').collect();
        match words[..] {
            [""] | ["one", "gateway" | "gateway,", ..] | ["no", "gateways"] => {}
            ["frozen"] => world.apply(operator(now_ms, Action::Freeze)),
            ["blocked", "for", "an", "hour"] => world.apply(operator(now_ms, block(now_ms))),
            // What is over can't be blocked any more, so it was asked for an hour before.
            ["blocked", "until", "a", "minute", "ago"] => {
                world.apply(operator(now_ms - 3_600_000, block(now_ms - 3_600_000)));
            }
            ["b", "drained"] => world.apply(operator(now_ms, Action::Drain(b))),
            ["b", "quarantined"] => world.apply(operator(now_ms, Action::Quarantine(b))),
            ["b", "was", "left", "automatically", minutes, "min", "ago"] => {
                world.decided = left(b, end_ms - minutes.parse::<u64>().expect("a number") * 60_000);
            }
            ["b", "has", "been", "ill", "for", "10", "s"] => {
                until(&mut world, end_ms - 10_000);
                world.ill(b, Ill::NoAnswers, 10_000, all.clone());
            }
            ["10", "s", "of", ..] => {
                until(&mut world, end_ms - 10_000);
                see(&mut world, &before["10 s of ".len()..], 120_000, &all, is_mirrored);
            }
            ["the", "leader", "changed", "just", "now"] => {
                until(&mut world, end_ms);
                world.lose_judge();
            }
            // What operators meet, see there.
            ["b", "is", ..] => {}
            _ => panic!("`{before}` is not known"),
        }
    }
    until(&mut world, end_ms);
    world
}

/// The state after `chain`, which was down, was left automatically.
fn left(chain: Chain, at_ms: u64) -> Decided {
    let mut decided = Decided::new(chain, Bounds::default());
    let mut evidence = Evidence { distance: Some(Distance::default()), ..Evidence::none() };
    (evidence.active.condition, evidence.target.condition) = (Condition::Down, Condition::Healthy);
    let switch = Switch { kind: SwitchKind::Automatic, to: chain.other(), expected_epoch: 1, evidence };
    decided.apply(&operator(at_ms, Action::Switch(switch))).expect("nothing stands against it");
    decided
}

fn see(world: &mut World, what: &str, for_ms: u64, observers: &Range<usize>, is_mirrored: bool) {
    if let Some(name) = what.strip_suffix(" is named wrong") {
        return world.digest(DigestVerdict::Wrong(chain(name, is_mirrored)));
    }
    match what {
        "nothing unusual" => return,
        "the chains differ" => return world.digest(DigestVerdict::Indeterminate),
        _ => {}
    }
    let (name, ill) = what.split_once(": ").unwrap_or_else(|| panic!("`{what}` is not known"));
    let number = |text: &str| text.parse::<u64>().expect("a number");
    // What lasts shorter than the rest of the row says so.
    let (ill, for_ms) = match ill.split_once(" for ") {
        Some((ill, lasts)) => (ill, seconds_ms(lasts)),
        None => (ill, for_ms),
    };
    let ill = match ill {
        "no answers" => Ill::NoAnswers,
        "nobody reports" => Ill::Unseen,
        "beats stuck" => Ill::Stuck,
        "hot store lost" => Ill::HotLost,
        "wrong answers to probes" => Ill::WrongAnswers,
        _ if ill.ends_with(" % errors") => Ill::Errors(number(ill.trim_end_matches(" % errors")) as u32),
        _ if ill.starts_with("slow x") => Ill::Slow(number(&ill["slow x".len()..])),
        _ if ill.ends_with(" s behind") => Ill::Behind(number(ill.trim_end_matches(" s behind")) * 1_000),
        _ => panic!("`{what}` is not known"),
    };
    world.ill(chain(name, is_mirrored), ill, for_ms, observers.clone());
}

fn operator(at_ms: u64, action: Action) -> Entry {
    Entry { at_ms, by: "anna".to_owned(), reason: "test".to_owned(), action }
}

#[test]
fn what_operators_ask_is_answered_as_the_table_says() {
    let rows = rows("What operators ask");
    assert!(rows.len() > 20, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let [asked, before, answer, _why] = row[..] else { panic!("{row:?}") };
        for is_mirrored in [false, true] {
            let context = format!("{asked} | {before} (mirrored: {is_mirrored})");
            let mut world = begin(before, is_mirrored);
            let b = chain("b", is_mirrored);
            let all = 0..world.observers();
            let ill = match before {
                "b is down" => Some((Ill::NoAnswers, 60_000)),
                "b is 7 s behind" => Some((Ill::Behind(7_000), 60_000)),
                "b is 7 s behind for 3 s more" => Some((Ill::Behind(7_000), 5_000)),
                "b is not seen" => Some((Ill::Unseen, 60_000)),
                _ => None,
            };
            if let Some((ill, for_ms)) = ill {
                world.ill(b, ill, for_ms, all);
                world.run(2_000);
            }
            let (done, epoch, drained) =
                (world.done.len(), world.decided.epoch(), *world.decided.drained().of(b));
            ask(&mut world, asked, is_mirrored);
            // What the judge does afterwards is the other table's.
            let end_ms = world.now_ms + 20_000;
            while world.done.len() == done && world.now_ms < end_ms {
                world.step();
            }
            let [result] = &world.done[done..] else { panic!("{context}: {:?}", &world.done[done..]) };
            let said = match result {
                Ok(_) => "done".to_owned(),
                Err(Refusal::NothingToDo(_)) => "nothing to do".to_owned(),
                Err(Refusal::Malformed(why)) => format!("malformed: {why}"),
                Err(Refusal::Rules(rulings)) => format!("refused: {}", named(rulings, Standing::Refused)),
            };
            if said != answer {
                wrong.push(format!("{context}: {said}: {result:?}"));
            }
            if let (true, Ok(decision)) = (asked.starts_with("break-glass"), result) {
                assert_ne!(named(&decision.rulings, Standing::Overridden), "", "{context}: it says so");
                assert_eq!(decision.rulings.len(), Rule::ALL.len(), "{context}");
                assert!(!world.decided.drained().of(b), "{context}: who serves is on");
            } else if result.is_err() {
                assert_eq!(
                    (world.decided.epoch(), *world.decided.drained().of(b)),
                    (epoch, drained),
                    "{context}"
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn named(rulings: &[Ruling], standing: Standing) -> String {
    let those = rulings.iter().filter(|ruling| ruling.standing == standing);
    those.map(|ruling| ruling.rule.name()).collect::<Vec<_>>().join(", ")
}

fn ask(world: &mut World, asked: &str, is_mirrored: bool) {
    let of = |start: &str| asked.strip_prefix(start).map(|name| chain(name, is_mirrored));
    let wish = of("switch to ").map(|to| (to, false)).or(of("break-glass to ").map(|to| (to, true)));
    if let Some((to, is_break_glass)) = wish {
        let (by, reason) = ("anna".to_owned(), "test".to_owned());
        let wish = Wish { to, by, reason, is_break_glass, within_ms: 15_000 };
        return world.judge.observe(world.now_ms, Observation::Wish(wish));
    }
    let action = match asked {
        "freeze" => Action::Freeze,
        "unfreeze" => Action::Unfreeze,
        _ => of("drain ")
            .map(Action::Drain)
            .or(of("undrain ").map(Action::Undrain))
            .or(of("release ").map(Action::Release))
            .unwrap_or_else(|| panic!("`{asked}` is not known")),
    };
    world.apply(operator(world.now_ms, action));
}

#[test]
fn somebody_faster_is_noticed() {
    let mut world = begin("", false);
    assert!(world.now_ms > START_MS);
    world.ill(Chain::A, Ill::NoAnswers, 20_000, 0..6);
    world.run(2_000);
    let [Ok(first)] = &world.done[..] else { panic!("{:?}", world.done) };
    let late = first.entry.clone();
    // The same entry again: the switch was made, so there is nothing to do.
    assert!(matches!(world.decided.apply(&late), Err(Refusal::NothingToDo(_))));
    // One that knew the epoch before.
    let mut back = late;
    let Action::Switch(switch) = &mut back.action else { panic!("a switch") };
    (switch.to, switch.kind) = (Chain::A, SwitchKind::Planned);
    switch.evidence.target.condition = Condition::Healthy;
    let Err(Refusal::Rules(rulings)) = world.decided.apply(&back) else { panic!("refused") };
    assert_eq!(named(&rulings, Standing::Refused), "expected epoch");
    assert_eq!(world.decided.epoch(), 2);
}

#[test]
fn a_released_chain_is_not_quarantined_again_for_what_was_said_before() {
    let mut world = begin("", false);
    world.digest(DigestVerdict::Wrong(Chain::B));
    world.run(500);
    assert!(world.decided.quarantined().b);
    // It is repaired; and the other chain goes, so that no comparison can ever say so.
    world.ill(Chain::A, Ill::NoAnswers, 60_000, 0..6);
    world.run(3_000);
    assert_eq!(world.decided.active(), Chain::A, "there is nowhere to go");
    world.apply(operator(world.now_ms, Action::Release(Chain::B)));
    world.run(2_000);
    assert_eq!(world.decided.active(), Chain::B, "{:?}", world.done);
    assert!(!world.decided.quarantined().b);
    // What is said after that counts.
    world.digest(DigestVerdict::Wrong(Chain::B));
    world.run(500);
    assert!(world.decided.quarantined().b);
}

#[test]
fn a_release_right_after_the_quarantine_counts() {
    let mut world = begin("", false);
    world.digest(DigestVerdict::Wrong(Chain::B));
    while !world.decided.quarantined().b {
        world.step();
    }
    // Before the judge looks again.
    world.apply(operator(world.now_ms, Action::Release(Chain::B)));
    world.run(3_000);
    assert!(!world.decided.quarantined().b, "{:?}", world.done);
}

/// Found by the simulation: an operator who released as fast as the verdict came back.
#[test]
fn a_quarantine_that_comes_to_nothing_holds_no_switch_up() {
    let mut world = begin("", false);
    world.ill(Chain::A, Ill::NoAnswers, 20_000, 0..6);
    for _ in 0..60 {
        world.digest(DigestVerdict::Wrong(Chain::A));
        world.step();
        if world.decided.quarantined().a {
            world.apply(operator(world.now_ms, Action::Release(Chain::A)));
        }
    }
    assert_eq!(world.decided.active(), Chain::B, "{:?}", world.done);
}
