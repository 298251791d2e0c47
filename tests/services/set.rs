//! A set of servers from packages: five that everybody needs, and extras on demand.

use std::path::PathBuf;

use anyhow::{Context, bail};
use tandem_tests::services::{Addresses, ClusterAddresses, PerChain, SentinelAddresses};

use crate::engine::{Engine, Statuses};
use crate::extras;
use crate::packages::Packages;
use crate::ports::Ports;
use crate::process::{Ending, Server, Spawner};
use crate::recipes;

/// Servers that are processes of this one.
pub(crate) struct Set {
    servers: Vec<Server>,
    spawner: Spawner,
    ending: Ending,
    folder: PathBuf,
    ports: Ports,
    addresses: Addresses,
    sentinel: Option<SentinelAddresses>,
    cluster: Option<ClusterAddresses>,
}

impl Set {
    /// Finds or fetches everything and chooses the ports; starts nothing yet.
    pub(crate) fn create(folder: PathBuf, ending: &Ending) -> anyhow::Result<Self> {
        let spawner = Spawner::new();
        let packages = Packages::find()?;
        let (kafka, cassandra) = std::thread::scope(|scope| {
            let fetch = |name, pom| {
                let (packages, spawner) = (&packages, &spawner);
                scope.spawn(move || packages.jars(name, pom, spawner, ending))
            };
            let kafka = fetch("kafka", recipes::KAFKA_POM);
            let cassandra = fetch("cassandra", recipes::CASSANDRA_POM);
            (kafka.join(), cassandra.join())
        });
        let kafka = kafka.ok().context("a thread of ours panicked")??;
        let cassandra = cassandra.ok().context("a thread of ours panicked")??;

        let mut ports = Ports::new()?;
        let mut servers = Vec::new();
        let mut add = |(recipe, port): recipes::Served| {
            servers.push(Server::new(recipe));
            format!("127.0.0.1:{port}")
        };
        let addresses = Addresses {
            kafka: add(recipes::kafka(&packages, &kafka, &folder, &mut ports)?),
            cql: PerChain {
                a: add(recipes::cassandra("cql-a", &packages, &cassandra, &folder, &mut ports)?),
                b: add(recipes::cassandra("cql-b", &packages, &cassandra, &folder, &mut ports)?),
            },
            redis: PerChain {
                a: add(recipes::redis("redis-a", &folder, &mut ports, &[])?),
                b: add(recipes::redis("redis-b", &folder, &mut ports, &[])?),
            },
            folder: folder.clone(),
            engine: "packages".to_owned(),
        };
        let ending = ending.clone();
        Ok(Self { servers, spawner, ending, folder, ports, addresses, sentinel: None, cluster: None })
    }

    /// Starts new servers, all at once, and keeps them.
    fn add(&mut self, served: Vec<recipes::Served>) -> anyhow::Result<()> {
        let mut new: Vec<Server> = served.into_iter().map(|(recipe, _)| Server::new(recipe)).collect();
        together(new.iter_mut().collect(), |server| server.start(&self.spawner, &self.ending))?;
        self.servers.extend(new);
        Ok(())
    }

    fn named(&mut self, names: &[&str]) -> anyhow::Result<Vec<&mut Server>> {
        let known: Vec<&str> = self.servers.iter().map(Server::name).collect();
        if let Some(name) = names.iter().find(|name| **name != "all" && !known.contains(name)) {
            bail!("no server `{name}`; there are {}", known.join(", "));
        }
        let is_named = |server: &&mut Server| names.iter().any(|name| [server.name(), "all"].contains(name));
        Ok(self.servers.iter_mut().filter(is_named).collect())
    }
}

impl Engine for Set {
    fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    fn start(&mut self, names: &[&str]) -> anyhow::Result<()> {
        let (spawner, ending) = (self.spawner.clone(), self.ending.clone());
        together(self.named(names)?, |server| server.start(&spawner, &ending))
    }

    fn stop(&mut self, names: &[&str]) -> anyhow::Result<()> {
        together(self.named(names)?, Server::stop)
    }

    fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        together(self.named(&[name])?, |server| {
            server.kill();
            Ok(())
        })
    }

    fn pause(&mut self, name: &str) -> anyhow::Result<()> {
        together(self.named(&[name])?, Server::pause)
    }

    fn resume(&mut self, name: &str) -> anyhow::Result<()> {
        together(self.named(&[name])?, Server::resume)
    }

    fn status(&mut self) -> anyhow::Result<Statuses> {
        let status = |server: &mut Server| Ok((server.name().to_owned(), server.status()?.to_owned()));
        self.servers.iter_mut().map(status).collect()
    }

    fn sentinel(&mut self) -> anyhow::Result<SentinelAddresses> {
        if let Some(sentinel) = &self.sentinel {
            return Ok(sentinel.clone());
        }
        let (folder, ending) = (self.folder.clone(), self.ending.clone());
        let (primary, primary_port) = recipes::redis("redis-primary", &folder, &mut self.ports, &[])?;
        let primary_number = primary_port.to_string();
        let follow = ["--replicaof", "127.0.0.1", &primary_number];
        let (replica, replica_port) = recipes::redis("redis-replica", &folder, &mut self.ports, &follow)?;
        let mut served = vec![(primary, primary_port), (replica, replica_port)];
        let configuration = extras::sentinel_configuration(primary_port);
        let mut ports = Vec::new();
        for number in 1..=extras::SENTINELS {
            let name = format!("redis-sentinel-{number}");
            let (recipe, port) = recipes::sentinel(&name, &configuration, &folder, &mut self.ports)?;
            ports.push(port);
            served.push((recipe, port));
        }
        self.add(served)?;
        extras::await_sentinels(&ports, replica_port, &ending)?;
        let sentinel = extras::sentinel_addresses(&ports, primary_port, replica_port);
        self.sentinel = Some(sentinel.clone());
        Ok(sentinel)
    }

    fn cluster(&mut self) -> anyhow::Result<ClusterAddresses> {
        if let Some(cluster) = &self.cluster {
            return Ok(cluster.clone());
        }
        let (folder, ending) = (self.folder.clone(), self.ending.clone());
        let (mut served, mut nodes) = (Vec::new(), Vec::new());
        for number in 1..=extras::CLUSTER_NODES {
            let bus = self.ports.take()?;
            let bus_number = bus.to_string();
            let options = ["--cluster-enabled", "yes", "--cluster-port", &bus_number];
            let name = format!("redis-cluster-{number}");
            let (recipe, port) = recipes::redis(&name, &folder, &mut self.ports, &options)?;
            nodes.push((port, bus));
            served.push((recipe, port));
        }
        self.add(served)?;
        extras::join_cluster(&nodes, &ending)?;
        let cluster = extras::cluster_addresses(&nodes);
        self.cluster = Some(cluster.clone());
        Ok(cluster)
    }
}

/// Does one thing to several servers at once; the first error, when all are done.
fn together(
    servers: Vec<&mut Server>,
    act: impl Fn(&mut Server) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    let act = &act;
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = servers.into_iter().map(|server| scope.spawn(move || act(server))).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    for result in results {
        match result {
            Ok(result) => result?,
            Err(_) => bail!("a thread of ours panicked"),
        }
    }
    Ok(())
}
