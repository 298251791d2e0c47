use std::path::{Path, PathBuf};

use tandem_model::route::Chain;

use super::option::{Kind, Preset};
use super::scope::Scope;
use super::sections::SECTIONS;
use super::*;

const SECRETS: [(&str, &str); 2] = [
    ("TANDEM__OPERATOR__KEY", "operator-key"),
    ("TANDEM__PSEUDONYMS__KEY", "000102030405060708090a0b0c0d0e0f"),
];

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A configuration in a folder of its own.
struct Written {
    folder: tempfile::TempDir,
}

impl Written {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tandem.toml"), text).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tandem.toml")
    }

    fn load(&self, set: &[(&str, &str)]) -> Result<Values, ConfigError> {
        Values::load(&self.path(), variables(set))
    }
}

fn load(text: &str, set: &[(&str, &str)]) -> Result<Values, ConfigError> {
    Written::new(text).load(set)
}

/// What is said, without the folder.
fn refusals(text: &str, set: &[(&str, &str)]) -> Vec<String> {
    let written = Written::new(text);
    let folder = format!("{}/", written.folder.path().display());
    let error = written.load(set).expect_err("it is refused");
    error.0.iter().map(|wrong| wrong.to_string().replace(&folder, "")).collect()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let found = refusals(text, &[]);
    assert!(found.len() == 1 && found[0].starts_with(expected), "\nexpected {expected}\nfound    {found:?}");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    check(
        "[log]\nbrokers = \"host:1\"",
        "tandem.toml:2:11: [log] brokers takes a list of 1 to 32 texts; here stands the text \"host:1\"",
    );
    check(
        "[log]\nbrokers = []",
        "tandem.toml:2:11: [log] brokers takes a list of 1 to 32 texts; here stands []",
    );
    check(
        "[log]\nbrokers = [\"a:1\", 2]",
        "tandem.toml:2:11: [log] brokers takes a list of 1 to 32 texts; in the list stands the number 2",
    );
    check(
        "[log]\n# é\nslots = 65",
        "tandem.toml:3:9: [log] slots takes a whole number from 1 to 64; here stands 65",
    );
    check(
        "[log]\nslots = -1",
        "tandem.toml:2:9: [log] slots takes a whole number from 1 to 64; here stands the number -1",
    );
    check(
        "[log]\nslots = 1.5",
        "tandem.toml:2:9: [log] slots takes a whole number from 1 to 64; here stands the number 1.5",
    );
    check("log = { slots = 65 }", "tandem.toml:1:17: [log] slots takes");
    check("log.slots = 65", "tandem.toml:1:13: [log] slots takes");
    check(
        "[gateway]\nhedge_delay_ms = \"50ms\"",
        "tandem.toml:2:18: [gateway] hedge_delay_ms takes a whole number from 1 to 60000 (milliseconds); here stands the text \"50ms\"",
    );
    check(
        "[gateway]\nclock = \"wall\"",
        "tandem.toml:2:9: [gateway] clock takes one of \"live\", \"replay\"; here stands \"wall\"",
    );
    check(
        "[gateway]\nlisten = \"localhost:80\"",
        "tandem.toml:2:10: [gateway] listen takes an IP address with a port",
    );
    check(
        "[gateway]\nchain_a = [\"host:80\"]",
        "tandem.toml:2:11: [gateway] chain_a takes a list of 1 to 64 addresses",
    );
    check("[gateway]\nchain_a = [\"https://host:80\"]", "tandem.toml:2:11: [gateway] chain_a takes");
    check(
        "[publish]\nenabled = \"yes\"",
        "tandem.toml:2:11: [publish] enabled takes true or false; here stands the text \"yes\"",
    );
    check(
        "[publish]\n  enabeld = true",
        "tandem.toml:2:3: [publish] has no option enabeld (did you mean enabled?); options are enabled, ",
    );
    check("[kafka]\na = 1", "tandem.toml:1:2: there is no section [kafka]; sections are [log] ");
    check("[chains.c.rows]\na = 1", "tandem.toml:1:9: there is no section [chains.c]");
    check(
        "[chains.a.row]\na = 1",
        "tandem.toml:1:11: there is no section [chains.a.row] (did you mean chains.a.rows?)",
    );
    check("top = 1", "tandem.toml:1:1: there is no section [top]");
    check("log = 3", "tandem.toml:1:7: log is a section");
    check("[log]\nslots = 1\nslots = 2", "tandem.toml:3:1: duplicate key");
    check("[log\nslots = 1", "tandem.toml:1:5: ");
    check(
        "[chains.a.rows.replicas_by_datacenter]\neast = 0",
        "tandem.toml:1:1: [chains.a.rows] replicas_by_datacenter takes a table of names with a whole number from 1 to 9",
    );
    let long = format!("[log]\nuser = \"{}\"", "x".repeat(5_000));
    check(&long, "tandem.toml:2:8: [log] user takes a text; here stands a text of more than 4096 bytes");
    assert_eq!(refusals("[log]\nslots = 0\nreplicas = 10\n[nonsense]\n", &[]).len(), 3, "all at once");

    let nowhere = Values::load(Path::new("/nowhere/tandem.toml"), []).unwrap_err();
    assert!(nowhere.to_string().starts_with("/nowhere/tandem.toml: can't be read: "), "{nowhere}");
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    for text in
        ["[log]\npassword = \"hunter2\"", "[operator]\nkey = \"hunter2\"", "[chains.b.hot]\npassword = 5"]
    {
        let found = refusals(text, &[]).remove(0);
        assert!(found.contains("which must not stand in the file: put it into a file of its own"), "{found}");
        assert!(
            found.contains("_file = \"PATH\"`, or set TANDEM__") && !found.contains("hunter2"),
            "{found}"
        );
    }
}

