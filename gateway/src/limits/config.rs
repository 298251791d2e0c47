//! What can be set about limits, with defaults that stop abuse and nobody else.

use tandem_limits::{KEYS_MAX, LeaseSettings, RuleSet};

use crate::client_address::TrustedProxies;

/// The rules where no file says others.
const DEFAULT_RULES: &str = include_str!("default.toml");
/// Most hops through proxies that may be trusted.
const HOPS_MAX: usize = 16;

/// Who may ask how much, and how it is known who asks.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// The rules to begin with.
    pub rules: RuleSet,
    /// Most keys, addresses and tenants that are counted at one time; 33 bytes each, taken at the
    /// start. Default 131,072.
    pub keys: usize,
    /// Which proxies in front of the gateway are believed about addresses. Default none.
    pub trusted_proxies: TrustedProxies,
    /// How shared limits are used.
    pub leases: LeaseSettings,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            rules: RuleSet::parse(DEFAULT_RULES).expect("the default rules are tested"),
            keys: 131_072,
            trusted_proxies: TrustedProxies::None,
            leases: LeaseSettings::default(),
        }
    }
}

impl LimitsConfig {
    pub(crate) fn check(&self) -> Result<(), LimitsConfigError> {
        if !(1..=KEYS_MAX).contains(&self.keys) {
            return Err(LimitsConfigError::Keys);
        }
        match self.trusted_proxies {
            TrustedProxies::Hops(hops) if !(1..=HOPS_MAX).contains(&hops) => Err(LimitsConfigError::Hops),
            _ => Ok(()),
        }
    }
}

/// Why limits can't work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitsConfigError {
    /// None, or more than there is memory for.
    #[error("the limiter counts 1 to {KEYS_MAX} keys")]
    Keys,
    /// None, or absurd.
    #[error("1 to {HOPS_MAX} hops may be trusted")]
    Hops,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work_and_nonsense_does_not() {
        let good = LimitsConfig::default();
        assert_eq!(good.check(), Ok(()));
        assert!(good.rules.rules().iter().all(|ready| !ready.rule.shared), "one gateway needs no store");
        assert_eq!(LimitsConfig { keys: 0, ..good.clone() }.check(), Err(LimitsConfigError::Keys));
        for hops in [0, 17] {
            let trusted_proxies = TrustedProxies::Hops(hops);
            assert_eq!(
                LimitsConfig { trusted_proxies, ..good.clone() }.check(),
                Err(LimitsConfigError::Hops)
            );
        }
    }
}
