//! Logs that go to the edges of the rules.
