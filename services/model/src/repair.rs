//! Orders to repair on their way: from an operator to the gateway, and from there to a query node
//! of the chain, which keeps them with the rows.
//!
//! All sides use these types, so none can drift.

use serde::{Deserialize, Serialize};

use crate::SessionId;
use crate::route::Chain;

/// Where a query node takes a [`RepairRequest`]; never reached from outside.
pub const PATH: &str = "/internal/v1/repairs";
/// Longest reason, in characters.
pub const REASON_CHARS_MAX: usize = 500;

/// What is to be computed again from the log: all of a chain, or less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepairRequest {
    /// The chain whose rows are wrong.
    pub chain: Chain,
    /// Only this partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Only this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Why, for people: 1 to [`REASON_CHARS_MAX`] characters.
    pub reason: String,
}

/// What was ordered: it begins within seconds, and goes on after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairOrdered {
    /// The chain.
    pub chain: Chain,
    /// The partitions it is about.
    pub partitions: Vec<u32>,
}

impl RepairRequest {
    /// Whether it can be an order.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for people.
    pub fn check(&self) -> Result<(), String> {
        let chars = self.reason.trim().chars().count();
        if !(1..=REASON_CHARS_MAX).contains(&chars) {
            return Err(format!("`reason` must have 1 to {REASON_CHARS_MAX} characters"));
        }
        if self.partition.is_some() && self.session_id.is_some() {
            return Err("name a partition or a session, not both".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_no_order_is_said() {
        let order = RepairRequest {
            chain: Chain::A,
            partition: None,
            session_id: None,
            reason: "x".repeat(REASON_CHARS_MAX),
        };
        assert_eq!(order.check(), Ok(()));
        for reason in [String::new(), " ".to_owned(), "错".repeat(REASON_CHARS_MAX + 1)] {
            assert!(RepairRequest { reason, ..order.clone() }.check().is_err());
        }
        let both = RepairRequest { partition: Some(1), session_id: SessionId::new("s"), ..order };
        assert!(both.check().is_err());
    }
}
