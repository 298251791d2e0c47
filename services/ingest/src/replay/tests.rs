//! Beats worked out by hand, edge cases, and a plain second method against random files.

use proptest::prelude::*;

use super::*;

/// An item that can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Out {
    Line(String),
    Beat(u64),
}

fn run<'a>(lines: impl IntoIterator<Item = &'a str>) -> (Vec<Out>, Summary) {
    let mut out = Vec::new();
    let mut keep = |item: Item<'_>| {
        out.push(match item {
            Item::Line(line) => Out::Line(String::from_utf8_lossy(line).into_owned()),
            Item::Beat(second) => Out::Beat(second),
        });
    };
    let mut replay = Replay::new();
    for line in lines {
        replay.push(line.as_bytes(), &mut keep);
    }
    let summary = replay.finish(&mut keep);
    (out, summary)
}

/// A line with this `ts`, written as it stands.
fn ts(ts: &str) -> String {
    format!(r#"{{"ts":{ts}}}"#)
}

/// Feeds lines with these `ts` and shows what comes out: `L` for a line, the second for a beat.
fn shown(all: &[&str]) -> String {
    let lines: Vec<String> = all.iter().map(|text| ts(text)).collect();
    let (out, _) = run(lines.iter().map(String::as_str));
    let words: Vec<String> = out
        .iter()
        .map(|out| match out {
            Out::Line(_) => "L".to_owned(),
            Out::Beat(second) => second.to_string(),
        })
        .collect();
    words.join(" ")
}

#[test]
fn an_orderly_file_worked_out_by_hand() {
    // Ten lines, 1 s apart, from 1 s to 10 s. Line 1 sees lines 1-5: the median is 3 s. Line 2
    // sees 1-6: of 3 and 4 the smaller, 3. Line 3 sees 1-7: 4. Line 4: 1-8, 4. Line 5: 1-9, 5.
    // Line 6: 2-10, 6. Line 7: 3-10, of 6 and 7 the smaller, 6. Line 8: 4-10, 7. Line 9: 5-10, 7.
    // Line 10: 6-10, 8. The last beat: 8 + 660.
    let all: Vec<String> = (1..=10).map(|second| (second * 1000).to_string()).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(shown(&all), "3 L L 4 L L 5 L 6 L L 7 L L 8 L 668");
}

#[test]
fn one_line_is_its_own_median() {
    assert_eq!(shown(&["1500"]), "1 L 661");
    assert_eq!(shown(&["999"]), "0 L 660");
    assert_eq!(shown(&["0"]), "0 L 660");
}

#[test]
fn of_two_middle_values_the_smaller_counts() {
    assert_eq!(shown(&["1000", "9000"]), "1 L L 661");
}

#[test]
fn a_beat_stands_only_where_a_whole_second_was_reached() {
    // The clock goes from 1000 over 1999 to 2000; only the last is another second.
    let mut all = vec!["1000"; 9];
    all.extend(["1999"; 9]);
    let same_second = shown(&all);
    assert_eq!(same_second.matches(|c: char| c.is_ascii_digit()).count(), 4, "{same_second}");
    all.extend(["2000"; 9]);
    // The window of line 19 is lines 15-23: four times 1999, five times 2000.
    let expected = ["1"].into_iter().chain(["L"; 18]).chain(["2"]).chain(["L"; 9]).chain(["662"]);
    assert_eq!(shown(&all), expected.collect::<Vec<_>>().join(" "));
}

#[test]
fn a_few_stray_timestamps_move_nothing() {
    let steady = ["5000"; 20];
    let expected = shown(&steady);
    for stray in ["0", "-7", "9007199254740991", "18446744073709551615", "1.5", "\"x\""] {
        for at in [0, 1, 7, 19] {
            let mut all = steady;
            all[at] = stray;
            all[(at + 1) % 20] = stray;
            assert_eq!(shown(&all), expected, "{stray} at {at}");
        }
    }
}

#[test]
fn the_clock_never_goes_back() {
    let mut all = vec!["9000"; 9];
    all.extend(["1000"; 30]);
    let (out, summary) = {
        let lines: Vec<String> = all.iter().map(|text| ts(text)).collect();
        run(lines.iter().map(String::as_str))
    };
    let beats: Vec<&Out> = out.iter().filter(|out| matches!(out, Out::Beat(_))).collect();
    assert_eq!(beats, [&Out::Beat(9), &Out::Beat(669)]);
    assert_eq!(summary.last_beat, Some(669));
}

#[test]
fn a_jump_is_one_beat_not_many() {
    let mut all = vec!["1000"; 9];
    all.extend(["3600000"; 9]);
    let expected = ["1"].into_iter().chain(["L"; 9]).chain(["3600"]).chain(["L"; 9]).chain(["4260"]);
    assert_eq!(shown(&all), expected.collect::<Vec<_>>().join(" "));
}

#[test]
fn without_any_timestamp_there_is_no_beat() {
    let (out, summary) = run(["{}", "nonsense", "[1]", r#"{"ts":null}"#]);
    assert!(out.iter().all(|out| matches!(out, Out::Line(_))));
    assert_eq!((out.len(), summary), (4, Summary { beat_lines: 0, last_beat: None }));
    assert_eq!(run([]), (vec![], Summary { beat_lines: 0, last_beat: None }));
}

#[test]
fn the_first_beat_stands_before_the_first_line_that_has_a_median() {
    // Line 6 is the first with a timestamp; lines 2 to 5 have it in their window, line 1 not.
    assert_eq!(shown(&["null", "null", "null", "null", "null", "4000"]), "L 4 L L L L L 664");
}

#[test]
fn lines_without_an_integer_are_left_out_and_not_replaced() {
    // Line 1's window is lines 1-5, of which three count: 1, 2, 9. If line 6 replaced one of those
    // left out, the median would be another.
    assert!(shown(&["1000", "null", "2000", "\"9\"", "9000", "8000"]).starts_with("2 L "));
}

#[test]
fn what_no_beat_can_say_is_not_said() {
    assert_eq!(shown(&["-5000"; 9]), ["L"; 9].join(" "));
    assert_eq!(shown(&["-1"]), "L");
    assert_eq!(shown(&["18446744073709551615"; 2]), "L L");
    // The very last second that fits, with nothing eleven minutes on.
    assert_eq!(shown(&["9007199254740991"]), "9007199254740 L");
    // From below zero the first beat comes once the clock has reached zero.
    let mut all = vec!["-5000"; 9];
    all.extend(["1000"; 9]);
    let expected = ["L"; 9].into_iter().chain(["1"]).chain(["L"; 9]).chain(["661"]);
    assert_eq!(shown(&all), expected.collect::<Vec<_>>().join(" "));
}

#[test]
fn beat_lines_and_blank_lines_take_no_place() {
    let clean: Vec<String> = (1..=12).map(|second| ts(&(second * 700).to_string())).collect();
    let mut dirty = Vec::new();
    for line in &clean {
        dirty.extend([
            "".to_owned(),
            " \t\r\n".to_owned(),
            r#"{"type":"beat","beat":99,"ts":99000}"#.to_owned(),
        ]);
        dirty.push(format!("{line}\r\n"));
        dirty.push(r#"{"ts":"bad","type":"\u0062eat"}"#.to_owned());
    }
    let (expected, _) = run(clean.iter().map(String::as_str));
    let (out, summary) = run(dirty.iter().map(String::as_str));
    assert_eq!(out, expected);
    assert_eq!(summary.beat_lines, 24);
}

#[test]
fn a_glance_sees_what_the_decoder_sees() {
    let cases: [(&str, Option<i128>, bool); 20] = [
        (r#"{"ts":5}"#, Some(5), false),
        (r#"{"ts":-5}"#, Some(-5), false),
        (r#"{"\u0074s":5}"#, Some(5), false),
        (r#"{"ts":5,"ts":6}"#, Some(6), false),
        (r#"{"ts":5,"ts":"x"}"#, None, false),
        (r#"{"ts":5.0}"#, None, false),
        (r#"{"ts":5e3}"#, None, false),
        (r#"{"ts":18446744073709551616}"#, None, false),
        (r#"{"ts":18446744073709551615}"#, Some(u64::MAX as i128), false),
        (r#"{"ts":-9223372036854775808}"#, Some(i64::MIN as i128), false),
        (r#"{"ts":true}"#, None, false),
        (r#"{"ts":[5]}"#, None, false),
        (r#"{"ts":{"ts":5}}"#, None, false),
        (r#"{"in":{"ts":5,"type":"beat"}}"#, None, false),
        (r#"{"ts":5} x"#, None, false),
        (r#"{"ts":5"#, None, false),
        (r#"[{"ts":5}]"#, None, false),
        (r#"5"#, None, false),
        (r#"{"type":"beat","ts":5}"#, Some(5), true),
        (r#"{"type":"beat","type":"enter"}"#, None, false),
    ];
    for (line, ts, is_beat) in cases {
        assert_eq!(Glance::at(line.as_bytes()), Glance { ts, is_beat }, "{line}");
    }
    assert_eq!(Glance::at(b"{\"ts\":5,\"x\":\"\xff\"}"), Glance::default());
}

#[test]
fn lines_come_out_as_they_went_in_and_at_most_four_are_held() {
    let mut given = 0;
    let mut replay = Replay::new();
    for pushed in 1..=1_000_usize {
        replay.push(ts("1").as_bytes(), &mut |item| given += usize::from(matches!(item, Item::Line(_))));
        assert_eq!(given, pushed.saturating_sub(4));
    }
    let odd = "{\"ts\": 1 ,\"text\":\"直播\\n\"}  ";
    assert_eq!(run([odd]).0[1], Out::Line(odd.to_owned()));
}

/// The contract, word for word, with the whole file in memory.
fn plain(all: &[Option<i64>]) -> Vec<Result<usize, u64>> {
    let mut out = Vec::new();
    let (mut clock, mut last_beat) = (None::<i64>, None::<i64>);
    for line in 0..all.len() {
        let window = &all[line.saturating_sub(4)..(line + 5).min(all.len())];
        let mut known: Vec<i64> = window.iter().copied().flatten().collect();
        known.sort_unstable();
        if !known.is_empty() {
            let median = known[(known.len() - 1) / 2];
            clock = Some(clock.map_or(median, |clock| clock.max(median)));
        }
        if let Some(second) = clock.map(|clock| clock.div_euclid(1000)).filter(|second| *second >= 0)
            && last_beat.is_none_or(|last| second > last)
        {
            out.push(Err(second as u64));
            last_beat = Some(second);
        }
        out.push(Ok(line));
    }
    if let Some(last) = last_beat {
        out.push(Err(last as u64 + 660));
    }
    out
}

proptest! {
    #[test]
    fn agrees_with_the_plain_method(
        all in proptest::collection::vec(proptest::option::weighted(0.8, -3_000_i64..30_000), 0..60),
    ) {
        let lines: Vec<String> = all.iter().enumerate().map(|(index, value)| match value {
            Some(value) => format!(r#"{{"n":{index},"ts":{value}}}"#),
            None => format!(r#"{{"n":{index}}}"#),
        }).collect();
        let (out, _) = run(lines.iter().map(String::as_str));
        let expected: Vec<Out> = plain(&all).into_iter().map(|item| match item {
            Ok(line) => Out::Line(lines[line].clone()),
            Err(second) => Out::Beat(second),
        }).collect();
        prop_assert_eq!(out, expected);
    }
}
