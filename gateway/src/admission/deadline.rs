//! Until when a client wants its answer.
//!
//! `Tandem-Timeout-Ms` is how long the client waits, as gRPC's `grpc-timeout` is: a duration, since
//! clocks of clients differ from ours, and one that each hop passes on shortened by what it has used.
//! (`Prefer: wait`, RFC 7240, counts whole seconds, which is more than any read may take.)

use std::time::Duration;

use http::HeaderMap;
use tandem_model::problem::Problem;
use tokio::time::Instant;

use crate::headers::TIMEOUT_MS;

/// The longest that may be said, in milliseconds. The timeouts of the gateway hold besides.
const MS_MAX: u64 = 600_000;

/// The deadline that a request brings, if it brings one.
///
/// # Errors
///
/// What is wrong with the header.
pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Instant>, Problem> {
    let mut values = headers.get_all(TIMEOUT_MS).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && values.next().is_none();
    match text.parse::<u64>() {
        Ok(ms) if is_plain && (1..=MS_MAX).contains(&ms) => {
            Ok(Some(Instant::now() + Duration::from_millis(ms)))
        }
        _ => Err(Problem::bad_parameter(format!(
            "Tandem-Timeout-Ms must stand once and be a whole number from 1 to {MS_MAX}"
        ))),
    }
}

/// What a query node is told: how long this question may take, in milliseconds. Rounded up, so that
/// whoever asks gives up first and need not tell a late answer from a failure.
pub(crate) fn remaining_ms(timeout: Duration, deadline: Option<Instant>) -> u64 {
    let left = deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
    let us = left.min(timeout).as_micros();
    u64::try_from(us.div_ceil(1_000)).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn deadline(values: &[&'static str]) -> Result<Option<Duration>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TIMEOUT_MS, HeaderValue::from_static(value));
        }
        of(&headers).map(|deadline| deadline.map(|deadline| deadline - Instant::now()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_duration_is_a_deadline_and_nonsense_is_refused() {
        assert_eq!(deadline(&[]), Ok(None));
        assert_eq!(deadline(&["250"]), Ok(Some(Duration::from_millis(250))));
        for nonsense in ["", "0", "-1", "+5", "1.5", "250ms", "600001", "99999999999999999999"] {
            assert!(deadline(&[nonsense]).is_err(), "{nonsense:?}");
        }
        assert!(deadline(&["1", "1"]).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_the_less_of_both() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(remaining_ms(second, None), 1_000);
        assert_eq!(remaining_ms(second, Some(now + 2 * second)), 1_000);
        assert_eq!(remaining_ms(second, Some(now + Duration::from_micros(1_500))), 2);
        assert_eq!(remaining_ms(second, Some(now)), 1);
    }
}
