//! The shelf of a broadcast: what is for sale, and what is being talked about.

use rand::Rng;
use rand::rngs::SmallRng;

use super::MINUTE_MS;
use super::cast::Studio;

/// How long an explained item pulls people to it, in milliseconds.
const EXPLAIN_MS: u64 = MINUTE_MS + MINUTE_MS / 2;
/// How long a flash sale lasts, in milliseconds.
const FLASH_MS: u64 = 2 * MINUTE_MS;

/// An item for sale.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) item_id: String,
    pub(super) title: &'static str,
    pub(super) price_fen: u64,
    pub(super) is_presale: bool,
    pub(super) is_listed: bool,
}

/// All items of a broadcast.
pub(super) struct Shelf {
    items: Vec<Item>,
    next_explained: usize,
    explained: Option<(usize, u64)>,
    flash_until_ms: u64,
}

impl Shelf {
    /// The studio's items, none of them listed yet.
    pub(super) fn new(studio: &Studio) -> Self {
        let items = studio.items.iter().enumerate().map(|(index, (title, price_fen, is_presale))| Item {
            item_id: format!("{}-item-{}", studio.room_id, index + 1),
            title,
            price_fen: *price_fen,
            is_presale: *is_presale,
            is_listed: false,
        });
        Self { items: items.collect(), next_explained: 0, explained: None, flash_until_ms: 0 }
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Lists or delists an item; nothing if there is no such item or it is so already.
    pub(super) fn set_listed(&mut self, index: usize, is_listed: bool) -> Option<&Item> {
        let item = self.items.get_mut(index).filter(|item| item.is_listed != is_listed)?;
        item.is_listed = is_listed;
        Some(item)
    }

    /// Goes on to explain the next listed item.
    pub(super) fn explain_next(&mut self, now_ms: u64) -> Option<(usize, &Item)> {
        let count = self.items.len();
        let next = (self.next_explained..self.next_explained + count).map(|index| index % count);
        let index = next.into_iter().find(|index| self.items[*index].is_listed)?;
        self.next_explained = index + 1;
        self.explained = Some((index, now_ms + EXPLAIN_MS));
        Some((index, &self.items[index]))
    }

    /// Everything at a lower price for a short time.
    pub(super) fn start_flash_sale(&mut self, now_ms: u64) {
        self.flash_until_ms = now_ms + FLASH_MS;
    }

    /// Whether a flash sale is on.
    pub(super) fn is_flash_sale(&self, now_ms: u64) -> bool {
        now_ms < self.flash_until_ms
    }

    /// The item that is being explained.
    pub(super) fn explained(&self, now_ms: u64) -> Option<usize> {
        self.explained.filter(|(_, until_ms)| now_ms < *until_ms).map(|(index, _)| index)
    }

    /// An item somebody looks at: mostly the explained one, else any that is listed.
    pub(super) fn pick(&self, now_ms: u64, random: &mut SmallRng) -> Option<usize> {
        if let Some(explained) = self.explained(now_ms)
            && random.random_bool(0.6)
        {
            return Some(explained);
        }
        let listed = || (0..self.items.len()).filter(|index| self.items[*index].is_listed);
        let count = listed().count();
        if count == 0 { None } else { listed().nth(random.random_range(0..count)) }
    }

    /// The item at `index`.
    pub(super) fn item(&self, index: usize) -> Option<&Item> {
        self.items.get(index)
    }

    /// What `quantity` of an item cost now, in fen: less in a flash sale, a tenth as a deposit.
    pub(super) fn amount_fen(&self, item: &Item, quantity: u64, now_ms: u64) -> u64 {
        let price = if self.is_flash_sale(now_ms) { item.price_fen * 7 / 10 } else { item.price_fen };
        if item.is_presale { price / 10 * quantity } else { price * quantity }
    }
}
