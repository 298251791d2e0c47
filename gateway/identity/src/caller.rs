//! Who asks, once that is known.

use std::sync::Arc;

use http::HeaderValue;
use tandem_model::Scope;

/// Who asks, and what it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Names the credential, and opens nothing: idempotency keys are kept apart by it, and it stands
    /// in logs. It stays when a secret changes hands only in so far as the key stays.
    pub key_id: Arc<str>,
    /// Whose it is; `operator` for the operator.
    pub tenant: Arc<str>,
    /// Which of the tenant's programs.
    pub application: Arc<str>,
    /// What it may see, and whose events it may send where it may send any.
    pub scope: Arc<Scope>,
    /// The same in the form of the header [`SCOPE`](tandem_model::headers::SCOPE).
    pub scope_header: HeaderValue,
    /// What it may do.
    pub may: Permissions,
    /// How it showed who it is.
    pub how: Credential,
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Read what its scope shows.
    pub read: bool,
    /// Send events of sessions that its scope owns.
    pub write: bool,
    /// Everything else: move time, order repairs, speak verdicts, name a chain.
    pub operate: bool,
}

impl Permissions {
    /// All of them.
    pub const ALL: Self = Self { read: true, write: true, operate: true };
}

/// How a caller showed who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// The operator's key.
    Operator,
    /// A tenant's key, as a bearer token.
    Key,
    /// A token that somebody else made.
    Jwt,
    /// A signed request.
    Signature,
}

impl Credential {
    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Credential::Operator => "operator",
            Credential::Key => "key",
            Credential::Jwt => "jwt",
            Credential::Signature => "signature",
        }
    }
}

impl Caller {
    /// A caller of a tenant.
    pub fn of_tenant(
        key_id: impl Into<Arc<str>>,
        (tenant, application): (Arc<str>, Arc<str>),
        scope: Arc<Scope>,
        may: Permissions,
        how: Credential,
    ) -> Self {
        let scope_header = header_of(&scope);
        Self { key_id: key_id.into(), tenant, application, scope, scope_header, may, how }
    }

    /// The operator.
    pub fn operator() -> Self {
        let name: Arc<str> = "operator".into();
        let names = (Arc::clone(&name), Arc::clone(&name));
        Self::of_tenant(name, names, Arc::new(Scope::All), Permissions::ALL, Credential::Operator)
    }

    /// Whether everything is allowed.
    pub fn is_operator(&self) -> bool {
        self.may.operate
    }
}

fn header_of(scope: &Scope) -> HeaderValue {
    HeaderValue::try_from(scope.encode()).expect("base64url makes a header")
}
