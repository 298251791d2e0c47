//! A member of the control group under real time: a thread of its own, a disk, a network.
//!
//! The thread does nothing else, so that a runtime that is busy does not unseat a leader; a disk
//! that stalls does, and should. After a pause of the whole process time goes on by one tick, not
//! by all that were missed: the others have decided meanwhile whether this member still leads.

mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::Uri;
use parking_lot::Mutex;
use tandem_failover::{Decided, Observation, Refusal, Wish};
use tandem_group::{
    Answer, Ask, AskError, DiskError, EngineError, Founding, Machine, Member, MemberError, MemberId,
    MemberInfo, Outlook, RaftEngine, RedbDisk, Standing,
};
use tandem_model::route::{Chain, Route};
use tokio::sync::{oneshot, watch};

use self::worker::{Input, Worker, now, view_of};
use crate::transport::Transport;
use crate::wire::{DecidedState, MemberOrder, NodeState, Ordered, OutlookState, Shunned, State};
use crate::{Client, Control, ControlError, Decision, OperatorKey, Order, wall_ms};

/// The log's file in the folder.
const FILE_NAME: &str = "control.redb";
/// What earlier versions kept.
const OLD_FILE_NAME: &str = "control.json";
/// What may wait for the thread; more is refused, or dropped where it comes again.
const INBOX_MAX: usize = 4_096;
/// Pause before somebody is asked again who leads.
const NO_LEADER_PAUSE: Duration = Duration::from_millis(100);
/// Before the first state is known.
const UNKNOWN_EPOCH: u64 = 0;

/// How a member is started.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Its number, its own for good.
    pub id: MemberId,
    /// The folder that holds its log. It must outlive the process.
    pub folder: PathBuf,
    /// Where members are reached, as far as this node's configuration knows; of the others the
    /// group knows.
    pub addresses: BTreeMap<MemberId, Uri>,
    /// How it comes to its group.
    pub founders: Founders,
    /// What members and operators show.
    pub key: OperatorKey,
    /// Timings of the group.
    pub settings: tandem_group::Settings,
    /// How the judge sees.
    pub judging: tandem_failover::Settings,
}

/// How a member comes to its group, where its folder is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Founders {
    /// Those of [`NodeOptions::addresses`] begin it together, this one among them.
    Configured,
    /// It is there, and somebody in it adds this member.
    Others,
}

/// What a node knows at a moment.
#[derive(Clone, Debug)]
pub struct View {
    /// What has been decided.
    pub decided: Arc<Decided>,
    /// How many decisions there were.
    pub decisions: u64,
    /// The place of the log up to which everything is applied.
    pub applied: u64,
    /// Who is in the group.
    pub members: Arc<BTreeMap<MemberId, MemberInfo>>,
    /// How this member stands.
    pub standing: Standing,
    /// How it sees the chains, where it leads.
    pub outlook: Option<Outlook>,
    /// Why it can't go on, where it can't.
    pub failure: Option<String>,
}

/// A member of the control group. Ends with its last clone, or when it is stopped.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

