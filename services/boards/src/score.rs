//! Scores: from gathered figures, by the kind of score.

use tandem_model::Stored;
use tandem_model::calendar::{Period, Span};
use tandem_model::catalogue::boards::{
    Board, GROWTH_DAYS, NEWCOMER_MS, PREFERENCE_SMALLEST, Score, Smallest, Subject,
};
use tandem_model::catalogue::influence::{INDICATORS, Indicator, IndicatorValue, POINTS_MAX, PRIOR, WEIGHT};
use tandem_model::time::DAY_MS;

use crate::facts::{Facts, Known, View};
use crate::filter::{Filter, Ready};
use crate::fraction::Fraction;
use crate::gather::{Asked, Gathered, Pairs, gather};
use crate::stretch::{Kind, inputs};
use crate::symbols::Symbol;

/// The integers that a score is made of, with their names.
pub(crate) type Parts = Vec<(String, i128)>;

/// What the scores of a board follow from.
#[derive(Clone, Debug)]
pub(crate) enum Basis {
    /// One period; its length in milliseconds.
    One(Gathered, u64),
    /// The days before the edition, and the days before those.
    Two { last: Gathered, before: Gathered },
    /// By anchor: fans at the latest session's start, new ones, and those who left.
    Fans(Vec<Option<[u64; 3]>>),
    /// By pair; by region; by category; all.
    Preference { pairs: Gathered, regions: Gathered, categories: Gathered, all: u64 },
}

/// When a board is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) period: Period,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The edition's moment.
    pub(crate) moment: u64,
}

impl When {
    /// The period that `ts` lies in, looked at at this moment.
    pub(crate) fn of(facts: &Facts, period: Period, ts: u64, moment: u64) -> Self {
        let (from, to) = facts.calendar.period(period, ts);
        Self { period, from, to, moment }
    }
}

impl View<'_> {
    /// What the scores of a board follow from, nothing where the filter lets no session through; and the numbers
    /// of pairs in it.
    pub(crate) fn basis(&self, board: &Board, when: When, filter: &Filter) -> (Option<Basis>, Pairs) {
        let mut pairs = Pairs::default();
        let basis = filter.ready(self.facts).map(|filter| basis(self, board, when, &filter, &mut pairs));
        (basis, pairs)
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
    ) -> impl Iterator<Item = (Symbol, Fraction)> + use<'a> {
        self.subjects().filter_map(move |subject| {
            let score = self.score(board, subject, pairs).filter(|score| !score.is_zero())?;
            Some((subject, score))
        })
    }
}

fn basis(view: &View<'_>, board: &Board, when: When, filter: &Ready, pairs: &mut Pairs) -> Basis {
    let When { period, from, to, moment } = when;
    let asked = Asked { span: period.span(), from, to, filter };
    let mut columns = inputs(&board.score);
    columns.extend(board.smallest.map(|smallest| smallest.of));
    match board.score {
        Score::Sum(_) | Score::Peak(_) | Score::Rate { .. } | Score::Index => {
            Basis::One(gather(view, board.subject, asked, &columns, pairs), to - from)
        }
        Score::Newcomers(_) => {
            let mut gathered = gather(view, board.subject, asked, &columns, pairs);
            gathered.keep(&newcomers(view, moment));
            Basis::One(gathered, to - from)
        }
        Score::RateChange { .. } | Score::Growth(_) => {
            let end = view.facts.calendar.start(Span::Day, moment);
            let middle = days_before(view, end);
            let start = days_before(view, middle);
            let mut window = |from, to| {
                let asked = Asked { span: Span::Day, from, to, filter };
                gather(view, board.subject, asked, &columns, pairs)
            };
            Basis::Two { last: window(middle, end), before: window(start, middle) }
        }
        Score::Fans => Basis::Fans(fans(view, period, to, filter)),
        Score::Preference(_) => {
            let cells = gather(view, Subject::RegionCategory, asked, &columns, pairs);
            preference(cells, pairs)
        }
    }
}

fn days_before(view: &View<'_>, day: u64) -> u64 {
    (0..GROWTH_DAYS).fold(day, |day, _| view.facts.calendar.day_before(day))
}

/// By anchor: whether the first session started at most [`NEWCOMER_MS`] before the moment.
fn newcomers(view: &View<'_>, moment: u64) -> Vec<bool> {
    let mut first = vec![u64::MAX; view.facts.anchors.len()];
    for (_, known) in view.sessions() {
        let first = &mut first[known.anchor as usize];
        *first = (*first).min(known.started_at);
    }
    first.into_iter().map(|first| first != u64::MAX && first.saturating_add(NEWCOMER_MS) >= moment).collect()
}

