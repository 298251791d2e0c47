//! One board of one period: who stands where.

use std::sync::Arc;

use tandem_model::calendar::Period;
use tandem_model::catalogue::Board;
use tandem_model::catalogue::boards;

use crate::facts::{Facts, View};
use crate::filter::Filter;
use crate::fraction::Fraction;
use crate::gather::Pairs;
use crate::score::{Basis, Parts, When};
use crate::symbols::{Symbol, Symbols};

/// Everybody a board lists, in order.
#[derive(Clone, Debug)]
pub struct Standing {
    board: &'static Board,
    /// Of the cut.
    slot: u64,
    /// From the first millisecond of the period to the first after it.
    period: (u64, u64),
    /// From the highest score on; of equal ones by id.
    entries: Vec<(Symbol, Fraction)>,
    /// By subject: its place in `entries`, plus 1; 0 is not listed.
    places: Vec<u32>,
    /// What scores follow from; nothing where the filter lets no session through.
    basis: Option<Basis>,
    pairs: Pairs,
}

/// Who is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The id.
    pub id: String,
    /// What people call it; the id where it has no other name.
    pub name: String,
}

/// One row of a board.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// 1 is the highest; equal scores share a rank.
    pub rank: u64,
    /// Who.
    pub subject: Subject,
    /// The score.
    pub score: Fraction,
    /// The integers it is made of.
    pub parts: Vec<(String, i128)>,
}

/// Where somebody stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Own {
    /// The row; nothing where they are not listed.
    pub place: Option<Place>,
    /// The share of those listed who do not stand higher, themselves among them.
    pub percentile: Option<f64>,
    /// How far the next higher score is; nothing at the top.
    pub to_next: Option<f64>,
}

impl View<'_> {
    /// The board of the period that `ts` lies in, as it stands at the edition's moment: the beat of
    /// the cut, or the period's end once it is closed.
    pub fn standing(
        &self,
        board: &'static Board,
        period: Period,
        ts: u64,
        moment: u64,
        filter: &Filter,
    ) -> Standing {
        let facts = self.facts;
        let when = When::of(facts, period, ts, moment);
        let (basis, pairs) = self.basis(board, when, filter);
        let mut entries: Vec<(Symbol, Fraction)> = Vec::new();
        if let Some(basis) = &basis {
            entries.extend(basis.listed(board, &pairs));
        }
        let entries = sorted(entries, &facts.ranks(board.subject, &pairs));
        let mut places = Vec::new();
        for (place, (subject, _)) in (1..).zip(&entries) {
            if places.len() <= *subject as usize {
                places.resize(*subject as usize + 1, 0);
            }
            places[*subject as usize] = place;
        }
        Standing { board, slot: self.slot, period: (when.from, when.to), entries, places, basis, pairs }
    }
}

/// From the highest score on; of equal ones by the ranks of their ids.
///
/// Scores are compared as doubles first, which is quicker than as fractions by far. Where both integers of
/// all of them are doubles exactly, the quotient is rounded once (IEEE 754), so a greater fraction never is
/// a smaller double; where doubles are equal, the fractions decide.
fn sorted(entries: Vec<(Symbol, Fraction)>, ranks: &[u32]) -> Vec<(Symbol, Fraction)> {
    let is_rounded_once = entries.iter().all(|(_, score)| score.is_quotient_of_doubles());
    let key = |index: usize, (subject, score): &(Symbol, Fraction)| {
        (score.to_number(), ranks[*subject as usize], index as u32)
    };
    let mut keys: Vec<(f64, u32, u32)> =
        entries.iter().enumerate().map(|(index, entry)| key(index, entry)).collect();
    let exactly = |left: u32, right: u32| entries[right as usize].1.cmp(&entries[left as usize].1);
    let are_integers = entries.iter().all(|(_, score)| score.to_integer().is_some());
    keys.sort_unstable_by(|left, right| {
        let by_score = match (is_rounded_once, are_integers) {
            (false, _) => exactly(left.2, right.2),
            (true, true) => right.0.total_cmp(&left.0),
            (true, false) => right.0.total_cmp(&left.0).then_with(|| exactly(left.2, right.2)),
        };
        by_score.then(left.1.cmp(&right.1))
    });
    keys.into_iter().map(|(_, _, index)| entries[index as usize]).collect()
}

impl Facts {
    /// By subject: its place in the order of the ids' bytes.
    fn ranks(&self, subject: boards::Subject, pairs: &Pairs) -> Arc<Vec<u32>> {
        match subject {
            boards::Subject::RegionCategory => {
                let numbers = 0..pairs.pairs.len() as Symbol;
                let mut ids: Vec<(String, Symbol)> =
                    numbers.map(|number| (self.id(subject, number, pairs), number)).collect();
                ids.sort_unstable();
                let mut ranks = vec![0; ids.len()];
                (0..).zip(&ids).for_each(|(rank, (_, number))| ranks[*number as usize] = rank);
                Arc::new(ranks)
            }
            _ => self.names(subject).ranks(),
        }
    }

