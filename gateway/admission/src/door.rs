//! Who goes in, who waits, who is sent away.
//!
//! Whoever comes goes in while there is room. Without room he waits, for a few milliseconds: longer
//! while this is a burst, shorter once somebody has been waiting all the time for a while, since then
//! waiting only makes everybody late (CoDel's distinction: Nichols and Jacobson, "Controlling Queue
//! Delay", ACM Queue 10/5, 2012; for servers: Maurer, "Fail at Scale", 2015). Room that comes free goes
//! by importance, and inside a class to the tenant who has the least ([`crate::queue`]).
//!
//! Sent away is: who waited too long; for whom there was no place to wait; and, while waiting is the
//! rule, at once whoever would have to wait behind a more important class. Strict order was chosen over
//! a threshold on priorities with a controller (DAGOR, Zhou et al., SoCC 2018; Uber's Cinnamon): they
//! estimate from the last seconds whom there will be room for; here the place is given when it comes
//! free, so there is nothing to estimate. Fair shares were chosen over their hashed user priorities,
//! with which a greedy tenant may be the lucky one.

use crate::Class;
use crate::limit::{End, Limit, LimitSettings};
use crate::queue::{Queue, Waiter};

/// Somebody has been waiting for this long: it is no burst any more, in microseconds.
const BURST_US: u64 = 100_000;
/// Most that wait at one time.
const WAITERS_MAX: usize = 256;
/// Fewest places to wait, however low the limit is.
const WAITERS_MIN: usize = 16;
/// No cap may be higher.
const CAP_MAX: usize = 1 << 20;
/// Nobody waits longer, whatever is configured, in microseconds.
const WAIT_US_MAX: u64 = 1_000_000;

/// How a [`Door`] behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorSettings {
    /// The limit; its `max` is the hard cap for all classes together.
    pub limit: LimitSettings,
    /// How long one waits in a burst, in microseconds.
    pub burst_wait_us: u64,
    /// How long one waits once waiting is the rule, in microseconds.
    pub wait_us: u64,
}

impl DoorSettings {
    /// # Errors
    ///
    /// When they contradict each other or are absurd.
    pub fn check(&self) -> Result<(), SettingsError> {
        let LimitSettings { initial, min, max, .. } = self.limit;
        if !(1..=CAP_MAX).contains(&max) || min < 1 {
            return Err(SettingsError::Limit);
        }
        let is_ordered = min <= initial && initial <= max;
        if self.limit.is_adaptive && !is_ordered {
            return Err(SettingsError::Order);
        }
        if self.wait_us > self.burst_wait_us || self.burst_wait_us > WAIT_US_MAX {
            return Err(SettingsError::Wait);
        }
        Ok(())
    }
}

/// Why settings can't work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Nobody would ever be let in, or everybody.
    #[error("the limits must be 1 to {CAP_MAX}")]
    Limit,
    /// They contradict each other.
    #[error("the limit to begin with must be between the lowest and the highest")]
    Order,
    /// Waiting is no use.
    #[error("the wait under overload must not be longer than that in a burst, and that at most {} ms", WAIT_US_MAX / 1_000)]
    Wait,
}

/// Names one that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub u64);

/// What one has who was let in. It must come back: [`Door::leave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    started_us: u64,
    group: u8,
}

/// What happens to one who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// He goes in.
    Go(Pass),
    /// He waits, at most so long; then [`Door::give_up`].
    Wait {
        /// Names him.
        id: WaiterId,
        /// How long, in microseconds.
        wait_us: u64,
        /// Who had to make room for him, and is sent away.
        instead_of: Option<WaiterId>,
    },
    /// He is sent away.
    Shed(Reason),
}

/// Why one was sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The hard cap was reached.
    Cap,
    /// Nobody of less importance was left to make room.
    Full,
    /// There is room for more important ones only.
    Class,
    /// No room came free while he waited.
    Late,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cap, Self::Full, Self::Class, Self::Late];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cap => "cap",
            Self::Full => "full",
            Self::Class => "class",
            Self::Late => "late",
        }
    }
}

/// One that waited and is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Who.
    pub id: WaiterId,
    /// What he has now.
    pub pass: Pass,
}

/// What a door did since the start, and how it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many may be under way.
    pub limit: usize,
    /// How many are.
    pub in_flight: usize,
    /// How many wait.
    pub waiting: usize,
    /// Let in, by [`Class`].
    pub admitted: [u64; Class::ALL.len()],
    /// Of those, after a wait.
    pub waited: u64,
    /// Sent away, by [`Class`] and [`Reason`].
    pub shed: [[u64; Reason::ALL.len()]; Class::ALL.len()],
}

