//! Servers, scripts, crawlers, and programs that pretend.

use http::Version;

use super::browsers::{any_agent, chromium};
use super::{Client, HOST};
use crate::chance::Chance;

/// The server of a partner.
pub(crate) fn server(chance: &mut Chance) -> Client {
    match chance.below(4) {
        0 => Client::new(
            Version::HTTP_11,
            &[
                ("host", HOST),
                ("user-agent", "Go-http-client/1.1"),
                ("authorization", ""),
                ("accept-encoding", "gzip"),
            ],
        ),
        1 => Client::new(
            Version::HTTP_2,
            &[("authorization", ""), ("accept-encoding", "gzip"), ("user-agent", "okhttp/4.9.3")],
        ),
        2 => Client::new(
            Version::HTTP_11,
            &[
                ("authorization", ""),
                ("accept", "application/json"),
                ("host", HOST),
                ("connection", "Keep-Alive"),
                ("user-agent", "Apache-HttpClient/4.5.14 (Java/17.0.9)"),
                ("accept-encoding", "gzip,deflate"),
            ],
        ),
        // What sets no name sends none.
        _ => Client::new(Version::HTTP_11, &[("authorization", ""), ("accept", "*/*"), ("host", HOST)]),
    }
}

/// A script under its library's own name.
pub(crate) fn script(chance: &mut Chance) -> Client {
    match chance.below(5) {
        0..2 => python("python-requests/2.32.3"),
        2 => Client::new(
            Version::HTTP_11,
            &[("host", HOST), ("authorization", ""), ("user-agent", "curl/8.5.0"), ("accept", "*/*")],
        ),
        3 => Client::new(
            Version::HTTP_11,
            &[
                ("host", HOST),
                ("authorization", ""),
                ("accept", "*/*"),
                ("accept-encoding", "gzip, deflate"),
                ("user-agent", "Python/3.11 aiohttp/3.9.1"),
            ],
        ),
        _ => Client::new(
            Version::HTTP_11,
            &[
                ("host", HOST),
                ("user-agent", "Go-http-client/1.1"),
                ("authorization", ""),
                ("accept-encoding", "gzip"),
            ],
        ),
    }
}

fn python(agent: &str) -> Client {
    Client::new(
        Version::HTTP_11,
        &[
            ("host", HOST),
            ("user-agent", agent),
            ("accept-encoding", "gzip, deflate"),
            ("accept", "*/*"),
            ("connection", "keep-alive"),
            ("authorization", ""),
        ],
    )
}

/// A program under a browser's name. `care` says how well it pretends: 0 sends a library's fields, 1
/// adds what browsers send but not in their order, 2 is a browser without a screen, field by field.
pub(crate) fn disguised(care: u8, chance: &mut Chance) -> Client {
    match care {
        0 => python(&any_agent(chance)),
        1 => Client::new(
            Version::HTTP_11,
            &[
                ("host", HOST),
                ("user-agent", &any_agent(chance)),
                ("accept-encoding", "gzip, deflate, br"),
                ("accept", "application/json, text/plain, */*"),
                ("connection", "keep-alive"),
                ("accept-language", "en-US,en;q=0.5"),
                ("referer", "https://live.tandem.example/"),
                ("authorization", ""),
            ],
        ),
        _ => chromium(chance, false),
    }
}

/// A crawler of a search engine: Google's, or Bing's.
pub(crate) fn crawler(is_google: bool) -> Client {
    let agent = if is_google {
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; \
         +http://www.google.com/bot.html) Chrome/129.0.6668.89 Safari/537.36"
    } else {
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; \
         +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36"
    };
    Client::new(
        Version::HTTP_11,
        &[
            ("host", HOST),
            ("connection", "keep-alive"),
            (
                "accept",
                "text/html,application/xhtml+xml,application/signed-exchange;v=b3,application/xml;q=0.9,*/*;q=0.8",
            ),
            ("from", if is_google { "googlebot(at)googlebot.com" } else { "bingbot(at)microsoft.com" }),
            ("user-agent", agent),
            ("accept-encoding", "gzip, deflate, br"),
        ],
    )
}
