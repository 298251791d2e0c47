//! TLS in front of the public port: which certificates it shows, and the handshake.
//!
//! TLS 1.2 and 1.3, by rustls. What is spoken inside is agreed on by ALPN (h2, http/1.1); who offers
//! neither is refused, who offers nothing may speak either. There is no early data: it can be replayed.
//! Of several certificates a client is shown the first that is good for the name it asks for, else the
//! first of all.
//!
//! Certificates are replaced as a whole while it runs ([`Tls::replace`]). Connections that are there
//! keep what they have agreed on. Tickets of before are not taken up again: so a certificate that was
//! replaced for a reason is not relied on any longer than its connections last.
//!
//! # Slow and many handshakes
//! A handshake has one time for all of it, and does not hold up the loop that accepts. So many may be
//! under way at one time ([`HANDSHAKES_MAX`]); one more is refused at once. Whoever has sent nothing yet
//! takes no place among them: to be silent would be too cheap a way to keep others out.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::counters::TlsCounters;

/// How many handshakes may be under way at one time. Each takes some ten kilobytes, and up to a
/// millisecond of a core.
const HANDSHAKES_MAX: usize = 512;
/// How long a handshake may take at most. Where less is allowed for a header, it has that.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// The name of HTTP/2 in ALPN.
pub(crate) const HTTP_2: &[u8] = b"h2";
/// What may be spoken inside, rather the first.
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];
/// Most certificates in one chain.
const CHAIN_MAX: usize = 16;

/// A certificate with its chain and its private key, found to belong together.
#[derive(Clone)]
pub struct ServerCertificate(Arc<CertifiedKey>);

/// Why a certificate can't be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No PEM, or none of a certificate.
    #[error("the certificate must be PEM with `BEGIN CERTIFICATE`, the server's own first: {0}")]
    Certificate(String),
    /// There are too many in its chain.
    #[error("the chain has more than {CHAIN_MAX} certificates")]
    Chain,
    /// No PEM, or none of a key, or a key that is not known.
    #[error("the key must be PEM of a private key (PKCS#8, SEC 1 or PKCS#1): {0}")]
    Key(String),
    /// They are of two pairs.
    #[error("the key does not belong to the certificate")]
    Mismatch,
}

impl ServerCertificate {
    /// The certificate, followed by those of its issuers, and its key; both in PEM.
    ///
    /// # Errors
    ///
    /// When one of them is not what it must be, or they don't belong together. Whether a client will
    /// trust it is not looked at.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let wrong = |error: &dyn fmt::Display| CertificateError::Certificate(error.to_string());
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
            .take(CHAIN_MAX + 1)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(&error))?;
        let own = chain.first().ok_or_else(|| wrong(&"there is none"))?;
        ParsedCertificate::try_from(own).map_err(|error| wrong(&error))?;
        if chain.len() > CHAIN_MAX {
            return Err(CertificateError::Chain);
        }
        // Its text never stands in an error: it is a secret.
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| CertificateError::Key("there is none".to_owned()))?;
        let provider = ring::default_provider();
        match CertifiedKey::from_der(chain, key, &provider) {
            Ok(pair) => Ok(Self(Arc::new(pair))),
            Err(rustls::Error::InconsistentKeys(_)) => Err(CertificateError::Mismatch),
            Err(error) => Err(CertificateError::Key(error.to_string())),
        }
    }

    fn is_good_for(&self, name: &ServerName<'_>) -> bool {
        let Self(pair) = self;
        let own = pair.end_entity_cert().and_then(ParsedCertificate::try_from);
        own.is_ok_and(|own| verify_server_name(&own, name).is_ok())
    }
}

/// It holds a key, which goes into no log.
impl fmt::Debug for ServerCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ServerCertificate").finish_non_exhaustive()
    }
}

/// What a port shows its clients.
pub struct Tls {
    config: RwLock<Arc<ServerConfig>>,
    handshakes: Semaphore,
}

impl Tls {
    /// Shows these certificates; `first` to those who name none of them.
    pub fn new(first: ServerCertificate, more: Vec<ServerCertificate>) -> Self {
        Self::with_room(HANDSHAKES_MAX, first, more)
    }