#[test]
fn variables_win_and_are_named() {
    let text = "[log]\nbrokers = [\"file:1\"]\nslots = 3\n[chains.a.rows]\nkeyspace = \"k\"";
    let set = [
        ("TANDEM__LOG__BROKERS", "one:1, two:2"),
        ("TANDEM__CHAINS__A__ROWS__REPLICAS_BY_DATACENTER", "east=3,west=2"),
        ("TANDEM__CHAINS__A__ROWS__COMPRESS", "true"),
        ("TANDEM__LOG__PASSWORD", ""),
        ("TANDEM_UNRELATED", "x"),
    ];
    let values = load(text, &set).unwrap();
    let settings: tandem_kafka::Settings = Scope::of(&values, "log", Role::Schema).settings().unwrap();
    assert_eq!((settings.brokers, settings.slots), (vec!["one:1".to_owned(), "two:2".to_owned()], 3));
    let rows: tandem_scylla::Settings = Scope::of(&values, "chains.a.rows", Role::Schema).settings().unwrap();
    assert_eq!(rows.replicas_by_datacenter["west"], 2);
    assert!(rows.compress);

    let wrong = |name: &str, value: &str| refusals(text, &[(name, value)]).remove(0);
    assert_eq!(
        wrong("TANDEM__LOG__SLOTS", "many"),
        "variable TANDEM__LOG__SLOTS: [log] slots takes a whole number from 1 to 64; it holds \"many\""
    );
    let said = wrong("TANDEM__GATEWAY__CHAIN_A", "host");
    assert!(said.starts_with("variable TANDEM__GATEWAY__CHAIN_A: [gateway] chain_a takes"), "{said}");
    assert!(said.contains("separated by commas"), "{said}");
    let said = wrong("TANDEM__LOG__BROKER", "host:1");
    assert!(said.contains("has no option broker (did you mean brokers?)"), "{said}");
    for name in ["TANDEM__NOTHING__X", "TANDEM__X", "TANDEM__CHAINS__C__ROWS__USER"] {
        assert!(wrong(name, "x").contains("there is no such option"), "{}", wrong(name, "x"));
    }
}

