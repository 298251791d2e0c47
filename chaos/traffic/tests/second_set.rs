//! The second set: it leaves the others as they are, does what its documents say, and is reported apart.

use std::collections::{BTreeMap, BTreeSet};

use tandem_strict::{Guard, Limits};
use tandem_traffic::evaluate::{Options, Report, run};
use tandem_traffic::{Family, Kind, Shot, Traffic, TrafficOptions, Who};

const SHORT: TrafficOptions =
    TrafficOptions { seed: 5, start_ms: 1_732_190_400_000, length_ms: 600_000, actors_percent: 25 };
const LONG: TrafficOptions = TrafficOptions { length_ms: 7_200_000, actors_percent: 100, ..SHORT };

/// What the second set sends, and those whom it robs.
fn second_set(options: TrafficOptions) -> Vec<Shot> {
    let traffic = Traffic::with_second_set(options);
    let first = Traffic::with_second_set(options);
    traffic.filter(|shot| first.is_of_second_set(shot.actor)).collect()
}

/// The shots of each actor of a family, in the order of time.
fn by_actor(shots: &[Shot], family: Family) -> Vec<Vec<&Shot>> {
    let mut actors: BTreeMap<u32, Vec<&Shot>> = BTreeMap::new();
    for shot in shots.iter().filter(|shot| shot.family == family) {
        actors.entry(shot.actor).or_default().push(shot);
    }
    actors.into_values().collect()
}

fn distinct<T: Ord>(shots: &[&Shot], of: impl Fn(&Shot) -> T) -> usize {
    shots.iter().map(|shot| of(shot)).collect::<BTreeSet<T>>().len()
}

/// The mean time between two shots, in milliseconds.
fn period_ms(shots: &[&Shot]) -> u64 {
    (shots[shots.len() - 1].at_ms - shots[0].at_ms) / (shots.len() as u64 - 1)
}

#[test]
fn all_others_send_what_they_send_without_it() {
    let traffic = Traffic::with_second_set(SHORT);
    let first = Traffic::with_second_set(SHORT);
    let others = traffic.filter(|shot| !first.is_of_second_set(shot.actor));
    assert!(others.eq(Traffic::new(SHORT)));
    assert!(Traffic::new(SHORT).all(|shot| !Family::SECOND_SET.contains(&shot.family)));
}

#[test]
fn the_same_seed_gives_the_same_second_set_and_another_seed_another() {
    let shots = second_set(SHORT);
    assert_eq!(shots, second_set(SHORT));
    assert_ne!(shots, second_set(TrafficOptions { seed: 6, ..SHORT }));
}

#[test]
fn every_family_has_sent_something_in_ten_minutes_and_its_heads_pass_the_strict_reading() {
    let mut families = BTreeSet::new();
    for shot in second_set(SHORT) {
        let mut head = shot.head();
        // A body would follow a POST; its head says there is none.
        if shot.method == http::Method::POST {
            head.truncate(head.len() - 2);
            head.extend_from_slice(b"content-length: 0\r\n\r\n");
        }
        let mut guard = Guard::new(Limits::default());
        let progress = guard.read(&head);
        assert_eq!((progress.clear, progress.refusal), (head.len(), None), "{shot:?}");
        families.insert(shot.family);
    }
    let expected = [Family::Robbed, Family::RobbedApplication].into_iter().chain(Family::SECOND_SET);
    assert_eq!(families, expected.collect());
}

#[test]
fn attackers_are_worthless_but_for_the_insiders_working_day_and_what_is_answered_fits_what_is_shown() {
    for shot in second_set(LONG) {
        let is_a_working_day = shot.family == Family::LeavingInsider && shot.visit == 0;
        assert_eq!(shot.worthless, shot.family.is_hostile() && !is_a_working_day, "{shot:?}");
        assert_eq!(shot.headers.contains_key("authorization"), shot.who != Who::Nobody, "{shot:?}");
        assert!([200, 202, 304, 403, 404].contains(&shot.status), "{shot:?}");
        assert!(
            !shot.replayed && shot.who != Who::Failed,
            "all are let in, or ask for public pages: {shot:?}"
        );
    }
}

#[test]
fn a_trial_swarm_copies_boards_to_the_end_and_no_account_asks_often() {
    let shots = second_set(LONG);
    let mut targets = BTreeSet::new();
    for swarm in by_actor(&shots, Family::TrialSwarm) {
        let accounts = distinct(&swarm, |shot| format!("{:?}", shot.who));
        assert!((8..=16).contains(&accounts), "{accounts}");
        assert!(
            (4_000..40_000).contains(&(period_ms(&swarm) * accounts as u64)),
            "each every 4 to 30 s or so"
        );
        assert_eq!(distinct(&swarm[..400], Shot::target), 400, "slices do not overlap in the first round");
        targets.extend(swarm.iter().map(|shot| shot.target()));
    }
    assert!(targets.iter().any(|target| target.ends_with("cursor=c29")), "to the last page");
}

