//! A history that is as it should be passes; each way of doctoring it is caught.

use std::sync::Arc;

use tandem_model::route::Chain;
use tandem_model::{LogId, PartitionId, Token};

use super::*;
use crate::history::{Action, Entry, Figures, History, Outcome};

fn token(nexts: &[u64]) -> Option<Arc<str>> {
    let mut token = Token::new(LogId([3; 16]));
    for (partition, next) in nexts.iter().enumerate() {
        token.advance(PartitionId(partition as u32), *next);
    }
    Some(token.encode().into())
}

fn figures(events: u64) -> Figures {
    [events, events, 0, 0, 10 * events, 0]
}

fn read(client: u32, at_us: u64, events: u64, nexts: &[u64]) -> Entry {
    Entry {
        client,
        action: Action::Read { session: 1, figures: Some(figures(events)), as_of_ms: at_us },
        sent_us: at_us - 10,
        answered_us: at_us,
        outcome: Outcome::Good,
        status: Some(200),
        chain: Some(Chain::A),
        epoch: Some(4),
        token_sent: None,
        token: token(nexts),
    }
}

fn write(client: u32, at_us: u64, body: u64, events: u64, nexts: &[u64]) -> Entry {
    let action = Action::Write { body, adds: vec![(1, figures(events))] };
    Entry { action, chain: None, ..read(client, at_us, 0, nexts) }
}

/// Client 0 writes 5 and 7 events and reads them, client 1 reads on the way.
fn good() -> History {
    let entries = vec![
        write(0, 100, 1, 5, &[6, 0]),
        read(1, 150, 3, &[4, 0]),
        read(0, 200, 5, &[6, 0]),
        write(0, 300, 2, 7, &[6, 9]),
        read(1, 350, 12, &[6, 9]),
        read(0, 400, 12, &[6, 9]),
    ];
    History { entries, dropped: 0 }
}

fn finals(a: u64, b: u64) -> Vec<Final> {
    let end = |chain, events| Final { chain, session: 1, figures: Some(figures(events)) };
    vec![end(Chain::A, a), end(Chain::B, b)]
}

#[test]
fn a_good_history_passes() {
    assert_eq!(backwards(&good()), Violations::default());
    let counted = counted(&good(), &finals(12, 12), &[]);
    let expected = Counted { bodies_acknowledged: 2, events_acknowledged: 12, ..Counted::default() };
    assert_eq!(counted, expected);
}

#[test]
fn whoever_goes_backwards_is_caught() {
    type Doctor = fn(&mut Entry);
    let doctored: [(&str, Doctor); 6] = [
        ("the token", |entry| entry.token = token(&[3, 9])),
        ("the token is of another log", |entry| {
            entry.token = Some(Token::new(LogId([4; 16])).encode().into());
        }),
        ("without a token", |entry| entry.token = None),
        ("epoch 3 after 4", |entry| entry.epoch = Some(3)),
        ("events 2 after 3", |entry| {
            entry.action = Action::Read { session: 1, figures: Some(figures(2)), as_of_ms: 350 };
        }),
        ("as of 149 after 150", |entry| {
            entry.action = Action::Read { session: 1, figures: Some(figures(12)), as_of_ms: 149 };
        }),
    ];
    for (told, doctor) in doctored {
        let mut history = good();
        doctor(&mut history.entries[4]);
        let found = backwards(&history);
        assert!(found.count >= 1 && found.told[0].contains(told), "{told}: {found:?}");
    }
    // Another client may be behind this one.
    let mut history = good();
    history.entries[4].client = 2;
    assert!(backwards(&history).is_none());
}

#[test]
fn a_stale_answer_may_be_old_but_hands_back_the_clients_token() {
    let mut history = good();
    let stale = Entry { outcome: Outcome::Stale, token_sent: token(&[4, 0]), ..read(1, 350, 1, &[4, 0]) };
    history.entries[4] = stale.clone();
    assert!(backwards(&history).is_none());
    history.entries[4] = Entry { token: token(&[3, 0]), ..stale };
    assert_eq!(backwards(&history).count, 1);
}

