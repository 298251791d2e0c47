//! Chains in trouble: the breaker at work, the standby's share, learnt routes, symptoms.

use std::sync::atomic::AtomicU8;

use futures::future::join_all;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_model::route::Signpost;
use tokio::task::JoinHandle;

use super::*;

/// What a [`Mood`]y chain does.
const WELL: u8 = 0;
const REFUSES: u8 = 1;
const HANGING: u8 = 2;
const SLOW: u8 = 3;

/// A chain whose ways can be changed: well (2 ms), refusing at once, hanging for ever, or slow
/// (30 ms).
#[derive(Clone, Default)]
struct Mood {
    fake: Fake,
    mood: Arc<AtomicU8>,
}

impl Mood {
    fn set(&self, mood: u8) {
        self.mood.store(mood, Ordering::Relaxed);
    }

    fn chain(&self, name: &'static str) -> ChainService {
        let (for_delay, for_answer) = (Arc::clone(&self.mood), Arc::clone(&self.mood));
        self.fake.chain(
            move |_| [2, 0, HANGS, 30][usize::from(for_delay.load(Ordering::Relaxed))],
            move |_| if for_answer.load(Ordering::Relaxed) == REFUSES { status(503) } else { text(name) },
        )
    }
}

struct World {
    setup: Arc<Setup>,
    a: Mood,
    b: Mood,
    ticking: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut RouterConfig)) -> Self {
        let (a, b) = (Mood::default(), Mood::default());
        let setup = Arc::new(setup_with(a.chain("a"), b.chain("b"), |config| {
            config.gate = gate(4_096);
            change(config);
        }));
        let router = Arc::clone(&setup.router);
        let ticking = tokio::spawn(async move { match router.watch().await {} });
        Self { setup, a, b, ticking }
    }

    /// So many reads, one every 10 ms, each on its own; what each was answered and how long it took.
    async fn reads(&self, count: usize) -> Vec<(Answer, u64)> {
        let mut reads = Vec::new();
        for _ in 0..count {
            let setup = Arc::clone(&self.setup);
            reads.push(tokio::spawn(async move { setup.read(&[]).await }));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        join_all(reads).await.into_iter().map(Result::unwrap).collect()
    }

    fn breakers(&self) -> [BreakerState; 2] {
        self.setup.router.views().map(|view| view.breaker)
    }
}