/// Of each anchor's session with the latest start before `to` (of equal ones that with the last id).
fn fans(view: &View<'_>, period: Period, to: u64, filter: &Ready) -> Vec<Option<[u64; 3]>> {
    let mut latest: Vec<Option<(u64, Symbol)>> = vec![None; view.facts.anchors.len()];
    let counts = |known: &Known| known.started_at < to && filter.lets(Some(known));
    for (session, known) in view.sessions().filter(|(_, known)| counts(known)) {
        let slot = &mut latest[known.anchor as usize];
        let is_later = slot.is_none_or(|(started_at, other)| {
            let names = || view.facts.sessions.name(session) > view.facts.sessions.name(other);
            known.started_at > started_at || known.started_at == started_at && names()
        });
        if is_later {
            *slot = Some((known.started_at, session));
        }
    }
    let count = |session: Symbol, column: Stored| {
        let layout = &view.facts.layouts[Kind::Room as usize];
        let place = layout.place(column);
        let sum = |span, from, to| {
            view.layers(span, from, to)
                .filter(|layer| layer.shows(session))
                .filter_map(|layer| layer.stretch.rows[Kind::Room as usize].of_room(session, layout))
                .fold(0_u64, |sum, figures| sum.saturating_add(figures[place]))
        };
        match period {
            // Of the day that the hour lies in, the hours up to it.
            Period::Hour => {
                let day = view.facts.calendar.start(Span::Day, to.saturating_sub(1));
                sum(Span::Day, 0, day).saturating_add(sum(Span::Hour, day, to))
            }
            _ => sum(Span::Day, 0, to),
        }
    };
    let of = |(_, session): (u64, Symbol)| {
        let known = view.known(session)?;
        Some([known.anchor_fans, count(session, Stored::NewFans), count(session, Stored::Unfollows)])
    };
    latest.into_iter().map(|latest| latest.and_then(of)).collect()
}

fn preference(cells: Gathered, pairs: &Pairs) -> Basis {
    let mut regions = Gathered::new(cells.columns());
    let mut categories = Gathered::new(cells.columns());
    for pair in cells.subjects() {
        let (region, category) = pairs.pairs[pair as usize];
        regions.add_from(region, &cells, pair);
        categories.add_from(category, &cells, pair);
    }
    let all =
        regions.subjects().fold(0_u64, |sum, region| sum.saturating_add(regions.get(region, Stored::GmvFen)));
    Basis::Preference { pairs: cells, regions, categories, all }
}

