use super::*;

fn rule(more: &str) -> String {
    format!("[[rules]]\nname = \"a\"\nkey = \"key\"\nrequests = 100\nwindow_s = 60\n{more}\n")
}

#[test]
fn a_rule_needs_little_to_be_said() {
    let set = RuleSet::parse(&rule("")).unwrap();
    let [ready] = set.rules() else { panic!("one rule") };
    assert_eq!((ready.rate.burst(), ready.rule.shadow, ready.rule.strict), (100, false, false));
    assert_eq!(ready.rule.classes, RouteClass::ALL);
    assert_eq!((ready.rule.ipv4_prefix, ready.rule.ipv6_prefix), (32, 64));
    assert_eq!(set.costs(), &Costs::default());
    assert!(RuleSet::parse("").unwrap().rules().is_empty());
    let strict = RuleSet::parse(&rule("strict = true")).unwrap();
    assert_eq!(strict.rules()[0].rate.burst(), 20, "an export costs that much");
    let costs = RuleSet::parse("[costs]\nexport = 7").unwrap();
    assert_eq!((costs.costs().of(RouteClass::Export), costs.costs().of(RouteClass::Report)), (7, 2));
}

#[test]
fn what_is_wrong_refuses_all_and_names_the_rule() {
    let cases = [
        (rule("bursts = 5"), "rule \"a\"", "bursts"),
        (rule("burst = \"5\""), "rule \"a\"", "burst"),
        (rule("burst = -1"), "rule \"a\"", "burst"),
        (rule("burst = 0"), "rule \"a\"", "at least 1"),
        (rule("burst = 19"), "rule \"a\"", "costs 20"),
        (rule("strict = true\nburst = 101"), "rule \"a\"", "strict"),
        (rule("strict = true\nshared = true"), "rule \"a\"", "exclude"),
        (rule("classes = [\"reads\"]"), "rule \"a\"", "reads"),
        (rule("classes = []"), "rule \"a\"", "nobody"),
        (rule("callers = []"), "rule \"a\"", "nobody"),
        (rule("ipv4_prefix = 33"), "rule \"a\"", "ipv4_prefix"),
        (rule("ipv4_prefix = 300"), "rule \"a\"", "300"),
        (rule("ipv6_prefix = 8"), "rule \"a\"", "ipv6_prefix"),
        (rule("") + &rule(""), "rule \"a\"", "twice"),
        (rule("").replace("60", "0"), "rule \"a\"", "window_s"),
        (rule("").replace("100", "0"), "rule \"a\"", "requests"),
        (rule("").replace("\"a\"", "\"A b\""), "rule \"A b\"", "name"),
        (rule("").replace("name = \"a\"", ""), "rule number 1", "name"),
        (rule("").replace("\"key\"", "\"session\""), "rule \"a\"", "session"),
        ("[cost]\nread = 1".to_owned(), "", "cost"),
        ("[costs]\nread = 0".to_owned(), "", "1 to 10000"),
        ("[costs]\nreads = 1".to_owned(), "", "reads"),
        ("rules = 5".to_owned(), "", "rules"),
        ("[[rules]".to_owned(), "", "rules"),
        ("#".repeat(TEXT_BYTES_MAX + 1), "", "bytes"),
    ];
    for (text, name, what) in cases {
        let error = RuleSet::parse(&text).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(what), "{error} (of {text:.200})");
    }
    let many: String =
        (0..=RULES_MAX).map(|number| rule("").replace("\"a\"", &format!("\"r{number}\""))).collect();
    assert_eq!(RuleSet::parse(&many).unwrap_err(), RulesError::TooMany);
}

#[test]
fn rules_find_those_they_are_about() {
    let set = RuleSet::parse(
        "[[rules]]\nname = \"key\"\nkey = \"key\"\nrequests = 100\nwindow_s = 1\n\
         [[rules]]\nname = \"tenant-exports\"\nkey = \"tenant\"\nclasses = [\"export\"]\nrequests = 100\nwindow_s = 1\n\
         [[rules]]\nname = \"address\"\nkey = \"address\"\nrequests = 100\nwindow_s = 1\n\
         [[rules]]\nname = \"strangers\"\nkey = \"anonymous_address\"\nrequests = 100\nwindow_s = 1\n\
         [[rules]]\nname = \"operators\"\nkey = \"key\"\ncallers = [\"operator\"]\nrequests = 100\nwindow_s = 1\n",
    )
    .unwrap();
    let address = "192.0.2.1".parse().unwrap();
    let anonymous = Subject { kind: CallerKind::Anonymous, key: None, tenant: None, address };
    let user = Subject { kind: CallerKind::Tenant, key: Some("k"), tenant: Some("t"), address };
    let operator = Subject { kind: CallerKind::Operator, key: Some("o"), tenant: None, address };
    let names = |subject: &Subject<'_>, class| -> Vec<String> {
        set.matching(subject, class).map(|(_, ready, _)| ready.rule.name.clone()).collect()
    };
    assert_eq!(names(&anonymous, RouteClass::Read), ["address", "strangers"]);
    assert_eq!(names(&user, RouteClass::Read), ["key", "address"]);
    assert_eq!(names(&user, RouteClass::Export), ["key", "tenant-exports", "address"]);
    assert_eq!(names(&operator, RouteClass::Export), ["key", "address", "operators"]);
}

#[test]
fn the_identity_of_a_rule_is_its_name_key_and_window() {
    let id = |text: &str| RuleSet::parse(text).unwrap().rules()[0].id;
    let first = id(&rule(""));
    assert_eq!(first, id(&rule("burst = 30\nshadow = true")));
    assert_eq!(first, id(&rule("").replace("100", "90")));
    assert_ne!(first, id(&rule("").replace("60", "61")));
    assert_ne!(first, id(&rule("").replace("\"a\"", "\"b\"")));
    assert_ne!(first, id(&rule("").replace("\"key\"", "\"tenant\"")));
}
