//! Three control nodes over TCP: killed, cut off, added, restarted all together.

use std::net::SocketAddr;
use std::time::Duration;

use tandem_control::wire::MemberOrder;
use tandem_control::{
    Client, Control, ControlError, Founders, MemberId, OperatorKey, Order, Remote, RemoteOptions,
};
use tandem_failover::Action;
use tandem_model::route::Chain;
use tempfile::TempDir;

use crate::node::{KEY, Node, PATIENCE, listen, switch, until};

struct Group {
    nodes: Vec<Option<Node>>,
    addresses: Vec<SocketAddr>,
    folders: Vec<TempDir>,
}

impl Group {
    fn start() -> Self {
        let listeners: Vec<_> = (0..3).map(|_| listen(None)).collect();
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut group = Self { nodes: Vec::new(), addresses, folders };
        for (index, listener) in listeners.into_iter().enumerate() {
            let node = group.node(index, listener);
            group.nodes.push(Some(node));
        }
        group
    }

    fn node(&self, index: usize, listener: tokio::net::TcpListener) -> Node {
        Node::over(
            listener,
            index as u64 + 1,
            &self.addresses,
            self.folders[index].path(),
            Founders::Configured,
        )
    }

    async fn kill(&mut self, index: usize) {
        self.nodes[index].take().unwrap().kill().await;
    }

    fn restart(&mut self, index: usize) {
        self.nodes[index] = Some(self.node(index, listen(Some(self.addresses[index]))));
    }

    fn remote(&self) -> Remote {
        let nodes =
            self.addresses.iter().map(|address| format!("http://{address}").parse().unwrap()).collect();
        Remote::start(RemoteOptions { nodes, key: OperatorKey::new(KEY), memory: None }).unwrap()
    }

    /// The index of the node that all running ones take for the leader.
    async fn leader(&self) -> usize {
        let running = || self.nodes.iter().flatten();
        let agreed = async {
            loop {
                let leaders: Vec<_> =
                    running().map(|node| node.member.view().borrow().standing.leader).collect();
                if let Some(Some(leader)) = leaders.first()
                    && leaders.iter().all(|other| *other == Some(*leader))
                    && self.nodes[leader.0 as usize - 1].is_some()
                {
                    return leader.0 as usize - 1;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, agreed).await.expect("a leader in time")
    }
}

fn drain(chain: Chain) -> Order {
    Order::Decide { by: "ops".to_owned(), reason: "work".to_owned(), action: Action::Drain(chain) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_survive_the_leader_and_a_restart_of_all() {
    let mut group = Group::start();
    let remote = group.remote();
    let mut route = remote.route();
    // Any node takes an order.
    assert_eq!(switch(&remote, Chain::B).await.epoch, 2);
    until(&mut route, |route| route.epoch == 2).await;

    let leader = group.leader().await;
    group.kill(leader).await;
    assert_eq!(switch(&remote, Chain::A).await.epoch, 3);
    until(&mut route, |route| route.epoch == 3).await;

    // Two of three are gone: nothing can be decided, nothing changes.
    let second = group.leader().await;
    group.kill(second).await;
    let last = group.nodes.iter().position(Option::is_some).unwrap();
    let refused = group.nodes[last].as_ref().unwrap().member.order(drain(Chain::B)).await.unwrap_err();
    assert!(matches!(refused, ControlError::Unreachable { .. }), "{refused}");
    assert!(matches!(remote.current().await, Err(ControlError::Unreachable { .. })));
    assert_eq!(route.borrow().epoch, 3);

    group.restart(leader);
    group.restart(second);
    assert!(remote.order(drain(Chain::B)).await.unwrap().decision.is_some());
    for index in 0..3 {
        group.kill(index).await;
    }
    for index in 0..3 {
        group.restart(index);
    }
    // What is on its own disk a node knows before anybody leads.
    for node in group.nodes.iter().flatten() {
        assert!(node.member.view().borrow().decided.epoch() >= 2);
    }
    assert_eq!(remote.current().await.unwrap().epoch, 3);
    let history = remote.history(10).await.unwrap();
    assert_eq!(history.iter().map(|decision| decision.epoch).collect::<Vec<_>>(), [3, 3, 2]);
    assert!(remote.order(drain(Chain::B)).await.unwrap().decision.is_none(), "it is drained already");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_joins_over_the_api_and_another_leaves() {
    let mut group = Group::start();
    let leader = group.leader().await;
    let follower = (leader + 1) % 3;
    let client = |address: SocketAddr| {
        Client::new(format!("http://{address}").parse().unwrap(), &OperatorKey::new(KEY)).unwrap()
    };
    let asked = client(group.addresses[follower]);
    let (folder, listener) = (tempfile::tempdir().unwrap(), listen(None));
    let address = format!("http://{}", listener.local_addr().unwrap());
    let add = MemberOrder::Add { id: MemberId(4), address };
    asked.change(&add, false).await.unwrap();
    let again = asked.change(&add, false).await.unwrap_err();
    assert!(matches!(again, ControlError::Ruled(_)), "{again}");

    let new = Node::over(listener, 4, &group.addresses, folder.path(), Founders::Others);
    until(&mut new.member.route(), |route| route.epoch == 1).await;
    let promote = MemberOrder::Promote { id: MemberId(4) };
    let caught_up = async {
        while let Err(error) = asked.change(&promote, false).await {
            assert!(error.to_string().contains("misses"), "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, caught_up).await.expect("caught up in time");
    let gone = (leader + 2) % 3;
    group.kill(gone).await;
    asked.change(&MemberOrder::Remove { id: MemberId(gone as u64 + 1) }, false).await.unwrap();
    let members = client(group.addresses[leader]).members().await.unwrap();
    assert!(members.node.is_linearizable);
    assert_eq!(members.members.len(), 3);
    assert!(members.members[&MemberId(4)].is_voter);
    asked.change(&MemberOrder::HandOver { id: MemberId(4) }, false).await.unwrap();
    until(&mut new.member.view(), |view| view.standing.is_leader() && view.outlook.is_some()).await;
    assert_eq!(switch(&new.member, Chain::B).await.epoch, 2);
}
