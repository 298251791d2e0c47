//! What is known of a chain, over stories in microseconds.

use super::End::{Behind, Cancelled, Failed, TimedOut};
use super::*;

const GOOD: End = End::Good { is_hedged: false };

const MS: u64 = 1_000;
const SECOND: u64 = 1_000 * MS;
const BOUNDS: Bounds =
    Bounds { hedge_delay_us_min: 5 * MS, hedge_delay_us_max: 50 * MS, timeout_us: 2 * SECOND };

/// A chain that is asked 100 times a second, with ticks and reports as in life.
struct World {
    health: Health,
    now_us: u64,
    open: Vec<(Ticket, u64, End)>,
}

impl World {
    fn new() -> Self {
        Self { health: Health::new(BOUNDS), now_us: 0, open: Vec::new() }
    }

    /// Asks every 10 ms for so long; each question ends as told, after so long.
    fn run(&mut self, for_ms: u64, after_ms: u64, end: End) -> Option<u64> {
        let begin_us = self.now_us;
        while self.now_us < begin_us + for_ms * MS {
            if self.now_us.is_multiple_of(10 * MS) {
                let ticket = self.health.sent(self.now_us, 0, false);
                self.open.push((ticket, self.now_us + after_ms * MS, end));
            }
            self.step();
            if self.health.is_open() {
                return Some((self.now_us - begin_us) / MS);
            }
        }
        None
    }

    /// One millisecond.
    fn step(&mut self) {
        if self.now_us.is_multiple_of(TICK_US) {
            self.health.tick(self.now_us);
        }
        self.now_us += MS;
        let (ended, open) = self.open.drain(..).partition(|(_, at_us, _)| *at_us <= self.now_us);
        self.open = open;
        let ended: Vec<(Ticket, u64, End)> = ended;
        for (ticket, _, end) in ended {
            self.health.ended(self.now_us, ticket, end);
        }
    }
}

#[test]
fn a_chain_that_stops_answering_trips_within_200_ms() {
    // How long a question goes on after the stop, and how it ends.
    let cases = [
        ("refused", 0, Failed, 60),
        ("never answered, hedges refused", 2_000, TimedOut, 150),
        ("never answered, all hedged and given up on", 51, Cancelled, 150),
    ];
    for (name, after_ms, end, limit_ms) in cases {
        // With and without a known past.
        for healthy_ms in [500, 7_000] {
            let mut world = World::new();
            assert_eq!(world.run(healthy_ms, 2, GOOD), None);
            let tripped_ms = world.run(1_000, after_ms, end);
            assert!(tripped_ms.is_some_and(|ms| ms <= limit_ms), "{name}: {tripped_ms:?}");
        }
    }
}

#[test]
fn a_chain_that_answers_is_left_alone() {
    let mut world = World::new();
    assert_eq!(world.run(20_000, 2, GOOD), None);
    assert_eq!(world.run(20_000, 2, Behind), None);
    // A client with a heavy page or two is no silence, and neither is a quiet hour.
    for _ in 0..4 {
        let ticket = world.health.sent(world.now_us, 0, false);
        world.open.push((ticket, world.now_us + 450 * MS, GOOD));
    }
    (0..60_000).for_each(|_| world.step());
    assert!(!world.health.is_open());
    // Nor are questions with leave to wait.
    let tickets: Vec<Ticket> = (0..50).map(|_| world.health.sent(world.now_us, 300 * MS, false)).collect();
    (0..300).for_each(|_| world.step());
    for ticket in tickets {
        world.health.ended(world.now_us, ticket, Behind);
    }
    assert!(!world.health.is_open());
}

#[test]
fn slowness_trips_when_nearly_everything_is_slow() {
    let mut world = World::new();
    assert_eq!(world.run(7_000, 2, GOOD), None);
    // By itself it says nothing: the questions may have become heavier.
    assert_eq!(world.run(3_000, 20, GOOD), None);
    assert_eq!(world.run(3_000, 20, End::Good { is_hedged: true }), None);
    // Three hedges beat it.
    for _ in 0..3 {
        let ticket = world.health.sent(world.now_us, 0, false);
        world.open.push((ticket, world.now_us + 12 * MS, Cancelled));
    }
    let tripped_ms = world.run(10_000, 20, GOOD);
    assert!(tripped_ms.is_some_and(|ms| ms <= 2_000), "{tripped_ms:?}");
    // Without a past nobody can tell.
    assert_eq!(World::new().run(4_000, 90, GOOD), None);
}

#[test]
fn the_hedge_delay_follows_the_usual_within_its_bounds() {
    for (usual_ms, expected_ms) in [(1, 5..=5), (10, 20..=23), (40, 50..=50)] {
        let mut world = World::new();
        assert_eq!(world.health.hedge_delay_us(), 50 * MS);
        world.run(7_000, usual_ms, GOOD);
        let delay_ms = world.health.hedge_delay_us() / MS;
        assert!(expected_ms.contains(&delay_ms), "{usual_ms}: {delay_ms}");
    }
}

