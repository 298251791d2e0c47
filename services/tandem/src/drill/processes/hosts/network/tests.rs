//! What needs root is in the drills of `tests/recovery`; here is what a network says of itself, and
//! one small network where that is allowed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::*;

#[test]
fn a_number_is_found_by_its_name() {
    let text = "Ip: Forwarding DefaultTTL InAddrErrors\nIp: 2 64 17\nIcmp: InMsgs\nIcmp: 3\n";
    assert_eq!(of_counters(text, "Ip:", "InAddrErrors"), Some(17));
    assert_eq!(of_counters(text, "Icmp:", "InMsgs"), Some(3));
    for (text, protocol) in [(text, "Udp:"), ("Ip: InAddrErrors\nIp:\n", "Ip:"), ("", "Ip:")] {
        assert_eq!(of_counters(text, protocol, "InAddrErrors"), None);
    }
}

#[test]
fn every_host_has_an_address_of_its_own() {
    let hosts = hosts(8);
    let addresses: BTreeSet<_> = (0..hosts.len()).map(address).collect();
    assert_eq!(addresses.len(), hosts.len());
    assert_eq!(hosts.iter().collect::<BTreeSet<_>>().len(), hosts.len());
    let hardware: BTreeSet<_> = (0..hosts.len()).map(hardware).chain((0..SINKS).map(sink_hardware)).collect();
    assert_eq!(hardware.len(), hosts.len() + SINKS);
}

/// What comes within a short while, of bytes that were sent.
fn heard(stream: &mut TcpStream) -> usize {
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a limit");
    stream.read(&mut [0; 64]).unwrap_or(0)
}

/// Waits for bytes that must come.
fn hear(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    assert!(stream.read(&mut [0; 64]).expect("it comes") > 0);
}

#[tokio::test]
async fn a_cut_way_loses_packets_of_open_connections_and_the_other_way_goes_on() {
    let network = match Network::build(1).await {
        Ok(network) => Arc::new(network),
        Err(failure) => {
            println!("skipped: {failure}");
            assert_eq!(failure.code(), 64);
            return;
        }
    };
    let (here, there) = (Host::Process(Who::Gateway(0)), Host::Log);
    let address = SocketAddr::from((network.address(there), 9_000));
    let listener = network.namespace(there).within(|| std::net::TcpListener::bind(address)).expect("a port");
    let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(60));
    let mut client = network.namespace(here).within(connect).expect("they hear each other");
    let (mut server, _) = listener.accept().expect("it was connected");
    client.write_all(b"before").expect("open");
    hear(&mut server);

    let cut = |from, to, sink| network.cut([(from, to)].into(), sink).expect("it can be cut");
    let mut fault = cut(here, there, Sink::Common);
    client.write_all(b"cut").expect("nobody is told");
    assert_eq!(heard(&mut server), 0, "what is sent vanishes");
    assert!(fault.struck() > Some(0), "{:?}", fault.struck());
    // Another fault of the same way: it stays cut until both are over.
    let mut other = cut(here, there, Sink::Of(Chain::A));
    fault.heal();
    let struck = fault.struck();
    assert_eq!(heard(&mut server), 0, "one of two faults is over");
    other.heal();
    hear(&mut server);
    assert_eq!(fault.struck(), struck, "what comes after a fault is not its doing");

    // The other way: what is said arrives, what is answered does not.
    let back = cut(there, here, Sink::Of(Chain::B));
    client.write_all(b"question").expect("open");
    hear(&mut server);
    server.write_all(b"answer").expect("nobody is told");
    assert_eq!(heard(&mut client), 0, "the answer vanishes");
    assert!(back.struck() > Some(0));
    // Dropped, it is over.
    drop(back);
    hear(&mut client);
    assert!(network.cuts.lock().is_empty());
}
