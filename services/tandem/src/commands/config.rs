//! `tandem config`: look at a configuration before something runs with it.

use tandem_model::route::Chain;

use super::role::{ChainOption, ConfigFile};
use crate::config::{Role, Values, effective, environment, reference};
use crate::failure::Failure;
use crate::terminal::say;

/// What `tandem config` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Check a file and the environment, without asking any backend
    #[command(long_about = "\
Check a file and the variables of the environment, without asking any backend. Everything that is \
wrong is named with file, line and column (or variable). Exit code 64 if anything is.

Without --role: names, types and ranges. With --role: also that nothing is missing for that role, \
and that its secrets can be read.")]
    Check(CheckArgs),
    /// Print every option with default, unit and meaning, as a commented file
    Reference(ReferenceArgs),
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Role to check for
    #[arg(long, value_enum)]
    role: Option<Role>,
    #[command(flatten)]
    chain: ChainOption,
    /// Print the options in force for the role and who says so; secrets are not shown
    #[arg(long, requires = "role")]
    show: bool,
}

#[derive(Debug, clap::Args)]
struct ReferenceArgs {
    /// Only what this role reads
    #[arg(long, value_enum)]
    role: Option<Role>,
}

/// Checks or prints.
///
/// # Errors
///
/// Whatever is wrong with the file.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::Reference(args) => say(reference(args.role).trim_end()),
        What::Check(args) => check(&args)?,
    }
    Ok(())
}

fn check(args: &CheckArgs) -> Result<(), Failure> {
    let file = &args.file.config;
    let values = Values::load(file, environment()).map_err(Failure::configuration)?;
    let Some(role) = args.role else {
        say(format_args!(
            "{}: names, types and ranges are right; --role checks one role's needs",
            file.display()
        ));
        return Ok(());
    };
    let chain = values.chain_for(role, args.chain.chain).map_err(Failure::configuration)?;
    values.of(role, chain).map_err(Failure::configuration)?;
    if args.show {
        say(effective(&values, role, chain).trim_end());
    }
    say(format_args!("{}: good for {}", file.display(), named(role, chain)));
    Ok(())
}

fn named(role: Role, chain: Option<Chain>) -> String {
    chain.map_or_else(|| role.to_string(), |chain| format!("{role} of chain {chain}"))
}
