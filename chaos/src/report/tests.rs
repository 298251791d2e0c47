use super::*;

fn report() -> Report {
    let mut evidence = crate::judge::tests::crash();
    evidence.decisions[0].reason = "<script>alert(\"a\")</script> & more".to_owned();
    crate::judge(&evidence, "1.2.3", "abc")
}

#[test]
fn json_comes_back_as_it_was_and_another_format_is_refused() {
    let report = report();
    assert_eq!(Report::read(report.json().as_bytes()).expect("our own"), report);
    let newer = report.json().replacen("\"format\": 1", "\"format\": 2", 1);
    assert!(matches!(Report::read(newer.as_bytes()), Err(ReadError::Format(2))));
    assert!(matches!(Report::read(b"{}"), Err(ReadError::Json(_))));
}

#[test]
fn the_page_tells_everything_and_escapes_what_comes_from_elsewhere() {
    let report = report();
    let page = html(&report);
    for text in
        ["PASS", "crash", "epoch 8", "&lt;script&gt;alert(&quot;a&quot;)&lt;/script&gt; &amp; more", "<svg"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("<script"), "nothing from outside is markup");
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing is loaded");
    for tag in ["section", "table", "ul", "svg", "main", "dl"] {
        let count = |text: &str| page.matches(text).count();
        assert_eq!(count(&format!("<{tag}")), count(&format!("</{tag}>")), "{tag}");
    }
}

#[test]
fn junit_has_a_case_per_check_and_names_what_failed() {
    let good = report();
    let mut bad = good.clone();
    bad.verdict = Verdict::Fail;
    bad.checks[0].held = false;
    bad.checks[0].observed = "2 < 3".to_owned();
    let mut blocked = good.clone();
    (blocked.verdict, blocked.checks) = (Verdict::Blocked, Vec::new());
    let text = junit(&[good.clone(), bad, blocked]);
    assert_eq!(text.matches("<testcase").count(), 2 * (good.checks.len() + 1) + 1);
    assert_eq!((text.matches("<failure").count(), text.matches("<skipped").count()), (1, 1));
    assert!(text.contains("2 &lt; 3") && text.contains("failures=\"1\""), "{text}");
}
