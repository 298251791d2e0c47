//! A member of the group: engine and replicated state, and the judge while it leads.
//!
//! Whoever drives it calls [`Member::tick`] at every tick, hands in what arrives, and takes the
//! [`Effect`]s after each call with [`Member::work`].

mod asks;
mod interface;
mod office;

use std::collections::BTreeMap;

use tandem_failover::{Decided, Decision, Entry, Observation, Refusal};

use self::asks::Asks;
use self::office::Office;
use crate::engine::{Change, Committed, Engine, Standing};
use crate::machine::{Machine, MemberInfo};
use crate::{Command, CommandId, MemberId, Settings};

pub use self::interface::{Answer, Ask, AskError, Effect, MemberError, Now, Outlook};

/// A learner that misses no more entries than this has caught up.
const CAUGHT_UP_ENTRIES: u64 = 10;

/// A member of the group.
pub struct Member<E> {
    settings: Settings,
    judging: tandem_failover::Settings,
    engine: E,
    machine: Machine,
    /// What time it was when last told.
    now: Now,
    asks: Asks,
    office: Option<Office>,
    start: u64,
    /// The term of the last entry that was applied.
    applied_term: u64,
    compacted: u64,
    effects: Vec<Effect>,
}

impl<E: Engine> Member<E> {
    /// A member that goes on from what its engine holds. `start` tells this start from the earlier
    /// ones of the same member. One that joins a group has no members and no route to tell until
    /// another member has sent it the state.
    ///
    /// # Errors
    ///
    /// When what the engine holds can't be read, or the timings can't be safe.
    pub fn new(
        settings: Settings,
        judging: tandem_failover::Settings,
        engine: E,
        start: u64,
        now: Now,
    ) -> Result<Self, MemberError> {
        settings.check().map_err(|error| MemberError::Settings(error.to_string()))?;
        judging.check().map_err(|error| MemberError::Settings(error.to_string()))?;
        let mut member = Self {
            settings,
            judging,
            engine,
            machine: Machine::new(BTreeMap::new()),
            now,
            asks: Asks::default(),
            office: None,
            start,
            applied_term: 0,
            compacted: 0,
            effects: Vec::new(),
        };
        member.advance()?;
        // Nobody to wait for.
        let is_alone = member.machine.members().len() == 1
            && member.machine.members().contains_key(&member.engine.standing().id);
        if is_alone {
            member.engine.stand();
            member.advance()?;
        }
        Ok(member)
    }

    /// Time goes on by one tick.
    pub fn tick(&mut self, now: Now) {
        self.now = now;
        self.engine.tick();
        for ticket in self.asks.late(now.steady_ms) {
            self.answer(ticket, Err(AskError::Late));
        }
        // Questions that raft dropped because nobody led, or got lost.
        if self.asks.is_repeat_due(now.steady_ms) {
            for ticket in self.asks.reads() {
                self.question(ticket);
            }
        }
        self.judge();
    }

    /// Takes in what another member sent. What is no message is left out.
    pub fn receive(&mut self, now: Now, bytes: &[u8]) {
        self.now = now;
        if let Err(error) = self.engine.receive(bytes) {
            tracing::warn!(%error, "a message of the control group is left out");
        }
    }

    /// Takes in what somebody saw. Members that do not lead have no use for it.
    pub fn observe(&mut self, now: Now, observation: Observation) {
        self.now = now;
        if let Some(office) = &mut self.office
            && !matches!(observation, Observation::Wish(_))
        {
            office.observe(now.steady_ms, observation);
        }
    }

    /// Somebody wants something. The answer comes as an [`Effect`] with this ticket, within
    /// [`Settings::ask_ms`] (a switch: beyond the time it may wait).
    pub fn ask(&mut self, now: Now, ticket: u64, ask: Ask) {
        self.now = now;
        let until_ms = now.steady_ms.saturating_add(self.settings.ask_ms);
        if let Err(error) = self.take(ticket, ask, until_ms) {
            self.answer(ticket, Err(error));
        }
    }

