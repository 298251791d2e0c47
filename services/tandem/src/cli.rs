//! The command line: what can be asked for. The texts here are the help a stranger works from.

use clap::{Args, Parser, Subcommand};

use crate::client::{Client, ServerUrl};
use crate::commands::operate::{self, switch};
use crate::commands::{
    bench, config, definition, drill, export, ingest, key, poison, repair, role, schema, shield, status, up,
    verify,
};
use crate::failure::Failure;
use crate::key::Key;

/// Live figures of live-stream commerce, computed twice and shown to agree.
#[derive(Debug, Parser)]
#[command(name = "tandem", version, max_term_width = 100, arg_required_else_help = true)]
#[command(long_about = "\
Live figures of live-stream commerce, computed by two independent chains that are compared \
all the time and served through one gateway.

Start everything in one process, with demo traffic, and look at it:

  tandem up
  tandem status

Load a file of events into a server of your own and check every figure against the log:

  tandem up --no-demo --clock replay --data ./data --key secret
  TANDEM_KEY=secret tandem ingest events.ndjson.zst --replay
  TANDEM_KEY=secret tandem verify

Run it against Kafka, ScyllaDB (or Cassandra) and Redis, each role a process of its own, all from \
one configuration file (`tandem config reference` prints every option):

  tandem schema apply --config tandem.toml
  tandem control --config tandem.toml        tandem metronome --config tandem.toml
  tandem compute --config tandem.toml --chain a        (and --chain b)
  tandem query --config tandem.toml --chain a          (and --chain b)
  tandem gateway --config tandem.toml

Exit codes: 0 done, 1 it did not hold or could not be done, 2 wrong usage, 64 bad configuration.
Logs go to stderr; RUST_LOG chooses how much (default: warn,tandem=info).")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything in one process, with demo traffic
    #[command(long_about = "\
Run everything in one process on embedded storage: the event log, chains a and b, control and \
gateway; and traffic that looks like live commerce, so that there is something to see.

Prints the addresses and the key, then `listening on http://ADDRESS` when it is ready. Ctrl-C or \
SIGTERM stops it: requests under way come to their end, both chains write what they have.

Examples:

  tandem up                                             look around; nothing is kept
  tandem up --no-demo --data ./data --key secret        your own events, kept in ./data
  tandem up --clock replay --data ./data                for recorded files: tandem ingest --replay")]
    Up(up::Args),
    /// Load events from a file, with a progress bar
    #[command(long_about = "\
Load events from a file (or stdin) into a running server, in order, and wait until both chains \
have read them.

The file has one event per line, as POST /v1/events takes them; see /v1/docs of any server. \
Malformed lines are counted and named, the good ones are kept. A server that is restarted or full \
is waited for, and nothing counts twice.

Examples:

  tandem ingest events.ndjson.zst                       the server's clock decides how
  tandem ingest events.ndjson.gz --replay               the file's own time is the clock
  producer | tandem ingest - --live --rate 2000         from stdin, at most 2,000 events/s")]
    Ingest(ingest::Args),
    /// Show which chain serves, how far both are and whether they agree
    Status(status::Args),
    /// Fetch a table of summary data (DWS) as files, with a progress bar
    #[command(long_about = "\
Fetch a table of summary data (DWS) from a running server into a folder: CSV, JSON lines or Parquet.

Each file stands for itself and holds whole sessions, newest first; _manifest.json says what each is \
and where its rows are from, _SHA256SUMS lets anybody check them. Stopped in the middle, the same \
command goes on where it was. Columns, units and meanings: /v1/catalog/tables of any server.

Needs a key that was granted the table, or the operator's; any other gets its own sessions.

Examples:

  tandem export dws_total --into ./totals --format parquet
  tandem export dws_trend_1m --into ./trend --breakdowns room,source --status final
  duckdb -c \"SELECT sum(gmv_fen) FROM './totals/*.parquet' WHERE breakdown = 'room'\"")]
    Export(export::Args),
    /// Recompute everything from the log and compare it with both chains
    #[command(long_about = "\
Recompute every figure from the log by an independent, plain method and compare it with every row \
of both chains. Names the first difference and counts all. Exit code 1 if there is any.