impl Basis {
    /// Whoever could have a score.
    pub(crate) fn subjects(&self) -> Box<dyn Iterator<Item = Symbol> + '_> {
        match self {
            Basis::One(gathered, _) => Box::new(gathered.subjects()),
            Basis::Two { before, .. } => Box::new(before.subjects()),
            Basis::Fans(fans) => {
                Box::new((0..).zip(fans).filter(|(_, fans)| fans.is_some()).map(|(anchor, _)| anchor))
            }
            Basis::Preference { pairs, .. } => Box::new(pairs.subjects()),
        }
    }

    /// A subject's score; nothing where it is undefined or rests on too little.
    pub(crate) fn score(&self, board: &Board, subject: Symbol, pairs: &Pairs) -> Option<Fraction> {
        let enough = |gathered: &Gathered, smallest: Option<Smallest>| {
            smallest.is_none_or(|smallest| gathered.get(subject, smallest.of) >= smallest.count)
        };
        match (self, board.score) {
            (Basis::One(gathered, _), Score::Sum(of)) => {
                let sum = of.iter().map(|column| i128::from(gathered.get(subject, *column))).sum();
                Some(Fraction::integer(sum))
            }
            (Basis::One(gathered, _), Score::Peak(of) | Score::Newcomers(of)) => {
                Some(Fraction::integer(i128::from(gathered.get(subject, of))))
            }
            (Basis::One(gathered, _), Score::Rate { factor, of, per }) => {
                let is_enough = enough(gathered, board.smallest);
                let numerator = i128::from(factor) * i128::from(gathered.get(subject, of));
                Fraction::new(numerator, u128::from(gathered.get(subject, per))).filter(|_| is_enough)
            }
            (Basis::One(gathered, length_ms), Score::Index) => {
                let points = |one: &Indicator| one.weight * points(one, gathered, subject, *length_ms);
                let sum: u64 = INDICATORS.iter().map(points).sum();
                Fraction::new(i128::from(sum), u128::from(WEIGHT))
            }
            (Basis::Two { last, before }, Score::Growth(of)) => {
                let is_enough = enough(before, board.smallest);
                let [last, before] = [last, before].map(|window| i128::from(window.get(subject, of)));
                Fraction::new(last - before, before.unsigned_abs()).filter(|_| is_enough)
            }
            (Basis::Two { last, before }, Score::RateChange { of, per }) => {
                let is_enough = enough(last, board.smallest) && enough(before, board.smallest);
                let [(a, b), (c, d)] = [last, before].map(|window| {
                    (i128::from(window.get(subject, of)), i128::from(window.get(subject, per)))
                });
                let numerator = a.checked_mul(d)?.checked_sub(c.checked_mul(b)?)?;
                Fraction::new(numerator, b.unsigned_abs().checked_mul(d.unsigned_abs())?)
                    .filter(|_| is_enough)
            }
            (Basis::Fans(fans), _) => {
                let [fans, new, gone] = (*fans.get(subject as usize)?)?.map(i128::from);
                Some(Fraction::integer(fans + new - gone))
            }
            (Basis::Preference { pairs: cells, regions, categories, all }, Score::Preference(of)) => {
                let (region, category) = pairs.pairs[subject as usize];
                let is_enough = enough(cells, Some(PREFERENCE_SMALLEST))
                    && board.smallest.is_none_or(|least| regions.get(region, least.of) >= least.count);
                let share = u128::from(regions.get(region, of))
                    .checked_mul(u128::from(categories.get(category, of)))?;
                let own = i128::from(cells.get(subject, of)).checked_mul(i128::from(*all))?;
                Fraction::new(own, share).filter(|_| is_enough)
            }
            _ => None,
        }
    }

    /// The integers that a subject's score is made of.
    pub(crate) fn parts(&self, board: &Board, subject: Symbol, pairs: &Pairs) -> Parts {
        let part = |name: &str, value: u64| (name.to_owned(), i128::from(value));
        match (self, board.score) {
            (Basis::One(gathered, length_ms), Score::Index) => {
                let mut parts: Parts = INDICATORS
                    .iter()
                    .map(|one| part(one.id, one.weight * points(one, gathered, subject, *length_ms)))
                    .collect();
                let viewers = gathered.get(subject, Stored::Viewers);
                let confidence = u128::from(viewers) * 1_000 / (u128::from(viewers) + u128::from(PRIOR));
                parts.push(("confidence_permille".to_owned(), confidence as i128));
                parts
            }
            (Basis::One(gathered, _), _) => gathered
                .columns()
                .iter()
                .map(|column| part(column.id(), gathered.get(subject, *column)))
                .collect(),
            (Basis::Two { last, before }, _) => {
                let of = |window: &Gathered, suffix: &str| {
                    let named = |column: &Stored| {
                        part(&format!("{}{suffix}", column.id()), window.get(subject, *column))
                    };
                    window.columns().iter().map(named).collect::<Parts>()
                };
                [of(last, ""), of(before, "_before")].concat()
            }
            (Basis::Fans(fans), _) => {
                let [fans, new, gone] = fans.get(subject as usize).copied().flatten().unwrap_or_default();
                vec![part("anchor_fans", fans), part("new_fans", new), part("unfollows", gone)]
            }
            (Basis::Preference { pairs: cells, regions, categories, all }, _) => {
                let (region, category) = pairs.pairs[subject as usize];
                vec![
                    part("gmv_fen", cells.get(subject, Stored::GmvFen)),
                    part("orders", cells.get(subject, Stored::Orders)),
                    part("region_gmv_fen", regions.get(region, Stored::GmvFen)),
                    part("region_orders", regions.get(region, Stored::Orders)),
                    part("category_gmv_fen", categories.get(category, Stored::GmvFen)),
                    part("all_gmv_fen", *all),
                ]
            }
        }
    }
}

/// The points that an indicator gives, 0 to [`POINTS_MAX`].
fn points(indicator: &Indicator, gathered: &Gathered, subject: Symbol, length_ms: u64) -> u64 {
    let (value, full) = match indicator.value {
        IndicatorValue::Sum { of, full_per_day } => {
            let full = u128::from(full_per_day) * u128::from(length_ms) / u128::from(DAY_MS);
            (u128::from(gathered.get(subject, of)), full)
        }
        IndicatorValue::Peak { of, full } => (u128::from(gathered.get(subject, of)), u128::from(full)),
        IndicatorValue::Rate { of, per, full_permille } => {
            let per = u128::from(gathered.get(subject, per)) + u128::from(PRIOR);
            (u128::from(gathered.get(subject, of)) * 1_000, per * u128::from(full_permille))
        }
    };
    let full = full.max(1);
    let square = u128::from(POINTS_MAX * POINTS_MAX) * value.min(full) / full;
    square.isqrt() as u64
}
