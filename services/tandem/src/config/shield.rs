//! The files of the shield: its rules, and the networks it knows.

use std::io::Read;
use std::path::Path;

use tandem_shield::{Lists, NETWORKS_TEXT_BYTES_MAX, Rules, TEXT_BYTES_MAX};

use super::limits::RulesText;

/// Reads a file of the shield's rules.
///
/// # Errors
///
/// When it can't be read, or anything in it is wrong.
pub fn shield_rules(file: &Path) -> Result<(RulesText, Rules), String> {
    let text = read(file, TEXT_BYTES_MAX)?;
    let rules = Rules::parse(&text).map_err(|error| error.to_string())?;
    Ok((text, rules))
}

/// Reads a file of networks.
///
/// # Errors
///
/// When it can't be read, or anything in it is wrong.
pub fn shield_networks(file: &Path) -> Result<(RulesText, Lists), String> {
    let text = read(file, NETWORKS_TEXT_BYTES_MAX)?;
    let lists = Lists::parse(&text).map_err(|error| error.to_string())?;
    Ok((text, lists))
}

/// The text of a file; one byte more than is allowed where there are more.
fn read(file: &Path, bytes_max: usize) -> Result<String, String> {
    let mut text = String::new();
    let read =
        std::fs::File::open(file).and_then(|file| file.take(bytes_max as u64 + 1).read_to_string(&mut text));
    read.map_err(|error| format!("it can't be read: {error}"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use tandem_shield::Action;

    use super::*;

    #[test]
    fn a_file_is_read_or_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shield.toml");
        assert!(shield_rules(&file).unwrap_err().contains("can't be read"));
        std::fs::write(&file, "[actions]\ntag = 5\nslow = 25\nchallenge = 45\nlimit = 60\ndeny = 80\n")
            .unwrap();
        assert_eq!(shield_rules(&file).unwrap().1.thresholds().action(5), Action::Tag);
        std::fs::write(&file, "[[rules]]\nname = \"nonsense\"\npoints = 5\n").unwrap();
        assert!(shield_rules(&file).unwrap_err().contains("nonsense"));
        std::fs::write(&file, "blocked = [\"192.0.2.0/24\"]\n").unwrap();
        assert_eq!(shield_networks(&file).unwrap().1.blocked.len(), 1);
        std::fs::write(&file, "blocked = [\"here\"]\n").unwrap();
        assert!(shield_networks(&file).unwrap_err().contains("here"));
    }
}
