//! `tandem status`: how a running system is.

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;
use tandem_model::route::Chain;
use tandem_model::status::RepairState;

use crate::cli::Connection;
use crate::failure::Failure;
use crate::status::{ChainStatus, Finding, PATH, Repair, Status};
use crate::terminal::{counted, say, thousands, utc};

/// What `tandem status` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Print the server's answer as JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Prints the status.
///
/// # Errors
///
/// When the server does not answer.
pub async fn run(args: Args) -> Result<(), Failure> {
    let client = args.connection.client()?;
    if args.json {
        let status: Value = client.get_json(PATH, &[]).await.map_err(Failure::failed)?;
        say(format_args!("{status:#}"));
    } else {
        let status = Status::read(&client).await.map_err(Failure::failed)?;
        say(format_args!("{} · {}", client.server(), text(&status)));
    }
    Ok(())
}

fn text(status: &Status) -> String {
    let mut text = format!("clock: {} · log {}\n\n", status.clock, status.log.id);
    let route = &status.route;
    text.push_str(&format!("Chain {} serves (epoch {}: {}).\n\n", route.active, route.epoch, route.reason));
    text.push_str(&chains(status).to_string());
    text.push_str("\n\n");
    text.push_str(&parity(status));
    for chain in &status.chains {
        for one in &chain.repairs {
            text.push('\n');
            text.push_str(&repair(chain.chain, one));
        }
    }
    text
}

/// A repair as a sentence, and what to do where it failed.
fn repair(chain: Chain, repair: &Repair) -> String {
    let what = match &repair.session_id {
        Some(id) => format!("session {id}"),
        None => format!("partition {}", repair.partition),
    };
    let reason = repair.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let state = match (repair.state, &repair.failure) {
        (RepairState::Ordered, _) => "under way".to_owned(),
        (RepairState::Done, _) => "done".to_owned(),
        (RepairState::Failed, None) => "failed; an operator's key shows why".to_owned(),
        (RepairState::Failed, Some(why)) => format!("failed, and is not tried again: {why}"),
    };
    format!("repair of {what} of chain {chain}{reason}, ordered {}: {state}", utc(repair.ordered_ms))
}

/// More partitions than this make a table that no terminal has room for.
const POSITIONS_SHOWN: u32 = 6;

