//! `tandem definition diff`: what another definition of a metric would change, and for whom.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Deserialize;
use tandem_model::id::is_id;

use crate::cli::Connection;
use crate::client::Client;
use crate::failure::Failure;
use crate::terminal::{counted, say};

/// How many sessions are read at a time.
const PAGE: usize = 500;

/// Which definition, and for which sessions.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The metric: one that is computed when read (`GET /v1/catalog/metrics` lists them)
    metric: String,
    /// How it would be defined, from stored metrics
    formula: String,
    /// Only this anchor's sessions
    #[arg(long, value_name = "ID", value_parser = id)]
    anchor: Option<String>,
    /// Only sessions that started at or after this moment, in milliseconds
    #[arg(long, value_name = "MS")]
    since: Option<u64>,
    /// Only sessions that started before this moment, in milliseconds
    #[arg(long, value_name = "MS")]
    until: Option<u64>,
    /// How many of those that change most are shown
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Write every session as CSV instead, newest first
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    connection: Connection,
}

fn id(text: &str) -> Result<String, String> {
    if is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("1 to 64 characters out of A-Z a-z 0-9 . _ : -".to_owned())
    }
}

#[derive(Deserialize)]
struct Page {
    unit: String,
    definition: u32,
    in_force: String,
    candidate: String,
    sessions: Vec<Row>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    session: Session,
    in_force: Option<f64>,
    candidate: Option<f64>,
    difference: Difference,
}

#[derive(Deserialize)]
struct Difference {
    absolute: Option<f64>,
    relative: Option<f64>,
}

#[derive(Deserialize)]
struct Session {
    id: String,
    anchor_id: Option<String>,
}

/// Shows what another definition of a metric would change.
///
/// # Errors
///
/// When the server can't be asked, or refuses: a formula that can't define the metric, say.
pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let client = args.connection.client()?;
    let mut rows = Vec::new();
    let mut cursor = None;
    loop {
        let page = page(&client, &args, cursor.as_deref()).await?;
        if args.csv && cursor.is_none() {
            say("session_id,anchor_id,in_force,candidate,absolute,relative");
        }
        if args.csv {
            page.sessions.iter().for_each(|row| say(line(row)));
        } else {
            rows.extend(page.sessions);
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            if !args.csv {
                say(format_args!(
                    "{} ({}): definition {}, {}",
                    args.metric, page.unit, page.definition, page.in_force
                ));
                say(format_args!("would be: {}\n", page.candidate));
                say(report(rows, args.top).trim_end());
            }
            return Ok(());
        }
    }
}

async fn page(client: &Client, args: &Args, cursor: Option<&str>) -> Result<Page, Failure> {
    let path = format!("/v1/catalog/difference?limit={PAGE}&");
    let begin = path.len();
    let mut query = form_urlencoded::Serializer::for_suffix(path, begin);
    query.append_pair("metric", &args.metric).append_pair("formula", &args.formula);
    let numbers = [("from", args.since), ("to", args.until)]
        .map(|(name, value)| (name, value.map(|ms| ms.to_string())));
    let texts = [("anchor_id", args.anchor.clone()), ("cursor", cursor.map(str::to_owned))];
    for (name, value) in numbers.into_iter().chain(texts) {
        if let Some(value) = value {
            query.append_pair(name, &value);
        }
    }
    client.get_json(&query.finish(), &[]).await.map_err(Failure::failed)
}

fn line(row: &Row) -> String {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let anchor = row.session.anchor_id.as_deref().unwrap_or_default();
    let figures =
        [row.in_force, row.candidate, row.difference.absolute, row.difference.relative].map(number).join(",");
    format!("{},{anchor},{figures}", row.session.id)
}

impl Row {
    fn is_changed(&self) -> bool {
        self.in_force != self.candidate
    }

    /// How much it changes: most of all where it becomes defined or undefined, or was 0.
    fn weight(&self) -> f64 {
        match self.difference.relative {
            Some(relative) => relative.abs(),
            None if self.is_changed() => f64::INFINITY,
            None => 0.0,
        }
    }
}

