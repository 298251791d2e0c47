//! Making connections: to the one server, to the master that the sentinels name, to a cluster.
//!
//! Every connection is checked before it is used: the server is recent enough, and with sentinels
//! it is a master indeed (they may be behind).

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Pipeline,
    RedisConnectionInfo, RedisError, RedisResult, Value,
};
use tandem_storage::{Result, StoreError};
use tokio::time::timeout;

use crate::failure::not_connected;
use crate::settings::{Mode, Settings, host_and_port};

/// The first version with functions.
const VERSION_MIN: u32 = 7;
/// How often the client library itself goes after a key that moved within a cluster.
const REDIRECTS_MAX: u32 = 5;
/// How long it waits before it does, in milliseconds.
const REDIRECT_WAIT_MS: (u64, u64) = (5, 100);

/// A connection, shared by any number of calls at once.
#[derive(Clone)]
pub(crate) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Sends commands at once; each has its answer or its error in the outcome.
    pub(crate) async fn send(&mut self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        match self {
            Self::Server(connection) => pipeline.query_async(connection).await,
            Self::Cluster(connection) => pipeline.query_async(connection).await,
        }
    }

    /// Sends one command; in a cluster to all masters, where it is one for all.
    pub(crate) async fn send_one(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Server(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

/// Knows how to make connections.
pub(crate) struct Connector {
    settings: Settings,
    addresses: Vec<ConnectionInfo>,
    cluster: Option<ClusterClient>,
}

impl Connector {
    /// Checks the settings; connects to nothing yet.
    pub(crate) fn new(settings: Settings) -> Result<Self> {
        settings.check()?;
        let login = match settings.mode {
            // The sentinels have a password of their own, and no users.
            Mode::Sentinel => login(None, settings.sentinel_password.as_deref(), 0),
            Mode::Single | Mode::Cluster => settings.login(),
        };
        let addresses = settings.addresses.iter().map(|address| {
            let (host, port) = host_and_port(address)?;
            connection_info(host, port, login.clone())
        });
        let addresses: Vec<_> = addresses.collect::<Result<_>>()?;
        let cluster = match settings.mode {
            Mode::Cluster => Some(cluster_client(&settings, &addresses)?),
            Mode::Single | Mode::Sentinel => None,
        };
        Ok(Self { settings, addresses, cluster })
    }

    /// Makes a connection, within the time the settings allow.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let limit = Duration::from_millis(self.settings.connect_timeout_ms);
        let connection = match (self.settings.mode, &self.cluster) {
            (Mode::Single, _) => timeout(limit, self.connect_single()).await,
            (Mode::Sentinel, _) => timeout(limit, self.connect_to_master()).await,
            (Mode::Cluster, Some(client)) => timeout(limit, self.connect_to_cluster(client)).await,
            (Mode::Cluster, None) => unreachable!("a cluster's client is made with the connector"),
        };
        connection.unwrap_or_else(|_| {
            let (addresses, limit) = (self.settings.addresses.join(", "), limit.as_millis());
            Err(StoreError::Unavailable(format!("redis at {addresses}: no connection within {limit} ms")))
        })
    }

    async fn connect_single(&self) -> Result<Connection> {
        let mut connection = Connection::Server(open(&self.addresses[0]).await?);
        check_version(&mut connection, &self.settings.addresses[0]).await?;
        Ok(connection)
    }

    async fn connect_to_cluster(&self, client: &ClusterClient) -> Result<Connection> {
        let addresses = self.settings.addresses.join(", ");
        let connection = client.get_async_connection().await;
        let mut connection =
            Connection::Cluster(connection.map_err(|error| not_connected(&addresses, &error))?);
        check_version(&mut connection, &addresses).await?;
        Ok(connection)
    }

    /// Asks the sentinels in turn; the first that names a master which is one is followed.
    async fn connect_to_master(&self) -> Result<Connection> {
        // None may take all the time that is left for the others.
        let limit = Duration::from_millis(self.settings.connect_timeout_ms) / 2;
        let mut failed = StoreError::Unavailable("redis: no sentinel was asked".to_owned());
        for sentinel in &self.addresses {
            let name = sentinel.addr().to_string();
            match timeout(limit, self.master_by(sentinel)).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(StoreError::Unavailable(text))) => {
                    failed = StoreError::Unavailable(format!("as sentinel {name} has it, {text}"));
                }
                Ok(Err(error)) => failed = error,
                Err(_) => failed = StoreError::Unavailable(format!("redis sentinel {name} does not answer")),
            }
        }
        Err(failed)
    }

    async fn master_by(&self, sentinel: &ConnectionInfo) -> Result<Connection> {
        let service = &self.settings.service_name;
        let name = sentinel.addr().to_string();
        let mut asked = open(sentinel).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
        let answer: Option<(String, u16)> =
            question.query_async(&mut asked).await.map_err(|error| not_connected(&name, &error))?;
        let Some((host, port)) = answer else {
            return Err(StoreError::Refused(format!(
                "redis sentinel {name} knows no master {service:?}; check service_name"
            )));
        };
        let address = format!("{host}:{port}");
        let mut connection =
            Connection::Server(open(&connection_info(host, port, self.settings.login())?).await?);
        let role = connection.send_one(&redis::cmd("ROLE")).await;
        match role.map_err(|error| not_connected(&address, &error))? {
            Value::Array(role) if role.first() == Some(&Value::BulkString(b"master".to_vec())) => {}
            _ => {
                return Err(StoreError::Unavailable(format!(
                    "redis {address} is no master; sentinel {name} does not know yet"
                )));
            }
        }
        check_version(&mut connection, &address).await?;
        Ok(connection)
    }
}

