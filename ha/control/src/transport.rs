//! How members send to each other: bodies of several messages over HTTP, one at a time to each
//! member. What can't be sent in time is dropped: raft sends again what matters.
//!
//! A body is a sequence of frames, each its length in four bytes (big endian) and as many bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::Uri;
use parking_lot::Mutex;
use tandem_group::MemberId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::{Client, OperatorKey};

/// Messages that may wait for one member.
const WAITING_MAX: usize = 1_024;
/// Largest body, in bytes, on both sides; a message may be larger, alone.
const BODY_BYTES: usize = 4 << 20;
/// Largest body that is taken, in bytes: a state with all its history fits several times over.
pub(crate) const BODY_BYTES_MAX: usize = 32 << 20;
/// How long sending may take. Less than the patience with a leader.
const TIMEOUT: Duration = Duration::from_millis(500);
/// After a failure, until the next try.
const PAUSE: Duration = Duration::from_millis(50);

/// Sends to the other members.
pub(crate) struct Transport {
    key: OperatorKey,
    /// Addresses that this node's own configuration gives: they count for more than the group's.
    configured: BTreeMap<MemberId, Uri>,
    peers: Mutex<BTreeMap<MemberId, Peer>>,
    is_cut_off: AtomicBool,
}

struct Peer {
    address: Uri,
    client: Arc<Client>,
    queue: mpsc::Sender<Vec<u8>>,
    sending: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.sending.abort();
    }
}

impl Transport {
    pub(crate) fn new(key: OperatorKey, configured: BTreeMap<MemberId, Uri>) -> Self {
        Self { key, configured, peers: Mutex::default(), is_cut_off: AtomicBool::new(false) }
    }

    /// The members are these, at these addresses. Must be called within a tokio runtime.
    pub(crate) fn set_members<'a>(&self, members: impl Iterator<Item = (MemberId, &'a str)>) {
        let mut addresses: BTreeMap<MemberId, Uri> = BTreeMap::new();
        for (id, address) in members {
            match self.configured.get(&id).cloned().or_else(|| address.parse().ok()) {
                Some(address) => _ = addresses.insert(id, address),
                None => tracing::warn!(member = %id, address, "this address can't be one"),
            }
        }
        let mut peers = self.peers.lock();
        peers.retain(|id, peer| addresses.get(id) == Some(&peer.address));
        for (id, address) in addresses {
            if peers.contains_key(&id) {
                continue;
            }
            match Client::new(address.clone(), &self.key) {
                Ok(client) => {
                    let client = Arc::new(client);
                    let (queue, waiting) = mpsc::channel(WAITING_MAX);
                    let sending = tokio::spawn(send(id, Arc::clone(&client), waiting));
                    peers.insert(id, Peer { address, client, queue, sending });
                }
                Err(error) => tracing::warn!(member = %id, %error, "this member can't be reached"),
            }
        }
    }

    /// From now on everything is dropped, or nothing.
    pub(crate) fn cut_off(&self, is_cut_off: bool) {
        self.is_cut_off.store(is_cut_off, Ordering::Relaxed);
    }

    /// Whether everything is dropped.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::Relaxed)
    }

    /// Sends, or drops.
    pub(crate) fn send(&self, to: MemberId, bytes: Vec<u8>) {
        if self.is_cut_off() {
            return;
        }
        if let Some(peer) = self.peers.lock().get(&to) {
            _ = peer.queue.try_send(bytes);
        }
    }

    /// How to ask a member.
    pub(crate) fn client(&self, id: MemberId) -> Option<Arc<Client>> {
        self.peers.lock().get(&id).map(|peer| Arc::clone(&peer.client))
    }
}

async fn send(id: MemberId, client: Arc<Client>, mut waiting: mpsc::Receiver<Vec<u8>>) {
    let mut is_reached = true;
    while let Some(first) = waiting.recv().await {
        let mut body = BytesMut::new();
        frame(&mut body, &first);
        while body.len() < BODY_BYTES
            && let Ok(next) = waiting.try_recv()
        {
            frame(&mut body, &next);
        }
        match client.raft(body.freeze(), TIMEOUT).await {
            Ok(()) => {
                if !is_reached {
                    tracing::info!(member = %id, "reached again");
                }
                is_reached = true;
            }
            Err(error) => {
                // Once per loss: it is tried many times a second.
                if is_reached {
                    tracing::warn!(member = %id, %error, "can't be reached");
                }
                is_reached = false;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn frame(body: &mut BytesMut, message: &[u8]) {
    let length = u32::try_from(message.len()).expect("a message is far smaller than 4 GiB");
    body.put_u32(length);
    body.put_slice(message);
}

/// The messages in a body; nothing when it is none.
pub(crate) fn messages(mut body: Bytes) -> Option<Vec<Bytes>> {
    let mut messages = Vec::new();
    while !body.is_empty() {
        let length = body.split_to_checked(4)?;
        let length = u32::from_be_bytes(length.as_ref().try_into().ok()?);
        messages.push(body.split_to_checked(length as usize)?);
    }
    Some(messages)
}

trait SplitChecked: Sized {
    fn split_to_checked(&mut self, at: usize) -> Option<Self>;
}

impl SplitChecked for Bytes {
    fn split_to_checked(&mut self, at: usize) -> Option<Self> {
        (at <= self.len()).then(|| self.split_to(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_way_and_nonsense_is_none() {
        let mut body = BytesMut::new();
        frame(&mut body, b"one");
        frame(&mut body, b"");
        frame(&mut body, b"three");
        let body = body.freeze();
        assert_eq!(messages(body.clone()).unwrap(), ["one", "", "three"]);
        for cut in 1..body.len() {
            if ![7, 11].contains(&cut) {
                assert_eq!(messages(body.slice(..cut)), None, "{cut}");
            }
        }
        assert_eq!(messages(Bytes::from_static(&[0xff; 8])), None);
    }
}
