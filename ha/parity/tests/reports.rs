//! What the judge is told, and what is shown.

use tandem_failover::DigestVerdict;
use tandem_model::route::Chain;
use tandem_parity::{
    Culprit, Finding, Findings, Level, Parity, ParityReport, PartitionParity, RowEvidence, Store, Verdict,
};

fn finding(wrong: Culprit, session: &str) -> Finding {
    Finding {
        wrong,
        level: Level::Stored,
        store: Some(Store::Rows),
        partition: 1,
        beat: None,
        session_id: tandem_model::SessionId::new(session),
        table: Some("total"),
        breakdown: Some("source"),
        key: Some("ads".to_owned()),
        bucket: None,
        column: Some("gmv_fen"),
        a: "1".to_owned(),
        b: "2".to_owned(),
        log: "1".to_owned(),
        rows: RowEvidence::default(),
        places: 1,
        since_ms: 5,
    }
}

fn report(verdict: Option<Verdict>, is_open: bool, findings: &[Finding]) -> ParityReport {
    let partitions =
        |verdict| vec![PartitionParity { partition: 0, beat: Some(9), verdict, tables: Vec::new() }];
    let digests = verdict.map(|verdict| Parity { verdict, beat: Some(9), partitions: partitions(verdict) });
    let mut all = Findings::default();
    findings.iter().for_each(|one| all.add(one.clone()));
    ParityReport { digests, is_open, findings: all, ..ParityReport::default() }
}

#[test]
fn the_judge_hears_of_a_wrong_chain_only_after_the_third_vote() {
    let [a, b, both] = [Culprit::A, Culprit::B, Culprit::Both].map(|culprit| finding(culprit, "s"));
    let other_b = finding(Culprit::B, "t");
    let cases = [
        (report(None, false, &[]), DigestVerdict::Indeterminate),
        (report(Some(Verdict::Equal), false, &[]), DigestVerdict::Equal),
        (report(Some(Verdict::Equal), true, &[]), DigestVerdict::Indeterminate),
        (report(Some(Verdict::Indeterminate), false, &[]), DigestVerdict::Indeterminate),
        // A mismatch alone names nobody.
        (report(Some(Verdict::Different), false, &[]), DigestVerdict::Indeterminate),
        (report(Some(Verdict::Different), true, &[]), DigestVerdict::Indeterminate),
        (report(Some(Verdict::Different), false, std::slice::from_ref(&a)), DigestVerdict::Wrong(Chain::A)),
        // Equal digests do not clear what a store holds.
        (report(Some(Verdict::Equal), false, std::slice::from_ref(&b)), DigestVerdict::Wrong(Chain::B)),
        (report(Some(Verdict::Equal), false, &[b.clone(), other_b.clone()]), DigestVerdict::Wrong(Chain::B)),
        (report(Some(Verdict::Equal), false, &[a, other_b]), DigestVerdict::Indeterminate),
        (report(Some(Verdict::Different), false, &[both]), DigestVerdict::Indeterminate),
    ];
    for (index, (report, expected)) in cases.into_iter().enumerate() {
        assert_eq!(report.digest_verdict(), expected, "case {index}");
    }
}

#[test]
fn findings_are_bounded_keep_their_beginning_and_are_settled() {
    let mut findings = Findings::default();
    findings.add(finding(Culprit::B, "s"));
    findings.add(Finding { since_ms: 99, b: "3".to_owned(), ..finding(Culprit::B, "s") });
    let known = findings.first().expect("one");
    assert_eq!((known.since_ms, known.b.as_str()), (5, "3"));
    for number in 0..100 {
        findings.add(finding(Culprit::B, &format!("s{number}")));
    }
    assert_eq!(findings.iter().count(), Findings::MAX);
    assert_eq!(findings.settle(|one| one.session_id.as_ref().is_some_and(|id| id.as_str() == "s")), 1);
    assert_eq!(findings.settle(|_| true), Findings::MAX - 1);
    assert_eq!(findings.culprit(), None);
}

#[test]
fn a_finding_reads_as_a_sentence() {
    assert_eq!(
        finding(Culprit::B, "s17").to_string(),
        "chain b is wrong: session s17, table total, breakdown source/ads, column gmv_fen, in the row store: \
         a has 1, b has 2, the log gives 1"
    );
    let json = serde_json::to_value(finding(Culprit::B, "s17")).expect("json");
    assert_eq!(
        (&json["wrong"], &json["level"], &json["store"]),
        (&"b".into(), &"stored".into(), &"rows".into())
    );
}
