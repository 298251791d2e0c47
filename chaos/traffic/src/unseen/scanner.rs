//! Looks for open doors.

use http::Method;

use crate::address;
use crate::chance::Chance;
use crate::client::{disguised, script};
use crate::sender::{Actor, Request, Sender};
use crate::target::Target;
use crate::world::{Credential, World};

/// What scanners look for on every host, whatever runs there.
const DOORS: [&str; 24] = [
    "/.env",
    "/.git/config",
    "/.git/HEAD",
    "/wp-login.php",
    "/wp-admin/setup-config.php",
    "/xmlrpc.php",
    "/phpmyadmin/index.php",
    "/admin/login",
    "/actuator/env",
    "/actuator/heapdump",
    "/server-status",
    "/cgi-bin/luci",
    "/boaform/admin/formLogin",
    "/.aws/credentials",
    "/backup.sql",
    "/config.json",
    "/api/v1/pods",
    "/solr/admin/info/system",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/manager/html",
    "/jenkins/script",
    "/console/login",
    "/.svn/entries",
    "/v1/users",
];

/// A vulnerability scanner: known holes of other software, then guessed paths of ours, a few a second.
/// Nothing it asks for exists.
#[derive(Debug)]
pub(crate) struct Scanner {
    sender: Sender,
    chance: Chance,
    period_ms: u64,
    left: u64,
}

impl Scanner {
    pub(crate) fn new(mut chance: Chance) -> Self {
        let client = if chance.percent(50) { script(&mut chance) } else { disguised(1, &mut chance) };
        let sender = Sender { client, credential: Credential::none(), address: address::server(&mut chance) };
        let (period_ms, left) = (chance.between(100, 2_000), chance.between(200, 900));
        Self { sender, chance, period_ms, left }
    }
}

impl Actor for Scanner {
    fn act(&mut self, now_ms: u64, _: &World) -> (Request, Option<u64>) {
        self.left -= 1;
        let path = if self.chance.percent(70) {
            (*self.chance.pick(&DOORS)).to_owned()
        } else {
            let word =
                *self.chance.pick(&["admin", "debug", "internal", "metrics", "users", "login", "config"]);
            format!("/v1/{word}{}", *self.chance.pick(&["", "/list", ".json", ".bak", "/1"]))
        };
        let mut request = self.sender.get(Target::of(path), 401).worthless();
        if self.chance.percent(10) {
            request.method = Method::HEAD;
        }
        let next_ms = now_ms + self.chance.about_ms(self.period_ms, 40);
        (request, (self.left > 0).then_some(next_ms))
    }
}
