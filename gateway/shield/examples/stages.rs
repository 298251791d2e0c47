//! Nanoseconds a verdict takes, on one thread and on all of two:
//! `cargo run --release -p tandem-shield --example stages`.

#![allow(clippy::print_stdout, reason = "it is what it is for")]
#![allow(clippy::unwrap_used, reason = "a measurement that can't go on fails")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use http::{HeaderMap, Method, Version};
use tandem_shield::{Memory, Outcome, Rules, Seen, Shield, Who};

const REQUESTS: u64 = 300_000;
const ROUNDS: usize = 5;
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/126.0.0.0 Safari/537.36";

fn headers(agent: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let pairs = [
        ("host", "tandem.example"),
        ("user-agent", agent),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, br"),
        ("accept-language", "de,en;q=0.5"),
        ("authorization", "Bearer 0123456789abcdef"),
        ("x-request-id", "0123456789"),
        ("origin", "https://shop.example"),
        ("referer", "https://shop.example/live"),
        ("connection", "keep-alive"),
    ];
    for (name, value) in pairs {
        headers.insert(name, value.parse().unwrap());
    }
    headers
}

/// The median of some rounds, in nanoseconds for each.
fn measure(mut one: impl FnMut(u64)) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS as u64)
        .map(|round| {
            let start = Instant::now();
            for request in 0..REQUESTS {
                one(round * REQUESTS + request);
            }
            start.elapsed().as_nanos() as f64 / REQUESTS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn main() {
    let rules = Rules::default();
    let started = Instant::now();
    black_box(Rules::default());
    println!("rules read in {} ms", started.elapsed().as_millis());
    let crawler = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    for (name, agent) in [("a browser", CHROME), ("a crawler", crawler), ("curl", "curl/8.7.1")] {
        let nanoseconds = measure(|_| {
            black_box(rules.agent(black_box(agent.as_bytes())));
        });
        println!("the user agent of {name}: {nanoseconds:.0} ns");
    }
    let shield = Shield::new(rules, Memory::default(), [1, 2]);
    let headers = headers(CHROME);
    let ids: Vec<_> = (0..10_000).map(|id| format!("person-{id}")).collect();
    let paths: Vec<_> = (0..200).map(|id| format!("/v1/sessions/live-{id}/report")).collect();
    type Sender<'a> = &'a dyn Fn(u64) -> Who<'a>;
    let key = |_| Who::Key { id: "k1", tenant: "t1" };
    let token = |n: u64| Who::Token { id: &ids[(n % 10_000) as usize], tenant: "t1" };
    let signed = |_| Who::Signed { id: "k1", tenant: "t1" };
    let cases: [(&str, Sender<'_>, bool); 5] = [
        ("one key on 200 sessions", &key, false),
        ("10,000 people", &token, false),
        ("one signed application", &signed, false),
        ("nobody, one address", &|_| Who::Nobody, false),
        ("nobody, new addresses", &|_| Who::Nobody, true),
    ];
    for (name, who, has_many_addresses) in cases {
        let nanoseconds = measure(|n| {
            let address = if has_many_addresses { n as u32 } else { 7 };
            let verdict = shield.judge(&Seen {
                now_ms: 1_700_000_000_000 + n,
                address: IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + address)),
                who: who(n),
                method: &Method::GET,
                path: &paths[(n % 200) as usize],
                query: None,
                headers: &headers,
                version: Version::HTTP_11,
                fingerprint: None,
            });
            let outcome = Outcome { status: 200, ours: false, replayed: false };
            shield.answered(&black_box(verdict).ticket, outcome);
        });
        println!("judge and answered, {name}: {nanoseconds:.0} ns");
    }
    println!("{} keys in {} KiB", shield.counts().keys, shield.counts().bytes / 1024);
}
