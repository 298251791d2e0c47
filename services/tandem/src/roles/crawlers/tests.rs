use std::net::SocketAddr;

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, PTR};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::net::UdpSocket;

use super::*;

/// An address of Google's that its robot has.
const ROBOT: &str = "66.249.66.1";

/// What the DNS here says.
#[derive(Clone, Default)]
struct Zone {
    reverse: Vec<&'static str>,
    forward: Vec<&'static str>,
    is_broken: bool,
}

/// Answers as `zone` says, over real packets, until the test ends.
async fn server(zone: Zone) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1_500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let asked = Message::from_vec(&buffer[..length]).unwrap();
            let question = asked.queries[0].clone();
            let mut answer = Message::response(asked.metadata.id, OpCode::Query);
            answer.add_query(question.clone());
            let name = question.name().clone();
            let record = |data| Record::from_rdata(name.clone(), 60, data);
            let records: Vec<Record> = match question.query_type() {
                RecordType::PTR => {
                    assert_eq!(name.to_ascii(), "1.66.249.66.in-addr.arpa.");
                    let named = zone.reverse.iter().map(|name| Name::from_ascii(name).unwrap());
                    named.map(|name| record(RData::PTR(PTR(name)))).collect()
                }
                RecordType::A => {
                    let addresses = zone.forward.iter().map(|text| text.parse().unwrap());
                    addresses.map(|address| record(RData::A(A(address)))).collect()
                }
                _ => Vec::new(),
            };
            if zone.is_broken {
                answer.metadata.response_code = ResponseCode::ServFail;
            } else if records.is_empty() {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            answer.add_answers(records);
            socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    });
    address
}

fn claim(address: &str, crawler: &str) -> Claim {
    Claim { address: address.parse().unwrap(), crawler: crawler.into(), since_ms: 0 }
}

async fn found(zone: Zone, claim: &Claim) -> Found {
    let names = Dns::new(&[server(zone).await]).unwrap();
    look_into(&names, claim).await
}

#[tokio::test]
async fn a_name_that_leads_back_confirms_and_everything_else_denies() {
    let google = "crawl-66-249-66-1.googlebot.com.";
    let cases: [(&[&str], &[&str], Found); 6] = [
        (&[google], &[ROBOT], Found::Confirmed),
        (&["host.example.", google], &["192.0.2.1", ROBOT], Found::Confirmed),
        // The name is a lie.
        (&[google], &["192.0.2.1"], Found::Denied),
        (&[google], &[], Found::Denied),
        (&["66-249-66-1.example."], &[ROBOT], Found::Denied),
        (&[], &[ROBOT], Found::Denied),
    ];
    for (reverse, forward, expected) in cases {
        let zone = Zone { reverse: reverse.to_vec(), forward: forward.to_vec(), is_broken: false };
        assert_eq!(found(zone, &claim(ROBOT, "googlebot")).await, expected, "{reverse:?} {forward:?}");
    }
}

#[tokio::test]
async fn what_nobody_can_say_stays_open() {
    let broken = Zone { is_broken: true, ..Zone::default() };
    assert_eq!(found(broken, &claim(ROBOT, "googlebot")).await, Found::Unknown);
    // Only its networks are published.
    assert_eq!(found(Zone::default(), &claim(ROBOT, "duckduckbot")).await, Found::Unknown);
}

#[tokio::test]
async fn addresses_that_nobody_outside_has_are_denied_without_a_question() {
    /// Fails the test when it is asked.
    struct Nobody;
    #[async_trait]
    impl Names for Nobody {
        async fn names_of(&self, address: IpAddr) -> anyhow::Result<Vec<String>> {
            panic!("asked about {address}")
        }
        async fn addresses_of(&self, name: &str) -> anyhow::Result<Vec<IpAddr>> {
            panic!("asked about {name}")
        }
    }
    for address in
        ["127.0.0.1", "10.1.2.3", "192.168.0.9", "0.0.0.0", "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1"]
    {
        assert_eq!(look_into(&Nobody, &claim(address, "googlebot")).await, Found::Denied, "{address}");
    }
}
