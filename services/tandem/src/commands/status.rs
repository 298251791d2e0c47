//! `tandem status`: how a running system is.

use comfy_table::{CellAlignment, Table, presets};
use serde_json::Value;

use crate::cli::Connection;
use crate::failure::Failure;
use crate::status::{ChainStatus, PATH, Status};
use crate::terminal::{say, thousands, utc};

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
    text
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

fn parity(status: &Status) -> String {
    let parity = &status.parity;
    let moment = parity.beat.map(|beat| format!(" at the beat of {}", utc(beat))).unwrap_or_default();
    match parity.verdict.as_str() {
        "equal" => format!("Both chains hold the same rows (digests equal{moment})."),
        "different" => {
            let differing = parity.partitions.iter().filter(|partition| partition.verdict == "different");
            let named: Vec<String> = differing
                .map(|partition| {
                    format!("partition {} ({})", partition.partition, partition.tables.join(", "))
                })
                .collect();
            format!(
                "The chains DIFFER in {}. `tandem verify` names the row and the chain that is wrong.",
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
                {"chain": "b", "ready": false, "as_of": null, "freshness_ms": null, "partitions": []},
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
            "12,345",
            "–",
            "without hot",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.contains("DIFFER in partition 0 (session)"), "{text}");
        let mut many = status("equal");
        many.log.partitions = 64;
        let text = super::text(&many);
        assert!(text.contains("positions of 64, summed up") && text.contains("12,352"), "{text}");
        assert!(super::text(&status("equal")).contains("the same rows"));
        assert!(super::text(&status("indeterminate")).contains("could not be compared"));
    }
}
