//! Browsers of people, and apps on their phones.

use http::Version;

use super::{Client, HOST};
use crate::chance::Chance;

const ORIGIN: &str = "https://live.tandem.example";
const REFERER: &str = "https://live.tandem.example/";
const LANGUAGES: [&str; 4] =
    ["zh-CN,zh;q=0.9", "zh-CN,zh;q=0.9,en;q=0.8", "zh-CN,zh;q=0.8,zh-TW;q=0.7,en-US;q=0.3", "en-US,en;q=0.9"];

/// A browser as people have it, by share of use.
pub(crate) fn browser(chance: &mut Chance) -> Client {
    match chance.below(100) {
        0..58 => chromium(chance, false),
        58..72 => chromium(chance, true),
        72..80 => firefox(chance),
        80..93 => safari(chance),
        _ => mini_program(chance),
    }
}

/// An app of a tenant on a phone, or the web view inside of one.
pub(crate) fn mobile_app(chance: &mut Chance) -> Client {
    match chance.below(100) {
        0..40 => android_app(chance),
        40..70 => ios_app(chance),
        70..90 => mini_program(chance),
        _ => safari(chance),
    }
}

/// The name of some browser, by itself.
pub(crate) fn any_agent(chance: &mut Chance) -> String {
    match chance.below(4) {
        0 => chromium_agent(chance.between(96, 131), "Windows NT 10.0; Win64; x64", ""),
        1 => chromium_agent(chance.between(90, 131), "Macintosh; Intel Mac OS X 10_15_7", ""),
        2 => firefox_agent(chance.between(88, 133)),
        _ => safari_agent(chance.between(14, 18), chance.below(6)),
    }
}

fn chromium_agent(version: u64, system: &str, rest: &str) -> String {
    format!(
        "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36{rest}"
    )
}

fn firefox_agent(version: u64) -> String {
    format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0")
}

fn safari_agent(major: u64, minor: u64) -> String {
    format!(
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) \
         Version/{major}.{minor} Safari/605.1.15"
    )
}

/// Chrome, or Edge, which differs in its name and brand alone.
pub(super) fn chromium(chance: &mut Chance, is_edge: bool) -> Client {
    let version = chance.between(118, 131);
    let systems = [
        ("Windows NT 10.0; Win64; x64", "\"Windows\""),
        ("Macintosh; Intel Mac OS X 10_15_7", "\"macOS\""),
        ("X11; Linux x86_64", "\"Linux\""),
    ];
    let (system, platform) = systems[[0, 0, 0, 1, 1, 2][usize::try_from(chance.below(6)).unwrap_or(0)]];
    let (brand, rest) = if is_edge {
        ("Microsoft Edge", format!(" Edg/{version}.0.0.0"))
    } else {
        ("Google Chrome", String::new())
    };
    let brands =
        format!("\"{brand}\";v=\"{version}\", \"Chromium\";v=\"{version}\", \"Not_A Brand\";v=\"24\"");
    Client::new(
        version_of(chance),
        &[
            ("host", HOST),
            ("connection", "keep-alive"),
            ("sec-ch-ua-platform", platform),
            ("authorization", ""),
            ("user-agent", &chromium_agent(version, system, &rest)),
            ("accept", "application/json, text/plain, */*"),
            ("sec-ch-ua", &brands),
            ("sec-ch-ua-mobile", "?0"),
            ("origin", ORIGIN),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-dest", "empty"),
            ("referer", REFERER),
            ("accept-encoding", "gzip, deflate, br, zstd"),
            ("accept-language", *chance.pick(&LANGUAGES)),
        ],
    )
}

