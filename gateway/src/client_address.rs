//! Where a request really comes from. It stands before everything that counts by address.
//!
//! The peer of the connection is known for sure; `X-Forwarded-For` is what somebody says. Every
//! proxy appends the address that it was called from, so only the right end was written by proxies
//! that are ours, and everything left of that may be invented. From the right, therefore, as long
//! as whoever wrote an entry is trusted; what is no address ends it at the last one that was.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderMap, Request};
use tandem_limits::{NOWHERE, network, normal};
use tower::{Layer, Service};

use crate::answer::Answer;
use crate::stack::Inner;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// So many proxies in a row are believed at most.
const HOPS_MAX: usize = 16;

/// The other end of the connection; the server's loop notes it with each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Where a request comes from, as far as proxies can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// Which proxies are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrustedProxies {
    /// None: the client is the peer.
    #[default]
    None,
    /// So many in front of the gateway, 1 to 16, whatever their addresses are. Only right where
    /// nobody can reach the gateway around them.
    Hops(usize),
    /// Those in these networks.
    Networks(Vec<Network>),
}

/// A network: an address and how many bits of it count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    bytes: [u8; 17],
    prefix: u8,
}

/// A text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network: write it like 10.0.0.0/8, 2001:db8::/32, or as one address")]
pub struct NetworkError(String);

impl std::str::FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.to_owned());
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits_max,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= bits_max).ok_or_else(wrong)?,
        };
        Ok(Self { bytes: network(address, prefix, prefix), prefix })
    }
}

impl Network {
    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        network(address, self.prefix, self.prefix) == self.bytes
    }
}

impl TrustedProxies {
    /// Whether `hop` proxies after the gateway's own peer (which is 0), `address` is believed.
    fn trusts(&self, hop: usize, address: IpAddr) -> bool {
        match self {
            TrustedProxies::None => false,
            TrustedProxies::Hops(hops) => hop < *hops,
            TrustedProxies::Networks(networks) => networks.iter().any(|network| network.contains(address)),
        }
    }

    /// Where a request with these headers, come in from `peer`, is from.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = normal(peer);
        if *self == TrustedProxies::None {
            return client;
        }
        // Several headers are one list, in their order.
        let entries = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .rev()
            .flat_map(|header| header.as_bytes().rsplit(|byte| *byte == b','));
        for (hop, entry) in entries.take(HOPS_MAX).enumerate() {
            if !self.trusts(hop, client) {
                break;
            }
            let Some(said) = address_of(entry) else { break };
            client = said;
        }
        client
    }
}

/// The address of an entry: bare, in brackets, with a port or without.
fn address_of(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(inner) => IpAddr::V6(inner.parse().ok()?),
        None => match text.parse::<IpAddr>() {
            Ok(address) => address,
            Err(_) => text.parse::<SocketAddr>().ok()?.ip(),
        },
    };
    Some(normal(address))
}

/// Notes the [`ClientAddress`] in the request's extensions.
#[derive(Clone)]
pub(crate) struct ClientAddressLayer(pub(crate) Arc<TrustedProxies>);

impl<S> Layer<S> for ClientAddressLayer {
    type Service = WithClientAddress<S>;

    fn layer(&self, inner: S) -> WithClientAddress<S> {
        WithClientAddress { inner, trusted: Arc::clone(&self.0) }
    }
}

/// See [`ClientAddressLayer`].
#[derive(Clone)]
pub(crate) struct WithClientAddress<S> {
    inner: S,
    trusted: Arc<TrustedProxies>,
}