A running system (needs the operator's key) may go on taking events meanwhile: each session is \
compared as of the moment its chain answered for. The data of a stopped system is read from its \
folder, real backends (running or not) as a configuration names them; there the events that were \
not counted and the digests are compared as well.

Examples:

  TANDEM_KEY=secret tandem verify                       the local system
  TANDEM_KEY=secret tandem verify --to http://host:8080 another one
  tandem verify --data ./data                           a stopped one
  tandem verify --config tandem.toml                    log and row stores, read directly")]
    Verify(verify::Args),
    /// Measure how fast it is, and make files to measure with
    Bench(bench::Args),
    /// Break something on purpose, and see that nobody notices
    #[command(long_about = "\
Break something on purpose under load, and show what came of it: whether any client saw an older \
figure, whether an acknowledged event was lost or counted twice, how long anybody waited, who \
decided what and when.

Each run starts a system of its own, so nothing else is touched, and ends every fault whatever \
happens (Ctrl-C, an error, a spent error budget). It leaves a report for people (HTML), for \
machines (JSON) and for build servers (JUnit).

With --stand processes every role is a process of its own, on the servers that --config names: under \
topics, keyspaces and keys of their own (drill_…), which are removed afterwards. Faults are signals \
(kill, stop) and TCP proxies between the processes; what these can't do is BLOCKED, with the reason.

With --stand namespaces each of these processes lives on a host of its own, a network namespace of \
this machine, and faults of the network are partitions: packets vanish, one way or both, between the \
hosts of processes, log and stores. It needs Linux, root, `ip` and `unshare`, and servers on loopback \
of this machine, each of them a single one. Nothing is left of the hosts, also of a drill that is killed.

Examples:

  tandem drill list
  tandem drill run crash slow --chain both
  tandem drill run --all --length brief --report ./drills
  tandem drill run crash slow --stand processes --config tandem.toml
  tandem drill run blackhole log-cut --stand namespaces --config tandem.toml
  tandem drill run release --stand processes --config tandem.toml --next-program ./tandem-next
  tandem drill report ./drills")]
    Drill(drill::Args),
    /// Run the compute of a chain against real backends
    #[command(long_about = role_about(
        "Run the compute of a chain: it follows the log on Kafka, folds its share of the partitions and writes \
         the chain's stores; while the chain is the active one it publishes summaries for partner teams. Several \
         processes of a chain share its partitions."
    ))]
    Compute(role::ChainArgs),
    /// Run a query node of a chain against real backends
    #[command(long_about = role_about(
        "Run a query node of a chain: it answers reads from the chain's stores, for gateways. It serves while \
         Kafka or Redis is away."
    ))]
    Query(role::ChainArgs),
    /// Run a gateway: the port for everybody
    #[command(long_about = role_about(
        "Run a gateway: one port for everybody, in front of the query nodes of both chains, which writes events to \
         Kafka. It follows the control node, and keeps the last route while that is away."
    ))]
    Gateway(role::Args),
    /// Run a control node; or ask the group about itself
    #[command(long_about = role_about(
        "Run a control node: a member of the group that decides which chain serves. It looks at both chains, and keeps \
         the group's log in a folder that must outlive it. Nobody needs the group to go on: readers keep the last \
         route while it is away. `tandem control members` shows and changes who is in it."
    ))]
    Control(role::ControlArgs),
    /// Run the metronome, which moves time
    #[command(long_about = role_about(
        "Run the metronome: a beat a second into every partition of the log. It refuses to beat while its clock is \
         too far off the control node's. Two may run."
    ))]
    Metronome(role::Args),
    /// Create and check topics and tables of real backends
    Schema(schema::Args),
    /// Let the other chain serve, when it has caught up and is well
    #[command(long_about = "\
Ask the control group to let a chain serve. It waits until the chain has caught up and is well, so \
that nobody notices; what stands against it is said when the time is over. Asking for the chain \
that serves already changes nothing.

Examples:

  TANDEM_KEY=secret tandem switch b --reason \"planned work on chain a\"
  TANDEM_KEY=secret tandem switch --to b --reason \"the same\"
  tandem switch a --reason \"back\" --config tandem.toml
  tandem switch b --reason \"a is wrong, b is late\" --break-glass      (asks before)")]
    Switch(switch::Args),
    /// Take a chain out of service, to work on it; not the one that serves
    Drain(operate::ChainArgs),
    /// Let a chain serve again
    Undrain(operate::ChainArgs),
    /// Keep a chain from being switched to: its figures are not trusted
    Quarantine(operate::ChainArgs),
    /// Trust a chain again
    Release(operate::ChainArgs),
    /// Let nothing switch by itself
    Freeze(operate::Args),
    /// End that
    Unfreeze(operate::Args),
    /// Show what was decided, when, by whom and why
    History(operate::HistoryArgs),
    /// Compute rows of a chain again from the log, in the place of wrong ones
    #[command(long_about = "\
Compute rows of one chain again from the beginning of the log and put them in the place of what is \
there: rows that are wrong, and rows that should not be, are gone afterwards, in the row store and \
in the hot store; so is a wrong state of the fold. The other chain is not touched.

Readers get the other chain meanwhile; a repair that is cut short goes on after a restart. What is \
wrong, `tandem status` says. Needs the operator's key, and asks before it begins.

