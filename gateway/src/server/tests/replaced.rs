//! Another configuration while connections, requests and streams go on.

use super::*;
use crate::ConfigError;
use crate::limits::LimitsConfig;
use tandem_limits::RuleSet;

const FEW: &str = "[[rules]]\nname = \"few\"\nkey = \"key\"\ncallers = [\"operator\"]\nclasses = [\"read\"]\nrequests = 1\nwindow_s = 600\n";

#[tokio::test]
async fn new_values_hold_for_what_comes_and_nothing_is_dropped() {
    let (asked, release) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let chain = held(Arc::clone(&asked), Arc::clone(&release));
    let config = GatewayConfig { hedge_delay: Duration::from_secs(60), ..GatewayConfig::new(KEY) };
    let running = run(config.clone(), [chain, saying("b")]).await;
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    busy.write_all(&get("/v1/x", "")).await.unwrap();
    asked.notified().await;

    let other = GatewayConfig {
        operator_key: "other-key".to_owned(),
        body_bytes_max: 3,
        cors_origins: vec!["https://live.example".to_owned()],
        connections_max: 2,
        ..config.clone()
    };
    running.gateway.replace_config(other).unwrap();
    let as_other = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(KEY, "other-key").into_bytes();
    // The connection that was there stays, and its next request is one of the new.
    release.notify_one();
    read_until(&mut busy, "at last").await;
    busy.write_all(&get("/v1/x", "")).await.unwrap();
    assert!(read_until(&mut busy, "}").await.starts_with("HTTP/1.1 401"));
    busy.write_all(&as_other(get("/v1/docs", "origin: https://live.example\r\nconnection: close\r\n")))
        .await
        .unwrap();
    let answer = read_to_end(&mut busy).await;
    assert!(answer.contains("access-control-allow-origin: https://live.example"), "{answer}");
    let body = "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer other-key\r\ncontent-length: 4\r\nconnection: close\r\n\r\n{}{}";
    assert!(running.raw(body.as_bytes()).await.starts_with("HTTP/1.1 413"));
    // Room for two.
    let held: Vec<TcpStream> = vec![
        TcpStream::connect(running.address).await.unwrap(),
        TcpStream::connect(running.address).await.unwrap(),
    ];
    assert!(running.raw(b"").await.starts_with("HTTP/1.1 503"));
    drop(held);

    // What is wrong changes nothing.
    let wrong = GatewayConfig { reads_max: 0, operator_key: "third-key".to_owned(), ..config.clone() };
    assert_eq!(running.gateway.replace_config(wrong), Err(ConfigError::Limit));
    let limits = LimitsConfig { rules: RuleSet::parse(FEW).unwrap(), ..LimitsConfig::default() };
    running.gateway.replace_config(GatewayConfig { limits, answer_kept: Duration::ZERO, ..config }).unwrap();
    let counts = running.gateway.counts().reloads;
    assert_eq!((counts.applied, counts.refused), (2, 0));
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    release.notify_one();
    stream.write_all(&get("/v1/x", "")).await.unwrap();
    assert!(read_until(&mut stream, "at last").await.starts_with("HTTP/1.1 200"));
    stream.write_all(&get("/v1/x", "")).await.unwrap();
    assert!(read_until(&mut stream, "}").await.starts_with("HTTP/1.1 429"));
}

#[tokio::test]
async fn the_time_to_drain_is_the_newest() {
    let (asked, release) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let chain = held(Arc::clone(&asked), release);
    let config = GatewayConfig {
        hedge_delay: Duration::from_secs(60),
        upstream_timeout: Duration::from_secs(60),
        drain: Duration::from_secs(3_600),
        ..GatewayConfig::new(KEY)
    };
    let running = run(config.clone(), [chain, saying("b")]).await;
    let mut busy = TcpStream::connect(running.address).await.unwrap();
    busy.write_all(&get("/v1/x", "")).await.unwrap();
    asked.notified().await;
    running.gateway.replace_config(GatewayConfig { drain: Duration::from_millis(50), ..config }).unwrap();
    running.stop.send(()).unwrap();
    assert_eq!(running.serving.await.unwrap(), Drained { connections_cut: 1 });
}
