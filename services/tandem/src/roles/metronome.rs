//! The metronome: beats into every partition, as long as its clock may be trusted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tandem_control::{ControlError, Remote};
use tandem_ingest::{MetronomeCounts, metronome_counted, wall_ms};
use tandem_kafka::{KafkaLog, Purpose};
use tandem_storage::EventLog;
use tandem_telemetry::measured;
use tokio::sync::watch;

use super::backends::{check_control, follow_control, open_log};
use super::stage::{Ending, Stage};
use super::trusted_clock::{RETRY, TrustedClock};
use crate::config::MetronomeConfig;
use crate::failure::Failure;
use crate::system::metrics;

/// How long ago the last beat may be for a metronome that is ready.
const BEAT_AGE_MAX_S: u64 = 5;

pub(super) async fn run(config: MetronomeConfig) -> Result<(), Failure> {
    let stage = Stage::begin("metronome", config.admin).await?;
    let (log, control) = match start(&stage, &config).await {
        Ok(started) => started,
        Err(ending) => return stage.give_up(ending).await,
    };
    let clock = TrustedClock::new(config.clock_difference_ms_max);
    // A metronome that has nobody to compare its clock with does not begin: beats can't be taken
    // back. Later, it may go on alone.
    let compared =
        stage.wait_for("the control node, to compare clocks", async || control.clock().await, is_away);
    match compared.await {
        Ok(reading) => clock.compared(reading, Instant::now()),
        Err(ending) => return stage.give_up(ending).await,
    }
    let comparing = tokio::spawn(compare(Arc::clone(&control), clock.clone(), config.clock_check));
    let counts: watch::Sender<MetronomeCounts> = watch::Sender::default();
    let offset = clock.clone();
    metrics::metronome(&stage.telemetry, counts.subscribe(), move || offset.difference_ms());
    add_checks(&stage, &clock, counts.subscribe());
    let log: Arc<dyn EventLog> = measured::log(&stage.telemetry, None, Arc::new(log));
    let beating = tokio::spawn({
        let (clock, refusals) = (clock.clone(), counts.clone());
        let now_ms = move || {
            let (now_ms, is_refused) = clock.now_ms(wall_ms(), Instant::now());
            if is_refused {
                refusals.send_modify(|counts| counts.refused += 1);
            }
            now_ms
        };
        metronome_counted(log, stage.stop_flag(), now_ms, counts)
    });
    stage.serves(None);
    stage
        .until_stopped(async {
            _ = beating.await;
            comparing.abort();
        })
        .await
}

async fn start(stage: &Stage, config: &MetronomeConfig) -> Result<(KafkaLog, Arc<Remote>), Ending> {
    let control = follow_control(&config.control, None)?;
    check_control(&*control).await?;
    let log = open_log(stage, &config.log, Purpose::Append("metronome".to_owned())).await?;
    Ok((log, control))
}

const fn is_away(error: &ControlError) -> bool {
    !matches!(error, ControlError::Refused { .. })
}

/// Compares the clocks for as long as it is left to.
async fn compare(control: Arc<Remote>, clock: TrustedClock, every: Duration) {
    let mut is_away = false;
    loop {
        let pause = match control.clock().await {
            Ok(reading) => {
                clock.compared(reading, Instant::now());
                is_away = false;
                every
            }
            Err(error) => {
                if !is_away {
                    tracing::warn!(%error, "the clock can't be compared; steps still show");
                }
                is_away = true;
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

fn add_checks(stage: &Stage, clock: &TrustedClock, counts: watch::Receiver<MetronomeCounts>) {
    let clock = clock.clone();
    stage.health.check("clock", move || std::future::ready(clock.distrust().map_or(Ok(()), Err)));
    stage.health.check("beats", move || {
        let last = counts.borrow().last_second;
        let now = wall_ms() / 1_000;
        std::future::ready(match last {
            Some(last) if now.saturating_sub(last) <= BEAT_AGE_MAX_S => Ok(()),
            Some(last) => Err(format!("the last beat was written {} s ago", now.saturating_sub(last))),
            None => Err("no beat was written yet".to_owned()),
        })
    });
}
