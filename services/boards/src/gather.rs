//! Figures added up by subject.

use tandem_model::calendar::Span;
use tandem_model::catalogue::boards::Subject;
use tandem_model::{Stored, catalogue::Kind as MetricKind};

use crate::Map;
use crate::facts::View;
use crate::filter::Ready;
use crate::stretch::{Kind, Rows};
use crate::symbols::Symbol;

/// Columns by subject. A subject that nothing was added for is not there.
#[derive(Clone, Debug)]
pub(crate) struct Gathered {
    columns: Vec<Stored>,
    sums: Vec<u64>,
    is_there: Vec<bool>,
}

/// Which rows: of the hours or days from `from` to `to`, of sessions that the filter lets through.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) span: Span,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) filter: &'a Ready,
}

/// The numbers of region and category together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    numbers: Map<(Symbol, Symbol), Symbol>,
    pub(crate) pairs: Vec<(Symbol, Symbol)>,
}

impl Pairs {
    fn claim(&mut self, pair: (Symbol, Symbol)) -> Symbol {
        *self.numbers.entry(pair).or_insert_with(|| {
            self.pairs.push(pair);
            (self.pairs.len() - 1) as Symbol
        })
    }

    pub(crate) fn find(&self, pair: (Symbol, Symbol)) -> Option<Symbol> {
        self.numbers.get(&pair).copied()
    }
}

impl Gathered {
    pub(crate) fn new(columns: &[Stored]) -> Self {
        let mut columns = columns.to_vec();
        columns.sort_unstable();
        columns.dedup();
        Self { columns, sums: Vec::new(), is_there: Vec::new() }
    }

    /// Adds one row's figures to a subject's. Sums stop at 2^64 − 1, gauges keep their highest.
    fn add(&mut self, subject: Symbol, figures: &[u64], places: &[usize]) {
        let (subject, width) = (subject as usize, self.columns.len());
        if self.is_there.len() <= subject {
            self.is_there.resize(subject + 1, false);
            self.sums.resize((subject + 1) * width, 0);
        }
        self.is_there[subject] = true;
        let sums = &mut self.sums[subject * width..][..width];
        for ((sum, place), column) in sums.iter_mut().zip(places).zip(&self.columns) {
            *sum = match column.kind() {
                MetricKind::GaugePeak | MetricKind::GaugeLast => (*sum).max(figures[*place]),
                _ => sum.saturating_add(figures[*place]),
            };
        }
    }

    /// Those that something was added for.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = Symbol> {
        (0..).zip(&self.is_there).filter(|(_, is_there)| **is_there).map(|(subject, _)| subject)
    }

    /// A subject's figure; 0 where nothing was added for it.
    ///
    /// # Panics
    ///
    /// When the column was not gathered.
    pub(crate) fn get(&self, subject: Symbol, column: Stored) -> u64 {
        let place = self.columns.binary_search(&column).expect("gathered for what is asked");
        self.sums.get(subject as usize * self.columns.len() + place).copied().unwrap_or(0)
    }

    /// Adds what another subject has in the same columns.
    pub(crate) fn add_from(&mut self, subject: Symbol, other: &Gathered, from: Symbol) {
        let width = self.columns.len();
        let places: Vec<usize> = (0..width).collect();
        self.add(subject, &other.sums[from as usize * width..][..width], &places);
    }

    /// Leaves out those that are not among `kept`, by number.
    pub(crate) fn keep(&mut self, kept: &[bool]) {
        for (subject, is_there) in self.is_there.iter_mut().enumerate() {
            *is_there &= kept.get(subject).copied().unwrap_or(false);
        }
    }

    pub(crate) const fn size_bytes(&self) -> usize {
        self.sums.capacity() * size_of::<u64>() + self.is_there.capacity()
    }

    pub(crate) fn columns(&self) -> &[Stored] {
        &self.columns
    }
}

/// The figures of all subjects of a kind; pairs of region and category are numbered in `pairs`.
pub(crate) fn gather(
    view: &View<'_>,
    subject: Subject,
    asked: Asked<'_>,
    columns: &[Stored],
    pairs: &mut Pairs,
) -> Gathered {
    let kind = Kind::of(subject);
    let layout = &view.facts.layouts[kind as usize];
    let mut gathered = Gathered::new(columns);
    let places: Vec<usize> = gathered.columns.iter().map(|column| layout.place(*column)).collect();
    // Whoever counts whatever their session says need not be looked up: at a million, that is what takes long.
    let is_told_by_row = matches!(subject, Subject::Session | Subject::Item | Subject::Region);
    let needs_known = !is_told_by_row || !asked.filter.is_open();
    for layer in view.layers(asked.span, asked.from, asked.to) {
        let Rows { owners, figures, .. } = &layer.stretch.rows[kind as usize];
        for ((session, key), figures) in owners.iter().zip(figures.chunks_exact(layout.width())) {
            if !layer.shows(*session) {
                continue;
            }
            let known = if needs_known { view.known(*session) } else { None };
            if needs_known && !asked.filter.lets(known) {
                continue;
            }
            let number = match (subject, known) {
                (Subject::Session, _) => Some(*session),
                (Subject::Item | Subject::Region, _) => Some(*key),
                (_, None) => None,
                (Subject::Anchor, Some(known)) => Some(known.anchor),
                (Subject::Category, Some(known)) => Some(known.category),
                (Subject::Brand, Some(known)) => known.brand,
                (Subject::Merchant, Some(known)) => known.merchant,
                (Subject::RegionCategory, Some(known)) => Some(pairs.claim((*key, known.category))),
            };
            if let Some(number) = number {
                gathered.add(number, figures, &places);
            }
        }
    }
    gathered
}