#[test]
fn secrets_come_from_files_and_variables() {
    let text = "[operator]\nkey_file = \"secret/key\"\n[control]\ndata = \"data\"";
    let written = Written::new(text);
    let read = |set: &[(&str, &str)]| {
        let config = written.load(set)?.of(Role::Control, None)?;
        match config {
            RoleConfig::Control(config) => Ok::<_, ConfigError>(config),
            _ => panic!("another role"),
        }
    };
    let refusal = || read(&[]).map(|_| ()).expect_err("refused").to_string();
    assert!(refusal().contains("tandem.toml:2:12: [operator] key_file = "), "{}", refusal());
    assert!(refusal().contains("can't be read"), "{}", refusal());
    let secret = written.folder.path().join("secret");
    std::fs::create_dir(&secret).unwrap();
    for (bad, words) in
        [("\n", "is empty"), ("a\nb\n", "several lines"), ("two words", "1 to 256 characters")]
    {
        std::fs::write(secret.join("key"), bad).unwrap();
        assert!(refusal().contains(words), "{}", refusal());
        assert!(!refusal().contains("two words"));
    }
    std::fs::write(secret.join("key"), "from-file\r\n").unwrap();
    let config = read(&[]).unwrap();
    assert!(config.key.matches(b"from-file"));
    assert_eq!(config.data, written.folder.path().join("data"), "relative to the file");
    assert!(read(&[("TANDEM_KEY", "old-name")]).unwrap().key.matches(b"old-name"));
    let both =
        [("TANDEM_KEY", "old-name"), ("TANDEM__OPERATOR__KEY", "variable"), ("TANDEM__CONTROL__DATA", "d")];
    let config = read(&both).unwrap();
    assert!(config.key.matches(b"variable"));
    assert_eq!(config.data, Path::new("d"), "relative to the working directory");
}

#[test]
fn what_is_missing_is_said_at_once_with_what_to_do() {
    let values = load("[control]\nlisten = \"127.0.0.1:0\"\n", &[]).unwrap();
    let error = values.of(Role::Control, None).map(|_| ()).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.0.len(), 2, "{text}");
    assert!(text.contains("[operator] key is missing: put it into a file of its own"), "{text}");
    assert!(text.contains("(or TANDEM_KEY)"), "{text}");
    assert!(text.contains("tandem.toml:1:2: [control] data is missing: it takes a path"), "{text}");

    let chain = |text: &str, asked| load(text, &[]).unwrap().chain_for(Role::Query, asked);
    let rows =
        |chains: &[&str]| chains.iter().map(|chain| format!("[chains.{chain}.rows]\n")).collect::<String>();
    assert_eq!(chain(&rows(&["b"]), None), Ok(Some(Chain::B)));
    assert_eq!(chain(&rows(&["a", "b"]), Some(Chain::B)), Ok(Some(Chain::B)));
    assert!(chain(&rows(&["a", "b"]), None).unwrap_err().to_string().contains("--chain a or --chain b"));
    assert!(chain("", None).unwrap_err().to_string().contains("[chains.a.rows]"));
}

#[test]
fn what_an_adapter_refuses_has_its_place_too() {
    let cases = [
        (
            "[log]\nreplicas = 1\nin_sync_replicas = 2",
            Role::Schema,
            "tandem.toml:3:20: [log] in_sync_replicas: 2",
        ),
        ("[log]\nbrokers = [\"host\"]", Role::Schema, "tandem.toml:2:11: [log] brokers: \"host\""),
        (
            "[log]\n[chains.a.rows]\nkeyspace = \"K\"",
            Role::Schema,
            "tandem.toml:3:12: [chains.a.rows] keyspace: ",
        ),
    ];
    for (text, role, expected) in cases {
        let error = load(text, &[]).unwrap().of(role, None).map(|_| ()).unwrap_err().to_string();
        let said = error.rsplit_once("/tandem.toml").map(|(_, rest)| format!("tandem.toml{rest}"));
        assert!(said.is_some_and(|said| said.starts_with(expected)), "{error}");
    }
}

#[test]
fn chains_may_share_a_cluster_but_no_keyspace() {
    let rows = |keyspace_b: &str, address_b: &str| {
        let text = format!(
            "[chains.a.rows]\naddresses = [\"x:1\", \"y:1\"]\n\
             [chains.b.rows]\naddresses = [\"{address_b}\"]\nkeyspace = \"{keyspace_b}\""
        );
        load(&text, &SECRETS).unwrap().of(Role::Schema, None).map(|_| ())
    };
    assert_eq!(rows("other", "y:1"), Ok(()));
    assert_eq!(rows("tandem", "z:1"), Ok(()));
    let refused = rows("tandem", "y:1").unwrap_err().to_string();
    assert!(refused.contains("tandem.toml:5:12: [chains.b.rows] keyspace is chain a's"), "{refused}");
}