    /// With room for so many handshakes at one time.
    pub(crate) fn with_room(
        handshakes_max: usize,
        first: ServerCertificate,
        more: Vec<ServerCertificate>,
    ) -> Self {
        Self {
            config: RwLock::new(Arc::new(config(first, more))),
            handshakes: Semaphore::new(handshakes_max),
        }
    }

    /// Shows these from now on, in the place of those before. Connections that are there go on.
    pub fn replace(&self, first: ServerCertificate, more: Vec<ServerCertificate>) {
        *self.config.write() = Arc::new(config(first, more));
    }

    /// Does the handshake, within `time` and the bounds of this port; nothing where that fails, which
    /// is counted.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        time: Duration,
        counters: &TlsCounters,
    ) -> Option<Box<TlsStream<TcpStream>>> {
        let shaking = async {
            // Readiness alone is only a hint, and may be there before anything has come.
            stream.peek(&mut [0]).await.map_err(Failure::Broken)?;
            let _place = self.handshakes.try_acquire().map_err(|_| Failure::Full)?;
            let acceptor = TlsAcceptor::from(Arc::clone(&self.config.read()));
            acceptor.accept(stream).await.map(Box::new).map_err(Failure::Broken)
        };
        match tokio::time::timeout(time.min(HANDSHAKE_TIME_MAX), shaking).await {
            Ok(Ok(stream)) => {
                counters.done.add_one();
                return Some(stream);
            }
            Ok(Err(Failure::Broken(error))) => {
                // Scanners and old clients come all the time; that is no news.
                tracing::debug!(%error, "a TLS handshake failed");
                counters.failed.add_one();
            }
            Ok(Err(Failure::Full)) => counters.refused.add_one(),
            Err(_) => counters.late.add_one(),
        }
        None
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").finish_non_exhaustive()
    }
}

enum Failure {
    Broken(io::Error),
    Full,
}

fn config(first: ServerCertificate, more: Vec<ServerCertificate>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS 1.2 and 1.3 need")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ByName { first, more }));
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    // Without randomness there are no tickets, and no handshake either.
    if let Ok(ticketer) = ring::Ticketer::new() {
        config.ticketer = ticketer;
    }
    config
}

/// Chooses a certificate by the name that a client asks for.
#[derive(Debug)]
struct ByName {
    first: ServerCertificate,
    more: Vec<ServerCertificate>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().filter(|_| !self.more.is_empty());
        let name = named.and_then(|name| ServerName::try_from(name).ok());
        let all = std::iter::once(&self.first).chain(&self.more);
        let good = name.and_then(|name| all.into_iter().find(|shown| shown.is_good_for(&name)));
        Some(Arc::clone(&good.unwrap_or(&self.first).0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn error(certificate: &str, key: &str) -> CertificateError {
        ServerCertificate::from_pem(certificate.as_bytes(), key.as_bytes()).err().unwrap()
    }

    #[test]
    fn what_does_not_belong_together_is_refused_and_no_key_is_shown() {
        let (certificate, key) = made("one.example");
        let (other, other_key) = made("other.example");
        let good = ServerCertificate::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        assert!(!format!("{good:?}").contains("PRIVATE"));
        let chain = format!("{certificate}{other}");
        assert!(ServerCertificate::from_pem(chain.as_bytes(), key.as_bytes()).is_ok());
        assert_eq!(error(&certificate, &other_key), CertificateError::Mismatch);
        assert_eq!(error(&certificate.repeat(17), &key), CertificateError::Chain);
        for bad in ["", "nonsense", &key, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(error(bad, &key), CertificateError::Certificate(_)), "{bad}");
        }
        for bad in ["", "nonsense", &certificate, &key[..key.len() / 2]] {
            assert!(matches!(error(&certificate, bad), CertificateError::Key(_)), "{bad}");
        }
    }

    #[test]
    fn a_certificate_is_good_for_its_names() {
        let (certificate, key) = made("*.live.example");
        let shown = ServerCertificate::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        for (name, is_good) in
            [("a.live.example", true), ("live.example", false), ("a.b.live.example", false)]
        {
            assert_eq!(shown.is_good_for(&ServerName::try_from(name).unwrap()), is_good, "{name}");
        }
    }
}
