//! What sessions cost in bytes and in time, beside what the server itself can do. On demand:
//! `cargo test -p tandem-tests --test backends -- --ignored --nocapture redis::measure`.

#![allow(clippy::print_stdout, reason = "it is what these are for")]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tandem_model::SessionChange;
use tandem_storage::suite::fixtures;
use tokio::time::Instant;

use super::*;

fn number(address: &str, command: &[&str]) -> u64 {
    match ask(address, command).unwrap() {
        redis::Value::Int(number) => number.try_into().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn used_memory(address: &str) -> u64 {
    let redis::Value::BulkString(text) = ask(address, &["INFO", "memory"]).unwrap() else {
        panic!("no text")
    };
    let text = String::from_utf8(text).unwrap();
    text.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn bytes() {
    let (_services, address) = one_server();
    let hot = open(single(&address)).await;
    let incarnation = hot.begin(PARTITION, cut(1)).await.unwrap().unwrap();
    println!("| rows | values | as Redis comes | listpack up to 1 KiB |");
    for rows in [1, 30, 100, 300, 1_000, 5_000] {
        let mut line = String::new();
        for longest in ["64", "1024"] {
            ask(&address, &["CONFIG", "SET", "hash-max-listpack-value", longest]).unwrap();
            ask(&address, &["CONFIG", "SET", "hash-max-listpack-entries", "512"]).unwrap();
            let count = 200;
            let before = used_memory(&address);
            for index in 0..count {
                let session = sizes::session(&format!("m-{rows}-{longest}-{index:08}"), 1 << 33, rows);
                hot.put(incarnation, session).await.unwrap();
            }
            let each = (used_memory(&address) - before) / count;
            let key = format!("{{tandem:a:3}}:s:m-{rows}-{longest}-00000001");
            let alone = number(&address, &["MEMORY", "USAGE", &key, "SAMPLES", "0"]);
            line += &format!(" | {each} (MEMORY USAGE {alone})");
        }
        let mut values = Vec::new();
        for row in &sizes::session("s", 1 << 33, rows).rows {
            tandem_storage::codec::encode_values(&row.values, row.offset, &mut values);
        }
        println!("| {rows} | {} {line} |", values.len());
    }
}

/// Requests per second of `redis-benchmark`, which is a server's own yardstick.
fn yardstick(address: &str, clients: &str, pipeline: &str) -> f64 {
    let port = address.rsplit_once(':').unwrap().1;
    let options = ["-p", port, "-c", clients, "-P", pipeline, "-n", "300000", "-t", "get", "--csv"];
    let output = Command::new("redis-benchmark").args(options).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("\"GET\"")).unwrap();
    line.split(',').nth(1).unwrap().trim_matches('"').parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn speed() {
    const PERIOD: Duration = Duration::from_secs(3);
    let (_services, address) = one_server();
    ask(&address, &["CONFIG", "SET", "hash-max-listpack-value", "1024"]).unwrap();
    let hot = open(single(&address)).await;
    let get = |clients: &str, pipeline: &str| {
        let each = yardstick(&address, clients, pipeline);
        println!("redis-benchmark GET, {clients} clients, pipeline {pipeline}: {each:.0}/s");
        each
    };
    let (single_get, piped_get) = (get("64", "1"), get("16", "16"));

    let mut incarnation = hot.begin(PARTITION, cut(1)).await.unwrap().unwrap();
    let kinds = [
        ("512", 200, 30, 5),
        ("512", 200, 30, 30),
        ("512", 200, 300, 30),
        ("128", 200, 300, 30),
        ("512", 4, 5_000, 1_000),
    ];
    for (listpack, sessions, rows, changed) in kinds {
        ask(&address, &["CONFIG", "SET", "hash-max-listpack-entries", listpack]).unwrap();
        let name = |index: usize| format!("s-{rows}-{index:04}");
        for index in 0..sessions {
            hot.put(incarnation, sizes::session(&name(index), 1, rows)).await.unwrap();
        }
        let mut next = hot.progress(PARTITION).await.unwrap().unwrap().next;
        let (start, mut calls) = (Instant::now(), 0);
        while start.elapsed() < PERIOD {
            let base = cut(next);
            next += 1;
            let mut changes = fixtures::changes(PARTITION.0, next, next * 10);
            changes.sessions = (0..sessions)
                .map(|index| {
                    let whole = sizes::session(&name(index), next, changed);
                    SessionChange { session_id: whole.session_id, session: None, rows: whole.rows }
                })
                .collect();
            let applied = hot.apply(incarnation, base, &changes).await.unwrap();
            assert_eq!(applied, Applied::Done { absent: vec![] });
            calls += 1;
        }
        let each = f64::from(calls) * sessions as f64 / start.elapsed().as_secs_f64();
        println!(
            "apply, {sessions} sessions of {rows} rows (listpack up to {listpack}), {changed} of them changed: {each:.0} sessions/s, {:.0} rows/s, {:.2} x piped GET",
            each * changed as f64,
            each / piped_get
        );
        // The next kind starts over: what it leaves behind would count as written just now.
        ask(&address, &["FLUSHDB"]).unwrap();
        incarnation = hot.begin(PARTITION, cut(next)).await.unwrap().unwrap();
    }

    for rows in [30, 300, 1_000, 5_000] {
        hot.put(incarnation, sizes::session(&format!("r-{rows}"), 1 << 40, rows)).await.unwrap();
        for clients in [1, 64] {
            let hot = open(Settings { call_timeout_ms: 20_000, ..single(&address) }).await;
            let (done, deadline) = (Arc::new(AtomicU64::new(0)), Instant::now() + PERIOD);
            let tasks: Vec<_> = (0..clients)
                .map(|_| {
                    let (hot, done) = (hot.clone(), done.clone());
                    tokio::spawn(async move {
                        let mut times = Vec::new();
                        while Instant::now() < deadline {
                            let start = Instant::now();
                            assert!(look(&hot, &format!("r-{rows}")).await.session.is_some());
                            times.push(start.elapsed());
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        times
                    })
                })
                .collect();
            let mut times = Vec::new();
            for task in tasks {
                times.extend(task.await.unwrap());
            }
            times.sort();
            let each = done.load(Ordering::Relaxed) as f64 / PERIOD.as_secs_f64();
            let at = |part: f64| times[(times.len() as f64 * part) as usize].as_secs_f64() * 1e3;
            println!(
                "read of {rows} rows, {clients} at once: {each:.0}/s, p50 {:.2} ms, p99 {:.2} ms, {:.2} x GET of 64 clients",
                at(0.5),
                at(0.99),
                each / single_get
            );
        }
    }
}
