//! The peers: nginx and HAProxy, as they are installed here, doing what comes nearest to a gateway:
//! they pass requests on over kept connections, and limit them by key. Each has one worker, as the
//! gateway has on the same core. nginx besides keeps answers, for a second, which is the shortest it
//! knows.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use super::process::{Cores, Process};
use crate::terminal::remark;

/// Where servers are installed, as those who are not root may not know.
const PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/// A peer that serves.
pub(super) struct Peer {
    pub(super) process: Process,
    pub(super) version: String,
    /// For HTTP/1.1, and for HTTP/2 with prior knowledge.
    pub(super) http_1: SocketAddr,
    pub(super) http_2: SocketAddr,
    /// The same with answers kept, where it does.
    pub(super) keeping: Option<[SocketAddr; 2]>,
}

/// Starts nginx in front of `backend`; `None`, and a word on stderr, where it is not installed.
pub(super) fn nginx(cores: &Cores, backend: SocketAddr, folder: &Path) -> anyhow::Result<Option<Peer>> {
    let Some(version) = version("nginx", "nginx") else { return Ok(None) };
    let [http_1, http_2, keeping_1, keeping_2] = free_addresses()?;
    let here = folder.display();
    // Its workers would else be of a user who may not look into our folder.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let server = |one: SocketAddr, two: SocketAddr, cache: &str| {
        format!(
            "server {{
  listen {one}; listen {two} http2;
  location / {{
    limit_req zone=keys burst=100000 nodelay;
    proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_buffer_size 16k; proxy_buffers 8 16k; {cache}
    proxy_pass http://chain;
  }}
}}"
        )
    };
    let cache = "proxy_cache answers; proxy_cache_key $uri$http_authorization; proxy_cache_valid 200 1s;
    proxy_ignore_headers Cache-Control; proxy_cache_lock on;";
    let plain = server(http_1, http_2, "");
    let keeping = server(keeping_1, keeping_2, cache);
    let text = format!(
        "daemon off; worker_processes 1; pid {here}/nginx.pid; error_log stderr error; {user}
events {{ worker_connections 16384; }}
http {{
access_log off; keepalive_timeout 60s; keepalive_requests 1000000000; sendfile on; tcp_nopush on;
client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
proxy_cache_path {here}/cache levels=1 keys_zone=answers:8m max_size=64m;
limit_req_zone $http_authorization zone=keys:8m rate=1000000r/s;
upstream chain {{ server {backend}; keepalive 256; keepalive_requests 1000000000; }}
{plain}
{keeping}
}}
"
    );
    let (file, log) = (folder.join("nginx.conf"), folder.join("nginx.log"));
    std::fs::write(&file, text)?;
    let arguments = [OsStr::new("-p"), folder.as_os_str(), OsStr::new("-c"), file.as_os_str()];
    let mut process = Process::start(cores, true, "nginx", &arguments, &[("PATH", PATH)], &log)?;
    process.until_listening(http_1, &log)?;
    Ok(Some(Peer { process, version, http_1, http_2, keeping: Some([keeping_1, keeping_2]) }))
}

/// Starts HAProxy in front of `backend`, for so many clients; `None`, and a word on stderr, where it is
/// not installed.
pub(super) fn haproxy(
    cores: &Cores,
    backend: SocketAddr,
    clients: usize,
    folder: &Path,
) -> anyhow::Result<Option<Peer>> {
    let Some(version) = version("haproxy", "HAProxy") else { return Ok(None) };
    let [http_1, http_2] = free_addresses()?;
    // It does not start where the system would not let it have so many.
    let clients = clients + 200;
    let text = format!(
        "global
  nbthread 1
  maxconn {clients}
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend all
  bind {http_1}
  bind {http_2} proto h2
  option forwardfor
  stick-table type string len 80 size 100k expire 60s store http_req_rate(10s)
  http-request track-sc0 req.hdr(authorization)
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 100000000 }}
  default_backend chain
backend chain
  server one {backend}
"
    );
    let (file, log) = (folder.join("haproxy.cfg"), folder.join("haproxy.log"));
    std::fs::write(&file, text)?;
    let arguments = [OsStr::new("-db"), OsStr::new("-f"), file.as_os_str()];
    let mut process = Process::start(cores, true, "haproxy", &arguments, &[("PATH", PATH)], &log)?;
    process.until_listening(http_1, &log)?;
    Ok(Some(Peer { process, version, http_1, http_2, keeping: None }))
}

/// A peer that can't be started is left out like one that is not there: it has nothing to do with the
/// gateway.
pub(super) fn or_without(started: anyhow::Result<Option<Peer>>) -> Option<Peer> {
    started.unwrap_or_else(|error| {
        remark(format_args!("measured without it: {error:#}"));
        None
    })
}

/// What a program says of itself; `None`, and a word on stderr, where there is none.
fn version(program: &str, name: &str) -> Option<String> {
    let asked = Command::new(program).arg("-v").env("PATH", PATH).stdin(Stdio::null()).output();
    let Ok(output) = asked else {
        remark(format_args!("{name} is not installed (Debian: {program}): measured without it"));
        return None;
    };
    // One of them says it here, the other one there.
    let said = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&said).lines().next().unwrap_or(name).to_owned())
}

/// Addresses at which nobody listens now.
pub(super) fn free_addresses<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    // All are held until the last one is known, so that they differ.
    let held: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<_, _>>()?;
    let addresses = held.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    addresses.try_into().ok().context("as many as were asked for")
}
