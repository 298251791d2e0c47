//! HTTP/2 by hand: frames as they are written, to do what no client library does.

use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::*;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// A frame that came.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// What a RST_STREAM or a GOAWAY says.
    pub(super) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block without Huffman codes and without entries for the table (RFC 7541, 6.2.2).
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        let mut bytes = vec![u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap()];
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// The fields of a good request.
pub(super) fn request<'a>(method: &'a str, path: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        (":method", method),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", path),
        ("authorization", "Bearer test-key"),
    ]
}

/// A client that is told each frame to write.
pub(super) struct Frames {
    pub(super) reader: OwnedReadHalf,
    pub(super) writer: OwnedWriteHalf,
}

impl Frames {
    pub(super) async fn connect(running: &Running, settings: &[u8]) -> Self {
        let stream = TcpStream::connect(running.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (reader, mut writer) = stream.into_split();
        let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, settings)[..]].concat();
        writer.write_all(&begin).await.unwrap();
        Self { reader, writer }
    }

    /// Writes as much as the server takes. Whether it took all.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> bool {
        let writing = tokio::time::timeout(Duration::from_secs(20), self.writer.write_all(bytes));
        matches!(writing.await, Ok(Ok(())))
    }

    pub(super) async fn headers(&mut self, stream: u32, flags: u8, fields: &[(&str, &str)]) -> bool {
        self.write(&frame(HEADERS, END_HEADERS | flags, stream, &block(fields))).await
    }

    /// The next frame, `None` where the connection has ended.
    pub(super) async fn read(&mut self) -> Option<Frame> {
        let reading = async {
            let mut head = [0; 9];
            self.reader.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            self.reader.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
            Some(Frame { kind: head[3], flags: head[4], stream, payload })
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("a frame or the end")
    }

    /// Reads until a frame of `kind` about `stream` comes. Pings and settings are answered.
    pub(super) async fn until(&mut self, kind: u8, stream: u32) -> Option<Frame> {
        loop {
            let came = self.read().await?;
            let asks = matches!(came.kind, PING | SETTINGS) && came.flags & ACK == 0;
            let answers = matches!(came.kind, PING | SETTINGS) && !asks;
            if (came.kind, came.stream) == (kind, stream) && !answers {
                return Some(came);
            }
            if asks {
                let payload = if came.kind == PING { &came.payload[..] } else { &[] };
                self.write(&frame(came.kind, ACK, 0, payload)).await;
            }
        }
    }

    /// Reads until the connection ends: what its GOAWAY said, if there was one.
    pub(super) async fn until_end(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(came) = self.read().await {
            if came.kind == GOAWAY {
                code = Some(came.code());
            }
        }
        code
    }
}
