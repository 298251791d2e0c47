//! The servers themselves, past our adapters: for whoever makes something of its own there, and
//! removes it again.

use std::time::Duration;

use anyhow::{Context, anyhow};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use redis::aio::MultiplexedConnection;
use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use tandem_kafka::Security;

/// Keys that are asked for at once.
pub(crate) const KEYS_AT_ONCE: usize = 500;
const ADMIN_WITHIN: Duration = Duration::from_secs(20);

/// Where the first server of these settings is.
pub(crate) fn host_and_port(settings: &tandem_redis::Settings) -> anyhow::Result<(String, u16)> {
    let address = settings.addresses.first().map(String::as_str).unwrap_or_default();
    let (host, port) = address.rsplit_once(':').context("an address of Redis is host:port")?;
    Ok((host.trim_matches(['[', ']']).to_owned(), port.parse()?))
}

/// A connection to a single Redis.
pub(crate) async fn redis(settings: &tandem_redis::Settings) -> anyhow::Result<MultiplexedConnection> {
    let (host, port) = host_and_port(settings)?;
    let mut login = RedisConnectionInfo::default().set_db(settings.database.into());
    if !settings.user.is_empty() {
        login = login.set_username(&settings.user);
    }
    if let Some(password) = &settings.password {
        login = login.set_password(password);
    }
    let info = ConnectionAddr::Tcp(host, port).into_connection_info()?.set_redis_settings(login);
    Ok(redis::Client::open(info)?.get_multiplexed_async_connection().await?)
}

/// Keys of ours that match; `rest` comes behind the hash tag.
pub(crate) async fn keys(
    connection: &mut MultiplexedConnection,
    settings: &tandem_redis::Settings,
    rest: &str,
) -> anyhow::Result<Vec<String>> {
    let (mut found, mut cursor) = (Vec::new(), 0_u64);
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(format!("{{{}:*}}:{rest}", settings.key_prefix));
        let (next, keys): (u64, Vec<String>) = scan.arg("COUNT").arg(1_000).query_async(connection).await?;
        found.extend(keys);
        cursor = next;
        if cursor == 0 {
            found.sort_unstable();
            found.dedup();
            return Ok(found);
        }
    }
}

/// Removes every key with this prefix.
pub(crate) async fn remove_keys(settings: &tandem_redis::Settings) -> anyhow::Result<()> {
    let mut connection = redis(settings).await?;
    let keys = keys(&mut connection, settings, "*").await?;
    for some in keys.chunks(KEYS_AT_ONCE) {
        redis::cmd("UNLINK").arg(some).exec_async(&mut connection).await?;
    }
    Ok(())
}

/// A session with a CQL cluster.
pub(crate) async fn cql(settings: &tandem_scylla::Settings) -> anyhow::Result<Session> {
    let mut builder = SessionBuilder::new()
        .known_nodes(&settings.addresses)
        .connection_timeout(Duration::from_millis(settings.connect_timeout_ms));
    if !settings.user.is_empty() {
        builder = builder.user(&settings.user, settings.password.as_deref().unwrap_or_default());
    }
    Ok(Box::pin(builder.build()).await?)
}

/// How many nodes a CQL cluster has.
pub(crate) async fn cql_nodes(settings: &tandem_scylla::Settings) -> anyhow::Result<usize> {
    let session = Box::pin(cql(settings)).await?;
    let peers = session.query_unpaged("SELECT peer FROM system.peers", ()).await?.into_rows_result()?;
    Ok(peers.rows_num() + 1)
}

/// Removes a keyspace with everything in it.
pub(crate) async fn drop_keyspace(settings: &tandem_scylla::Settings) -> anyhow::Result<()> {
    let session = Box::pin(cql(settings)).await?;
    let mut text = scylla::statement::unprepared::Statement::new(format!(
        "DROP KEYSPACE IF EXISTS {}",
        settings.keyspace
    ));
    text.set_request_timeout(Some(ADMIN_WITHIN));
    session.query_unpaged(text, ()).await?;
    Ok(())
}

/// Removes the topics of a log, with everything in them.
pub(crate) async fn remove_topics(settings: &tandem_kafka::Settings) -> anyhow::Result<()> {
    let admin = log_admin(settings)?;
    let topics =
        [&settings.events_topic, &settings.summaries_topic, &settings.receipts_topic, &settings.meta_topic];
    let topics = topics.map(String::as_str);
    let options =
        AdminOptions::new().request_timeout(Some(ADMIN_WITHIN)).operation_timeout(Some(ADMIN_WITHIN));
    for outcome in admin.delete_topics(&topics, &options).await? {
        outcome.map_err(|(topic, code)| anyhow!("{topic}: {code}"))?;
    }
    Ok(())
}

/// Where the brokers of a log say that they are, `host:port` each.
pub(crate) async fn brokers(settings: &tandem_kafka::Settings) -> anyhow::Result<Vec<String>> {
    let admin = log_admin(settings)?;
    let asking = tokio::task::spawn_blocking(move || admin.inner().fetch_metadata(None, ADMIN_WITHIN));
    let metadata = asking.await?.context("the brokers of the log ([log]) do not say where they are")?;
    let places = metadata.brokers().iter().map(|broker| match broker.host() {
        host if host.contains(':') => format!("[{host}]:{}", broker.port()),
        host => format!("{host}:{}", broker.port()),
    });
    Ok(places.collect())
}

fn log_admin(settings: &tandem_kafka::Settings) -> anyhow::Result<AdminClient<DefaultClientContext>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", settings.brokers.join(","));
    if settings.security == Security::SaslPlaintext {
        config
            .set("security.protocol", "sasl_plaintext")
            .set("sasl.mechanisms", "PLAIN")
            .set("sasl.username", &settings.user)
            .set("sasl.password", settings.password.as_deref().unwrap_or_default());
    }
    Ok(config.create()?)
}
