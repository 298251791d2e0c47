//! Who is listed on a board in one period, without the order: for how long somebody has been in the list is
//! asked of many periods, and so much takes little room.

use tandem_model::calendar::Period;
use tandem_model::catalogue::Board;
use tandem_model::catalogue::boards::Subject;

use crate::Map;
use crate::facts::{Facts, View};
use crate::filter::Filter;
use crate::score::When;
use crate::symbols::Symbol;

/// Everybody a board lists in one period.
#[derive(Clone, Debug)]
pub struct Listed {
    subject: Subject,
    /// A bit by number.
    numbers: Vec<u64>,
    /// Pairs have no numbers that last.
    pairs: Map<(Symbol, Symbol), ()>,
}

impl View<'_> {
    /// Whom the board lists in the period that `ts` lies in: those of [`View::standing`].
    pub fn listed(
        &self,
        board: &'static Board,
        period: Period,
        ts: u64,
        moment: u64,
        filter: &Filter,
    ) -> Listed {
        let (basis, pairs) = self.basis(board, When::of(self.facts, period, ts, moment), filter);
        let mut listed = Listed { subject: board.subject, numbers: Vec::new(), pairs: Map::default() };
        for (number, _) in basis.iter().flat_map(|basis| basis.listed(board, &pairs)) {
            match board.subject {
                Subject::RegionCategory => {
                    listed.pairs.insert(pairs.pairs[number as usize], ());
                }
                _ => listed.add(number),
            }
        }
        listed
    }
}

impl Listed {
    fn add(&mut self, number: Symbol) {
        let (word, bit) = (number as usize / 64, number % 64);
        if self.numbers.len() <= word {
            self.numbers.resize(word + 1, 0);
        }
        self.numbers[word] |= 1 << bit;
    }

    /// Whether `id` is listed. `facts` are those it was made of.
    pub fn holds(&self, facts: &Facts, id: &str) -> bool {
        if self.subject == Subject::RegionCategory {
            return facts.pairs_of(id).any(|pair| self.pairs.contains_key(&pair));
        }
        let number = facts.names(self.subject).find(id);
        number.is_some_and(|number| {
            self.numbers.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
        })
    }

    /// About how many bytes it takes.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.numbers.len() * size_of::<u64>()
            + self.pairs.capacity() * size_of::<(Symbol, Symbol)>()
    }
}
