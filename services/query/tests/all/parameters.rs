//! Parameters that are unknown, malformed or out of range; paths and methods there are not.

use http::Method;

use crate::world::World;

#[tokio::test]
async fn bad_parameters_are_named_with_what_is_allowed() {
    let world = World::with_session().await;
    for (path, words) in [
        ("/v1/sessions?color=red", ["`color`", "`anchor_id`"]),
        ("/v1/sessions?limit=0", ["`limit`", "1 to 1000"]),
        ("/v1/sessions?limit=1001", ["`limit`", "1 to 1000"]),
        ("/v1/sessions?limit=ten", ["`limit`", "1 to 1000"]),
        ("/v1/sessions?limit=5&limit=6", ["`limit`", "duplicate"]),
        ("/v1/sessions?status=over", ["`status`", "live, final, corrected"]),
        ("/v1/sessions?anchor_id=a%20b", ["`anchor_id`", "64 characters"]),
        ("/v1/sessions?from=-1", ["`from`", "whole number"]),
        ("/v1/sessions?cursor=eHg", ["`cursor`", "`next_cursor`"]),
        ("/v1/sessions?cursor=cDEuMC4x", ["`cursor`", "`next_cursor`"]),
        ("/v1/sessions/s1?at=1", ["`at`", "no parameters"]),
        ("/v1/sessions/s1/report?at=soon", ["`at`", "token"]),
        ("/v1/sessions/s1/report?at=99999999999999999999", ["`at`", "milliseconds"]),
        ("/v1/sessions/s1/report?at=1732190640001", ["`at`", "1732190640000"]),
        ("/v1/sessions/s1/explain", ["`from`", "milliseconds"]),
        ("/v1/sessions/s1/explain?from=5&to=5", ["`from`", "before `to`"]),
        ("/v1/sessions/s1/explain?from=1&to=1732190640001", ["`to`", "1732190640000"]),
        ("/v1/sessions/s1/explain?from=1&metrics=smiles", ["`smiles`", "views"]),
        ("/v1/sessions/s1/report?breakdowns=source,mood", ["`breakdowns`", "item, channel, source"]),
        ("/v1/sessions/s1/report?breakdowns=room", ["`breakdowns`", "item, channel, source"]),
        ("/v1/sessions/s1/report?metrics=smiles", ["`smiles`", "views"]),
        ("/v1/sessions/s1/report?metric=views", ["`metric`", "`metrics`"]),
        ("/v1/sessions/s1/trend?step=1h", ["`step`", "10s, 1m, 5m"]),
        ("/v1/sessions/s1/trend?by=room", ["`by`", "item"]),
        ("/v1/sessions/s1/trend?metrics=late_events", ["`late_events`", "views"]),
        ("/v1/sessions/s1/trend?metrics=late_share", ["`late_share`", "views"]),
        ("/v1/sessions/s1/trend?by=source&metrics=online_viewers", ["`online_viewers`", "views"]),
        ("/v1/sessions/s1/trend?from=5&to=5", ["`from`", "before `to`"]),
        ("/v1/sessions/s1/rejected?reason=ugly", ["`reason`", "late, future, duplicate, malformed"]),
        ("/v1/sessions/s1/rejected?cursor=czEuMC4x", ["`cursor`", "`next_cursor`"]),
        ("/v1/deadletters?session_id=s1", ["`session_id`", "`reason`"]),
        ("/v1/sessions/s1/compare?with=,", ["`with`", "1 to 9"]),
        ("/v1/sessions/s1/compare?breakdowns=mood", ["`breakdowns`", "source"]),
        ("/v1/anchors/a1?from=0&to=9000000000", ["`from`", "93 days"]),
        ("/v1/anchors/a1/sessions?limit=101", ["`limit`", "100"]),
        ("/v1/sessions/s1/compare?with=s1", ["`with`", "each once"]),
        ("/v1/sessions/s1/compare?with=a,b,c,d,e,f,g,h,i,j", ["`with`", "1 to 9"]),
        ("/v1/sessions/s1/compare?with=a&align=end", ["`align`", "start, clock"]),
        ("/v1/sessions/s1/compare?with=a&at=-5", ["`at`", "whole number"]),
        ("/v1/catalog/metrics?lang=zh", ["`lang`", "no parameters"]),
        ("/v1/log/0?from=x", ["`from`", "whole number"]),
        ("/v1/log/0?bytes=0", ["`bytes`", "1 to 8388608"]),
        ("/v1/rows?limit=101", ["`limit`", "1 to 100"]),
        ("/v1/rows?after=a%20b", ["`after`", "64 characters"]),
        ("/v1/partitions?partition=1", ["`partition`", "no parameters"]),
    ] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-parameter"), "{path}: {answer:?}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        for word in words {
            assert!(detail.contains(word), "{path}: {detail}");
        }
    }
}

#[tokio::test]
async fn an_empty_parameter_is_none() {
    let world = World::with_session().await;
    world.ok("/v1/sessions?anchor_id=&status=&from=&to=&limit=&cursor=").await;
    world.ok("/v1/sessions/s1/report?metrics=&at=").await;
    world.ok("/v1/sessions/s1/trend?metrics=&step=&by=&from=&to=").await;
    world.ok("/v1/sessions/s1/rejected?reason=&cursor=").await;
}

#[tokio::test]
async fn paths_and_methods_there_are_not() {
    let world = World::with_session().await;
    for path in [
        "/",
        "/v1",
        "/v1/sessions/",
        "/v1/sessions/s1/mood",
        "/v2/sessions",
        "/v1/log/3",
        "/v1/log/x",
        "/v1/log/%FF",
    ] {
        let answer = world.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"), "{path}");
    }
    let answer = world.send(Method::POST, "/v1/sessions", &[]).await;
    assert_eq!((answer.status, answer.problem().as_str()), (405, "method-not-allowed"));
    assert!(answer.header("allow").contains("GET"), "{answer:?}");
    for path in ["/v1/sessions/s1/report", "/v1/openapi.json", "/v1/docs"] {
        let head = world.send(Method::HEAD, path, &[]).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
    }
}
