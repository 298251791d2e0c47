//! What is broken, for how long, and mended. How long is counted in what the rest of the system
//! gets done meanwhile.

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use tandem_model::route::Chain;
use tandem_tests::cluster::{Cluster, Node};
use tandem_tests::services::Services;

use crate::drills::Load;

/// One way to break something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL to a compute process.
    KillCompute,
    /// SIGKILL to a query node.
    KillQuery,
    /// A Redis that comes back without anything.
    EmptyRedis,
    /// A CQL store that is away for a while; killed, it has forgotten its last moment, too.
    StopCql,
    /// A log that is away for a while.
    StopKafka,
    /// SIGSTOP to a compute process until the other of its chain has taken its partitions over,
    /// then SIGCONT: a process that believes in what is not its own any more.
    PauseCompute,
}

impl Fault {
    pub(crate) const ALL: [Self; 6] = [
        Self::KillCompute,
        Self::KillQuery,
        Self::EmptyRedis,
        Self::StopCql,
        Self::StopKafka,
        Self::PauseCompute,
    ];

    /// Breaks and mends.
    pub(crate) async fn happens(
        self,
        cluster: &mut Cluster,
        services: &Services,
        load: &mut Load,
        random: &mut SmallRng,
    ) {
        match self {
            Self::KillCompute => {
                let victim = random.random_range(0..cluster.computes.len());
                kill(&mut cluster.computes[victim].1, load, random).await;
            }
            Self::KillQuery => {
                let victim = random.random_range(0..cluster.queries.len());
                kill(&mut cluster.queries[victim].1, load, random).await;
            }
            Self::EmptyRedis => {
                let server = of_some_chain("redis", random);
                // In good order or not: nothing is left either way.
                let is_killed = random.random();
                println!("  {} {server}", if is_killed { "killing" } else { "stopping" });
                match is_killed {
                    true => served(|| services.kill(&server)),
                    false => served(|| services.stop(&server)),
                }
                load.bodies(random.random_range(0..10)).await;
                served(|| services.start_again(&server));
            }
            Self::StopCql => {
                let server = of_some_chain("cql", random);
                // Killed, a server on its own forgets the last seconds of what it acknowledged.
                let is_killed = random.random();
                println!("  {} {server}", if is_killed { "killing" } else { "stopping" });
                match is_killed {
                    true => served(|| services.kill(&server)),
                    false => served(|| services.stop(&server)),
                }
                load.bodies(random.random_range(0..20)).await;
                served(|| services.start_again(&server));
            }
            Self::StopKafka => {
                println!("  stopping kafka");
                served(|| services.stop("kafka"));
                // Nothing can be written, but everything be read.
                load.answers(random.random_range(10..50)).await;
                served(|| services.start_again("kafka"));
            }
            Self::PauseCompute => pause(cluster, load, random).await,
        }
    }
}

async fn kill(node: &mut Node, load: &mut Load, random: &mut SmallRng) {
    println!("  killing {}", node.name());
    node.kill();
    load.bodies(random.random_range(0..20)).await;
    node.start();
}

async fn pause(cluster: &mut Cluster, load: &mut Load, random: &mut SmallRng) {
    let of_a: Vec<usize> =
        (0..cluster.computes.len()).filter(|at| cluster.computes[*at].0 == Chain::A).collect();
    let victim = *of_a.choose(random).expect("chain a has compute processes");
    let others: Vec<usize> = of_a.into_iter().filter(|at| *at != victim).collect();
    let partitions = owned(&cluster.computes[victim].1).await;
    println!("  pausing {}, which has {partitions:?} partitions", cluster.computes[victim].1.name());
    cluster.computes[victim].1.pause();
    load.until("the others have taken all partitions over", async || {
        let mut all = 0.0;
        for other in &others {
            all += owned(&cluster.computes[*other].1).await.unwrap_or(0.0);
        }
        all == f64::from(cluster.configuration.partitions())
    })
    .await;
    load.bodies(random.random_range(0..20)).await;
    println!("  waking {}", cluster.computes[victim].1.name());
    cluster.computes[victim].1.resume();
}

/// How many partitions a compute process works on; none while it does not say.
async fn owned(compute: &Node) -> Option<f64> {
    let metrics = compute.metrics().await?;
    Some(metrics.sum("tandem_compute_phase", &[r#"phase="following""#]))
}

fn of_some_chain(server: &str, random: &mut SmallRng) -> String {
    let chain = Chain::ALL.choose(random).expect("there are two");
    format!("{server}-{chain}")
}

/// Commands to the servers block for as long as those take.
fn served(command: impl FnOnce() -> Result<(), tandem_tests::services::Error>) {
    tokio::task::block_in_place(command).unwrap_or_else(|error| panic!("the servers: {error}"));
}
