//! Scenarios as text: lines of a log, and what must come out of them.
//!
//! ```text
//! enter 10.5 u=a channel=x      an event at second 10.5; s=… session, id=… event id
//! beat 60                       a beat
//! {"any":"line"}                a line as it stands
//!
//! s room: views=1 events=2 @3   all columns that are not 0, and the row's version if given
//! s channel/x 1m 60: views=1    a trend: window, start of the bucket
//! s channel/y none              no such row
//! s row: state=live first=10.5  what the session's own row says
//! partition: beats=1            likewise
//! rejected: 3 late s; 4 not_json -
//! ```
//!
//! Seconds count from [`BASE_MS`]; the offset of a line is its number, from 0.

use std::collections::BTreeMap;

use bytes::Bytes;
use tandem_model::rejected::Reason;
use tandem_model::time::Window;
use tandem_model::{Breakdown, PartitionId, PseudonymKey, Record, RowKey, Stored, Table};
use tandem_plain::Plain;

/// Second 0 of all scenarios: a border of all windows.
pub(crate) const BASE_MS: u64 = 1_500_000_000_000;

/// Runs `lines` and checks every expectation.
pub(crate) fn check(name: &str, lines: &str, expected: &str) {
    let plain = run(lines);
    for expectation in meaningful(expected) {
        if let Err(found) = holds(&plain, expectation) {
            panic!("{name}\n  expected {expectation}\n  found    {found}");
        }
    }
}

/// One partition of one, after these lines.
pub(crate) fn run(lines: &str) -> Plain {
    let mut plain = Plain::new(PartitionId(0), 1, PseudonymKey::new([0; 16]));
    for (offset, line) in meaningful(lines).enumerate() {
        plain.apply(offset as u64, &Record::line(json(offset, line)));
    }
    plain
}

fn meaningful(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The JSON of one line of a scenario.
pub(crate) fn json(offset: usize, line: &str) -> Bytes {
    if line.starts_with(['{', '[']) {
        return Bytes::copy_from_slice(line.as_bytes());
    }
    let mut words = line.split_whitespace();
    let event_type = words.next().expect("a type");
    let ts = ms(words.next().expect("a second"));
    if event_type == "beat" {
        assert_eq!(ts % 1000, 0, "a beat is a whole second");
        return Record::beat(ts / 1000).value;
    }
    let mut fields: BTreeMap<&str, String> = BTreeMap::new();
    fields.insert("type", quoted(event_type));
    fields.insert("ts", ts.to_string());
    fields.insert("event_id", quoted(&format!("e{offset}")));
    fields.insert("session_id", quoted("s"));
    let defaults = match event_type {
        "session_start" => {
            "anchor_id=a room_id=r title=t category=c anchor_name=n anchor_fans=1 content_type=k region=cn"
        }
        "comment" => "text=hi",
        "gift" => "amount_fen=0",
        "order_paid" => "order_id=o amount_fen=0 quantity=0",
        "order_refunded" | "presale_deposit" | "presale_balance" => "order_id=o amount_fen=0",
        "scene" => "label=l confidence=1",
        _ => "",
    };
    for word in defaults.split_whitespace().chain(words) {
        let (field, value) = word.split_once('=').expect("field=value");
        let field = match field {
            "u" => "user_id",
            "s" => "session_id",
            "id" => "event_id",
            "item" => "item_id",
            "amount" => "amount_fen",
            other => other,
        };
        let is_raw = matches!(value, "true" | "false" | "null") || value.parse::<u64>().is_ok();
        fields.insert(field, if is_raw { value.to_owned() } else { quoted(value) });
    }
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    Bytes::from(format!("{{{}}}", fields.join(",")))
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// The moment at a second of a scenario.
fn ms(second: &str) -> u64 {
    let second: f64 = second.parse().expect("a second");
    (BASE_MS as i64 + (second * 1000.0).round() as i64) as u64
}

/// What there is instead, if the expectation does not hold.
fn holds(plain: &Plain, expectation: &str) -> Result<(), String> {
    let (subject, wanted) = match expectation.split_once(':') {
        Some((subject, wanted)) => (subject.trim(), wanted.trim()),
        None => (expectation.strip_suffix(" none").expect("`: …` or ` none`"), "none"),
    };
    let found = match subject {
        "partition" => partition(plain),
        "rejected" => rejected(plain),
        _ => session(plain, subject),
    };
    // the version is only compared where one is given
    let comparable = if wanted.contains('@') || wanted == "none" {
        found.clone()
    } else {
        found.split('@').next().unwrap_or_default().to_owned()
    };
    if words(wanted) == words(&comparable) { Ok(()) } else { Err(found) }
}

/// Columns in any order; the list of the rejected as it stands.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<_> = text.split_whitespace().collect();
    if !text.contains(';') {
        words.sort_unstable();
    }
    words
}

fn partition(plain: &Plain) -> String {
    let row = plain.partition_row();
    let counts = [
        ("beats", row.beats),
        ("ignored_beats", row.ignored_beats),
        ("malformed_events", row.malformed_events),
        ("late_events", row.late_events),
    ];
    format!("{}@{}", nonzero(counts), row.offset)
}

fn rejected(plain: &Plain) -> String {
    let all: Vec<_> = plain
        .rejected()
        .iter()
        .map(|rejected| {
            let reason = match &rejected.reason {
                Reason::Malformed(malformed) => malformed.problem.name(),
                reason => reason.name(),
            };
            let session = rejected.session_id.as_ref().map_or("-", |id| id.as_str());
            format!("{} {reason} {session}", rejected.offset)
        })
        .collect();
    all.join("; ")
}

fn session(plain: &Plain, subject: &str) -> String {
    let words: Vec<_> = subject.split_whitespace().collect();
    let [id, what, place @ ..] = words.as_slice() else { panic!("session and row: {subject}") };
    let Some(figures) = plain.session(id) else { return "none".to_owned() };
    if *what == "row" {
        let row = &figures.session;
        let second = |ts: u64| (ts as f64 - BASE_MS as f64) / 1000.0;
        let mut text = format!("state={}", row.state.name());
        let started = row.attributes.as_ref().map(|attributes| attributes.started_at);
        for (name, ts) in [("first", row.first_ts), ("ended", row.ended_at), ("started", started)] {
            text += &ts.map_or(String::new(), |ts| format!(" {name}={}", second(ts)));
        }
        let anchor = row.attributes.as_ref().map(|attributes| format!(" anchor={}", attributes.anchor_id));
        return format!("{text}{} @{}", anchor.unwrap_or_default(), row.offset);
    }
    let (breakdown, key) = what.split_once('/').unwrap_or((what, what));
    let breakdown = Breakdown::ALL.into_iter().find(|known| known.name() == breakdown).expect("a breakdown");
    let (table, bucket) = match place {
        [] => (Table::Total, 0),
        [window, second] => (Table::Trend(Window::from_name(window).expect("a window")), ms(second)),
        _ => panic!("window and second: {subject}"),
    };
    match figures.rows.get(&RowKey { table, breakdown, key: key.into(), bucket }) {
        None => "none".to_owned(),
        Some((values, offset)) => {
            let columns = Stored::ALL.iter().map(|stored| (stored.id(), values[*stored as usize]));
            format!("{}@{offset}", nonzero(columns))
        }
    }
}

fn nonzero<'a>(columns: impl IntoIterator<Item = (&'a str, u64)>) -> String {
    columns
        .into_iter()
        .filter(|(_, value)| *value > 0)
        .map(|(name, value)| format!("{name}={value} "))
        .collect()
}
