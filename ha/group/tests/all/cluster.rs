//! Some members and a network between them, in virtual time. Everything arrives, one tick later,
//! unless a link is cut.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tandem_failover::{Answers, Observation, Progress, Symptoms};
use tandem_group::{
    Answer, Ask, AskError, Disk, Effect, Founding, Machine, Member, MemberId, Now, RaftEngine, Settings,
};
use tandem_model::route::{Chain, Route};

pub(crate) struct Cluster<D: Disk + Clone> {
    pub(crate) nodes: BTreeMap<MemberId, Node<D>>,
    pub(crate) cut: BTreeSet<MemberId>,
    founders: Vec<MemberId>,
    queue: VecDeque<(MemberId, MemberId, Vec<u8>)>,
    pub(crate) now_ms: u64,
    ticket: u64,
    answers: BTreeMap<u64, Result<Answer, AskError>>,
}

pub(crate) struct Node<D: Disk> {
    pub(crate) member: Option<Member<RaftEngine<D>>>,
    disk: D,
    start: u64,
    /// The newest route that this node made known, over its restarts.
    pub(crate) route: Option<Route>,
}

pub(crate) fn settings(id: MemberId) -> Settings {
    Settings {
        compact_entries: 20,
        pinned_election_ticks: Some(10 + 3 * (id.0 as u32 % 4)),
        ..Settings::default()
    }
}

impl<D: Disk + Clone> Cluster<D> {
    pub(crate) fn new(count: u64, disk: impl Fn(MemberId) -> D) -> Self {
        let founders: Vec<MemberId> = (1..=count).map(MemberId).collect();
        let mut cluster = Self {
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            founders: founders.clone(),
            queue: VecDeque::new(),
            now_ms: 1_000,
            ticket: 0,
            answers: BTreeMap::new(),
        };
        for id in founders {
            cluster.nodes.insert(id, Node { member: None, disk: disk(id), start: 0, route: None });
            cluster.start(id);
        }
        cluster
    }

    pub(crate) fn join(&mut self, id: MemberId, disk: D) {
        self.nodes.insert(id, Node { member: None, disk, start: 0, route: None });
        self.start(id);
    }

    pub(crate) fn now(&self) -> Now {
        Now { steady_ms: self.now_ms, wall_ms: 1_700_000_000_000 + self.now_ms }
    }

    pub(crate) fn start(&mut self, id: MemberId) {
        let addresses = self.founders.iter().map(|id| (*id, format!("node-{id}"))).collect();
        let founding = match self.founders.contains(&id) {
            true => {
                Founding::Together { voters: self.founders.clone(), state: Machine::new(addresses).encode() }
            }
            false => Founding::Join,
        };
        let now = self.now();
        let node = self.nodes.get_mut(&id).unwrap();
        node.start += 1;
        let engine = RaftEngine::open(id, &settings(id), node.disk.clone(), &founding).unwrap();
        let judging = tandem_failover::Settings::default();
        node.member = Some(Member::new(settings(id), judging, engine, node.start, now).unwrap());
        self.settle(id);
    }

    pub(crate) fn stop(&mut self, id: MemberId) {
        self.nodes.get_mut(&id).unwrap().member = None;
    }

    fn settle(&mut self, id: MemberId) {
        let node = self.nodes.get_mut(&id).unwrap();
        let Some(member) = &mut node.member else { return };
        for effect in member.work().unwrap() {
            match effect {
                Effect::Send { to, bytes } => self.queue.push_back((id, to, bytes)),
                Effect::Answer { ticket, answer } => _ = self.answers.insert(ticket, answer),
                Effect::Route(route) => {
                    if let Some(before) = &node.route {
                        assert!(
                            route.epoch >= before.epoch,
                            "member {id} went back from {before:?} to {route:?}"
                        );
                        assert!(route.epoch > before.epoch || route == *before, "one epoch, two routes");
                    }
                    node.route = Some(route);
                }
                Effect::Members(_) => {}
            }
        }
    }

    /// One tick: what was sent arrives, then time goes on.
    pub(crate) fn tick(&mut self) {
        for _ in 0..self.queue.len() {
            let Some((from, to, bytes)) = self.queue.pop_front() else { break };
            if self.cut.contains(&from) || self.cut.contains(&to) {
                continue;
            }
            let now = self.now();
            if let Some(member) = self.nodes.get_mut(&to).and_then(|node| node.member.as_mut()) {
                member.receive(now, &bytes);
                self.settle(to);
            }
        }
        self.now_ms += 50;
        let (now, ids) = (self.now(), self.nodes.keys().copied().collect::<Vec<_>>());
        for id in ids {
            if let Some(member) = &mut self.nodes.get_mut(&id).unwrap().member {
                member.tick(now);
                for observation in [1, 2, 3].into_iter().flat_map(well) {
                    member.observe(now, observation);
                }
            }
            self.settle(id);
        }
    }

    pub(crate) fn run(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while self.now_ms < until_ms {
            self.tick();
        }
    }

    pub(crate) fn member(&self, id: MemberId) -> &Member<RaftEngine<D>> {
        self.nodes[&id].member.as_ref().unwrap()
    }

    /// The leader that a majority follows; waits for one.
    pub(crate) fn leader(&mut self) -> MemberId {
        for _ in 0..200 {
            let in_office =
                self.nodes.iter().filter(|(id, _)| !self.cut.contains(id)).find_map(|(id, node)| {
                    let member = node.member.as_ref()?;
                    member.outlook().map(|_| *id)
                });
            if let Some(id) = in_office {
                return id;
            }
            self.tick();
        }
        panic!("no leader within 10 s");
    }

    /// Asks, and answers the ticket for [`Cluster::answer`].
    pub(crate) fn put(&mut self, of: MemberId, ask: Ask) -> u64 {
        self.ticket += 1;
        let (ticket, now) = (self.ticket, self.now());
        self.nodes.get_mut(&of).unwrap().member.as_mut().unwrap().ask(now, ticket, ask);
        self.settle(of);
        ticket
    }

    /// The answer, if there is one.
    pub(crate) fn answer(&mut self, ticket: u64) -> Option<Result<Answer, AskError>> {
        self.answers.remove(&ticket)
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask(&mut self, of: MemberId, ask: Ask) -> Result<Answer, AskError> {
        let ticket = self.put(of, ask);
        for _ in 0..400 {
            if let Some(answer) = self.answers.remove(&ticket) {
                return answer;
            }
            self.tick();
        }
        panic!("no answer within 20 s");
    }

    /// Every node knows everything that has been decided.
    pub(crate) fn assert_alike(&mut self) {
        self.run(2_000);
        let running = self.nodes.iter().filter_map(|(id, node)| Some((*id, node.member.as_ref()?)));
        let all: Vec<_> = running.map(|(id, member)| (id, member.decided().clone())).collect();
        for pair in all.windows(2) {
            assert_eq!(pair[0].1, pair[1].1, "members {} and {}", pair[0].0, pair[1].0);
        }
    }
}

/// What an observer says when both chains are well.
fn well(id: u64) -> Vec<Observation> {
    let observer = || format!("gateway-{id}");
    let of = |chain| {
        let answers = Answers { requests: 10, ..Answers::default() };
        let symptoms = Symptoms { observer: observer(), chain, answers, is_breaker_open: false };
        let progress = Progress {
            observer: observer(),
            chain,
            partition: 0,
            beat_ms: 1_000,
            unread_records: 0,
            is_hot_degraded: false,
            is_rows_degraded: false,
        };
        [Observation::Symptoms(symptoms), Observation::Progress(progress)]
    };
    Chain::ALL.into_iter().flat_map(of).collect()
}
