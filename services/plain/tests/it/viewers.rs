//! Rules 7 and 8 on small scenarios whose figures were worked out by hand.

use crate::script::{self, check};
use tandem_model::{Breakdown, Stored, Table};

#[test]
fn rule_7_each_field_is_inherited_by_itself() {
    check(
        "an enter without a field keeps that of the enter before; other events teach nothing",
        "share 0 u=a channel=early
         enter 1 u=a channel=x source=ads
         enter 2 u=a source=shop device=d
         share 3 u=a
         share 4 u=a channel=y region=r
         share 5 u=a
         share 6 u=b",
        "s channel/early: shares=1 interacting_users=1
         s channel/x: views=2 viewers=1 shares=2 interacting_users=1 watch_ms=3000
         s channel/y: shares=1 interacting_users=1 watch_ms=1000
         s channel/unknown: shares=1 interacting_users=1
         s source/ads: views=1 viewers=1
         s source/shop: views=1 viewers=1 shares=3 interacting_users=1 watch_ms=4000
         s source/unknown: shares=2 interacting_users=2
         s device/d: views=1 viewers=1 shares=3 interacting_users=1 watch_ms=4000
         s device/unknown: views=1 viewers=1 shares=2 interacting_users=2
         s region/r: shares=1 interacting_users=1 watch_ms=1000",
    );
    check(
        "in another session nothing is known of the viewer; a leave forgets nothing",
        "enter 0 u=a channel=x
         leave 1 u=a
         share 2 u=a
         share 2 u=a s=t",
        "s channel/x: views=1 viewers=1 watch_ms=1000 shares=1 interacting_users=1
         t channel/unknown: shares=1 interacting_users=1
         t channel/x none",
    );
    check(
        "null is absent; a claimed row exists also when nothing was to add",
        "enter 0 u=a channel=x
         heartbeat 200 u=a channel=null region=q",
        "s channel/x: views=1 viewers=1 @0
         s channel/x 1m 180: @1
         s region/q: @1
         s region/q 10s 200: @1
         s channel/unknown none",
    );
}

#[test]
fn rule_7_sources_that_are_not_listed() {
    check(
        "count under other, and as sent once per event that carries them",
        "enter 0 u=a source=tiktok
         share 1 u=a
         share 2 u=a source=other
         share 3 u=a source=unknown
         share 4 u=a source=~other
         share 5 u=a source=Follow",
        "s source/other: views=1 viewers=1 shares=4 interacting_users=1 watch_ms=4000
         s source/unknown: shares=1 interacting_users=1 watch_ms=1000
         s source/tiktok none
         s raw_source/tiktok: events=1 @0
         s raw_source/tiktok 10s 0 none
         s raw_source/~other: events=1
         s raw_source/Follow: events=1
         s raw_source/other none
         s raw_source/unknown none",
    );
}

#[test]
fn rule_7_fans() {
    check(
        "after the event is applied; an unfollow does not undo a follow",
        "enter 0 u=a is_fan=false
         follow 1 u=a
         unfollow 2 u=a
         share 3 u=a is_fan=true
         enter 4 u=a is_fan=true
         share 5 u=a",
        "s fan/guest: views=1 viewers=1
         s fan/new_fan: new_fans=1 interacting_users=1 unfollows=1 watch_ms=2000
         s fan/fan: views=1 viewers=1 shares=2 interacting_users=1 watch_ms=3000",
    );
    check(
        "known from nowhere is unknown, also after a follow",
        "enter 0 u=a
         follow 1 u=a
         share 2 u=a is_fan=false
         share 3 u=a",
        "s fan/unknown: views=1 viewers=1 new_fans=1 shares=1 interacting_users=1 watch_ms=2000
         s fan/new_fan: shares=1 interacting_users=1 watch_ms=1000",
    );
}

#[test]
fn rule_7_the_first_thousand_keys() {
    let channels: String = (0..1001).map(|key| format!("share 0 u=a channel=k{key}\n")).collect();
    let lines = format!(
        "share 0 u=a channel=~other\n{channels}share 0 u=b channel=k1000\nshare 0 u=b channel=k999\n"
    );
    check(
        "`~other` takes no place and shares its row with what comes after the thousandth",
        &lines,
        "s channel/k999: shares=2 interacting_users=2
         s channel/k1000 none
         s channel/~other: shares=3 interacting_users=2
         s channel/~other 10s 0: shares=3 interacting_users=2
         s region/unknown: shares=1004 interacting_users=2",
    );
    let items: String = (0..5002).map(|key| format!("cart_add 0 u=a item=k{key}\n")).collect();
    let figures = script::run(&items).session("s").expect("there");
    let of_items: Vec<_> = figures
        .rows
        .iter()
        .filter(|(key, _)| key.breakdown == Breakdown::Item && key.table == Table::Total)
        .collect();
    assert_eq!(of_items.len(), 5001);
    let (last, (values, offset)) = of_items.last().expect("some");
    assert_eq!((&*last.key, values[Stored::CartAdds as usize], *offset), ("~other", 2, 5001));
}

