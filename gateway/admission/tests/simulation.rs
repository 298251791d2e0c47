//! A model of what stands behind the door, in virtual time: some workers with a queue of their own in
//! front of them, whose number and speed change, and more asked of them than they can do. Every run
//! comes from a seed, and is the same each time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_admission::{Arrival, Class, Door, DoorSettings, End, LimitSettings, Pass, WaiterId};

const SECOND_US: u64 = 1_000_000;

/// What is asked and what can be done, from some moment on.
#[derive(Clone, Copy)]
struct Weather {
    from_s: u64,
    workers: usize,
    /// Mean work of one read, in microseconds.
    work_us: f64,
    /// Asked per second.
    rate: f64,
}

impl Weather {
    fn capacity(&self) -> f64 {
        self.workers as f64 * 1e6 / self.work_us
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Done(u64),
    GiveUp(WaiterId),
    Arrive,
}

#[derive(Clone, Copy)]
struct Read {
    arrived_us: u64,
    class: Class,
    tenant: u64,
}

/// What one second was like.
#[derive(Clone, Debug, Default)]
struct Second {
    done: u64,
    /// From coming to the answer, of all that were answered, in microseconds.
    times_us: Vec<u64>,
    limits: Vec<usize>,
    by_class: [(u64, u64); 5],
    by_tenant: HashMap<u64, u64>,
}

impl Second {
    fn quantile_us(&mut self, part: f64) -> u64 {
        self.times_us.sort_unstable();
        let index = (self.times_us.len() as f64 * part) as usize;
        self.times_us.get(index.min(self.times_us.len().saturating_sub(1))).copied().unwrap_or(0)
    }
}

struct World {
    door: Door,
    weather: Vec<Weather>,
    random: SmallRng,
    /// Draws the work of one read, as a part of the mean.
    spread: fn(&mut SmallRng) -> f64,
    who: fn(&mut SmallRng) -> (Class, u64),
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    number: u64,
    now_us: u64,
    working: HashMap<u64, (Read, Pass)>,
    queued: VecDeque<u64>,
    busy: usize,
    waiting: HashMap<WaiterId, Read>,
    wait_us_max: u64,
    seconds: Vec<Second>,
}

fn exponential(random: &mut SmallRng) -> f64 {
    -random.random_range(f64::EPSILON..1.0_f64).ln()
}

/// Most are quick, one in twenty takes ten times as long: reports among comparisons.
fn mixed(random: &mut SmallRng) -> f64 {
    let scale = if random.random_bool(0.05) { 10.0 } else { 1.0 };
    scale / 1.45 * random.random_range(0.7..1.3)
}

fn everybody_alike(random: &mut SmallRng) -> (Class, u64) {
    (Class::Ordinary, random.random())
}

fn settings(initial: usize, min: usize) -> DoorSettings {
    DoorSettings {
        limit: LimitSettings { initial, min, max: 4_096, is_adaptive: true },
        burst_wait_us: 20_000,
        wait_us: 4_000,
    }
}

impl World {
    fn new(seed: u64, settings: DoorSettings, weather: &[Weather]) -> Self {
        settings.check().expect("the settings are good");
        Self {
            door: Door::new(settings),
            weather: weather.to_vec(),
            random: SmallRng::seed_from_u64(seed),
            spread: exponential,
            who: everybody_alike,
            events: BinaryHeap::new(),
            number: 0,
            now_us: 0,
            working: HashMap::new(),
            queued: VecDeque::new(),
            busy: 0,
            waiting: HashMap::new(),
            wait_us_max: 0,
            seconds: Vec::new(),
        }
    }

    fn weather(&self) -> Weather {
        let begun = |weather: &&Weather| weather.from_s * SECOND_US <= self.now_us;
        *self.weather.iter().rev().find(begun).expect("it begins at 0")
    }

    fn at(&mut self, us: u64, event: Event) {
        self.number += 1;
        self.events.push(Reverse((us, self.number, event)));
    }

    fn second(&mut self) -> &mut Second {
        let index = (self.now_us / SECOND_US) as usize;
        if self.seconds.len() <= index {
            self.seconds.resize(index + 1, Second::default());
        }
        &mut self.seconds[index]
    }

    /// Runs for so many seconds.
    fn run(mut self, seconds: u64) -> Vec<Second> {
        self.at(0, Event::Arrive);
        while let Some(Reverse((now_us, _, event))) = self.events.pop() {
            if now_us >= seconds * SECOND_US {
                break;
            }
            self.now_us = now_us;
            match event {
                Event::Arrive => self.arrive(),
                Event::Done(number) => self.done(number),
                Event::GiveUp(id) => {
                    if self.door.give_up(now_us, id) {
                        let read = self.waiting.remove(&id).expect("he waited");
                        self.wait_us_max = self.wait_us_max.max(now_us - read.arrived_us);
                    }
                }
            }
            let limit = self.door.counts().limit;
            self.second().limits.push(limit);
        }
        assert!(self.wait_us_max <= 20_000, "nobody waits longer than a burst: {}", self.wait_us_max);
        self.seconds
    }