#[test]
fn what_is_lost_doubled_or_made_up_is_caught_on_either_chain() {
    for (a, b) in [(11, 12), (12, 11)] {
        let counted = counted(&good(), &finals(a, b), &[]);
        assert!(counted.lost.count > 0 && counted.doubled.is_none(), "{counted:?}");
    }
    for (a, b) in [(13, 12), (12, 13)] {
        let counted = counted(&good(), &finals(a, b), &[]);
        assert!(counted.doubled.count > 0 && counted.lost.is_none(), "{counted:?}");
    }
    let missing = [Final { chain: Chain::B, session: 1, figures: None }];
    assert!(counted(&good(), &missing, &[]).lost.count > 0);
    assert!(counted(&good(), &missing, &[Chain::B]).lost.is_none(), "made wrong on purpose");

    let mut history = good();
    history.entries[1] = read(1, 150, 6, &[4, 0]);
    assert!(counted(&history, &[], &[]).ahead.count > 0, "6 of 5 events");
    let mut history = good();
    history.entries[2] = read(0, 200, 4, &[6, 0]);
    assert!(counted(&history, &[], &[]).unread.count > 0, "4 of one's own 5 events");
}

#[test]
fn an_open_body_may_be_there_or_not_and_a_repeat_counts_once() {
    let mut history = good();
    history.entries[3].outcome = Outcome::NoAnswer;
    for events in [5, 12] {
        let counted = counted(&history, &finals(events, events), &[]);
        assert!(counted.lost.is_none() && counted.doubled.is_none(), "{events}: {counted:?}");
        assert_eq!((counted.bodies_acknowledged, counted.bodies_open), (1, 1));
    }
    assert!(counted(&history, &finals(4, 5), &[]).lost.count > 0);

    // Sent again with the same number, and acknowledged then.
    history.entries.insert(4, write(0, 320, 2, 7, &[6, 9]));
    let counted = counted(&history, &finals(12, 12), &[]);
    assert_eq!((counted.bodies_open, counted.events_acknowledged), (0, 12));
    assert!(counted.lost.is_none() && counted.doubled.is_none(), "{counted:?}");
}

#[test]
fn gaps_reach_over_bad_answers_and_to_both_ends() {
    let at = |at_us: u64, outcome| Entry { outcome, ..read(7, at_us, 1, &[1]) };
    let entries = vec![
        at(100, Outcome::Good),
        at(300, Outcome::Unavailable),
        at(500, Outcome::Stale),
        at(700, Outcome::Good),
    ];
    let history = History { entries, dropped: 0 };
    let gap = |from_us, to_us| longest_gap(&history, Window { from_us, to_us });
    assert_eq!(gap(0, 800), Some(Gap { client: 7, from_us: 100, lasted_us: 600 }));
    assert_eq!(gap(0, 2_000), Some(Gap { client: 7, from_us: 700, lasted_us: 1_300 }));
    assert_eq!(gap(200, 400), Some(Gap { client: 7, from_us: 200, lasted_us: 200 }), "no good answer at all");
    // Who waits for a write reads nothing meanwhile.
    let mut writing = history.clone();
    writing.entries.push(Entry { client: 7, ..write(7, 750, 1, 1, &[1]) });
    assert_eq!(longest_gap(&writing, Window { from_us: 0, to_us: 800 }), None);
    assert_eq!(longest_gap(&History::default(), Window { from_us: 0, to_us: 1 }), None);
}

#[test]
fn requests_are_counted_where_they_ended() {
    let mut history = good();
    history.entries[5].outcome = Outcome::Failed;
    let early = totals(&history, Window { from_us: 0, to_us: 395 });
    assert_eq!((early.reads, early.errors()), (3, 0), "one that was under way is of what came then");
    let totals = totals(&history, Window { from_us: 0, to_us: 405 });
    assert_eq!((totals.reads, totals.good, totals.errors(), totals.writes), (4, 3, 1, 2));
    assert_eq!((totals.errors_ppm(), totals.by_chain), (250_000, [3, 0]));
    let latency = latency(&history, Window { from_us: 0, to_us: 395 }).expect("there are reads");
    assert_eq!((latency.samples, latency.p99_us), (4, 10));
}