/// Those that change most, and what all come to.
fn report(mut rows: Vec<Row>, top: usize) -> String {
    let all = rows.len();
    rows.retain(Row::is_changed);
    rows.sort_by(|left, right| {
        right.weight().total_cmp(&left.weight()).then_with(|| left.session.id.cmp(&right.session.id))
    });
    let mut text = String::new();
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    if !rows.is_empty() && top > 0 {
        let _ = writeln!(
            text,
            "{:<24} {:<16} {:>16} {:>16} {:>16} {:>9}",
            "session", "anchor", "in force", "candidate", "difference", "%"
        );
    }
    for row in rows.iter().take(top) {
        let _ = writeln!(
            text,
            "{:<24} {:<16} {:>16} {:>16} {:>16} {:>9}",
            row.session.id,
            row.session.anchor_id.as_deref().unwrap_or("-"),
            number(row.in_force),
            number(row.candidate),
            number(row.difference.absolute),
            row.difference.relative.map_or("-".to_owned(), |relative| format!("{:+.1}", 100.0 * relative)),
        );
    }
    if rows.len() > top {
        let _ = writeln!(text, "and {} more (--top, --csv)", rows.len() - top);
    }
    let anchors: BTreeSet<_> = rows.iter().filter_map(|row| row.session.anchor_id.as_deref()).collect();
    let mut relative: Vec<f64> = rows.iter().filter_map(|row| row.difference.relative).collect();
    relative.sort_by(f64::total_cmp);
    let gap = if text.is_empty() { "" } else { "\n" };
    let _ = write!(
        text,
        "{gap}{} of {} would change, of {}",
        rows.len(),
        counted(all as u64, "session"),
        counted(anchors.len() as u64, "anchor")
    );
    if let (Some(lowest), Some(highest)) = (relative.first(), relative.last()) {
        let median = relative[relative.len() / 2];
        let percent = |part: f64| format!("{:+.1} %", 100.0 * part);
        let _ = write!(
            text,
            ": by {} at the median, from {} to {}",
            percent(median),
            percent(*lowest),
            percent(*highest)
        );
    }
    let turned = rows.iter().filter(|row| row.in_force.is_some() != row.candidate.is_some()).count();
    if turned > 0 {
        let _ = write!(text, "; {turned} would become defined or undefined");
    }
    text.push('.');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(id: &str, in_force: Option<f64>, candidate: Option<f64>) -> Row {
        let absolute = in_force.zip(candidate).map(|(first, second)| second - first);
        let relative =
            absolute.zip(in_force).filter(|(_, first)| *first != 0.0).map(|(more, first)| more / first);
        serde_json::from_value(json!({
            "session": {"id": id, "anchor_id": "a1"},
            "in_force": in_force, "candidate": candidate,
            "difference": {"absolute": absolute, "relative": relative},
        }))
        .expect("a row")
    }

    #[test]
    fn those_that_change_most_come_first() {
        let rows = vec![
            row("s1", Some(100.0), Some(90.0)),
            row("s2", Some(100.0), Some(100.0)),
            row("s3", Some(100.0), None),
            row("s4", None, None),
            row("s5", Some(200.0), Some(300.0)),
        ];
        let text = report(rows, 2);
        let ids: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(ids[1..3], ["s3", "s5"]);
        assert!(text.contains("and 1 more"), "{text}");
        let end = "3 of 5 sessions would change, of 1 anchor: by +50.0 % at the median, from -10.0 % to +50.0 %; 1 would \
            become defined or undefined.";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn nothing_is_said_shortly_and_csv_leaves_out_what_is_undefined() {
        assert_eq!(report(Vec::new(), 20), "0 of 0 sessions would change, of 0 anchors.");
        assert_eq!(line(&row("s3", Some(100.0), None)), "s3,a1,100,,,");
        assert_eq!(line(&row("s1", Some(0.5), Some(0.25))), "s1,a1,0.5,0.25,-0.25,-0.5");
    }
}