    /// The names of subjects that have one.
    pub(crate) fn names(&self, subject: boards::Subject) -> &Symbols {
        match subject {
            boards::Subject::Anchor => &self.anchors,
            boards::Subject::Session => &self.sessions,
            boards::Subject::Item => &self.items,
            _ => &self.words,
        }
    }

    fn id(&self, subject: boards::Subject, number: Symbol, pairs: &Pairs) -> String {
        match subject {
            boards::Subject::RegionCategory => {
                let (region, category) = pairs.pairs[number as usize];
                format!("{}:{}", self.words.name(region), self.words.name(category))
            }
            _ => self.names(subject).name(number).to_string(),
        }
    }

    fn find(&self, subject: boards::Subject, id: &str, pairs: &Pairs) -> Option<Symbol> {
        match subject {
            boards::Subject::RegionCategory => self.pairs_of(id).find_map(|pair| pairs.find(pair)),
            _ => self.names(subject).find(id),
        }
    }

    /// What the id of a region and a category may stand for: either name may hold a colon.
    pub(crate) fn pairs_of(&self, id: &str) -> impl Iterator<Item = (Symbol, Symbol)> {
        id.match_indices(':').filter_map(|(colon, _)| {
            Some((self.words.find(&id[..colon])?, self.words.find(&id[colon + 1..])?))
        })
    }

    fn subject(&self, standing: &Standing, number: Symbol) -> Subject {
        let Standing { board, slot, pairs, .. } = standing;
        let subject = board.subject;
        let id = self.id(subject, number, pairs);
        let name = match subject {
            boards::Subject::Anchor => self.anchor_name(number, *slot),
            boards::Subject::Session => self.known(number, *slot).map(|known| &*known.title),
            _ => None,
        };
        let name = name.filter(|name| !name.is_empty()).map_or_else(|| id.clone(), |name| name.to_string());
        Subject { id, name }
    }
}

impl Standing {
    /// From the first millisecond of the period to the first after it.
    pub const fn period(&self) -> (u64, u64) {
        self.period
    }

    /// How many are listed.
    pub const fn listed(&self) -> usize {
        self.entries.len()
    }

    /// About how many bytes it takes.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.entries.capacity() * size_of::<(Symbol, Fraction)>()
            + self.places.capacity() * size_of::<u32>()
            + self.basis.as_ref().map_or(0, Basis::size_bytes)
            + self.pairs.pairs.capacity() * 3 * size_of::<(Symbol, Symbol)>()
    }

    /// The rows from place `from` on (0 is the first), at most `limit`. `facts` are those it was made of.
    pub fn rows(&self, facts: &Facts, from: usize, limit: usize) -> Vec<Place> {
        let end = from.saturating_add(limit).min(self.entries.len());
        (from.min(end)..end).map(|place| self.place(facts, place)).collect()
    }

    /// The rank of `id`; nothing where it is not listed.
    pub fn rank(&self, facts: &Facts, id: &str) -> Option<u64> {
        self.find(facts, id).map(|place| self.rank_of(place))
    }

    /// Where `id` stands.
    pub fn own(&self, facts: &Facts, id: &str) -> Own {
        let Some(place) = self.find(facts, id) else {
            return Own { place: None, percentile: None, to_next: None };
        };
        let rank = self.rank_of(place);
        let listed = self.entries.len() as f64;
        let above = (rank > 1).then(|| self.entries[rank as usize - 2].1);
        Own {
            percentile: Some((listed - rank as f64 + 1.0) / listed),
            to_next: above.map(|above| self.entries[place].1.distance_to(above)),
            place: Some(self.place(facts, place)),
        }
    }

    fn find(&self, facts: &Facts, id: &str) -> Option<usize> {
        self.place_of_number(facts.find(self.board.subject, id, &self.pairs)?)
    }

    pub(crate) fn place_of_number(&self, number: Symbol) -> Option<usize> {
        (*self.places.get(number as usize)? as usize).checked_sub(1)
    }

    pub(crate) const fn board(&self) -> &'static Board {
        self.board
    }

    pub(crate) const fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// Who stands at this place.
    pub(crate) fn number(&self, place: usize) -> Symbol {
        self.entries[place].0
    }

    pub(crate) fn score_at(&self, place: usize) -> Fraction {
        self.entries[place].1
    }

    pub(crate) fn parts_at(&self, place: usize) -> Parts {
        let parts = self.basis.as_ref().map(|basis| basis.parts(self.board, self.number(place), &self.pairs));
        parts.unwrap_or_default()
    }

    pub(crate) fn rank_of(&self, place: usize) -> u64 {
        let score = self.entries[place].1;
        // Everybody before the first of the same score stands higher.
        self.entries[..place].partition_point(|(_, other)| *other > score) as u64 + 1
    }

    pub(crate) fn place(&self, facts: &Facts, place: usize) -> Place {
        Place {
            rank: self.rank_of(place),
            subject: facts.subject(self, self.number(place)),
            score: self.score_at(place),
            parts: self.parts_at(place),
        }
    }
}
