//! Boards over HTTP. That the scores are right is tested where they are worked out.

use std::time::Duration;

use serde_json::{Value, json};
use tandem_model::partition::partition_of;
use tandem_model::scope::{Grants, Scope};
use tandem_model::time::MINUTE_MS;
use tandem_model::{SessionId, Verdict};
use tandem_storage::faulty::Fault;
use tandem_storage::{Append, EventLog};

use crate::world::{BEGIN, BEGIN_MS, PARTITIONS, World};

/// The hour that [`BEGIN_MS`] lies in, in the boards' time zone.
const HOUR_MS: u64 = 60 * MINUTE_MS;
const HOUR: u64 = BEGIN_MS - BEGIN_MS % HOUR_MS;

async fn order(world: &mut World, session: &str, ts: u64, amount_fen: u64) {
    let order = json!({"type": "order_paid", "user_id": "u1", "order_id": format!("o{ts}"), "item_id": "i1",
        "amount_fen": amount_fen, "quantity": 1});
    world.event(session, ts, order).await;
}

/// Four sessions: two sell the same, one less, one nothing.
async fn world() -> World {
    let mut world = World::new();
    world.beat(BEGIN).await;
    for (session, amount_fen) in [("s1", 500), ("s2", 900), ("s3", 900), ("s4", 0)] {
        world.start_of(session, BEGIN_MS + 1_000, &format!("a-{session}"), Some("m1")).await;
        order(&mut world, session, BEGIN_MS + 2_000, amount_fen).await;
    }
    world.beat(BEGIN + 62).await;
    world.flush().await;
    world
}

fn ranked(answer: &Value) -> Vec<(u64, String, u64)> {
    let rows = answer["rows"].as_array().expect("rows").iter();
    rows.map(|row| {
        let id = row["subject"]["id"].as_str().expect("an id");
        (row["rank"].as_u64().expect("a rank"), id.to_owned(), row["score"].as_u64().expect("a score"))
    })
    .collect()
}

fn row(rank: u64, id: &str, score: u64) -> (u64, String, u64) {
    (rank, id.to_owned(), score)
}

#[tokio::test]
async fn equal_scores_share_a_rank_and_who_has_none_is_not_listed() {
    let world = world().await;
    let answer = world.ok(&format!("/v1/rankings/session.gmv?period=hour&at={BEGIN_MS}")).await;
    assert_eq!(ranked(&answer), [row(1, "s2", 900), row(1, "s3", 900), row(3, "s1", 500)]);
    assert_eq!(answer["from"], HOUR);
    assert_eq!(answer["to"], HOUR + HOUR_MS);
    // The first beat at or after the last multiple of five seconds.
    assert_eq!(answer["edition"], json!({"at": BEGIN_MS + 62_000, "state": "live"}));
    assert_eq!(answer["rows"][0]["parts"], json!({"gmv_fen": 900}));
    assert_eq!(answer["rows"][0]["previous_rank"], Value::Null);
    assert_eq!(answer["rows"][0]["subject"]["name"], "冬装 \"winter\"");
    assert_eq!((&answer["listed"], &answer["next_cursor"]), (&json!(3), &Value::Null));
}

#[tokio::test]
async fn anybody_finds_their_own_rank_and_how_far_the_next_is() {
    let world = world().await;
    let own = async |id: &str| {
        world.ok(&format!("/v1/rankings/session.gmv/subjects/{id}?period=day&at={BEGIN_MS}")).await
    };
    let last = own("s1").await;
    assert_eq!((&last["rank"], &last["to_next"], &last["listed"]), (&json!(3), &json!(400.0), &json!(true)));
    assert_eq!(own("s2").await["to_next"], Value::Null);
    assert_eq!(own("s3").await["percentile"], 1.0);
    // Who sold nothing, and who is nobody.
    for id in ["s4", "nobody"] {
        let none = own(id).await;
        assert_eq!(
            (&none["listed"], &none["rank"], &none["score"]),
            (&json!(false), &Value::Null, &Value::Null)
        );
        assert_eq!(none["subject"], json!({"id": id, "name": id}));
    }
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    let world = world().await;
    let path = format!("/v1/rankings/session.gmv?period=hour&at={BEGIN_MS}&limit=2");
    let first = world.ok(&path).await;
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = world.ok(&format!("{path}&cursor={cursor}")).await;
    assert_eq!(ranked(&first), [row(1, "s2", 900), row(1, "s3", 900)]);
    assert_eq!(ranked(&second), [row(3, "s1", 500)]);
    assert_eq!(second["next_cursor"], Value::Null);
}

