//! The orderly end of a gateway: what is under way comes to its end, and what does not is cut.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::process::{KEY, PATIENCE, write};
use crate::stand::{Gateway, Nodes, head};

fn connect(gateway: &Gateway) -> TcpStream {
    let stream = TcpStream::connect(gateway.authority()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn send(stream: &mut TcpStream, line: &str, more: &str) {
    write!(stream, "{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{more}").unwrap();
}

/// Begins a body that holds no events, and waits until the gateway wants the rest of it.
fn half_a_body(gateway: &Gateway) -> TcpStream {
    let mut stream = connect(gateway);
    send(&mut stream, "POST /v1/events", "content-length: 10\r\nexpect: 100-continue\r\n\r\n");
    let mut leave = [0; 25];
    stream.read_exact(&mut leave).unwrap();
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"\n\n\n\n\n").unwrap();
    stream
}

fn rest_of(mut stream: impl Read) -> String {
    let mut text = String::new();
    // A connection that is cut may be reset.
    _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn requests_come_to_their_end_streams_say_goodbye_and_idle_connections_close() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = Nodes::start();
    let file = write(folder.path(), &nodes.configuration("drain_ms = 20000"));
    let mut gateway = Gateway::start(&file);
    let mut idle = connect(&gateway);
    send(&mut idle, "GET /healthz", "\r\n");
    let mut idle = BufReader::new(idle);
    let (status, fields) = head(&mut idle);
    assert_eq!(status, 200);
    idle.read_exact(&mut vec![0; fields["content-length"].parse().unwrap()]).unwrap();
    let mut stream = connect(&gateway);
    send(&mut stream, "GET /v1/sessions/s/stream", "\r\n");
    let mut stream = BufReader::new(stream);
    assert_eq!(head(&mut stream).0, 200);
    while !stream.by_ref().lines().next().unwrap().unwrap().starts_with("data:") {}
    let mut busy = half_a_body(&gateway);

    gateway.process.signal(rustix::process::Signal::TERM);
    gateway.process.says("stopping");
    assert_eq!(rest_of(idle), "");
    let goodbye = rest_of(stream);
    assert!(goodbye.contains("event: goodbye") && goodbye.contains("retry: "), "{goodbye}");
    assert!(TcpStream::connect(gateway.authority()).is_err(), "nobody new is let in");
    busy.write_all(b"\n\n\n\n\n").unwrap();
    let answer = rest_of(busy);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    let ended = gateway.process.end();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    assert!(!ended.said.contains("at the deadline"), "{}", ended.said);
}

#[test]
fn what_is_left_at_the_deadline_is_cut_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = Nodes::start();
    let file = write(folder.path(), &nodes.configuration("drain_ms = 300"));
    let gateway = Gateway::start(&file);
    let busy = [half_a_body(&gateway), half_a_body(&gateway)];
    let ended = gateway.process.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    let line = ended.said.lines().find(|line| line.contains("still under way at the deadline"));
    assert!(line.unwrap_or_default().contains("connections_cut=2"), "{}", ended.said);
    for stream in busy {
        assert_eq!(rest_of(stream), "");
    }
}
