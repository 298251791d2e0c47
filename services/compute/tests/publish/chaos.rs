//! Random switches, kills, zombies and failures.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_compute::publish::Settings;
use tandem_model::route::Chain;
use tandem_model::{PartitionId, Record};
use tandem_storage::faulty::Fault;

use super::oracle::{self, Seen};
use super::world::{Process, World, partitions, settings};

pub(crate) fn records(seed: u64) -> Vec<(PartitionId, Record)> {
    let lines = tandem_plain::nasty::generate(seed);
    tandem_plain::nasty::log(&lines, seed, super::world::PARTITIONS)
}

/// Something goes wrong with a process, or with what it has heard.
fn disturb(world: &World, process: &Process, rng: &mut SmallRng) {
    let times = rng.random_range(1..3);
    match rng.random_range(0..8) {
        // Its answer is lost after the transaction was committed.
        0 => process.plan.add(Fault::timeout().on("publish").times(times)),
        1 => process.plan.add(Fault::unavailable().on("publish").times(times)),
        // It sleeps in the middle of a transaction, and wakes up as a zombie.
        2 => {
            let asleep = Duration::from_millis(rng.random_range(1..30));
            process.plan.add(Fault::slow(asleep).on("publish").times(times));
        }
        // It sleeps between looking at the route and fencing the other one.
        3 => {
            let asleep = Duration::from_millis(rng.random_range(1..30));
            process.plan.add(Fault::slow(asleep).on("begin").times(times));
        }
        4 => process.plan.add(Fault::timeout().on("begin").times(times)),
        // Another process is believed to own a partition, or both do.
        5 => process.owned.set(partitions().filter(|_| rng.random())),
        6 => process.owned.set(partitions()),
        _ => world.group.tell(process.chain),
    }
}

/// Runs publishers of both chains over the log of `seed` while things go wrong, and checks what
/// they have published. `pause` is how long things go on between two of them, at most.
pub(crate) async fn run(world: &mut World, seed: u64, pause: Duration) -> Seen {
    let mut rng = SmallRng::seed_from_u64(seed);
    // Two processes a chain: partitions move between them.
    let chains = [Chain::A, Chain::A, Chain::B, Chain::B];
    // Each puts other beats together.
    let start = |world: &World, chain: Chain, rng: &mut SmallRng| {
        let (beats_max, batch_bytes) = (rng.random_range(1..9), rng.random_range(500..8_000));
        world.start(chain, &Settings { beats_max, batch_bytes, ..settings() })
    };
    let mut processes: Vec<Process> = chains.map(|chain| start(world, chain, &mut rng)).into();
    let records = records(seed);
    for piece in records.chunks(rng.random_range(5..60)) {
        world.append(piece.to_vec()).await;
        for _ in 0..rng.random_range(0..4) {
            let index = rng.random_range(0..processes.len());
            disturb(world, &processes[index], &mut rng);
        }
        if rng.random_bool(0.2) {
            world.group.switch();
            if rng.random() {
                world.group.tell(world.group.active());
            }
        }
        if rng.random_bool(0.3) {
            let chain = Chain::ALL[rng.random_range(0..2)];
            world.snapshot(chain).await;
        }
        if rng.random_bool(0.15) {
            // Killed: nobody waits for it, and what it knew is gone.
            let index = rng.random_range(0..processes.len());
            let chain = processes[index].chain;
            processes[index] = start(world, chain, &mut rng);
        }
        tokio::time::sleep(pause.mul_f64(rng.random())).await;
    }
    // Calm: one process of the active chain owns everything and hears so.
    for process in &processes {
        process.plan.clear();
        process.owned.set([]);
    }
    world.group.tell_all();
    let active = processes.iter().find(|process| process.chain == world.group.active()).unwrap();
    active.owned.set(partitions());
    world.published().await;
    let seen = oracle::check(world, &format!("seed {seed}")).await;
    for process in processes {
        process.publisher.stop().await;
    }
    oracle::check(world, &format!("seed {seed}, at the end")).await;
    seen
}
