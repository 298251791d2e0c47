//! Two standings of one board: who moved.

use tandem_model::catalogue::boards;

use crate::facts::Facts;
use crate::standing::{Place, Standing};
use crate::symbols::Symbol;

/// A subject that stands elsewhere in one standing than in another, or for other reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// Where it stood; nothing where it was not listed.
    pub before: Option<Place>,
    /// Where it stands; nothing where it is not listed.
    pub after: Option<Place>,
}

impl Moved {
    /// Whether only the rank is another one: somebody else moved.
    pub fn is_pushed(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => (before.score, &before.parts) == (after.score, &after.parts),
            _ => false,
        }
    }
}

impl Standing {
    /// Everybody whose rank, score or parts are others than in `before`, which is of the same board, period and
    /// filter: first those whose own figures are others, then those who were pushed; in the order of their
    /// ranks now, those who are not listed any more behind. `facts` are those that both were made of.
    pub fn moved(&self, before: &Self, facts: &Facts) -> Vec<Moved> {
        let mut moved = Vec::new();
        for place in 0..self.listed() {
            let was = before.place_of(self.number(place), self);
            // Most are the same, and nothing has to be spelt out to see it.
            let is_same = was.is_some_and(|was| self.is_alike(place, before, was));
            if !is_same {
                let was = was.map(|was| before.place(facts, was));
                moved.push(Moved { before: was, after: Some(self.place(facts, place)) });
            }
        }
        for place in 0..before.listed() {
            if self.place_of(before.number(place), before).is_none() {
                moved.push(Moved { before: Some(before.place(facts, place)), after: None });
            }
        }
        // Stable: the order of ranks stays.
        moved.sort_by_key(Moved::is_pushed);
        moved
    }

    /// The place of the subject that `other` knows by this number.
    fn place_of(&self, number: Symbol, other: &Self) -> Option<usize> {
        let number = match self.board().subject {
            // Pairs are numbered in each standing anew.
            boards::Subject::RegionCategory => self.pairs().find(other.pairs().pairs[number as usize])?,
            _ => number,
        };
        self.place_of_number(number)
    }

    fn is_alike(&self, place: usize, other: &Self, at: usize) -> bool {
        self.rank_of(place) == other.rank_of(at)
            && self.score_at(place) == other.score_at(at)
            && self.parts_at(place) == other.parts_at(at)
    }
}
