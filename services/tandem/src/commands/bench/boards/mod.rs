//! Boards at scale: how long an edition takes, what it keeps in memory, how long the top and somebody's own
//! rank take, from ten thousand to a million subjects; and a sorted set of Redis with the same scores.
//!
//! Figures are made up and reproducible: as many sessions as subjects, each of an anchor of its own that
//! sells an item of its own, in some forty regions and a dozen categories, on one day.

mod plot;
mod redis;
mod served;
mod world;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::ensure;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use tandem_boards::{Filter, Standing};
use tandem_model::calendar::Period;
use tandem_model::catalogue::{BOARDS, Board};

use self::world::World;
use super::latency::{Latencies, Percentiles};
use super::memory::resident_bytes;
use crate::failure::Failure;
use crate::terminal::thousands;

/// How many look for their own rank, and how many for the top.
const ASKED: u64 = 10_000;
/// How many rows a top list has.
const TOP: usize = 100;
/// Which part of the sessions changes between two editions.
const CHANGED: u64 = 100;

/// What is measured.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many subjects: one measurement for each
    #[arg(long, value_delimiter = ',', value_name = "N", default_values_t = [10_000, 100_000, 1_000_000],
        value_parser = clap::value_parser!(u64).range(100..=5_000_000))]
    subjects: Vec<u64>,
    /// Redis to hold it against [default: one of its own, where `redis-server` is installed]
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Draw how it grows into an SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// What was found, by number of subjects.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    boards: Vec<Scale>,
}

/// Boards of so many subjects.
#[derive(Debug, Serialize)]
struct Scale {
    subjects: u64,
    /// How many rows of the hour and day they are made of.
    rows: u64,
    /// What the rows and names take in memory; absent where the system does not tell.
    rows_bytes: Option<u64>,
    /// Taking a row in, on the average.
    row_us: f64,
    /// All boards of a day without filters, one after the other, on one thread.
    edition_ms: f64,
    /// What all of them take in memory at once.
    standings_bytes: Option<u64>,
    /// The slowest of them.
    slowest_ms: f64,
    slowest: &'static str,
    /// The slowest board with one filter, and with all four.
    filtered_ms: f64,
    combined_ms: f64,
    /// Taking in what changed where one session in a hundred did.
    change_ms: f64,
    /// The top hundred of a board, and somebody's own rank, percentile and distance; on a board that stands.
    top: Percentiles,
    own: Percentiles,
    /// The same as users get them, through a gateway.
    served: served::Served,
    /// The same of a sorted set, over a socket.
    redis: Option<redis::Yardstick>,
    /// Our own rank in memory against that over a socket, at the median.
    own_against_redis: Option<f64>,
}

/// Measures all of them, smallest first.
///
/// # Errors
///
/// When a board does not list those that it must, or Redis ranks somebody otherwise.
pub(super) fn measure(args: &Args) -> Result<Report, Failure> {
    let mut sizes = args.subjects.clone();
    sizes.sort_unstable();
    let mut scales = Vec::new();
    for subjects in sizes {
        scales.push(scale(subjects, args.redis.as_deref())?);
    }
    let report = Report { boards: scales };
    if let Some(file) = &args.plot {
        let svg = plot::draw(&report.boards);
        std::fs::write(file, svg).map_err(|error| Failure::failed(anyhow::Error::new(error)))?;
    }
    Ok(report)
}

