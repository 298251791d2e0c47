use super::*;

fn wrong(text: &str) -> String {
    Rules::parse(text).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn the_rules_that_come_with_the_crate_name_every_signal() {
    let rules = Rules::default();
    for name in Name::ALL {
        assert_eq!(rules.rule(name).name, name);
        assert_ne!(rules.rule(name).points, 0, "{name:?} is worth nothing");
    }
}

#[test]
fn what_a_file_leaves_out_stays_as_it_comes() {
    let rules = Rules::parse("[[rules]]\nname = \"not-found\"\nobserve = true\n").unwrap();
    let standing = Rules::default();
    let expected = Rule { observe: true, ..standing.rule(Name::NotFound).clone() };
    assert_eq!(*rules.rule(Name::NotFound), expected);
    assert_eq!(rules.rule(Name::Walk), standing.rule(Name::Walk));
    assert_eq!(rules.thresholds(), standing.thresholds());
}

#[test]
fn faults_are_told_with_their_line_and_what_is_allowed() {
    let cases = [
        ("\n[actions]\ntag = 5\nslow = 4\nchallenge = 6\nlimit = 7\ndeny = 8", "line 2: 1 ≤ tag ≤ slow"),
        ("\n\n[most]\nsigned = \"deny\"", "line 4: signed applications are not refused"),
        ("[[rules]]\nname = \"walk\"\n[[rules]]\nname = \"walk\"", "line 3: rule \"walk\" is written twice"),
        ("[[rules]]\nname = \"walk\"\npoints = -5", "only \"crawler-verified\" may have points below 0"),
        ("[[rules]]\nname = \"walk\"\npoints = 2000", "points must be -1000 to 1000"),
        ("[[rules]]\nname = \"walk\"\nfrom = 9\nfull = 8", "1 ≤ from ≤ full"),
        ("[[rules]]\nname = \"walk\"\nshare_percent = 101", "share_percent must be 0 to 100"),
        ("[[rules]]\nname = \"wlak\"", "unknown variant `wlak`, expected one of"),
        ("[[rules]]\nname = \"walk\"\npoint = 1", "unknown field `point`, expected one of"),
        ("[paths]\nfree = [\"\"]", "line 2: an entry has 1 to 256 bytes"),
        ("[signing]\nheader = \"a b\"", "line 2: \"a b\" is no name of a header"),
        ("a = [", "the rules can't be read: TOML parse error at line 1"),
    ];
    for (text, expected) in cases {
        let said = wrong(text);
        assert!(said.contains(expected), "{text:?} gave {said:?}");
    }
}

#[test]
fn worth_rises_from_half_to_all() {
    let rule = Rule {
        name: Name::Walk,
        points: 40,
        points_known: 20,
        observe: false,
        from: 10,
        full: 20,
        share_percent: 0,
    };
    let cases = [(0, 0), (9, 0), (10, 20), (15, 30), (20, 40), (u32::MAX, 40)];
    for (value, expected) in cases {
        assert_eq!(rule.worth(Caller::Nobody, value), expected, "{value}");
        assert_eq!(rule.worth(Caller::Key, value), expected / 2, "{value}");
    }
}

#[test]
fn no_rules_deny_signed_applications_or_touch_operators() {
    let text = "[actions]\ntag=1\nslow=1\nchallenge=1\nlimit=1\ndeny=1";
    let inner = &Rules::parse(text).unwrap().inner;
    assert_eq!(inner.action(Caller::Signed, u16::MAX), Action::Limit);
    assert_eq!(inner.action(Caller::Operator, u16::MAX), Action::Allow);
    assert_eq!(inner.action(Caller::Key, u16::MAX), Action::Deny);
}

#[test]
fn whoever_cant_solve_a_challenge_is_slowed_down_instead() {
    let rules = Rules::default();
    assert_eq!(rules.inner.action(Caller::Token, 50), Action::Challenge);
    assert_eq!(rules.inner.action(Caller::Key, 50), Action::Slow);
    assert_eq!(rules.inner.action(Caller::Signed, 50), Action::Slow);
}
