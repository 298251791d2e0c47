//! Which sessions count.

use crate::facts::{Facts, Known};
use crate::symbols::Symbol;

/// How large an anchor was at the session's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FanTier {
    /// Below 10,000 fans.
    Nano,
    /// From 10,000 on.
    Micro,
    /// From 100,000 on.
    Mid,
    /// From 1,000,000 on.
    Macro,
    /// From 10,000,000 on.
    Mega,
}

impl FanTier {
    /// All of them, smallest first.
    pub const ALL: [FanTier; 5] =
        [FanTier::Nano, FanTier::Micro, FanTier::Mid, FanTier::Macro, FanTier::Mega];

    /// The tier of so many fans.
    pub const fn of(fans: u64) -> Self {
        match fans {
            0..10_000 => FanTier::Nano,
            10_000..100_000 => FanTier::Micro,
            100_000..1_000_000 => FanTier::Mid,
            1_000_000..10_000_000 => FanTier::Macro,
            _ => FanTier::Mega,
        }
    }

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            FanTier::Nano => "nano",
            FanTier::Micro => "micro",
            FanTier::Mid => "mid",
            FanTier::Macro => "macro",
            FanTier::Mega => "mega",
        }
    }

    /// The tier with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }
}

/// Narrows the sessions that count; what is absent narrows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The session's category.
    pub category: Option<String>,
    /// The session's tier.
    pub fan_tier: Option<FanTier>,
    /// The session's type of content.
    pub content_type: Option<String>,
    /// The session's region.
    pub region: Option<String>,
}

impl Filter {
    /// Whether it lets everything through.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// The same in the numbers of `facts`; nothing where it names what no session has.
    pub(crate) fn ready(&self, facts: &Facts) -> Option<Ready> {
        let number = |name: &Option<String>| match name {
            None => Some(None),
            Some(name) => facts.words.find(name).map(Some),
        };
        Some(Ready {
            category: number(&self.category)?,
            content_type: number(&self.content_type)?,
            region: number(&self.region)?,
            fan_tier: self.fan_tier,
        })
    }
}

/// A filter in numbers.
#[derive(Clone, Copy)]
pub(crate) struct Ready {
    category: Option<Symbol>,
    content_type: Option<Symbol>,
    region: Option<Symbol>,
    fan_tier: Option<FanTier>,
}

impl Ready {
    /// Whether every session counts.
    pub(crate) const fn is_open(&self) -> bool {
        self.category.is_none()
            && self.content_type.is_none()
            && self.region.is_none()
            && self.fan_tier.is_none()
    }

    /// Whether a session counts. One that never said what it is counts where nothing is asked.
    pub(crate) fn lets(&self, known: Option<&Known>) -> bool {
        let Some(known) = known else {
            return self.is_open();
        };
        self.category.is_none_or(|category| category == known.category)
            && self.content_type.is_none_or(|content_type| content_type == known.content_type)
            && self.region.is_none_or(|region| region == known.region)
            && self.fan_tier.is_none_or(|tier| tier == FanTier::of(known.anchor_fans))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_begin_where_the_contract_says() {
        let tiers = [9_999, 10_000, 99_999, 100_000, 999_999, 1_000_000, 9_999_999, 10_000_000];
        let names = ["nano", "micro", "micro", "mid", "mid", "macro", "macro", "mega"];
        assert_eq!(tiers.map(|fans| FanTier::of(fans).name()), names);
        assert!(FanTier::ALL.iter().all(|tier| FanTier::from_name(tier.name()) == Some(*tier)));
    }
}