    fn take(&mut self, ticket: u64, ask: Ask, until_ms: u64) -> Result<(), AskError> {
        if ask == Ask::Read {
            self.asks.read(ticket, until_ms, self.now.steady_ms);
            self.question(ticket);
            return Ok(());
        }
        let standing = self.engine.standing();
        let leader = standing.leader;
        let Some(office) = self.office.as_mut().filter(|_| standing.is_leader()) else {
            // Elected a moment ago, and the past is not applied yet: it will be, ask again.
            return Err(AskError::NotLeader { leader: leader.filter(|leader| *leader != standing.id) });
        };
        match ask {
            Ask::Read => {}
            Ask::Decide { by, reason, action } => {
                let at_ms = office.now_ms(self.now.steady_ms);
                let entry = Entry { at_ms, by, reason, action };
                // What can't be is said at once; what can, is said again when it is applied.
                self.machine.decided().check(&entry)?;
                self.propose(entry, Some((ticket, until_ms)))?;
            }
            Ask::Switch(wish) => {
                let until_ms = until_ms.saturating_add(wish.within_ms);
                office.wish(self.now.steady_ms, wish);
                if let Some(before) = self.asks.wish(ticket, until_ms) {
                    self.answer(before, Err(AskError::Superseded));
                }
                self.judge();
            }
            Ask::Add { id, address } => {
                if self.machine.members().contains_key(&id) {
                    return Err(AskError::Unfit(format!("member {id} is in the group already")));
                }
                self.change(Change::Learn(id), Machine::context(id, &address), ticket, until_ms)?;
            }
            Ask::Promote(id) => {
                let peer = standing.peers.iter().find(|peer| peer.id == id);
                let is_learner = self.machine.members().get(&id).is_some_and(|member| !member.is_voter);
                let missing = peer.map(|peer| standing.committed.saturating_sub(peer.matched));
                match missing {
                    Some(missing) if is_learner && missing <= CAUGHT_UP_ENTRIES => {}
                    Some(missing) if is_learner => {
                        return Err(AskError::Unfit(format!(
                            "member {id} misses {missing} entries: is it running? Ask again when it has caught up"
                        )));
                    }
                    _ => return Err(AskError::Unfit(format!("there is no learner {id}"))),
                }
                self.change(Change::Promote(id), Vec::new(), ticket, until_ms)?;
            }
            Ask::Remove(id) => {
                self.check_removal(id, &standing)?;
                self.change(Change::Remove(id), Vec::new(), ticket, until_ms)?;
            }
            Ask::HandOver(to) => {
                let is_fit = standing.peers.iter().any(|peer| peer.id == to && peer.is_active)
                    && self.machine.members().get(&to).is_some_and(|member| member.is_voter);
                if to != standing.id && !is_fit {
                    return Err(AskError::Unfit(format!("member {to} does not vote, or does not answer")));
                }
                self.engine.hand_over(to);
                self.answer(ticket, Ok(Answer::Done));
            }
        }
        Ok(())
    }

    /// Asks for `ticket` how far the log is committed.
    fn question(&mut self, ticket: u64) {
        let number = self.asks.question(ticket);
        let member = self.engine.standing().id;
        self.engine.barrier(CommandId { member, start: self.start, number });
    }

