//! Mistakes that the simulation must find: each one is built in on request, at the place where
//! somebody could really make it.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Votes and entries are sent before they are synced: a crash loses the last ones.
    DiskNotSynced,
    /// A publisher does not look at the epoch of the last marker.
    EpochCheckLeftOut,
    /// A gateway does not hold a hedge's answer against the token.
    TokenIgnoredOnHedge,
    /// No cool-down between switches, and no slow return: what the judge proposes is held to the
    /// rules of a planned switch.
    CoolDownDropped,
    /// The newest digests of both chains are compared, whatever their beats.
    BeatsMixedUp,
    /// A node tells the chain on its own side as active while it leads the group, rather than what
    /// was decided.
    RoleFromLeadership,
    /// A leader answers reads from what it has, without asking a majority whether it still leads.
    LeaseReads,
    /// A gateway starts with the first route rather than with the one that it remembers.
    RouteForgotten,
    /// A gateway asks a chain, and lets its answers through, in spite of its quarantine.
    QuarantineIgnored,
    /// Whoever observes tells the first control node only, whoever leads.
    ReportsToOneNode,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 10] = [
        Mutant::DiskNotSynced,
        Mutant::EpochCheckLeftOut,
        Mutant::TokenIgnoredOnHedge,
        Mutant::CoolDownDropped,
        Mutant::BeatsMixedUp,
        Mutant::RoleFromLeadership,
        Mutant::LeaseReads,
        Mutant::RouteForgotten,
        Mutant::QuarantineIgnored,
        Mutant::ReportsToOneNode,
    ];
}
