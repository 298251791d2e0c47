//! What a leader is told late must not confirm what it was asked later.

use tandem_group::{
    CommandId, Engine, Founding, Machine, MemberId, MemoryDisk, Message, RaftEngine, Settings, Work,
};

type Node = RaftEngine<MemoryDisk>;

/// Member 1 leads, 2 and 3 follow.
fn group() -> [Node; 3] {
    let voters: Vec<MemberId> = (1..=3).map(MemberId).collect();
    let addresses = voters.iter().map(|id| (*id, format!("node-{id}"))).collect();
    let state = Machine::new(addresses).encode();
    let founding = Founding::Together { voters, state };
    let mut nodes = [1, 2, 3].map(|id| {
        RaftEngine::open(MemberId(id), &Settings::default(), MemoryDisk::default(), &founding).unwrap()
    });
    nodes[0].stand();
    let mut messages = nodes[0].work().unwrap().messages;
    while !messages.is_empty() {
        messages = messages.iter().flat_map(|message| deliver(&mut nodes, message).messages).collect();
    }
    assert!(nodes[0].standing().is_leader());
    nodes
}

fn deliver(nodes: &mut [Node; 3], message: &Message) -> Work {
    let node = &mut nodes[message.to.0 as usize - 1];
    node.receive(&message.bytes).unwrap();
    node.work().unwrap()
}

fn only(messages: Vec<Message>, to: u64) -> Message {
    let mut messages: Vec<_> = messages.into_iter().filter(|message| message.to == MemberId(to)).collect();
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages.remove(0)
}

#[test]
fn a_late_sign_of_life_confirms_no_later_question() {
    let mut nodes = group();
    // Member 2 asks; the question reaches the leader twice, the second time late.
    let of_2 = CommandId { member: MemberId(2), start: 1, number: 1 };
    nodes[1].barrier(of_2);
    let question = only(nodes[1].work().unwrap().messages, 1);
    let asked = deliver(&mut nodes, &question).messages;
    let to_2 = only(asked.clone(), 2);
    let to_3 = only(asked, 3);
    let from_2 = only(deliver(&mut nodes, &to_2).messages, 1);
    // Member 3 gives its sign of life, which takes its time.
    let from_3 = only(deliver(&mut nodes, &to_3).messages, 1);
    let answer = only(deliver(&mut nodes, &from_2).messages, 2);
    let answered = deliver(&mut nodes, &answer).barriers;
    assert_eq!(answered.iter().map(|barrier| barrier.id).collect::<Vec<_>>(), [of_2]);

    // Meanwhile others may lead. The leader is asked something new, then by member 2 once more.
    let own = CommandId { member: MemberId(1), start: 1, number: 1 };
    nodes[0].barrier(own);
    let asked = nodes[0].work().unwrap();
    assert!(asked.barriers.is_empty());
    _ = deliver(&mut nodes, &question);
    let work = deliver(&mut nodes, &from_3);
    assert!(work.barriers.is_empty(), "member 3 said so before it was asked: {:?}", work.barriers);
    assert!(work.messages.is_empty(), "nor is member 2 answered: {:?}", work.messages);

    // A sign of life for the new question does.
    let from_3 = only(deliver(&mut nodes, &only(asked.messages, 3)).messages, 1);
    let answered = deliver(&mut nodes, &from_3).barriers;
    assert_eq!(answered.iter().map(|barrier| barrier.id).collect::<Vec<_>>(), [own]);
}
