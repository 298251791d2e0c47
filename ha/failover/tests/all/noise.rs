//! A thousand hours of what happens all the time, and must not decide anything.

use rand::Rng;
use tandem_failover::Settings;
use tandem_model::route::Chain;

use crate::asked;
use crate::world::{Ill, World};

/// Simulated hours; `TANDEM_HOURS` asks for more.
const HOURS: u64 = 1_000;
/// Reports of a second keep it fast: everything within is seen at its worst, as a whole second.
const STEP_MS: u64 = 1_000;
/// A few hours are run with the real step too.
const FINE_HOURS: u64 = 5;
const FINE_STEP_MS: u64 = 100;

#[test]
fn a_thousand_hours_of_noise_decide_nothing() {
    let seed = asked("TANDEM_SEED").unwrap_or(0);
    let settings = Settings { fresh_ms: 3_000, ..Settings::default() };
    let hours = asked("TANDEM_HOURS").unwrap_or(HOURS);
    // Systems of two sizes, half of the time each.
    calm(seed, 1, 3, hours / 2, STEP_MS, &settings);
    calm(seed + 1, 2, 3, hours - hours / 2, STEP_MS, &settings);
}

#[test]
fn hours_of_noise_with_reports_ten_times_a_second_decide_nothing() {
    calm(asked("TANDEM_SEED").unwrap_or(0), 1, 3, FINE_HOURS, FINE_STEP_MS, &Settings::default());
}

fn calm(seed: u64, gateways: usize, controls: usize, hours: u64, step_ms: u64, settings: &Settings) {
    let mut world = World::new(seed, gateways, controls, step_ms, settings.clone());
    // 1 % loss, all the time.
    world.loss_permille = 10;
    let end_ms = world.now_ms + hours * 3_600_000;
    let mut events = 0_u64;
    while world.now_ms < end_ms {
        let pause_ms = world.rng.random_range(10..=120) * 1_000;
        world.run(pause_ms);
        noise(&mut world);
        events += 1;
        assert!(
            world.done.is_empty(),
            "seed {seed}, {gateways} gateways: after {} s: {:#?}",
            (world.now_ms - crate::world::START_MS) / 1_000,
            world.done
        );
    }
    assert!(events > hours * 30, "only {events} events");
}

/// One thing that happens and means nothing.
fn noise(world: &mut World) {
    let all = 0..world.observers();
    let observer = world.rng.random_range(all.clone());
    let one = observer..observer + 1;
    let chain = if world.rng.random() { Chain::A } else { Chain::B };
    let blip_ms = world.rng.random_range(3..=8) * 1_000;
    match world.rng.random_range(0..9) {
        // A pause: nobody gets an answer from the chain, and its beats stand still.
        0 | 1 => {
            world.ill(chain, Ill::NoAnswers, 1_000, all.clone());
            world.ill(chain, Ill::Stuck, 1_000, all);
        }
        2 => world.ill(chain, Ill::NoAnswers, blip_ms, one),
        3 => {
            world.ill(Chain::A, Ill::NoAnswers, blip_ms, one.clone());
            world.ill(Chain::B, Ill::NoAnswers, blip_ms, one);
        }
        4 => world.ill(chain, Ill::Errors(50), blip_ms, one),
        5 => world.ill(chain, Ill::Slow(20), blip_ms, one),
        // One beat is missing, for both chains: the log is one.
        6 => {
            for chain in Chain::ALL {
                world.ill(chain, Ill::Stuck, 1_000, all.clone());
            }
        }
        // Control is cut off from everybody, or the leader changes.
        7 => {
            for chain in Chain::ALL {
                world.ill(chain, Ill::Unseen, 30_000, all.clone());
            }
        }
        _ => world.lose_judge(),
    }
}
