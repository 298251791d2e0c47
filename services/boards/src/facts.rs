//! What boards are made of: rows as they are at the newest cut, and what sessions said of themselves,
//! since when.

use std::collections::BTreeMap;

use tandem_model::calendar::Span;
use tandem_model::catalogue::OVERFLOW;
use tandem_model::row::Attributes;
use tandem_model::time::{FUTURE_MS, LATENESS_MS};
use tandem_model::{Breakdown, Calendar, Row, Table};

use crate::Map;
use crate::stretch::{Kind, Layout, Stretch};
use crate::symbols::{Symbol, Symbols};

/// What a session said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) anchor: Symbol,
    pub(crate) category: Symbol,
    pub(crate) content_type: Symbol,
    pub(crate) region: Symbol,
    pub(crate) brand: Option<Symbol>,
    pub(crate) merchant: Option<Symbol>,
    pub(crate) anchor_fans: u64,
    pub(crate) started_at: u64,
    pub(crate) title: Box<str>,
}

/// The sessions, and their rows of hours and days.
#[derive(Clone, Debug)]
pub struct Facts {
    pub(crate) calendar: Calendar,
    pub(crate) layouts: [Layout; Kind::ALL.len()],
    pub(crate) sessions: Symbols,
    pub(crate) anchors: Symbols,
    /// By anchor.
    anchor_names: Vec<Vec<Named>>,
    pub(crate) items: Symbols,
    /// Categories, types of content, regions, brands, merchants.
    pub(crate) words: Symbols,
    /// By session: since which slot, and what; ascending.
    known: Vec<Vec<(u64, Known)>>,
    stretches: [BTreeMap<u64, Stretch>; Span::ALL.len()],
}

impl Facts {
    /// Nothing yet, of a log whose hours and days are those of `calendar`.
    pub fn new(calendar: Calendar) -> Self {
        Self {
            calendar,
            layouts: Kind::ALL.map(Layout::of),
            sessions: Symbols::default(),
            anchors: Symbols::default(),
            anchor_names: Vec::new(),
            items: Symbols::default(),
            words: Symbols::default(),
            known: Vec::new(),
            stretches: Default::default(),
        }
    }

    /// A session says this of itself since the cut of `slot`, in milliseconds. Of one session these
    /// come in order; the same once more changes nothing.
    pub fn note(&mut self, slot: u64, session_id: &str, attributes: &Attributes) {
        let session = self.claim(session_id) as usize;
        let known = self.know(attributes);
        self.note_name(slot, known.anchor, attributes);
        let history = &mut self.known[session];
        let is_new = history.last().is_none_or(|(since, last)| *since <= slot && *last != known);
        if is_new {
            history.push((slot, known));
        }
    }

    /// A session's rows that changed, as they are now. Rows of other tables are left aside.
    pub fn apply(&mut self, session_id: &str, rows: &[Row]) {
        let session = self.claim(session_id);
        for row in rows {
            if let Some((span, kind, key)) = self.place(row) {
                let stretch = self.stretches[span as usize].entry(row.key.bucket).or_default();
                stretch.rows[kind as usize].set(session, key, &row.values, &self.layouts[kind as usize]);
            }
        }
    }

    /// The same for a moment that is past.
    pub fn apply_past(&mut self, past: &mut Past, session_id: &str, rows: &[Row]) {
        let session = self.claim(session_id);
        for row in rows {
            if let Some((span, kind, key)) = self.place(row)
                && row.key.bucket >= past.from[span as usize]
            {
                let stretch = past.stretches[span as usize].entry(row.key.bucket).or_default();
                stretch.rows[kind as usize].set(session, key, &row.values, &self.layouts[kind as usize]);
            }
        }
    }

