//! Who waits for what.

use std::collections::BTreeMap;

use crate::engine::Change;

/// Questions are put again after so long, in milliseconds: raft drops those that it can't answer
/// at the moment.
const REPEAT_MS: u64 = 200;

/// What is open. Every one of them ends by its time at the latest.
#[derive(Debug, Default)]
pub(super) struct Asks {
    number: u64,
    /// By ticket: until when, and where the log had been committed to, once that is known.
    reads: BTreeMap<u64, (u64, Option<u64>)>,
    /// By the number of the question: which ticket it was asked for. Several of one, maybe.
    questions: BTreeMap<u64, u64>,
    /// By number of the command: ticket and until when.
    decisions: BTreeMap<u64, (u64, u64)>,
    wish: Option<(u64, u64)>,
    change: Option<(Change, u64, u64)>,
    asked_ms: u64,
}

impl Asks {
    pub(super) fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    pub(super) fn read(&mut self, ticket: u64, until_ms: u64, now_ms: u64) {
        if self.reads.is_empty() {
            self.asked_ms = now_ms;
        }
        self.reads.insert(ticket, (until_ms, None));
    }

    /// The number of a new question for `ticket`.
    pub(super) fn question(&mut self, ticket: u64) -> u64 {
        let number = self.next_number();
        self.questions.insert(number, ticket);
        number
    }

    /// Whether open questions should be put again.
    pub(super) fn is_repeat_due(&mut self, now_ms: u64) -> bool {
        let is_due = now_ms.saturating_sub(self.asked_ms) >= REPEAT_MS;
        if is_due {
            self.asked_ms = now_ms;
        }
        is_due
    }

    /// Those whose place is not known yet.
    pub(super) fn reads(&self) -> Vec<u64> {
        self.reads.iter().filter(|(_, (_, index))| index.is_none()).map(|(ticket, _)| *ticket).collect()
    }

    pub(super) fn reached(&mut self, number: u64, index: u64) {
        let Some(ticket) = self.questions.remove(&number) else { return };
        if let Some((_, known)) = self.reads.get_mut(&ticket) {
            // Asked twice: the earlier answer is as good.
            _ = known.get_or_insert(index);
        }
    }

    /// Takes those that can be answered from what is applied.
    pub(super) fn readable(&mut self, applied: u64) -> Vec<u64> {
        let is_readable = |index: &Option<u64>| index.is_some_and(|index| index <= applied);
        let ready: Vec<u64> = self
            .reads
            .iter()
            .filter(|(_, (_, index))| is_readable(index))
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in &ready {
            self.reads.remove(ticket);
        }
        self.forget_questions();
        ready
    }

    /// Those that nobody waits for any more.
    fn forget_questions(&mut self) {
        let reads = &self.reads;
        self.questions.retain(|_, ticket| reads.contains_key(ticket));
    }

    pub(super) fn decision(&mut self, number: u64, ticket: u64, until_ms: u64) {
        self.decisions.insert(number, (ticket, until_ms));
    }

    pub(super) fn take_decision(&mut self, number: u64) -> Option<u64> {
        self.decisions.remove(&number).map(|(ticket, _)| ticket)
    }

    /// One wish at a time: answers the ticket of the one before.
    pub(super) fn wish(&mut self, ticket: u64, until_ms: u64) -> Option<u64> {
        self.wish.replace((ticket, until_ms)).map(|(ticket, _)| ticket)
    }

    pub(super) fn take_wish(&mut self) -> Option<(u64, u64)> {
        self.wish.take()
    }

    /// One change of members at a time: answers the ticket of the one before.
    pub(super) fn change(&mut self, change: Change, ticket: u64, until_ms: u64) -> Option<u64> {
        self.change.replace((change, ticket, until_ms)).map(|(_, ticket, _)| ticket)
    }

    /// Takes who waits for this change; whoever waits for another one waits on.
    pub(super) fn take_change(&mut self, done: Change) -> Option<u64> {
        self.change.take_if(|(change, _, _)| *change == done).map(|(_, ticket, _)| ticket)
    }

    /// A wish is the judge's, and goes with it: whoever waits asks the next leader. A change of
    /// members is in the log, and may be committed by another leader or overwritten: what this member
    /// hears of later tells nothing about it. Answers both tickets. A decision that was proposed
    /// waits on: it carries its own number.
    pub(super) fn leave_office(&mut self) -> (Option<u64>, Option<u64>) {
        let wish = self.wish.take().map(|(ticket, _)| ticket);
        (wish, self.change.take().map(|(_, ticket, _)| ticket))
    }

    /// Takes those that have waited for too long.
    pub(super) fn late(&mut self, now_ms: u64) -> Vec<u64> {
        let mut late = Vec::new();
        self.reads.retain(|ticket, (until_ms, _)| keep(*ticket, *until_ms, now_ms, &mut late));
        self.forget_questions();
        self.decisions.retain(|_, (ticket, until_ms)| keep(*ticket, *until_ms, now_ms, &mut late));
        self.wish = self.wish.filter(|(ticket, until_ms)| keep(*ticket, *until_ms, now_ms, &mut late));
        self.change = self.change.filter(|(_, ticket, until_ms)| keep(*ticket, *until_ms, now_ms, &mut late));
        late
    }
}

fn keep(ticket: u64, until_ms: u64, now_ms: u64, late: &mut Vec<u64>) -> bool {
    if now_ms >= until_ms {
        late.push(ticket);
    }
    now_ms < until_ms
}
