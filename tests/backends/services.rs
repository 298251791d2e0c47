//! The servers themselves: they are there, they obey, and nothing of them is left behind.
//! Sets of one's own start with Redis only; that takes no time.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use tandem_tests::services::Services;

/// How long anything may take before a test fails; far beyond what it does take.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn every_server_of_the_shared_set_accepts_connections() {
    let addresses = Services::shared().addresses();
    for address in [&addresses.kafka, &addresses.cql.a, &addresses.cql.b] {
        TcpStream::connect(address).unwrap();
    }
    for address in [&addresses.redis.a, &addresses.redis.b] {
        assert_eq!(redis(address, "PING").unwrap(), "+PONG");
    }
    assert!(addresses.folder.is_dir());
}

#[test]
fn a_set_of_ones_own_obeys() {
    let services = Services::start_only(&["redis-a", "redis-b"]).unwrap();
    let addresses = services.addresses().clone();
    let (a, b) = (&addresses.redis.a, &addresses.redis.b);

    assert_eq!(status(&services, "redis-a"), "running");
    assert_eq!(status(&services, "kafka"), "stopped");
    redis(a, "SET what kept").unwrap();
    redis(b, "SET what kept").unwrap();

    // A Redis comes back at its port, and comes back empty.
    services.kill("redis-a").unwrap();
    assert_eq!(status(&services, "redis-a"), "stopped");
    refuses(a);
    services.start_again("redis-a").unwrap();
    assert_eq!(redis(a, "EXISTS what").unwrap(), ":0");
    assert_eq!(redis(b, "EXISTS what").unwrap(), ":1");

    // A frozen one accepts, and does not answer; woken, it has forgotten nothing.
    services.pause("redis-b").unwrap();
    assert_eq!(status(&services, "redis-b"), "paused");
    let silence = redis(b, "PING").unwrap_err().kind();
    assert!([ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&silence), "{silence}");
    services.resume("redis-b").unwrap();
    assert_eq!(redis(b, "EXISTS what").unwrap(), ":1");

    services.stop("redis-a redis-b").unwrap();
    refuses(a);
    refuses(b);
    services.start_again("redis-a redis-b").unwrap();

    // What it does not know is an error, and the next command is obeyed all the same.
    let error = services.kill("redis-c").unwrap_err().to_string();
    assert!(error.contains("redis-c") && error.contains("redis-b"), "{error}");
    services.pause("redis-b").unwrap();

    // Even with one of them frozen.
    let process = services.process().unwrap();
    drop(services);
    refuses(a);
    refuses(b);
    assert!(!addresses.folder.exists());
    assert!(!Path::new(&format!("/proc/{process}")).exists());
}

/// Whoever gets no chance to tidy up takes the servers along, by the kernel's hand.
#[cfg(target_os = "linux")]
#[test]
fn servers_do_not_outlive_a_killed_owner() {
    let services = Services::start_only(&["redis-a"]).unwrap();
    let addresses = services.addresses().clone();
    if addresses.engine != "packages" {
        return;
    }
    let process = services.process().and_then(|process| i32::try_from(process).ok()).unwrap();
    let process = rustix::process::Pid::from_raw(process).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    refuses(&addresses.redis.a);
    assert!(services.kill("redis-a").is_err(), "nobody is there to obey");
    drop(services);

    // The folder goes with the next start.
    drop(Services::start_only(&["redis-a"]).unwrap());
    assert!(!addresses.folder.exists());
}

#[test]
fn shared_servers_are_not_to_be_stopped() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let own = Services::start_only(&["redis-a"]).unwrap();
    serde_json::to_writer(&file, own.addresses()).unwrap();
    let shared = Services::running(file.path()).unwrap();
    assert_eq!(shared.addresses(), own.addresses());
    assert!(own.is_own() && !shared.is_own());
    let error = shared.stop("redis-a").unwrap_err().to_string();
    assert!(error.contains("shared"), "{error}");
    assert_eq!(status(&own, "redis-a"), "running");

    let error = Services::running(Path::new("/no/such/file")).unwrap_err().to_string();
    assert!(error.contains("TANDEM_TEST_SERVICES=/no/such/file"), "{error}");
}

#[test]
fn sentinels_and_a_cluster_come_on_demand() {
    let services = Services::start_only(&["redis-a"]).unwrap();
    let sentinel = services.redis_sentinel().unwrap();
    redis(&sentinel.primary, "SET what kept").unwrap();
    until("the replica has it", || {
        redis(&sentinel.replica, "EXISTS what").is_ok_and(|answer| answer == ":1")
    });
    // Whoever is replica becomes primary.
    services.kill("redis-primary").unwrap();
    until("the replica takes over", || redis(&sentinel.replica, "SET what else").is_ok_and(|it| it == "+OK"));
    assert_eq!(services.redis_sentinel().unwrap(), sentinel, "asked again, it is the same");

    let cluster = services.redis_cluster().unwrap();
    assert_eq!(cluster.nodes.len(), 3);
    // Exactly one node owns a key.
    let owners = cluster.nodes.iter().filter(|node| redis(node, "SET what kept").unwrap() == "+OK");
    assert_eq!(owners.count(), 1);
}

fn status(services: &Services, name: &str) -> String {
    services.status().expect("the servers are there")[name].clone()
}

/// One command in Redis' inline form, one line of answer.
fn redis(address: &str, command: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    write!(stream, "{command}\r\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn refuses(address: &str) {
    until("nobody listens", || TcpStream::connect(address).is_err());
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "it did not happen: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
