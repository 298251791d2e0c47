//! The program. It reads as a story: take the arguments, log to stderr, run the command, say in
//! one sentence what went wrong, if anything did. Everything else is in the library beside it.

use std::process::ExitCode;

use clap::Parser;
use tandem::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tandem::logging::start(cli.command.is_drill());
    match tandem::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tandem::terminal::complain(&failure);
            failure.exit_code()
        }
    }
}
