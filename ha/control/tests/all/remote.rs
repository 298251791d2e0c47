use tandem_control::{Control, ControlError, Link, OperatorKey, Order, Remote, RemoteOptions, wire};
use tandem_model::route::Chain;

use crate::node::{Node, at_once, switch, until};

#[tokio::test]
async fn a_follower_hears_of_decisions_and_can_make_them() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), None).await;
    let (one, other) = (node.remote(), node.remote());
    assert_eq!(one.route().borrow().epoch, 0, "nothing is known before anything was heard");
    let mut route = one.route();
    until(&mut route, |route| route.epoch == 1).await;
    until(&mut one.link(), |link| *link == Link::Connected).await;
    let decided = other.order(at_once(Chain::B, "planned")).await.unwrap().route;
    assert_eq!((decided.active, decided.epoch), (Chain::B, 2));
    until(&mut route, |route| *route == decided).await;
    assert_eq!(one.current().await.unwrap(), decided);
    let history = one.history(10).await.unwrap();
    assert_eq!(history.iter().map(|made| made.epoch).collect::<Vec<_>>(), [2]);
    // An orderly stop does not have to wait for those that wait.
    node.announce_stop();
    assert_eq!(other.switch(Chain::B, "again".to_owned()).await.unwrap().epoch, 2);
    assert_eq!(other.order(at_once(Chain::B, "again")).await.unwrap().decision, None);
    let unnamed = one.order(at_once(Chain::A, "  ")).await.unwrap_err();
    assert!(matches!(unnamed, ControlError::Refused { status: 400, .. }), "{unnamed}");
    // Nobody has seen how chain a is: a planned switch is refused once the time is over.
    let planned = wire::Switch { within_ms: 0, ..wire::Switch::planned(Chain::A, "planned") };
    let refused = one.order(Order::Switch(planned)).await.unwrap_err();
    assert!(matches!(refused, ControlError::Ruled(_)), "{refused}");
}

#[tokio::test]
async fn the_last_route_stays_while_the_node_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), None).await;
    let address = node.address;
    let memory = folder.path().join("route.json");
    let options = RemoteOptions { memory: Some(memory.clone()), ..node.options() };
    let remote = Remote::start(options.clone()).unwrap();
    switch(&node.member, Chain::B).await;
    let mut route = remote.route();
    until(&mut route, |route| route.epoch == 2).await;

    node.kill().await;
    until(&mut remote.link(), |link| matches!(link, Link::Lost(_))).await;
    assert_eq!((route.borrow().active, route.borrow().epoch), (Chain::B, 2));
    assert!(matches!(remote.current().await, Err(ControlError::Unreachable { .. })));
    assert!(matches!(remote.clock().await, Err(ControlError::Unreachable { .. })));

    // One that starts meanwhile remembers.
    while !memory.exists() {
        tokio::task::yield_now().await;
    }
    let late = Remote::start(options).unwrap();
    assert_eq!((late.route().borrow().active, late.route().borrow().epoch), (Chain::B, 2));

    let node = Node::start(folder.path(), Some(address)).await;
    until(&mut remote.link(), |link| *link == Link::Connected).await;
    assert_eq!(remote.current().await.unwrap().epoch, 2);
    switch(&node.member, Chain::A).await;
    until(&mut route, |route| route.epoch == 3).await;
    until(&mut late.route(), |route| route.epoch == 3).await;
}

#[tokio::test]
async fn a_node_that_lost_its_decisions_is_not_followed() {
    let (folder, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let node = Node::start(folder.path(), None).await;
    let address = node.address;
    switch(&node.member, Chain::B).await;
    let remote = node.remote();
    until(&mut remote.route(), |route| route.epoch == 2).await;
    node.kill().await;
    let _node = Node::start(empty.path(), Some(address)).await;
    until(&mut remote.link(), |link| *link == Link::Connected).await;
    assert_eq!(remote.current().await.unwrap().epoch, 1, "whoever asks is told what the group says");
    assert_eq!((remote.route().borrow().active, remote.route().borrow().epoch), (Chain::B, 2));
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_not_taken_for_an_absence() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), None).await;
    let remote = Remote::start(RemoteOptions { key: OperatorKey::new("wrong"), ..node.options() }).unwrap();
    let refused = remote.current().await.unwrap_err();
    assert!(matches!(refused, ControlError::Refused { status: 401, .. }), "{refused}");
    assert!(refused.to_string().contains("send the operator's key"), "{refused}");
    until(&mut remote.link(), |link| matches!(link, Link::Lost(why) if why.contains("refuses"))).await;
    let https = RemoteOptions { nodes: vec!["https://127.0.0.1:1".parse().unwrap()], ..node.options() };
    assert!(matches!(Remote::start(https), Err(ControlError::Refused { .. })));
}

#[tokio::test]
async fn clocks_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), None).await;
    let reading = node.remote().clock().await.unwrap();
    // It is one clock: whatever they differ by is the way there and back.
    assert!(!reading.is_off_by_more_than(5_000), "{reading:?}");
}
