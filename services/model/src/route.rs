//! Which chain serves.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the two complete chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chain {
    /// Chain a.
    A,
    /// Chain b.
    B,
}

impl Chain {
    /// Both chains.
    pub const ALL: [Chain; 2] = [Chain::A, Chain::B];

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Chain::A => Chain::B,
            Chain::B => Chain::A,
        }
    }

    /// Its name in the API: `a` or `b`.
    pub const fn name(self) -> &'static str {
        match self {
            Chain::A => "a",
            Chain::B => "b",
        }
    }

    /// The chain with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chain| chain.name() == name)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A decision of the control group: from `epoch` on, reads go to `active`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The chain that serves.
    pub active: Chain,
    /// Rises by one with every decision; the first is 1.
    pub epoch: u64,
    /// Why it was decided, for people.
    pub reason: String,
}

/// What of a route is told along with requests and answers, so that everybody hears of a new one:
/// which chain, since which epoch. As text `7:a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signpost {
    /// The chain that serves.
    pub active: Chain,
    /// Of the decision; from 1 to [`EPOCH_MAX`].
    pub epoch: u64,
}

/// No epoch is higher: one that is was made up.
pub const EPOCH_MAX: u64 = (1 << 53) - 1;

impl Signpost {
    /// Reads the text form; nothing where it isn't one.
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, chain) = text.split_once(':')?;
        // Sixteen digits hold every epoch; `parse` alone would take a plus sign, too.
        if epoch.len() > 16 || !epoch.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let epoch = epoch.parse().ok().filter(|epoch| (1..=EPOCH_MAX).contains(epoch))?;
        Some(Self { active: Chain::from_name(chain)?, epoch })
    }
}

impl fmt::Display for Signpost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.epoch, self.active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signposts_are_read_back_and_nonsense_is_not() {
        for signpost in
            [Signpost { active: Chain::A, epoch: 1 }, Signpost { active: Chain::B, epoch: EPOCH_MAX }]
        {
            assert_eq!(Signpost::parse(&signpost.to_string()), Some(signpost));
        }
        let long = "1".repeat(10_000) + ":a";
        for text in [
            "",
            ":",
            "7",
            "7:",
            ":a",
            "7:c",
            "7:A",
            "0:a",
            "-1:a",
            "+1:a",
            "7:a ",
            " 7:a",
            "9007199254740992:a",
            &long,
        ] {
            assert_eq!(Signpost::parse(text), None, "{text}");
        }
    }
}
