use super::*;

const PATIENCE: Duration = Duration::from_secs(30);
/// Long enough for what would come to come, if it did.
const SILENCE: Duration = Duration::from_millis(150);

/// Says everything back, and counts what it hears.
async fn echo() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut chunk = [0; 64];
                while let Ok(length @ 1..) = stream.read(&mut chunk).await {
                    count.fetch_add(length as u64, Ordering::Relaxed);
                    if stream.write_all(&chunk[..length]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, heard)
}

async fn say(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await??;
    Ok(answer)
}

/// Whether nothing comes for a while, on a connection that stays open.
async fn is_silent(stream: &mut TcpStream) -> bool {
    tokio::time::timeout(SILENCE, stream.read_u8()).await.is_err()
}

#[tokio::test]
async fn blackholes_swallow_their_side_and_end_with_the_guard() {
    let (server, heard) = echo().await;
    for (fault, is_heard) in
        [(ProxyFault::BlackholeIn, false), (ProxyFault::BlackholeOut, true), (ProxyFault::Blackhole, false)]
    {
        let proxy = Proxy::start(server).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut stream, b"before").await.unwrap(), b"before");
        let before = heard.load(Ordering::Relaxed);
        let guard = proxy.begin(fault);
        stream.write_all(b"lost").await.unwrap();
        assert!(is_silent(&mut stream).await, "{fault:?}");
        assert_eq!(heard.load(Ordering::Relaxed) > before, is_heard, "{fault:?}");
        assert!(guard.struck() > 0, "{fault:?}");
        // A new connection is taken, and as silent.
        let mut other = TcpStream::connect(proxy.address()).await.unwrap();
        other.write_all(b"lost").await.unwrap();
        assert!(is_silent(&mut other).await, "{fault:?}");
        drop(guard);
        let mut ended = [0; 1];
        let closed = tokio::time::timeout(PATIENCE, stream.read(&mut ended)).await.unwrap();
        assert!(matches!(closed, Ok(0) | Err(_)), "what lost bytes is closed: {fault:?}");
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(say(&mut stream, b"after").await.unwrap(), b"after", "{fault:?}");
    }
}

#[tokio::test]
async fn connections_are_reset_half_open_or_slow() {
    let (server, _) = echo().await;
    let proxy = Proxy::start(server).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    say(&mut stream, b"before").await.unwrap();

    let guard = proxy.begin(ProxyFault::HalfOpen);
    assert_eq!(say(&mut stream, b"open").await.unwrap(), b"open", "open ones go on");
    let mut half = TcpStream::connect(proxy.address()).await.unwrap();
    half.write_all(b"?").await.unwrap();
    assert!(is_silent(&mut half).await);
    drop(guard);

    let guard = proxy.begin(ProxyFault::Reset);
    let error = tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(guard.struck() > 0);
    drop(guard);

    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let delay = Duration::from_millis(30);
    let _guard = proxy.begin(ProxyFault::Latency { delay, jitter: Duration::from_millis(5) });
    let began = std::time::Instant::now();
    assert_eq!(say(&mut stream, b"slow").await.unwrap(), b"slow");
    assert!(began.elapsed() >= delay * 2, "each way");
}

#[tokio::test]
async fn what_hangs_is_late_and_not_lost() {
    let (server, heard) = echo().await;
    let proxy = Proxy::start(server).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    say(&mut stream, b"before").await.unwrap();
    let (before, asked) = (heard.load(Ordering::Relaxed), proxy.asked());
    let guard = proxy.begin(ProxyFault::Hang);
    stream.write_all(b"late").await.unwrap();
    assert!(is_silent(&mut stream).await);
    assert_eq!(heard.load(Ordering::Relaxed), before);
    assert_eq!((guard.struck(), proxy.asked() - asked), (1, 1));
    drop(guard);
    let mut answer = [0; 4];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"late", "on the connection it was sent on");
}

#[tokio::test]
async fn some_questions_cut_their_connection() {
    let (server, _) = echo().await;
    let proxy = Proxy::start(server).await.unwrap();
    let guard = proxy.begin(ProxyFault::Cut { percent: 20 });
    let mut cut = 0;
    for _ in 0..200 {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        cut += u32::from(say(&mut stream, b"?").await.is_err());
    }
    assert!((20..=65).contains(&cut), "{cut} of 200");
    assert_eq!(guard.struck(), u64::from(cut));
}

#[tokio::test]
async fn a_server_that_is_gone_refuses_and_is_asked_all_the_same() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy::start(gone).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(proxy.asked(), 1);
}

#[tokio::test]
async fn a_dropped_proxy_leaves_nothing_behind() {
    let (server, _) = echo().await;
    let proxy = Proxy::start(server).await.unwrap();
    let address = proxy.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    say(&mut stream, b"before").await.unwrap();
    drop(proxy);
    let ended = tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap();
    assert!(ended.is_err());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_proxy_goes_to_its_server_with_the_sockets_it_is_given() {
    let (server, _) = echo().await;
    let made = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&made);
    let socket: SocketMaker = Arc::new(move || match count.fetch_add(1, Ordering::Relaxed) {
        0 => TcpSocket::new_v4(),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let proxy = Proxy::between(listener, server, socket).unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut stream, b"word").await.unwrap(), b"word");
    // One that can't be made is a server that is not there.
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(say(&mut other, b"word").await.is_err());
    assert_eq!((made.load(Ordering::Relaxed), proxy.asked()), (2, 2));
}
