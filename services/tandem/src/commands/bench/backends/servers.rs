//! The servers themselves, past our adapters: what they can do alone (yardsticks), and what they
//! keep for us (sizes).

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use serde::Serialize;

use super::node::CLIENTS;
use crate::commands::bench::latency::{Latencies, Percentiles};
use crate::servers::{KEYS_AT_ONCE, cql, host_and_port, keys, redis};

/// How long `redis-benchmark` may take; it is told to do so little that it takes a second.
const REDIS_BENCHMARK_WITHIN: Duration = Duration::from_secs(30);
const REDIS_BENCHMARK_REQUESTS: &str = "40000";
/// Until a CQL store has written its tables to files, after it was told to do so every second.
const FLUSHED_WITHIN: Duration = Duration::from_secs(4);

/// What `redis-benchmark` reaches with GET, against the same server.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct RedisGet {
    /// One client.
    pub(super) p50_ms: f64,
    /// [`CLIENTS`] clients.
    pub(super) per_second: u64,
}

/// Runs `redis-benchmark`, alone and with many clients.
pub(super) async fn redis_get(settings: &tandem_redis::Settings) -> anyhow::Result<RedisGet> {
    ensure!(settings.password.is_none(), "redis-benchmark would show the password to everybody");
    let (alone, many) = (redis_benchmark(settings, 1).await?, redis_benchmark(settings, CLIENTS).await?);
    Ok(RedisGet { p50_ms: alone.1, per_second: many.0 as u64 })
}

/// Requests a second, and the median in milliseconds.
async fn redis_benchmark(settings: &tandem_redis::Settings, clients: usize) -> anyhow::Result<(f64, f64)> {
    let (host, port) = host_and_port(settings)?;
    let running = tokio::process::Command::new("redis-benchmark")
        .args(["-h", &host, "-p", &port.to_string(), "-c", &clients.to_string()])
        .args(["-n", REDIS_BENCHMARK_REQUESTS, "-t", "get", "--csv"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(REDIS_BENCHMARK_WITHIN, running).await;
    let output =
        output.context("redis-benchmark takes too long")?.context("there is no redis-benchmark here")?;
    let text = String::from_utf8_lossy(&output.stdout);
    // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms",…
    let line = text.lines().find(|line| line.starts_with("\"GET\""));
    let fields: Vec<f64> = line
        .into_iter()
        .flat_map(|line| line.split(',').skip(1))
        .filter_map(|field| field.trim_matches('"').parse().ok())
        .collect();
    match fields[..] {
        [rps, _, _, p50, ..] => Ok((rps, p50)),
        _ => Err(anyhow!("redis-benchmark said nothing of GET: {}", text.trim())),
    }
}

/// What the sessions take in Redis, their keys and all overhead included; and how many there are.
pub(super) async fn redis_bytes(settings: &tandem_redis::Settings) -> anyhow::Result<(u64, u64)> {
    let mut connection = redis(settings).await?;
    let keys = keys(&mut connection, settings, "s:*").await?;
    let mut bytes = 0;
    for some in keys.chunks(KEYS_AT_ONCE) {
        let mut usage = redis::pipe();
        for key in some {
            // 0: every field is looked at, none is estimated.
            usage.cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(0);
        }
        let sizes: Vec<Option<u64>> = usage.query_async(&mut connection).await?;
        bytes += sizes.into_iter().flatten().sum::<u64>();
    }
    Ok((bytes, keys.len() as u64))
}

/// The yardstick of the row store: the driver reads the totals of a session, and nobody makes
/// anything of them.
pub(super) async fn cql_read(
    settings: &tandem_scylla::Settings,
    ids: &[String],
    lasting: Duration,
) -> anyhow::Result<Percentiles> {
    let session = Box::pin(cql(settings)).await?;
    let text =
        format!("SELECT * FROM {}.rows WHERE session_id = ? AND table_name = 'total'", settings.keyspace);
    let read = session.prepare(text).await?;
    let (started, mut latencies) = (Instant::now(), Latencies::default());
    for (index, id) in ids.iter().cycle().enumerate() {
        if index >= ids.len() && started.elapsed() >= lasting {
            break;
        }
        let asked = Instant::now();
        std::hint::black_box(session.execute_unpaged(&read, (id,)).await?);
        latencies.add(asked.elapsed());
    }
    latencies.percentiles().context("there are no sessions")
}

/// What the rows take on disk, and how that was found. CQL has no word for "write it to disk now",
/// but a table can be told to do so every second; this is the end of the keyspace anyway.
pub(super) async fn cql_bytes(
    settings: &tandem_scylla::Settings,
    folder: Option<&Path>,
) -> anyhow::Result<(u64, &'static str)> {
    let (session, keyspace) = (Box::pin(cql(settings)).await?, &settings.keyspace);
    let list = format!("SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}'");
    let tables = session.query_unpaged(list, ()).await?.into_rows_result()?;
    for table in tables.rows::<(String,)>()? {
        let (table,) = table?;
        let text = format!("ALTER TABLE {keyspace}.{table} WITH memtable_flush_period_in_ms = 1000");
        session.query_unpaged(text, ()).await?;
    }
    tokio::time::sleep(FLUSHED_WITHIN).await;
    if let Some(folder) = folder {
        let of_ours = keyspace_folder(folder, keyspace)
            .with_context(|| format!("there is no folder {keyspace} in {}", folder.display()))?;
        return Ok((folder_bytes(&of_ours)?, "files of the data folder after a flush, all tables, one copy"));
    }
    let usage = format!("SELECT mebibytes FROM system_views.disk_usage WHERE keyspace_name = '{keyspace}'");
    let usage = session.query_unpaged(usage, ()).await;
    let usage = usage.context("the server tells no sizes; name its data folder with --cql-folder")?;
    let mut bytes = 0;
    for row in usage.into_rows_result()?.rows::<(i64,)>()? {
        bytes += u64::try_from(row?.0)? << 20;
    }
    ensure!(bytes > 0, "less than the server tells (whole MiB); name its data folder with --cql-folder");
    Ok((bytes, "system_views.disk_usage after a flush, whole MiB per table"))
}

/// The folder of a keyspace, some levels down.
fn keyspace_folder(folder: &Path, keyspace: &str) -> Option<std::path::PathBuf> {
    let mut level = vec![folder.to_owned()];
    for _ in 0..4 {
        if let Some(found) = level.iter().map(|folder| folder.join(keyspace)).find(|found| found.is_dir()) {
            return Some(found);
        }
        let inner = level.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
        level = inner.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    }
    None
}

/// What the files of a folder take, by their lengths.
pub(super) fn folder_bytes(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // What is compacted away meanwhile is no more.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_keyspace_is_found_and_measured() {
        let root = tempfile::tempdir().expect("folder");
        let table = root.path().join("cql-a/data/data/bench/rows-1");
        std::fs::create_dir_all(&table).expect("folder");
        std::fs::write(table.join("na-1-big-Data.db"), [0; 123]).expect("file");
        let found = keyspace_folder(root.path(), "bench").expect("it is there");
        assert_eq!(folder_bytes(&found).expect("it can be read"), 123);
        assert_eq!(keyspace_folder(root.path(), "other"), None);
    }
}
