//! What operators ask of the control group: switch, drain, freeze, history, members.

mod link;
pub mod members;
mod shown;
pub mod switch;

use tandem_control::Order;
use tandem_failover::Action;
use tandem_model::route::Chain;

use super::role::chain;
use crate::failure::Failure;
use crate::terminal::say;

pub use link::Link;

/// What an order without judgement takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Why, for people who read the history; 1 to 500 characters
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    link: Link,
}

/// The same for one chain.
#[derive(Debug, clap::Args)]
pub struct ChainArgs {
    /// Which chain
    #[arg(value_name = "a|b", value_parser = chain)]
    chain: Chain,
    #[command(flatten)]
    args: Args,
}

/// Who acts.
#[derive(Debug, clap::Args)]
pub struct By {
    /// Who you are, for people who read the history
    #[arg(long, value_name = "NAME", env = "USER", default_value = tandem_control::wire::OPERATOR)]
    by: String,
}

/// What `tandem history` takes.
#[derive(Debug, clap::Args)]
pub struct HistoryArgs {
    /// How many decisions, the newest ones
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    link: Link,
}

/// Orders what concerns a chain.
///
/// # Errors
///
/// When rules stand against it, or no control node can be asked.
pub async fn of_chain(args: ChainArgs, action: fn(Chain) -> Action) -> Result<(), Failure> {
    decide(args.args, action(args.chain)).await
}

/// Orders what concerns the whole group.
///
/// # Errors
///
/// When rules stand against it, or no control node can be asked.
pub async fn decide(args: Args, action: Action) -> Result<(), Failure> {
    let control = args.link.client().await?;
    let words = shown::action(&action);
    let order = Order::Decide { by: args.by.by, reason: args.reason, action };
    let ordered = control.order(&order, false).await.map_err(link::failed)?;
    match &ordered.decision {
        Some(_) => say(format_args!("Decided: {words}. {}", shown::route(&ordered.route))),
        None => say(format_args!("It is so already: {words}. {}", shown::route(&ordered.route))),
    }
    Ok(())
}

/// Shows what was decided, by whom and why.
///
/// # Errors
///
/// When no control node can be asked, or no majority of them answers.
pub async fn history(args: HistoryArgs) -> Result<(), Failure> {
    let state = args.link.client().await?.state(args.limit, false).await.map_err(link::failed)?;
    say(shown::history(&state));
    Ok(())
}
