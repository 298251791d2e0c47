//! Copies of sessions read at any moments of any log: right ones never contradict each other, and
//! of wrong ones the log names exactly those that are wrong.

use std::collections::BTreeMap;

use tandem_model::calendar::Calendar;
use tandem_model::retention::Retention;
use tandem_model::route::Chain;
use tandem_model::row::BeatDigest;
use tandem_model::{Cut, PartitionId, PseudonymKey, Record, Row, SessionId, Stored, Verdicts};
use tandem_parity::{BeatClaim, Claim, Place, Store, Vote, contradiction};
use tandem_plain::{Plain, nasty};

const PARTITIONS: u32 = 2;
const PARTITION: PartitionId = PartitionId(1);
const SEEDS: u64 = 25;

/// A partition of a nasty log, with its offsets; some offsets hold nothing.
fn log(seed: u64) -> Vec<(u64, Record)> {
    let log = nasty::log(&nasty::generate(seed), seed, PARTITIONS);
    let ours = log.into_iter().filter(|(partition, _)| *partition == PARTITION).map(|(_, record)| record);
    (0_u64..).map(|index| index + index / 10).zip(ours).take(1_500).collect()
}

fn plain() -> Plain {
    Plain::new(PARTITION, PARTITIONS, PseudonymKey::new([0; 16])).without_rejected()
}

/// What a chain that has read up to `cut` holds of a session.
fn claim(plain: &Plain, chain: Chain, store: Store, id: &SessionId, cut: Cut) -> Claim {
    let figures = plain.session(id.as_str());
    let rows = figures.iter().flat_map(|figures| &figures.rows);
    let rows = rows.map(|(key, (values, offset))| Row { key: key.clone(), values: *values, offset: *offset });
    let rows = rows.filter(|row| store == Store::Rows || row.key.bucket == 0 && row.key.table.index() == 0);
    Claim {
        chain,
        store,
        session_id: id.clone(),
        partition: PARTITION,
        cut,
        retention: Retention::Everything,
        rows: rows.collect(),
        session: figures.as_ref().map(|figures| figures.session.clone()),
    }
}

/// Copies of all sessions in three places, read at different moments, as `seed` has it.
fn copies(log: &[(u64, Record)], seed: u64) -> BTreeMap<SessionId, Vec<Claim>> {
    let places = [(Chain::A, Store::Rows), (Chain::B, Store::Rows), (Chain::B, Store::Hot)];
    let mut copies: BTreeMap<SessionId, Vec<Claim>> = BTreeMap::new();
    for (index, (chain, store)) in (0_u64..).zip(places) {
        // Near the end, so that there is something to compare; not at the same place.
        let length = log.len() * 3 / 4 + (seed * 37 + index * 101) as usize % (log.len() / 4).max(1);
        let mut plain = plain();
        let mut next = 0;
        for (offset, record) in &log[..length.min(log.len())] {
            plain.apply(*offset, record);
            next = offset + 1;
        }
        let cut = Cut { next, clock: plain.clock() };
        for id in plain.sessions() {
            copies.entry(id.clone()).or_default().push(claim(&plain, chain, store, id, cut));
        }
    }
    copies
}

fn outcome(log: &[(u64, Record)], claims: Vec<Claim>, beats: Vec<BeatClaim>) -> tandem_parity::Outcome {
    let mut vote = Vote::new(PARTITION, PARTITIONS, &Calendar::default(), claims, beats, Verdicts::default())
        .expect("nothing was said");
    let mut next = 0;
    for (offset, record) in log {
        vote.apply(*offset, record);
        next = offset + 1;
    }
    vote.finish(next)
}

fn contradicts(claims: &[Claim]) -> bool {
    claims.iter().any(|one| claims.iter().any(|other| contradiction(one, other).is_some()))
}

#[test]
fn copies_that_are_merely_at_different_places_never_contradict_and_are_never_wrong() {
    let mut compared = 0;
    for seed in 0..SEEDS {
        let log = log(seed);
        for (id, claims) in copies(&log, seed) {
            for (one, other) in claims.iter().zip(claims.iter().skip(1)) {
                let place = contradiction(one, other);
                assert_eq!((&place, contradiction(other, one)), (&None, None), "seed {seed}, session {id}");
                compared += one.rows.len();
            }
            let outcome = outcome(&log, claims, Vec::new());
            for judged in &outcome.judged {
                assert!(judged.wrong.is_none(), "seed {seed}, session {id}: {judged:?}");
            }
        }
    }
    assert!(compared > 20_000, "{compared}");
}

