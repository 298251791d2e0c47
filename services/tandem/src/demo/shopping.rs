//! What viewers do with items: see, click, put into the cart, pay; and what comes of it later.

use rand::Rng;
use tandem_model::event::EventType;

use super::broadcast::{Broadcast, Step};
use super::delivery::Delivery;
use super::viewer::Kind;
use super::{MINUTE_MS, SECOND_MS};

/// Something that was paid and has a sequel.
#[derive(Clone, Debug)]
pub(super) struct Purchase {
    user_id: String,
    order_id: String,
    item_id: String,
    amount_fen: u64,
    sequel: Sequel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sequel {
    Refund,
    Balance,
}

impl Broadcast {
    /// An item comes into view; some click it, more while it is explained.
    pub(super) fn seen(&mut self, now_ms: u64, visit: u64, item: usize, delivery: &mut Delivery) {
        let Some(item_id) = self.item_id(item) else { return };
        self.tell(now_ms, visit, EventType::ItemExposure, delivery, |line, _| line.text("item_id", &item_id));
        let percent = if self.shelf.explained(now_ms) == Some(item) { 24 } else { 11 };
        if self.random.random_ratio(percent, 100) {
            let after_ms = self.random.random_range(SECOND_MS..8 * SECOND_MS);
            self.after(now_ms, after_ms, Step::Click(visit, item));
        }
    }

    /// A click: some put it into the cart, some buy at once, most do neither. Programs never buy.
    pub(super) fn click(&mut self, now_ms: u64, visit: u64, item: usize, delivery: &mut Delivery) {
        let Some(item_id) = self.item_id(item) else { return };
        self.tell(now_ms, visit, EventType::ItemClick, delivery, |line, _| line.text("item_id", &item_id));
        if self.present.get(&visit).is_none_or(|viewer| viewer.kind == Kind::Bot) {
            return;
        }
        if self.random.random_ratio(28, 100) {
            let pause_ms = self.pause_ms();
            self.after(now_ms, pause_ms, Step::Cart(visit, item));
        }
        let percent = if self.shelf.is_flash_sale(now_ms) { 30 } else { 9 };
        if self.random.random_ratio(percent, 100) {
            let pause_ms = self.pause_ms() + 2 * SECOND_MS;
            self.after(now_ms, pause_ms, Step::Order(visit, item));
        }
    }

    pub(super) fn cart(&mut self, now_ms: u64, visit: u64, item: usize, delivery: &mut Delivery) {
        let Some(item_id) = self.item_id(item) else { return };
        self.tell(now_ms, visit, EventType::CartAdd, delivery, |line, _| line.text("item_id", &item_id));
    }

    /// An order is paid, or a deposit where the item is sold ahead.
    pub(super) fn order(&mut self, now_ms: u64, visit: u64, item: usize, delivery: &mut Delivery) {
        let Some(item) = self.shelf.item(item).cloned() else { return };
        let Some(viewer) = self.present.get(&visit).cloned() else { return };
        let quantity = if self.random.random_ratio(15, 100) { self.random.random_range(2..4) } else { 1 };
        let amount_fen = self.shelf.amount_fen(&item, quantity, now_ms);
        let order_id = format!("{}-o{}-{}", self.session_id, visit, now_ms % MINUTE_MS);
        let event_type = if item.is_presale { EventType::PresaleDeposit } else { EventType::OrderPaid };
        self.tell(now_ms, visit, event_type, delivery, |line, _| {
            let line = line.text("item_id", &item.item_id).text("order_id", &order_id);
            let line = line.int("amount_fen", amount_fen);
            if item.is_presale { line } else { line.int("quantity", quantity) }
        });
        let (sequel, percent, amount_fen) = match item.is_presale {
            true => (Sequel::Balance, 45, amount_fen * 9),
            false => (Sequel::Refund, 7, amount_fen),
        };
        if self.random.random_ratio(percent, 100) {
            let (user_id, item_id) = (viewer.user_id, item.item_id);
            let purchase = Purchase { user_id, order_id, item_id, amount_fen, sequel };
            let after_ms = self.random.random_range(MINUTE_MS..8 * MINUTE_MS);
            self.after(now_ms, after_ms, Step::FollowUp(Box::new(purchase)));
        }
    }

    /// Money comes back, or the rest is paid; the buyer need not be there any more.
    pub(super) fn follow_up(&mut self, now_ms: u64, purchase: Purchase, delivery: &mut Delivery) {
        let event_type = match purchase.sequel {
            Sequel::Refund => EventType::OrderRefunded,
            Sequel::Balance => EventType::PresaleBalance,
        };
        let line = self
            .line(event_type, now_ms)
            .text("user_id", &purchase.user_id)
            .text("item_id", &purchase.item_id)
            .text("order_id", &purchase.order_id)
            .int("amount_fen", purchase.amount_fen);
        delivery.send(now_ms, line.finish(), &mut self.random);
    }

    fn item_id(&self, item: usize) -> Option<String> {
        self.shelf.item(item).map(|item| item.item_id.clone())
    }

    fn pause_ms(&mut self) -> u64 {
        self.random.random_range(SECOND_MS..20 * SECOND_MS)
    }
}
