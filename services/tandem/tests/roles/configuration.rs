use crate::process::{KEY, run, write};

#[test]
fn what_is_wrong_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "[log]\nbrokers = [\"127.0.0.1:1\"]\n\n[gateway]\nlisten = 8080\n");
    for role in ["compute", "query", "gateway", "control", "metronome"] {
        let ended = run(&[role, "--config", &file], &[("TANDEM_KEY", KEY)]);
        assert_eq!(ended.code, Some(64), "{}", ended.said);
        let place = format!("{file}:5:10: [gateway] listen takes an IP address with a port");
        assert!(ended.said.contains(&place), "{}", ended.said);
        assert!(!ended.said.contains("listening"), "{}", ended.said);
    }
    let missing = run(&["gateway", "--config", "/nowhere.toml"], &[]);
    assert_eq!(missing.code, Some(64), "{}", missing.said);
    let usage = run(&["gateway"], &[]);
    assert_eq!(usage.code, Some(2), "{}", usage.said);
    assert_eq!(run(&["compute", "--config", &file, "--chain", "c"], &[]).code, Some(2));
}

#[test]
fn a_configuration_can_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "[control]\ndata = \"d\"\n");
    let plain = run(&["config", "check", "--config", &file], &[]);
    assert_eq!(plain.code, Some(0), "{}", plain.said);
    let without_key = run(&["config", "check", "--config", &file, "--role", "control"], &[]);
    assert_eq!(without_key.code, Some(64), "{}", without_key.said);
    assert!(without_key.said.contains("[operator] key is missing"), "{}", without_key.said);
    let variables = [("TANDEM_KEY", "hunter2"), ("TANDEM_CONFIG", file.as_str())];
    let shown = run(&["config", "check", "--role", "control", "--show"], &variables);
    assert_eq!(shown.code, Some(0), "{}", shown.said);
    assert!(shown.said.contains("good for control") && shown.said.contains("data = \"d\""), "{}", shown.said);
    assert!(!shown.said.contains("hunter2"), "{}", shown.said);
    let reference = run(&["config", "reference"], &[]);
    assert_eq!(reference.code, Some(0));
    assert!(reference.said.contains("TANDEM__CHAINS__A__ROWS__ADDRESSES"), "{}", reference.said);
    let help = run(&["--help"], &[]);
    for command in ["compute", "query", "gateway", "control", "metronome", "schema", "switch", "config"] {
        assert!(help.said.lines().any(|line| line.trim_start().starts_with(command)), "{command}");
        let own = run(&[command, "--help"], &[]);
        assert!(own.code == Some(0) && own.said.len() > 200, "{}", own.said);
    }
}