    /// A session as it was at another time: what it said of itself then, if it did, and all its rows of hours
    /// and days, which stand for those there are.
    pub fn replace(
        &mut self,
        replaced: &mut Replaced,
        session_id: &str,
        attributes: Option<&Attributes>,
        rows: &[Row],
    ) {
        let session = self.claim(session_id);
        let known = attributes.map(|attributes| self.know(attributes));
        replaced.sessions.insert(session, known);
        for row in rows {
            if let Some((span, kind, key)) = self.place(row) {
                let stretch = replaced.stretches[span as usize].entry(row.key.bucket).or_default();
                stretch.rows[kind as usize].set(session, key, &row.values, &self.layouts[kind as usize]);
            }
        }
    }

    /// As it was at the newest cut, of `slot`; or, with `past`, at that one.
    pub const fn at<'f>(&'f self, slot: u64, past: Option<&'f Past>) -> View<'f> {
        View { facts: self, slot, past, replaced: None }
    }

    fn claim(&mut self, session_id: &str) -> Symbol {
        let session = self.sessions.claim(session_id);
        if self.known.len() <= session as usize {
            self.known.resize(session as usize + 1, Vec::new());
        }
        session
    }

    /// An anchor is called so since the cut of `slot`.
    fn note_name(&mut self, slot: u64, anchor: Symbol, attributes: &Attributes) {
        if self.anchor_names.len() <= anchor as usize {
            self.anchor_names.resize(anchor as usize + 1, Vec::new());
        }
        let names = &mut self.anchor_names[anchor as usize];
        let name = attributes.anchor_name.as_str();
        // What is overtaken at once is never shown.
        let is_new =
            |one: &Named| one.since > slot || one.started_at < attributes.started_at || *one.name != *name;
        if names.last().is_none_or(is_new) {
            names.push(Named { since: slot, started_at: attributes.started_at, name: name.into() });
        }
    }

    fn know(&mut self, attributes: &Attributes) -> Known {
        let anchor = self.anchors.claim(&attributes.anchor_id);
        Known {
            anchor,
            category: self.words.claim(&attributes.category),
            content_type: self.words.claim(&attributes.content_type),
            region: self.words.claim(&attributes.region),
            brand: attributes.brand.as_deref().map(|brand| self.words.claim(brand)),
            merchant: attributes.merchant_id.as_deref().map(|merchant| self.words.claim(merchant)),
            anchor_fans: attributes.anchor_fans,
            started_at: attributes.started_at,
            title: attributes.title.as_str().into(),
        }
    }

    /// Where a row stands, if boards have a place for it.
    fn place(&mut self, row: &Row) -> Option<(Span, Kind, Symbol)> {
        let Table::Calendar(span) = row.key.table else { return None };
        match row.key.breakdown {
            Breakdown::Room => Some((span, Kind::Room, 0)),
            // What found no place under its own name is nobody.
            _ if &*row.key.key == OVERFLOW => None,
            Breakdown::Item => Some((span, Kind::Item, self.items.claim(&row.key.key))),
            Breakdown::Region => Some((span, Kind::Region, self.words.claim(&row.key.key))),
            _ => None,
        }
    }

    /// What an anchor is called at the cut of `slot`: as the latest of their sessions by start says.
    pub(crate) fn anchor_name(&self, anchor: Symbol, slot: u64) -> Option<&str> {
        let names = self.anchor_names.get(anchor as usize)?.iter().filter(|one| one.since <= slot);
        names.max_by_key(|one| (one.started_at, &one.name)).map(|one| &*one.name)
    }

    /// What a session says of itself at the cut of `slot`.
    pub(crate) fn known(&self, session: Symbol, slot: u64) -> Option<&Known> {
        let history = self.known.get(session as usize)?;
        // Nearly always one.
        history.iter().rev().find(|(since, _)| *since <= slot).map(|(_, known)| known)
    }

    /// How many sessions and rows there are.
    pub fn size(&self) -> (usize, usize) {
        let stretches = self.stretches.iter().flat_map(BTreeMap::values);
        (self.sessions.len(), stretches.flat_map(|one| &one.rows).map(|rows| rows.owners.len()).sum())
    }
}

