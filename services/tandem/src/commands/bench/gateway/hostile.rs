//! What good callers feel of hostile ones: how long they wait at a sixth of saturation, without and
//! with twice as many requests beside them that are worthless, in turns.
//!
//! A third of those show nothing and pose as a browser, a third show keys that nobody has, a third are
//! a scanner's. They come from some thousand addresses, as the trusted proxy says. What they cost the
//! clients' core is felt by the good ones, too: so the ratio is an upper bound.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow};
use parking_lot::Mutex;
use serde::Serialize;

use super::stand::Caller;
use super::{Plan, load, report};
use crate::terminal::remark;

/// Sessions on the good caller's boards. A prime number.
const SESSIONS: u64 = 2_003;
/// Connections the hostile ones come over.
const CONNECTIONS: usize = 16;
/// How many hostile requests come for each good one.
const TIMES: f64 = 2.0;

/// What was found: medians of the rounds.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Beside {
    pub(super) per_second: f64,
    pub(super) hostile_per_second: f64,
    pub(super) without_p50_ms: f64,
    pub(super) without_p99_ms: f64,
    pub(super) with_p50_ms: f64,
    pub(super) with_p99_ms: f64,
    /// With by without, of the round where that was least, and most.
    pub(super) ratio_min: f64,
    pub(super) ratio_max: f64,
    /// What hostile requests were answered, and how often.
    pub(super) statuses: BTreeMap<u16, u64>,
}

/// Asks the gateway at `address`.
pub(super) fn measure(
    address: SocketAddr,
    per_second: f64,
    caller: &Caller,
    plan: &Plan,
) -> anyhow::Result<Beside> {
    let question = caller.question(SESSIONS);
    let good = |lasting: Duration| {
        let told = load::open_loop(address, &question, per_second, lasting)?;
        told.percentiles().context("nothing was asked")
    };
    // Until these sessions are no news from this caller.
    good(plan.look)?;
    let attackers = Attackers::default();
    let mut rounds: [Vec<f64>; 4] = Default::default();
    let mut ratios = Vec::new();
    for round in 1..=plan.rounds {
        remark(format_args!("beside attackers, round {round} of {}", plan.rounds));
        let without = good(plan.look)?;
        let with = std::thread::scope(|scope| {
            let attack = || attackers.ask(address, per_second * TIMES, plan.look);
            let attacking = scope.spawn(attack);
            let with = good(plan.look);
            attacking.join().map_err(|_| anyhow!("the attackers panicked"))??;
            with
        })?;
        let told = [without.p50_ms, without.p99_ms, with.p50_ms, with.p99_ms];
        rounds.iter_mut().zip(told).for_each(|(all, one)| all.push(one));
        ratios.push(with.p99_ms / without.p99_ms);
    }
    let [without_p50_ms, without_p99_ms, with_p50_ms, with_p99_ms] =
        rounds.map(|mut round| report::median(&mut round));
    Ok(Beside {
        per_second,
        hostile_per_second: per_second * TIMES,
        without_p50_ms,
        without_p99_ms,
        with_p50_ms,
        with_p99_ms,
        ratio_min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
        ratio_max: ratios.iter().copied().fold(0.0, f64::max),
        statuses: attackers.statuses.into_inner(),
    })
}

#[derive(Default)]
struct Attackers {
    count: AtomicU64,
    statuses: Mutex<BTreeMap<u16, u64>>,
}

impl Attackers {
    fn ask(&self, address: SocketAddr, per_second: f64, lasting: Duration) -> anyhow::Result<()> {
        let asked = load::at_rate(address, CONNECTIONS, per_second, lasting, |wire| {
            let text = text(self.count.fetch_add(1, Ordering::Relaxed));
            let status = wire.exchange(text.as_bytes())?;
            *self.statuses.lock().entry(status).or_default() += 1;
            Ok(())
        });
        asked.map(drop)
    }
}

/// The hostile request of this number.
fn text(number: u64) -> String {
    let (kind, turn) = (number % 3, number / 3);
    let from = format!("198.18.{}.{}", turn / 256 % 4, turn % 256);
    let session = turn * 31 % 100_000;
    let (path, more) = match kind {
        0 => (
            format!("/v1/sessions/bench-{session:010}/report"),
            "user-agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/130.0.0.0 Safari/537.36\r\n"
                .to_owned(),
        ),
        1 => (
            format!("/v1/sessions/bench-{session:010}/report"),
            format!(
                "user-agent: python-requests/2.32\r\nauthorization: Bearer tdm_{turn:016x}_{turn:048x}\r\n"
            ),
        ),
        _ => {
            let probes = ["/.env", "/wp-login.php", "/v1/.git/config", "/phpmyadmin/"];
            (probes[turn as usize % probes.len()].to_owned(), "user-agent: sqlmap/1.8\r\n".to_owned())
        }
    };
    format!("GET {path} HTTP/1.1\r\nhost: live.example\r\nx-forwarded-for: {from}\r\n{more}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_requests_are_of_three_kinds_from_many_addresses() {
        let texts: Vec<_> = (0..6_000).map(text).collect();
        let address =
            |text: &String| text.lines().find(|line| line.starts_with("x-forwarded-for")).unwrap().to_owned();
        let addresses: std::collections::BTreeSet<_> = texts.iter().map(address).collect();
        assert_eq!(addresses.len(), 1_024);
        for (words, share) in [("authorization: Bearer tdm_", 2_000), ("sqlmap", 2_000), ("Mozilla", 2_000)] {
            assert_eq!(texts.iter().filter(|text| text.contains(words)).count(), share);
        }
        assert!(texts.iter().all(|text| text.ends_with("\r\n\r\n") && text.starts_with("GET /")));
    }
}