    /// A group must not be left without a majority that is there.
    fn check_removal(&self, id: MemberId, standing: &Standing) -> Result<(), AskError> {
        let Some(leaving) = self.machine.members().get(&id) else {
            return Err(AskError::Unfit(format!("there is no member {id}")));
        };
        if !leaving.is_voter {
            return Ok(());
        }
        if id == standing.id {
            return Err(AskError::Unfit(format!(
                "member {id} leads: hand the lead over to another one first"
            )));
        }
        let staying =
            self.machine.members().iter().filter(|(other, member)| **other != id && member.is_voter);
        let is_there = |other: &MemberId| {
            *other == standing.id || standing.peers.iter().any(|peer| peer.id == *other && peer.is_active)
        };
        let (voters, present) = staying.fold((0, 0), |(voters, present), (other, _)| {
            (voters + 1, present + usize::from(is_there(other)))
        });
        if present * 2 <= voters {
            return Err(AskError::Unfit(format!(
                "without member {id} only {present} of {voters} would answer, which is no majority: mend the \
                 others first"
            )));
        }
        Ok(())
    }

    fn change(
        &mut self,
        change: Change,
        context: Vec<u8>,
        ticket: u64,
        until_ms: u64,
    ) -> Result<(), AskError> {
        self.engine
            .change(change, context)
            .map_err(|_| AskError::Unfit("another change of members is under way: ask again".to_owned()))?;
        if let Some(before) = self.asks.change(change, ticket, until_ms) {
            self.answer(before, Err(AskError::Late));
        }
        Ok(())
    }

    fn propose(&mut self, entry: Entry, waits: Option<(u64, u64)>) -> Result<(), AskError> {
        let number = self.asks.next_number();
        let id = CommandId { member: self.engine.standing().id, start: self.start, number };
        self.engine
            .propose(Command { id, entry }.encode())
            .map_err(|_| AskError::NotLeader { leader: None })?;
        if let Some((ticket, until_ms)) = waits {
            self.asks.decision(number, ticket, until_ms);
        }
        Ok(())
    }

    /// What the judge proposes now.
    fn judge(&mut self) {
        let Some(office) = &mut self.office else { return };
        for entry in office.tick(self.now.steady_ms, self.machine.decided()) {
            // Only wishes are switched by somebody else than the judge.
            let waits = match &entry.action {
                tandem_failover::Action::Switch(switch)
                    if switch.kind != tandem_failover::SwitchKind::Automatic =>
                {
                    self.asks.take_wish()
                }
                _ => None,
            };
            if self.propose(entry, waits).is_err()
                && let Some((ticket, _)) = waits
            {
                self.answer(ticket, Err(AskError::NotLeader { leader: None }));
            }
        }
    }

    /// Does what is due and says what is to be done about it.
    ///
    /// # Errors
    ///
    /// When the member can't go on. It must not be used any more then.
    pub fn work(&mut self) -> Result<Vec<Effect>, MemberError> {
        self.advance()?;
        Ok(std::mem::take(&mut self.effects))
    }

    fn advance(&mut self) -> Result<(), MemberError> {
        loop {
            let work = self.engine.work()?;
            let is_idle = work.committed.is_empty() && work.state.is_none() && work.barriers.is_empty();
            for message in work.messages {
                self.effects.push(Effect::Send { to: message.to, bytes: message.bytes });
            }
            if let Some(state) = work.state {
                self.machine = Machine::decode(&state).map_err(MemberError::State)?;
                self.compacted = self.machine.applied();
                self.effects.push(Effect::Route(self.machine.decided().route().clone()));
                self.effects.push(Effect::Members(self.machine.members().clone()));
            }
            // Who is new gets the state, and raft takes none that does not name him.
            let is_change = |committed: &Committed| matches!(committed, Committed::Members { .. });
            let have_members_changed = work.committed.iter().any(is_change);
            for committed in work.committed {
                self.apply(committed)?;
            }
            for barrier in work.barriers {
                // An answer to a question of an earlier start is nobody's any more.
                if barrier.id.start == self.start {
                    self.asks.reached(barrier.id.number, barrier.index);
                }
            }
            for ticket in self.asks.readable(self.machine.applied()) {
                self.answer(ticket, Ok(Answer::Read));
            }
            self.take_office();
            let new_entries = self.machine.applied().saturating_sub(self.compacted);
            if have_members_changed || new_entries >= self.settings.compact_entries {
                self.engine.compact(self.machine.encode())?;
                self.compacted = self.machine.applied();
            }
            if is_idle {
                return Ok(());
            }
        }
    }

