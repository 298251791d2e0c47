use super::*;

fn event(line: &str) -> Event<'_> {
    match decode(line.as_bytes()) {
        Ok(Line::Event(event)) => event,
        other => panic!("{line}: {other:?}"),
    }
}

fn check(line: &str, problem: Problem, field: Option<Field>, session: Option<&str>) {
    let malformed = decode(line.as_bytes()).expect_err(line);
    assert_eq!(malformed.problem, problem, "{line}");
    assert_eq!(malformed.field, field, "{line}");
    assert_eq!(malformed.session_id.as_ref().map(SessionId::as_str), session, "{line}");
}

#[test]
fn an_event_is_borrowed_from_its_line() {
    let event = event(
        r#"{"event_id":"e1","type":"enter","ts":5,"session_id":"s","user_id":"u","source":null,"channel":"taobao","is_fan":true,"surprise":{"a":[1]}}"#,
    );
    assert_eq!(event.kind, Kind::Enter);
    let viewer = event.viewer.expect("viewer");
    assert!(matches!(viewer.user_id, Cow::Borrowed("u")));
    assert_eq!((viewer.source, viewer.channel.as_deref(), viewer.is_fan), (None, Some("taobao"), Some(true)));
}

#[test]
fn the_order_of_fields_and_escapes_do_not_matter() {
    let event =
        event(r#"{"count":3,"user_id":"\u0075","session_id":"s","ts":5,"type":"like","event_id":"e"}"#);
    assert_eq!(event.kind, Kind::Like { count: 3 });
    assert_eq!(event.viewer.expect("viewer").user_id, "u");
}

#[test]
fn a_field_its_type_does_not_have_may_hold_anything() {
    let line = r#"{"event_id":"e","type":"session_end","ts":5,"session_id":"s","user_id":[],"amount_fen":"x","is_fan":{}}"#;
    assert_eq!(event(line).viewer, None);
}

#[test]
fn every_way_to_be_malformed_names_problem_field_and_session() {
    check("", Problem::NotJson, None, None);
    check("{", Problem::NotJson, None, None);
    check("[1]", Problem::NotAnObject, None, None);
    check("null", Problem::NotAnObject, None, None);
    check(r#""x""#, Problem::NotAnObject, None, None);
    check(r#"{"session_id":"s"} x"#, Problem::NotJson, None, None);
    check(r#"{"session_id":"s"}"#, Problem::Missing, Some(Field::Type), Some("s"));
    check(r#"{"session_id":"s","type":7}"#, Problem::NotAString, Some(Field::Type), Some("s"));
    check(r#"{"session_id":"s","type":"x"}"#, Problem::UnknownType, Some(Field::Type), Some("s"));
    check(
        r#"{"session_id":"s s","type":"enter","event_id":"e","ts":1}"#,
        Problem::BadId,
        Some(Field::SessionId),
        None,
    );
    let enter = |rest: &str| format!(r#"{{"session_id":"s","type":"enter","event_id":"e",{rest}}}"#);
    check(&enter(r#""ts":1.0,"user_id":"u""#), Problem::NotAnInteger, Some(Field::Ts), Some("s"));
    check(&enter(r#""ts":-1,"user_id":"u""#), Problem::NotAnInteger, Some(Field::Ts), Some("s"));
    check(
        &enter(r#""ts":9007199254740992,"user_id":"u""#),
        Problem::NotAnInteger,
        Some(Field::Ts),
        Some("s"),
    );
    check(&enter(r#""ts":1"#), Problem::Missing, Some(Field::UserId), Some("s"));
    check(&enter(r#""ts":1,"user_id":null"#), Problem::Missing, Some(Field::UserId), Some("s"));
    check(&enter(r#""ts":1,"user_id":"u","is_fan":1"#), Problem::NotABoolean, Some(Field::IsFan), Some("s"));
    check(&enter(r#""ts":1,"user_id":"u","channel":"""#), Problem::BadLabel, Some(Field::Channel), Some("s"));
    let scene = |value: &str| {
        format!(
            r#"{{"session_id":"s","type":"scene","event_id":"e","ts":1,"label":"l","confidence":{value}}}"#
        )
    };
    check(&scene("1.5"), Problem::NotAFraction, Some(Field::Confidence), Some("s"));
    check(&scene("\"1\""), Problem::NotAFraction, Some(Field::Confidence), Some("s"));
    assert!(decode(scene("0.25").as_bytes()).is_ok());
    check(r#"{"type":"beat","ts":1500,"beat":1}"#, Problem::BadBeat, Some(Field::Ts), None);
    check(r#"{"type":"beat","ts":1000,"beat":2}"#, Problem::BadBeat, Some(Field::Beat), None);
    let long = enter(&format!(r#""ts":1,"user_id":"u","x":"{}""#, "y".repeat(LINE_BYTES_MAX)));
    check(&long, Problem::LineTooLong, None, Some("s"));
    assert_eq!(decode(b"{\"a\":\"\xff\"}").expect_err("not UTF-8").problem, Problem::NotJson);
}

#[test]
fn a_beat_is_a_whole_second() {
    assert_eq!(decode(br#"{"type":"beat","beat":2,"ts":2000}"#), Ok(Line::Beat { ts: 2000 }));
    assert_eq!(decode(br#"{"ts":2000, "type":"beat","beat":2}"#), Ok(Line::Beat { ts: 2000 }));
    let ours = crate::Record::beat(1_732_190_400).value;
    assert_eq!(usual_beat(&ours), Some(Line::Beat { ts: 1_732_190_400_000 }));
    for other in ["2,\"ts\":2000}x", "02,\"ts\":2000}", "2,\"ts\":2001}", "3,\"ts\":2000}", ",\"ts\":}", "2"]
    {
        assert_eq!(usual_beat(format!("{{\"type\":\"beat\",\"beat\":{other}").as_bytes()), None, "{other}");
    }
}