struct Shared {
    id: MemberId,
    inbox: SyncSender<Input>,
    route: watch::Receiver<Route>,
    view: watch::Receiver<View>,
    transport: Arc<Transport>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Node {
    /// Starts the member: goes on from what its folder holds, or begins. Must be called within a
    /// tokio runtime; blocks for some disk accesses.
    ///
    /// # Errors
    ///
    /// When the log can't be read or used, is held by another process, or the timings can't be
    /// safe.
    pub fn start(options: NodeOptions) -> Result<Self, ControlError> {
        let NodeOptions { id, folder, addresses, founders, key, settings, judging } = options;
        settings.check().map_err(|error| ControlError::Unsafe(error.to_string()))?;
        judging.check().map_err(|error| ControlError::Unsafe(error.to_string()))?;
        let failed = |doing: &str, error: std::io::Error| {
            ControlError::Disk(format!("{doing} {} failed: {error}", folder.display()))
        };
        std::fs::create_dir_all(&folder).map_err(|error| failed("creating", error))?;
        if folder.join(OLD_FILE_NAME).exists() {
            return Err(ControlError::Disk(format!(
                "{} holds decisions of an earlier version ({OLD_FILE_NAME}), which had no group: note its epoch \
                 and active chain, and start with an empty folder",
                folder.display()
            )));
        }
        let founding = match founders {
            Founders::Others => Founding::Join,
            Founders::Configured if !addresses.contains_key(&id) => {
                return Err(ControlError::Unsafe(format!(
                    "this node is member {id}, which is not among the control nodes"
                )));
            }
            Founders::Configured => {
                let members: BTreeMap<MemberId, String> =
                    addresses.iter().map(|(id, address)| (*id, shown(address))).collect();
                let voters = members.keys().copied().collect();
                Founding::Together { voters, state: Machine::new(members).encode() }
            }
        };
        let disk = RedbDisk::open(&folder.join(FILE_NAME)).map_err(refused)?;
        let engine = RaftEngine::open(id, &settings, disk, &founding)
            .map_err(|error| refused_member(MemberError::Engine(error)))?;
        let clock = Instant::now();
        let tick = Duration::from_millis(settings.tick_ms);
        // Tells this start from the ones before; no two are in one millisecond.
        let start = wall_ms();
        let member = Member::new(settings, judging, engine, start, now(clock)).map_err(refused_member)?;
        // One that joins has to answer before it has heard who is in the group.
        let configured: Vec<(MemberId, String)> = addresses
            .iter()
            .filter(|(other, _)| **other != id)
            .map(|(id, uri)| (*id, uri.to_string()))
            .collect();
        let transport = Arc::new(Transport::new(key, addresses));
        transport.set_members(configured.iter().map(|(id, address)| (*id, address.as_str())));
        let (view, view_known) = watch::channel(view_of(&member));
        let reason = "no decision is known here yet".to_owned();
        let (route, route_known) = watch::channel(Route { active: Chain::A, epoch: UNKNOWN_EPOCH, reason });
        let (inbox, arriving) = sync_channel(INBOX_MAX);
        let mut worker = Worker {
            member,
            clock,
            tick,
            transport: Arc::clone(&transport),
            route,
            view,
            waiting: BTreeMap::new(),
            ticket: 0,
            shown: 0,
            runtime: tokio::runtime::Handle::current(),
        };
        // What is known from the disk is known at once.
        worker.work().map_err(refused_member)?;
        let thread = std::thread::Builder::new()
            .name(format!("control-{id}"))
            .spawn(move || worker.run(&arriving))
            .map_err(|error| failed("a thread for", error))?;
        let thread = Mutex::new(Some(thread));
        let shared = Shared { id, inbox, route: route_known, view: view_known, transport, thread };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Its number.
    pub fn id(&self) -> MemberId {
        self.shared.id
    }

    /// What it knows. Changes wake whoever waits.
    pub fn view(&self) -> watch::Receiver<View> {
        self.shared.view.clone()
    }

    /// Cuts the member off from everybody, or lets it in again: nothing leaves it and nothing
    /// arrives. For drills.
    pub fn cut_off(&self, is_cut_off: bool) {
        self.shared.transport.cut_off(is_cut_off);
    }

    /// Takes in what was seen. Members that do not lead have no use for it.
    pub fn observe(&self, observations: Vec<Observation>) {
        if self.shared.transport.is_cut_off() {
            return;
        }
        // What does not fit comes again in a tenth of a second.
        _ = self.shared.inbox.try_send(Input::Observations(observations));
    }

    /// Takes in what another member sent.
    pub(crate) fn receive(&self, messages: Vec<Bytes>) {
        if self.shared.transport.is_cut_off() {
            return;
        }
        _ = self.shared.inbox.try_send(Input::Raft(messages));
    }

    /// Asks this member, and nobody else.
    async fn ask(&self, ask: Ask) -> Result<Result<Answer, AskError>, ControlError> {
        let (answer, answered) = oneshot::channel();
        self.shared.inbox.try_send(Input::Ask(ask, answer)).map_err(|error| {
            self.unreachable(match error {
                TrySendError::Full(_) => "it has more to do than it can take",
                TrySendError::Disconnected(_) => "it has stopped",
            })
        })?;
        answered.await.map_err(|_| self.unreachable("it has stopped"))
    }

    /// Waits until this member knows everything that has been decided by now.
    ///
    /// # Errors
    ///
    /// When no majority answers in time.
    pub async fn read(&self) -> Result<(), ControlError> {
        match self.ask(Ask::Read).await? {
            Ok(_) => Ok(()),
            Err(error) => Err(self.unreachable(format!("no majority of the group answers: {error}"))),
        }
    }

    /// Asks whoever leads. `is_forwarded`: somebody else took this member for the leader, so it is
    /// not passed on again.
    pub(crate) async fn ordered(&self, order: Order, is_forwarded: bool) -> Result<Ordered, ControlError> {
        let ask = match &order {
            Order::Switch(switch) => Ask::Switch(Wish {
                to: switch.to,
                by: switch.by.clone(),
                reason: switch.reason.clone(),
                is_break_glass: switch.break_glass,
                within_ms: switch.within_ms,
            }),
            Order::Decide { by, reason, action } => {
                Ask::Decide { by: by.clone(), reason: reason.clone(), action: action.clone() }
            }
        };
        let client = match self.lead(ask, is_forwarded).await? {
            Led::Here(answer) => return self.ordered_here(answer),
            Led::By(client) => client,
        };
        client.order(&order, true).await
    }

    fn ordered_here(&self, answer: Result<Answer, AskError>) -> Result<Ordered, ControlError> {
        let decision = match answer {
            Ok(Answer::Decided(decision)) => Some(*decision),
            Ok(_) | Err(AskError::Refused(Refusal::NothingToDo(_))) => None,
            Err(AskError::Refused(Refusal::Malformed(why))) => return Err(ControlError::Malformed(why)),
            Err(AskError::Refused(refusal @ Refusal::Rules(_))) => {
                return Err(ControlError::Ruled(refusal.to_string()));
            }
            Err(error @ AskError::Superseded) => return Err(ControlError::Ruled(error.to_string())),
            Err(error) => return Err(self.unreachable(error)),
        };
        let route = self.shared.view.borrow().decided.route().clone();
        Ok(Ordered { route, decision })
    }

    /// Changes the members, by whoever leads.
    pub(crate) async fn change(&self, order: MemberOrder, is_forwarded: bool) -> Result<(), ControlError> {
        let ask = match order.clone() {
            MemberOrder::Add { id, address } => Ask::Add { id, address },
            MemberOrder::Promote { id } => Ask::Promote(id),
            MemberOrder::Remove { id } => Ask::Remove(id),
            MemberOrder::HandOver { id } => Ask::HandOver(id),
        };
        match self.lead(ask, is_forwarded).await? {
            Led::By(client) => client.change(&order, true).await.map(|_| ()),
            Led::Here(Ok(_)) => Ok(()),
            Led::Here(Err(AskError::Unfit(why))) => Err(ControlError::Ruled(why)),
            Led::Here(Err(error)) => Err(self.unreachable(error)),
        }
    }

    /// Asks this member, or says who leads; waits a while where nobody does.
    async fn lead(&self, ask: Ask, is_forwarded: bool) -> Result<Led, ControlError> {
        let until = Instant::now() + Duration::from_millis(tandem_group::Settings::default().ask_ms);
        loop {
            let leader = match self.ask(ask.clone()).await? {
                Err(AskError::NotLeader { leader }) => leader,
                answer => return Ok(Led::Here(answer)),
            };
            let client = leader.and_then(|leader| self.shared.transport.client(leader));
            // It may have lost the lead, or its life, a moment ago.
            if let Some(client) = client.filter(|_| !is_forwarded)
                && client.answers().await
            {
                return Ok(Led::By(client));
            }
            if Instant::now() >= until {
                return Err(self.unreachable("nobody leads the control group"));
            }
            tokio::time::sleep(NO_LEADER_PAUSE).await;
        }
    }

    /// What this node knows, for the wire.
    pub(crate) fn state(&self, history: usize, is_linearizable: bool) -> State {
        let view = self.shared.view.borrow().clone();
        State {
            // Not the view's: one that has not heard from its group has none.
            route: self.shared.route.borrow().clone(),
            history: view.decided.history().rev().take(history).cloned().collect(),
            now_ms: wall_ms(),
            shunned: shunned(&view),
            node: node_state(&view.standing, is_linearizable),
            decided: DecidedState::from(&*view.decided),
            members: (*view.members).clone(),
            outlook: view
                .outlook
                .map(|outlook| OutlookState { evidence: outlook.evidence, rulings: outlook.rulings }),
        }
    }

    /// Whom readers should not be sent to.
    pub(crate) fn shunned(&self) -> Shunned {
        shunned(&self.shared.view.borrow())
    }

    fn unreachable(&self, why: impl ToString) -> ControlError {
        ControlError::Unreachable { node: self.shared.id.to_string(), why: why.to_string() }
    }

    /// Ends it. What it said is on disk then, and its folder free. Blocks for a moment.
    pub fn stop(&self) {
        let Some(thread) = self.shared.thread.lock().take() else { return };
        // An error means that it has ended already.
        _ = self.shared.inbox.send(Input::Stop);
        if thread.join().is_err() {
            tracing::error!("the control node's thread panicked");
        }
    }
}

/// Who leads: this member, with its answer, or another one.
enum Led {
    Here(Result<Answer, AskError>),
    By(Arc<Client>),
}

#[async_trait]
impl Control for Node {
    fn route(&self) -> watch::Receiver<Route> {
        self.shared.route.clone()
    }

    async fn current(&self) -> Result<Route, ControlError> {
        self.read().await?;
        Ok(self.shared.view.borrow().decided.route().clone())
    }

    async fn order(&self, order: Order) -> Result<Ordered, ControlError> {
        self.ordered(order, false).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<Decision>, ControlError> {
        self.read().await?;
        Ok(self.shared.view.borrow().decided.history().rev().take(limit).cloned().collect())
    }
}

fn shunned(view: &View) -> Shunned {
    Shunned { decisions: view.decisions, chains: view.decided.shunned() }
}

fn node_state(standing: &Standing, is_linearizable: bool) -> NodeState {
    let mut active: Vec<MemberId> =
        standing.peers.iter().filter(|peer| peer.is_active).map(|peer| peer.id).collect();
    if standing.is_leader() {
        active.push(standing.id);
        active.sort_unstable();
    }
    let Standing { id, term, leader, committed, .. } = *standing;
    NodeState { id, leader, term, committed, active, is_linearizable }
}

/// Without the slash at its end, as people write it.
fn shown(address: &Uri) -> String {
    address.to_string().trim_end_matches('/').to_owned()
}

fn refused(error: DiskError) -> ControlError {
    match error {
        DiskError::Held { file } => ControlError::Held { file },
        error => ControlError::Disk(error.to_string()),
    }
}

fn refused_member(error: MemberError) -> ControlError {
    match error {
        MemberError::Engine(EngineError::Disk(error)) => refused(error),
        MemberError::Settings(why) => ControlError::Unsafe(why),
        error => ControlError::Disk(error.to_string()),
    }
}