#[test]
fn a_role_reads_its_chain() {
    let text =
        "[chains.a.rows]\n[chains.a.snapshots]\nurl = \"file:///tmp/x\"\n[chains.b.rows]\nkeyspace = \"b\"";
    let values = load(text, &SECRETS).unwrap();
    let RoleConfig::Compute(config) = values.of(Role::Compute, Some(Chain::A)).unwrap() else { panic!() };
    assert_eq!((config.chain, config.rows.keyspace.as_str()), (Chain::A, "tandem"));
    assert_eq!(config.snapshots.url, "file:///tmp/x");
    // Chain b has no snapshots, which its own compute hears of.
    let error = values.of(Role::Compute, Some(Chain::B)).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("[chains.b.snapshots] url is missing"), "{error}");
    let RoleConfig::Schema(config) = values.of(Role::Schema, None).unwrap() else { panic!() };
    assert_eq!(config.rows.iter().map(|(chain, _)| *chain).collect::<Vec<_>>(), Chain::ALL);
    let RoleConfig::Verify(config) = values.of(Role::Verify, None).unwrap() else { panic!() };
    assert_eq!(config.rows[1].keyspace, "b");
}

#[test]
fn the_reference_is_a_valid_file_with_the_defaults() {
    let plain = reference(None);
    let uncommented: String = plain
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') && !rest.is_empty() => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let values = load(&uncommented, &SECRETS).unwrap_or_else(|error| panic!("{error}\n{uncommented}"));
    for section in SECTIONS {
        let path = section.path_of(Some(Chain::A));
        for option in section.options {
            let key = if option.kind == Kind::Secret {
                format!("{}_file", option.name)
            } else {
                option.name.to_owned()
            };
            let located = values.located(&path, &key).unwrap_or_else(|| panic!("{path} {key}"));
            if let Some(preset) = super::value::Value::preset(&option.preset, Some(Chain::A)) {
                assert_eq!(located.value, preset, "{path} {key}");
            }
        }
    }
    assert!(plain.lines().all(|line| line.chars().count() <= 130), "lines are short enough to read");
    let metronome = reference(Some(Role::Metronome));
    assert!(metronome.contains("clock_difference_ms_max") && !metronome.contains("[gateway]"));
    assert!(!metronome.contains("#data ="), "what only other roles read is left out");
}