fn all_say(answers: &[(Answer, u64)], expected: &str) -> bool {
    answers.iter().all(|(answer, _)| answer.body() == expected)
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_stops_answering_is_left_within_200_ms() {
    use BreakerState::{Closed, Open};
    for trouble in [HANGING, REFUSES] {
        let world = World::new();
        assert!(all_say(&world.reads(700).await, "a"));
        world.a.set(trouble);
        let answers = world.reads(40).await;
        assert!(all_say(&answers, "b"), "no read is lost");
        let slowest_ms = answers.iter().map(|(_, took_ms)| *took_ms).max();
        assert!(slowest_ms <= Some(210), "{slowest_ms:?}");
        assert!(answers[20..].iter().all(|(_, took_ms)| *took_ms == 2), "after 200 ms nobody waits");
        assert_eq!(world.breakers(), [Open, Closed]);
        let counts = world.setup.counts();
        assert_eq!(counts.chains.a.trips, 1);
        assert!(counts.reads.rerouted >= 20 && counts.reads.unavailable == 0, "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_becomes_slow_is_left_if_the_other_is_not() {
    let world = World::new();
    world.reads(700).await;
    world.a.set(SLOW);
    let answers = world.reads(300).await;
    assert!(all_say(&answers[250..], "b"));
    assert_eq!(world.setup.counts().chains.a.trips, 1);
    // When the other one is as slow, nothing is gained by leaving.
    let world = World::new();
    world.reads(700).await;
    world.a.set(SLOW);
    world.b.set(SLOW);
    let answers = world.reads(300).await;
    assert!(answers.iter().all(|(_, took_ms)| *took_ms <= 30));
    let counts = world.setup.counts();
    assert_eq!((counts.chains.a.trips, counts.chains.b.trips), (0, 0));
    assert!(counts.reads.hedges <= 10 + 100, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn reads_that_wait_on_a_chain_are_moved_when_it_trips() {
    let world = World::new();
    world.a.set(HANGING);
    // All at once: there are hedges for ten of them.
    let reads = join_all((0..100).map(|_| world.setup.read(&[]))).await;
    assert!(all_say(&reads, "b"));
    assert!(reads.iter().all(|(_, took_ms)| *took_ms <= 200));
    let counts = world.setup.counts().reads;
    assert_eq!((counts.hedges + counts.moved, counts.failovers), (100, 0));
    assert!(counts.moved >= 80, "{counts:?}");
    assert_eq!(world.a.fake.dropped.load(Ordering::Relaxed), 100, "the losers are stopped");
}

#[tokio::test(start_paused = true)]
async fn a_chain_comes_back_slowly_by_trials_that_no_client_sees() {
    let world = World::new();
    world.a.set(REFUSES);
    world.reads(20).await;
    world.a.set(WELL);
    let answers = world.reads(200).await;
    let back = answers.iter().position(|(answer, _)| answer.body() == "a").unwrap();
    // Half a second of pause from the trip on, and five trials.
    assert!((60..=130).contains(&back), "{back}");
    assert!(all_say(&answers[back..], "a"));
    assert!(answers.iter().all(|(_, took_ms)| *took_ms == 2));
    assert_eq!(world.setup.counts().reads.copies, 5);
}

#[tokio::test(start_paused = true)]
async fn both_in_trouble_the_route_is_followed_and_the_first_to_recover_serves() {
    use BreakerState::Closed;
    let world = World::new();
    world.b.set(REFUSES);
    world.a.set(REFUSES);
    let answers = world.reads(50).await;
    assert!(answers.iter().all(|(answer, _)| answer.status() == 503));
    assert!(!world.breakers().contains(&Closed));
    // The route's chain answers again: at once, for it is still asked.
    world.a.set(WELL);
    assert!(all_say(&world.reads(1).await, "a"));
    // Hanging where it refused: the other one is tried soon, however often that failed before.
    world.a.set(HANGING);
    world.reads(3_000).await;
    world.b.set(WELL);
    let answers = world.reads(300).await;
    // Who waits on the hanging one when the other is found to be well is moved.
    assert!(answers.iter().all(|(answer, took_ms)| answer.body() == "b" && *took_ms <= 1_300));
    assert!(answers[150..].iter().all(|(_, took_ms)| *took_ms == 2));
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_cannot_take_more_is_not_flooded() {
    let world = World::new();
    world.a.set(REFUSES);
    world.b.set(HANGING);
    let read = |count: usize| (0..count).map(|_| world.setup.read(&[])).collect::<Vec<_>>();
    let first = read(100);
    let second = async {
        // By now both are known to be in trouble.
        tokio::time::sleep(Duration::from_millis(160)).await;
        join_all(read(300)).await
    };
    let (first, second) = futures::join!(join_all(first), second);
    assert!(first.iter().chain(&second).all(|(answer, _)| answer.status() == 503));
    let to_b = world.b.fake.count();
    assert!(to_b <= 100 + 16 + 2, "{to_b}");
    assert!(world.setup.counts().reads.failovers_refused >= 280);
}

#[tokio::test(start_paused = true)]
async fn an_operator_may_ask_a_chain_in_trouble_and_says_nothing_by_it() {
    let world = World::new();
    world.a.set(REFUSES);
    for _ in 0..20 {
        assert_eq!(world.setup.read(&[("tandem-chain", "a")]).await.0.status(), 503);
    }
    assert_eq!(world.breakers(), [BreakerState::Closed; 2]);
    world.reads(20).await;
    let asked = world.a.fake.count();
    assert_eq!(world.setup.read(&[("tandem-chain", "a")]).await.0.body().as_ref(), b"said by the chain");
    assert_eq!(world.a.fake.count(), asked + 1);
}

#[tokio::test(start_paused = true)]
async fn behind_the_token_is_no_trouble() {
    let setup = setup(Fake::default().after(0, || Ok(behind())), Fake::default().after(1, || text("b")));
    for _ in 0..100 {
        assert_eq!(setup.read(&[("tandem-token", "t")]).await.0.body(), "b");
    }
    assert_eq!(setup.router.views()[0].breaker, BreakerState::Closed);
    assert_eq!(setup.router.symptoms("g")[0].answers.failures, 0);
}

#[tokio::test(start_paused = true)]
async fn the_standby_gets_its_share_and_nobody_waits_for_it() {
    let world = World::with(|config| config.standby_percent = 10);
    assert!(all_say(&world.reads(200).await, "a"));
    assert_eq!((world.a.fake.count(), world.b.fake.count()), (200, 20));
    assert_eq!(world.b.fake.header(0, "tandem-route").as_deref(), Some("7:a"));
    let symptoms = world.setup.router.symptoms("g");
    assert_eq!((symptoms[0].answers.requests, symptoms[1].answers.requests), (200, 20));
    // With a token, of which the copy knows nothing.
    for _ in 0..10 {
        world.setup.read(&[("tandem-token", "t")]).await;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(world.b.fake.header(20, "tandem-token"), None);
    // A standby that hangs costs nobody anything, and soon gets trials only.
    world.b.set(HANGING);
    let answers = world.reads(1_000).await;
    assert!(answers.iter().all(|(answer, took_ms)| answer.body() == "a" && *took_ms == 2));
    assert_eq!(world.breakers()[0], BreakerState::Closed);
    assert_ne!(world.breakers()[1], BreakerState::Closed);
    let before = world.b.fake.count();
    world.reads(1_000).await;
    assert!(world.b.fake.count() - before <= 3, "{}", world.b.fake.count() - before);
}

#[tokio::test(start_paused = true)]
async fn healthy_chains_see_few_hedges() {
    for seed in 0..4 {
        let latency_ms = |mut random: SmallRng| {
            let random = Arc::new(Mutex::new(move || match random.random_range(0..1_000) {
                0..900 => random.random_range(1..4),
                900..990 => random.random_range(4..12),
                990..999 => random.random_range(12..30),
                _ => random.random_range(30..400),
            }));
            move |_: &Request<Bytes>| (random.lock())()
        };
        let random = SmallRng::seed_from_u64(seed);
        let (a, b) = (Fake::default(), Fake::default());
        let setup = setup(
            a.chain(latency_ms(random.clone()), |_| text("a")),
            b.chain(latency_ms(random), |_| text("b")),
        );
        for _ in 0..5_000 {
            assert_eq!(setup.read(&[]).await.0.status(), 200);
        }
        let counts = setup.counts();
        assert!(counts.reads.hedges * 100 <= counts.reads.requests * 3, "seed {seed}: {counts:?}");
        assert_eq!((counts.chains.a.trips, counts.chains.b.trips), (0, 0), "seed {seed}");
        let delay_us = setup.router.views()[0].hedge_delay_us;
        assert!((10_000..50_000).contains(&delay_us), "seed {seed}: {delay_us}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_route_whichever_chain_answers_serves() {
    let world = World::new();
    world.setup.route.send_replace(Route { active: Chain::A, epoch: 0, reason: "none known".to_owned() });
    assert!(all_say(&world.reads(10).await, "a"));
    assert_eq!(world.a.fake.header(0, "tandem-route"), None);
    for trouble in [REFUSES, HANGING] {
        world.a.set(trouble);
        assert!(all_say(&world.reads(100).await, "b"));
    }
}

fn named(text: &'static str, route: impl Into<Option<&'static str>>) -> Said {
    let mut answer = Answer::new(Bytes::from_static(text.as_bytes()));
    if let Some(route) = route.into() {
        answer.headers_mut().insert("tandem-route", HeaderValue::from_static(route));
    }
    Ok(answer)
}

#[tokio::test(start_paused = true)]
async fn a_newer_route_is_learnt_from_an_answer() {
    let (a, b) = (Fake::default(), Fake::default());
    let setup = setup(a.after(0, || named("a", "8:b")), b.after(0, || named("b", "6:a")));
    let (answer, _) = setup.read(&[]).await;
    assert_eq!(answer.body(), "a");
    assert!(!answer.headers().contains_key("tandem-route"), "clients don't get it");
    let (answer, _) = setup.read(&[]).await;
    assert_eq!(answer.body(), "b");
    assert_eq!(b.header(0, "tandem-route").as_deref(), Some("8:b"));
    assert_eq!((setup.router.route().epoch, setup.router.route_source()), (8, RouteSource::Answers));
    assert_eq!(setup.counts().reads.routes_learnt, 1);
    // Control has the last word.
    setup.route.send_replace(Route { active: Chain::A, epoch: 9, reason: "test".to_owned() });
    assert_eq!(setup.read(&[]).await.0.body(), "a");
    assert_eq!(setup.router.route_source(), RouteSource::Control);
}

#[tokio::test(start_paused = true)]
async fn neither_clients_nor_nonsense_make_a_route() {
    let nonsense = ["9007199254740991:b", "9:c", "9", "-9:b", "b:9", "99999999999999999999:b"];
    for text in nonsense {
        let a = Fake::default();
        let setup = setup(a.after(0, move || named("a", text)), saying("b"));
        for _ in 0..2 {
            assert_eq!(setup.read(&[("tandem-route", "8:b")]).await.0.body(), "a", "{text}");
        }
        assert_eq!(a.header(1, "tandem-route").as_deref(), Some("7:a"));
        assert_eq!(setup.router.newest.heading().signpost(), Some(Signpost { active: Chain::A, epoch: 7 }));
    }
}

#[tokio::test(start_paused = true)]
async fn symptoms_say_what_the_reads_met() {
    let world = World::new();
    world.reads(700).await;
    let symptoms = world.setup.router.symptoms("gateway-1");
    assert_eq!((symptoms[0].observer.as_str(), symptoms[0].chain), ("gateway-1", Chain::A));
    assert_eq!((symptoms[0].answers.requests, symptoms[1].answers.requests), (700, 0));
    let latency = symptoms[0].answers.latency.unwrap();
    assert!((2_000..4_000).contains(&latency.usual_p99_us), "{latency:?}");
    world.a.set(HANGING);
    world.reads(130).await;
    let [a, b] = &world.setup.router.symptoms("gateway-1")[..] else { panic!() };
    assert!(a.is_breaker_open && !b.is_breaker_open);
    assert!(a.answers.consecutive_failures >= 5 && a.answers.failures >= 5, "{a:?}");
    assert!((1_200..=1_310).contains(&a.answers.failing_ms), "{a:?}");
    assert_eq!((b.answers.failures, b.answers.consecutive_failures), (0, 0));
    // It goes on: the row is ended by the first trial that is answered.
    world.a.set(WELL);
    world.reads(300).await;
    let a = &world.setup.router.symptoms("gateway-1")[0];
    assert_eq!((a.answers.consecutive_failures, a.is_breaker_open), (0, false));
}
