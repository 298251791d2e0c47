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
    assert!(report.families.iter().all(|family| family.kind != Kind::Unseen));
    assert_eq!(report.unseen.actors, 0);
    assert!(report.tuned.actors > 0);
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
