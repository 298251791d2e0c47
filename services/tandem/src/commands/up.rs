//! `tandem up`: everything in one process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use tandem_gateway::{ClockMode, ShieldMode};
use tandem_model::calendar::Calendar;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::KeyOption;
use crate::failure::Failure;
use crate::key::Key;
use crate::system::hooks::Between;
use crate::system::{ControlPorts, Options, System};
use crate::terminal::{remark, say};

/// What a shell reports of a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;
/// A recovery that takes longer than this is worth a remark.
const RECOVERY_IS_LONG: Duration = Duration::from_secs(2);
/// Where clients of the control group look first.
const CONTROL_PORT: u16 = 8090;
const PARTITIONS_MAX: i64 = 256;

/// Names of what may become of the shield's verdicts, read as what they mean.
fn shield_modes() -> impl TypedValueParser<Value = ShieldMode> {
    PossibleValuesParser::new(ShieldMode::ALL.map(ShieldMode::name)).map(|text| {
        let named = ShieldMode::ALL.into_iter().find(|mode| mode.name() == text);
        named.expect("no other name is possible")
    })
}

/// What `tandem up` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Port of the gateway; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 8080)]
    port: u16,
    /// Address to listen at; 0.0.0.0 listens to the whole network, without TLS
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// Port for metrics (Prometheus) and health checks, at the same address; 0 takes a free one
    /// [default: none]
    #[arg(long, value_name = "N")]
    admin_port: Option<u16>,
    /// First of the three ports of the control group, at the same address; 0 takes free ones
    /// [default: 8090, or free ones where that is taken or with --port 0]
    #[arg(long, value_name = "N")]
    control_port: Option<u16>,
    /// Folder that keeps the data; a later start goes on with it [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    key: KeyOption,
    /// File of tenants and their keys, which `tandem key create` makes; changes are taken into use
    /// while it runs [default: the server's key alone]
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Origin of web pages that may call from a browser, such as `http://localhost:5173`, or `*` for all; may
    /// be given several times [default: none]
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    cors_origins: Vec<String>,
    /// What becomes of the shield's verdicts about hostile traffic; `tandem shield explain` tells them
    #[arg(long, value_name = "MODE", default_value = ShieldMode::default().name(), value_parser = shield_modes())]
    shield: ShieldMode,
    /// Streams that may be open at one time, all of one tenant if need be [default: 10000, 1000 of one tenant]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500_000))]
    max_streams: Option<u32>,
    /// What moves time: a metronome that follows the wall clock, or `tandem ingest --replay`
    #[arg(long, value_enum, default_value_t = Clock::Live)]
    clock: Clock,
    /// Start without demo traffic
    #[arg(long)]
    no_demo: bool,
    /// Seed of the demo traffic: the same seed makes the same rooms and viewers
    #[arg(long, value_name = "N", default_value_t = 1)]
    demo_seed: u64,
    /// Partitions of a new log, fixed from then on; leave it out for data that is there [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=PARTITIONS_MAX))]
    partitions: Option<u32>,
    /// Time zone of the boards' hours, days, weeks and months, fixed from then on; leave it out for data that
    /// is there [default: Asia/Shanghai]
    #[arg(long, value_name = "ZONE", value_parser = Calendar::new)]
    time_zone: Option<Calendar>,
}

/// What moves time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Clock {
    /// A metronome: one beat a second, by the wall clock
    Live,
    /// Beats come with the events; no metronome and no demo traffic
    Replay,
}

/// Starts everything, and stops it in order when asked to.
///
/// # Errors
///
/// When it can't start.
pub async fn run(args: Args) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    let given = args.key.given()?;
    let is_key_given = given.is_some();
    let key = match given {
        Some(key) => key,
        None => {
            Key::random().map_err(|error| Failure::failed(anyhow!("no randomness for a key: {error}")))?
        }
    };
    let options = options(&args, key.clone());
    let system = System::start(options.clone()).await.map_err(|error| match error.is_configuration() {
        true => Failure::configuration(error),
        false => Failure::failed(error),
    })?;
    say(greeting(&options, is_key_given, &Shown::of(&system)));
    if let Some(admin) = system.admin_address() {
        say(format_args!("  Metrics http://{admin}/metrics\n  Health  http://{admin}/readyz\n"));
    }
    tokio::select! {
        () = recovered(&system) => {
            say(format_args!("listening on http://{}", system.address()));
            signals.next().await;
        }
        () = signals.next() => {}
    }
    remark("stopping: requests under way come to their end (once more quits at once)");
    tokio::select! {
        stopped = system.stop() => {
            if stopped.connections_cut > 0 {
                remark(format_args!("{} connections were cut at the deadline", stopped.connections_cut));
            }
            remark("stopped");
            Ok(())
        }
        () = signals.next() => std::process::exit(INTERRUPTED),
    }
}