#[tokio::test]
async fn an_edition_stays_as_it_is_until_five_seconds_are_over() {
    let mut world = world().await;
    let path = format!("/v1/rankings/session.gmv?period=hour&at={BEGIN_MS}");
    let first = world.ok(&path).await;
    order(&mut world, "s1", BEGIN_MS + 62_500, 10_000).await;
    world.beat(BEGIN + 64).await;
    world.flush().await;
    let same = world.ok(&path).await;
    assert_eq!((&same["edition"], &same["rows"]), (&first["edition"], &first["rows"]));
    world.beat(BEGIN + 65).await;
    world.flush().await;
    let next = world.ok(&path).await;
    assert_eq!(next["edition"]["at"], BEGIN_MS + 65_000);
    assert_eq!(ranked(&next)[0], row(1, "s1", 10_500));
    // Pages go on in the edition that they began in, whatever came since.
    let limited = format!("{path}&limit=1");
    let cursor = world.ok(&limited).await["next_cursor"].as_str().expect("more").to_owned();
    order(&mut world, "s4", BEGIN_MS + 65_500, 99_999).await;
    world.beat(BEGIN + 70).await;
    world.flush().await;
    let second = world.ok(&format!("{limited}&cursor={cursor}")).await;
    assert_eq!((&second["edition"], ranked(&second)), (&next["edition"], vec![row(2, "s2", 900)]));
    assert_eq!(ranked(&world.ok(&path).await)[0], row(1, "s4", 99_999));
    // And another node, which has never seen that edition, puts together the same.
    let other = World::reading(&world, world.stores.hot.clone());
    assert_eq!(other.ok(&path).await["edition"]["at"], BEGIN_MS + 70_000);
    assert_eq!(other.ok(&format!("{limited}&cursor={cursor}")).await["rows"], second["rows"]);
    for edition in [BEGIN_MS + 65_000, BEGIN_MS + 66_123] {
        let older = other.ok(&format!("{path}&edition={edition}")).await;
        assert_eq!((&older["edition"], &older["rows"]), (&next["edition"], &next["rows"]));
        let own = format!("/v1/rankings/session.gmv/subjects/s1?period=hour&edition={edition}");
        assert_eq!(other.ok(&own).await["score"], 10_500);
    }
    assert_eq!(other.ok(&format!("{path}&edition={}", BEGIN_MS + 62_000)).await["rows"], first["rows"]);
    let ahead = other.get(&format!("{path}&edition={}", BEGIN_MS + 75_000)).await;
    assert_eq!((ahead.status, ahead.problem().as_str()), (404, "not-found"));
}

#[tokio::test]
async fn editions_of_five_seconds_go_after_an_hour_and_those_of_a_minute_after_a_day() {
    let mut world = World::new();
    world.beat(BEGIN).await;
    world.start_of("s1", BEGIN_MS + 1_000, "a1", None).await;
    for second in 1..=9 {
        order(&mut world, "s1", BEGIN_MS + second * 10_000, 100).await;
        world.beat(BEGIN + second * 10).await;
    }
    world.flush().await;
    let path = format!("/v1/rankings/session.gmv?period=day&at={BEGIN_MS}&edition=");
    let score = |answer: &Value| answer["rows"][0]["score"].clone();
    let minute = BEGIN_MS.next_multiple_of(MINUTE_MS);
    let (five, whole) = (minute + 10_000, minute);
    let before =
        [score(&world.ok(&format!("{path}{five}")).await), score(&world.ok(&format!("{path}{whole}")).await)];
    // Beyond the hour; then the day. What is asked for is put together anew.
    for (seconds, expected) in
        [(3_590, [200, 200]), (3_700, [404, 200]), (86_300, [404, 200]), (86_600, [404, 404])]
    {
        world.beat(BEGIN + seconds).await;
        world.flush().await;
        let node = World::reading(&world, world.stores.hot.clone());
        for ((edition, status), before) in [five, whole].into_iter().zip(expected).zip(&before) {
            let answer = node.get(&format!("{path}{edition}")).await;
            assert_eq!(answer.status, status, "{edition} after {seconds} s");
            if status == 200 {
                assert_eq!(&score(&answer.json()), before, "{edition} after {seconds} s");
            }
        }
    }
}

