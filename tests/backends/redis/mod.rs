//! The hot store on real Redis servers: alone, behind sentinels, as a cluster; emptied, replaced,
//! frozen and full. Every test has servers of its own (that takes no time), so it may do to them
//! what it likes.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test would")]

mod cluster;
mod faults;
mod library;
mod losses;
mod measure;
mod model;
mod quota;
mod sentinel;
mod sizes;
mod suite;

use std::time::Duration;

use tandem_model::route::Chain;
use tandem_model::{Cut, LogId, PartitionId};
use tandem_redis::{Access, Hot, Mode, Settings};
use tandem_storage::{Applied, HotSession, HotStore, Incarnation, SessionRows, StoreError};
use tandem_tests::services::Services;

const LOG: LogId = LogId([0x5a; 16]);
const PARTITION: PartitionId = PartitionId(3);
/// How long anything may take before a test fails; far beyond what it does take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One server, this test's own, and its address.
fn one_server() -> (Services, String) {
    let services = Services::start_only(&["redis-a"]).unwrap();
    let address = services.addresses().redis.a.clone();
    (services, address)
}

fn settings(mode: Mode, addresses: &[String]) -> Settings {
    Settings { mode, addresses: addresses.to_vec(), ..Settings::default() }
}

fn single(address: &str) -> Settings {
    settings(Mode::Single, &[address.to_owned()])
}

async fn open(settings: Settings) -> Hot {
    Hot::open(settings, Chain::A, LOG, 0).await.unwrap()
}

/// Asks a server directly; an error is told as the server told it.
fn ask(address: &str, command: &[&str]) -> redis::RedisResult<redis::Value> {
    let mut connection = redis::Client::open(format!("redis://{address}/"))?.get_connection()?;
    let (name, arguments) = command.split_first().expect("a command has a name");
    redis::cmd(name).arg(arguments).query(&mut connection)
}

fn cut(next: u64) -> Cut {
    Cut { next, clock: next * 10 }
}

async fn look(hot: &Hot, id: &str) -> HotSession {
    hot.session(PARTITION, id).await.unwrap()
}

/// Tries until the store is there again.
async fn persistently<T>(call: impl AsyncFn() -> Result<T, StoreError>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match call().await {
            Ok(value) => return value,
            Err(error) if error.is_retryable() && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}
