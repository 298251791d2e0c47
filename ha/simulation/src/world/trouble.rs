//! What breaks, carried out; and the calm afterwards.

use rand::Rng;
use tandem_model::route::Chain;

use super::World;
use crate::chain::Ills;
use crate::control::Control;
use crate::event::{Event, What};
use crate::faults::{Fault, Ill};
use crate::invariants::LeftOver;
use crate::network::Trouble;
use crate::place::Place;

/// How long a chain that paused hears of nobody afterwards, in milliseconds.
const HAUNTED_MS: u64 = 1_500;

impl World {
    fn leader(&self) -> Option<Place> {
        self.controls.iter().position(Control::is_leading).map(Place::Control)
    }

    pub(super) fn break_something(&mut self, fault: Fault) {
        self.context.note(format!("fault: {fault}"));
        match fault {
            Fault::Crash(place, for_ms) => self.crash(place, for_ms),
            Fault::CrashLeader(for_ms) => {
                if let Some(leader) = self.leader() {
                    self.crash(leader, for_ms);
                }
            }
            Fault::CrashControl(for_ms) => {
                for number in 0..self.context.controls {
                    self.crash(Place::Control(number), for_ms);
                }
            }
            Fault::SwitchIsDeadly => self.context.is_switch_deadly = true,
            Fault::Pause(place, for_ms) => self.pause(place, for_ms),
            Fault::PauseLeader(for_ms) => {
                if let Some(leader) = self.leader() {
                    self.pause(leader, for_ms);
                }
            }
            Fault::Disk(number) => {
                if self.states[Place::Control(number).index()].is_up {
                    self.controls[number].disk.fail();
                }
            }
            Fault::Wall(number, ahead_ms) => self.controls[number].wall_ahead_ms = ahead_ms,
            Fault::Cut { from, to, both, for_ms } => {
                self.trouble(from, to, None, for_ms);
                if both {
                    self.trouble(to, from, None, for_ms);
                }
            }
            Fault::Slow { from, to, by_ms, for_ms } => self.trouble(from, to, Some(by_ms), for_ms),
            Fault::Ill(chain, ill, for_ms) => {
                self.fall_ill(chain, ill);
                let what = What::IllEnds(chain, ill);
                self.context
                    .queue
                    .push(self.context.now_ms + for_ms, Event { to: Place::Chain(chain), what });
            }
            Fault::Zombie(for_ms) => {
                let active = self.context.watch.group().active();
                self.chains[active as usize].forget_publisher();
                self.context.haunt_ms = Some(for_ms);
            }
            Fault::LogStops(for_ms) => self.log_stopped_until_ms = self.context.now_ms + for_ms,
        }
    }

    pub(super) fn haunt(&mut self, chain: Chain, for_ms: u64) {
        let place = Place::Chain(chain);
        self.pause(place, for_ms);
        let others = !place.bit() & !Place::Live.bit();
        self.trouble(place.bit(), others, None, for_ms + HAUNTED_MS);
        self.trouble(others, place.bit(), None, for_ms + HAUNTED_MS);
    }

    fn trouble(&mut self, from: u32, to: u32, slower_ms: Option<u64>, for_ms: u64) {
        let id = self.context.number();
        self.context.network.begin(Trouble { id, from, to, slower_ms });
        let what = What::TroubleEnds(id);
        self.context.queue.push(self.context.now_ms + for_ms, Event { to: Place::Live, what });
    }

    fn fall_ill(&mut self, chain: Chain, ill: Ill) {
        let model = &mut self.chains[chain as usize];
        match ill {
            Ill::Stuck => model.ills.is_stuck = true,
            Ill::Behind => model.ills.is_reading_slowly = true,
            Ill::Slow(by_ms) => model.ills.slower_ms = by_ms,
            Ill::Errors(percent) => model.ills.error_percent = percent,
            Ill::HotLost => model.ills.is_hot_lost = true,
            Ill::Emptied => model.empty(self.context.now_ms),
            Ill::Wrong => model.set_wrong(&mut self.context, true),
        }
    }

    pub(super) fn recover(&mut self, chain: Chain, ill: Ill) {
        let model = &mut self.chains[chain as usize];
        match ill {
            // What is left over when it gets calm stays.
            _ if self.context.is_calm => {}
            Ill::Stuck => model.ills.is_stuck = false,
            Ill::Behind => model.ills.is_reading_slowly = false,
            Ill::Slow(_) => model.ills.slower_ms = 0,
            Ill::Errors(_) => model.ills.error_percent = 0,
            Ill::HotLost => model.ills.is_hot_lost = false,
            Ill::Emptied => {}
            Ill::Wrong => model.set_wrong(&mut self.context, false),
        }
    }

    /// Everybody is up and well again; but maybe the active chain is not.
    pub(super) fn calm(&mut self) {
        self.context.note("calm from here on");
        self.context.is_calm = true;
        self.context.is_switch_deadly = false;
        self.context.haunt_ms = None;
        self.context.network.calm();
        self.log_stopped_until_ms = 0;
        for chain in Chain::ALL {
            self.chains[chain as usize].ills = Ills::default();
            if self.chains[chain as usize].is_wrong() {
                self.chains[chain as usize].set_wrong(&mut self.context, false);
            }
        }
        for place in self.places() {
            let state = &mut self.states[place.index()];
            if state.paused_until_ms.is_some() {
                state.paused_until_ms = Some(self.context.now_ms);
                self.resume(place);
            }
            if !self.states[place.index()].is_up {
                self.start(place);
            }
        }
        let active = self.context.watch.group().active();
        let left_over = match self.context.rng.random_range(0..6) {
            0 | 1 => {
                self.crash(Place::Chain(active), u64::from(u32::MAX));
                Some((active, LeftOver::Down))
            }
            2 => {
                self.chains[active as usize].set_wrong(&mut self.context, true);
                Some((active, LeftOver::Wrong))
            }
            _ => None,
        };
        let now_ms = self.context.now_ms;
        self.context.watch.calms(now_ms, left_over);
    }
}
