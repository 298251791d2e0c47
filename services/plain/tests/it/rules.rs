//! The contract's rules, one by one, on small scenarios whose figures were worked out by hand.

use crate::script::{self, check};
use tandem_model::malformed::{Malformed, Problem};
use tandem_model::partition::partition_of;
use tandem_model::rejected::{Reason, RejectedEvent};
use tandem_model::{PartitionId, PseudonymKey, Record, SessionId, Stored};
use tandem_plain::Plain;

#[test]
fn what_each_type_counts_into() {
    check(
        "every viewer event of one viewer, all with the attributes of their enter",
        "session_start 0
         exposure 1 u=a
         enter 2 u=a channel=x source=ads is_fan=true region=r device=d
         page_view 3 u=a
         comment 4 u=a
         like 5 u=a
         like 6 u=a count=4
         like 7 u=a count=0
         share 8 u=a
         gift 9 u=a amount=30
         follow 9 u=a
         unfollow 9 u=a
         item_list 9 item=i
         item_explain 9 item=i
         item_delist 9 item=i
         item_exposure 9 u=a item=i
         item_click 9 u=a item=i
         cart_add 9 u=a item=i
         order_paid 9 u=a item=i amount=500 quantity=3
         order_refunded 9 u=a item=i amount=200
         presale_deposit 9 u=a item=i amount=20
         presale_balance 9 u=a item=i amount=80
         heartbeat 10 u=a
         scene 10
         leave 12 u=a
         session_end 12",
        "s room: exposures=1 exposed_viewers=1 views=1 viewers=1 page_views=1 watch_ms=10000 comments=1 commenters=1 likes=5 shares=1 gifts=1 gift_fen=30 interacting_users=1 new_fans=1 unfollows=1 item_exposures=1 item_clicks=1 item_click_users=1 cart_adds=1 orders=1 buyers=1 units=3 gmv_fen=500 refunds=1 refund_fen=200 deposits=1 deposit_fen=20 balances=1 balance_fen=80 events=26 @25
         s channel/x: views=1 viewers=1 page_views=1 watch_ms=10000 comments=1 commenters=1 likes=5 shares=1 gifts=1 gift_fen=30 interacting_users=1 new_fans=1 unfollows=1 item_exposures=1 item_clicks=1 item_click_users=1 cart_adds=1 orders=1 buyers=1 units=3 gmv_fen=500 refunds=1 refund_fen=200 deposits=1 deposit_fen=20 balances=1 balance_fen=80 @24
         s channel/unknown: exposures=1 exposed_viewers=1
         s item/i: item_exposures=1 item_clicks=1 item_click_users=1 cart_adds=1 orders=1 buyers=1 units=3 gmv_fen=500 refunds=1 refund_fen=200 deposits=1 deposit_fen=20 balances=1 balance_fen=80 @21
         s fan/fan: views=1 viewers=1 page_views=1 watch_ms=10000 comments=1 commenters=1 likes=5 shares=1 gifts=1 gift_fen=30 interacting_users=1 new_fans=1 unfollows=1 item_exposures=1 item_clicks=1 item_click_users=1 cart_adds=1 orders=1 buyers=1 units=3 gmv_fen=500 refunds=1 refund_fen=200 deposits=1 deposit_fen=20 balances=1 balance_fen=80
         s item/i 10s 0: item_exposures=1 item_clicks=1 item_click_users=1 cart_adds=1 orders=1 buyers=1 units=3 gmv_fen=500 refunds=1 refund_fen=200 deposits=1 deposit_fen=20 balances=1 balance_fen=80
         s room 10s 10: watch_ms=3000 events=4
         s row: state=live first=0 ended=12 started=0 anchor=a @25",
    );
    check(
        "orders without an item count under no item, quality under the room alone",
        "enter 0 u=a suspect=true
         order_paid 1 u=a amount=5 quantity=1",
        "s room: views=1 viewers=1 suspect_views=1 orders=1 buyers=1 units=1 gmv_fen=5 watch_ms=1000 events=2
         s source/unknown: views=1 viewers=1 orders=1 buyers=1 units=1 gmv_fen=5 watch_ms=1000
         s room 5m 0: views=1 viewers=1 suspect_views=1 orders=1 buyers=1 units=1 gmv_fen=5 watch_ms=1000 events=2
         s item/i none",
    );
}

