//! `tandem shield`: why a request was met as it was, and the rules.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde::Deserialize;
use tandem_shield::Lists;

use crate::cli::Connection;
use crate::config::{shield_networks, shield_rules};
use crate::failure::Failure;
use crate::terminal::{say, utc};

/// What `tandem shield` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Say why a request was met as it was
    Explain {
        /// The Tandem-Request-Id of its answer
        request_id: String,
        #[command(flatten)]
        connection: Connection,
    },
    /// Show the rules that come with the gateway; a file of one's own needs to say what differs
    Rules,
    /// Say whether a file of rules, or one of networks, is right
    Check {
        /// The file of rules
        #[arg(required_unless_present = "networks")]
        file: Option<PathBuf>,
        /// A file of networks
        #[arg(long, value_name = "FILE")]
        networks: Option<PathBuf>,
    },
}

#[derive(Deserialize)]
struct Verdict {
    at_ms: u64,
    address: String,
    caller: String,
    credential: Option<String>,
    tenant: Option<String>,
    method: String,
    path: String,
    action: String,
    would_be: String,
    enforced: bool,
    score: u16,
    reasons: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    rule: String,
    points: i16,
    observed: bool,
    evidence: String,
}

/// Explains a verdict, shows the rules, or checks a file of them.
///
/// # Errors
///
/// When the server can't be asked, remembers no such verdict, or a file is wrong.
pub async fn run(args: Args) -> Result<(), Failure> {
    match args.action {
        Action::Explain { request_id, connection } => explain(&request_id, &connection).await,
        Action::Rules => {
            say(format_args!("{}", tandem_shield::DEFAULT_RULES.trim_end()));
            Ok(())
        }
        Action::Check { file, networks } => check(file.as_deref(), networks.as_deref()),
    }
}

fn check(rules: Option<&Path>, networks: Option<&Path>) -> Result<(), Failure> {
    if let Some(file) = rules {
        shield_rules(file).map_err(|error| wrong(file, &error))?;
        say(format_args!("{}: these rules are right", file.display()));
    }
    if let Some(file) = networks {
        let (_, lists) = shield_networks(file).map_err(|error| wrong(file, &error))?;
        let Lists { verified, blocked } = &lists;
        let (verified, blocked) = (verified.len(), blocked.len());
        say(format_args!("{}: right: {verified} networks of crawlers, {blocked} blocked", file.display()));
    }
    Ok(())
}

fn wrong(file: &Path, error: &str) -> Failure {
    Failure::configuration(anyhow!("{}: {error}", file.display()))
}

async fn explain(request_id: &str, connection: &Connection) -> Result<(), Failure> {
    let client = connection.client()?;
    if !client.has_key() {
        return Err(Failure::configuration(anyhow!(
            "only operators learn about verdicts: set TANDEM_KEY to the operator's key"
        )));
    }
    if request_id.is_empty() || !request_id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Err(Failure::configuration(anyhow!(
            "a request id has digits, letters from a to f and a dash: copy it from the header Tandem-Request-Id"
        )));
    }
    let path = format!("/v1/shield/verdicts/{request_id}");
    let verdict: Verdict = client.get_json(&path, &[]).await.map_err(Failure::failed)?;
    for line in lines(&verdict) {
        say(format_args!("{line}"));
    }
    Ok(())
}

fn lines(verdict: &Verdict) -> Vec<String> {
    let Verdict { at_ms, address, caller, method, path, action, would_be, score, .. } = verdict;
    let who = match (&verdict.credential, &verdict.tenant) {
        (Some(credential), Some(tenant)) => format!("{caller} {credential} of {tenant}"),
        _ => caller.clone(),
    };
    let met = match verdict.enforced {
        true => format!("met with: {action}"),
        false => format!("let through, since verdicts are only observed; it would have been: {action}"),
    };
    let mut lines = vec![
        format!("{method} {path}"),
        format!("from {address} ({who}), {}", utc(*at_ms)),
        format!("{met}, at {score} points"),
    ];
    if would_be != action {
        lines.push(format!("with the rules that only observe: {would_be}"));
    }
    for Reason { rule, points, observed, evidence } in &verdict.reasons {
        let observed = if *observed { ", observed only" } else { "" };
        lines.push(format!("  {points:+} {rule}{observed}: {evidence}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_told_in_lines() {
        let reason = Reason {
            rule: "honeypot".to_owned(),
            points: 60,
            observed: false,
            evidence: "it asked 2 times for what only attackers ask for".to_owned(),
        };
        let verdict = Verdict {
            at_ms: 1_732_190_400_000,
            address: "192.0.2.1".to_owned(),
            caller: "key".to_owned(),
            credential: Some("k1".to_owned()),
            tenant: Some("mcn".to_owned()),
            method: "GET".to_owned(),
            path: "/.env".to_owned(),
            action: "limit".to_owned(),
            would_be: "deny".to_owned(),
            enforced: false,
            score: 60,
            reasons: vec![reason],
        };
        assert_eq!(
            lines(&verdict),
            [
                "GET /.env",
                "from 192.0.2.1 (key k1 of mcn), 2024-11-21 12:00:00 UTC",
                "let through, since verdicts are only observed; it would have been: limit, at 60 points",
                "with the rules that only observe: deny",
                "  +60 honeypot: it asked 2 times for what only attackers ask for",
            ]
        );
    }
}
