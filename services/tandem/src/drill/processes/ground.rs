//! The servers under a stand: whether they are there, what is created on them, and its removal.

use std::time::Duration;

use anyhow::{Context, anyhow};
use tandem_model::LogId;
use tandem_model::route::Chain;
use tandem_redis::Hot;
use tandem_storage::StoreError;
use tokio::net::TcpStream;

use super::site::Site;
use crate::config::ComputeConfig;
use crate::failure::Failure;
use crate::servers;
use crate::terminal::remark;

/// How long a server may take to take a connection, and to do what it is asked.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const CREATE_WITHIN: Duration = Duration::from_secs(120);
/// How long all of the removal may take: nobody waits for ever for a server that is gone.
const REMOVE_WITHIN: Duration = Duration::from_secs(60);

/// Says all at once which servers are not there.
///
/// # Errors
///
/// When one of them is not.
pub(super) async fn reachable(site: &Site) -> Result<(), Failure> {
    let mut asked = vec![("the event log (Kafka, [log] brokers)".to_owned(), &site.chains[0].log.brokers)];
    for config in &site.chains {
        let chain = config.chain;
        asked.push((format!("the row store (CQL, [chains.{chain}.rows] addresses)"), &config.rows.addresses));
        asked.push((format!("the hot store (Redis, [chains.{chain}.hot] addresses)"), &config.hot.addresses));
    }
    let mut missing = Vec::new();
    for (what, addresses) in asked {
        let mut reasons = Vec::new();
        for address in addresses {
            match tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(address)).await {
                Ok(Ok(_)) => {
                    reasons.clear();
                    break;
                }
                Ok(Err(error)) => reasons.push(format!("{address}: {error}")),
                Err(_) => {
                    reasons.push(format!("{address}: no connection within {} s", CONNECT_WITHIN.as_secs()));
                }
            }
        }
        if !reasons.is_empty() {
            missing.push(format!("{what} can't be reached at {}", reasons.join(", ")));
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Failure::failed(anyhow!(
            "{}; these drills run on the servers that --config names",
            missing.join("; ")
        ))),
    }
}

/// Creates topics and tables, and finds out whether each CQL cluster has one node only.
///
/// # Errors
///
/// When a server refuses, or does not answer in time.
pub(super) async fn create(site: &Site) -> Result<[bool; 2], Failure> {
    let creating = async {
        let log = &site.chains[0].log;
        let applied = tandem_kafka::schema::apply(log).await.map_err(of_log)?;
        let Some(identity) = applied.status.identity else {
            return Err(Failure::failed(anyhow!("the event log ([log]) does not say which one it is")));
        };
        let log = (identity.log_id, identity.generation);
        let [a, b] = &site.chains;
        if a.rows.addresses == b.rows.addresses {
            // Tables that are created at once on one cluster hinder each other.
            return Ok([of_chain(a, log).await?, of_chain(b, log).await?]);
        }
        let (a, b) = futures::try_join!(of_chain(a, log), of_chain(b, log))?;
        Ok([a, b])
    };
    tokio::time::timeout(CREATE_WITHIN, Box::pin(creating)).await.unwrap_or_else(|_| {
        let seconds = CREATE_WITHIN.as_secs();
        Err(Failure::failed(anyhow!("the servers did not create topics and tables within {seconds} s")))
    })
}

/// Creates the tables of a chain; whether its CQL cluster has one node only.
async fn of_chain(config: &ComputeConfig, (log, generation): (LogId, u32)) -> Result<bool, Failure> {
    let chain = config.chain;
    tandem_scylla::schema::apply(&config.rows).await.map_err(|error| of_store(chain, "rows", error))?;
    let nodes = servers::cql_nodes(&config.rows).await;
    let hot = Hot::open(config.hot.clone(), chain, log, generation).await;
    hot.map_err(|error| of_store(chain, "hot", error))?;
    Ok(nodes.with_context(|| format!("[chains.{chain}.rows]"))? == 1)
}

/// Removes what was created and what came after. What can't be removed is said, with its name; two
/// consumer groups of Kafka stay, which it forgets by itself.
pub(super) async fn remove(site: &Site) {
    let said = |what: String, outcome: anyhow::Result<()>| {
        if let Err(error) = outcome {
            remark(format_args!("{what} could not be removed: {error:#}"));
        }
    };
    let removing = async {
        let of_chains = site.chains.iter().map(|config| async {
            let (rows, hot) = (&config.rows, &config.hot);
            said(format!("keyspace {}", rows.keyspace), Box::pin(servers::drop_keyspace(rows)).await);
            said(format!("keys {{{}:*", hot.key_prefix), servers::remove_keys(hot).await);
        });
        let log = &site.chains[0].log;
        let topics = async {
            said(format!("topics {}.*", log.prefix), servers::remove_topics(log).await);
        };
        futures::join!(futures::future::join_all(of_chains), topics);
    };
    if tokio::time::timeout(REMOVE_WITHIN, removing).await.is_err() {
        let (name, seconds) = (&site.name, REMOVE_WITHIN.as_secs());
        remark(format_args!(
            "not everything of {name} was removed from the servers within {seconds} s: keyspaces {name}_*, \
             keys {{{name}_*, topics {name}.*"
        ));
    }
}

fn of_log(error: tandem_kafka::Error) -> Failure {
    let is_away = matches!(error, tandem_kafka::Error::Unavailable(_));
    let error = anyhow!(error).context("the event log (Kafka, [log])");
    if is_away { Failure::failed(error) } else { Failure::configuration(error) }
}

fn of_store(chain: Chain, section: &str, error: StoreError) -> Failure {
    let is_retryable = error.is_retryable();
    let error = anyhow!(error).context(format!("[chains.{chain}.{section}]"));
    if is_retryable { Failure::failed(error) } else { Failure::configuration(error) }
}