    fn arrive(&mut self) {
        let weather = self.weather();
        let gap_us = exponential(&mut self.random) * 1e6 / weather.rate;
        self.at(self.now_us + gap_us.ceil() as u64, Event::Arrive);
        let (class, tenant) = (self.who)(&mut self.random);
        let read = Read { arrived_us: self.now_us, class, tenant };
        self.second().by_class[class as usize].0 += 1;
        match self.door.arrive(self.now_us, class, tenant) {
            Arrival::Go(pass) => self.work(read, pass),
            Arrival::Wait { id, wait_us, instead_of } => {
                if let Some(out) = instead_of {
                    self.waiting.remove(&out).expect("he waited");
                }
                self.waiting.insert(id, read);
                self.at(self.now_us + wait_us, Event::GiveUp(id));
            }
            Arrival::Shed(_) => {}
        }
    }

    fn work(&mut self, read: Read, pass: Pass) {
        self.number += 1;
        let number = self.number;
        self.working.insert(number, (read, pass));
        self.queued.push_back(number);
        self.assign();
    }

    fn assign(&mut self) {
        let weather = self.weather();
        while self.busy < weather.workers {
            let Some(number) = self.queued.pop_front() else { return };
            self.busy += 1;
            let work_us = (self.spread)(&mut self.random) * weather.work_us;
            self.at(self.now_us + work_us.ceil() as u64, Event::Done(number));
        }
    }

