//! A client's socket whose bytes are judged before hyper reads them.
//!
//! What the guard clears passes. Of a request whose head is refused, hyper sees nothing; in its place
//! it gets one of ours ([`SUBSTITUTE`]), which the stack answers with what was wrong. So it is hyper
//! that writes the refusal: behind the answers to earlier requests, whole, and last on the connection.
//! Where the fault is in a body, the request is hyper's already: reading fails from there on, and the
//! stack answers that request with the refusal, if it has not been answered yet.
//!
//! Nothing more is read after a refusal until the answer is sent. Then what still comes is thrown
//! away for a while: closing a socket with unread bytes resets it, and the answer could be lost
//! (RFC 9112, 9.6).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tandem_strict::{Guard, Limits, Progress};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::edge::Edge;
use crate::header_limits;

/// What hyper reads in place of a request that is refused. No client can send it: its target is one
/// that the guard refuses.
const SUBSTITUTE: &[u8] = b"GET /%00 HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
/// How much is read at once while a head is held back, in bytes.
const READ_BYTES: usize = 4 * 1024;
/// How long, and how much, is read and thrown away after a refusal was answered.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 1 << 20;

/// What the guard lets pass: as much as the stack does, [`header_limits`].
const LIMITS: Limits = Limits {
    target_bytes_max: header_limits::TARGET_BYTES_MAX,
    fields_max: header_limits::FIELDS_MAX,
    // A token may take 16 KiB.
    field_bytes_max: 20 * 1024,
    // With colons and spaces.
    header_bytes_max: header_limits::BYTES_MAX + 2 * header_limits::FIELDS_MAX,
    extension_bytes_max: 1024,
};

/// A socket, guarded or not.
pub(super) struct Guarded<IO> {
    io: IO,
    gate: Option<Gate>,
}

struct Gate {
    guard: Guard,
    edge: Arc<Edge>,
    /// Read and not given to hyper: first `clear` bytes that may pass, then the beginning of a head.
    held: BytesMut,
    clear: usize,
    is_refused: bool,
    in_body: bool,
    has_substituted: bool,
    linger: Option<Pin<Box<Sleep>>>,
    lingered_bytes: usize,
}

impl<IO> Guarded<IO> {
    /// Guards `io` where there is an edge to tell of it.
    pub(super) fn new(io: IO, edge: Option<Arc<Edge>>) -> Self {
        let gate = edge.map(|edge| Gate {
            guard: Guard::new(LIMITS),
            edge,
            held: BytesMut::new(),
            clear: 0,
            is_refused: false,
            in_body: false,
            has_substituted: false,
            linger: None,
            lingered_bytes: 0,
        });
        Self { io, gate }
    }
}

impl Gate {
    /// Judges bytes that have just come.
    fn judge(&mut self, bytes: &[u8]) -> usize {
        let Progress { clear, refusal } = self.guard.read(bytes);
        if let Some(refusal) = refusal {
            self.is_refused = true;
            self.in_body = refusal.in_body;
            self.edge.refuse(refusal);
        }
        clear
    }

    /// Keeps bytes that were judged, behind those that are held already.
    fn hold(&mut self, bytes: &[u8], clear: usize) {
        if clear > 0 {
            self.clear = self.held.len() + clear;
        }
        self.held.extend_from_slice(bytes);
        if self.is_refused {
            self.held.truncate(self.clear);
        }
    }

    /// Hands out what may pass. Whether there was any.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let count = self.clear.min(buffer.remaining());
        buffer.put_slice(&self.held[..count]);
        self.held.advance(count);
        self.clear -= count;
        if self.held.is_empty() {
            // Idle connections are many: they keep nothing.
            self.held = BytesMut::new();
        }
        count > 0
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Guarded<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, gate } = self.get_mut();
        let mut io = Pin::new(io);
        let Some(gate) = gate else { return io.poll_read(context, buffer) };
        if gate.edge.is_upgraded() && !gate.guard.is_passing() && !gate.is_refused {
            gate.guard.pass_through();
            gate.clear = gate.held.len();
        }
        loop {
            if gate.hand_out(buffer) {
                return Poll::Ready(Ok(()));
            }
            if gate.is_refused {
                match (gate.in_body, gate.has_substituted) {
                    (true, _) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                    // There is nothing more to read, and the end of it all comes from the other side.
                    (false, true) => return Poll::Pending,
                    (false, false) => {
                        gate.has_substituted = true;
                        gate.held.extend_from_slice(SUBSTITUTE);
                        gate.clear = SUBSTITUTE.len();
                        continue;
                    }
                }
            }
            if gate.held.is_empty() {
                // The usual case: what comes is judged where hyper wants it, and stays there.
                let before = buffer.filled().len();
                ready!(io.as_mut().poll_read(context, buffer))?;
                if buffer.filled().len() == before {
                    return Poll::Ready(Ok(()));
                }
                let clear = gate.judge(&buffer.filled()[before..]);
                if !gate.is_refused {
                    gate.held.extend_from_slice(&buffer.filled()[before + clear..]);
                }
                buffer.set_filled(before + clear);
                if clear > 0 {
                    return Poll::Ready(Ok(()));
                }
            } else {
                let mut bytes = [0; READ_BYTES];
                let mut read = ReadBuf::new(&mut bytes);
                ready!(io.as_mut().poll_read(context, &mut read))?;
                if read.filled().is_empty() {
                    // The client has gone in the middle of a head, of which nobody need know.
                    return Poll::Ready(Ok(()));
                }
                let clear = gate.judge(read.filled());
                gate.hold(read.filled(), clear);
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<IO> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, gate } = self.get_mut();
        let mut io = Pin::new(io);
        let Some(gate) = gate.as_mut().filter(|gate| gate.is_refused) else {
            return io.poll_shutdown(context);
        };
        if gate.linger.is_none() {
            ready!(io.as_mut().poll_shutdown(context))?;
        }
        let linger = gate.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let mut bytes = [0; READ_BYTES];
        while gate.lingered_bytes < LINGER_BYTES_MAX && linger.as_mut().poll(context).is_pending() {
            let mut read = ReadBuf::new(&mut bytes);
            let has_ended =
                ready!(io.as_mut().poll_read(context, &mut read)).is_err() || read.filled().is_empty();
            if has_ended {
                break;
            }
            gate.lingered_bytes += read.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
