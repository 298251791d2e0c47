//! How each server is configured and run. Templates lie beside this file, with the reasons.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::packages::Packages;
use crate::ports::Ports;
use crate::probe::Probe;
use crate::process::{CommandLine, Recipe};

const KAFKA_PROPERTIES: &str = include_str!("kafka/server.properties");
pub(crate) const KAFKA_POM: &str = include_str!("kafka/pom.xml");
const CASSANDRA_YAML: &str = include_str!("cassandra/cassandra.yaml");
const CASSANDRA_ARGUMENTS: &str = include_str!("cassandra/jvm17.args");
const CASSANDRA_LOGBACK: &str = include_str!("cassandra/logback.xml");
pub(crate) const CASSANDRA_POM: &str = include_str!("cassandra/pom.xml");

/// A Java server on two busy cores takes a quarter of a minute; a busy machine several times that.
const JAVA_PATIENCE: Duration = Duration::from_secs(180);
const REDIS_PATIENCE: Duration = Duration::from_secs(30);
/// From this version on, Java refuses what Cassandra asks of it unless it is allowed.
const JAVA_WITHOUT_SECURITY_MANAGER: u32 = 18;

/// What `storage/redis` asks of a server; `deploy/compose.yaml` gives it the same.
const REDIS_OPTIONS: [&str; 6] =
    ["--maxmemory", "1gb", "--maxmemory-policy", "volatile-lru", "--hash-max-listpack-value", "1024"];

/// A recipe, and the port under which the server is found.
pub(crate) type Served = (Recipe, u16);

pub(crate) fn kafka(
    packages: &Packages,
    jars: &str,
    folder: &Path,
    ports: &mut Ports,
) -> anyhow::Result<Served> {
    let folder = new_folder(folder, "kafka")?;
    let port = ports.take()?;
    let values = [
        ("@PORT@", port.to_string()),
        ("@CONTROLLER_PORT@", ports.take()?.to_string()),
        ("@DATA@", text(&folder.join("data"))),
    ];
    let properties = write(&folder.join("server.properties"), KAFKA_PROPERTIES, &values)?;
    // Of each set its own; without the first bit, so that it never begins with a dash.
    let id = URL_SAFE_NO_PAD.encode((Uuid::new_v4().as_u128() >> 1).to_be_bytes());
    let java = |words: &[&str]| {
        let options = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", jars];
        let arguments = options.iter().chain(words).map(|word| (*word).to_owned()).collect();
        CommandLine { program: packages.java.clone(), arguments }
    };
    let format = ["kafka.tools.StorageTool", "format", "-t", id.as_str(), "-c", &properties];
    let recipe = Recipe {
        name: "kafka".to_owned(),
        prepare: Some(java(&format)),
        run: java(&["kafka.Kafka", &properties]),
        ready: Probe::Kafka(port),
        patience: JAVA_PATIENCE,
        folder,
    };
    Ok((recipe, port))
}

pub(crate) fn cassandra(
    name: &str,
    packages: &Packages,
    jars: &str,
    folder: &Path,
    ports: &mut Ports,
) -> anyhow::Result<Served> {
    let folder = new_folder(folder, name)?;
    let port = ports.take()?;
    let data = text(&folder);
    let values = [
        ("@CLUSTER@", format!("tandem-{name}")),
        ("@PORT@", port.to_string()),
        ("@STORAGE_PORT@", ports.take()?.to_string()),
        ("@DATA@", data.clone()),
    ];
    let yaml = write(&folder.join("cassandra.yaml"), CASSANDRA_YAML, &values)?;
    let logback = write(&folder.join("logback.xml"), CASSANDRA_LOGBACK, &[])?;
    let jvm = write(&folder.join("jvm.args"), CASSANDRA_ARGUMENTS, &[])?;
    let mut arguments = vec![format!("@{jvm}")];
    if packages.java_version >= JAVA_WITHOUT_SECURITY_MANAGER {
        arguments.push("-Djava.security.manager=allow".to_owned());
    }
    arguments.extend([
        "-Xms512m".to_owned(),
        "-Xmx512m".to_owned(),
        "-XX:+UseSerialGC".to_owned(),
        "-Djdk.attach.allowAttachSelf=true".to_owned(),
        format!("-Dcassandra.config=file://{yaml}"),
        format!("-Dlogback.configurationFile={logback}"),
        format!("-Dcassandra.storagedir={data}"),
        "-Dcassandra-foreground=yes".to_owned(),
        format!("-Dcassandra.jmx.local.port={}", ports.take()?),
        "-Dcassandra.ring_delay_ms=0".to_owned(),
        "-Dcassandra.skip_wait_for_gossip_to_settle=0".to_owned(),
        "-Dcassandra.superuser_setup_delay_ms=0".to_owned(),
        "-cp".to_owned(),
        jars.to_owned(),
        "org.apache.cassandra.service.CassandraDaemon".to_owned(),
    ]);
    let recipe = Recipe {
        name: name.to_owned(),
        prepare: None,
        run: CommandLine { program: packages.java.clone(), arguments },
        ready: Probe::Cql(port),
        patience: JAVA_PATIENCE,
        folder,
    };
    Ok((recipe, port))
}

/// A Redis that keeps nothing: it starts empty, always.
pub(crate) fn redis(name: &str, folder: &Path, ports: &mut Ports, more: &[&str]) -> anyhow::Result<Served> {
    let folder = new_folder(folder, name)?;
    let port = ports.take()?;
    let data = text(&folder);
    let number = port.to_string();
    let options =
        ["--port", &number, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", &data];
    let arguments = options.iter().chain(&REDIS_OPTIONS).chain(more).map(|word| (*word).to_owned()).collect();
    let recipe = Recipe {
        name: name.to_owned(),
        prepare: None,
        run: CommandLine { program: "redis-server".into(), arguments },
        ready: Probe::Redis(port, "PING", "PONG"),
        patience: REDIS_PATIENCE,
        folder,
    };
    Ok((recipe, port))
}

/// A sentinel. It rewrites its own configuration file; so a restart remembers who is primary.
pub(crate) fn sentinel(
    name: &str,
    configuration: &str,
    folder: &Path,
    ports: &mut Ports,
) -> anyhow::Result<Served> {
    let folder = new_folder(folder, name)?;
    let port = ports.take()?;
    let values = [("@PORT@", port.to_string()), ("@DATA@", text(&folder))];
    let file = write(&folder.join("sentinel.conf"), configuration, &values)?;
    let arguments = vec![file, "--sentinel".to_owned()];
    let recipe = Recipe {
        name: name.to_owned(),
        prepare: None,
        run: CommandLine { program: "redis-server".into(), arguments },
        ready: Probe::Redis(port, "PING", "PONG"),
        patience: REDIS_PATIENCE,
        folder,
    };
    Ok((recipe, port))
}

fn new_folder(parent: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let folder = parent.join(name);
    std::fs::create_dir(&folder).with_context(|| format!("{}", folder.display()))?;
    Ok(folder)
}

/// Writes a template with its values, and gives the file's path.
fn write(file: &Path, template: &str, values: &[(&str, String)]) -> anyhow::Result<String> {
    let fill = |text: String, (name, value): &(&str, String)| text.replace(name, value);
    let content = values.iter().fold(template.to_owned(), fill);
    std::fs::write(file, content).with_context(|| format!("{}", file.display()))?;
    Ok(text(file))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