    fn done(&mut self, number: u64) {
        let (read, pass) = self.working.remove(&number).expect("it was worked on");
        self.busy -= 1;
        self.assign();
        let time_us = self.now_us - read.arrived_us;
        let second = self.second();
        second.done += 1;
        second.times_us.push(time_us);
        second.by_class[read.class as usize].1 += 1;
        *second.by_tenant.entry(read.tenant).or_default() += 1;
        self.door.leave(self.now_us, pass, End::Answered);
        while let Some(admitted) = self.door.admit(self.now_us) {
            let read = self.waiting.remove(&admitted.id).expect("he waited");
            self.work(read, admitted.pass);
        }
    }
}

/// Over these seconds together.
fn over(seconds: &[Second], from: usize, to: usize) -> Second {
    let mut all = Second::default();
    for second in &seconds[from..to] {
        all.done += second.done;
        all.times_us.extend(&second.times_us);
        all.limits.extend(&second.limits);
        for (sum, one) in all.by_class.iter_mut().zip(second.by_class) {
            *sum = (sum.0 + one.0, sum.1 + one.1);
        }
        for (tenant, done) in &second.by_tenant {
            *all.by_tenant.entry(*tenant).or_default() += done;
        }
    }
    all
}

/// What these seconds must have been: near capacity, and nobody much later than without a queue.
fn check(what: &str, seconds: &[Second], (from, to): (usize, usize), weather: Weather) {
    let mut all = over(seconds, from, to);
    let demand = weather.rate.min(weather.capacity());
    let goodput = all.done as f64 / (to - from) as f64 / demand;
    // The mean, since the work of one may be many times the mean of all.
    let time_us = all.times_us.iter().sum::<u64>() as f64 / all.times_us.len().max(1) as f64;
    let limits = (all.limits.iter().min().copied(), all.limits.iter().max().copied());
    let p99_us = all.quantile_us(0.99);
    let said = format!(
        "{what}, seconds {from} to {to}: {goodput:.3} of what can be done, mean {time_us:.0} µs, \
         p99 {p99_us} µs, limit {limits:?}"
    );
    if std::env::var_os("SHOW").is_some() {
        eprintln!("{said}");
    }
    // With one or two workers, one more or less at a time is half of it.
    let least = if weather.workers <= 2 { 0.75 } else { 0.85 };
    assert!(goodput > least, "{said}");
    // What waits at the door waits some milliseconds besides.
    assert!(time_us < 2.0 * weather.work_us + 6_000.0, "{said}");
}

const SEEDS: std::ops::Range<u64> = 0..2;

#[test]
fn near_capacity_and_without_a_queue_at_every_size() {
    for seed in SEEDS {
        for workers in [1, 2, 8, 50, 400] {
            for work_us in [1_000.0, 10_000.0] {
                let mut weather = Weather { from_s: 0, workers, work_us, rate: 0.0 };
                weather.rate = 3.0 * weather.capacity();
                if weather.rate > 60_000.0 {
                    continue;
                }
                // To see how it is takes a number of reads, however long that takes.
                let learnt_s = 4 + (4_000.0 / weather.capacity()) as usize;
                let seconds = World::new(seed, settings(64, 1), &[weather]).run(learnt_s as u64 + 8);
                let what = format!("seed {seed}, {workers} workers");
                check(&what, &seconds, (learnt_s, learnt_s + 8), weather);
            }
        }
    }
}

#[test]
fn minutes_of_overload_leave_no_drift() {
    // Two minutes are some thousand windows.
    let weather = Weather { from_s: 0, workers: 20, work_us: 10_000.0, rate: 8_000.0 };
    for spread in [exponential, mixed] {
        let mut world = World::new(1, settings(64, 1), &[weather]);
        world.spread = spread;
        let seconds = world.run(120);
        for from in (10..120).step_by(10) {
            check("no drift", &seconds, (from, from + 10), weather);
            let high = over(&seconds, from, from + 10).limits.into_iter().max();
            assert!(high.is_some_and(|high| high <= 80), "{from}: four times what is worth it: {high:?}");
        }
    }
}

#[test]
fn it_gets_over_a_slowdown_by_ten_within_seconds() {
    for seed in SEEDS {
        let usual = Weather { from_s: 0, workers: 20, work_us: 5_000.0, rate: 8_000.0 };
        // Each read ten times slower: fewer at one time would gain nothing.
        let slow = Weather { from_s: 20, work_us: 50_000.0, ..usual };
        let after = Weather { from_s: 40, ..usual };
        let seconds = World::new(seed, settings(64, 1), &[usual, slow, after]).run(60);
        check("before", &seconds, (8, 20), usual);
        check("slow", &seconds, (26, 40), slow);
        let low = over(&seconds, 21, 40).limits.into_iter().min();
        assert!(low >= Some(5), "seed {seed}: it collapsed to {low:?}");
        check("after", &seconds, (42, 60), usual);
    }
}

#[test]
fn it_follows_what_is_left_of_the_machines() {
    for seed in SEEDS {
        let usual = Weather { from_s: 0, workers: 40, work_us: 5_000.0, rate: 16_000.0 };
        let few = Weather { from_s: 20, workers: 4, ..usual };
        let after = Weather { from_s: 40, ..usual };
        let seconds = World::new(seed, settings(64, 1), &[usual, few, after]).run(60);
        check("before", &seconds, (8, 20), usual);
        check("few", &seconds, (25, 40), few);
        check("after", &seconds, (43, 60), after);
    }
}

#[test]
fn nobody_is_sent_away_while_there_is_enough() {
    // A night of little load must not make the limit forget what the day can bear, nor learn a queue.
    let night = Weather { from_s: 0, workers: 20, work_us: 5_000.0, rate: 40.0 };
    let day = Weather { from_s: 30, rate: 2_400.0, ..night };
    for seed in SEEDS {
        let seconds = World::new(seed, settings(64, 4), &[night, day]).run(60);
        for (index, second) in seconds.iter().enumerate() {
            let (asked, done) = second.by_class[Class::Ordinary as usize];
            // What is under way at the end of a second is answered in the next.
            assert!(done + 40 >= asked, "seed {seed}, second {index}: {done} of {asked}");
        }
    }
}

#[test]
fn screens_are_served_in_full_while_others_are_not() {
    let weather = Weather { from_s: 0, workers: 20, work_us: 5_000.0, rate: 16_000.0 };
    for seed in SEEDS {
        let mut world = World::new(seed, settings(64, 4), &[weather]);
        // An eighth are screens: half of what can be done.
        world.who = |random| {
            let class = match random.random_range(0..100) {
                0..12 => Class::Live,
                12..50 => Class::Ordinary,
                50..70 => Class::Export,
                _ => Class::Unsigned,
            };
            (class, random.random())
        };
        let seconds = world.run(30);
        let all = over(&seconds, 8, 30);
        let part = |class: Class| {
            let (asked, done) = all.by_class[class as usize];
            done as f64 / asked as f64
        };
        assert!(part(Class::Live) > 0.97, "seed {seed}: {}", part(Class::Live));
        assert!((0.2..0.4).contains(&part(Class::Ordinary)), "seed {seed}: {}", part(Class::Ordinary));
        assert!(part(Class::Export) < 0.01, "seed {seed}: {}", part(Class::Export));
        assert!(part(Class::Unsigned) < 0.01, "seed {seed}: {}", part(Class::Unsigned));
    }
}

#[test]
fn a_greedy_tenant_gets_no_more_than_his_share() {
    let weather = Weather { from_s: 0, workers: 20, work_us: 5_000.0, rate: 16_000.0 };
    for seed in SEEDS {
        let mut world = World::new(seed, settings(64, 4), &[weather]);
        // Tenant 0 asks for nine tenths; the others for 320 a second each, together for less than half
        // of what can be done.
        world.who = |random| {
            let tenant = if random.random_bool(0.9) { 0 } else { random.random_range(1..6) };
            (Class::Ordinary, tenant)
        };
        let seconds = world.run(30);
        let all = over(&seconds, 8, 30);
        for tenant in 1..6 {
            let done = all.by_tenant.get(&tenant).copied().unwrap_or(0) as f64 / 22.0;
            assert!(done > 0.93 * 320.0, "seed {seed}: tenant {tenant} gets {done} of 320 a second");
        }
    }
}
