//! Who goes before whom.

/// The class of a read, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Operators, and what the gateway itself must know: never waits, bounded only by the hard cap.
    Operator,
    /// Screens of sessions that are on air: reports, trends, the first read of a stream.
    Live,
    /// Every other read.
    Ordinary,
    /// Exports: large, and nobody looks at them while they come.
    Export,
    /// Whoever has not shown who he is.
    Unsigned,
}

impl Class {
    /// All of them, the most important first.
    pub const ALL: [Self; 5] = [Self::Operator, Self::Live, Self::Ordinary, Self::Export, Self::Unsigned];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Live => "live",
            Self::Ordinary => "ordinary",
            Self::Export => "export",
            Self::Unsigned => "unsigned",
        }
    }

    /// In how many seconds one of this class should try again that was sent away. `draw` is any
    /// number; those with different ones come back at different times.
    ///
    /// Screens come back soon: there are few of them and somebody looks at them. Exports can wait.
    pub const fn retry_after_s(self, draw: u64) -> u64 {
        let (least, span) = match self {
            Self::Operator => (1, 1),
            Self::Live => (1, 2),
            Self::Ordinary => (1, 4),
            Self::Export => (5, 11),
            Self::Unsigned => (2, 7),
        };
        least + draw % span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_sent_away_come_back_spread_and_screens_first() {
        let of = |class: Class| {
            let mut all: Vec<u64> = (0..1_000).map(|draw| class.retry_after_s(draw)).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        assert_eq!(of(Class::Live), [1, 2]);
        assert_eq!(of(Class::Ordinary), [1, 2, 3, 4]);
        assert_eq!(of(Class::Export), (5..=15).collect::<Vec<_>>());
        assert_eq!(of(Class::Unsigned), (2..=8).collect::<Vec<_>>());
        assert!(Class::ALL.is_sorted(), "the order of declaration is the order of importance");
    }
}