    fn apply(&mut self, committed: Committed) -> Result<(), MemberError> {
        match committed {
            Committed::Nothing { index, term } => {
                self.applied_term = term;
                self.machine.skip(index);
            }
            Committed::Data { index, term, data } => {
                self.applied_term = term;
                let before = self.machine.decided().epoch();
                let (command, outcome) = self.machine.apply(index, &data)?;
                log(&command.entry, &outcome);
                if self.machine.decided().epoch() != before {
                    self.effects.push(Effect::Route(self.machine.decided().route().clone()));
                }
                let is_ours =
                    command.id.member == self.engine.standing().id && command.id.start == self.start;
                if is_ours && let Some(ticket) = self.asks.take_decision(command.id.number) {
                    let answer = outcome.map(|decision| Answer::Decided(Box::new(decision)));
                    self.answer(ticket, answer.map_err(AskError::Refused));
                }
            }
            Committed::Members { index, term, change, voters, learners, context } => {
                self.applied_term = term;
                self.machine.set_members(index, &voters, &learners, &context);
                tracing::info!(?voters, ?learners, "the members of the control group have changed");
                self.effects.push(Effect::Members(self.machine.members().clone()));
                if let Some(ticket) = self.asks.take_change(change) {
                    self.answer(ticket, Ok(Answer::Done));
                }
            }
        }
        Ok(())
    }

    /// Who leads, and has applied everything from before its term, judges; nobody else.
    fn take_office(&mut self) {
        let standing = self.engine.standing();
        if !standing.is_leader() {
            if self.office.take().is_some() {
                tracing::info!(term = standing.term, "this member does not lead any more");
                let (wish, change) = self.asks.leave_office();
                if let Some(ticket) = wish {
                    self.answer(ticket, Err(AskError::NotLeader { leader: standing.leader }));
                }
                // Proposed already: the next leader may have it, or not.
                if let Some(ticket) = change {
                    self.answer(ticket, Err(AskError::Late));
                }
            }
            return;
        }
        let is_new = self.office.as_ref().is_none_or(|office| office.term() != standing.term);
        if is_new && self.applied_term == standing.term {
            tracing::info!(term = standing.term, "this member leads");
            let applied_ms = self.machine.decided().time_ms();
            self.office = Some(Office::new(standing.term, &self.judging, self.now, applied_ms));
        }
    }

    fn answer(&mut self, ticket: u64, answer: Result<Answer, AskError>) {
        self.effects.push(Effect::Answer { ticket, answer });
    }

    /// What has been decided, as far as this member knows.
    pub fn decided(&self) -> &Decided {
        self.machine.decided()
    }

    /// How many decisions there were, as far as this member knows.
    pub fn decisions(&self) -> u64 {
        self.machine.decisions()
    }

    /// Who is in the group, as far as this member knows.
    pub fn members(&self) -> &BTreeMap<MemberId, MemberInfo> {
        self.machine.members()
    }

    /// The place of the log up to which everything is applied.
    pub fn applied(&self) -> u64 {
        self.machine.applied()
    }

    /// How this member stands.
    pub fn standing(&self) -> Standing {
        self.engine.standing()
    }

    /// How it sees the chains; absent where it does not lead.
    pub fn outlook(&self) -> Option<Outlook> {
        self.office.as_ref().map(|office| office.outlook(self.machine.decided()))
    }
}

fn log(entry: &Entry, outcome: &Result<Decision, Refusal>) {
    match outcome {
        Ok(decision) => tracing::info!(
            epoch = decision.epoch, active = %decision.active, by = entry.by, reason = entry.reason,
            action = ?entry.action, "decided"
        ),
        Err(refusal) => tracing::info!(by = entry.by, reason = entry.reason, %refusal, "refused"),
    }
}