#[test]
fn a_blackhole_is_reported_from_its_beginning_on() {
    let mut world = World::new();
    world.run(1_000, 2, GOOD);
    world.health.take_symptoms(world.now_us);
    world.run(400, 2_000, TimedOut);
    let since_stop_ms = (world.now_us - SECOND) / MS;
    let (answers, is_kept_out) = world.health.take_symptoms(world.now_us);
    assert!(is_kept_out);
    assert_eq!((answers.requests, answers.failures), (answers.failures, answers.consecutive_failures));
    assert!((5..=10).contains(&answers.failures), "{answers:?}");
    assert!((since_stop_ms - 10..=since_stop_ms).contains(&answers.failing_ms), "{answers:?}");
    // Those that were too young then are reported once they are overdue.
    (0..600).for_each(|_| world.step());
    let (answers, _) = world.health.take_symptoms(world.now_us);
    assert!(answers.failures > 0 && answers.consecutive_failures >= 10, "{answers:?}");
    assert!((since_stop_ms + 590..=since_stop_ms + 600).contains(&answers.failing_ms), "{answers:?}");
    // When they time out at last they are not counted again.
    (0..2_000).for_each(|_| world.step());
    let (answers, _) = world.health.take_symptoms(world.now_us);
    assert_eq!((answers.requests, answers.failures), (0, 0));
    assert!(answers.consecutive_failures >= 10);
}

#[test]
fn what_was_given_up_on_in_a_silence_has_failed_after_all() {
    let mut world = World::new();
    world.run(1_000, 2, GOOD);
    world.health.take_symptoms(world.now_us);
    world.run(400, 51, Cancelled);
    let (answers, _) = world.health.take_symptoms(world.now_us);
    assert!(answers.failures >= 5 && answers.failures == answers.requests, "{answers:?}");
    assert!(answers.failing_ms >= (world.now_us - SECOND) / MS - 10, "{answers:?}");
}

#[test]
fn a_pause_ends_the_row_with_the_first_answer() {
    let mut world = World::new();
    world.run(1_000, 2, GOOD);
    let ticket = world.health.sent(world.now_us, 0, false);
    (0..900).for_each(|_| world.step());
    assert_eq!(world.health.take_symptoms(world.now_us).0.consecutive_failures, 1);
    world.health.ended(world.now_us, ticket, GOOD);
    let (answers, _) = world.health.take_symptoms(world.now_us);
    assert_eq!((answers.requests, answers.consecutive_failures, answers.failing_ms), (0, 0, 0));
}

#[test]
fn our_own_pause_blames_nobody() {
    let mut world = World::new();
    world.run(7_000, 2, GOOD);
    world.health.take_symptoms(world.now_us);
    let tickets: Vec<Ticket> = (0..50).map(|_| world.health.sent(world.now_us, 0, false)).collect();
    // Stopped for 3 s: everybody's time is up, and many answers lie in the socket.
    world.now_us += 3 * SECOND;
    for (index, ticket) in tickets.into_iter().enumerate() {
        let end = [GOOD, TimedOut, Cancelled][index % 3];
        world.health.ended(world.now_us, ticket, end);
    }
    assert!(!world.health.is_open());
    let (answers, is_kept_out) = world.health.take_symptoms(world.now_us);
    assert_eq!((answers.failures, answers.consecutive_failures, answers.latency), (0, 0, None));
    assert!(!is_kept_out);
    // What stays silent after the pause counts from its end.
    let tripped_ms = world.run(1_000, 2_000, TimedOut);
    assert!(tripped_ms.is_some_and(|ms| (100..=150).contains(&ms)), "{tripped_ms:?}");
}

#[test]
fn a_hedge_that_was_lost_is_slow_and_one_that_was_not_needed_is_nothing() {
    let mut world = World::new();
    world.run(7_000, 2, GOOD);
    world.health.take_symptoms(world.now_us);
    let soon = world.health.sent(world.now_us, 0, false);
    world.health.ended(world.now_us + MS, soon, Cancelled);
    assert_eq!(world.health.take_symptoms(world.now_us + MS).0, Answers::default());
    let late = world.health.sent(world.now_us + MS, 0, false);
    world.health.ended(world.now_us + 41 * MS, late, Cancelled);
    let (answers, _) = world.health.take_symptoms(world.now_us + 41 * MS);
    assert_eq!((answers.requests, answers.failures), (1, 0));
    assert!(answers.latency.is_some_and(|latency| latency.p50_us >= 40 * MS));
}

#[test]
fn a_chain_that_does_not_keep_up_is_struggling() {
    let mut world = World::new();
    for _ in 0..15 {
        world.health.sent(SECOND, 0, false);
    }
    assert!(!world.health.is_struggling(SECOND + 60 * MS), "few");
    world.health.sent(SECOND, 0, false);
    assert!(!world.health.is_struggling(SECOND + 49 * MS), "young");
    assert!(world.health.is_struggling(SECOND + 60 * MS));
}

#[test]
fn trials_lead_back() {
    let mut world = World::new();
    world.run(200, 0, Failed);
    assert!(world.health.is_open());
    (0..600).for_each(|_| world.step());
    assert!(!world.health.take_symptoms(world.now_us).1, "nothing is kept away: nobody asks");
    for end in [GOOD; 5] {
        assert!(world.health.is_open());
        (0..100).for_each(|_| world.step());
        assert!(world.health.take_trial(world.now_us, false));
        assert!(world.health.take_symptoms(world.now_us).1);
        let ticket = world.health.sent(world.now_us, 0, true);
        (0..3).for_each(|_| world.step());
        world.health.ended(world.now_us, ticket, end);
    }
    assert_eq!(world.health.state(world.now_us), State::Closed);
}