/// What a session called its anchor.
#[derive(Clone, Debug)]
struct Named {
    /// Since the cut of this slot.
    since: u64,
    /// When the session started.
    started_at: u64,
    name: Box<str>,
}

/// Hours and days that still changed at a moment that is past, as they were then.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Hours, and days, from these starts on.
    from: [u64; Span::ALL.len()],
    stretches: [BTreeMap<u64, Stretch>; Span::ALL.len()],
}

impl Past {
    /// Nothing yet, of the hours and days that were not closed at the cut of `slot`, in milliseconds.
    pub fn at(calendar: &Calendar, slot: u64) -> Self {
        // What ends after this still takes events.
        let open = slot.saturating_sub(LATENESS_MS);
        Self { from: Span::ALL.map(|span| calendar.start(span, open)), stretches: Default::default() }
    }

    /// From which moment of the log's clock on its rows may have changed, in milliseconds.
    pub fn begins_at(&self) -> u64 {
        let [hour, day] = self.from;
        hour.min(day).saturating_sub(FUTURE_MS)
    }
}

/// Some sessions as they were at another time.
#[derive(Clone, Debug, Default)]
pub struct Replaced {
    /// With what they said of themselves.
    sessions: Map<Symbol, Option<Known>>,
    stretches: [BTreeMap<u64, Stretch>; Span::ALL.len()],
}

/// What boards are made of, as it was at one cut.
#[derive(Clone, Copy)]
pub struct View<'f> {
    pub(crate) facts: &'f Facts,
    pub(crate) slot: u64,
    past: Option<&'f Past>,
    replaced: Option<&'f Replaced>,
}

/// The rows of one hour or day, as far as they count.
#[derive(Clone, Copy)]
pub(crate) struct Layer<'f> {
    pub(crate) stretch: &'f Stretch,
    /// Whose rows stand in another layer.
    hidden: Option<&'f Map<Symbol, Option<Known>>>,
}

impl Layer<'_> {
    /// Whether rows of this session count.
    pub(crate) fn shows(&self, session: Symbol) -> bool {
        self.hidden.is_none_or(|hidden| !hidden.contains_key(&session))
    }
}

impl<'f> View<'f> {
    /// The same with these sessions as they were at another time.
    #[must_use]
    pub const fn with(self, replaced: Option<&'f Replaced>) -> Self {
        Self { replaced, ..self }
    }

    /// The hours or days from `from` to `to`, each of which lies whole within.
    pub(crate) fn layers(&self, span: Span, from: u64, to: u64) -> impl Iterator<Item = Layer<'f>> + use<'f> {
        let change = self.past.map_or(u64::MAX, |past| past.from[span as usize]);
        let range = |stretches: &'f BTreeMap<u64, Stretch>, from: u64, to: u64| {
            let range = (from < to).then(|| stretches.range(from..to));
            range.into_iter().flatten().map(|(_, stretch)| stretch)
        };
        let settled = range(&self.facts.stretches[span as usize], from, to.min(change));
        let past = self.past.map(|past| range(&past.stretches[span as usize], from.max(change), to));
        let hidden = self.replaced.map(|replaced| &replaced.sessions);
        let usual = settled.chain(past.into_iter().flatten());
        let usual = usual.map(move |stretch| Layer { stretch, hidden });
        let replaced = self.replaced.map(|replaced| range(&replaced.stretches[span as usize], from, to));
        usual.chain(replaced.into_iter().flatten().map(|stretch| Layer { stretch, hidden: None }))
    }

    /// The session with this number, if it had told what it is.
    pub(crate) fn known(&self, session: Symbol) -> Option<&'f Known> {
        match self.replaced.and_then(|replaced| replaced.sessions.get(&session)) {
            Some(known) => known.as_ref(),
            None => self.facts.known(session, self.slot),
        }
    }

    /// All sessions that had.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = (Symbol, &'f Known)> + use<'f> {
        let view = *self;
        (0..self.facts.sessions.len() as Symbol)
            .filter_map(move |session| Some((session, view.known(session)?)))
    }
}