/// A browser whose person types an address.
pub(crate) fn page_view(chance: &mut Chance) -> Client {
    let version = chance.between(124, 131);
    let brands =
        format!("\"Google Chrome\";v=\"{version}\", \"Chromium\";v=\"{version}\", \"Not_A Brand\";v=\"24\"");
    Client::new(
        version_of(chance),
        &[
            ("host", HOST),
            ("connection", "keep-alive"),
            ("sec-ch-ua", &brands),
            ("sec-ch-ua-mobile", "?0"),
            ("sec-ch-ua-platform", "\"Windows\""),
            ("upgrade-insecure-requests", "1"),
            ("user-agent", &chromium_agent(version, "Windows NT 10.0; Win64; x64", "")),
            (
                "accept",
                "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
            ),
            ("sec-fetch-site", "none"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-user", "?1"),
            ("sec-fetch-dest", "document"),
            ("accept-encoding", "gzip, deflate, br, zstd"),
            ("accept-language", chance.pick::<&str>(&LANGUAGES)),
        ],
    )
}

fn firefox(chance: &mut Chance) -> Client {
    Client::new(
        version_of(chance),
        &[
            ("host", HOST),
            ("user-agent", &firefox_agent(chance.between(115, 133))),
            ("accept", "application/json, text/plain, */*"),
            ("accept-language", "zh-CN,zh;q=0.8,zh-TW;q=0.7,zh-HK;q=0.5,en-US;q=0.3,en;q=0.2"),
            ("accept-encoding", "gzip, deflate, br, zstd"),
            ("authorization", ""),
            ("origin", ORIGIN),
            ("connection", "keep-alive"),
            ("referer", REFERER),
            ("sec-fetch-dest", "empty"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-site", "same-site"),
        ],
    )
}

fn safari(chance: &mut Chance) -> Client {
    let (major, minor) = (chance.between(16, 18), chance.below(6));
    let agent = if chance.percent(50) {
        safari_agent(major, minor)
    } else {
        format!(
            "Mozilla/5.0 (iPhone; CPU iPhone OS {major}_{minor} like Mac OS X) AppleWebKit/605.1.15 \
             (KHTML, like Gecko) Version/{major}.{minor} Mobile/15E148 Safari/604.1"
        )
    };
    Client::new(
        version_of(chance),
        &[
            ("host", HOST),
            ("accept", "application/json, text/plain, */*"),
            ("authorization", ""),
            ("sec-fetch-site", "same-site"),
            ("accept-language", "zh-CN,zh-Hans;q=0.9"),
            ("accept-encoding", "gzip, deflate, br"),
            ("sec-fetch-mode", "cors"),
            ("origin", ORIGIN),
            ("user-agent", &agent),
            ("referer", REFERER),
            ("connection", "keep-alive"),
            ("sec-fetch-dest", "empty"),
        ],
    )
}

/// A page inside of a messenger.
fn mini_program(chance: &mut Chance) -> Client {
    let agent = format!(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
         Mobile/15E148 MicroMessenger/8.0.{}(0x18003{:03x}) NetType/{} Language/zh_CN",
        chance.below(7),
        chance.between(38, 54),
        chance.below(0xfff),
        chance.pick(&["WIFI", "4G", "5G"]),
    );
    Client::new(
        version_of(chance),
        &[
            ("host", HOST),
            ("connection", "keep-alive"),
            ("authorization", ""),
            ("content-type", "application/json"),
            ("accept-encoding", "gzip,compress,br,deflate"),
            ("user-agent", &agent),
            ("referer", "https://servicewechat.example/wx1f0a/12/page-frame.html"),
        ],
    )
}

/// An app that calls with its system's own library.
fn ios_app(chance: &mut Chance) -> Client {
    let agent = format!(
        "LivePartner/{}.{} (iPhone; iOS 17.{}; Scale/3.00)",
        chance.between(4, 6),
        chance.below(20),
        chance.below(7)
    );
    Client::new(
        version_of(chance),
        &[
            ("host", HOST),
            ("accept", "application/json"),
            ("authorization", ""),
            ("accept-encoding", "gzip, deflate, br"),
            ("user-agent", &agent),
            ("accept-language", "zh-Hans-CN;q=1, en-CN;q=0.9"),
            ("connection", "keep-alive"),
        ],
    )
}

/// An app for Android; half of them keep the library's name.
fn android_app(chance: &mut Chance) -> Client {
    let agent = if chance.percent(50) {
        "okhttp/4.12.0".to_owned()
    } else {
        format!(
            "MerchantLive/{}.{} (Android {}; V2324A) okhttp/4.12.0",
            chance.between(7, 9),
            chance.below(30),
            chance.between(11, 15)
        )
    };
    Client::new(
        version_of(chance),
        &[
            ("authorization", ""),
            ("accept", "application/json"),
            ("host", HOST),
            ("connection", "Keep-Alive"),
            ("accept-encoding", "gzip"),
            ("user-agent", &agent),
        ],
    )
}

/// Most connections of browsers and apps speak HTTP/2; some stand behind an older proxy.
fn version_of(chance: &mut Chance) -> Version {
    if chance.percent(80) { Version::HTTP_2 } else { Version::HTTP_11 }
}
