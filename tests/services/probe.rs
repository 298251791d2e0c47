//! Whether a server really answers. An open port is not enough: Kafka and Cassandra open theirs
//! before they can serve. A few bytes of each protocol by hand, so that no client library (and
//! none of its retries) stands between the question and the answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::process::Ending;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// No answer here is longer, bytes.
const ANSWER_MAX: usize = 1 << 20;

/// What to ask, on which port of the loopback.
#[derive(Clone, Debug)]
pub(crate) enum Probe {
    /// Metadata are answered, and name a broker.
    Kafka(u16),
    /// A query is answered.
    Cql(u16),
    /// This command gets an answer that contains this text.
    Redis(u16, &'static str, &'static str),
}

impl Probe {
    /// Asks until the answer is right.
    pub(crate) fn wait(&self, patience: Duration, ending: &Ending) -> anyhow::Result<()> {
        let start = Instant::now();
        while let Err(error) = self.ask() {
            if start.elapsed() > patience {
                bail!("not ready after {patience:?}: {error:#}");
            }
            ending.pause()?;
        }
        Ok(())
    }

    pub(crate) fn ask(&self) -> anyhow::Result<()> {
        match *self {
            Self::Kafka(port) => kafka(port),
            Self::Cql(port) => cql(port),
            Self::Redis(port, command, expected) => {
                let answer = redis(port, command)?;
                ensure!(answer.contains(expected), "`{command}`: {answer}");
                Ok(())
            }
        }
    }
}

fn connect(port: u16) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> anyhow::Result<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length).context("the answer ends early")?;
    *bytes = rest;
    Ok(taken)
}

fn take_u32(bytes: &mut &[u8]) -> anyhow::Result<u32> {
    Ok(u32::from_be_bytes(take(bytes, 4)?.try_into().expect("four bytes")))
}

fn answer(stream: &mut TcpStream, length: u32) -> anyhow::Result<Vec<u8>> {
    let length = usize::try_from(length)?;
    ensure!(length <= ANSWER_MAX, "an answer of {length} bytes");
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Metadata, version 4, of no topic at all.
fn kafka(port: u16) -> anyhow::Result<()> {
    let mut stream = connect(port)?;
    let mut request = Vec::new();
    request.extend_from_slice(&3_i16.to_be_bytes()); // api: metadata
    request.extend_from_slice(&4_i16.to_be_bytes()); // version
    request.extend_from_slice(&7_i32.to_be_bytes()); // correlation
    request.extend_from_slice(&(-1_i16).to_be_bytes()); // no client id
    request.extend_from_slice(&0_i32.to_be_bytes()); // no topics
    request.push(0); // create none
    stream.write_all(&u32::try_from(request.len())?.to_be_bytes())?;
    stream.write_all(&request)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let bytes = answer(&mut stream, u32::from_be_bytes(length))?;
    let mut bytes = bytes.as_slice();
    ensure!(take_u32(&mut bytes)? == 7, "the answer to another question");
    let _throttle_ms = take_u32(&mut bytes)?;
    ensure!(take_u32(&mut bytes)? > 0, "no broker yet");
    Ok(())
}

/// STARTUP, then a query, in version 4 of the native protocol.
fn cql(port: u16) -> anyhow::Result<()> {
    const STARTUP: u8 = 1;
    const READY: u8 = 2;
    const QUERY: u8 = 7;
    const RESULT: u8 = 8;
    let mut stream = connect(port)?;
    let mut options = vec![0, 1];
    for word in ["CQL_VERSION", "3.0.0"] {
        options.extend_from_slice(&u16::try_from(word.len())?.to_be_bytes());
        options.extend_from_slice(word.as_bytes());
    }
    cql_ask(&mut stream, STARTUP, &options, READY)?;
    let text = "SELECT key FROM system.local";
    let mut query = u32::try_from(text.len())?.to_be_bytes().to_vec();
    query.extend_from_slice(text.as_bytes());
    query.extend_from_slice(&[0, 1, 0]); // consistency ONE, no flags
    cql_ask(&mut stream, QUERY, &query, RESULT)
}

fn cql_ask(stream: &mut TcpStream, operation: u8, body: &[u8], expected: u8) -> anyhow::Result<()> {
    let mut frame = vec![4, 0, 0, 0, operation];
    frame.extend_from_slice(&u32::try_from(body.len())?.to_be_bytes());
    frame.extend_from_slice(body);
    stream.write_all(&frame)?;
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let [_, _, _, _, operation, length @ ..] = head;
    let body = answer(stream, u32::from_be_bytes(length))?;
    if operation != expected {
        bail!("operation {operation} instead of {expected}: {}", String::from_utf8_lossy(&body));
    }
    Ok(())
}

/// One command in Redis' inline form, and the text of its answer.
pub(crate) fn redis(port: u16, command: &str) -> anyhow::Result<String> {
    let mut stream = connect(port)?;
    write!(stream, "{command}\r\n")?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    match line.trim_end().split_at_checked(1) {
        Some(("+" | ":", text)) => Ok(text.to_owned()),
        Some(("$", length)) => {
            let length: usize = length.parse()?;
            ensure!(length <= ANSWER_MAX, "an answer of {length} bytes");
            let mut bytes = vec![0; length];
            stream.read_exact(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => bail!("`{command}` on port {port}: {line}"),
    }
}