fn chains(status: &Status) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    let mut header: Vec<String> =
        ["chain", "ready", "complete up to", "behind", "unread"].map(str::to_owned).into();
    match status.log.partitions {
        partitions if partitions <= POSITIONS_SHOWN => {
            header.extend((0..partitions).map(|partition| format!("position {partition}")));
        }
        partitions => header.push(format!("positions of {partitions}, summed up")),
    }
    table.set_header(header);
    for chain in &status.chains {
        table.add_row(chain_row(chain, status.log.partitions));
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn chain_row(chain: &ChainStatus, partitions: u32) -> Vec<String> {
    let none = || "–".to_owned();
    let mut row = vec![
        chain.chain.to_string(),
        ready(chain),
        chain.as_of.map_or_else(none, utc),
        chain.freshness_ms.map_or_else(none, |ms| format!("{:.1} s", ms as f64 / 1_000.0)),
        thousands(chain.lag_records()),
    ];
    if partitions <= POSITIONS_SHOWN {
        row.extend((0..partitions).map(|id| {
            let known = chain.partitions.iter().find(|partition| partition.partition == id);
            known.map_or_else(none, |partition| thousands(partition.next))
        }));
    } else {
        row.push(thousands(chain.partitions.iter().map(|partition| partition.next).sum()));
    }
    row
}

fn ready(chain: &ChainStatus) -> String {
    match (chain.ready, chain.degraded.is_empty()) {
        (false, _) => "no".to_owned(),
        (true, true) => "yes".to_owned(),
        (true, false) => format!("yes, without {}", chain.degraded.join(", ")),
    }
}

/// A finding as a sentence, and what to do about it.
fn finding(finding: &Finding) -> String {
    let who = match finding.wrong.as_str() {
        "both" => "both chains are wrong".to_owned(),
        chain => format!("chain {chain} is wrong"),
    };
    let mut place = Vec::new();
    place.extend(finding.session_id.as_ref().map(|id| format!("session {id}")));
    let of_table = if finding.store.is_none() { "digest of table" } else { "table" };
    place.extend(finding.table.as_ref().map(|table| format!("{of_table} {table}")));
    if let (Some(breakdown), Some(key)) = (&finding.breakdown, &finding.key) {
        place.push(format!("breakdown {breakdown}/{key}"));
    }
    place.extend(finding.bucket.map(|bucket| format!("bucket {}", utc(bucket))));
    place.extend(finding.column.as_ref().map(|column| format!("column {column}")));
    if place.is_empty() || finding.session_id.is_none() {
        place.push(format!("partition {}", finding.partition));
    }
    place.extend(finding.store.as_ref().map(|store| match store.as_str() {
        "hot" => "hot store".to_owned(),
        _ => "row store".to_owned(),
    }));
    let evidence = match (&finding.a, &finding.b, &finding.log) {
        (Some(a), Some(b), Some(log)) => match finding.wrong.as_str() {
            "b" if a == log => format!(": b has {b}, a and the log have {log}"),
            "a" if b == log => format!(": a has {a}, b and the log have {log}"),
            _ => format!(": a has {a}, b has {b}, the log gives {log}"),
        },
        _ => String::new(),
    };
    let scope = match &finding.session_id {
        // A wrong session that was computed so comes of a wrong state: all of it must go.
        Some(id) if finding.level == "stored" => format!("--session {id}"),
        _ => format!("--partition {}", finding.partition),
    };
    let repair = match finding.wrong.as_str() {
        "both" => "both must be repaired".to_owned(),
        chain => format!("repair: tandem repair --chain {chain} {scope} --reason …"),
    };
    format!("{who}: {}{evidence} (since {}); {repair}", place.join(", "), utc(finding.since_ms))
}

fn scanned(status: &Status) -> String {
    match status.parity.scan {
        Some(scan) => {
            let round = scan.last_round_at_ms.map(|at| format!(", last full round at {}", utc(at)));
            format!(
                " Stores: {} compared{}.",
                counted(scan.sessions_compared, "session"),
                round.unwrap_or_default()
            )
        }
        None => String::new(),
    }
}

fn parity(status: &Status) -> String {
    let parity = &status.parity;
    if !parity.findings.is_empty() {
        let lines: Vec<String> =
            parity.findings.iter().map(|one| format!("parity: DIFFERENCE — {}", finding(one))).collect();
        return lines.join("\n");
    }
    let moment = parity.beat.map(|beat| format!(" at the beat of {}", utc(beat))).unwrap_or_default();
    match parity.verdict.as_str() {
        "equal" => format!("Both chains hold the same rows (digests equal{moment}).{}", scanned(status)),
        "different" => {
            let differing = parity.partitions.iter().filter(|partition| partition.verdict == "different");
            let named: Vec<String> = differing
                .map(|partition| {
                    format!("partition {} ({})", partition.partition, partition.tables.join(", "))
                })
                .collect();
            format!(
                "The chains DIFFER in {}. The row and the chain that is wrong are being looked for.",
                named.join("; ")
            )
        }
        _ => "The chains could not be compared yet: there is no beat that both have.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(verdict: &str) -> Status {
        serde_json::from_value(serde_json::json!({
            "route": {"active": "b", "epoch": 3, "reason": "drill"},
            "clock": "live",
            "log": {"id": "0123abcd", "partitions": 2},
            "chains": [
                {"chain": "a", "ready": true, "degraded": ["hot"], "as_of": 1_732_190_400_000_u64, "freshness_ms": 1_234, "partitions": [
                    {"partition": 0, "next": 12_345, "lag_records": 2}, {"partition": 1, "next": 7, "lag_records": 1}]},
                {"chain": "b", "ready": false, "as_of": null, "freshness_ms": null, "partitions": [], "repairs": [
                    {"partition": 3, "state": "failed", "ordered_ms": 1_732_190_400_000_u64, "reason": "wrong row",
                     "failure": "a cell"},
                    {"partition": 4, "state": "done", "ordered_ms": 1_732_190_400_000_u64, "session_id": "s9"}]},
            ],
            "parity": {"verdict": verdict, "beat": null, "partitions": [
                {"partition": 0, "beat": null, "verdict": verdict, "tables": ["session"]}]},
        }))
        .unwrap()
    }

    #[test]
    fn everything_that_matters_is_shown() {
        let text = text(&status("different"));
        for part in [
            "Chain b serves (epoch 3: drill)",
            "2024-11-21 12:00:00 UTC",
            "1.2 s",
            "repair of partition 3 of chain b (wrong row), ordered 2024-11-21 12:00:00 UTC: failed, and is not tried again: a cell",
            "repair of session s9 of chain b, ordered 2024-11-21 12:00:00 UTC: done",
            "12,345",
            "–",
            "without hot",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.contains("DIFFER in partition 0 (session)"), "{text}");
        let mut found = status("different");
        let finding = serde_json::json!({"wrong": "b", "level": "stored", "store": "rows", "partition": 0, "beat": null,
            "session_id": "s17", "table": "trend_1m", "breakdown": "source", "key": "recommend",
            "bucket": 1_732_190_400_000_u64, "column": "gmv_fen", "a": "10900", "b": "9900", "log": "10900",
            "since_ms": 1_732_190_400_000_u64});
        found.parity.findings.push(serde_json::from_value(finding).unwrap());
        let line = "parity: DIFFERENCE — chain b is wrong: session s17, table trend_1m, breakdown source/recommend, \
            bucket 2024-11-21 12:00:00 UTC, column gmv_fen, row store: b has 9900, a and the log have 10900 \
            (since 2024-11-21 12:00:00 UTC); repair: tandem repair --chain b --session s17 --reason …";
        assert!(super::text(&found).contains(line), "{}", super::text(&found));
        let mut many = status("equal");
        many.log.partitions = 64;
        let text = super::text(&many);
        assert!(text.contains("positions of 64, summed up") && text.contains("12,352"), "{text}");
        assert!(super::text(&status("equal")).contains("the same rows"));
        assert!(super::text(&status("indeterminate")).contains("could not be compared"));
    }
}
