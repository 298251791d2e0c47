//! The whole system as it runs in production: every role a process of its own, on real servers,
//! from one configuration file.
//!
//! All ports are fixed when the cluster is made, so that a process that was killed comes back at
//! the address where the others look for it. Topics, keyspaces and key prefixes carry the name of
//! the cluster: several can share a set of servers.

mod configuration;
mod node;

use std::path::PathBuf;

use serde_json::Value;
use tandem_model::route::Chain;
use tempfile::TempDir;

use crate::api::{Api, Call};
use crate::program::{Finished, free_port, run_with, until};
use crate::services::Addresses;

pub use configuration::{Configuration, TIME_ZONE};
pub use node::{Metrics, Node};

/// The key of pseudonyms of every cluster here.
const PSEUDONYM_KEY: &str = "000102030405060708090a0b0c0d0e0f";

/// All processes of one system.
pub struct Cluster {
    /// What they all read.
    pub configuration: Configuration,
    /// The compute processes: those of chain a, then those of chain b.
    pub computes: Vec<(Chain, Node)>,
    /// The query nodes of both chains.
    pub queries: Vec<(Chain, Node)>,
    /// The port for everybody.
    pub gateway: Node,
    /// The control nodes, in the order of their numbers.
    pub controls: Vec<Node>,
    /// What moves time.
    pub metronome: Node,
    /// Configuration, decisions, snapshots, logs; goes when the cluster goes.
    folder: TempDir,
}

impl Cluster {
    /// Prepares one, without starting anything; `computes` says how many compute processes chains
    /// a and b have.
    ///
    /// # Panics
    ///
    /// When the machine does not give folders or ports.
    pub fn new(name: &str, servers: &Addresses, computes: [usize; 2]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let configuration = Configuration::new(name, servers, folder.path());
        let node = |name: &str, role: &str, chain: Option<Chain>, admin: u16| {
            Node::new(name, role, chain, admin, configuration.file(), folder.path())
        };
        let of_chain = |role: &'static str, chain: Chain, number: usize| {
            let admin = free_port();
            let variable = format!("TANDEM__CHAINS__{chain}__{role}__ADMIN").to_uppercase();
            let name = format!("{role}-{chain}{number}");
            let node = node(&name, role, Some(chain), admin);
            (chain, node.with_variable(&variable, &format!("127.0.0.1:{admin}")))
        };
        let of_both = |role: &'static str, counts: [usize; 2]| -> Vec<(Chain, Node)> {
            let chains = Chain::ALL.into_iter().zip(counts);
            chains
                .flat_map(|(chain, count)| (1..=count).map(move |number| (chain, number)))
                .map(|(chain, number)| of_chain(role, chain, number))
                .collect()
        };
        Self {
            computes: of_both("compute", computes),
            queries: of_both("query", [1, 1]),
            gateway: node("gateway", "gateway", None, configuration.gateway_admin),
            controls: (1..)
                .zip(configuration.controls)
                .map(|(number, [listen, admin])| {
                    let name = format!("control-{number}");
                    let data = folder.path().join(&name);
                    node(&name, "control", None, admin)
                        .with_variable("TANDEM__CONTROL__ID", &number.to_string())
                        .with_variable("TANDEM__CONTROL__LISTEN", &format!("127.0.0.1:{listen}"))
                        .with_variable("TANDEM__CONTROL__ADMIN", &format!("127.0.0.1:{admin}"))
                        .with_variable("TANDEM__CONTROL__DATA", data.to_str().expect("a plain name"))
                })
                .collect(),
            metronome: node("metronome", "metronome", None, configuration.metronome_admin),
            configuration,
            folder,
        }
    }

    /// Creates topics and tables.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub async fn apply_schema(&self) {
        let applied = self.command(&["schema", "apply"]).await;
        assert_eq!(applied.code, Some(0), "{applied:?}");
    }

    /// Creates what is needed, starts everything and waits until it serves.
    ///
    /// # Panics
    ///
    /// When it does not come to serve.
    pub async fn start(&mut self) {
        self.apply_schema().await;
        self.nodes().into_iter().for_each(Node::start);
        self.ready().await;
    }

    /// Waits until every process that runs is ready, and the gateway takes both chains for ready.
    pub async fn ready(&mut self) {
        for node in self.nodes() {
            if node.is_running() {
                node.ready().await;
            }
        }
        let api = self.api();
        until("the gateway finds both chains ready", async || {
            let status = status(&api).await?;
            let chains = status["chains"].as_array()?;
            let is_whole =
                |chain: &Value| chain["ready"] == true && chain["degraded"] == serde_json::json!([]);
            (chains.len() == 2 && chains.iter().all(is_whole)).then_some(())
        })
        .await;
    }

    /// Every process, those first that others ask.
    pub fn nodes(&mut self) -> Vec<&mut Node> {
        let mut nodes: Vec<&mut Node> = self.controls.iter_mut().collect();
        nodes.extend(self.computes.iter_mut().map(|(_, node)| node));
        nodes.extend(self.queries.iter_mut().map(|(_, node)| node));
        nodes.extend([&mut self.metronome, &mut self.gateway]);
        nodes
    }

    /// A user.
    pub fn api(&self) -> Api {
        Api::new(&self.url())
    }

    /// Where users go.
    pub fn url(&self) -> String {
        self.configuration.gateway_url()
    }

    /// A place for files of the test.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Runs a command with the cluster's configuration to its end.
    pub async fn command(&self, arguments: &[&str]) -> Finished {
        self.command_with(arguments, &[]).await
    }

    /// The same, with something set otherwise than in the file.
    pub async fn command_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
        let file = self.configuration.file().to_str().expect("temporary folders have plain names");
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--config", file]).collect();
        let mut all = vec![("TANDEM__PSEUDONYMS__KEY", PSEUDONYM_KEY)];
        all.extend_from_slice(variables);
        run_with(&arguments, &all).await
    }

    /// Ends every process that runs as an orchestrator does, and fails where one does not end well.
    pub async fn stop(&mut self) {
        let mut nodes = self.nodes();
        nodes.reverse();
        for node in nodes {
            if node.is_running() {
                node.stop().await;
            }
        }
    }
}

/// The public status; none while the gateway does not answer.
pub async fn status(api: &Api) -> Option<Value> {
    let answer = api.try_send(Call::get("/v1/status")).await.ok()?;
    (answer.status == 200).then(|| answer.json())
}
