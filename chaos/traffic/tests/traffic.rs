//! What the traffic is: the same each time, in order, well formed, and mixed as its documents say.

use std::collections::{BTreeMap, BTreeSet};

use tandem_strict::{Guard, Limits};
use tandem_traffic::{Family, Kind, Shot, Traffic, TrafficOptions, Who};

const SHORT: TrafficOptions =
    TrafficOptions { seed: 5, start_ms: 1_732_190_400_000, length_ms: 600_000, actors_percent: 25 };
const LONG: TrafficOptions = TrafficOptions { length_ms: 7_200_000, actors_percent: 100, ..SHORT };

fn by_family(options: TrafficOptions) -> BTreeMap<Family, Vec<Shot>> {
    let mut families: BTreeMap<Family, Vec<Shot>> = BTreeMap::new();
    for shot in Traffic::new(options) {
        families.entry(shot.family).or_default().push(shot);
    }
    families
}

#[test]
fn the_same_seed_gives_the_same_traffic_and_another_seed_another() {
    let first: Vec<Shot> = Traffic::new(SHORT).collect();
    assert!(first.len() > 5_000, "{}", first.len());
    assert!(Traffic::new(SHORT).eq(first.iter().cloned()));
    let other = Traffic::new(TrafficOptions { seed: 6, ..SHORT });
    assert!(!other.eq(first));
}

#[test]
fn shots_come_in_the_order_of_time_and_within_their_length() {
    let times: Vec<u64> = Traffic::new(SHORT).map(|shot| shot.at_ms).collect();
    assert!(times.is_sorted());
    let (first, last) = (times[0], times[times.len() - 1]);
    assert!(first >= SHORT.start_ms && last < SHORT.start_ms + SHORT.length_ms);
}

#[test]
fn every_head_passes_the_strict_reading_of_http() {
    let mut heads = BTreeSet::new();
    for shot in Traffic::new(SHORT) {
        let mut head = shot.head();
        // A body would follow a POST; its head says there is none.
        if shot.method == http::Method::POST {
            head.truncate(head.len() - 2);
            head.extend_from_slice(b"content-length: 0\r\n\r\n");
        }
        let mut guard = Guard::new(Limits::default());
        let progress = guard.read(&head);
        let text = String::from_utf8_lossy(&head);
        assert_eq!((progress.clear, progress.refusal), (head.len(), None), "{text}");
        assert!(guard.is_between_requests(), "{text}");
        heads.insert(shot.family);
    }
    assert_eq!(heads.len(), Family::ALL.len(), "every family has sent something");
}

#[test]
fn what_is_answered_fits_what_is_shown() {
    for shot in Traffic::new(SHORT) {
        let is_public = !shot.path.starts_with("/v1/")
            || ["/v1/status", "/v1/docs", "/v1/openapi.json"].contains(&shot.path.as_str());
        match shot.who {
            Who::Failed => assert_eq!(shot.status, 401, "{shot:?}"),
            Who::Nobody if !is_public => assert_eq!(shot.status, 401, "{shot:?}"),
            Who::Nobody => assert!([200, 401, 404].contains(&shot.status), "{shot:?}"),
            _ => assert!([200, 202, 304, 404].contains(&shot.status), "{shot:?}"),
        }
        assert!(!shot.replayed || shot.who == Who::Failed, "{shot:?}");
        assert_eq!(shot.worthless, shot.family.is_hostile(), "{shot:?}");
        let shows = shot.headers.contains_key("authorization");
        assert_eq!(shows, shot.who != Who::Nobody, "{shot:?}");
    }
}

#[test]
fn two_thirds_are_worthless_and_families_keep_their_shares() {
    let families = by_family(LONG);
    let total: usize = families.values().map(Vec::len).sum();
    let share = |kind: Kind| {
        let of_kind = families.iter().filter(|(family, _)| family.kind() == kind);
        of_kind.map(|(_, shots)| shots.len()).sum::<usize>() as f64 / total as f64
    };
    for (family, shots) in &families {
        let actors: BTreeSet<u32> = shots.iter().map(|shot| shot.actor).collect();
        println!("{family:20} {:6} actors {:8} shots", actors.len(), shots.len());
    }
    println!("total {total}");
    let worthless = share(Kind::Hostile) + share(Kind::Unseen) + share(Kind::Later);
    assert!((0.63..0.71).contains(&worthless), "{worthless}");
    assert!((0.09..0.25).contains(&share(Kind::Person)), "{}", share(Kind::Person));
    assert!((0.10..0.25).contains(&share(Kind::Machine)), "{}", share(Kind::Machine));
    assert!((0.05..0.30).contains(&share(Kind::Unseen)), "{}", share(Kind::Unseen));
}

