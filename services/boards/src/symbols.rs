//! Names as numbers: dense, so that sums by subject are an array.

use std::sync::Arc;

use crate::Map;

/// The number of a name.
pub(crate) type Symbol = u32;

/// Names, numbered in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Symbols {
    numbers: Map<Arc<str>, Symbol>,
    names: Vec<Arc<str>>,
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
}