Examples:

  TANDEM_KEY=secret tandem repair --chain b --session s17 --reason \"row changed by hand\"
  TANDEM_KEY=secret tandem repair --chain b --partition 3 --reason \"digest differs\" --yes")]
    Repair(repair::Args),
    /// Show what another definition of a metric would change, and for whom
    #[command(long_about = "\
Shows what another definition of a metric would change, and for whom: the definition in force and another \
one side by side, for every session that the key sees as a whole. Nothing is changed by it.

A formula is made of stored metrics: a sum or difference, perhaps with a factor, perhaps divided by a sum; or \
`max(…, 0)` of a difference. It has the unit of the metric, and is a quotient if the metric is one.

Examples:

  TANDEM_KEY=secret tandem definition diff aov_fen '(gmv_fen-refund_fen)/orders'
  TANDEM_KEY=secret tandem definition diff gpm_fen '1000*gmv_fen/viewers' --anchor a-17 --csv > gpm.csv")]
    Definition(definition::Args),
    /// Show events that made the computation fail, and release them
    #[command(long_about = "\
An event at which the computation fails is put into quarantine by a record in the log: it counts on \
neither chain, and stands among the dead letters as `quarantined`. Once a build runs on both chains \
that can take it, release it: then it counts at its own place in the log, on both chains. Where it \
fails again, it is in quarantine again.

Examples:

  TANDEM_KEY=secret tandem poison list
  TANDEM_KEY=secret tandem poison release --partition 3 --offset 8123 --reason \"mended in 1.4.2\"
  TANDEM_KEY=secret tandem poison quarantine --partition 3 --offset 8123 --reason \"a test by mistake\"")]
    Poison(poison::Args),
    /// Say why a request was met as it was: let through, slowed, asked for a proof, refused
    #[command(after_help = "Examples:
  TANDEM_KEY=secret tandem shield explain 5f1c09a3b2d4e677-1042
  tandem shield rules > shield.toml
  tandem shield check shield.toml")]
    Shield(shield::Args),
    /// Make, show and revoke the keys of tenants
    #[command(long_about = "\
Make, show and revoke the keys of tenants. They stand in a file (TOML) that gateways read: \
`[gateway] keys = \"keys.toml\"`, or `tandem up --keys keys.toml`. A gateway takes a change into use \
within a second or two; a file that is wrong is refused as a whole, and what was in use stays.

The file holds what is needed to check a key, not the key itself: that is printed once, when it is \
made. What a tenant may see, it is granted by anchors, merchants, channels and tables; all its keys see \
the same. An application may have two keys at a time: make the new one, change over, revoke the old.

Examples:

  tandem key create --tenant mcn-one --application screen --anchors a17,a18 --file keys.toml
  tandem key create --tenant mcn-one --application uploader --write --signing --expires-in 90d --file keys.toml
  tandem key list --file keys.toml
  tandem key revoke 7q7MVIKjgWj --file keys.toml")]
    Key(key::Args),
    /// Check a configuration, or print every option there is
    Config(config::Args),
}

impl Command {
    /// Whether it hurts a system of its own, on purpose.
    pub const fn is_drill(&self) -> bool {
        match self {
            Command::Drill(_) => true,
            Command::Bench(args) => args.is_drill(),
            _ => false,
        }
    }
}

/// The help of a role: what is the same for all stands once.
fn role_about(what: &'static str) -> String {
    format!(
        "{what}\n\nEverything is configured in one file that all roles can share (`tandem config reference`), and \
         by variables TANDEM__SECTION__OPTION. Prints `admin listening on http://ADDRESS` (/healthz, /readyz and \
         /metrics), then `listening on http://ADDRESS` (or `running`) when it serves. Waits for backends that are \
         away; ends with exit code 64 where one refuses. SIGTERM or Ctrl-C stops it in order, within 25 s."
    )
}

/// How client commands reach a running server.
#[derive(Clone, Debug, Default, Args)]
pub struct Connection {
    /// Address of the server
    #[arg(long, value_name = "URL", default_value_t)]
    pub to: ServerUrl,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print them in place of the command's")]
    pub key: KeyOption,
}

/// The key, as an option or from the environment. One meaning for servers and clients.
#[derive(Clone, Debug, Default, Args)]
pub struct KeyOption {
    /// The server's key; `up` makes a random one where none is given, and prints it
    #[arg(long, value_name = "KEY", env = "TANDEM_KEY", hide_env_values = true)]
    key: Option<String>,
}

impl KeyOption {
    /// The key that was given; an empty one counts as none.
    ///
    /// # Errors
    ///
    /// When it can't be a key.
    pub fn given(&self) -> Result<Option<Key>, Failure> {
        match self.key.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => Key::new(text).map(Some).map_err(Failure::configuration),
        }
    }
}

impl Connection {
    /// A client of the server.
    ///
    /// # Errors
    ///
    /// When the key can't be a key.
    pub fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(self.to.clone(), self.key.given()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
