//! `tandem ingest`: a file of events into a running system.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use tandem_model::Token;

use crate::cli::Connection;
use crate::client::{Client, ClientError};
use crate::failure::Failure;
use crate::load::{self, Beats, Source, Summary};
use crate::progress::Progress;
use crate::status::Status;
use crate::terminal::{counted, remark, say, thousands};

/// How long both chains may take to read anything of what was loaded.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const READ_POLL: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_secs(1);

/// What `tandem ingest` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File of events, one JSON object per line; gzip and zstd are unpacked; `-` reads stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    connection: Connection,
    /// Take the file's own time as the clock: beats are worked out and sent among the events
    ///
    /// For a server started with `--clock replay`, which has no metronome; needs the operator's
    /// key. Without --replay and --live the server's own clock decides.
    #[arg(long, conflicts_with = "live")]
    replay: bool,
    /// Send the events as they are and leave the beats to the server's metronome
    #[arg(long)]
    live: bool,
    /// Send at most N events per second [default: as fast as the server takes them]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How long to wait for a server that does not answer or is full, in seconds without progress
    ///
    /// A body whose answer got lost is sent again with the same Idempotency-Key, so nothing counts
    /// twice, also when the server is restarted meanwhile.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    wait: u64,
}

/// Loads the file and says what became of it.
///
/// # Errors
///
/// When the file can't be read or the server does not take it.
pub async fn run(args: Args) -> Result<(), Failure> {
    let client = args.connection.client()?;
    let name = args.file.display().to_string();
    let source = tokio::task::spawn_blocking(move || Source::open(&args.file))
        .await
        .map_err(|error| Failure::failed(anyhow!(error)))?
        .with_context(|| format!("can't read {name}"))
        .map_err(Failure::usage)?;
    let name = source.name().to_owned();
    let wait = Duration::from_secs(args.wait);
    let progress = Progress::new(source.bytes(), "events", true);
    let server_clock = server_clock(&client, wait, &progress).await?;
    let beats = beats(args.replay, args.live, &server_clock)?;
    let settings = load::Settings { beats, events_per_s: args.rate, wait };
    let summary = load::load(source, client.clone(), settings, &progress).await?;
    progress.finish();
    say(text(&name, beats, &summary));
    let Some(token) = &summary.token else { return Ok(()) };
    let waiting = Instant::now();
    wait_until_read(&client, token).await?;
    say(format_args!("Both chains have read all of it ({:.1} s later).", waiting.elapsed().as_secs_f64()));
    Ok(())
}

/// What moves time at the server; waits for one that is being restarted.
async fn server_clock(client: &Client, wait: Duration, progress: &Progress) -> Result<String, Failure> {
    let began = Instant::now();
    loop {
        match Status::read(client).await {
            Ok(status) => {
                progress.going_on();
                return Ok(status.clock);
            }
            Err(error) if error.is_retryable() && began.elapsed() < wait => {
                progress.waiting(&error.to_string());
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(Failure::failed(error)),
        }
    }
}

fn beats(replay: bool, live: bool, server_clock: &str) -> Result<Beats, Failure> {
    match (replay, live, server_clock) {
        (true, _, "replay") => Ok(Beats::Replay),
        (true, _, _) => Err(Failure::usage(anyhow!(
            "the server has a metronome, and two clocks would contradict each other: \
             leave out --replay, or start the server with `tandem up --clock replay`"
        ))),
        (false, true, "replay") => {
            remark("note: the server has no metronome, so with --live nothing moves its time");
            Ok(Beats::Live)
        }
        (false, true, _) => Ok(Beats::Live),
        (false, false, "replay") => {
            remark("the server waits for a replay: taking the file's own time as the clock (--replay)");
            Ok(Beats::Replay)
        }
        (false, false, _) => {
            remark("the server has a metronome: sending the events as they are (--live)");
            Ok(Beats::Live)
        }
    }
}

/// Waits until both chains have read everything up to `token`, as long as they go on.
async fn wait_until_read(client: &Client, token: &Token) -> Result<(), Failure> {
    let mut deadline = Instant::now() + READ_TIMEOUT;
    let mut least = u64::MAX;
    loop {
        let error: Option<ClientError> = match Status::read(client).await {
            Ok(status) => {
                let left = status.left(token);
                if left == 0 {
                    return Ok(());
                }
                if left < least {
                    (least, deadline) = (left, Instant::now() + READ_TIMEOUT);
                }
                None
            }
            Err(error) if error.is_retryable() => Some(error),
            Err(error) => return Err(Failure::failed(error)),
        };
        if Instant::now() >= deadline {
            let reason = error.map(|error| format!(" ({error})")).unwrap_or_default();
            return Err(Failure::failed(anyhow!(
                "everything is in the log, but in {} s no chain has read any of what is left of it{reason}: see \
                 `tandem status`",
                READ_TIMEOUT.as_secs()
            )));
        }
        tokio::time::sleep(READ_POLL).await;
    }
}

fn text(name: &str, beats: Beats, summary: &Summary) -> String {
    let seconds = summary.took.as_secs_f64();
    let rate = (summary.events + summary.malformed) as f64 / seconds.max(0.001);
    let mut text = format!(
        "{name}: {} in {seconds:.1} s ({}/s)",
        counted(summary.events, "event"),
        thousands(rate as u64)
    );
    if beats == Beats::Replay {
        text.push_str(&format!(", {} worked out", counted(summary.beats, "beat")));
    }
    if summary.beat_lines > 0 {
        text.push_str(&format!(", {} of the file skipped", counted(summary.beat_lines, "beat line")));
    }
    if summary.malformed > 0 {
        text.push_str(&format!(", {}:", counted(summary.malformed, "malformed line")));
        for refused in &summary.refused {
            let place = refused.number.map_or_else(|| "?".to_owned(), |number| number.to_string());
            text.push_str(&format!("\n  line {place}: {}", refused.detail));
        }
        if summary.malformed > summary.refused.len() as u64 {
            text.push_str("\n  …");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::RefusedLine;

    #[test]
    fn the_servers_clock_decides_unless_told_otherwise() {
        assert_eq!(beats(false, false, "live").unwrap(), Beats::Live);
        assert_eq!(beats(false, false, "replay").unwrap(), Beats::Replay);
        assert_eq!(beats(true, false, "replay").unwrap(), Beats::Replay);
        assert_eq!(beats(false, true, "replay").unwrap(), Beats::Live);
        assert_eq!(beats(true, false, "live").unwrap_err().code(), 2);
    }

    #[test]
    fn the_summary_names_what_was_refused() {
        let summary = Summary {
            events: 1_234,
            beats: 60,
            malformed: 2,
            beat_lines: 1,
            refused: vec![RefusedLine { number: Some(17), detail: "`ts` is missing".to_owned() }],
            took: Duration::from_secs(2),
            token: None,
        };
        let text = text("f", Beats::Replay, &summary);
        let expected = "f: 1,234 events in 2.0 s (618/s), 60 beats worked out, 1 beat line of the file skipped, \
                        2 malformed lines:\n  line 17: `ts` is missing\n  …";
        assert_eq!(text, expected);
    }
}
