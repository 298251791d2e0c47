//! Bodies into the log, and what can go wrong on the way.

use tandem_storage::EventLog;

use super::*;
use crate::fake::FakeLog;

const PARTITIONS: u32 = 4;
const BEAT: &str = r#"{"type":"beat","beat":5,"ts":5000}"#;

struct Setup {
    log: Arc<FakeLog>,
    ingest: Arc<Ingest>,
}

fn setup() -> Setup {
    let log = Arc::new(FakeLog::new(PARTITIONS));
    Setup { ingest: Arc::new(Ingest::new(log.clone())), log }
}

impl Setup {
    async fn post(&self, body: &str, options: Post) -> Result<Accepted, IngestError> {
        self.ingest.post(Bytes::from(body.to_owned()), options).await
    }

    fn all_lines(&self) -> Vec<String> {
        (0..PARTITIONS).flat_map(|partition| self.log.lines(partition)).collect()
    }
}

fn enter(session: &str, event: &str) -> String {
    format!(r#"{{"event_id":"{event}","type":"enter","ts":1000,"session_id":"{session}","user_id":"u"}}"#)
}

fn keyed(key: &str) -> Post {
    Post { scope: "me".to_owned(), idempotency_key: Some(key.to_owned()), now_ms: 1_000, ..Post::default() }
}

fn replaying() -> Post {
    Post { replay: true, ..Post::default() }
}

fn home(session: &str) -> u32 {
    partition_of(session.as_bytes(), PARTITIONS).0
}

#[tokio::test]
async fn lines_go_to_their_sessions_partitions_in_order_and_in_one_append() {
    let setup = setup();
    let sessions = ["s1", "s2", "s3", "s4", "s5"];
    let lines: Vec<String> = (0..20).map(|index| enter(sessions[index % 5], &format!("e{index}"))).collect();
    let accepted = setup.post(&lines.join("\n"), Post::default()).await.unwrap();
    assert_eq!((accepted.events, accepted.beats, accepted.malformed), (20, 0, 0));
    assert_eq!(setup.log.appends(), 1);
    for partition in 0..PARTITIONS {
        let own = |(index, _): &(usize, &String)| home(sessions[index % 5]) == partition;
        let expected: Vec<String> =
            lines.iter().enumerate().filter(own).map(|(_, line)| line.clone()).collect();
        assert_eq!(setup.log.lines(partition), expected);
        let next = accepted.next.iter().find(|(id, _)| id.0 == partition).map_or(0, |(_, next)| *next);
        assert_eq!(next, expected.len() as u64);
    }
}

#[tokio::test]
async fn line_ends_blank_lines_and_numbers() {
    let setup = setup();
    let (one, two) = (enter("s", "1"), enter("s", "2"));
    let body = format!("\n{one}\r\n\r\n  \t\nbad\n{two}\n\n[1]");
    let accepted = setup.post(&body, Post::default()).await.unwrap();
    assert_eq!((accepted.events, accepted.malformed), (2, 2));
    let lines: Vec<u64> = accepted.errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [5, 8]);
    let kept = setup.all_lines();
    assert!(kept.contains(&one) && kept.contains(&two), "{kept:?}");
    for empty in ["", "\n", "\r\n\n  "] {
        assert_eq!(setup.post(empty, Post::default()).await.unwrap(), Accepted::default());
    }
    assert_eq!(setup.log.appends(), 1);
}

#[tokio::test]
async fn malformed_lines_are_kept_with_reason_beside_the_good_ones() {
    let setup = setup();
    let of_session = r#"{"event_id":"e","type":"enter","ts":-1,"session_id":"s9","user_id":"u"}"#;
    let long = format!("[\"{}\"]", "x".repeat(9_000));
    let body = format!("{of_session}\n{}\n{long}\n{BEAT}", enter("s9", "good"));
    let accepted = setup.post(&body, Post::default()).await.unwrap();
    assert_eq!((accepted.events, accepted.beats, accepted.malformed), (1, 0, 3));

    let first = &accepted.errors[0];
    assert_eq!((first.line, first.field.as_deref(), first.problem), (1, Some("ts"), Problem::NotAnInteger));
    assert!(first.detail.contains("`ts`"), "{}", first.detail);
    assert_eq!(accepted.errors[2].problem, Problem::BeatNotAllowed);

    let at_home = setup.log.records(home("s9"));
    let refusal = at_home[0].malformed.as_ref().unwrap();
    assert_eq!(refusal.reason.session_id.as_ref().unwrap().as_str(), "s9");
    assert_eq!(refusal.line_bytes, of_session.len() as u64);
    assert_eq!(at_home[1].malformed, None);
    let records: Vec<Record> = (0..PARTITIONS).flat_map(|partition| setup.log.records(partition)).collect();
    assert_eq!(records.len(), 4);
    let cut = records.iter().find(|record| record.value.starts_with(b"[")).unwrap();
    assert_eq!((cut.value.len(), cut.malformed.as_ref().unwrap().line_bytes), (4096, long.len() as u64));
}

