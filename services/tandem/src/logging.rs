//! Logs: to stderr, chosen by `RUST_LOG`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Without `RUST_LOG`: what an operator must know, and no chatter of libraries.
const DEFAULT_FILTER: &str = "warn,tandem=info";

/// The same for drills: the system is hurt on purpose and complains a lot.
const DRILL_FILTER: &str = "off,tandem_chaos=warn";

/// Starts logging for the whole process; later calls change nothing.
pub fn start(is_drill: bool) {
    let default = if is_drill { DRILL_FILTER } else { DEFAULT_FILTER };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // An error means that somebody, say a test, has set one before: theirs is as good.
    let _ = subscriber.try_init();
}