#[test]
fn rule_8_watch_time() {
    check(
        "between signs of life, up to 90 s, in the bucket and under the attributes of the later one",
        "enter 0 u=a channel=x
         heartbeat 90 u=a
         heartbeat 180.001 u=a
         share 200 u=a channel=y
         leave 210 u=a
         heartbeat 215 u=a
         leave 216 u=a",
        "s room: views=1 viewers=1 shares=1 interacting_users=1 watch_ms=119999 events=7
         s channel/x: views=1 viewers=1 watch_ms=100000
         s channel/y: shares=1 interacting_users=1 watch_ms=19999
         s room 1m 60: watch_ms=90000 events=1
         s room 1m 180: watch_ms=29999 shares=1 interacting_users=1 events=5",
    );
    check(
        "the last sign never goes back, so no time counts twice",
        "enter 10 u=a
         heartbeat 30 u=a
         heartbeat 20 u=a
         heartbeat 35 u=a",
        "s room: views=1 viewers=1 watch_ms=25000 events=4",
    );
    check(
        "not even over a leave; the enter that begins a presence adds nothing",
        "enter 0 u=a
         leave 50 u=a
         enter 20 u=a
         heartbeat 40 u=a
         heartbeat 60 u=a
         enter 70 u=a
         leave 65 u=a
         enter 71 u=a
         heartbeat 72 u=a",
        "s room: views=4 viewers=1 watch_ms=71000 events=9",
    );
    check(
        "without an enter there is no presence; each event of a present viewer is a sign, never under an item",
        "heartbeat 0 u=a
         leave 1 u=a
         enter 10 u=a
         order_paid 15 u=a item=i quantity=1 amount=2
         heartbeat 12 u=b",
        "s room: views=1 viewers=1 watch_ms=5000 orders=1 buyers=1 units=1 gmv_fen=2 events=5
         s item/i: orders=1 buyers=1 units=1 gmv_fen=2",
    );
    check(
        "refused events are no signs",
        "enter 0 u=a id=x
         heartbeat 10 u=a id=x
         heartbeat 20 u=a",
        "s room: views=1 viewers=1 watch_ms=20000 duplicate_events=1 events=2",
    );
}

#[test]
fn rule_8_who_is_online() {
    check(
        "a sign 90 s old or ahead counts, an older one or a leave does not",
        "enter 10 u=a
         enter 9.999 u=b
         enter 150 u=c
         enter 95 u=d
         leave 96 u=d
         exposure 97 u=e
         beat 100",
        "s room: views=4 viewers=4 exposures=1 exposed_viewers=1 watch_ms=1000 online_viewers=2 online_peak=2 events=6 @6
         s room 10s 100: online_viewers=2 online_peak=2 @6
         s room 1m 60: online_viewers=2 online_peak=2 views=1 viewers=1 exposures=1 exposed_viewers=1 watch_ms=1000 events=3
         s channel/unknown: views=4 viewers=4 exposures=1 exposed_viewers=1 watch_ms=1000 @5",
    );
    check(
        "the last sample and the highest, in total and per bucket",
        "enter 0 u=a
         enter 0 u=b
         beat 1
         beat 2
         leave 3 u=a
         beat 11
         leave 12 u=b
         beat 13
         beat 61",
        "s room: views=2 viewers=2 watch_ms=15000 online_peak=2 events=4 @7
         s room 10s 0: views=2 viewers=2 watch_ms=3000 online_viewers=2 online_peak=2 events=3 @4
         s room 10s 10: watch_ms=12000 online_peak=1 events=1 @7
         s room 1m 0: views=2 viewers=2 watch_ms=15000 online_peak=2 events=4 @7
         s room 1m 60 none",
    );
    check(
        "a final session is sampled no more",
        "enter 0 u=a
         session_end 0
         heartbeat 550 u=a
         beat 600
         beat 700",
        "s room: views=1 viewers=1 online_viewers=1 online_peak=1 events=3 @3
         s room 5m 600: online_viewers=1 online_peak=1 @3",
    );
}
