//! The router against fake chains, in virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use parking_lot::Mutex;
use tokio::time::Instant;
use tower::BoxError;

use super::*;
use crate::admission::AdmissionConfig;
use crate::counters::Counts;
use crate::testing::{Dropped, behind, chain, get, json_of, saying};

/// A chain as these tests want it, and what it was asked.
#[derive(Clone, Default)]
struct Fake {
    asked: Arc<Mutex<Vec<Request<Bytes>>>>,
    /// Questions that were dropped before their answer.
    dropped: Arc<AtomicUsize>,
}

type Said = Result<Answer, BoxError>;

impl Fake {
    /// Says `answer(request)` after `delay_ms(request)`.
    fn chain(
        &self,
        delay_ms: impl Fn(&Request<Bytes>) -> u64 + Clone + Send + Sync + 'static,
        answer: impl Fn(&Request<Bytes>) -> Said + Clone + Send + Sync + 'static,
    ) -> ChainService {
        let fake = self.clone();
        chain(move |request| {
            let (delay_ms, said) = (delay_ms(&request), answer(&request));
            fake.asked.lock().push(request);
            let mut dropped = Dropped::new(&fake.dropped);
            async move {
                tokio::time::sleep(Duration::from_millis(delay_ms)).await;
                dropped.defuse();
                said
            }
        })
    }

    fn after(
        &self,
        delay_ms: u64,
        answer: impl Fn() -> Said + Clone + Send + Sync + 'static,
    ) -> ChainService {
        self.chain(move |_| delay_ms, move |_| answer())
    }

    fn count(&self) -> usize {
        self.asked.lock().len()
    }

    fn header(&self, index: usize, name: &str) -> Option<String> {
        self.asked.lock()[index].headers().get(name).map(|value| value.to_str().unwrap().to_owned())
    }
}

fn text(text: &'static str) -> Said {
    Ok(Response::new(Bytes::from_static(text.as_bytes())))
}

fn status(status: u16) -> Said {
    Ok(Response::builder().status(status).body(Bytes::from_static(b"said by the chain")).unwrap())
}

const HANGS: u64 = u64::MAX / 2;

struct Setup {
    router: Arc<ChainRouter>,
    counters: Arc<Counters>,
    route: watch::Sender<Route>,
    shunned: watch::Sender<Chains<bool>>,
}

fn setup(a: ChainService, b: ChainService) -> Setup {
    setup_with(a, b, |_| {})
}

fn gate(reads_max: usize) -> Arc<Gate> {
    Arc::new(Gate::new(&AdmissionConfig::default(), reads_max))
}

fn setup_with(a: ChainService, b: ChainService, change: impl FnOnce(&mut RouterConfig)) -> Setup {
    let mut config = RouterConfig {
        hedge_delay_min: Duration::from_millis(5),
        hedge_delay: Duration::from_millis(50),
        upstream_timeout: Duration::from_secs(2),
        gate: gate(8),
        standby_percent: 0,
    };
    change(&mut config);
    let route = watch::Sender::new(Route { active: Chain::A, epoch: 7, reason: "test".to_owned() });
    let shunned = watch::Sender::new(Chains::default());
    let counters = Arc::new(Counters::default());
    let router =
        ChainRouter::new(&config, [a, b], route.subscribe(), shunned.subscribe(), Arc::clone(&counters));
    Setup { router: Arc::new(router), counters, route, shunned }
}

impl Setup {
    async fn read(&self, headers: &[(&'static str, &'static str)]) -> (Answer, u64) {
        let mut request = get("/v1/sessions/s/report?metrics=views");
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request.extensions_mut().insert(Caller::operator());
        let begin = Instant::now();
        let answer = self.router.answer(&request.into_parts().0).await;
        (answer, begin.elapsed().as_millis() as u64)
    }

    fn counts(&self) -> Counts {
        self.counters.read()
    }
}