/// See the module's head.
#[derive(Debug)]
pub struct Door {
    settings: DoorSettings,
    limit: Limit,
    queue: Queue,
    /// Names the next one that waits.
    next_id: u64,
    /// When last nobody waited.
    idle_us: u64,
    counts: Counts,
}

impl Door {
    /// A door nobody has come to yet.
    pub fn new(settings: DoorSettings) -> Self {
        Self {
            settings,
            limit: Limit::new(settings.limit),
            queue: Queue::default(),
            next_id: 0,
            idle_us: 0,
            counts: Counts::default(),
        }
    }

    /// Behaves like this from now on. Who is in stays in, who waits goes on waiting, and what was learnt is
    /// kept as far as it is within the new bounds.
    pub fn configure(&mut self, settings: DoorSettings) {
        self.settings = settings;
        self.limit.configure(settings.limit);
    }

    /// One comes; `tenant` is a hash of whose he is.
    pub fn arrive(&mut self, now_us: u64, class: Class, tenant: u64) -> Arrival {
        self.look_at_queue(now_us);
        let group = tenant as u8;
        if self.limit.in_flight() >= self.settings.limit.max {
            return self.shed(class, Reason::Cap);
        }
        if class == Class::Operator || self.limit.in_flight() < self.limit.limit() {
            return Arrival::Go(self.begin(now_us, class, group));
        }
        let is_overloaded = self.is_overloaded(now_us);
        if is_overloaded && self.queue.has_better_than(class) {
            return self.shed(class, Reason::Class);
        }
        let mut instead_of = None;
        if self.queue.len() >= self.limit.limit().clamp(WAITERS_MIN, WAITERS_MAX) {
            let Some(worse) = self.queue.take_worse(class, group) else {
                return self.shed(class, Reason::Full);
            };
            self.shed(worse.class, Reason::Full);
            instead_of = Some(worse.id);
        }
        self.next_id += 1;
        let id = WaiterId(self.next_id);
        self.queue.push(Waiter { id, class, group });
        let wait_us = if is_overloaded { self.settings.wait_us } else { self.settings.burst_wait_us };
        Arrival::Wait { id, wait_us, instead_of }
    }

    /// One ends who had been let in. [`Door::admit`] must follow.
    pub fn leave(&mut self, now_us: u64, pass: Pass, end: End) {
        self.limit.end(now_us, pass.started_us, end);
        self.queue.ended(pass.group);
    }

    /// Lets in one that waits, while there is room; to be called until there is nobody.
    pub fn admit(&mut self, now_us: u64) -> Option<Admitted> {
        if self.limit.in_flight() >= self.limit.limit() {
            return None;
        }
        let Waiter { id, class, group } = self.queue.take_best()?;
        self.look_at_queue(now_us);
        self.counts.waited += 1;
        Some(Admitted { id, pass: self.begin(now_us, class, group) })
    }

    /// One that waits has waited long enough; false where he has been let in or sent away already.
    pub fn give_up(&mut self, now_us: u64, id: WaiterId) -> bool {
        let waiter = self.forget(now_us, id);
        waiter.map(|waiter| self.shed(waiter.class, Reason::Late)).is_some()
    }

    /// One that waits goes away himself; false where he has been let in or sent away already.
    pub fn cancel(&mut self, now_us: u64, id: WaiterId) -> bool {
        self.forget(now_us, id).is_some()
    }

    /// What was done, and how it is.
    pub fn counts(&self) -> Counts {
        Counts {
            limit: self.limit.limit(),
            in_flight: self.limit.in_flight(),
            waiting: self.queue.len(),
            ..self.counts
        }
    }

    fn forget(&mut self, now_us: u64, id: WaiterId) -> Option<Waiter> {
        let waiter = self.queue.take(id);
        self.look_at_queue(now_us);
        waiter
    }

    fn begin(&mut self, now_us: u64, class: Class, group: u8) -> Pass {
        self.limit.begin(now_us);
        self.queue.began(group);
        self.counts.admitted[class as usize] += 1;
        Pass { started_us: now_us, group }
    }

    fn shed(&mut self, class: Class, reason: Reason) -> Arrival {
        self.counts.shed[class as usize][reason as usize] += 1;
        Arrival::Shed(reason)
    }

    fn look_at_queue(&mut self, now_us: u64) {
        if self.queue.len() == 0 {
            self.idle_us = now_us;
        }
    }

    fn is_overloaded(&self, now_us: u64) -> bool {
        now_us.saturating_sub(self.idle_us) >= BURST_US
    }
}

#[cfg(test)]
mod tests;