impl Settings {
    fn login(&self) -> RedisConnectionInfo {
        let user = Some(self.user.as_str()).filter(|user| !user.is_empty());
        login(user, self.password.as_deref(), self.database)
    }
}

fn login(user: Option<&str>, password: Option<&str>, database: u16) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default().set_db(database.into()).set_lib_name("tandem", "1");
    if let Some(user) = user {
        login = login.set_username(user);
    }
    if let Some(password) = password {
        login = login.set_password(password);
    }
    login
}

fn connection_info(host: String, port: u16, login: RedisConnectionInfo) -> Result<ConnectionInfo> {
    let info = ConnectionAddr::Tcp(host, port).into_connection_info();
    let info = info.map_err(|error| StoreError::Refused(format!("redis: {error}")))?;
    Ok(info.set_tcp_settings(tcp_settings()).set_redis_settings(login))
}

/// Small requests are sent at once, not held back for more to come.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

async fn open(info: &ConnectionInfo) -> Result<MultiplexedConnection> {
    // Callers limit the time themselves, the whole of it.
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let connection =
        async { Client::open(info.clone())?.get_multiplexed_async_connection_with_config(&config).await };
    connection.await.map_err(|error: RedisError| not_connected(&info.addr().to_string(), &error))
}

fn cluster_client(settings: &Settings, addresses: &[ConnectionInfo]) -> Result<ClusterClient> {
    // A node that hangs must not take all the time there is for finding the others.
    let node_limit = Duration::from_millis(settings.connect_timeout_ms) / 3;
    let mut builder = ClusterClient::builder(addresses.iter().cloned())
        .retries(REDIRECTS_MAX)
        .min_retry_wait(REDIRECT_WAIT_MS.0)
        .max_retry_wait(REDIRECT_WAIT_MS.1)
        .connection_timeout(node_limit)
        .response_timeout(Duration::from_millis(settings.call_timeout_ms))
        .tcp_settings(tcp_settings());
    if !settings.user.is_empty() {
        builder = builder.username(&settings.user);
    }
    if let Some(password) = &settings.password {
        builder = builder.password(password);
    }
    builder.build().map_err(|error| StoreError::Refused(format!("redis: {error}")))
}

/// Refuses servers that are too old. One that may not be asked is taken at its word.
async fn check_version(connection: &mut Connection, address: &str) -> Result<()> {
    for node in info(connection, "server").await.map_err(|error| not_connected(address, &error))? {
        let version = node.field("redis_version").unwrap_or("unknown");
        let major = version.split('.').next().and_then(|major| major.parse().ok());
        if major.is_some_and(|major: u32| major < VERSION_MIN) {
            return Err(StoreError::Refused(format!(
                "redis {version} at {address} is too old: functions need {VERSION_MIN}.0 or later"
            )));
        }
    }
    Ok(())
}

/// What a server tells of itself.
pub(crate) struct Info(String);

impl Info {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
}

/// A section of what the server tells of itself, in a cluster one per master; none where the
/// user may not ask.
pub(crate) async fn info(connection: &mut Connection, section: &str) -> RedisResult<Vec<Info>> {
    let answer = match connection.send_one(redis::cmd("INFO").arg(section)).await {
        Err(error) if error.code() == Some("NOPERM") => return Ok(Vec::new()),
        outcome => outcome?,
    };
    let nodes = match answer {
        Value::Map(nodes) => nodes.into_iter().map(|(_, text)| text).collect(),
        one => vec![one],
    };
    nodes.into_iter().map(|text| Ok(Info(redis::from_redis_value(text)?))).collect()
}
