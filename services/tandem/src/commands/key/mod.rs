//! `tandem key`: makes, shows and revokes the keys of tenants.

mod file;
mod shown;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use tandem_identity::{Key, KeyKind, is_name};
use tandem_ingest::wall_ms;
use tandem_model::scope::Grants;

use self::file::{Edited, NewKey};
use crate::failure::Failure;
use crate::terminal::{confirm, remark, say};

const DAY: Duration = Duration::from_secs(86_400);
/// Longest life that can be asked for: a hundred years, for ever has no end.
const LIFE_DAYS_MAX: u64 = 36_500;

/// What `tandem key` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a key; it is printed once and can't be shown again
    Create(Create),
    /// Show the keys that are there, without their secrets
    List(List),
    /// End a key, from now on
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Whose it is: 1 to 64 of A-Z a-z 0-9 . _ -; a new one is put into the file
    #[arg(long, value_name = "NAME", value_parser = name)]
    tenant: String,
    /// Which of the tenant's programs uses it
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = name)]
    application: String,
    /// Anchors that the tenant sees, and whose events it may send
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    anchors: Vec<String>,
    /// Merchants whose items it sees
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    merchants: Vec<String>,
    /// Channels whose figures it sees
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    channels: Vec<String>,
    /// Whole tables that it sees, of all sessions
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    tables: Vec<String>,
    /// The key may read; so it may where neither is said
    #[arg(long)]
    read: bool,
    /// The key may send events
    #[arg(long)]
    write: bool,
    /// The key signs requests and is never sent (docs/signing.md)
    #[arg(long)]
    signing: bool,
    /// When it ends by itself: 12h, 90d, 26w [default: never]
    #[arg(long, value_name = "TIME", value_parser = life)]
    expires_in: Option<Duration>,
    #[command(flatten)]
    file: FileOption,
    /// Do not ask before a tenant that is there is granted more
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only keys of this tenant
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    #[command(flatten)]
    file: FileOption,
}

#[derive(Debug, clap::Args)]
struct Revoke {
    /// Id of the key: what stands between the first two underscores
    #[arg(value_name = "KEY_ID")]
    id: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    file: FileOption,
}

#[derive(Debug, clap::Args)]
struct FileOption {
    /// The file of keys; `create` makes it where it is not there
    #[arg(long, value_name = "FILE", env = "TANDEM_KEYS")]
    file: PathBuf,
}

/// Makes, shows or revokes keys.
///
/// # Errors
///
/// When the file is wrong or can't be written, or when it is not meant.
pub fn run(args: Args) -> Result<(), Failure> {
    match args.action {
        Action::Create(create) => self::create(create),
        Action::List(list) => {
            let file = Edited::open(&list.file.file, wall_ms())?;
            say(shown::keys(file.keys(), list.tenant.as_deref(), wall_ms()));
            Ok(())
        }
        Action::Revoke(revoke) => self::revoke(revoke),
    }
}

fn create(args: Create) -> Result<(), Failure> {
    let now_ms = wall_ms();
    let mut file = Edited::open_or_new(&args.file.file, now_ms)?;
    let set = |names: &[String]| names.iter().cloned().collect();
    let asked = Grants {
        anchors: set(&args.anchors),
        merchants: set(&args.merchants),
        channels: set(&args.channels),
        tables: set(&args.tables),
    };
    if let Some(more) = file.missing_grants(&args.tenant, &asked) {
        confirm(
            args.yes,
            &format!(
                "Tenant {} is there already. Grant it {more}, too? All its keys will see that.",
                args.tenant
            ),
        )?;
    }
    let mut random = [0; 40];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::failed(anyhow!("no randomness for a key: {error}")))?;
    let key = Key::from_random(&random);
    let kind = if args.signing { KeyKind::Signing } else { KeyKind::Bearer };
    let mut may = Vec::new();
    if args.read || !args.write {
        may.push("read");
    }
    if args.write {
        may.push("write");
    }
    let new = NewKey {
        key: &key,
        kind,
        tenant: &args.tenant,
        application: &args.application,
        may: &may,
        created_ms: now_ms,
        expires_ms: args.expires_in.map(|life| now_ms.saturating_add(life.as_millis() as u64)),
    };
    file.add(&asked, &new)?;
    file.save(now_ms)?;
    remark(format_args!(
        "key {} of tenant {}, application {} ({}, may {}). Keep it now: it can't be shown again.",
        key.id(),
        args.tenant,
        args.application,
        kind.name(),
        may.join(" and "),
    ));
    say(key.to_text());
    Ok(())
}

fn revoke(args: Revoke) -> Result<(), Failure> {
    let now_ms = wall_ms();
    let mut file = Edited::open(&args.file.file, now_ms)?;
    // People take it from where they see it: with what stands around it.
    let id = args.id.strip_prefix("tdm_").unwrap_or(&args.id);
    let id = id.split('_').next().unwrap_or(id);
    let Some(key) = file.keys().keys().find(|key| &*key.id == id) else {
        return Err(Failure::failed(anyhow!("there is no key {id} in {}", args.file.file.display())));
    };
    if key.life.revoked_ms.is_some_and(|revoked| revoked <= now_ms) {
        say(format_args!("Key {id} was revoked before."));
        return Ok(());
    }
    confirm(
        args.yes,
        &format!(
            "Revoke key {id} of tenant {}, application {}? Whoever uses it will be refused.",
            key.tenant, key.application
        ),
    )?;
    file.revoke(id, now_ms)?;
    file.save(now_ms)?;
    say(format_args!("Key {id} is revoked; gateways refuse it as soon as they have looked at the file."));
    Ok(())
}

fn name(text: &str) -> Result<String, String> {
    match is_name(text) {
        true => Ok(text.to_owned()),
        false => Err("a name is 1 to 64 of A-Z a-z 0-9 . _ -".to_owned()),
    }
}

fn life(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is a whole number with h, d or w behind it, like 90d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let life = number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)?;
    if life.is_zero() || life > DAY * LIFE_DAYS_MAX as u32 {
        return Err(format!("a key lives between an hour and {LIFE_DAYS_MAX} days"));
    }
    Ok(life)
}

#[cfg(test)]
mod tests;
