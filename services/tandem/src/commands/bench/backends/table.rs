//! What was measured, for people: a column for embedded storage, one for real servers.

use comfy_table::{ContentArrangement, Table, presets};

use super::{Figures, Report};
use crate::commands::bench::latency::Percentiles;
use crate::terminal::thousands;

/// Both side by side.
pub(in crate::commands::bench) fn table(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let columns: Vec<(&str, &Figures)> = [("embedded", &report.embedded), ("real", &report.real)]
        .into_iter()
        .filter_map(|(name, figures)| Some((name, figures.as_ref()?)))
        .collect();
    let load = report.load_average.map_or_else(String::new, |load| format!(", load {load:.1} at the start"));
    let chains = if report.chains == 1 { "1 chain" } else { "2 chains" };
    let first = format!("{} events, {chains}{load}", thousands(report.events.into()));
    table.set_header([first].into_iter().chain(columns.iter().map(|(name, _)| (*name).to_owned())));
    for (what, tell) in LINES {
        let cells: Vec<_> = columns.iter().map(|(_, figures)| tell(figures)).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
            table.add_row([(*what).to_owned()].into_iter().chain(cells));
        }
    }
    for (name, figures) in columns {
        for why in &figures.not_measured {
            table.add_row([format!("not measured ({name})"), why.clone()]);
        }
    }
    table
}

type Tell = fn(&Figures) -> Option<String>;

/// Yardsticks stand below what they measure.
const LINES: &[(&str, Tell)] = &[
    ("into the log, events/s", |it| Some(thousands(it.into_log.events_per_second))),
    ("log → fold → both stores, events/s", |it| Some(thousands(it.through.events_per_second))),
    ("  per second of our CPU, servers' own not in it", |it| it.through.events_per_cpu_second.map(thousands)),
    ("  yardstick: the log read without fold, events/s", |it| Some(thousands(it.consume.events_per_second))),
    ("  ratio", |it| Some(format!("{:.3}", it.through_per_consume))),
    ("in the log → in an answer, p50 / p99", |it| Some(percentiles(&it.visible.from_log))),
    ("  the append included, p50 / p99", |it| Some(percentiles(&it.visible.from_send))),
    ("  beside live events/s", |it| Some(thousands(it.visible.events_per_second))),
    ("report from the hot store, p50 / p99", |it| Some(percentiles(&it.report_hot.alone))),
    ("  reports/s, 16 clients", |it| Some(thousands(it.report_hot.per_second))),
    ("  yardstick: the store without HTTP, p50 / p99", |it| Some(percentiles(&it.hot_store))),
    ("  yardstick: redis-benchmark GET, p50", |it| Some(format!("{:.3} ms", it.redis_get?.p50_ms))),
    ("    report per GET, p50", |it| ratio(it.report_hot.alone.p50_ms, it.redis_get?.p50_ms)),
    ("  yardstick: redis-benchmark GET, 16 clients, /s", |it| Some(thousands(it.redis_get?.per_second))),
    ("    reports per GET", |it| ratio(it.report_hot.per_second as f64, it.redis_get?.per_second as f64)),
    ("report from the row store, p50 / p99", |it| Some(percentiles(&it.report_rows.alone))),
    ("  reports/s, 16 clients", |it| Some(thousands(it.report_rows.per_second))),
    ("  yardstick: the store without HTTP, p50 / p99", |it| Some(percentiles(&it.row_store))),
    ("  yardstick: the driver's read alone, p50 / p99", |it| Some(percentiles(&it.cql_read?))),
    ("    report per read, p50", |it| ratio(it.report_rows.alone.p50_ms, it.cql_read?.p50_ms)),
    ("catching up after a restart, events/s", |it| Some(thousands(it.catch_up.throughput.events_per_second))),
    ("  times the live rate", |it| Some(format!("{:.0}", it.catch_up.times_live))),
    ("  until the first right answer", |it| {
        let (seconds, away) = (it.catch_up.first_answer_seconds, it.catch_up.away_seconds);
        Some(format!("{seconds:.2} s after {away} s"))
    }),
    ("sessions; events and rows written of each", |it| {
        let each = |count: u64| thousands(count / it.sessions.max(1));
        Some(format!("{}; {} and {}", it.sessions, each(it.through.events), each(it.rows_written)))
    }),
    ("bytes per session, hot store", |it| it.hot_bytes_per_session.map(thousands)),
    ("bytes per session, row store", |it| it.row_bytes_per_session.map(thousands)),
    ("  found by", |it| it.row_bytes_by.map(str::to_owned)),
];

fn percentiles(of: &Percentiles) -> String {
    format!("{:.2} / {:.2} ms", of.p50_ms, of.p99_ms)
}

fn ratio(of: f64, to: f64) -> Option<String> {
    (to > 0.0).then(|| format!("{:.3}", of / to))
}