impl<S: Inner<B>, B> Service<Request<B>> for WithClientAddress<S> {
    type Response = Answer;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let client = match request.extensions().get::<Peer>() {
            Some(Peer(peer)) => self.trusted.client(*peer, request.headers()),
            None => NOWHERE,
        };
        request.extensions_mut().insert(ClientAddress(client));
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderValue, Response};
    use tower::ServiceExt;

    use super::*;
    use crate::testing::{answering, get};

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    fn proxies(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::Networks(networks.iter().map(|network| network.parse().unwrap()).collect())
    }

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let (peer, one, two) = ("10.0.0.1", TrustedProxies::Hops(1), TrustedProxies::Hops(2));
        let ours = proxies(&["10.0.0.0/8", "2001:db8::/32"]);
        let cases: [(&TrustedProxies, &str, &[&[u8]], &str); 31] = [
            (&TrustedProxies::None, peer, &[b"192.0.2.1"], peer),
            (&TrustedProxies::None, "::ffff:10.0.0.1", &[], "10.0.0.1"),
            (&one, peer, &[], peer),
            (&one, peer, &[b""], peer),
            (&one, peer, &[b"192.0.2.1"], "192.0.2.1"),
            // What stands left of it was sent by the client.
            (&one, peer, &[b"1.1.1.1, 192.0.2.1"], "192.0.2.1"),
            (&one, peer, &[b"1.1.1.1", b"192.0.2.1"], "192.0.2.1"),
            (&one, peer, &[b"garbage, 192.0.2.1"], "192.0.2.1"),
            (&one, peer, &[b"1.1.1.1,\t192.0.2.1 "], "192.0.2.1"),
            (&two, peer, &[b"1.1.1.1, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            (&two, peer, &[b"1.1.1.1, 192.0.2.1", b"10.0.0.2"], "192.0.2.1"),
            // Fewer than there should be: the last that is there.
            (&two, peer, &[b"192.0.2.1"], "192.0.2.1"),
            // A trusted proxy that writes nonsense speaks for itself.
            (&one, peer, &[b"192.0.2.1, unknown"], peer),
            (&one, peer, &[b"192.0.2.1,"], peer),
            (&two, peer, &[b"192.0.2.1, _hidden, 10.0.0.2"], "10.0.0.2"),
            (&one, peer, &[b"192.0.2.1, 300.1.1.1"], peer),
            (&one, peer, &[b"\xff\xfe"], peer),
            (&one, peer, &[b"fe80::1%eth0"], peer),
            // The ways to write an address.
            (&one, peer, &[b"192.0.2.1:4711"], "192.0.2.1"),
            (&one, peer, &[b"2001:db8:1::5"], "2001:db8:1::5"),
            (&one, peer, &[b"[2001:db8:1::5]"], "2001:db8:1::5"),
            (&one, peer, &[b"[2001:db8:1::5]:443"], "2001:db8:1::5"),
            (&one, peer, &[b"::ffff:192.0.2.1"], "192.0.2.1"),
            (&one, peer, &[b"[192.0.2.1]"], peer),
            // By address: as far as the chain of trusted ones goes.
            (&ours, peer, &[b"1.1.1.1, 192.0.2.1, 10.3.0.2"], "192.0.2.1"),
            (&ours, peer, &[b"192.0.2.1, 2001:db8::7, 10.3.0.2"], "192.0.2.1"),
            (&ours, "192.0.2.9", &[b"10.0.0.5"], "192.0.2.9"),
            (&ours, "::ffff:10.0.0.1", &[b"192.0.2.1"], "192.0.2.1"),
            (&ours, peer, &[b"10.0.0.7, 10.0.0.6"], "10.0.0.7"),
            (&ours, peer, &[b"192.0.2.1, 198.51.100.1"], "198.51.100.1"),
            (&ours, peer, &[b"192.0.2.1, x, 10.0.0.2"], "10.0.0.2"),
        ];
        for (trusted, peer, values, expected) in cases {
            let client = trusted.client(peer.parse().unwrap(), &headers(values));
            let shown: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value)).collect();
            assert_eq!(client.to_string(), expected, "{trusted:?} {peer} {shown:?}");
        }
        // A list without end is not read to its end.
        let long = b"10.0.0.2, ".repeat(5_000);
        let client = ours
            .client(peer.parse().unwrap(), &headers(&[&[&b"192.0.2.1, "[..], &long, b"10.0.0.3"].concat()]));
        assert_eq!(client.to_string(), "10.0.0.2");
    }

    #[test]
    fn networks_are_read_and_nonsense_is_not() {
        for good in ["10.0.0.0/8", "10.1.2.3/8", "192.0.2.1", "::/0", "2001:db8::/32", "::1"] {
            assert!(good.parse::<Network>().is_ok(), "{good}");
        }
        for bad in
            ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/-1", "a/8", "10.0.0.0/8/8"]
        {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn the_address_is_noted_with_the_request() {
        let service = ClientAddressLayer(Arc::new(TrustedProxies::Hops(1))).layer(answering(|request| {
            let client = request.extensions().get::<ClientAddress>().unwrap().0;
            Response::new(Bytes::from(client.to_string()))
        }));
        let mut request = get("/");
        request.headers_mut().insert(FORWARDED_FOR, HeaderValue::from_static("192.0.2.1"));
        let nowhere = service.clone().oneshot(request.clone()).await.unwrap();
        assert_eq!(nowhere.body(), "::", "without a peer nothing is believed");
        request.extensions_mut().insert(Peer(IpAddr::from([10, 0, 0, 1])));
        assert_eq!(service.oneshot(request).await.unwrap().body(), "192.0.2.1");
    }
}
