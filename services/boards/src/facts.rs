//! What boards are made of, as it was at one cut.

use std::collections::BTreeMap;

use tandem_model::calendar::Span;
use tandem_model::catalogue::OVERFLOW;
use tandem_model::row::Attributes;
use tandem_model::{Breakdown, Calendar, Row, Table};

use crate::stretch::{Kind, Layout, Stretch};
use crate::symbols::{Symbol, Symbols};

/// What a session said of itself.
#[derive(Clone, Debug)]
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
    /// As the latest session by start calls them, and when that started.
    pub(crate) anchor_names: Vec<(u64, Box<str>)>,
    pub(crate) items: Symbols,
    /// Categories, types of content, regions, brands, merchants.
    pub(crate) words: Symbols,
    /// By session.
    pub(crate) known: Vec<Option<Known>>,
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

    /// Takes in what a session is now: its attributes, if it has told any, and the rows that changed.
    /// Rows of other tables are left aside.
    pub fn apply(&mut self, session_id: &str, attributes: Option<&Attributes>, rows: &[Row]) {
        let session = self.sessions.claim(session_id);
        if self.known.len() <= session as usize {
            self.known.resize(session as usize + 1, None);
        }
        if let Some(attributes) = attributes {
            let known = self.know(attributes);
            self.known[session as usize] = Some(known);
        }
        for row in rows {
            self.set(session, row);
        }
    }

    fn know(&mut self, attributes: &Attributes) -> Known {
        let anchor = self.anchors.claim(&attributes.anchor_id);
        if self.anchor_names.len() <= anchor as usize {
            self.anchor_names.resize(anchor as usize + 1, (0, "".into()));
        }
        let name = &mut self.anchor_names[anchor as usize];
        if attributes.started_at >= name.0 {
            *name = (attributes.started_at, attributes.anchor_name.as_str().into());
        }
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

    fn set(&mut self, session: Symbol, row: &Row) {
        let Table::Calendar(span) = row.key.table else { return };
        let (kind, key) = match row.key.breakdown {
            Breakdown::Room => (Kind::Room, 0),
            // What found no place under its own name is nobody.
            _ if &*row.key.key == OVERFLOW => return,
            Breakdown::Item => (Kind::Item, self.items.claim(&row.key.key)),
            Breakdown::Region => (Kind::Region, self.words.claim(&row.key.key)),
            _ => return,
        };
        let stretch = self.stretches[span as usize].entry(row.key.bucket).or_default();
        stretch.rows[kind as usize].set(session, key, &row.values, &self.layouts[kind as usize]);
    }

    /// The hours or days from `from` to `to`, each of which lies whole within.
    pub(crate) fn stretches(&self, span: Span, from: u64, to: u64) -> impl Iterator<Item = &Stretch> {
        let range = (from < to).then(|| self.stretches[span as usize].range(from..to));
        range.into_iter().flatten().map(|(_, stretch)| stretch)
    }

    /// The session with this number, if it has told what it is.
    pub(crate) fn known(&self, session: Symbol) -> Option<&Known> {
        self.known[session as usize].as_ref()
    }

    /// How many sessions and rows there are.
    pub fn size(&self) -> (usize, usize) {
        let stretches = self.stretches.iter().flat_map(BTreeMap::values);
        (self.sessions.len(), stretches.flat_map(|one| &one.rows).map(|rows| rows.owners.len()).sum())
    }
}
