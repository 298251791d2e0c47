//! Who asks. HTTP/1.1 by a thread for each connection, with as little between the sockets and the
//! clock as there can be; HTTP/2 by hyper. What this costs is not counted.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::commands::bench::latency::Latencies;

/// Connections at once by HTTP/1.1; by HTTP/2 as many requests on fewer connections.
pub(super) const CONNECTIONS: usize = 32;
const HTTP_2_CONNECTIONS: usize = 4;
/// No answer may take longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many sessions that nobody keeps an answer until the same is asked for again. A prime number.
pub(super) const MANY: u64 = 20_011;
/// From one session asked for to the next: nobody reads them in order.
const STEP: u64 = 7_919;
/// Shorter answers are no report.
const BODY_BYTES_MIN: usize = 4_000;

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    headers: Vec<(&'static str, String)>,
    /// Of how many sessions, each as often as the others.
    sessions: u64,
    count: Arc<AtomicU64>,
}

/// How requests come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// What comes back, while it does.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) answered: AtomicU64,
    stop: AtomicBool,
}

impl Meter {
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Question {
    pub(super) fn new(headers: Vec<(&'static str, String)>, sessions: u64) -> Self {
        Self { headers, sessions, count: Arc::default() }
    }

    fn path(&self) -> String {
        let number = self.count.fetch_add(1, Ordering::Relaxed) * STEP % self.sessions;
        format!("/v1/sessions/bench-{number:010}/report")
    }

    /// As HTTP/1.1 sends it, for `path`.
    fn text(&self, path: &str) -> Vec<u8> {
        let mut text = format!("GET {path} HTTP/1.1\r\nhost: live.example\r\n");
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    fn request(&self) -> anyhow::Result<Request<Empty<Bytes>>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::try_from(format!("http://live.example{}", self.path()))?;
        for (name, value) in &self.headers {
            request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::try_from(value)?);
        }
        Ok(request)
    }
}

/// One connection by HTTP/1.1.
pub(super) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Wire {
    pub(super) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: vec![0; 64 * 1024], filled: 0 })
    }

    /// Asks, and waits for all of the answer.
    pub(super) fn ask(&mut self, question: &Question) -> anyhow::Result<()> {
        self.send(&question.text(&question.path()))?;
        self.report()
    }

    /// Sends this, and reads whatever is answered: its status.
    pub(super) fn exchange(&mut self, text: &[u8]) -> anyhow::Result<u16> {
        self.send(text)?;
        let (status, head, length) = self.head()?;
        self.rest(head + length.unwrap_or(0))?;
        Ok(status)
    }

    /// Begins a stream of what `question` asks for, and waits for its head.
    pub(super) fn open_stream(&mut self, question: &Question, session: usize) -> anyhow::Result<()> {
        self.send(&question.text(&format!("/v1/sessions/bench-{session:010}/stream")))?;
        let (status, _, _) = self.head()?;
        ensure!(status == 200, "a stream was answered with {status}");
        self.stream.set_nonblocking(true)?;
        self.rests();
        Ok(())
    }

    /// What has come on a stream since, in bytes.
    pub(super) fn take(&mut self) -> anyhow::Result<usize> {
        let (mut buffer, mut taken) = ([0; 16 * 1024], 0);
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(anyhow!("a stream ended")),
                Ok(read) => taken += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
                Err(error) => return Err(error).context("a stream can't be read"),
            }
        }
    }

    /// Nothing more is asked here for now: many of them need little.
    pub(super) fn rests(&mut self) {
        self.buffer = Vec::new();
        self.filled = 0;
    }

    fn send(&mut self, text: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(text).context("a question can't be sent")
    }

    /// Reads a report and throws it away.
    fn report(&mut self) -> anyhow::Result<()> {
        let (status, head, length) = self.head()?;
        let length = length.context("an answer does not say how long it is")?;
        ensure!(
            status == 200 && length >= BODY_BYTES_MIN,
            "status {status} with {length} bytes is no report"
        );
        self.rest(head + length)
    }

    /// Reads up to the end of an answer, and throws it away.
    fn rest(&mut self, end: usize) -> anyhow::Result<()> {
        ensure!(end <= self.buffer.len(), "an answer is too large for a report");
        while self.filled < end {
            self.more()?;
        }
        ensure!(self.filled == end, "more was answered than asked");
        self.filled = 0;
        Ok(())
    }

    /// The next head: its status, its length, and that of the body.
    fn head(&mut self) -> anyhow::Result<(u16, usize, Option<usize>)> {
        let mut looked = 0_usize;
        loop {
            let filled = &self.buffer[..self.filled];
            let end = filled[looked.saturating_sub(3)..].windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let end = looked.saturating_sub(3) + end + 4;
                let text = str::from_utf8(&filled[..end])?;
                let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
                let length = text.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
                });
                return Ok((status.context("an answer has no status")?, end, length));
            }
            looked = self.filled;
            self.more()?;
        }
    }

    fn more(&mut self) -> anyhow::Result<()> {
        let read = self.stream.read(&mut self.buffer[self.filled..]).context("an answer can't be read")?;
        ensure!(read > 0, anyhow!(io::Error::from(io::ErrorKind::UnexpectedEof)));
        self.filled += read;
        Ok(())
    }
}