#[tokio::test]
async fn a_period_closes_ten_minutes_after_its_end_and_is_the_next_ones_previous() {
    let mut world = world().await;
    let next = HOUR + HOUR_MS;
    world.beat(next / 1_000 + 1).await;
    order(&mut world, "s1", next + 500, 7).await;
    order(&mut world, "s4", next + 600, 9).await;
    let path = |at: u64| format!("/v1/rankings/session.gmv?period=hour&at={at}");
    world.flush().await;
    assert_eq!(world.ok(&path(BEGIN_MS)).await["edition"]["state"], "live");
    assert_eq!(world.ok(&path(next)).await["rows"][1]["previous_rank"], Value::Null, "not closed yet");
    world.beat((next + 10 * MINUTE_MS) / 1_000).await;
    world.flush().await;
    let closed = world.ok(&path(BEGIN_MS)).await;
    assert_eq!(closed["edition"], json!({"at": next + 10 * MINUTE_MS, "state": "closed"}));
    assert_eq!(closed["meta"]["state"], "final");
    let after = world.ok(&path(next)).await;
    assert_eq!(ranked(&after), [row(1, "s4", 9), row(2, "s1", 7)]);
    assert_eq!(after["rows"][0]["previous_rank"], Value::Null);
    assert_eq!(after["rows"][1]["previous_rank"], 3);
    // Asked for by the moment it was cut.
    let at = closed["edition"]["at"].as_u64().expect("a moment");
    assert_eq!(world.ok(&format!("{}&edition={at}", path(BEGIN_MS))).await["rows"], closed["rows"]);
}

#[tokio::test]
async fn filters_combine_and_empty_periods_are_no_error() {
    let world = world().await;
    let rows = async |query: &str| {
        let path = format!("/v1/rankings/anchor.gmv?period=week&at={BEGIN_MS}&{query}");
        world.ok(&path).await["rows"].as_array().expect("rows").len()
    };
    assert_eq!(rows("category=clothing&fan_tier=micro&content_type=sale&region=%E6%B5%99%E6%B1%9F").await, 3);
    assert_eq!(rows("category=clothing&fan_tier=nano").await, 0);
    assert_eq!(rows("category=food").await, 0);
    for at in [0, BEGIN_MS * 2] {
        let empty = world.ok(&format!("/v1/rankings/anchor.gmv?period=month&at={at}")).await;
        assert_eq!(empty["rows"], json!([]));
        assert!(empty["from"].as_u64().expect("a start") <= at);
    }
}

#[tokio::test]
async fn boards_are_the_same_for_everybody_who_has_a_key() {
    let world = world().await;
    let path = format!("/v1/rankings/session.gmv?period=hour&at={BEGIN_MS}");
    let all = world.ok(&path).await;
    let somebody = world.get_as(&Scope::Granted(Grants::default()), &path).await;
    assert_eq!(somebody.json()["rows"], all["rows"]);
}

#[tokio::test]
async fn all_boards_are_listed_with_what_they_mean() {
    let world = World::new();
    let answer = world.ok("/v1/rankings").await;
    let boards = answer["boards"].as_array().expect("boards");
    assert_eq!(boards.len(), 28);
    assert_eq!(answer["time_zone"], "Asia/Shanghai");
    for board in boards {
        let id = board["id"].as_str().expect("an id");
        assert_eq!(world.ok(&format!("/v1/rankings/{id}")).await["rows"], json!([]), "{id}");
    }
    let gpm = boards.iter().find(|board| board["id"] == "session.gpm").expect("it is there");
    assert_eq!(gpm["smallest_sample"], json!({"metric": "views", "count": 100}));
    assert_eq!(gpm["formula"], "1000 · Σ gmv_fen / Σ views");
}

