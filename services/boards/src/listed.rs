//! Who is listed on a board in one period, without the order: for how long somebody has been in the list is
//! asked of many periods, and so much takes little room.

use tandem_model::calendar::Period;
use tandem_model::catalogue::Board;
use tandem_model::catalogue::boards::Subject;

use crate::Map;
use crate::facts::{Facts, View};
use crate::filter::Filter;
use crate::gather::Pairs;
use crate::score::{Basis, When, basis};
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
        let (from, to) = self.facts.calendar.period(period, ts);
        let mut pairs = Pairs::default();
        let when = When { period, from, to, moment };
        let basis = filter.ready(self.facts).map(|filter| basis(self, board, when, &filter, &mut pairs));
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
            // Either name may hold a colon.
            return id.match_indices(':').any(|(colon, _)| {
                let region = facts.words.find(&id[..colon]);
                let pair = region.zip(facts.words.find(&id[colon + 1..]));
                pair.is_some_and(|pair| self.pairs.contains_key(&pair))
            });
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

impl Basis {
    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Basis::One(gathered, _) => gathered.size_bytes(),
            Basis::Two { last, before } => last.size_bytes() + before.size_bytes(),
            Basis::Fans(fans) => fans.capacity() * size_of::<Option<[u64; 3]>>(),
            Basis::Preference { pairs, regions, categories, .. } => {
                pairs.size_bytes() + regions.size_bytes() + categories.size_bytes()
            }
        }
    }

    /// Those who have a score that is not 0, in no particular order.
    pub(crate) fn listed<'a>(
        &'a self,
        board: &'a Board,
        pairs: &'a Pairs,
    ) -> impl Iterator<Item = (Symbol, crate::Fraction)> + use<'a> {
        self.subjects().filter_map(move |subject| {
            let score = self.score(board, subject, pairs).filter(|score| !score.is_zero())?;
            Some((subject, score))
        })
    }
}
