//! What a command ends with when it does not end well: a sentence and an exit code.

use std::fmt;
use std::process::ExitCode;

/// A failed command. The exit codes are part of the outside contract, section 6.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    error: anyhow::Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failed,
    Usage,
    Configuration,
}

impl Failure {
    /// It did not hold, or could not be done: exit code 1.
    pub fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self { kind: Kind::Failed, error: error.into() }
    }

    /// The command line asks for something that can't be: exit code 2, as for unknown options.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { kind: Kind::Usage, error: error.into() }
    }

    /// The surroundings are not as they must be (key, port, data directory): exit code 64.
    pub fn configuration(error: impl Into<anyhow::Error>) -> Self {
        Self { kind: Kind::Configuration, error: error.into() }
    }

    /// The same failure, with what was being done in front of it.
    #[must_use]
    pub fn context(self, doing: impl fmt::Display + Send + Sync + 'static) -> Self {
        Self { kind: self.kind, error: self.error.context(doing) }
    }

    /// The code the process ends with.
    pub const fn code(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Configuration => 64,
        }
    }

    /// [`Failure::code`] for `main`.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

/// Whatever has no better code did not hold.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The whole chain, outermost first: each part says only its own.
        write!(formatter, "{:#}", self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_contract_and_the_chain_is_one_sentence() {
        let error = || anyhow::anyhow!("port 8080 is taken").context("can't listen");
        assert_eq!(Failure::failed(error()).code(), 1);
        assert_eq!(Failure::usage(error()).code(), 2);
        assert_eq!(Failure::configuration(error()).code(), 64);
        assert_eq!(Failure::failed(error()).to_string(), "can't listen: port 8080 is taken");
    }
}