/// What a verdict about the order of `session` says, as it stands in the log.
async fn judge(world: &World, session: &str, ruling: impl Fn(u64) -> Verdict) {
    let partition = partition_of(session.as_bytes(), PARTITIONS);
    let records = world.log.read(partition, 0, 1 << 20).await.unwrap();
    let is_order = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        line.contains("order_paid") && line.contains(&format!("\"session_id\":\"{session}\""))
    };
    let (offset, _) = records.iter().find(|(_, record)| is_order(&record.value)).expect("an order");
    let records = vec![(partition, ruling(*offset).to_record())];
    world.log.append(Append { records, receipt: None }).await.unwrap();
}

fn quarantine(session: &str) -> impl Fn(u64) -> Verdict {
    let id = SessionId::new(session);
    move |offset| Verdict::quarantine(offset, id.clone(), "a test")
}

fn moved(answer: &Value) -> Vec<(String, Value, Value)> {
    let moved = answer["moved"].as_array().expect("a correction").iter();
    moved
        .map(|one| {
            let figures = |at: &str| match &one[at] {
                Value::Null => Value::Null,
                place => json!([place["rank"], place["score"]]),
            };
            let id = one["subject"]["id"].as_str().expect("an id").to_owned();
            (id, figures("before"), figures("after"))
        })
        .collect()
}

#[tokio::test]
async fn a_verdict_after_the_close_makes_a_corrected_edition_that_says_what_moved() {
    let mut world = world().await;
    // Before the hour is closed nothing of s1 counts; so it is not listed.
    judge(&world, "s1", quarantine("s1")).await;
    let closes_at = HOUR + 70 * MINUTE_MS;
    world.beat(closes_at / 1_000 + 2).await;
    world.beat(closes_at / 1_000 + 30).await;
    judge(&world, "s1", |offset| Verdict::release(offset, "mended")).await;
    world.beat(closes_at / 1_000 + 33).await;
    let path = format!("/v1/rankings/session.gmv?period=hour&at={BEGIN_MS}");
    let closed = json!({"at": closes_at, "state": "closed"});

    // The cut behind the verdict is still to come.
    let before = world.heeding().await;
    let answer = before.ok(&path).await;
    assert_eq!((&answer["edition"], &answer["moved"]), (&closed, &Value::Null));

    judge(&world, "s2", quarantine("s2")).await;
    world.beat(closes_at / 1_000 + 35).await;
    let world = world.heeding().await;
    let answer = world.ok(&path).await;
    let corrected_at = closes_at + 35_000;
    assert_eq!(answer["edition"], json!({"at": corrected_at, "state": "corrected"}));
    assert_eq!(answer["meta"]["state"], "corrected");
    assert_eq!(ranked(&answer), [row(1, "s3", 900), row(2, "s1", 500)]);
    let expected =
        [("s1".to_owned(), Value::Null, json!([2, 500])), ("s2".to_owned(), json!([1, 900]), Value::Null)];
    assert_eq!((moved(&answer), &answer["moved_count"]), (expected.to_vec(), &json!(2)));

    // The closed edition stays as it was, also for who asks later.
    for edition in [closes_at, closes_at + 30_000] {
        let answer = world.ok(&format!("{path}&edition={edition}")).await;
        assert_eq!(answer["edition"], closed);
        assert_eq!(ranked(&answer), [row(1, "s2", 900), row(1, "s3", 900)]);
        assert_eq!((&answer["moved"], &answer["moved_count"]), (&Value::Null, &Value::Null));
        assert_eq!(answer["meta"]["state"], "final");
    }
    // Pages go on in the corrected one.
    let first = world.ok(&format!("{path}&limit=1")).await;
    let cursor = first["next_cursor"].as_str().expect("more");
    let second = world.ok(&format!("{path}&limit=1&cursor={cursor}")).await;
    assert_eq!((&second["edition"], ranked(&second)), (&first["edition"], vec![row(2, "s1", 500)]));

    // Everybody sees what became of themselves, and nothing where nothing did.
    let own = async |id: &str, board: &str| {
        world.ok(&format!("/v1/rankings/{board}/subjects/{id}?period=hour&at={BEGIN_MS}")).await
    };
    let gone = own("s2", "session.gmv").await;
    assert_eq!((&gone["listed"], &gone["moved"]["before"]["rank"]), (&json!(false), &json!(1)));
    assert_eq!(own("s3", "session.gmv").await["moved"], Value::Null);
    assert_eq!(own("s1", "session.views").await["edition"], closed);
    // What others lose pushes nobody here, and a sum of theirs is another one.
    let items = world.ok(&format!("/v1/rankings/item.gmv?period=hour&at={BEGIN_MS}")).await;
    assert_eq!(moved(&items), [("i1".to_owned(), json!([1, 1_800]), json!([1, 1_400]))]);
    // Periods that are still live need no correction.
    let day = world.ok(&format!("/v1/rankings/session.gmv?period=day&at={BEGIN_MS}")).await;
    assert_eq!((&day["edition"]["state"], &day["moved"]), (&json!("live"), &Value::Null));
    assert_eq!(ranked(&day), ranked(&answer));
}