#[test]
fn a_view_farm_sends_in_waves_from_tens_of_phones_and_looks_at_its_rank() {
    let shots = second_set(LONG);
    for farm in by_actor(&shots, Family::ViewFarm) {
        let (sent, looks): (Vec<&Shot>, Vec<&Shot>) = farm.iter().partition(|shot| shot.path == "/v1/events");
        let phones = distinct(&sent, |shot| shot.address);
        assert!((10..=80).contains(&phones), "{phones} addresses");
        assert!(looks.iter().all(|shot| shot.path.contains("/subjects/")), "{looks:?}");
        // Between one wave and the next nobody sends.
        let pauses: Vec<u64> = sent.windows(2).map(|two| two[1].at_ms - two[0].at_ms).collect();
        let waves = 1 + pauses.iter().filter(|pause| **pause > 20_000).count();
        let between = pauses.iter().filter(|pause| (200..20_000).contains(*pause)).count();
        assert!((2..=20).contains(&waves) && between == 0, "{waves} waves, {between} between");
        assert!(looks.len() <= waves * 3 && looks.len() + 3 >= waves * 3);
    }
}

#[test]
fn a_door_tester_is_mostly_refused_and_slow() {
    let shots = second_set(LONG);
    for tester in by_actor(&shots, Family::DoorTester).iter().filter(|shots| shots.len() > 100) {
        let refused = tester.iter().filter(|shot| shot.status >= 400).count() as f64 / tester.len() as f64;
        assert!((0.6..0.9).contains(&refused), "{refused}");
        assert!((8_000..35_000).contains(&period_ms(tester)), "{}", period_ms(tester));
        assert_eq!(distinct(tester, |shot| format!("{:?}", shot.who)), 1);
    }
}

#[test]
fn a_browser_extension_reads_all_past_sessions_once_in_the_browser_of_a_person_who_is_there() {
    let shots = second_set(LONG);
    let hosts = by_actor(&shots, Family::Robbed);
    let extensions = by_actor(&shots, Family::BrowserExtension);
    assert_eq!((hosts.len(), extensions.len()), (16, 16));
    for (host, extension) in hosts.iter().zip(&extensions) {
        let looks =
            |shot: &Shot| (format!("{:?}", shot.who), shot.address, shot.headers.get("user-agent").cloned());
        assert_eq!(looks(host[0]), looks(extension[0]), "nothing of the head tells them apart");
        assert_eq!(distinct(extension, Shot::target), extension.len(), "nothing twice");
        assert!(extension.len() > 500, "{}", extension.len());
        let rest_ms = period_ms(extension) * 3;
        assert!((4_000..22_000).contains(&rest_ms), "{rest_ms} a session");
    }
    let beside = hosts.iter().zip(&extensions).filter(|(host, extension)| {
        host[0].at_ms < extension[0].at_ms && host[host.len() - 1].at_ms > extension[0].at_ms + 600_000
    });
    assert!(beside.count() >= 12, "the person is there before, and goes on");
}

#[test]
fn a_leaked_signer_signs_anew_and_takes_what_the_partner_never_reads() {
    let shots = second_set(LONG);
    for signer in by_actor(&shots, Family::LeakedSigner) {
        assert!(signer.iter().all(|shot| matches!(shot.who, Who::Signed { .. })));
        let signatures = distinct(&signer, |shot| shot.headers["authorization"].to_str().unwrap().to_owned());
        assert_eq!(signatures, signer.len());
        assert!((2_000..9_000).contains(&period_ms(&signer)), "{}", period_ms(&signer));
        let of_exports = signer.iter().filter(|shot| shot.path.starts_with("/v1/export/")).count();
        assert!(of_exports >= 100 && of_exports < signer.len(), "{of_exports} of {}", signer.len());
    }
    let keys = |shots: &[Shot], family| {
        let of: Vec<&Shot> = shots.iter().filter(|shot| shot.family == family).collect();
        of.iter().map(|shot| format!("{:?}", shot.who)).collect::<BTreeSet<String>>()
    };
    let first: Vec<Shot> = Traffic::new(LONG).filter(|shot| shot.family == Family::Partner).collect();
    assert_eq!(keys(&shots, Family::LeakedSigner), keys(&first, Family::Partner), "with partners' keys");
}

