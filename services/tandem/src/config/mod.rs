//! The configuration of roles that run against real backends.
//!
//! One TOML file can serve every role of a system: each reads the sections it needs. Variables of
//! the environment (`TANDEM__SECTION__OPTION`) say what differs from machine to machine. Nothing
//! is guessed: an unknown name, a wrong type or a number out of range is refused with its file,
//! line and column (or variable), and all that is wrong is said at once. Secrets never stand in
//! the file, only the names of files that hold them.
//!
//! | file | what |
//! |---|---|
//! | `option.rs` | what an option is |
//! | `sections.rs` `backends.rs` | all options there are: the one place that defines them |
//! | `load.rs` `value.rs` | file and environment to checked values |
//! | `scope.rs` `roles.rs` | what a role makes of them |
//! | `limits.rs` `shield.rs` | the files of rate limits, and of the shield's rules |
//! | `changes.rs` | what is different in a configuration that was read anew |
//! | `reference.rs` | the definitions, for people |

mod backends;
mod changes;
mod error;
mod limits;
mod load;
mod option;
mod reference;
mod roles;
mod scope;
mod sections;
mod shield;
mod value;

#[cfg(test)]
mod tests;

pub use changes::{Changes, Options};
pub use error::{ConfigError, Place, Wrong};
pub use limits::{RulesText, limit_rules};
pub use load::{Values, environment};
pub use option::Role;
pub use reference::{effective, reference};
pub use roles::{
    ComputeConfig, ControlConfig, ControlLink, CrawlersConfig, GatewayRoleConfig, MetronomeConfig,
    QueryConfig, RoleConfig, SchemaConfig, TlsConfig, VerifyConfig,
};
pub use shield::{shield_networks, shield_rules};