/// Asks again as soon as there is an answer, on all connections, until `meter` is stopped. Anything
/// but a report is an error.
pub(super) fn steady(
    version: Version,
    address: SocketAddr,
    question: &Question,
    meter: &Meter,
) -> anyhow::Result<()> {
    match version {
        Version::Http1 => by_threads(CONNECTIONS, |_| {
            let mut wire = Wire::connect(address)?;
            while !meter.is_stopped() {
                wire.ask(question)?;
                meter.answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        })
        .map(drop),
        Version::Http2 => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let asking = (0..HTTP_2_CONNECTIONS).map(|_| by_http_2(address, question, meter));
            runtime.block_on(futures::future::try_join_all(asking)).map(drop)
        }
    }
}

async fn by_http_2(address: SocketAddr, question: &Question, meter: &Meter) -> anyhow::Result<()> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let asking = (0..CONNECTIONS / HTTP_2_CONNECTIONS).map(|_| {
        let mut sender = sender.clone();
        async move {
            while !meter.is_stopped() {
                sender.ready().await?;
                let answer =
                    tokio::time::timeout(PATIENCE, sender.send_request(question.request()?)).await??;
                let status = answer.status();
                let body = tokio::time::timeout(PATIENCE, answer.into_body().collect()).await??.to_bytes();
                ensure!(
                    status == 200 && body.len() >= BODY_BYTES_MIN,
                    "status {status} with {} bytes is no report",
                    body.len()
                );
                meter.answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }
    });
    tokio::select! {
        ended = connection => Err(anyhow!("an HTTP/2 connection ended: {ended:?}")),
        asked = futures::future::try_join_all(asking) => asked.map(drop),
    }
}

/// One request after the other on one connection.
pub(super) fn alone(address: SocketAddr, question: &Question, samples: usize) -> anyhow::Result<Latencies> {
    let (mut wire, mut latencies) = (Wire::connect(address)?, Latencies::default());
    for sample in 0..samples + samples / 10 {
        let asked = Instant::now();
        wire.ask(question)?;
        // The first ones find out what there is.
        if sample >= samples / 10 {
            latencies.add(asked.elapsed());
        }
    }
    Ok(latencies)
}

/// So many requests a second, evenly, whether answers come or not: one whose connection was not free
/// in time has waited since it was due.
pub(super) fn open_loop(
    address: SocketAddr,
    question: &Question,
    per_second: f64,
    lasting: Duration,
) -> anyhow::Result<Latencies> {
    at_rate(address, CONNECTIONS, per_second, lasting, |wire| wire.ask(question))
}

/// So many requests a second, evenly, on so many connections; `ask` sends one and reads its answer.
pub(super) fn at_rate(
    address: SocketAddr,
    connections: usize,
    per_second: f64,
    lasting: Duration,
    ask: impl Fn(&mut Wire) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<Latencies> {
    let every = Duration::from_secs_f64(connections as f64 / per_second);
    let begin = Instant::now() + Duration::from_millis(50);
    let of_each = by_threads(connections, |index| {
        let (mut wire, mut latencies) = (Wire::connect(address)?, Latencies::default());
        let mut due = begin + every.mul_f64(index as f64 / connections as f64);
        while due < begin + lasting {
            let early = due.saturating_duration_since(Instant::now());
            std::thread::sleep(early);
            // That our own alarm rings late is not the server's fault.
            let from = if early.is_zero() { due } else { Instant::now() };
            ask(&mut wire)?;
            latencies.add(from.elapsed());
            due += every;
        }
        Ok(latencies)
    })?;
    let mut all = Latencies::default();
    of_each.into_iter().for_each(|latencies| all.join(latencies));
    Ok(all)
}

fn by_threads<T: Send>(
    count: usize,
    work: impl Fn(usize) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count).map(|index| scope.spawn(move || work(index))).collect();
        let joined =
            threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?);
        joined.collect()
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers each question on one connection with the next of `answers`.
    fn server(answers: Vec<String>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4_096];
            for answer in answers {
                assert!(stream.read(&mut buffer).unwrap() > 0);
                // In two pieces, so that a head is met in its middle.
                let (one, two) = answer.as_bytes().split_at(20);
                stream.write_all(one).unwrap();
                std::thread::sleep(Duration::from_millis(20));
                stream.write_all(two).unwrap();
            }
        });
        address
    }

    fn answer(status: u16, length: usize, sent: usize) -> String {
        format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(sent))
    }

    #[test]
    fn only_whole_reports_count() {
        let question = Question::new(vec![("accept", "*/*".to_owned())], MANY);
        let good = answer(200, 5_000, 5_000);
        let mut wire = Wire::connect(server(vec![good.clone(), good])).unwrap();
        wire.ask(&question).unwrap();
        wire.ask(&question).unwrap();
        assert_eq!(question.count.load(Ordering::Relaxed), 2, "each for another session");
        for bad in [answer(429, 5_000, 5_000), answer(200, 10, 10), answer(200, 5_000, 4_000)] {
            let mut wire = Wire::connect(server(vec![bad.clone()])).unwrap();
            assert!(wire.ask(&question).is_err(), "{}", &bad[..20]);
        }
    }

    #[test]
    fn an_open_loop_keeps_its_rate_and_counts_what_waited() {
        let report = answer(200, 5_000, 5_000);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mut stream, report) = (stream, report.clone());
                std::thread::spawn(move || {
                    let mut buffer = [0; 4_096];
                    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                        // Slower than it is asked: 32 connections, each 20 times a second.
                        std::thread::sleep(Duration::from_millis(100));
                        if stream.write_all(report.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        let question = Question::new(Vec::new(), 1);
        let lasting = Duration::from_millis(500);
        let told = open_loop(address, &question, 640.0, lasting).unwrap().percentiles().unwrap();
        assert_eq!(told.samples, 320, "none is left out");
        assert!(told.max_ms > 400.0, "waiting adds up: {told:?}");
    }
}
