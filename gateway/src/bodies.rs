//! Reading bodies: whole, within limits of size, time and pace.
//!
//! A place among the bodies that are being read is dear (there are few), so whoever sends a byte now
//! and then to keep it is let go long before the time for the whole body is over.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::Instant;

/// How long a body may come at any pace.
const GRACE: Duration = Duration::from_secs(5);
/// How much must have come for each second after that, in bytes.
const BYTES_PER_SECOND_MIN: u32 = 1024;

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It has more bytes than may be.
    TooLarge,
    /// It took too long as a whole.
    TooLate,
    /// It came too slowly.
    TooSlow,
    /// It broke off.
    Broken,
}

/// Reads `body`, which may have `bytes_max` bytes and take as long as `timeout`.
pub(crate) async fn read<B>(
    mut body: Pin<&mut B>,
    bytes_max: usize,
    timeout: Duration,
) -> Result<Bytes, Unread>
where
    B: hyper::body::Body<Data = Bytes>,
{
    let begun = Instant::now();
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    loop {
        let bytes = first.len() + whole.len();
        let (wait, reason) = patience(bytes, timeout);
        let frame = match tokio::time::timeout_at(begun + wait, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => return Err(Unread::Broken),
            // Most bodies come in one piece, which is not copied.
            Ok(None) if whole.is_empty() => return Ok(first),
            Ok(None) => return Ok(whole.freeze()),
            Err(_) => return Err(reason),
        };
        let Ok(data) = frame.into_data() else { continue };
        if bytes + data.len() > bytes_max {
            return Err(Unread::TooLarge);
        }
        if bytes == 0 {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(first.len() + data.len());
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
}

/// How long after its beginning a body of which so many bytes are here may take to go on, and what it
/// is if it does not.
fn patience(bytes: usize, timeout: Duration) -> (Duration, Unread) {
    let paced = GRACE + Duration::from_secs(bytes as u64) / BYTES_PER_SECOND_MIN;
    if paced < timeout { (paced, Unread::TooSlow) } else { (timeout, Unread::TooLate) }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{Stream, StreamExt, stream};
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;

    use super::*;

    /// So many bytes, every so often, for ever.
    fn every(pause: Duration, bytes: usize) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
        stream::repeat(()).then(move |()| async move {
            tokio::time::sleep(pause).await;
            Ok(Frame::data(Bytes::from(vec![b'x'; bytes])))
        })
    }

    async fn outcome(
        pieces: impl Stream<Item = Result<Frame<Bytes>, Infallible>>,
        timeout: u64,
    ) -> (Result<usize, Unread>, u64) {
        let begun = Instant::now();
        let body = std::pin::pin!(StreamBody::new(pieces));
        let read = read(body, 100_000, Duration::from_secs(timeout)).await;
        (read.map(|body| body.len()), begun.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_let_go_long_before_the_end() {
        let second = Duration::from_secs(1);
        assert_eq!(outcome(stream::pending(), 30).await, (Err(Unread::TooSlow), 5));
        assert_eq!(outcome(every(second, 1), 30).await, (Err(Unread::TooSlow), 5));
        // Half of what is asked for is too little in the end.
        assert_eq!(outcome(every(second, 512), 30).await, (Err(Unread::TooSlow), 9));
        // A burst is remembered.
        let burst = every(Duration::ZERO, 4096).take(1).chain(stream::pending());
        assert_eq!(outcome(burst, 30).await, (Err(Unread::TooSlow), 9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_body_has_its_whole_time_and_no_more() {
        let pieces = || every(Duration::from_secs(1), 1100);
        assert_eq!(outcome(pieces().take(20), 30).await, (Ok(22_000), 20));
        assert_eq!(outcome(pieces(), 30).await, (Err(Unread::TooLate), 30));
        assert_eq!(outcome(stream::pending(), 3).await, (Err(Unread::TooLate), 3));
    }

    #[tokio::test]
    async fn size_and_content_are_kept() {
        for (size, expected) in [(0, Ok(0)), (100_000, Ok(100_000)), (100_001, Err(Unread::TooLarge))] {
            let body = std::pin::pin!(Full::new(Bytes::from(vec![b'x'; size])));
            assert_eq!(read(body, 100_000, GRACE).await.map(|body| body.len()), expected);
        }
        let pieces = ["ab", "", "c", "def"].map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
        let body = std::pin::pin!(StreamBody::new(stream::iter(pieces)));
        assert_eq!(read(body, 100, GRACE).await.unwrap(), "abcdef");
        let broken = [Ok(Frame::data(Bytes::from("ab"))), Err("gone")];
        let body = std::pin::pin!(StreamBody::new(stream::iter(broken)));
        assert_eq!(read(body, 100, GRACE).await, Err(Unread::Broken));
    }
}
