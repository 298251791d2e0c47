//! The shield with the rules that ship, held against traffic whose truth is known.

use tandem_shield::Rules;
use tandem_traffic::evaluate::{Options, run};
use tandem_traffic::{Family, Kind, TrafficOptions};

const SHORT: TrafficOptions =
    TrafficOptions { seed: 11, start_ms: 1_732_190_400_000, length_ms: 900_000, actors_percent: 20 };

#[test]
fn the_same_options_give_the_same_report() {
    let report = || run(Options { traffic: SHORT, ..Options::default() });
    assert_eq!(report(), report());
}

#[test]
fn rules_that_never_act_stop_nothing_and_the_door_stops_what_shows_nothing() {
    let text = "[actions]\ntag = 65531\nslow = 65532\nchallenge = 65533\nlimit = 65534\ndeny = 65535\n";
    let rules = Rules::parse(text).unwrap();
    let report = run(Options { traffic: SHORT, rules, ..Options::default() });
    assert_eq!(
        (report.worthless.stopped_by_shield, report.tuned.recalled, report.unseen.recalled),
        (0, 0, 0)
    );
    assert_eq!((report.people.disturbed, report.signed.refused), (0, 0));
    assert!(report.worthless.stopped_share() > 0.7, "{report}");
    assert!(report.worthless.stopped_share() < 1.0, "thieves pass the door: {report}");
}

#[test]
fn families_that_are_kept_apart_take_no_part_while_rules_are_tuned() {
    let report = run(Options { traffic: SHORT, with_unseen: false, ..Options::default() });
    assert!(report.families.iter().all(|family| !matches!(family.kind, Kind::Unseen | Kind::Later)));
    assert_eq!((report.unseen.actors, report.later.actors), (0, 0));
    assert!(report.tuned.actors > 0);
}

/// The aims, and beside them what was measured with the seeds 1, 2, 3 when the rules were last
/// changed. Behind `least` and `most` stands the measured figure less a margin, or the aim.
#[test]
fn the_rules_that_ship_reach_what_is_asserted_here() {
    let report = run(Options::default());
    let of_people = report.people.disturbed_share();
    let cases = [
        // Aim: 0.9. Measured 0.98 to 0.99.
        ("recall of attackers tuned with", report.tuned.recall(), 0.95, 1.0),
        // Aim: 0.9. Measured 0.90 to 0.95. Not pristine: the design changed after they were first
        // measured, at 0.57.
        ("recall of attackers kept apart", report.unseen.recall(), 0.90, 1.0),
        // Aim: 0.9. Measured 0.28 at first and 0.33 since exports weigh more (which was tuned with
        // siphons), so missed: nothing tells a foreign app with a stolen key from the
        // tenant's own, nor tokens of the dead that come from hundreds of addresses, one each. The
        // upper end is here so that whoever improves on it also corrects the documents.
        ("recall of attackers written later", report.later.recall(), 0.30, 0.50),
        // Aim: 0.005. Measured 0.
        ("sessions of people disturbed", of_people, 0.0, 0.002),
        // Aim: 0.0001. Measured 0.
        ("signed requests refused", report.signed.refused_share(), 0.0, 0.0),
        // Aim: 0.67. Measured 0.84 to 0.85 by the shield alone.
        ("worthless requests stopped by the shield", report.worthless.stopped_by_shield_share(), 0.80, 1.0),
        // Measured 0.93 to 0.94.
        ("worthless requests stopped by anything", report.worthless.stopped_share(), 0.90, 1.0),
    ];
    for (what, measured, least, most) in cases {
        assert!((least..=most).contains(&measured), "{what}: {measured}, not {least} to {most}\n{report}");
    }
    for family in report.families.iter().filter(|family| family.kind == Kind::Hostile) {
        assert!(family.recall() >= 0.75, "{}: {}\n{report}", family.family, family.recall());
    }
    // Nobody who shows a key or token of his own is refused, but for the engineer who exports from a
    // network where his key has never been.
    for family in report.families.iter().filter(|family| family.kind == Kind::Machine) {
        let most = u64::from(family.family == Family::ExportScript) * 2;
        assert!(family.sessions_refused <= most, "{}\n{report}", family.family);
    }
}

#[test]
fn a_report_reads_the_same_to_people_and_to_programs() {
    let report = run(Options { traffic: SHORT, ..Options::default() });
    let json = serde_json::to_value(&report).unwrap();
    let text = report.to_string();
    let families = json["families"].as_array().unwrap();
    assert_eq!(families.len(), Family::ALL.len());
    for family in families {
        let name = family["family"].as_str().unwrap();
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
        let numbers: Vec<&str> = line.split_whitespace().skip(1).collect();
        let expected = [family["actors"].to_string(), family["requests"].to_string()];
        assert_eq!(numbers[..2], expected, "{line}");
    }
    assert!(text.contains(&format!("worthless: {} requests", json["worthless"]["requests"])), "{text}");
}
