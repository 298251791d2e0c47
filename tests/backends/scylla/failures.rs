//! What goes wrong is told in words that say what to do, and as what it is.

use tandem_model::Calendar;
use tandem_scylla::{ScyllaStore, Settings, schema};
use tandem_storage::suite::fixtures::{change, changes, session_id};
use tandem_storage::{RowStore, Select, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::support::{LOG, fresh, gone, open, refused, settings};

#[tokio::test]
async fn nobody_there_is_unavailable() {
    // A port that is nobody's: bound, so that nobody else takes it, and not listening.
    let socket = tokio::net::TcpSocket::new_v4().expect("socket");
    socket.bind("127.0.0.1:0".parse().expect("address")).expect("bind");
    let address = socket.local_addr().expect("address").to_string();
    let settings = Settings { addresses: vec![address.clone()], ..settings("nobody") };
    for outcome in [
        ScyllaStore::open(&settings).await.map(|_| ()),
        schema::apply(&settings).await.map(|_| ()),
        schema::status(&settings).await.map(|_| ()),
    ] {
        assert!(
            matches!(&outcome, Err(StoreError::Unavailable(text)) if text.contains(&address)),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_login_is_refused() {
    let settings = Settings { addresses: vec![strict_server().await], ..settings("login") };
    let text = refused(ScyllaStore::open(&settings).await.map(|_| ()));
    assert!(text.contains("wants a user and a password"), "{text}");
    let settings = Settings { user: "tandem".to_owned(), password: Some("wrong".to_owned()), ..settings };
    let text = refused(ScyllaStore::open(&settings).await.map(|_| ()));
    assert!(text.contains("refuses the user or the password") && !text.contains("wrong"), "{text}");
}

/// A CQL server that lets nobody in: as much of the protocol as that takes (version 4 of the
/// native protocol: frames of version, flags, stream, opcode, length, body).
async fn strict_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address").to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(refuse(stream));
        }
    });
    address
}

async fn refuse(mut stream: TcpStream) {
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let mut header = [0; 9];
    while stream.read_exact(&mut header).await.is_ok() {
        let [_, _, high, low, opcode, length @ ..] = header;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut body).await.expect("body");
        let (answer, body) = match opcode {
            // OPTIONS: SUPPORTED, nothing in particular.
            0x05 => (0x06, vec![0, 0]),
            // STARTUP: AUTHENTICATE.
            0x01 => (0x03, text("org.apache.cassandra.auth.PasswordAuthenticator")),
            // AUTH_RESPONSE: ERROR, bad credentials.
            _ => (
                0x00,
                [&[0, 0, 1, 0][..], &text("Provided username tandem and/or password are incorrect")].concat(),
            ),
        };
        let frame = [&[0x84, 0, high, low, answer][..], &(body.len() as u32).to_be_bytes(), &body].concat();
        if stream.write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// The servers' limits of 5 and 50 KiB are for batches of several CQL partitions.
#[tokio::test]
async fn a_batch_of_one_session_may_be_large_but_not_beyond_the_commit_log() {
    let settings = Settings { batch_bytes_max: 1 << 20, ..fresh("large").await };
    let store = open(&settings).await;
    let mut all = changes(0, 10, 10);
    all.sessions = vec![change("large", 9, 700)];
    store.apply(&all).await.expect("a batch of 1,401 rows");
    let counts = store.counts();
    assert_eq!((counts.rows_written, counts.sessions_split), (1_401, 0));
    let read = store.session("large", &Select::All).await.expect("read").expect("there");
    assert_eq!(read.rows, all.sessions[0].rows);

    // The servers of the tests take mutations of 2 MiB.
    let greedy = Settings { batch_bytes_max: 8 << 20, ..settings.clone() };
    let mut more = changes(0, 20, 20);
    more.sessions = vec![change("larger", 19, 6_000)];
    let text = refused(open(&greedy).await.apply(&more).await);
    assert!(text.contains("batch_bytes_max"), "{text}");
    assert_eq!(store.session("larger", &Select::All).await.expect("read"), None, "nothing of it is there");
    // In parts it goes.
    store.apply(&more).await.expect("apply");
    assert_eq!(store.counts().sessions_split, 1);
    let read = store.session("larger", &Select::All).await.expect("read").expect("there");
    assert_eq!(read.rows, more.sessions[0].rows);
    assert_eq!(store.session_ids(None, 10).await.expect("ids"), ["large", "larger"].map(session_id));
    gone(&settings).await;
}

/// A schema that somebody took away while we work.
#[tokio::test]
async fn a_missing_table_says_what_to_run() {
    let settings = fresh("missing").await;
    let store = open(&settings).await;
    let mut all = changes(0, 10, 10);
    all.sessions = vec![change("s", 9, 1)];
    store.apply(&all).await.expect("apply");
    gone(&settings).await;
    all.cut.next = 20;
    let text = refused(store.apply(&all).await);
    assert!(text.contains("tandem schema apply"), "{text}");
    let text = refused(ScyllaStore::note_log(&settings, LOG, &Calendar::default()).await.map(|_| ()));
    assert!(text.contains("tandem schema apply"), "{text}");
}
