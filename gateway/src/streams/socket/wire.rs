//! Frames: tungstenite's, with limits, and the right code when somebody breaks the rules.

use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// How fast a message must be taken at least, in bytes per second, once it has begun: as with other answers.
const SEND_BYTES_PER_SECOND_MIN: u32 = 4 * 1024;
/// How long the other side may take to say goodbye too.
const CLOSING: Duration = Duration::from_secs(3);
/// How much of what still comes meanwhile is thrown away.
const CLOSING_BYTES_MAX: u64 = 1 << 20;
/// What is read at once: streams are many, and clients say little.
const READ_BYTES: usize = 1024;
/// Longest reason that a close frame may have, in bytes (RFC 6455, 5.5).
const REASON_BYTES_MAX: usize = 123;
/// What may wait to be written: one message and some frames of control.
const WRITE_BYTES_MAX: usize = 64 << 20;

/// What one client's connection may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct WireLimits {
    /// Longest message from the client, whole or in frames, in bytes.
    pub(super) message_bytes_max: usize,
    /// How long it may take to begin to take a message.
    pub(super) send_timeout: Duration,
}

impl WireLimits {
    /// For clients that send orders: `subscribe` with some hundred sessions is the longest.
    pub(super) const SMALL: Self =
        Self { message_bytes_max: 32 * 1024, send_timeout: Duration::from_secs(30) };
}

/// A connection after its handshake.
pub(super) struct Socket<IO> {
    stream: WebSocketStream<IO>,
    send_timeout: Duration,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A message.
    Text(Utf8Bytes),
    /// A message that is no text.
    Binary(Bytes),
    /// A ping, which is answered, or a pong.
    Control,
    /// The other side says goodbye.
    Closed,
    /// The other side broke the rules: what to tell it.
    Fault(CloseCode, String),
    /// The other side is gone.
    Gone,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Socket<IO> {
    pub(super) async fn new(io: IO, limits: WireLimits) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            // Each message goes out at once.
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BYTES_MAX)
            .max_message_size(Some(limits.message_bytes_max))
            .max_frame_size(Some(limits.message_bytes_max))
            .accept_unmasked_frames(false);
        let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        Self { stream, send_timeout: limits.send_timeout }
    }

    /// What comes next. May be dropped and called again.
    pub(super) async fn hear(&mut self) -> Heard {
        match self.stream.next().await {
            None => Heard::Gone,
            Some(Ok(Message::Text(text))) => Heard::Text(text),
            Some(Ok(Message::Binary(bytes))) => Heard::Binary(bytes),
            Some(Ok(Message::Close(_))) => Heard::Closed,
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Heard::Control,
            Some(Err(error)) => match code_of(&error) {
                Some(code) => Heard::Fault(code, error.to_string()),
                None => Heard::Gone,
            },
        }
    }

    /// Sends a message. Whether the other side took it in time.
    pub(super) async fn say(&mut self, text: impl Into<Utf8Bytes>) -> bool {
        self.send(Message::Text(text.into())).await
    }

    /// Asks whether the other side is there. Whether it took that in time.
    pub(super) async fn ping(&mut self) -> bool {
        self.send(Message::Ping(Bytes::new())).await
    }

    /// Sends anything. Whether the other side took it in time.
    pub(super) async fn send(&mut self, message: Message) -> bool {
        let bytes = u64::try_from(message.len()).unwrap_or(u64::MAX);
        let patience = self.send_timeout + Duration::from_secs(bytes) / SEND_BYTES_PER_SECOND_MIN;
        let sent = tokio::time::timeout(patience, self.stream.send(message)).await;
        matches!(sent, Ok(Ok(())))
    }

    /// Says goodbye with a code and a reason, or answers a goodbye, and waits a little for the other side: a
    /// connection that is closed with something unread is reset, and the last words could be lost.
    pub(super) async fn end(mut self, code: Option<(CloseCode, String)>) {
        let closing = async {
            if let Some((code, mut reason)) = code {
                let end = (0..=REASON_BYTES_MAX).rev().find(|end| reason.is_char_boundary(*end));
                reason.truncate(end.unwrap_or(0));
                if self.stream.close(Some(CloseFrame { code, reason: reason.into() })).await.is_err() {
                    return;
                }
            }
            while let Some(Ok(_)) = self.stream.next().await {}
            let io = self.stream.get_mut();
            if io.shutdown().await.is_err() {
                return;
            }
            let mut rest = io.take(CLOSING_BYTES_MAX);
            let mut bytes = [0; READ_BYTES];
            while rest.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
        };
        _ = tokio::time::timeout(CLOSING, closing).await;
    }
}

/// What to tell somebody who broke the rules (RFC 6455, 7.4.1); nothing where nobody is there to hear it.
fn code_of(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Capacity(_) => Some(CloseCode::Size),
        _ => None,
    }
}
