//! Which chain is active, as the publisher has to know it.

use async_trait::async_trait;
use tandem_model::route::Route;
use tokio::sync::watch;

/// The decisions of the control group, from a publisher's side.
#[async_trait]
pub trait Routes: Send + Sync {
    /// The newest route that is known here, which may be old. Epoch 0 means that none is known.
    /// Changes wake whoever waits.
    fn known(&self) -> watch::Receiver<Route>;

    /// The route in force right now, as whoever decides says it: every decision made known before
    /// this was called is in it.
    ///
    /// # Errors
    ///
    /// When nobody could be asked, with a sentence why. Then nothing may be concluded.
    async fn current(&self) -> Result<Route, String>;
}
