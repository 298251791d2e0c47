//! A real gateway process (`tandem gateway`) with everything on: keys of a tenant, limits, CORS,
//! trusted proxies, sharing and memory of answers, the standby's copies, metrics.
//!
//! Behind it stands one stand-in for both chains. Kafka and control are away, as a gateway may find
//! them at a start: it learns of the log from the chain and begins with the route that it remembers.
//! Neither is asked on the way of a read. Kafka is silent rather than gone: its client would spend
//! more processor time on connecting anew, again and again, than some hundred reads a second cost.

use std::ffi::OsStr;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use tandem_identity::{Key, to_hexadecimal};
use tandem_model::route::{Chain, Route};

use super::load::Question;
use super::peers::free_addresses;
use super::process::{Cores, Process};
use super::stand_in;

/// The key of who may do everything.
pub(in crate::commands::bench) const OPERATOR_KEY: &str = "bench-operator-key";
/// The web page that calls, and where it is called from, as a proxy says it.
const ORIGIN: &str = "https://live.example";
const CALLER: &str = "203.0.113.7";

/// Starts the stand-in, on the measured core or not.
pub(super) fn stand_in(
    cores: &Cores,
    is_measured: bool,
    folder: &Path,
) -> anyhow::Result<(Process, SocketAddr)> {
    let log = folder.join(format!("stand-in-{is_measured}.log"));
    let arguments = ["bench", "gateway", "--serve"].map(OsStr::new);
    let mut process = Process::start(cores, is_measured, program()?, &arguments, &[], &log)?;
    let address = process.said_address(&log)?;
    Ok((process, address))
}

/// Who asks: a key of a tenant, in its own words and as the file of keys has it.
pub(in crate::commands::bench) struct Caller {
    key: Key,
}

impl Caller {
    pub(in crate::commands::bench) fn random() -> anyhow::Result<Self> {
        let mut random = [0; 40];
        getrandom::fill(&mut random).map_err(|error| anyhow!("no random numbers: {error}"))?;
        Ok(Self { key: Key::from_random(&random) })
    }

    /// Reports of so many sessions, as an application asks for them.
    pub(super) fn question(&self, sessions: u64) -> Question {
        let headers = vec![
            ("user-agent", "bench/1.0".to_owned()),
            ("accept", "application/json".to_owned()),
            ("origin", ORIGIN.to_owned()),
            ("authorization", format!("Bearer {}", self.key.to_text())),
            ("tandem-token", stand_in::token(0).encode()),
            ("x-forwarded-for", CALLER.to_owned()),
        ];
        Question::new(headers, sessions)
    }

    fn file(&self) -> String {
        format!(
            "[[tenants]]\nname = \"mcn\"\nanchors = [\"a1\"]\n\
             [[keys]]\nid = \"{}\"\ntenant = \"mcn\"\napplication = \"bench\"\nmay = [\"read\"]\nsha256 = \"{}\"\n\
             created_at = 2024-01-01T00:00:00Z\n",
            self.key.id(),
            to_hexadecimal(&self.key.secret_sha256())
        )
    }
}

/// Limits of every kind, which nobody here reaches.
const LIMITS: &str = "[[rules]]\nname = \"key\"\nkey = \"key\"\nrequests = 1000000000\nwindow_s = 10\n\
    [[rules]]\nname = \"tenant\"\nkey = \"tenant\"\nrequests = 1000000000\nwindow_s = 10\n\
    [[rules]]\nname = \"address\"\nkey = \"anonymous_address\"\nrequests = 1000\nwindow_s = 1\n";

/// A gateway that serves.
pub(in crate::commands::bench) struct Gateway {
    pub(in crate::commands::bench) process: Process,
    pub(in crate::commands::bench) address: SocketAddr,
    /// Connections to it are made by the system, and nobody ever answers.
    _kafka: TcpListener,
}

/// Starts a gateway in front of `chain`, with keys for `caller`.
pub(in crate::commands::bench) fn gateway(
    cores: &Cores,
    chain: SocketAddr,
    caller: &Caller,
    folder: &Path,
) -> anyhow::Result<Gateway> {
    let [control] = free_addresses()?;
    let silent = TcpListener::bind(("127.0.0.1", 0))?;
    let kafka = silent.local_addr()?;
    let path = |name: &str| folder.join(name);
    let text = format!(
        "[log]\nbrokers = [\"{kafka}\"]\nrequest_timeout_ms = 500\nreplicas = 1\nin_sync_replicas = 1\n\
         [control]\nnodes = [\"http://{control}\"]\n\
         [gateway]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
         chain_a = [\"http://{chain}\"]\nchain_b = [\"http://{chain}\"]\n\
         keys = {:?}\nlimits = {:?}\nroute_memory = {:?}\ncors_origins = [\"{ORIGIN}\"]\n\
         trusted_proxies = [\"127.0.0.0/8\"]\nconnections_max = 16384\nstreams_max = 16384\n\
         streams_per_tenant_max = 16384\n\
         [gateway.shield]\nmode = \"enforce\"\n",
        path("keys.toml"),
        path("limits.toml"),
        path("route.json")
    );
    let config = path("tandem.toml");
    std::fs::write(&config, text)?;
    let mut private = std::fs::OpenOptions::new();
    private.write(true).create(true).truncate(true).mode(0o600);
    private.open(path("keys.toml"))?.write_all(caller.file().as_bytes())?;
    std::fs::write(path("limits.toml"), LIMITS)?;
    let route = Route { active: Chain::A, epoch: 1, reason: "bench".to_owned() };
    std::fs::write(path("route.json"), serde_json::to_vec(&route)?)?;
    let arguments = [OsStr::new("gateway"), OsStr::new("--config"), config.as_os_str()];
    let log = path("gateway.log");
    let mut process =
        Process::start(cores, true, program()?, &arguments, &[("TANDEM_KEY", OPERATOR_KEY)], &log)?;
    let address = process.said_address(&log)?;
    Ok(Gateway { process, address, _kafka: silent })
}

fn program() -> anyhow::Result<std::path::PathBuf> {
    std::env::current_exe().context("the system does not tell where this program is")
}
