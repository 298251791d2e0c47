//! Fetches units of shared limits, in the background: no request waits for what happens here.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tandem_limits::SharedQuota;
use tokio::time::{Instant, sleep, timeout};

use super::Limits;

/// How often it is looked whether units are needed.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Most questions at once.
const ASKS_MAX: usize = 512;
/// How long the store may take for all of them.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(150);
/// How long a store that failed is left alone.
const PAUSE: Duration = Duration::from_millis(250);
/// How often the store hears from this gateway although nothing is needed.
const PRESENT_EVERY: Duration = Duration::from_secs(3);
/// How often it is looked for leases that are over, and for shared rules where there were none.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// Keeps the leases of `limits` filled from `store`, as long as it is polled. `name` tells this
/// gateway from the others.
pub(crate) async fn share(limits: Arc<Limits>, store: Arc<dyn SharedQuota>, name: String) -> Infallible {
    let leases = limits.limiter.leases();
    let mut told = None::<Instant>;
    let mut tidied = Instant::now();
    let mut is_away = false;
    loop {
        if tidied.elapsed() >= TIDY_EVERY {
            tidied = Instant::now();
            leases.tidy(limits.now_ns());
        }
        if !limits.limiter.rules().rules().iter().any(|ready| ready.rule.shared) {
            sleep(TIDY_EVERY).await;
            continue;
        }
        let asks = leases.ask(limits.now_ns(), ASKS_MAX);
        if asks.is_empty() && told.is_some_and(|told| told.elapsed() < PRESENT_EVERY) {
            sleep(LOOK_EVERY).await;
            continue;
        }
        let failure = match timeout(ANSWER_TIMEOUT, store.take(&name, &asks)).await {
            Ok(Ok(taking)) if taking.granted.len() == asks.len() => {
                told = Some(Instant::now());
                leases.set_gateways(taking.gateways);
                for (ask, granted) in asks.iter().zip(taking.granted) {
                    leases.answered(ask, granted);
                }
                if is_away {
                    is_away = false;
                    tracing::info!("shared limits are one limit again");
                }
                continue;
            }
            Ok(Ok(_)) => "it left questions without an answer".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", ANSWER_TIMEOUT.as_millis()),
        };
        for ask in &asks {
            leases.failed(ask);
        }
        if !is_away {
            is_away = true;
            tracing::warn!(
                failure,
                "shared limits can't be asked for: this gateway keeps to its share of them"
            );
        }
        sleep(PAUSE).await;
    }
}
