//! Through the whole stack, in paused time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use http::{Method, Response};
use tandem_admission::{Class, Reason};
use tokio::time::Instant;

use super::*;
use crate::ChainService;
use crate::config::{ClockMode, GatewayConfig};
use crate::testing::{Dropped, KEY, World, chain, saying, tenant_key, tenant_keys};

/// What a chain was told of the time that is left, and how much of its work was dropped.
#[derive(Clone, Default)]
struct Slow {
    told_ms: Arc<parking_lot::Mutex<Vec<u64>>>,
    dropped: Arc<AtomicUsize>,
}

impl Slow {
    /// A chain that takes so long; of sessions whose name begins with `live` it says that they are.
    fn chain(&self, takes: Duration) -> ChainService {
        let slow = self.clone();
        chain(move |request| {
            let told = request.headers().get("tandem-timeout-ms").expect("it is always told");
            slow.told_ms.lock().push(told.to_str().unwrap().parse().unwrap());
            let mut dropped = Dropped::new(&slow.dropped);
            let state = if request.uri().path().starts_with("/v1/sessions/live") { "live" } else { "final" };
            async move {
                tokio::time::sleep(takes).await;
                dropped.defuse();
                let answer = Response::builder().header("tandem-state", state);
                Ok(answer.body(bytes::Bytes::from_static(b"figures")).unwrap())
            }
        })
    }
}

/// A gateway with one place, where only chain a is slow enough to matter.
fn world(limit: usize, takes: Duration) -> (World, Slow) {
    let slow = Slow::default();
    let admission = AdmissionConfig { limit_initial: limit, limit_min: limit, ..AdmissionConfig::default() };
    let config = GatewayConfig {
        admission,
        standby_percent: 0,
        hedge_delay: Duration::from_secs(60),
        hedge_delay_min: Duration::from_secs(60),
        ..GatewayConfig::new(KEY)
    };
    let world = World::with(config, [slow.chain(takes), saying("b")], ClockMode::Live);
    world.gateway.use_keys(tenant_keys());
    (world, slow)
}

async fn read(world: &World, path: &str) -> Answer {
    let bearer = format!("Bearer {}", tenant_key("read").to_text());
    as_caller(world, path, &bearer, &[]).await
}