#[tokio::test(start_paused = true)]
async fn the_active_chain_answers_and_hears_what_it_needs() {
    let (a, b) = (Fake::default(), Fake::default());
    let setup = setup(a.after(10, || text("a")), b.after(0, || text("b")));
    let (answer, took_ms) = setup.read(&[("tandem-token", "t"), ("tandem-stale", "1")]).await;
    assert_eq!((answer.body().as_ref(), took_ms), (&b"a"[..], 10));
    assert_eq!(a.header(0, "tandem-route").as_deref(), Some("7:a"));
    assert_eq!(a.header(0, "tandem-token").as_deref(), Some("t"));
    assert_eq!((a.header(0, "tandem-stale"), a.header(0, "tandem-wait-ms")), (None, None));
    assert_eq!(a.asked.lock()[0].uri(), "/v1/sessions/s/report?metrics=views");
    assert_eq!(b.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_route_is_followed() {
    let setup = setup(saying("a"), saying("b"));
    setup.route.send_replace(Route { active: Chain::B, epoch: 8, reason: "test".to_owned() });
    assert_eq!(setup.read(&[]).await.0.body(), "b");
    // Without control the last route stays.
    drop(setup.route);
    let mut request = get("/v1/x");
    request.extensions_mut().insert(Caller::operator());
    assert_eq!(setup.router.answer(&request.into_parts().0).await.body(), "b");
}

/// A wrong answer is worse than none.
#[tokio::test(start_paused = true)]
async fn a_chain_that_was_named_wrong_is_not_asked_whatever_the_route_says() {
    let (a, b) = (Fake::default(), Fake::default());
    let setup = setup(a.after(5, || text("a")), b.after(5, || text("b")));
    setup.shunned.send_replace(Chains { a: true, b: false });
    assert_eq!(setup.read(&[]).await.0.body(), "b");
    assert_eq!(a.count(), 0);
    // An operator may look at it.
    assert_eq!(setup.read(&[("tandem-chain", "a")]).await.0.body(), "a");
    // Both: then the route is all there is.
    setup.shunned.send_replace(Chains { a: true, b: true });
    assert_eq!(setup.read(&[]).await.0.body(), "a");
}

#[tokio::test(start_paused = true)]
async fn nobody_falls_back_to_a_chain_that_was_named_wrong() {
    for broken in [|| status(500), || Err("gone".into())] as [fn() -> Said; 2] {
        let b = Fake::default();
        let setup = setup(Fake::default().after(100, broken), b.after(0, || text("b")));
        setup.shunned.send_replace(Chains { a: false, b: true });
        assert!(setup.read(&[]).await.0.status().is_server_error());
        assert_eq!(b.count(), 0, "neither by a hedge nor after a failure");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_a_chain_that_was_named_meanwhile_is_dropped() {
    let setup = setup(Fake::default().after(30, || text("a")), Fake::default().after(5, || text("b")));
    let naming = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        setup.shunned.send_replace(Chains { a: true, b: false });
    };
    let ((answer, took_ms), ()) = tokio::join!(setup.read(&[]), naming);
    assert_eq!((answer.body().as_ref(), took_ms), (&b"b"[..], 35));
}

#[tokio::test(start_paused = true)]
async fn a_slow_chain_is_hedged_and_the_loser_dropped() {
    let (a, b) = (Fake::default(), Fake::default());
    let setup = setup(a.after(HANGS, || text("a")), b.after(5, || text("b")));
    let (answer, took_ms) = setup.read(&[]).await;
    assert_eq!((answer.body().as_ref(), took_ms), (&b"b"[..], 55));
    assert_eq!(a.dropped.load(Ordering::Relaxed), 1);
    let counts = setup.counts();
    assert_eq!((counts.reads.hedges, counts.reads.hedges_won, counts.chains.a.slow), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_first_chain_may_still_win_against_its_hedge() {
    let (a, b) = (Fake::default(), Fake::default());
    let setup = setup(a.after(70, || text("a")), b.after(HANGS, || text("b")));
    let (answer, took_ms) = setup.read(&[]).await;
    assert_eq!((answer.body().as_ref(), took_ms), (&b"a"[..], 70));
    assert_eq!(b.dropped.load(Ordering::Relaxed), 1);
    assert_eq!(setup.counts().reads.hedges_won, 0);
}

#[tokio::test(start_paused = true)]
async fn a_failure_moves_on_at_once() {
    let failures: [fn() -> Said; 4] =
        [|| Err("gone".into()), || status(500), || status(503), || panic!("a chain of ours")];
    for failure in failures {
        let b = Fake::default();
        let broken = chain(move |_| async move { failure() });
        let setup = setup(broken, b.after(5, || text("b")));
        let (answer, took_ms) = setup.read(&[]).await;
        assert_eq!((answer.body().as_ref(), took_ms), (&b"b"[..], 5));
        let counts = setup.counts();
        assert_eq!((counts.reads.failovers, counts.reads.hedges, counts.chains.a.errors), (1, 0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_hedge_leaves_the_first_chain_its_time() {
    let setup = setup(Fake::default().after(900, || text("a")), Fake::default().after(0, || status(500)));
    let (answer, took_ms) = setup.read(&[]).await;
    assert_eq!((answer.body().as_ref(), took_ms), (&b"a"[..], 900));
}

#[tokio::test(start_paused = true)]
async fn two_hanging_chains_end_in_a_503_in_bounded_time() {
    let (a, b) = (Fake::default(), Fake::default());
    let setup = setup(a.after(HANGS, || text("a")), b.after(HANGS, || text("b")));
    let (answer, took_ms) = setup.read(&[]).await;
    assert_eq!((answer.status().as_u16(), took_ms), (503, 2_050));
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!((a.count(), b.count()), (1, 1));
    assert_eq!((setup.counts().chains.a.timeouts, setup.counts().chains.b.timeouts), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_both_chains_say_is_said_and_nothing_worse() {
    // What a says, what b says, what the client hears.
    let cases: [(u16, u16, u16); 4] = [(500, 500, 500), (503, 503, 503), (500, 503, 503), (502, 500, 503)];
    for (of_a, of_b, expected) in cases {
        let setup = setup(
            Fake::default().after(0, move || status(of_a)),
            Fake::default().after(0, move || status(of_b)),
        );
        assert_eq!(setup.read(&[]).await.0.status(), expected, "{of_a} {of_b}");
    }
    let setup =
        setup(Fake::default().after(0, || status(500)), Fake::default().after(0, || Err("gone".into())));
    assert_eq!(setup.read(&[]).await.0.status(), 503);
}

#[tokio::test(start_paused = true)]
async fn answers_below_500_are_final() {
    for said in [304, 400, 404, 429] {
        let b = Fake::default();
        let setup = setup(Fake::default().after(0, move || status(said)), b.after(0, || text("b")));
        assert_eq!(setup.read(&[("tandem-token", "wrong")]).await.0.status(), said);
        assert_eq!(b.count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn hedges_have_a_budget_and_no_read_is_lost() {
    let (a, b) = (Fake::default(), Fake::default());
    let asked = Arc::clone(&a.asked);
    let every_third_hangs =
        a.chain(move |_| if asked.lock().len() % 3 == 2 { HANGS } else { 1 }, |_| text("a"));
    let setup = setup(every_third_hangs, b.after(1, || text("b")));
    for read in 0..300 {
        let expected = if read % 3 == 2 { "b" } else { "a" };
        assert_eq!(setup.read(&[]).await.0.body(), expected);
    }
    let counts = setup.counts();
    // 10 % of 300, and the ten saved up.
    assert!((39..=40).contains(&counts.reads.hedges), "{counts:?}");
    assert_eq!(counts.reads.hedges + counts.reads.hedges_refused, 100);
    assert_eq!(counts.reads.failovers, counts.reads.hedges_refused);
}

#[tokio::test(start_paused = true)]
async fn a_chain_behind_the_token_is_not_used() {
    let setup = setup(Fake::default().after(0, || Ok(behind())), Fake::default().after(3, || text("b")));
    let (answer, took_ms) = setup.read(&[("tandem-token", "t")]).await;
    assert_eq!((answer.body().as_ref(), took_ms), (&b"b"[..], 3));
    let counts = setup.counts();
    assert_eq!((counts.chains.a.behind, counts.chains.a.errors, counts.reads.waited), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_preparation_is_passed_on_and_no_failure() {
    let prepares = || Ok(problem(&Problem::in_preparation("test")));
    let b = Fake::default();
    let setup = setup(Fake::default().after(3, prepares), b.after(0, || text("b")));
    for _ in 0..20 {
        let (answer, took_ms) = setup.read(&[]).await;
        assert_eq!((answer.status().as_u16(), took_ms), (503, 3));
        assert!(answer.headers().contains_key("retry-after"));
    }
    let counts = setup.counts();
    assert_eq!((counts.chains.a.errors, counts.reads.failovers, b.count()), (0, 0, 0));
}

/// Behind at once, or, with leave to wait, good after `catches_up_ms` if that is within the leave.
fn lagging(fake: &Fake, name: &'static str, catches_up_ms: u64) -> ChainService {
    let wait_ms = |request: &Request<Bytes>| -> u64 {
        request.headers().get("tandem-wait-ms").map_or(0, |value| value.to_str().unwrap().parse().unwrap())
    };
    fake.chain(
        move |request| wait_ms(request).min(catches_up_ms),
        move |request| match request.headers().get("tandem-stale") {
            Some(_) => Ok(Response::builder().header("x-stale", "1").body(Bytes::from(name)).unwrap()),
            None if wait_ms(request) > catches_up_ms => text(name),
            None => Ok(behind()),
        },
    )
}

#[tokio::test(start_paused = true)]
async fn when_both_are_behind_the_first_to_catch_up_answers() {
    let (a, b) = (Fake::default(), Fake::default());
    let setup = setup(lagging(&a, "a", 250), lagging(&b, "b", 120));
    let (answer, took_ms) = setup.read(&[("tandem-token", "t")]).await;
    assert_eq!((answer.body().as_ref(), took_ms), (&b"b"[..], 120));
    assert_eq!(a.header(1, "tandem-wait-ms").as_deref(), Some("300"));
    assert_eq!(a.dropped.load(Ordering::Relaxed), 1);
    assert_eq!((setup.counts().reads.waited, setup.counts().reads.stale), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn when_nobody_catches_up_the_active_chain_answers_with_what_it_has() {
    let (a, b) = (Fake::default(), Fake::default());
    let setup = setup(lagging(&a, "a", HANGS), lagging(&b, "b", HANGS));
    let (answer, took_ms) = setup.read(&[("tandem-token", "t")]).await;
    assert_eq!((answer.body().as_ref(), took_ms), (&b"a"[..], 300));
    assert_eq!(answer.headers()["x-stale"], "1");
    assert_eq!(a.header(2, "tandem-token").as_deref(), Some("t"));
    assert_eq!((a.count(), b.count(), setup.counts().reads.stale), (3, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn who_prefers_fresh_gets_a_503_that_says_so() {
    let setup = setup(lagging(&Fake::default(), "a", HANGS), lagging(&Fake::default(), "b", HANGS));
    let (answer, took_ms) = setup.read(&[("tandem-token", "t"), ("prefer", "fresh")]).await;
    assert_eq!((answer.status().as_u16(), took_ms), (503, 300));
    assert_eq!(json_of(&answer)["type"], "urn:tandem:problem:behind-token");
    assert!(answer.headers().contains_key("retry-after"));
}

#[tokio::test(start_paused = true)]
async fn with_one_chain_down_the_other_is_waited_for_and_then_taken_as_it_is() {
    let b = Fake::default();
    let setup = setup(Fake::default().after(0, || Err("gone".into())), lagging(&b, "b", HANGS));
    let (answer, took_ms) = setup.read(&[("tandem-token", "t")]).await;
    assert_eq!((answer.body().as_ref(), took_ms), (&b"b"[..], 300));
    assert_eq!(answer.headers()["x-stale"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_chain_asked_for_by_name_is_the_only_one_asked() {
    let (a, b) = (Fake::default(), Fake::default());
    let slow = setup(a.after(0, || text("a")), b.after(9_000, || text("b")));
    let (answer, took_ms) = slow.read(&[("tandem-chain", "b")]).await;
    assert_eq!((answer.body().as_ref(), took_ms), (&b"b"[..], 9_000));
    assert_eq!((a.count(), slow.counts().reads.hedges), (0, 0));
    assert_eq!(b.header(0, "tandem-chain"), None);

    let failing = setup(a.after(0, || text("a")), b.after(0, || status(500)));
    let (answer, _) = failing.read(&[("tandem-chain", "b")]).await;
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (500, &b"said by the chain"[..]));

    let behind = setup(a.after(0, || text("a")), lagging(&b, "b", HANGS));
    let (answer, took_ms) = behind.read(&[("tandem-chain", "b"), ("tandem-token", "t")]).await;
    assert_eq!((answer.headers()["x-stale"].as_bytes(), took_ms), (&b"1"[..], 300));
    assert_eq!(a.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn naming_a_chain_is_checked() {
    let setup = setup(saying("a"), saying("b"));
    for value in ["c", "A", "", "ab"] {
        let (answer, _) = setup.read(&[("tandem-chain", value)]).await;
        assert_eq!(answer.status(), 400, "{value}");
    }
    assert_eq!(setup.read(&[("tandem-chain", "a"), ("tandem-chain", "a")]).await.0.status(), 400);
    assert_eq!(setup.read(&[("tandem-token", "x"), ("tandem-token", "y")]).await.0.status(), 400);
    let mut request = get("/v1/docs");
    request.headers_mut().insert("tandem-chain", HeaderValue::from_static("a"));
    assert_eq!(setup.router.answer(&request.into_parts().0).await.status(), 403);
}

#[tokio::test(start_paused = true)]
async fn one_read_too_many_is_answered_at_once() {
    let setup = setup(Fake::default().after(HANGS, || text("a")), Fake::default().after(HANGS, || text("b")));
    let reads = futures::future::join_all((0..9).map(|_| setup.read(&[])));
    let answers = reads.await;
    let at_once = answers.iter().filter(|(_, took_ms)| *took_ms == 0).count();
    assert_eq!(at_once, 1);
    assert!(answers.iter().all(|(answer, _)| answer.status() == 503));
}

mod scope;
mod trouble;
