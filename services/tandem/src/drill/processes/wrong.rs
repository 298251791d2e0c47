//! Wrong data: rows of a session changed in the row store of one chain, behind its back.
//!
//! The session is the stand's own. Nobody writes to it during the drill, else the chain itself
//! would soon write the right rows over the wrong ones.

use std::time::Duration;

use anyhow::anyhow;
use serde_json::json;
use tandem_chaos::load::{Api, wall_ms};
use tandem_chaos::stand::StandError;
use tandem_model::partition::partition_of;
use tandem_model::{Breakdown, PartitionId, SessionId, Stored, Table};
use tandem_scylla::ScyllaStore;
use tandem_storage::{Replacement, RowStore, Select};
use tokio::time::{Instant, sleep};

use super::super::decided::said;

/// The session whose rows are made wrong.
const SESSION: &str = "drill-untouched";
const AMOUNT_FEN: u64 = 10_900;
/// How long a gateway that is ready may take to take an event, and a chain to write it.
const WITHIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// Lets there be something that can be made wrong.
pub(super) async fn prepare(gateway: &str, key: &str) -> anyhow::Result<()> {
    let event = json!({
        "event_id": "drill-order", "type": "order_paid", "ts": wall_ms(), "session_id": SESSION,
        "user_id": "drill-buyer", "order_id": "drill-order", "item_id": "drill-item",
        "amount_fen": AMOUNT_FEN, "quantity": 1, "source": "recommend",
    });
    let (api, body) = (Api::new(gateway, key), format!("{event}\n"));
    let until = Instant::now() + WITHIN;
    loop {
        let headers = [("idempotency-key", "drill-untouched")];
        let answer = api.post("/v1/events", &headers, body.clone().into()).await;
        match answer.map(|answer| (answer.status, answer.json)) {
            Some((200..=299, _)) => return Ok(()),
            answer if Instant::now() >= until => {
                return Err(anyhow!("the gateway does not take an event: {answer:?}"));
            }
            _ => sleep(PAUSE).await,
        }
    }
}

/// Changes a figure of the session, and adds a row that should not be; returns how many rows.
///
/// # Errors
///
/// When the store can't be reached, or the chain has not written the session in time.
pub(super) async fn corrupt(rows: &tandem_scylla::Settings, partitions: u32) -> Result<u64, StandError> {
    let id = SessionId::new(SESSION).ok_or_else(|| StandError(format!("{SESSION} is no session")))?;
    let partition: PartitionId = partition_of(SESSION.as_bytes(), partitions);
    let store = Box::pin(ScyllaStore::open(rows)).await.map_err(said)?;
    let until = Instant::now() + WITHIN;
    let mut wrong = loop {
        if let Some(session) = store.session(SESSION, &Select::All).await.map_err(said)? {
            break session;
        }
        if Instant::now() >= until {
            return Err(StandError(format!("the chain has no rows of session {SESSION}")));
        }
        sleep(PAUSE).await;
    };
    let total = wrong
        .rows
        .iter_mut()
        .find(|row| (row.key.table, row.key.breakdown) == (Table::Total, Breakdown::Room))
        .ok_or_else(|| StandError(format!("session {SESSION} has no total")))?;
    total.values[Stored::GmvFen as usize] /= 2;
    let mut stranger = total.clone();
    stranger.key.key = "~stranger".into();
    wrong.rows.push(stranger);
    let cut = store.progress(partition).await.map_err(said)?;
    let cut = cut.ok_or_else(|| StandError("the chain has not begun".to_owned()))?;
    let sessions = vec![(id, Some(wrong))];
    let replacement = Replacement { partition, cut, sessions, partition_row: None };
    store.replace(&replacement).await.map_err(said)?;
    Ok(2)
}
