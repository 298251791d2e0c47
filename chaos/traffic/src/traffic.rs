//! The traffic: what everybody sends, in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Shot;
use crate::cast::{Role, cast, second_set};
use crate::world::World;

/// Which traffic. The same options give the same traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrafficOptions {
    /// What all chance comes from.
    pub seed: u64,
    /// When it begins, in milliseconds since the epoch.
    pub start_ms: u64,
    /// How long it lasts, in milliseconds. Most attackers need an hour to show all they do.
    pub length_ms: u64,
    /// How many actors there are, in percent of the usual 2,600 or so. Families are never empty while it is above 0.
    pub actors_percent: u64,
}

impl Default for TrafficOptions {
    fn default() -> Self {
        Self { seed: 1, start_ms: 1_732_190_400_000, length_ms: 7_200_000, actors_percent: 100 }
    }
}

/// All shots of a world, in the order of time; those of one moment in the order of their actors.
pub struct Traffic {
    world: World,
    roles: Vec<Role>,
    /// The first actor who is here for the second set.
    second_set_from: usize,
    /// When each acts next.
    next: BinaryHeap<Reverse<(u64, u32)>>,
    end_ms: u64,
}

impl Traffic {
    /// The traffic of these options, at its beginning.
    pub fn new(options: TrafficOptions) -> Self {
        Self::of(options, false)
    }

    /// The same, and among it the second set of attackers and honest callers, with those whom they rob.
    /// What all others send stays the same, byte for byte.
    pub fn with_second_set(options: TrafficOptions) -> Self {
        Self::of(options, true)
    }

    /// Whether an actor is here for the second set: of its families, or robbed by one of them.
    pub fn is_of_second_set(&self, actor: u32) -> bool {
        usize::try_from(actor).is_ok_and(|actor| actor >= self.second_set_from)
    }

    fn of(options: TrafficOptions, with_second_set: bool) -> Self {
        let world = World::new(options.seed);
        let (length_ms, percent) = (options.length_ms, options.actors_percent);
        let mut roles = cast(&world, length_ms, percent);
        let second_set_from = roles.len();
        if with_second_set {
            roles.extend(second_set(&world, length_ms, percent));
        }
        let first = |(actor, role): (u32, &Role)| Reverse((options.start_ms + role.1, actor));
        let next = (0..).zip(&roles).map(first).collect();
        Self { world, roles, second_set_from, next, end_ms: options.start_ms + options.length_ms }
    }
}

impl Iterator for Traffic {
    type Item = Shot;

    fn next(&mut self) -> Option<Shot> {
        let Reverse((at_ms, actor)) = self.next.pop()?;
        if at_ms >= self.end_ms {
            return None;
        }
        let (family, _, role) = &mut self.roles[usize::try_from(actor).unwrap_or(usize::MAX)];
        let (request, then_ms) = role.act(at_ms, &self.world);
        if let Some(then_ms) = then_ms {
            self.next.push(Reverse((then_ms.max(at_ms + 1), actor)));
        }
        Some(Shot {
            at_ms,
            actor,
            visit: request.visit,
            family: *family,
            worthless: request.worthless,
            address: request.address,
            who: request.who,
            method: request.method,
            path: request.target.path,
            query: request.target.query,
            headers: request.headers,
            version: request.version,
            status: request.status,
            replayed: request.replayed,
        })
    }
}
