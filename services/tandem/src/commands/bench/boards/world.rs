//! Made-up rows: as many sessions as subjects.

use std::sync::Arc;

use tandem_boards::{Facts, FanTier, Filter};
use tandem_model::calendar::Span;
use tandem_model::catalogue::boards::Subject;
use tandem_model::catalogue::{Board, STORED};
use tandem_model::row::Attributes;
use tandem_model::{
    Breakdown, Calendar, Row, RowKey, SessionChange, SessionId, SessionRow, Stored, Table, Values,
};

/// An evening, in milliseconds.
const MOMENT: u64 = 1_732_190_400_000;
const CATEGORIES: u64 = 12;
const REGIONS: u64 = 40;

/// Rows, and what sessions say of themselves.
pub(super) struct World {
    pub(super) facts: Facts,
    /// The edition's.
    pub(super) moment: u64,
    subjects: u64,
    rows: u64,
}

impl World {
    pub(super) fn of(subjects: u64) -> Self {
        let mut world = Self { facts: Facts::new(Calendar::default()), moment: MOMENT, subjects, rows: 0 };
        for number in 0..subjects {
            world.facts.note(0, &session(number), &attributes(number));
            let rows = world.rows_of(number, 1);
            world.rows += rows.len() as u64;
            world.facts.apply(&session(number), &rows);
        }
        world
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// One session in `every` has sold more. Answers how many sessions and rows that are.
    pub(super) fn change(&mut self, every: u64) -> (u64, u64) {
        let (mut sessions, mut changed) = (0, 0);
        for number in (0..self.subjects).step_by(every as usize) {
            let rows = self.rows_of(number, 2);
            sessions += 1;
            changed += rows.len() as u64;
            self.facts.apply(&session(number), &rows);
        }
        (sessions, changed)
    }

    pub(super) fn subjects(&self) -> u64 {
        self.subjects
    }

    /// A session as a chain writes it, one in `every` having sold more.
    pub(super) fn session_change(&self, number: u64, every: u64) -> SessionChange {
        let factor = if number.is_multiple_of(every) { 2 } else { 1 };
        let session =
            SessionRow { attributes: Some(attributes(number)), offset: number, ..SessionRow::default() };
        let session_id = SessionId::new(&self::session(number)).expect("ids here are ids");
        SessionChange { session_id, session: Some(session), rows: self.rows_of(number, factor) }
    }

    /// One filter, and all four.
    pub(super) fn filters(&self) -> (Filter, Filter) {
        let Attributes { category, content_type, region, anchor_fans, .. } = attributes(0);
        let one = Filter { category: Some(category), ..Filter::default() };
        let all = Filter {
            content_type: Some(content_type),
            region: Some(region),
            fan_tier: Some(FanTier::of(anchor_fans)),
            ..one.clone()
        };
        (one, all)
    }

    /// Somebody who may be on the board.
    pub(super) fn somebody(&self, board: &Board, asked: u64) -> String {
        let number = scatter(asked) % self.subjects;
        let region = || region(scatter(number) % REGIONS);
        match board.subject {
            Subject::Session => session(number),
            Subject::Anchor => attributes(number).anchor_id,
            Subject::Item => item(number),
            Subject::Category => attributes(number).category,
            Subject::Brand => format!("brand-{}", number % 5_000),
            Subject::Merchant => format!("merchant-{}", number % 5_000),
            Subject::Region => region(),
            Subject::RegionCategory => format!("{}:{}", region(), attributes(number).category),
        }
    }

    /// Of the hour and the day, each as a whole, by item and by region.
    fn rows_of(&self, number: u64, factor: u64) -> Vec<Row> {
        let calendar = Calendar::default();
        let mut rows = Vec::new();
        for span in Span::ALL {
            let keys = [
                (Breakdown::Room, "room".to_owned()),
                (Breakdown::Item, item(number)),
                (Breakdown::Region, region(scatter(number) % REGIONS)),
            ];
            for (breakdown, key) in keys {
                let bucket = calendar.start(span, MOMENT - 1);
                let key = RowKey { table: Table::Calendar(span), breakdown, key: Arc::from(key), bucket };
                rows.push(Row { key, values: values(number, factor), offset: number });
            }
        }
        rows
    }
}

fn values(number: u64, factor: u64) -> Values {
    let mut values = [0; STORED];
    for (column, value) in (0..).zip(&mut values) {
        *value = 100 + factor * (scatter(number * STORED as u64 + column) % 1_000);
    }
    // Few have the same.
    values[Stored::GmvFen as usize] = 1 + factor * (scatter(number) % 100_000_000);
    values
}

fn attributes(number: u64) -> Attributes {
    Attributes {
        anchor_id: format!("anchor-{number}"),
        room_id: format!("room-{number}"),
        title: format!("Evening {number}"),
        category: format!("category-{}", number % CATEGORIES),
        anchor_name: format!("Anchor {number}"),
        anchor_fans: 10_u64.pow(3 + (number % 5) as u32),
        content_type: format!("type-{}", number % 6),
        region: region(number % REGIONS),
        merchant_id: Some(format!("merchant-{}", number % 5_000)),
        brand: Some(format!("brand-{}", number % 5_000)),
        started_at: MOMENT - 1 - number % 3_600_000,
    }
}

/// The id of a session.
pub(super) fn session(number: u64) -> String {
    format!("session-{number}")
}

fn item(number: u64) -> String {
    format!("item-{number}")
}

fn region(number: u64) -> String {
    format!("region-{number}")
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): numbers that look like chance.
pub(super) fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
