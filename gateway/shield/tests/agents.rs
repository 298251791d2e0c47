//! User agents: how many programs are told from people, and how many people are taken for one.

use tandem_shield::{AgentKind, Rules};

/// Pattern and user agent of everything on the labelled list.
fn labelled() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("data/crawlers.tsv").lines();
    lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'))
}

/// User agents of people, put together from what browsers, systems and makers write: every version
/// on every system, also where it was never made for it.
fn people() -> Vec<String> {
    let mut agents = Vec::new();
    let desktops = [
        "Windows NT 10.0; Win64; x64",
        "Windows NT 6.1; WOW64",
        "Macintosh; Intel Mac OS X 10_15_7",
        "X11; Linux x86_64",
        "X11; CrOS x86_64 14541.0.0",
        "X11; Ubuntu; Linux x86_64",
    ];
    let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
    for desktop in desktops {
        for version in 90..140 {
            let chrome = format!("Mozilla/5.0 ({desktop}) {webkit} Chrome/{version}.0.0.0 Safari/537.36");
            for tail in ["", " Edg/120.0.0.0", " OPR/100.0.0.0", " Vivaldi/6.7", " YaBrowser/24.4.0"] {
                agents.push(format!("{chrome}{tail}"));
            }
            agents
                .push(format!("Mozilla/5.0 ({desktop}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"));
        }
    }
    let phones = [
        "SM-S918B",
        "SM-A515F Build/QP1A.190711.020",
        "Pixel 8 Pro",
        "M2101K6G",
        "CUBOT X18",
        "CUBOT NOTE 20",
        "M bot 51",
        "XBot_Senior Build/O11019",
        "Panasonic P6",
        "Fever_Plus",
        "HTC Butterfly",
        "PHANTOM PZ18",
        "LM-Q720",
        "moto g(30)",
        "CPH2557 Build/AP3A.240617.008",
        "TECNO KG5j",
        "Nokia 5.4",
        "K",
    ];
    for phone in phones {
        for (android, version) in [(8, 70), (10, 88), (11, 96), (12, 105), (13, 117), (14, 126)] {
            let device = format!("Mozilla/5.0 (Linux; Android {android}; {phone}");
            let view =
                format!("{device}; wv) {webkit} Version/4.0 Chrome/{version}.0.0.0 Mobile Safari/537.36");
            agents.push(format!("{device}) {webkit} Chrome/{version}.0.0.0 Mobile Safari/537.36"));
            agents.push(format!(
                "{device}) {webkit} SamsungBrowser/24.0 Chrome/{version}.0.0.0 Mobile Safari/537.36"
            ));
            for app in [
                "",
                " Instagram 300.0.0.0",
                " [FBAN/EMA;FBAV/380.0]",
                " MicroMessenger/8.0.37",
                " TandemShop/3.2",
            ] {
                agents.push(format!("{view}{app}"));
            }
            agents.push(format!("Dalvik/2.1.0 (Linux; U; Android {android}; {phone})"));
        }
    }
    for device in ["iPhone; CPU iPhone OS", "iPad; CPU OS"] {
        for version in ["15_8", "16_6_1", "17_0", "17_5", "18_1"] {
            let webkit = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
            let head = format!("Mozilla/5.0 ({device} {version} like Mac OS X) {webkit}");
            agents.push(format!("{head} Version/17.5 Mobile/15E148 Safari/604.1"));
            agents.push(format!("{head} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1"));
            agents.push(format!("{head} Mobile/15E148 Instagram 300.0.0.0"));
        }
    }
    for app in [
        "okhttp/4.12.0",
        "TandemShop/3.2 CFNetwork/1494.0.7 Darwin/23.4.0",
        "Shop/12 (iPhone; iOS 17.5; Scale/3.00)",
    ] {
        agents.push(app.to_owned());
    }
    agents
}

#[test]
fn the_labelled_crawlers_are_told_from_people() {
    let rules = Rules::default();
    let is_program = |agent: &str| rules.agent(agent.as_bytes()) != AgentKind::Person;
    let (all, found) =
        labelled().fold((0, 0), |(all, found), (_, agent)| (all + 1, found + u32::from(is_program(agent))));
    let people = people();
    let wrong: Vec<_> = people.iter().filter(|agent| is_program(agent)).collect();
    println!(
        "{found} of {all} labelled programs found, {} of {} people taken for one",
        wrong.len(),
        people.len()
    );
    assert!(all > 2_000 && people.len() > 2_000);
    assert!(found * 100 >= all * 98, "{found} of {all}");
    assert!(wrong.len() * 10_000 <= people.len() * 5, "{wrong:?}");
}

/// Three of ten patterns are held out: their strings were not looked at when the words were chosen
/// (the names of all patterns were).
#[test]
fn general_words_alone_find_most_of_those_held_out() {
    let rules = Rules::default();
    let is_held_out = |pattern: &str| {
        pattern.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) / 7 % 10 < 3
    };
    let held_out: Vec<_> = labelled().filter(|(pattern, _)| is_held_out(pattern)).collect();
    let is_found = |agent: &str| rules.agent_by_words(agent.as_bytes()) != AgentKind::Person;
    let found = held_out.iter().filter(|(_, agent)| is_found(agent)).count();
    println!("general words alone: {found} of {} held out", held_out.len());
    assert!(held_out.len() > 300 && found * 100 >= held_out.len() * 75, "{found} of {}", held_out.len());
}