/// Who looks at a board finds the next edition ready: the parts of its cut were taken, and it was worked out, before
/// anybody asked.
#[tokio::test(start_paused = true)]
async fn boards_that_people_look_at_are_ready_at_the_cut() {
    let mut world = world().await;
    let path = "/v1/rankings/session.gmv?period=hour";
    assert_eq!(world.ok(path).await["edition"]["at"], BEGIN_MS + 62_000);
    order(&mut world, "s1", BEGIN_MS + 62_500, 10_000).await;
    world.beat(BEGIN + 65).await;
    world.flush().await;
    // In virtual time, which goes on when nobody has anything left to do.
    tokio::time::sleep(Duration::from_secs(1)).await;
    // From here on nothing can be taken any more.
    world.plans.editions.add(Fault::unavailable());
    let answer = world.ok(path).await;
    assert_eq!(answer["edition"]["at"], BEGIN_MS + 65_000);
    assert_eq!(ranked(&answer)[0], row(1, "s1", 10_500));
}

#[tokio::test]
async fn how_long_somebody_has_been_in_the_list_counts_periods_in_a_row() {
    let mut world = world().await;
    let hours = 12;
    for number in 1..=hours {
        let hour = HOUR + number * HOUR_MS;
        world.beat(hour / 1_000 + 1).await;
        order(&mut world, "s1", hour + 2_000, 10).await;
        // Not in the fourth hour before the last.
        if number != hours - 4 {
            order(&mut world, "s2", hour + 3_000, 20).await;
        }
        if number == hours {
            order(&mut world, "s4", hour + 4_000, 30).await;
        }
        world.beat(hour / 1_000 + 30).await;
        world.flush().await;
    }
    let last = HOUR + hours * HOUR_MS;
    let told = async |world: &World, board: &str, at: u64| {
        let answer = world.ok(&format!("/v1/rankings/{board}?period=hour&at={at}")).await;
        let mut told = Vec::new();
        for row in answer["rows"].as_array().expect("rows") {
            let id = row["subject"]["id"].as_str().expect("an id").to_owned();
            let path = format!("/v1/rankings/{board}/subjects/{id}?period=hour&at={at}");
            assert_eq!(world.ok(&path).await["listed_periods"], row["listed_periods"], "{path}");
            told.push((id, row["listed_periods"].as_u64().expect("periods")));
        }
        told
    };
    let one = |id: &str, periods| (id.to_owned(), periods);
    // The period before is not closed yet and counts all the same; ten stands for more.
    let expected = [one("s4", 1), one("s2", 4), one("s1", 10)];
    assert_eq!(told(&world, "session.gmv", last).await, expected);
    world.beat(last / 1_000 + 660).await;
    world.flush().await;
    assert_eq!(told(&world, "session.gmv", last).await, expected);
    assert_eq!(told(&world, "session.gmv", last - HOUR_MS).await, [one("s2", 3), one("s1", 10)]);
    assert_eq!(told(&world, "session.gmv", HOUR).await, [one("s2", 1), one("s3", 1), one("s1", 1)]);
    assert_eq!(told(&world, "region.preference", HOUR).await, []);
    let anchors = [one("a-s4", 1), one("a-s2", 4), one("a-s1", 10)];
    assert_eq!(told(&world, "anchor.gmv", last).await, anchors);
    let nobody = world.ok(&format!("/v1/rankings/session.gmv/subjects/s3?period=hour&at={last}")).await;
    assert_eq!(nobody["listed_periods"], Value::Null);
}