#[test]
fn odd_but_welcome_callers_are_as_odd_as_they_should_be() {
    let families = by_family(LONG);
    let shots = |family: Family| families[&family].as_slice();

    let mut places: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for shot in shots(Family::BehindCarrier) {
        places.entry(shot.actor).or_default().push(shot.address);
    }
    let mut behind: BTreeMap<_, usize> = BTreeMap::new();
    for places in places.values() {
        *behind.entry(places[0]).or_default() += 1;
    }
    assert_eq!(behind.into_values().collect::<Vec<_>>(), [300; 3], "hundreds of people behind an address");
    let movers = places.values().filter(|all| all.iter().any(|place| *place != all[0])).count();
    assert!((90..360).contains(&movers), "{movers} of 900 people change their network");

    let mut gaps: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for shot in shots(Family::Impatient) {
        gaps.entry(shot.actor).or_default().push(shot.at_ms);
    }
    for times in gaps.values().filter(|times| times.len() > 100) {
        let rate = (times.len() - 1) as f64 * 1_000.0 / (times[times.len() - 1] - times[0]) as f64;
        assert!((2.5..3.5).contains(&rate), "{rate} a second");
    }

    let mut past: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for shot in shots(Family::Archivist).iter().filter(|shot| shot.path.ends_with("/report")) {
        past.entry(shot.actor).or_default().insert(&shot.path);
    }
    let complete = past.values().filter(|paths| (70..=90).contains(&paths.len())).count();
    assert!(complete * 10 >= past.len() * 8, "{complete} of {} open some 80 sessions", past.len());

    let mut polled: BTreeMap<u32, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for shot in shots(Family::Dashboard) {
        let (count, paths) = polled.entry(shot.actor).or_default();
        *count += 1;
        paths.insert(&shot.path);
    }
    for (count, paths) in polled.values() {
        assert!((20..=300).contains(&paths.len()) && *count >= paths.len() * 8, "{count} of {}", paths.len());
    }

    let signers = shots(Family::Partner).iter();
    assert!(signers.clone().all(|shot| matches!(shot.who, Who::Signed { .. })));
    let nonces: BTreeSet<&str> =
        signers.clone().map(|shot| shot.headers["authorization"].to_str().unwrap()).collect();
    assert_eq!(nonces.len(), signers.count(), "no signature is used twice");
}

#[test]
fn thieves_use_what_others_own() {
    let families = by_family(LONG);
    let owners: BTreeSet<String> =
        families[&Family::Robbed].iter().map(|shot| format!("{:?}", shot.who)).collect();
    let thieves =
        [Family::HeadlessFleet, Family::SharedToken, Family::StolenToken].map(|family| &families[&family]);
    let used: BTreeSet<String> =
        thieves.into_iter().flatten().map(|shot| format!("{:?}", shot.who)).collect();
    assert!(owners.len() >= 12 && owners.is_subset(&used), "{owners:?}");

    // Before a thief comes, the owner has habits.
    let mut first: BTreeMap<String, (Family, u64)> = BTreeMap::new();
    let mut before: BTreeMap<String, usize> = BTreeMap::new();
    for shot in Traffic::new(LONG).filter(|shot| matches!(shot.who, Who::Token { .. })) {
        let who = format!("{:?}", shot.who);
        if owners.contains(&who) && shot.family == Family::Robbed && !first.contains_key(&who) {
            *before.entry(who).or_default() += 1;
        } else if shot.family.is_hostile() {
            first.entry(who).or_insert((shot.family, shot.at_ms));
        }
    }
    let habitual = before.values().filter(|count| **count >= 64).count();
    assert!(habitual * 10 >= owners.len() * 9, "{before:?}");

    let not_found = families[&Family::StolenKey].iter().filter(|shot| shot.status == 404).count();
    let share = not_found as f64 / families[&Family::StolenKey].len() as f64;
    assert!((0.9..1.0).contains(&share), "neighbours of a session are others': {share}");
    assert!(families[&Family::Replayer].iter().any(|shot| shot.replayed));
}
