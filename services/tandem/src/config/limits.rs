//! The file of rate limits.

use std::io::Read;
use std::path::Path;

use tandem_limits::{RuleSet, TEXT_BYTES_MAX};

/// The text of a file of rules.
pub type RulesText = String;

/// Reads a file of rules.
///
/// # Errors
///
/// When it can't be read, or anything in it is wrong.
pub fn limit_rules(file: &Path) -> Result<(RulesText, RuleSet), String> {
    let mut text = String::new();
    let read = std::fs::File::open(file)
        .and_then(|file| file.take(TEXT_BYTES_MAX as u64 + 1).read_to_string(&mut text));
    read.map_err(|error| format!("it can't be read: {error}"))?;
    let rules = RuleSet::parse(&text).map_err(|error| error.to_string())?;
    Ok((text, rules))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_or_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("limits.toml");
        assert!(limit_rules(&file).unwrap_err().contains("can't be read"));
        std::fs::write(&file, "[[rules]]\nname = \"a\"\nkey = \"key\"\nrequests = 100\nwindow_s = 60\n")
            .unwrap();
        assert_eq!(limit_rules(&file).unwrap().1.rules().len(), 1);
        std::fs::write(&file, "[[rules]]\nname = \"a\"\n").unwrap();
        assert!(limit_rules(&file).unwrap_err().contains("rule \"a\""));
        std::fs::write(&file, "#".repeat(TEXT_BYTES_MAX + 10)).unwrap();
        assert!(limit_rules(&file).unwrap_err().contains("bytes"));
    }
}