#[tokio::test]
async fn a_beat_that_is_not_allowed_counts_for_the_session_it_names() {
    let setup = setup();
    let beat = BEAT.replacen('{', r#"{"session_id":"s9","#, 1);
    setup.post(&beat, Post::default()).await.unwrap();
    let refusal = setup.log.records(home("s9"))[0].malformed.clone().unwrap();
    assert_eq!(refusal.reason.problem, Problem::BeatNotAllowed);
    assert_eq!(refusal.reason.session_id.unwrap().as_str(), "s9");
}

#[tokio::test]
async fn many_bad_lines_are_all_counted_and_the_first_hundred_named() {
    let setup = setup();
    let accepted = setup.post(&"x\n".repeat(250), Post::default()).await.unwrap();
    assert_eq!((accepted.malformed, accepted.errors.len()), (250, 100));
    assert_eq!(setup.all_lines().len(), 250);
}

#[tokio::test]
async fn beats_of_a_replay_stand_in_every_partition_among_the_lines() {
    let setup = setup();
    let back = r#"{"type":"beat","beat":4,"ts":4000,"more":1}"#;
    let broken = r#"{"type":"beat","beat":4,"ts":4001}"#;
    let body = [&*enter("s", "1"), BEAT, &enter("s", "2"), back, broken].join("\n");
    let accepted = setup.post(&body, replaying()).await.unwrap();
    assert_eq!((accepted.events, accepted.beats, accepted.malformed), (2, 2, 1));
    assert_eq!(accepted.errors[0].problem, Problem::BadBeat);
    for partition in 0..PARTITIONS {
        assert_eq!(setup.log.beats(partition), [5, 4]);
    }
    let good = |record: &Record| record.malformed.is_none();
    let lines: Vec<Bytes> =
        setup.log.records(home("s")).into_iter().filter(good).map(|record| record.value).collect();
    let expected = [&*enter("s", "1"), BEAT, &enter("s", "2"), r#"{"type":"beat","beat":4,"ts":4000}"#];
    assert_eq!(lines, expected);
    assert_eq!(accepted.next.len(), PARTITIONS as usize);
}

#[tokio::test]
async fn bytes_and_lines_are_limited_and_blank_lines_are_free() {
    let setup = setup();
    let bytes = "\n".repeat(BODY_BYTES_MAX + 1);
    assert!(matches!(setup.post(&bytes, Post::default()).await, Err(IngestError::TooManyBytes)));
    let fits = format!("{}{}", "1\n\n".repeat(LINES_MAX), " \n".repeat(1_000));
    assert_eq!(setup.post(&fits, Post::default()).await.unwrap().malformed, LINES_MAX as u64);
    let lines = format!("{fits}1");
    let before = setup.log.appends();
    let error = setup.post(&lines, Post::default()).await.unwrap_err();
    assert!(matches!(error, IngestError::TooManyLines));
    assert_eq!((error.problem().status, setup.log.appends()), (413, before));
}

#[tokio::test]
async fn a_repeated_body_is_not_appended_again_and_gets_the_same_answer() {
    let setup = setup();
    let body = format!("{}\nbad", enter("s", "1"));
    let mut token = Token::new(setup.log.id());
    token.advance(PartitionId(3), 40);
    let first = setup.post(&body, Post { token: Some(token.clone()), ..keyed("k") }).await.unwrap();
    // As after a restart: only the log is the same.
    let restarted = Setup { log: setup.log.clone(), ingest: Arc::new(Ingest::new(setup.log.clone())) };
    restarted.post(&enter("s", "2"), Post::default()).await.unwrap();
    let again = restarted.post(&body, Post { now_ms: 5_000, ..keyed("k") }).await.unwrap();
    assert!(!first.replayed && again.replayed);
    assert_eq!(Accepted { replayed: false, ..again.clone() }, first);
    assert_eq!(setup.log.appends(), 2);
    let mut joined = Token::new(setup.log.id());
    again.join_into(&mut joined);
    assert_eq!(joined.next[&PartitionId(3)], 40.max(joined.next[&PartitionId(3)]));

    let other_scope = Post { scope: "you".to_owned(), ..keyed("k") };
    assert!(!setup.post(&body, other_scope).await.unwrap().replayed);
}

#[tokio::test]
async fn a_key_with_another_body_is_refused() {
    let setup = setup();
    setup.post(BEAT, keyed("k")).await.unwrap();
    for (body, options) in [("other", keyed("k")), (BEAT, Post { replay: true, ..keyed("k") })] {
        let error = setup.post(body, options).await.unwrap_err();
        assert!(matches!(error, IngestError::KeyReused));
        assert_eq!(error.problem().status, 422);
    }
    // Even an empty body holds its key.
    setup.post("", keyed("empty")).await.unwrap();
    assert!(setup.post("", keyed("empty")).await.unwrap().replayed);
    assert!(matches!(setup.post("x", keyed("empty")).await, Err(IngestError::KeyReused)));
}

#[tokio::test]
async fn after_a_day_a_key_is_new() {
    let setup = setup();
    setup.post("x", keyed("k")).await.unwrap();
    let later = |ms| Post { now_ms: 1_000 + KEPT_MS + ms, ..keyed("k") };
    assert!(setup.post("x", Post { now_ms: KEPT_MS, ..keyed("k") }).await.unwrap().replayed);
    assert!(!setup.post("y", later(0)).await.unwrap().replayed);
    assert!(setup.post("y", later(1)).await.unwrap().replayed);
}

#[tokio::test]
async fn the_same_key_while_the_first_is_under_way_is_a_conflict() {
    let setup = Arc::new(setup());
    setup.log.gate.forget_permits(Semaphore::MAX_PERMITS);
    let first = tokio::spawn({
        let setup = Arc::clone(&setup);
        async move { setup.post("x", keyed("k")).await }
    });
    while setup.ingest.bodies.available_permits() == BODIES_MAX {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    let error = setup.post("x", keyed("k")).await.unwrap_err();
    assert!(matches!(error, IngestError::UnderWay), "{error:?}");
    assert_eq!(error.problem().status, 409);
    // Whoever sent the first hangs up: it goes on all the same, and holds its key until it is done.
    first.abort();
    assert!(matches!(setup.post("x", keyed("k")).await, Err(IngestError::UnderWay)));
    setup.log.gate.add_permits(1);
    let answer = loop {
        match setup.post("x", keyed("k")).await {
            Err(IngestError::UnderWay) => tokio::task::yield_now().await,
            outcome => break outcome.unwrap(),
        }
    };
    assert!(answer.replayed);
    assert_eq!(setup.all_lines(), ["x"]);
}

#[tokio::test]
async fn bodies_at_one_time_are_bounded() {
    let setup = Arc::new(setup());
    setup.log.gate.forget_permits(Semaphore::MAX_PERMITS);
    let posts: Vec<_> = (0..BODIES_MAX)
        .map(|_| {
            let setup = Arc::clone(&setup);
            tokio::spawn(async move { setup.post("x", Post::default()).await })
        })
        .collect();
    while setup.ingest.bodies.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let error = setup.post("x", Post::default()).await.unwrap_err();
    assert!(matches!(error, IngestError::Busy));
    assert_eq!(error.problem().status, 503);
    let counts = setup.ingest.counts();
    assert_eq!((counts.waiting, counts.waiting_max, counts.busy), (BODIES_MAX, BODIES_MAX, 1));
    setup.log.gate.add_permits(BODIES_MAX);
    for post in posts {
        post.await.unwrap().unwrap();
    }
    let counts = setup.ingest.counts();
    assert_eq!((counts.accepted, counts.malformed), (BODIES_MAX as u64, BODIES_MAX as u64));
}

#[tokio::test]
async fn what_became_of_bodies_and_lines_is_counted() {
    let setup = setup();
    let body = format!("{}\n{}\n{BEAT}\nno event", enter("s", "1"), enter("s", "2"));
    setup.post(&body, Post { replay: true, ..keyed("k") }).await.unwrap();
    setup.post(&body, Post { replay: true, ..keyed("k") }).await.unwrap();
    setup.post("other", keyed("k")).await.unwrap_err();
    setup.post(&" ".repeat(BODY_BYTES_MAX + 1), Post::default()).await.unwrap_err();
    setup.log.fail_before_writing(1, StoreError::Unavailable("test".to_owned()));
    setup.post("x", Post::default()).await.unwrap_err();
    let expected = IngestCounts {
        accepted: 1,
        repeated: 1,
        refused: 2,
        failed: 1,
        events: 2,
        suspect: 0,
        beats: 1,
        malformed: 1,
        waiting: 0,
        waiting_max: BODIES_MAX,
        busy: 0,
    };
    assert_eq!(setup.ingest.counts(), expected);
}

#[tokio::test]
async fn an_error_of_the_log_is_looked_into_before_it_is_told() {
    let setup = setup();
    let timeout = || StoreError::Timeout("test".to_owned());
    // Done all the same: with a key that is found out, and the answer is the usual one.
    setup.log.fail_after_writing(1, timeout());
    let accepted = setup.post(&enter("s", "1"), keyed("k")).await.unwrap();
    assert_eq!((accepted.events, accepted.next.len(), accepted.replayed), (1, 1, false));
    // Not done: 503, and the key is free again.
    setup.log.fail_before_writing(1, timeout());
    let error = setup.post("x", keyed("l")).await.unwrap_err();
    assert_eq!(error.problem().status, 503);
    assert!(!setup.post("x", keyed("l")).await.unwrap().replayed);
    // Without a key nothing can be found out.
    setup.log.fail_after_writing(1, timeout());
    assert_eq!(setup.post("y", Post::default()).await.unwrap_err().problem().status, 503);
    // What trying again can't heal is ours.
    setup.log.fail_before_writing(1, StoreError::Damaged("test".to_owned()));
    assert_eq!(setup.post("z", keyed("m")).await.unwrap_err().problem().status, 500);
}

#[tokio::test(start_paused = true)]
async fn a_failed_append_counts_against_being_writable_for_a_while() {
    let setup = setup();
    assert!(setup.ingest.is_writable().await);
    setup.log.fail_before_writing(1, StoreError::Unavailable("test".to_owned()));
    setup.post("x", Post::default()).await.unwrap_err();
    assert!(!setup.ingest.is_writable().await);
    tokio::time::sleep(FAILURE_COUNTS_FOR).await;
    assert!(setup.ingest.is_writable().await);
    setup.log.fail_before_writing(1, StoreError::Unavailable("test".to_owned()));
    setup.post("x", Post::default()).await.unwrap_err();
    setup.post("x", Post::default()).await.unwrap();
    assert!(setup.ingest.is_writable().await);
}

#[tokio::test]
async fn what_is_taken_is_what_the_decoder_takes_whatever_the_size() {
    let setup = setup();
    let lines: Vec<String> = (0..2_000).map(|index| enter("s", &format!("e{index}"))).collect();
    let body = lines.join("\n");
    assert!(body.len() > INLINE_BYTES_MAX);
    assert_eq!(setup.post(&body, Post::default()).await.unwrap().events, 2_000);
    assert_eq!(setup.log.lines(home("s")), lines);
}

#[tokio::test]
async fn events_from_a_doubted_sender_are_marked_and_nothing_else_is() {
    let setup = setup();
    let end = r#"{"event_id":"b","type":"session_end","ts":1000,"session_id":"s"}"#;
    let bad = r#"{"event_id":"c"}"#;
    let doubted = Post { suspect: true, ..Post::default() };
    let body = [&enter("s", "a"), end, bad].join("\n");
    let accepted = setup.post(&body, doubted).await.unwrap();
    assert_eq!((accepted.events, accepted.malformed, accepted.suspect), (2, 1, 1));
    let marked = enter("s", "a").replace('}', r#","suspect":true}"#);
    assert_eq!(setup.log.lines(home("s"))[..2], [marked.as_str(), end]);
    assert_eq!(setup.ingest.counts().suspect, 1);
    assert!(setup.all_lines().iter().any(|line| line == bad));
}
