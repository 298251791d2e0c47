//! Names as numbers: dense, so that sums by subject are an array.

use std::sync::{Arc, OnceLock};

use crate::Map;

/// The number of a name.
pub(crate) type Symbol = u32;

/// Names, numbered in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Symbols {
    numbers: Map<Arc<str>, Symbol>,
    names: Vec<Arc<str>>,
    /// Worked out when somebody asks.
    order: OnceLock<Order>,
    /// Of fewer names: a beginning for the next one.
    order_before: Option<Order>,
}

/// The order of the names' bytes.
#[derive(Clone, Debug)]
struct Order {
    sorted: Vec<Symbol>,
    ranks: Arc<Vec<u32>>,
}

impl Symbols {
    /// The number of `name`, new if it is.
    pub(crate) fn claim(&mut self, name: &str) -> Symbol {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as Symbol;
        let name: Arc<str> = Arc::from(name);
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        if let Some(order) = self.order.take() {
            self.order_before = Some(order);
        }
        number
    }

    pub(crate) fn find(&self, name: &str) -> Option<Symbol> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn name(&self, number: Symbol) -> &Arc<str> {
        &self.names[number as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// By number: the name's place in the order of their bytes. Ties are many on boards, and to look at two
    /// names for each of them took most of the time with a million subjects.
    pub(crate) fn ranks(&self) -> Arc<Vec<u32>> {
        let order = self.order.get_or_init(|| {
            let mut sorted = self.order_before.as_ref().map_or_else(Vec::new, |before| before.sorted.clone());
            let name = |number: &Symbol| &self.names[*number as usize];
            sorted.extend(sorted.len() as Symbol..self.names.len() as Symbol);
            // What is sorted already is one run to this sort, which merges runs.
            sorted.sort_by(|left, right| name(left).cmp(name(right)));
            let mut ranks = vec![0; sorted.len()];
            (0..).zip(&sorted).for_each(|(rank, number)| ranks[*number as usize] = rank);
            Order { sorted, ranks: Arc::new(ranks) }
        });
        Arc::clone(&order.ranks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_order_of_bytes_also_when_names_come_later() {
        let mut symbols = Symbols::default();
        assert!(symbols.ranks().is_empty());
        for names in [&["b", "a", "冬", "a1"][..], &["", "Z", "b"], &["aa"]] {
            names.iter().for_each(|name| _ = symbols.claim(name));
            let ranks = symbols.ranks();
            let mut sorted: Vec<&str> = symbols.names.iter().map(|name| &**name).collect();
            sorted.sort_unstable();
            for (rank, name) in (0..).zip(sorted) {
                assert_eq!(ranks[symbols.find(name).expect("it is known") as usize], rank, "{name}");
            }
            assert_eq!(symbols.clone().ranks(), ranks);
        }
    }
}
