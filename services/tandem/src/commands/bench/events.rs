//! `tandem bench events`: a big file of made-up events, the same for the same seed.
//!
//! Real sessions at hand exercise few of the event types, so figures measured on them say little
//! about orders, items or attribution. Here viewers play: each visit is an exposure, perhaps an
//! enter that carries the attributes, then heartbeats and what people do in a live room, mostly
//! without attributes (they are inherited), then a leave. Rooms differ in size, users in how often
//! they come back, items in how often they are looked at (Zipf each). About 1.5 % of the events are
//! sent twice. Lines stand in the order of arrival: `ts` plus a delay of up to four seconds.
//!
//! No clock is read. The demo's traffic (`crate::demo`) is for eyes: few rooms, real-time pace,
//! strays on purpose; this is for clocks: all sources, regions and devices, any size.

mod room;

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::Context;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::failure::Failure;
use room::Room;

const SESSIONS: u32 = 40;
const EVENTS: u32 = 975_000;
const SEED: u64 = 1;

/// `tandem bench events`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Broadcasts
    #[arg(long, value_name = "N", default_value_t = SESSIONS, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sessions: u32,
    /// Lines to write
    #[arg(long, value_name = "N", default_value_t = EVENTS, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    events: u32,
    /// The same seed writes the same file
    #[arg(long, value_name = "S", default_value_t = SEED)]
    seed: u64,
}

/// Writes the file to stdout.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    let lines = lines(args.sessions, args.events, args.seed);
    let written = lines.iter().try_for_each(|line| stdout.write_all(line.as_bytes()));
    match written.and_then(|()| stdout.flush()) {
        // Whoever read it has had enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => {
            done.map_err(|error| Failure::failed(anyhow::Error::new(error).context("can't write the events")))
        }
    }
}

/// What `tandem bench events` writes, made by a process of its own: a million short strings leave a
/// heap full of holes behind, in which the fold was seen to run at half of its speed and to take no
/// new memory at all.
pub(super) fn made_elsewhere() -> anyhow::Result<Vec<u8>> {
    let program = std::env::current_exe().context("can't find this program")?;
    let made = Command::new(program).args(["bench", "events"]).stderr(Stdio::inherit()).output();
    let made = made.context("can't start this program again")?;
    anyhow::ensure!(made.status.success(), "no events were made: {}", made.status);
    Ok(made.stdout)
}

/// The lines of the file with their line ends.
pub(super) fn lines(sessions: u32, events: u32, seed: u64) -> Vec<String> {
    let mut random = SmallRng::seed_from_u64(seed);
    let users = Zipf::new((events as usize / 5).max(1_000), 0.65);
    let sizes: Vec<f64> = (1..=sessions).map(|rank| f64::from(rank).powf(-0.7)).collect();
    let total: f64 = sizes.iter().sum();
    let mut arrivals = Vec::with_capacity(events as usize + 1_000);
    for (number, size) in (0..sessions).zip(sizes) {
        // A little more than its share: what is too much in the end is cut off.
        let share = (f64::from(events) * size / total) as usize + 40;
        let room = Room::new(number, SmallRng::seed_from_u64(random.random()));
        arrivals.extend(room.play(share, &users));
    }
    arrivals.sort_by_key(|(arrival_ms, _)| *arrival_ms);
    arrivals.truncate(events as usize);
    arrivals.into_iter().map(|(_, line)| line).collect()
}

/// Ranks by how often they are taken: the first most often.
struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    fn new(count: usize, exponent: f64) -> Self {
        let weights = (1..=count).map(|rank| (rank as f64).powf(-exponent));
        Self::weighted(weights)
    }

    fn weighted(weights: impl Iterator<Item = f64>) -> Self {
        let cumulative = weights.scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self { cumulative: cumulative.collect() }
    }

    fn pick(&self, random: &mut SmallRng) -> usize {
        let total = self.cumulative.last().copied().unwrap_or_default();
        let at = random.random::<f64>() * total;
        self.cumulative.partition_point(|sum| *sum <= at).min(self.cumulative.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tandem_model::decode::decode;
    use tandem_model::event::{EventType, Line};

    #[test]
    fn the_file_is_well_formed_varied_and_the_same_for_the_same_seed() {
        let lines = super::lines(6, 30_000, 3);
        assert_eq!(lines.len(), 30_000);
        assert_eq!(lines, super::lines(6, 30_000, 3));
        assert_ne!(lines, super::lines(6, 30_000, 4));
        let (mut types, mut ids, mut sources, mut regions) =
            (HashSet::new(), HashSet::new(), HashSet::new(), HashSet::new());
        let mut newest = 0;
        for line in &lines {
            let Ok(Line::Event(event)) = decode(line.trim_end().as_bytes()) else { panic!("{line}") };
            types.insert(event.kind.event_type());
            ids.insert((event.session_id.to_string(), event.event_id.to_string()));
            if let Some(viewer) = &event.viewer {
                sources.extend(viewer.source.as_deref().map(str::to_owned));
                regions.extend(viewer.region.as_deref().map(str::to_owned));
            }
            // Nothing comes near a lateness bound.
            newest = newest.max(event.ts);
            assert!(newest - event.ts < 60_000);
        }
        let missing: Vec<_> = EventType::ALL.iter().filter(|kind| !types.contains(kind)).collect();
        assert_eq!(missing, [&EventType::Beat]);
        let duplicates = lines.len() - ids.len();
        assert!((300..600).contains(&duplicates), "{duplicates} duplicates");
        assert_eq!(sources.len(), 16);
        assert_eq!(regions.len(), 34);
    }
}