fn scale(subjects: u64, server: Option<&str>) -> anyhow::Result<Scale> {
    let before = resident_bytes();
    let began = Instant::now();
    let mut world = World::of(subjects);
    let row_us = began.elapsed().as_secs_f64() * 1e6 / world.rows() as f64;
    let grown =
        |before: Option<u64>| resident_bytes().zip(before).map(|(now, then)| now.saturating_sub(then));
    let rows_bytes = grown(before);

    let began = Instant::now();
    let (_, change_rows) = world.change(CHANGED);
    ensure!(change_rows > 0, "nothing changed");
    let change_ms = ms(began);

    let before = resident_bytes();
    let (mut standings, mut slowest, mut slowest_ms) = (Vec::new(), "", 0.0);
    let edition = Instant::now();
    for board in BOARDS {
        let began = Instant::now();
        standings.push((board, stand(&world, board, &Filter::default())));
        let took = ms(began);
        if took > slowest_ms {
            (slowest, slowest_ms) = (board.id, took);
        }
    }
    let edition_ms = ms(edition);
    let standings_bytes = grown(before);
    let (one, all) = world.filters();
    let slowest_with = |filter: &Filter| {
        let took = BOARDS.iter().map(|board| {
            let began = Instant::now();
            std::hint::black_box(stand(&world, board, filter));
            ms(began)
        });
        took.fold(0.0, f64::max)
    };
    let (filtered_ms, combined_ms) = (slowest_with(&one), slowest_with(&all));

    let (mut top, mut own) = (Latencies::default(), Latencies::default());
    for number in 0..ASKED {
        let (board, standing) = &standings[number as usize % standings.len()];
        let began = Instant::now();
        std::hint::black_box(standing.rows(&world.facts, 0, TOP));
        top.add(began.elapsed());
        let id = world.somebody(board, number);
        let began = Instant::now();
        std::hint::black_box(standing.own(&world.facts, &id));
        own.add(began.elapsed());
    }
    let gmv = standings.iter().find(|(board, _)| board.id == "session.gmv").map(|(_, standing)| standing);
    let gmv = gmv.ok_or_else(|| anyhow::anyhow!("there is no board of sessions' GMV"))?;
    ensure!(gmv.listed() as u64 == subjects, "only {} are listed", gmv.listed());
    let redis = redis::measure(server, &world, gmv)?;
    let served = served::measure(&world, gmv)?;
    let own = own.percentiles().ok_or_else(|| anyhow::anyhow!("nobody asked"))?;
    Ok(Scale {
        subjects,
        rows: world.rows(),
        rows_bytes,
        row_us,
        edition_ms,
        standings_bytes,
        slowest_ms,
        slowest,
        filtered_ms,
        combined_ms,
        change_ms,
        top: top.percentiles().ok_or_else(|| anyhow::anyhow!("nobody asked"))?,
        own_against_redis: redis.as_ref().map(|redis| own.p50_ms / redis.rank.p50_ms),
        own,
        served,
        redis,
    })
}

fn stand(world: &World, board: &'static Board, filter: &Filter) -> Standing {
    world.facts.at(world.moment, None).standing(board, Period::Day, world.moment, world.moment, filter)
}

fn ms(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}

/// A column for each number of subjects.
pub(super) fn table(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let header = report.boards.iter().map(|scale| thousands(scale.subjects));
    table.set_header(["subjects".to_owned()].into_iter().chain(header));
    let mut row = |name: &str, of: &dyn Fn(&Scale) -> String| {
        table.add_row([name.to_owned()].into_iter().chain(report.boards.iter().map(of)));
    };
    let megabytes =
        |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), |bytes| format!("{} MB", bytes >> 20));
    let waits = |waits: Percentiles| format!("{:.4} / {:.4} ms", waits.p50_ms, waits.p99_ms);
    row("rows of the hour and the day", &|scale| thousands(scale.rows));
    row("in memory", &|scale| megabytes(scale.rows_bytes));
    row("taking in a row", &|scale| format!("{:.2} µs", scale.row_us));
    row("what changed of 1 % of the sessions", &|scale| format!("{:.1} ms", scale.change_ms));
    row("an edition: 28 boards of a day", &|scale| format!("{:.0} ms", scale.edition_ms));
    row("all of them in memory", &|scale| megabytes(scale.standings_bytes));
    row("the slowest board", &|scale| format!("{:.1} ms", scale.slowest_ms));
    row("", &|scale| scale.slowest.to_owned());
    row("the slowest with one filter", &|scale| format!("{:.1} ms", scale.filtered_ms));
    row("the slowest with all four", &|scale| format!("{:.1} ms", scale.combined_ms));
    row("top 100, p50 / p99", &|scale| waits(scale.top));
    row("own rank, p50 / p99", &|scale| waits(scale.own));
    row("through the gateway: top 100", &|scale| waits(scale.served.top));
    row("through the gateway: own rank", &|scale| waits(scale.served.own));
    row("until all 28 boards stand", &|scale| format!("{:.0} ms", scale.served.begin_ms));
    let redis = |of: fn(&redis::Yardstick) -> Percentiles| {
        move |scale: &Scale| scale.redis.as_ref().map_or_else(|| "–".to_owned(), |redis| waits(of(redis)))
    };
    row("Redis, ZREVRANGE of 100", &redis(|redis| redis.top));
    row("Redis, ZREVRANK", &redis(|redis| redis.rank));
    row("Redis, PING", &redis(|redis| redis.ping));
    for column in 1..=report.boards.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