/// Waits for the chains, and says so if that takes a while.
async fn recovered(system: &System) {
    let recovered = system.recovered();
    tokio::pin!(recovered);
    if tokio::time::timeout(RECOVERY_IS_LONG, &mut recovered).await.is_err() {
        remark("the chains are reading the log again from their last snapshot");
        recovered.await;
    }
}

/// Ctrl-C and SIGTERM, from the first moment on: one that comes while we start is not lost.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let on = |kind| {
            signal(kind).map_err(|error| Failure::failed(anyhow!("can't listen for signals: {error}")))
        };
        Ok(Self { interrupt: on(SignalKind::interrupt())?, terminate: on(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn options(args: &Args, key: Key) -> Options {
    let has_demo = !args.no_demo && args.clock == Clock::Live;
    Options {
        data: args.data.clone(),
        partitions: args.partitions,
        calendar: args.time_zone.clone(),
        listen: SocketAddr::new(args.listen, args.port),
        admin: args.admin_port.map(|port| SocketAddr::new(args.listen, port)),
        control_ports: match args.control_port {
            Some(0) => ControlPorts::Any,
            Some(port) => ControlPorts::From(port),
            // Who takes any port for the gateway does not want these either.
            None if args.port == 0 => ControlPorts::Any,
            None => ControlPorts::Rather(CONTROL_PORT),
        },
        key,
        keys: args.keys.clone(),
        cors_origins: args.cors_origins.clone(),
        shield: args.shield,
        streams_max: args.max_streams.map(|streams| streams as usize),
        clock: match args.clock {
            Clock::Live => ClockMode::Live,
            Clock::Replay => ClockMode::Replay,
        },
        demo_seed: has_demo.then_some(args.demo_seed),
        between: Between::default(),
        seeded_faults: Default::default(),
    }
}

/// Where things are.
struct Shown {
    address: SocketAddr,
    control: String,
    folder: String,
}

impl Shown {
    fn of(system: &System) -> Self {
        let control: Vec<String> =
            system.control_addresses().iter().map(|address| format!("http://{address}")).collect();
        Self {
            address: system.address(),
            control: control.join(", "),
            folder: system.folder().display().to_string(),
        }
    }
}

fn greeting(options: &Options, is_key_given: bool, shown: &Shown) -> String {
    let Shown { address, control, folder } = shown;
    let key = options.key.as_str();
    let (shown_key, curl_key) = match is_key_given {
        true => ("as given".to_owned(), "$TANDEM_KEY"),
        false => (format!("{key}   (random, of this start only; --key or TANDEM_KEY sets one)"), key),
    };
    let data = match options.data {
        Some(_) => folder.clone(),
        None => format!("{folder}   (temporary, removed at the end; --data DIR keeps it)"),
    };
    let (clock, demo) = match (options.clock, options.demo_seed) {
        (ClockMode::Replay, _) => {
            ("replay: `tandem ingest FILE --replay` moves it", "none, as time stands still")
        }
        (ClockMode::Live, Some(_)) => {
            ("metronome", "six rooms, about 300 events/s; --no-demo leaves them out")
        }
        (ClockMode::Live, None) => ("metronome", "none"),
    };
    format!(
        "Tandem is running. Ctrl-C stops it.\n\n  \
           API     http://{address}/v1\n  \
           Docs    http://{address}/v1/docs\n  \
           Status  http://{address}/v1/status\n  \
           Control {control}\n  \
           Key     {shown_key}\n  \
           Data    {data}\n  \
           Clock   {clock}\n  \
           Demo    {demo}\n\n\
         Try:\n  \
           curl -s -H \"Authorization: Bearer {curl_key}\" 'http://{address}/v1/sessions?limit=3'\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Args {
        #[derive(clap::Parser)]
        struct Parsed {
            #[command(flatten)]
            args: Args,
        }
        let all = ["up"].iter().chain(arguments);
        <Parsed as clap::Parser>::try_parse_from(all).unwrap().args
    }

    #[test]
    fn a_replay_has_no_demo_and_a_given_key_is_not_printed() {
        let key = || Key::new("secret").unwrap();
        assert_eq!(options(&parsed(&[]), key()).demo_seed, Some(1));
        assert_eq!(options(&parsed(&["--no-demo"]), key()).demo_seed, None);
        let replay = options(&parsed(&["--clock", "replay", "--data", "d"]), key());
        assert_eq!((replay.demo_seed, replay.clock), (None, ClockMode::Replay));

        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        let control = "http://127.0.0.1:8".to_owned();
        let shown = Shown { address, control, folder: "d".to_owned() };
        let text = greeting(&replay, true, &shown);
        assert!(!text.contains("secret") && text.contains("$TANDEM_KEY"), "{text}");
        let text = greeting(&options(&parsed(&[]), key()), false, &shown);
        assert!(text.contains("Bearer secret") && text.contains("http://127.0.0.1:9/v1/docs"), "{text}");
    }
}