#[test]
fn an_insider_works_like_anybody_and_then_takes_every_table() {
    let shots = second_set(LONG);
    let mut whole = 0;
    for insider in by_actor(&shots, Family::LeavingInsider) {
        let (before, after): (Vec<&Shot>, Vec<&Shot>) = insider.iter().partition(|shot| shot.visit == 0);
        assert!(!before.is_empty() && !after.is_empty());
        assert!(before.iter().all(|shot| !shot.path.starts_with("/v1/export/")));
        assert_eq!(distinct(&insider, |shot| format!("{:?}", shot.who)), 1, "one token, the insider's own");
        assert_eq!(distinct(&after, Shot::target), after.len(), "nothing twice");
        let tables = distinct(
            &after.iter().copied().filter(|shot| shot.path.starts_with("/v1/export/")).collect::<Vec<_>>(),
            |shot| shot.path.clone(),
        );
        whole += usize::from(tables == 5 && after[after.len() - 1].path.ends_with("/audience"));
    }
    assert!(whole >= 14, "{whole} of 16 get all they want");
}

#[test]
fn what_a_cache_buster_and_a_public_flood_ask_for_hardly_ever_comes_twice() {
    let shots = second_set(LONG);
    for (family, lines, low_ms, high_ms) in
        [(Family::CacheBuster, 20..=40, 140, 540), (Family::PublicFlood, 140..=400, 140, 430)]
    {
        for actor in by_actor(&shots, family) {
            assert!(distinct(&actor, Shot::target) + 2 >= actor.len());
            let addresses = distinct(&actor, |shot| shot.address);
            assert!(lines.contains(&addresses), "{family}: {addresses}");
            assert!((low_ms..high_ms).contains(&period_ms(&actor)), "{family}: {}", period_ms(&actor));
        }
    }
    let flood = shots.iter().filter(|shot| shot.family == Family::PublicFlood);
    assert!(flood.clone().all(|shot| shot.who == Who::Nobody && shot.status == 200));
}

#[test]
fn those_who_are_welcome_are_as_odd_as_their_documents_say() {
    let shots = second_set(LONG);
    for batch in by_actor(&shots, Family::NightBatch).iter().filter(|shots| shots.len() > 100) {
        assert!((290..620).contains(&period_ms(batch)), "{}", period_ms(batch));
        assert!(distinct(batch, Shot::target) * 10 >= batch.len() * 9, "hardly anything twice");
        assert_eq!(distinct(batch, |shot| (shot.address, format!("{:?}", shot.who))), 1);
    }
    let analysts = by_actor(&shots, Family::Analyst);
    let minutes = |shots: &[&Shot]| (shots[shots.len() - 1].at_ms - shots[0].at_ms) / 60_000;
    assert!(analysts.iter().filter(|shots| (20..=90).contains(&minutes(shots))).count() >= 32);
    assert!(analysts.iter().flatten().all(|shot| shot.path.starts_with("/v1/rankings/")));
    let deep = |shot: &&Shot| shot.query.as_deref().is_some_and(|query| query.contains("cursor=c4"));
    assert!(analysts.iter().filter(|shots| shots.iter().any(deep)).count() >= 36);
    let owners = by_actor(&shots, Family::TravellingOwner);
    let places: Vec<usize> = owners.iter().map(|shots| distinct(shots, |shot| shot.address)).collect();
    assert!(places.iter().filter(|places| **places >= 4).count() >= 50, "{places:?}");
    assert!(owners.iter().all(|shots| distinct(shots, |shot| format!("{:?}", shot.who)) == 1));
}

#[test]
fn the_second_set_is_reported_apart_and_changes_no_figure_beside_it() {
    let options = Options { traffic: SHORT, ..Options::default() };
    let with = run(options.clone());
    let without = run(Options { with_second_set: false, ..options.clone() });
    let set = with.second_set.clone().unwrap();
    assert_eq!(without.second_set, None);
    assert_eq!(Report { second_set: None, ..with.clone() }, without);
    assert!(with.to_string().starts_with(&without.to_string()), "it stands at the end");

    let tuned = run(Options { with_unseen: false, ..options });
    assert_eq!(tuned.second_set, None, "whoever tunes does not see it");

    let of_hostile = set.families.iter().filter(|family| family.kind == Kind::SecondSet);
    let (actors, requests) = of_hostile
        .fold((0, 0), |(actors, requests), family| (actors + family.actors, requests + family.requests));
    assert_eq!((set.attackers.actors, set.attackers.requests), (actors, requests));
    assert!(set.judged_requests > with.requests + requests);
    assert!(set.people.sessions > 0 && set.machines.sessions > 0 && set.robbed.sessions > 0);
    let text = set.to_string();
    for family in Family::SECOND_SET {
        assert!(text.lines().any(|line| line.split_whitespace().next() == Some(family.name())), "{text}");
    }
}
