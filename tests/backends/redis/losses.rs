//! The server loses things while it is written and read: no reader may see a session that misses
//! a change, and everything is there again soon.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_storage::suite::fixtures;

use super::model::{FIRST, Readers, SESSIONS, Writer, check, name};
use super::*;

/// Writes until the readers have seen sessions again, so that each disturbance meets a store that
/// is in use.
async fn recover(writer: &mut Writer, readers: &Readers) {
    let seen = readers.found();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while readers.found() < seen + 20 {
        assert!(tokio::time::Instant::now() < deadline, "nothing is there any more");
        writer.step().await;
    }
}

async fn all_is_there(hot: &Hot, writer: &mut Writer) {
    for _ in 0..6 {
        writer.step().await;
    }
    for session in 0..SESSIONS {
        let seen = persistently(async || hot.session(PARTITION, &name(session)).await).await;
        assert_eq!(seen.progress.map(|cut| cut.next), Some(writer.next - 1));
        assert!(check(session, &seen), "{} is not there", name(session));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_reader_sees_a_session_that_missed_a_change() {
    let (services, address) = one_server();
    let quick = Settings { call_timeout_ms: 500, connect_timeout_ms: 500, ..single(&address) };
    let hot = open(quick.clone()).await;
    // Readers of other processes: they write nothing, and have connections of their own.
    let mut hots = vec![hot.clone()];
    for _ in 0..2 {
        hots.push(Hot::new(quick.clone(), Chain::A, LOG, 0).unwrap());
    }
    let readers = Readers::start(hots);
    let mut writer = Writer::new(hot.clone());
    let mut random = SmallRng::seed_from_u64(4);
    for round in 0..60 {
        recover(&mut writer, &readers).await;
        let address = address.clone();
        let begun = writer.begun;
        match round % 6 {
            0 => {
                services.kill("redis-a").unwrap();
                services.start_again("redis-a").unwrap();
            }
            1 => {
                ask(&address, &["FLUSHALL"]).unwrap();
            }
            2 => {
                ask(&address, &["FUNCTION", "FLUSH"]).unwrap();
            }
            3 => {
                // As if dropped for want of memory.
                for _ in 0..5 {
                    let session = name(random.random_range(0..SESSIONS));
                    ask(&address, &["DEL", &format!("{{tandem:a:3}}:s:{session}")]).unwrap();
                }
            }
            4 => {
                ask(&address, &["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
            }
            _ => {
                services.pause("redis-a").unwrap();
                tokio::time::timeout(Duration::from_millis(700), writer.step()).await.unwrap_err();
                services.resume("redis-a").unwrap();
            }
        }
        recover(&mut writer, &readers).await;
        let has_lost = round % 6 < 2;
        assert!(!has_lost || writer.begun > begun, "a loss was not noticed");
    }
    all_is_there(&hot, &mut writer).await;
    readers.stop().await;
}

/// Emptied at any moment of a change, not only between two: the next call of the change notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_loss_in_the_middle_of_a_change_is_noticed() {
    let (_services, address) = one_server();
    let hot = open(single(&address)).await;
    let readers = Readers::start(vec![hot.clone(), hot.clone()]);
    let mut writer = Writer::new(hot.clone());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let emptying = tokio::task::spawn_blocking(move || {
        let mut stopped = stopped;
        let mut count = 0;
        while let Err(tokio::sync::oneshot::error::TryRecvError::Empty) = stopped.try_recv() {
            ask(&address, &["FLUSHDB"]).unwrap();
            count += 1;
            std::thread::sleep(Duration::from_millis(3));
        }
        count
    });
    for _ in 0..1_500 {
        writer.step().await;
    }
    stop.send(()).unwrap();
    let count: u64 = emptying.await.unwrap();
    assert!(count > 10 && writer.begun > 10, "{count} losses, {} of them seen", writer.begun);
    all_is_there(&hot, &mut writer).await;
    readers.stop().await;
}

/// A writer that should be dead goes on writing nonsense under the incarnations that were, beside
/// the one that took over.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_zombie_does_no_harm() {
    let (_services, address) = one_server();
    let hot = open(single(&address)).await;
    let readers = Readers::start(vec![hot.clone(), open(single(&address)).await]);
    let mut old = Writer::new(open(single(&address)).await);
    for _ in 0..20 {
        old.step().await;
    }
    let (incarnation, base) = old.standing().unwrap();
    // The new owner starts from a snapshot, a little behind: its beginning waits until it is there.
    let mut new = Writer::new(hot.clone());
    for _ in 0..30 {
        new.step().await;
    }
    assert_eq!(new.begun, 1, "it began once it had caught up");
    let zombie = open(single(&address)).await;
    for round in 0..300 {
        new.step().await;
        let nonsense = fixtures::session_rows(&name(round % SESSIONS), FIRST + 5 * round, 1);
        let nonsense = SessionRows { partition: PARTITION, ..nonsense };
        zombie.put(incarnation, nonsense).await.unwrap();
        let mut changes = model::change(old.next + round);
        changes.sessions.iter_mut().flat_map(|change| &mut change.rows).for_each(|row| row.offset = 66);
        let applied = zombie.apply(incarnation, base, &changes).await.unwrap();
        assert_eq!(applied, Applied::Lost);
        assert_eq!(zombie.begin(PARTITION, cut(old.next + round % 10)).await.unwrap(), None);
    }
    assert_eq!(new.begun, 1);
    all_is_there(&hot, &mut new).await;
    readers.stop().await;
}

/// A log that was created anew has lower offsets, and figures of the old one are none of it.
#[tokio::test]
async fn another_log_finds_nothing_and_begins_below() {
    let (_services, address) = one_server();
    let first = open(single(&address)).await;
    let incarnation = first.begin(PARTITION, cut(1_000)).await.unwrap().unwrap();
    let session = SessionRows { partition: PARTITION, ..fixtures::session_rows("s", 1_000, 1) };
    first.put(incarnation, session).await.unwrap();
    assert!(look(&first, "s").await.session.is_some());

    let second = Hot::open(single(&address), Chain::A, LogId([1; 16]), 1).await.unwrap();
    assert_eq!(look(&second, "s").await, HotSession::default());
    assert_eq!(second.progress(PARTITION).await.unwrap(), None);
    assert!(second.begin(PARTITION, cut(5)).await.unwrap().is_some());
    assert_eq!(look(&second, "s").await, HotSession { progress: Some(cut(5)), session: None });
    // Whoever still follows the old log is late.
    assert_eq!(first.begin(PARTITION, cut(2_000)).await.unwrap(), None);
    assert_eq!(look(&first, "s").await, HotSession::default());
    // The other chain's Redis may be the same server: its keys are others.
    let other = Hot::open(single(&address), Chain::B, LOG, 0).await.unwrap();
    assert_eq!(other.progress(PARTITION).await.unwrap(), None);
}