/// What can happen to a copy.
fn damage(claim: &mut Claim, kind: u64, pick: usize) -> Option<Place> {
    let index = pick % claim.rows.len().max(1);
    let row = claim.rows.get_mut(index)?;
    let key = row.key.clone();
    match kind {
        0 => {
            row.values[Stored::GmvFen as usize] ^= 1 << (pick % 60);
            Some(Place::Column(key, Stored::GmvFen.id()))
        }
        1 => {
            claim.rows.remove(index);
            Some(Place::Row(key))
        }
        2 => {
            let mut stranger = row.clone();
            stranger.key.key = format!("{}~", stranger.key.key).into();
            let key = stranger.key.clone();
            claim.rows.push(stranger);
            claim.rows.sort_by(|left, right| left.key.cmp(&right.key));
            Some(Place::Row(key))
        }
        3 => {
            claim.session.as_mut()?.first_ts = Some(7);
            Some(Place::Field("first_ts"))
        }
        _ => {
            claim.session = None;
            claim.rows.clear();
            Some(Place::Session)
        }
    }
}

#[test]
fn a_copy_that_was_changed_is_the_one_that_is_named_and_at_its_place() {
    let (mut changed, mut noticed) = (0, 0);
    for seed in 0..SEEDS {
        let log = log(seed);
        for (number, (id, claims)) in (seed..).zip(copies(&log, seed)) {
            for wrong in 0..claims.len() {
                let mut claims = claims.clone();
                let Some(place) = damage(&mut claims[wrong], number % 5, number as usize * 7) else {
                    continue;
                };
                changed += 1;
                noticed += u64::from(contradicts(&claims));
                let (chain, store) = (claims[wrong].chain, claims[wrong].store);
                let outcome = outcome(&log, claims, Vec::new());
                assert_eq!(
                    outcome.wrong_chains(),
                    Chain::ALL.map(|one| one == chain),
                    "seed {seed}, session {id}"
                );
                let named =
                    outcome.judged.iter().find_map(|judged| Some((judged.store, judged.wrong.as_ref()?)));
                let (named_store, wrong) = named.expect("named");
                assert_eq!(
                    (named_store, wrong.place.as_ref()),
                    (Some(store), Some(&place)),
                    "seed {seed}, {id}"
                );
                assert_eq!(wrong.places, 1);
                assert_ne!(wrong.found, wrong.log);
            }
        }
    }
    assert!(changed > 100, "{changed}");
    // The scan sees nearly all of it at once; what was changed last may take until the others have it.
    assert!(noticed * 10 > changed * 9, "{noticed} of {changed}");
}

#[test]
fn a_wrong_digest_is_named_and_so_is_a_copy_of_what_the_log_does_not_hold() {
    let log = log(3);
    let mut plain = plain();
    log.iter().for_each(|(offset, record)| plain.apply(*offset, record));
    let last = log.last().expect("a log").0;
    let beat = |chain, change: u128| {
        let mut digests = plain.digests();
        digests.0[2] ^= change;
        BeatClaim { chain, beat: BeatDigest { partition: PARTITION, ts: 5_000, offset: last, digests } }
    };
    let equal = outcome(&log, Vec::new(), vec![beat(Chain::A, 0), beat(Chain::B, 0)]);
    assert_eq!((equal.judged.len(), equal.wrong_chains()), (2, [false, false]));
    let wrong = outcome(&log, Vec::new(), vec![beat(Chain::A, 4), beat(Chain::B, 0)]);
    assert_eq!(wrong.wrong_chains(), [true, false]);
    let named = wrong.judged.iter().find_map(|judged| judged.wrong.as_ref()).expect("named");
    assert_eq!((named.table, named.places), (Some("trend_1m"), 1));

    let id = plain.sessions().next().expect("a session").clone();
    let cut = Cut { next: last + 100, clock: plain.clock() };
    let beyond = claim(&plain, Chain::B, Store::Rows, &id, cut);
    assert_eq!(outcome(&log, vec![beyond], Vec::new()).wrong_chains(), [false, true]);
}

#[test]
fn both_can_be_wrong() {
    let log = log(5);
    let (_, mut claims) = copies(&log, 5).pop_first().expect("a session");
    for claim in &mut claims {
        claim.session.as_mut().expect("a session").ended_at = Some(1);
    }
    assert!(!contradicts(&claims), "alike, so nobody sees it");
    assert_eq!(outcome(&log, claims, Vec::new()).wrong_chains(), [true, true]);
}