#[test]
fn rule_1_a_session_lives_in_one_partition() {
    let id = SessionId::new("s").expect("an id");
    let home = partition_of(b"s", 4);
    let away = PartitionId((home.0 + 1) % 4);
    let enter = Record::line(script::json(0, "enter 0 u=a"));
    let broken = Record::line(script::json(0, "enter 0"));
    let mut plain = Plain::new(away, 4, PseudonymKey::new([0; 16]));
    plain.apply(7, &enter);
    plain.apply(9, &broken);
    assert!(plain.session("s").is_none());
    assert_eq!((plain.partition_row().malformed_events, plain.partition_row().offset), (2, 9));
    let [misplaced, malformed] = plain.rejected() else { panic!("two rejected") };
    let reason = Malformed { problem: Problem::Misplaced, field: None, session_id: None };
    assert_eq!(misplaced.reason, Reason::Malformed(reason));
    assert_eq!((&misplaced.session_id, &misplaced.event, misplaced.offset), (&None, &None, 7));
    let Reason::Malformed(malformed_as) = &malformed.reason else { panic!("malformed") };
    assert_eq!((malformed_as.problem, malformed_as.session_id.clone()), (Problem::Missing, Some(id)));
    assert_eq!(malformed.session_id, None);
}

#[test]
fn rule_2_only_beats_move_time() {
    check(
        "events ahead of the clock do not move it; a beat that does not rise is counted",
        "beat 0
         enter 290 u=a
         enter -590 u=b
         beat 0
         beat -10
         beat 1",
        "s room: views=2 viewers=2 online_viewers=1 online_peak=1 events=2
         partition: beats=2 ignored_beats=2 @5
         rejected:",
    );
    check(
        "gauges are sampled before the session becomes final, at the same beat",
        "session_end 0
         enter 599 u=a
         beat 600",
        "s room: views=1 viewers=1 online_viewers=1 online_peak=1 events=2 @2
         s row: state=final first=0 ended=0 @2",
    );
}

#[test]
fn rule_3_late_and_future_have_sharp_edges() {
    check(
        "nothing is late or future before the first beat",
        "heartbeat 0 u=a
         heartbeat 90000 u=a
         heartbeat -90000 u=a",
        "s room: events=3
         rejected:",
    );
    check(
        "exactly ten minutes old is in time, exactly five minutes ahead is not yet future",
        "beat 1000
         exposure 400 u=a
         exposure 399.999 u=a
         exposure 1300 u=a
         exposure 1300.001 u=a",
        "s room: exposures=2 exposed_viewers=1 events=2 late_events=1 future_events=1 @4
         s room 1m 360: exposures=1 exposed_viewers=1 events=1 @1
         s room 1m 1260: exposures=1 exposed_viewers=1 events=1 @3
         rejected: 2 late s; 4 future s",
    );
    check(
        "final ten minutes after the last end in log order, whatever that end's place in time",
        "session_end 100
         session_start 101
         session_end 50
         beat 649
         share 649 u=a
         beat 650
         share 650 u=a
         share 9000 u=a",
        "s room: shares=1 interacting_users=1 events=4 late_events=1 future_events=1
         s row: state=final first=100 ended=50 started=101 anchor=a @5
         rejected: 6 late s; 7 future s",
    );
    check(
        "without an end: a day after the highest ts; rejected events do not count for that",
        "share 50 u=a
         share 10 u=a
         beat 20
         share 900 u=a
         beat 86449
         beat 86450",
        "s room: shares=2 interacting_users=1 events=2 future_events=1
         s row: state=final first=50 @5",
    );
    check(
        "a session that accepted nothing never becomes final, but has its row",
        "beat 10000
         share 0 u=a
         beat 10000000
         share 10000000 u=a",
        "s room: shares=1 interacting_users=1 events=1 late_events=1
         s row: state=live first=10000000 @3",
    );
}

