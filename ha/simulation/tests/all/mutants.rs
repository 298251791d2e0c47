//! The invariants bite: each mistake is found, by the invariant that is there for it, and without
//! the mistake the same seeds hold.

use tandem_simulation::{Mutant, Scenario, Weather, run};

use crate::{asked, hold};

/// Each mistake must be found within so many seeds. Says how.
fn found(mutant: Mutant, weather: Weather, seconds: u64, seeds_max: u64, by: &[&str]) -> String {
    let mut others = Vec::new();
    let first = asked("TANDEM_SEED").unwrap_or(0);
    for seed in first..first + seeds_max {
        let scenario = Scenario { seed, weather, duration_ms: seconds * 1_000, mutant: Some(mutant) };
        hold(&Scenario { mutant: None, ..scenario }, "mutants");
        let Some(violation) = run(&scenario).violation else { continue };
        if by.contains(&violation.invariant) {
            return format!("{mutant:?}: seed {seed}: {}: {}", violation.invariant, violation.what);
        }
        others.push((seed, violation));
    }
    panic!("{mutant:?} was not found by {by:?} in {seeds_max} seeds; by others: {others:#?}");
}

#[test]
fn votes_and_entries_that_are_sent_before_they_are_synced() {
    println!("{}", found(Mutant::DiskNotSynced, Weather::Storm, 40, 300, &["one log", "decisions are kept"]));
}

#[test]
fn a_publisher_that_does_not_look_at_the_epoch() {
    println!("{}", found(Mutant::EpochCheckLeftOut, Weather::Storm, 40, 300, &["publishing is fenced"]));
}

#[test]
fn a_hedge_that_is_not_held_against_the_token() {
    println!("{}", found(Mutant::TokenIgnoredOnHedge, Weather::Storm, 30, 50, &["no step back"]));
}

#[test]
fn switches_without_a_cool_down() {
    println!("{}", found(Mutant::CoolDownDropped, Weather::Turns, 90, 20, &["no flapping"]));
}

#[test]
fn digests_of_different_beats() {
    println!("{}", found(Mutant::BeatsMixedUp, Weather::Storm, 30, 20, &["nobody innocent is named"]));
}

#[test]
fn a_role_from_leadership_rather_than_from_a_decision() {
    println!(
        "{}",
        found(Mutant::RoleFromLeadership, Weather::Storm, 30, 20, &["routes are decided and kept"])
    );
}

#[test]
fn reads_by_a_lease() {
    println!("{}", found(Mutant::LeaseReads, Weather::Storm, 40, 300, &["reads are current"]));
}

#[test]
fn a_gateway_that_forgets_its_route() {
    println!("{}", found(Mutant::RouteForgotten, Weather::Storm, 30, 100, &["routes are decided and kept"]));
}

#[test]
fn a_quarantine_that_gateways_ignore() {
    println!("{}", found(Mutant::QuarantineIgnored, Weather::Storm, 30, 50, &["figures are true"]));
}

#[test]
fn observers_that_do_not_look_for_the_leader() {
    println!("{}", found(Mutant::ReportsToOneNode, Weather::Storm, 30, 50, &["decided once calm"]));
}

#[test]
fn each_mistake_has_its_test() {
    let source = include_str!("mutants.rs");
    for mutant in Mutant::ALL {
        assert!(source.contains(&format!("Mutant::{mutant:?},")), "{mutant:?}");
    }
}