#[test]
fn what_is_in_force_is_shown_without_secrets() {
    let text = "[control]\ndata = \"data\"\nlisten = \"127.0.0.1:9\"";
    let values = load(text, &[("TANDEM_KEY", "hunter2")]).unwrap();
    let shown = effective(&values, Role::Control, None);
    assert!(shown.contains("key = …  # variable TANDEM_KEY"), "{shown}");
    assert!(shown.contains("listen = \"127.0.0.1:9\"  # /") && shown.contains("tandem.toml:3:10"), "{shown}");
    assert!(shown.contains("admin = \"127.0.0.1:9090\"\n") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn definitions_are_sound() {
    for section in SECTIONS {
        let mut names: Vec<&str> = section.options.iter().map(|option| option.name).collect();
        for option in section.options {
            assert!(option.about.ends_with(['.', '=']), "{} {}: a sentence", section.path, option.name);
            for chain in Chain::ALL {
                if let Some(preset) = super::value::Value::preset(&option.preset, Some(chain)) {
                    assert!(preset.checked(&option.kind).is_ok(), "{} {}", section.path, option.name);
                }
            }
            assert!(option.roles.iter().all(|role| section.roles.contains(role)), "{}", option.name);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), section.options.len(), "{}", section.path);
    }
}

/// The definitions of a backend against its adapter: the same names, presets and ranges.
fn agrees<S>(path: &str, default: S, is_allowed: impl Fn(&S) -> bool)
where
    S: serde::de::DeserializeOwned + PartialEq,
{
    let required: String = super::load::section(path)
        .unwrap()
        .options
        .iter()
        .filter_map(|option| match option.preset {
            Preset::Required(example) => Some(format!("{} = {example:?}\n", option.name)),
            _ => None,
        })
        .collect();
    let with = |line: &str| {
        let values = load(&format!("[{path}]\n{required}{line}"), &[])?;
        Scope::of(&values, path, Role::Compute).settings::<S>()
    };
    // Every name is known to the adapter (it refuses others), and every preset is its own.
    assert!(with("").unwrap_or_else(|error| panic!("{error}")) == default, "presets of {path}");
    // And the adapter knows no other name.
    let error = serde_json::from_str::<S>("{\"no such option\": 1}").err().unwrap().to_string();
    let known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    let section = super::load::section(path).unwrap();
    let plain = section.options.iter().filter(|option| option.kind != Kind::Secret);
    let mut own: Vec<&str> = plain.clone().map(|option| option.name).collect();
    let mut theirs = known.clone();
    own.sort_unstable();
    theirs.sort_unstable();
    assert_eq!(own, theirs, "names of {path}");
    // Where we allow the ends of a range, so does the adapter, and where we refuse it does.
    for option in plain {
        let Kind::Integer { least, most, .. } = option.kind else { continue };
        for number in [least, most] {
            let line = format!("{} = {number}\n", option.name);
            let settings = with(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
            // Some ranges end where another option's value says.
            let depends = ["in_sync_replicas", "replicas", "database"].contains(&option.name);
            assert!(depends || is_allowed(&settings), "{path}: {line}");
        }
    }
}

#[test]
fn backends_are_defined_as_their_adapters_are() {
    agrees("log", tandem_kafka::Settings::default(), |settings| settings.check().is_ok());
    agrees("chains.a.rows", tandem_scylla::Settings::default(), |settings| settings.check().is_ok());
    agrees("chains.b.hot", tandem_redis::Settings::default(), |settings| settings.check().is_ok());
    let snapshots = tandem_objects::Settings::of("file:///var/lib/tandem/snapshots");
    agrees("chains.a.snapshots", snapshots, |_| true);
    agrees("publish", tandem_compute::publish::Settings::default(), |_| true);
}

#[test]
fn our_own_presets_are_those_of_the_parts() {
    let text = "[chains.a.snapshots]\nurl = \"file:///x/y\"\n[chains.b.snapshots]\nurl = \"file:///x/y\"\n\
                [chains.b.rows]\nkeyspace = \"b\"";
    let values = load(text, &SECRETS).unwrap();
    for chain in Chain::ALL {
        let RoleConfig::Compute(config) = values.of(Role::Compute, Some(chain)).unwrap() else { panic!() };
        let preset = tandem_compute::Settings::of(chain);
        // Stores over the network take fewer and larger writes better than those in the process.
        let flush_ms = config.compute.flush_interval.as_millis();
        assert_eq!(flush_ms, preset.flush_interval.as_millis() * 5);
        let rest = |settings: &tandem_compute::Settings| {
            let pins = tandem_compute::publish::Pins::none();
            let flush_interval = std::time::Duration::ZERO;
            format!("{:?}", tandem_compute::Settings { pins, flush_interval, ..settings.clone() })
        };
        assert_eq!(rest(&config.compute), rest(&preset));
    }
    let RoleConfig::Gateway(config) = values.of(Role::Gateway, None).unwrap() else { panic!() };
    let preset = tandem_gateway::GatewayConfig::new("operator-key");
    assert_eq!(format!("{:?}", config.gateway), format!("{preset:?}"));
    let pool = tandem_gateway::PoolConfig::new(config.pools[0].nodes.clone());
    assert_eq!(format!("{:?}", config.pools[0]), format!("{pool:?}"));
}

#[test]
fn every_sample_is_good_for_its_role() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config");
    // The secrets of the samples are on nobody's disk.
    let mut set = SECRETS.to_vec();
    for name in ["ROWS__PASSWORD", "HOT__PASSWORD"] {
        set.push((Box::leak(format!("TANDEM__CHAINS__A__{name}").into_boxed_str()), "secret"));
    }
    let of_one = [Role::Compute, Role::Query, Role::Gateway, Role::Control, Role::Metronome];
    for role in of_one {
        let file = samples.join(format!("{role}.toml"));
        let values = Values::load(&file, variables(&set)).unwrap_or_else(|error| panic!("{error}"));
        let chain = values.chain_for(role, None).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(chain, role.is_of_a_chain().then_some(Chain::A));
        values.of(role, chain).unwrap_or_else(|error| panic!("{error}"));
    }
    // The passwords belong to the samples of single roles.
    let values = Values::load(&samples.join("tandem.toml"), variables(&SECRETS))
        .unwrap_or_else(|error| panic!("{error}"));
    for role in Role::ALL {
        let chains = if role.is_of_a_chain() { vec![Some(Chain::A), Some(Chain::B)] } else { vec![None] };
        for chain in chains {
            values.of(role, chain).unwrap_or_else(|error| panic!("{role}: {error}"));
        }
    }
    let listed = std::fs::read_dir(&samples).unwrap().count();
    assert_eq!(listed, of_one.len() + 1, "every sample is checked here");
}
