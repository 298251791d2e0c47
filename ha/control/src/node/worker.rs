//! The thread of a member: takes in what arrives, lets time go on, and does what the member wants
//! done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tandem_failover::Observation;
use tandem_group::{Answer, Ask, AskError, Effect, Member, MemberError, Now, RaftEngine, RedbDisk};
use tandem_model::route::Route;
use tokio::sync::{oneshot, watch};

use super::View;
use crate::transport::Transport;
use crate::wall_ms;

/// How many are taken in before their outcome is written and sent.
const BATCH_MAX: usize = 256;

/// What arrives.
pub(super) enum Input {
    Raft(Vec<Bytes>),
    Observations(Vec<Observation>),
    Ask(Ask, oneshot::Sender<Result<Answer, AskError>>),
    Stop,
}

/// The thread.
pub(super) struct Worker {
    pub(super) member: Member<RaftEngine<RedbDisk>>,
    pub(super) clock: Instant,
    pub(super) tick: Duration,
    pub(super) transport: Arc<Transport>,
    pub(super) route: watch::Sender<Route>,
    pub(super) view: watch::Sender<View>,
    pub(super) waiting: BTreeMap<u64, oneshot::Sender<Result<Answer, AskError>>>,
    pub(super) ticket: u64,
    /// The place of the log that is shown.
    pub(super) shown: u64,
    pub(super) runtime: tokio::runtime::Handle,
}

impl Worker {
    pub(super) fn run(mut self, inbox: &Receiver<Input>) {
        let mut next_tick = Instant::now() + self.tick;
        loop {
            let mut input = inbox.recv_timeout(next_tick.saturating_duration_since(Instant::now()));
            for _ in 0..BATCH_MAX {
                match input {
                    Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                    Ok(input) => self.take(input),
                    Err(RecvTimeoutError::Timeout) => break,
                }
                input = inbox.try_recv().map_err(|_| RecvTimeoutError::Timeout);
            }
            if Instant::now() >= next_tick {
                self.member.tick(now(self.clock));
                // What was missed in a pause is not made up for.
                next_tick = (next_tick + self.tick).max(Instant::now());
            }
            if let Err(error) = self.work() {
                tracing::error!(%error, "this control node can't go on; the others can");
                self.view.send_modify(|view| view.failure = Some(error.to_string()));
                return;
            }
        }
    }

    fn take(&mut self, input: Input) {
        let now = now(self.clock);
        match input {
            Input::Raft(messages) => {
                for message in messages {
                    self.member.receive(now, &message);
                }
            }
            Input::Observations(observations) => {
                for observation in observations {
                    self.member.observe(now, observation);
                }
            }
            Input::Ask(ask, answer) => {
                self.ticket += 1;
                self.waiting.insert(self.ticket, answer);
                self.member.ask(now, self.ticket, ask);
            }
            Input::Stop => {}
        }
    }

    pub(super) fn work(&mut self) -> Result<(), MemberError> {
        let effects = self.member.work()?;
        let mut answers = Vec::new();
        let mut routes = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send { to, bytes } => self.transport.send(to, bytes),
                Effect::Answer { ticket, answer } => answers.push((ticket, answer)),
                Effect::Route(route) => routes.push(route),
                Effect::Members(members) => {
                    let _runtime = self.runtime.enter();
                    let id = self.member.standing().id;
                    let others = members.iter().filter(|(other, _)| **other != id);
                    self.transport.set_members(others.map(|(id, member)| (*id, member.address.as_str())));
                }
            }
        }
        self.show();
        // Whoever hears of a route, or has an answer, finds it in the view.
        for route in routes {
            self.route.send_if_modified(|known| {
                let is_news = route.epoch > known.epoch;
                if is_news {
                    *known = route;
                }
                is_news
            });
        }
        for (ticket, answer) in answers {
            if let Some(waiting) = self.waiting.remove(&ticket) {
                // Whoever asked may be gone.
                _ = waiting.send(answer);
            }
        }
        Ok(())
    }

    fn show(&mut self) {
        let (applied, decisions) = (self.member.applied(), self.member.decisions());
        let (decided, members) = (self.member.decided(), self.member.members());
        let (standing, outlook) = (self.member.standing(), self.member.outlook());
        self.view.send_if_modified(|view| {
            let is_decided = applied != self.shown;
            let have_members = *view.members != *members;
            let is_news = is_decided || have_members || view.standing != standing || view.outlook != outlook;
            if is_decided {
                view.decided = Arc::new(decided.clone());
            }
            if have_members {
                view.members = Arc::new(members.clone());
            }
            view.decisions = decisions;
            (view.standing, view.outlook) = (standing, outlook);
            is_news
        });
        self.shown = applied;
    }
}

pub(super) fn view_of(member: &Member<RaftEngine<RedbDisk>>) -> View {
    View {
        decided: Arc::new(member.decided().clone()),
        decisions: member.decisions(),
        applied: member.applied(),
        members: Arc::new(member.members().clone()),
        standing: member.standing(),
        outlook: member.outlook(),
        failure: None,
    }
}

pub(super) fn now(clock: Instant) -> Now {
    Now { steady_ms: clock.elapsed().as_millis() as u64, wall_ms: wall_ms() }
}
