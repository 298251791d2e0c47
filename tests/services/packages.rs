//! The servers' programs, as packages: jars by Maven, Redis and Java from the system.
//!
//! Jars are fetched once into a cache under cargo's target folder. A folder there is named after
//! its `pom.xml`'s content and moved into place when complete, under a lock; so two processes do
//! not fetch at once, a broken fetch leaves nothing, and a changed version is another folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::process::{CommandLine, Ending, Spawner};

/// Environment: where jars are kept instead.
const CACHE_VARIABLE: &str = "TANDEM_SERVICES_CACHE";
/// What Kafka 4 needs, and Cassandra 5 was seen with.
const JAVA: u32 = 17;
/// A hundred jars over a slow line.
const FETCH_PATIENCE: Duration = Duration::from_secs(900);

/// A program, the arguments that show that it is there, and its package on Debian.
const NEEDED: [(&str, &str, &str); 3] = [
    ("mvn", "--version", "maven"),
    ("redis-server", "--version", "redis-server"),
    ("redis-sentinel", "--version", "redis-sentinel"),
];

/// Where everything is.
pub(crate) struct Packages {
    pub(crate) java: PathBuf,
    pub(crate) java_version: u32,
    cache: PathBuf,
}

impl Packages {
    /// Finds what is needed, and installs what is missing where it may.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let mut missing = missing();
        if !missing.is_empty() {
            install(&missing)?;
            missing = self::missing();
        }
        if !missing.is_empty() {
            bail!("still missing after the installation: {}", missing.join(", "));
        }
        let (java, java_version) = java().context("java was there a moment ago")?;
        Ok(Self { java, java_version, cache: cache()? })
    }

    /// The class path of the jars that `pom` names.
    pub(crate) fn jars(
        &self,
        name: &str,
        pom: &str,
        spawner: &Spawner,
        ending: &Ending,
    ) -> anyhow::Result<String> {
        let folder = self.cache.join(format!("{name}-{:08x}", crc32fast::hash(pom.as_bytes())));
        std::fs::create_dir_all(&self.cache).with_context(|| format!("{}", self.cache.display()))?;
        let lock = File::create(self.cache.join(format!("{name}.lock")))?;
        while lock.try_lock().is_err() {
            ending.pause()?;
        }
        if !folder.is_dir() {
            self.fetch(name, pom, &folder, spawner, ending)?;
        }
        Ok(folder.join("*").to_string_lossy().into_owned())
    }

    /// Under the lock: `folder` appears complete or not at all.
    fn fetch(
        &self,
        name: &str,
        pom: &str,
        folder: &Path,
        spawner: &Spawner,
        ending: &Ending,
    ) -> anyhow::Result<()> {
        eprintln!("tandem-services: fetching {name}");
        let partial = tempfile::Builder::new().prefix(&format!("{name}.partial-")).tempdir_in(&self.cache)?;
        let project = partial.path().join("pom.xml");
        let jars = partial.path().join("jars");
        std::fs::write(&project, pom)?;
        let arguments = [
            "-q".to_owned(),
            "-B".to_owned(),
            format!("--file={}", project.display()),
            "dependency:copy-dependencies".to_owned(),
            format!("-DoutputDirectory={}", jars.display()),
            "-DincludeScope=runtime".to_owned(),
        ];
        let fetch = CommandLine { program: "mvn".into(), arguments: arguments.to_vec() };
        spawner
            .run(&fetch, &partial.path().join("log"), FETCH_PATIENCE, ending)
            .with_context(|| format!("fetching {name}"))?;
        std::fs::rename(&jars, folder).with_context(|| format!("{}", folder.display()))
    }
}

/// The Debian packages that are missing.
fn missing() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if java().is_none() {
        missing.push("openjdk-17-jre-headless");
    }
    for (program, argument, package) in NEEDED {
        if output(program, &[argument]).is_none() {
            missing.push(package);
        }
    }
    missing
}

fn install(packages: &[&str]) -> anyhow::Result<()> {
    let names = packages.join(" ");
    let cure = format!("install these packages (names of Debian): {names}");
    if !rustix::process::geteuid().is_root() || output("apt-get", &["--version"]).is_none() {
        bail!("{cure}");
    }
    eprintln!("tandem-services: installing {names}");
    let apt = |arguments: &[&str]| -> anyhow::Result<()> {
        let mut command = Command::new("apt-get");
        let output = command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").output()?;
        if !output.status.success() {
            bail!("apt-get {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    };
    apt(&["update", "-q"]).context(cure.clone())?;
    let install = ["install", "-q", "-y", "--no-install-recommends"];
    apt(&[&install, packages].concat()).context(cure)
}

/// The first Java that is new enough: the one named by the environment, one of exactly the
/// version seen to work, any other.
fn java() -> Option<(PathBuf, u32)> {
    let home = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    let machines = std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
    let seen = machines.filter(|entry| entry.file_name().to_string_lossy().contains("java-17"));
    let seen = seen.map(|entry| entry.path().join("bin/java"));
    let candidates = home.into_iter().chain(seen).chain([PathBuf::from("java")]);
    candidates
        .filter_map(|java| java_version(&java).map(|version| (java, version)))
        .find(|(_, version)| *version >= JAVA)
}

/// `openjdk version "17.0.15" 2025-04-15`, on standard error.
fn java_version(java: &Path) -> Option<u32> {
    let output = output(&java.to_string_lossy(), &["-version"])?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = text.split('"').nth(1)?;
    version.split(['.', '-', '+']).next()?.parse().ok()
}

fn output(program: &str, arguments: &[&str]) -> Option<Output> {
    Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())
}

/// `services` in the target folder this program was built into; for a copy that lies elsewhere,
/// in that of the sources it was built from.
fn cache() -> anyhow::Result<PathBuf> {
    if let Some(cache) = std::env::var_os(CACHE_VARIABLE) {
        return Ok(cache.into());
    }
    let program = std::env::current_exe()?;
    let target = program.ancestors().skip(1).take(4).find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let sources = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    Ok(target.map_or_else(sources, Path::to_path_buf).join("services"))
}