async fn as_caller(world: &World, path: &str, bearer: &str, more: &[(&'static str, &str)]) -> Answer {
    let mut request = crate::testing::get(path);
    request.headers_mut().insert("authorization", HeaderValue::try_from(bearer).unwrap());
    for (name, value) in more {
        request.headers_mut().append(*name, HeaderValue::try_from(*value).unwrap());
    }
    world.send(request).await
}

fn shed_of(world: &World, class: Class) -> u64 {
    world.gateway.admission().door.shed[class as usize].iter().sum()
}

#[tokio::test(start_paused = true)]
async fn without_room_one_waits_a_moment_and_is_told_when_to_come_back() {
    let (world, slow) = world(1, Duration::from_secs(1));
    let timed = async |path: &'static str| {
        let begin = Instant::now();
        let answer = read(&world, path).await;
        (answer, begin.elapsed().as_millis())
    };
    let ((first, _), (second, took_ms)) = tokio::join!(timed("/v1/sessions/s1"), timed("/v1/sessions/s2"));
    assert_eq!(first.status(), 200);
    assert_eq!((second.status().as_u16(), took_ms), (503, 20), "a burst may wait so long");
    assert_eq!(second.headers()["content-type"], "application/problem+json");
    let retry_after_s: u64 = second.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=4).contains(&retry_after_s));
    assert_eq!(slow.told_ms.lock().len(), 1, "it cost nothing behind the gateway");
    let counts = world.gateway.admission().door;
    assert_eq!(counts.shed[Class::Ordinary as usize][Reason::Late as usize], 1);
    assert_eq!((counts.in_flight, counts.waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn screens_of_sessions_on_air_go_first_and_operators_always_pass() {
    let (world, _) = world(1, Duration::from_millis(15));
    // What is on air is learnt from an answer, by whoever may read it.
    assert_eq!(read(&world, "/v1/sessions/live1/report").await.status(), 200);
    assert_eq!(world.gateway.admission().door.admitted, [0, 0, 1, 0, 0]);
    let answer = read(&world, "/v1/sessions/live1/report?metrics=views").await;
    assert_eq!(world.gateway.admission().door.admitted, [0, 1, 1, 0, 0]);
    assert!(!answer.headers().contains_key("tandem-state"), "that is between us");
    read(&world, "/v1/sessions/old/report").await;
    read(&world, "/v1/sessions/old/report?metrics=views").await;
    assert_eq!(world.gateway.admission().door.admitted, [0, 1, 3, 0, 0]);
    // One is under way; of those who wait the screen is let in, whoever came first, and the rest are late.
    let paths = ["/v1/sessions/x", "/v1/sessions/y", "/v1/sessions/live1/trend", "/v1/export/dws_total"];
    let operator = format!("Bearer {KEY}");
    let (answers, operators) = tokio::join!(
        join_all(paths.map(|path| read(&world, path))),
        as_caller(&world, "/v1/sessions/z", &operator, &[])
    );
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses, [200, 503, 200, 503]);
    assert_eq!(operators.status(), 200);
    assert_eq!((shed_of(&world, Class::Ordinary), shed_of(&world, Class::Export)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_seat_at_a_question_under_way_is_nobodys_to_refuse() {
    let (world, slow) = world(1, Duration::from_secs(1));
    let many = join_all((0..50).map(|_| read(&world, "/v1/sessions/live1/report")));
    assert!(many.await.iter().all(|answer| answer.status() == 200));
    assert_eq!(slow.told_ms.lock().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn those_who_are_told_the_same_do_not_come_back_together() {
    let (world, _) = world(1, Duration::from_secs(1));
    let asking = join_all((0..200).map(|_| read(&world, "/v1/sessions/s2")));
    let (_, answers) = tokio::join!(read(&world, "/v1/sessions/s1"), asking);
    let mut after: Vec<_> = answers.iter().map(|answer| answer.headers()["retry-after"].clone()).collect();
    after.sort();
    after.dedup();
    assert_eq!(after.len(), 4, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_passed_down_kept_and_ends_the_work() {
    let (world, slow) = world(8, Duration::from_secs(1));
    let begin = Instant::now();
    let bearer = format!("Bearer {}", tenant_key("read").to_text());
    let answer = as_caller(&world, "/v1/log/0", &bearer, &[("tandem-timeout-ms", "300")]).await;
    assert_eq!((answer.status().as_u16(), begin.elapsed().as_millis()), (504, 300));
    assert_eq!(crate::testing::json_of(&answer)["type"], "urn:tandem:problem:deadline-passed");
    assert_eq!(*slow.told_ms.lock(), [300]);
    assert_eq!(slow.dropped.load(Ordering::Relaxed), 1, "nobody works on for nobody");
    assert_eq!(world.gateway.admission().deadlines_expired, 1);
    assert_eq!(world.gateway.admission().door.in_flight, 0);
    // A question that others share has its own time, and goes on for them.
    let impatient = [("tandem-timeout-ms", "300")];
    let (short, long) = tokio::join!(
        as_caller(&world, "/v1/sessions/s1", &bearer, &impatient),
        as_caller(&world, "/v1/sessions/s1", &bearer, &[])
    );
    assert_eq!((short.status().as_u16(), long.status().as_u16()), (504, 200));
    assert_eq!(*slow.told_ms.lock(), [300, 2_000]);
    let refused = as_caller(&world, "/v1/sessions", &bearer, &[("tandem-timeout-ms", "soon")]).await;
    assert_eq!(refused.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn the_second_chain_has_what_the_first_has_left() {
    let told = Slow::default();
    let failing = chain(|_| async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        Err("gone".into())
    });
    let config = GatewayConfig {
        standby_percent: 0,
        hedge_delay: Duration::from_secs(60),
        hedge_delay_min: Duration::from_secs(60),
        ..GatewayConfig::new(KEY)
    };
    let world = World::with(config, [failing, told.chain(Duration::from_millis(10))], ClockMode::Live);
    let answer = world.ask(Method::GET, "/v1/log/0", &[("tandem-timeout-ms", "1000")]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(*told.told_ms.lock(), [600]);
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_while_waiting_leaves_no_trace() {
    let (world, _) = world(1, Duration::from_millis(500));
    let gate = Arc::clone(&world.shared.gate);
    let priority = Priority { class: Class::Live, tenant: 1, deadline: None };
    let Ok(permit) = gate.enter(priority).await else { panic!("there is room") };
    let waiting = tokio::spawn({
        let gate = Arc::clone(&gate);
        async move { gate.enter(priority).await.is_ok() }
    });
    tokio::task::yield_now().await;
    assert_eq!(gate.counts().0.waiting, 1);
    waiting.abort();
    assert!(waiting.await.is_err());
    assert_eq!(gate.counts().0.waiting, 0);
    // Nor does one who is let in just as he goes.
    let entering = gate.enter(priority);
    let mut entering = Box::pin(entering);
    assert!(futures::poll!(&mut entering).is_pending());
    drop(permit);
    assert_eq!(gate.counts().0.in_flight, 1);
    drop(entering);
    assert_eq!((gate.counts().0.in_flight, gate.counts().0.waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn switched_off_only_the_cap_holds() {
    let slow = Slow::default();
    let admission =
        AdmissionConfig { is_enabled: false, limit_initial: 1, limit_min: 1, ..Default::default() };
    let config = GatewayConfig { admission, reads_max: 8, standby_percent: 0, ..GatewayConfig::new(KEY) };
    let chains = [slow.chain(Duration::from_millis(30)), slow.chain(Duration::from_millis(30))];
    let world = World::with(config, chains, ClockMode::Live);
    let paths: Vec<String> = (0..9).map(|index| format!("/v1/sessions/s{index}")).collect();
    let answers = join_all(paths.iter().map(|path| world.ask(Method::GET, path, &[]))).await;
    let good = answers.iter().filter(|answer| answer.status() == 200).count();
    assert_eq!((good, shed_of(&world, Class::Operator)), (8, 1));
}