#[test]
fn rule_3_follow_ups_correct_totals_only() {
    check(
        "they inherit nothing, have no trend and are no signs of life",
        "enter 0 u=a channel=x source=ads is_fan=false region=r device=d
         session_end 1
         beat 601
         order_refunded 600 u=a item=i amount=7 channel=y
         presale_balance 600 u=b amount=9 source=new is_fan=true
         presale_balance 600 u=c is_fan=false
         presale_deposit 600 u=a amount=9
         order_refunded 0 u=a amount=1
         order_refunded 600 u=a amount=1 id=e3",
        "s room: views=1 viewers=1 events=5 refunds=1 refund_fen=7 balances=2 balance_fen=9 late_events=2 duplicate_events=1
         s room 10s 600 none
         s room 5m 600 none
         s item/i: refunds=1 refund_fen=7 @3
         s channel/x: views=1 viewers=1
         s channel/y: refunds=1 refund_fen=7
         s channel/unknown: balances=2 balance_fen=9
         s source/unknown: refunds=1 refund_fen=7 balances=1
         s source/other: balances=1 balance_fen=9
         s raw_source/new: events=1
         s fan/unknown: refunds=1 refund_fen=7
         s fan/fan: balances=1 balance_fen=9
         s fan/guest: views=1 viewers=1 balances=1
         s device/unknown 10s 600 none
         s row: state=corrected first=0 ended=1 @3
         rejected: 6 late s; 7 late s; 8 duplicate s",
    );
    let month = 30 * 86_400;
    let over = format!(
        "session_end 0
         beat 660
         beat {}
         order_refunded {} u=a
         beat {}
         order_refunded {} u=a
         order_refunded 99999999 u=a
         order_refunded {} u=a id=e3
         {{\"session_id\":\"s\"}}",
        660 + month - 1,
        660 + month,
        660 + month,
        660 + month,
        660 + month,
    );
    check(
        "30 days after the beat that made it final it is over: all is late, for the partition",
        &over,
        "s room: events=2 refunds=1 @3
         s row: state=corrected first=0 ended=0 @3
         partition: beats=3 late_events=3 malformed_events=1 @8
         rejected: 5 late -; 6 late -; 7 late -; 8 missing -",
    );
}

#[test]
fn rule_4_an_id_counts_once_while_it_is_remembered() {
    check(
        "in any session by itself, whatever else the event says",
        "share 0 u=a id=x
         comment 5 u=b id=x
         share 0 u=a id=x s=t",
        "s room: shares=1 interacting_users=1 events=1 duplicate_events=1 @1
         t room: shares=1 interacting_users=1 events=1
         rejected: 1 duplicate s",
    );
    check(
        "until its ts is ten minutes past, then it is new again; refused ids are not remembered",
        "beat 1
         share 0 u=a id=x
         share 400 u=a id=y
         beat 600
         share 600 u=a id=x
         beat 601
         share 600 u=a id=x
         share 601 u=a id=y",
        "s room: shares=3 interacting_users=1 events=3 future_events=1 duplicate_events=1
         rejected: 2 future s; 4 duplicate s",
    );
}

#[test]
fn rule_5_malformed_lines_count_for_whom_they_name() {
    check(
        "for the session where its id is valid, else for the partition",
        "{\"session_id\":\"s\",\"type\":\"enter\"}
         {\"session_id\":\"s s\",\"type\":\"enter\"}
         {\"session_id\":\"s\"
         [\"session_id\"]
         {\"type\":\"beat\",\"ts\":1500,\"beat\":1,\"session_id\":\"s\"}
         {\"type\":\"beat\",\"ts\":1500,\"beat\":1}",
        "s room: malformed_events=2 @4
         s room 10s 0 none
         s row: state=live @0
         partition: malformed_events=4 @5
         rejected: 0 missing s; 1 missing -; 2 not_json -; 3 not_an_object -; 4 bad_beat s; 5 bad_beat -",
    );
}

#[test]
fn rule_5_a_refused_record_is_malformed_as_it_says() {
    let mut plain = Plain::new(PartitionId(0), 1, PseudonymKey::new([0; 16]));
    let reason = Malformed { problem: Problem::BeatNotAllowed, field: None, session_id: SessionId::new("t") };
    plain.apply(0, &Record::refused(&Record::beat(60).value, reason.clone()));
    plain.apply(1, &Record::refused(&script::json(0, "enter 0 u=a"), reason.clone()));
    assert_eq!(plain.clock(), 0);
    assert!(plain.session("s").is_none());
    let figures = plain.session("t").expect("the session it names");
    let (values, offset) = figures.rows.values().next().expect("the room's total");
    assert_eq!((values[Stored::MalformedEvents as usize], *offset, figures.rows.len()), (2, 1, 1));
    assert!(plain.rejected().iter().all(|rejected| rejected.reason == Reason::Malformed(reason.clone())));
}

#[test]
fn rule_6_buckets_are_aligned_to_the_epoch() {
    check(
        "a bucket holds its first millisecond and not the next one's",
        "share 59.999 u=a
         share 60 u=a
         share 299.999 u=a
         share 300 u=a",
        "s room 10s 50: shares=1 interacting_users=1 events=1
         s room 10s 60: shares=1 interacting_users=1 events=1
         s room 1m 0: shares=1 interacting_users=1 events=1
         s room 1m 60: shares=1 interacting_users=1 events=1
         s room 5m 0: shares=3 interacting_users=1 events=3 @2
         s channel/unknown 5m 300: shares=1 interacting_users=1 @3
         s channel/unknown 1m 120 none",
    );
}

#[test]
fn rules_9_and_10_sums_saturate_and_users_are_exact() {
    let most = "like 0 u=a count=9007199254740991\n".repeat(2050);
    let plain = script::run(&most);
    let figures = plain.session("s").expect("there");
    let saturated = figures.rows.values().filter(|(values, _)| values[Stored::Likes as usize] == u64::MAX);
    assert_eq!(saturated.count(), figures.rows.len());
    // 2048 times the largest integer is 2048 short of 2^64, the next fills it up; from then on
    // only the room (its total, three buckets, hour and day), which counts events, has new versions.
    let offsets: Vec<u64> = figures.rows.values().map(|(_, offset)| *offset).collect();
    assert_eq!(offsets.iter().filter(|offset| **offset == 2049).count(), 6);
    assert_eq!(offsets.iter().filter(|offset| **offset == 2048).count(), offsets.len() - 6);

    let users: String = (0..5000).map(|user| format!("enter 0 u=u{user}\nenter 0 u=u{user}\n")).collect();
    check(
        "5,000 users that come twice",
        &users,
        "s room 10s 0: views=10000 viewers=5000 events=10000
         s device/unknown: views=10000 viewers=5000",
    );
}

#[test]
fn rule_11_attributes_are_those_of_the_last_start() {
    check(
        "in log order, not in time; the same start again is no new version",
        "share 0 u=a
         session_start 100 anchor_id=b
         session_start 50 anchor_id=c
         session_start 50 anchor_id=c
         session_end 70
         session_end 60",
        "s row: state=live first=0 started=50 ended=60 anchor=c @5",
    );
    check(
        "no new version",
        "session_start 50\nsession_start 50",
        "s row: state=live first=50 started=50 anchor=a @0",
    );
}

#[test]
fn a_rejected_event_says_what_it_would_have_added() {
    let plain = script::run(
        "share 0 u=a id=x
         enter 0 u=a id=x suspect=true
         order_paid 0 u=a id=x amount=0 quantity=2
         follow 0 u=a id=x
         session_end 0 id=x",
    );
    let added: Vec<_> =
        plain.rejected().iter().map(|rejected| rejected.event.clone().expect("an event")).collect();
    let would_add: Vec<_> = added.iter().map(|event| event.would_add.as_slice()).collect();
    assert_eq!(
        would_add,
        [
            &[(Stored::Views, 1), (Stored::Viewers, 1), (Stored::SuspectViews, 1)][..],
            &[(Stored::Orders, 1), (Stored::Buyers, 1), (Stored::Units, 2)],
            &[(Stored::InteractingUsers, 1), (Stored::NewFans, 1)],
            &[],
        ]
    );
    let RejectedEvent { event_id, event_type, ts, user, .. } = &added[0];
    let pseudonym = PseudonymKey::new([0; 16]).of("a");
    assert_eq!(
        (event_id.as_str(), event_type.as_str(), *ts, *user),
        ("x", "enter", script::BASE_MS, Some(pseudonym))
    );
    assert_eq!(added[3].user, None);
}
