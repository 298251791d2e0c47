//! The topic of summaries on a real Kafka, and what partner teams do with it: the samples of
//! `deploy/samples`, run as they are.

mod adapter;
mod asyncapi;
mod exactly_once;
mod partners;
mod python;
mod topic;

// The world of the publisher's own tests, on a real topic.
#[allow(dead_code, reason = "some of it is only for tests in memory")]
#[path = "../../../services/compute/tests/publish/chaos.rs"]
mod chaos;
#[allow(dead_code, reason = "some of it is only for tests in memory")]
#[path = "../../../services/compute/tests/publish/oracle.rs"]
mod oracle;
#[allow(dead_code, reason = "some of it is only for tests in memory")]
#[path = "../../../services/compute/tests/publish/world.rs"]
mod world;
