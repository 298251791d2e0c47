//! The address of a server.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// Where a server listens: `http://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    authority: String,
}

/// Why a text is not the address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// TLS is asked for.
    #[error(
        "https is not spoken yet: use http://, with a TLS proxy or a tunnel in between where you need one"
    )]
    Https,
    /// It is no URL of a server.
    #[error("an address looks like http://127.0.0.1:8080")]
    NotAnAddress,
    /// It names more than the server.
    #[error("give only the server, as in http://127.0.0.1:8080, without a path")]
    Path,
}

impl ServerUrl {
    /// The server that listens at `authority`, `HOST:PORT`.
    pub(crate) fn at(authority: impl fmt::Display) -> Self {
        Self { authority: authority.to_string() }
    }

    /// The URL of `path_and_query` there.
    pub(super) fn join(&self, path_and_query: &str) -> String {
        format!("{self}{path_and_query}")
    }
}

impl Default for ServerUrl {
    /// The local gateway.
    fn default() -> Self {
        Self::at("127.0.0.1:8080")
    }
}

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.parse().map_err(|_| UrlError::NotAnAddress)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(UrlError::Https),
            _ => return Err(UrlError::NotAnAddress),
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(UrlError::Path);
        }
        let authority = uri.authority().ok_or(UrlError::NotAnAddress)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(UrlError::NotAnAddress);
        }
        Ok(Self::at(authority))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain_http_without_a_path() {
        let parse = |text: &str| text.parse::<ServerUrl>();
        assert_eq!(parse("http://127.0.0.1:8080/").unwrap(), ServerUrl::default());
        assert_eq!(parse("http://[::1]:9").unwrap().to_string(), "http://[::1]:9");
        assert_eq!(parse("https://example.org"), Err(UrlError::Https));
        assert_eq!(parse("http://example.org/v1"), Err(UrlError::Path));
        for bad in ["", "localhost:8080", "ftp://a", "http://", "http://user@host:1"] {
            assert_eq!(parse(bad), Err(UrlError::NotAnAddress), "{bad}");
        }
    }
}
