//! What is asked of a chain: its status, which sessions it has, and one store's copy of a session.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use serde::de::DeserializeOwned;
use tandem_gateway::ChainService;
use tandem_model::route::Chain;
use tandem_model::status::{self, ChainStatus};
use tandem_model::{PartitionId, SessionId};
use tandem_parity::{Claim, Store};
use tandem_query::wire::{SessionCopy, SessionIds};
use tower::ServiceExt;

/// How long a chain may take for one answer: a whole session may have many rows.
const PATIENCE: Duration = Duration::from_secs(10);

/// A chain did not say what it was asked. It says nothing about its figures.
#[derive(Debug, thiserror::Error)]
#[error("chain {chain} does not tell {what}: {reason}")]
pub struct ViewError {
    chain: Chain,
    what: String,
    reason: String,
}

/// One chain, as the auditor sees it.
#[async_trait]
pub trait ChainView: Send + Sync {
    /// What it says of itself.
    async fn status(&self) -> Result<ChainStatus, ViewError>;

    /// Ids of sessions that are greater than `after`, ascending; none at the end.
    async fn sessions(&self, after: Option<&SessionId>) -> Result<Vec<SessionId>, ViewError>;

    /// Ids of sessions that are not final, newest first, at most a page.
    async fn live_sessions(&self) -> Result<Vec<SessionId>, ViewError>;

    /// One store's copy of a session; the hot store need not have one.
    async fn copy(&self, id: &SessionId, store: Store) -> Result<Option<Claim>, ViewError>;
}

/// A chain behind its query nodes, in this process or elsewhere.
pub struct ServiceView {
    chain: Chain,
    service: ChainService,
}

impl ServiceView {
    /// `chain`, which answers as `service`.
    pub fn new(chain: Chain, service: ChainService) -> Self {
        Self { chain, service }
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ViewError> {
        let failed = |reason: String| ViewError { chain: self.chain, what: path.to_owned(), reason };
        let uri: Uri = path.parse().map_err(|error: http::uri::InvalidUri| failed(error.to_string()))?;
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri;
        let answering = tokio::time::timeout(PATIENCE, self.service.clone().oneshot(request)).await;
        let answer = answering
            .map_err(|_| failed(format!("no answer within {} s", PATIENCE.as_secs())))?
            .map_err(|error| failed(error.to_string()))?;
        if answer.status() != StatusCode::OK {
            return Err(failed(format!("it answered {}", answer.status())));
        }
        serde_json::from_slice(answer.body()).map_err(|error| failed(error.to_string()))
    }
}

#[async_trait]
impl ChainView for ServiceView {
    async fn status(&self) -> Result<ChainStatus, ViewError> {
        self.read(status::PATH).await
    }

    async fn sessions(&self, after: Option<&SessionId>) -> Result<Vec<SessionId>, ViewError> {
        // Ids need no escaping.
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        let page: SessionIds = self.read(&format!("/internal/v1/sessions?limit=100{after}")).await?;
        Ok(page.ids)
    }

    async fn live_sessions(&self) -> Result<Vec<SessionId>, ViewError> {
        let page: SessionIds = self.read("/internal/v1/sessions?limit=200&state=live").await?;
        Ok(page.ids)
    }

    async fn copy(&self, id: &SessionId, store: Store) -> Result<Option<Claim>, ViewError> {
        let path = format!("/internal/v1/copies/{id}?store={}", store.name());
        let copy: SessionCopy = self.read(&path).await?;
        if copy.session.is_none() && store == Store::Hot {
            return Ok(None);
        }
        let (session, rows) = match copy.session {
            Some(dump) => (Some(dump.session), dump.rows.into_iter().map(|row| row.0).collect()),
            None => (None, Vec::new()),
        };
        Ok(Some(Claim {
            chain: self.chain,
            store,
            session_id: id.clone(),
            partition: PartitionId(copy.partition),
            cut: copy.cut,
            retention: copy.retention,
            session,
            rows,
        }))
    }
}

/// All copies there are of one session.
#[derive(Clone, Debug)]
pub struct Copies(pub Vec<Claim>);

impl Copies {
    /// Reads them; the stores of a chain that does not tell are left out, and so is a hot store
    /// that is away: what can't be read can't be wrong.
    pub async fn read(views: &[Box<dyn ChainView>; 2], id: &SessionId) -> Self {
        let reads = views.iter().flat_map(|view| {
            [Store::Rows, Store::Hot].map(|store| async move { view.copy(id, store).await })
        });
        let mut claims = Vec::new();
        for copy in futures::future::join_all(reads).await {
            match copy {
                Ok(claim) => claims.extend(claim),
                Err(error) => tracing::debug!(%error, "a copy is not compared"),
            }
        }
        Self(claims)
    }

    /// Whether any two of them can't both be right.
    pub fn contradict(&self) -> bool {
        let others = |index: usize| self.0.iter().skip(index + 1);
        let mut pairs =
            self.0.iter().enumerate().flat_map(|(index, one)| others(index).map(move |other| (one, other)));
        pairs.any(|(one, other)| tandem_parity::contradiction(one, other).is_some())
    }

    /// Whether both chains' row stores are among them.
    pub fn are_of_both(&self) -> bool {
        Chain::ALL
            .iter()
            .all(|chain| self.0.iter().any(|claim| (claim.chain, claim.store) == (*chain, Store::Rows)))
    }
}
