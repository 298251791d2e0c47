use super::*;
use crate::rules::Rules;

fn kind(agent: &str) -> AgentKind {
    Rules::default().agent(agent.as_bytes())
}

#[test]
fn user_agents_are_taken_for_what_they_are() {
    let name = |word: &str| Arc::<str>::from(word);
    let cases = [
        ("", AgentKind::Missing),
        ("  ", AgentKind::Missing),
        ("curl/8.7.1", AgentKind::Library(name("curl/"))),
        ("python-requests/2.32", AgentKind::Library(name("python-requests/"))),
        ("Go-http-client/2.0", AgentKind::Library(name("go-http-client/"))),
        ("okhttp/4.12.0", AgentKind::Person),
        ("sqlmap/1.8#stable (https://sqlmap.org)", AgentKind::Tool(name("sqlmap"))),
        ("Mozilla/5.0 (compatible; SomethingNew/1.0)", AgentKind::Word(name("Mozilla/5.0 (compatible"))),
        ("Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)", AgentKind::Person),
        ("NewKindOfBot/0.1", AgentKind::Word(name("bot"))),
        ("Mozilla/5.0 (Linux; Android 10; CUBOT J9) AppleWebKit/537.36 Chrome/88", AgentKind::Person),
        ("Mozilla/5.0 (Linux; Android 10; NewBot/1.0) AppleWebKit/537.36", AgentKind::Word(name("bot"))),
    ];
    for (agent, expected) in cases {
        assert_eq!(kind(agent), expected, "{agent}");
    }
}

#[test]
fn rules_add_crawlers_and_people() {
    let rules = Rules::parse("[agents]\ncrawlers = [\"ourprobe\"]\npeople = [\"friendlybot\"]").unwrap();
    assert_eq!(rules.agent(b"OurProbe/1"), AgentKind::Crawler("ourprobe".into()));
    assert_eq!(rules.agent(b"FriendlyBot/1"), AgentKind::Person);
}
