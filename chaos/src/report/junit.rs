//! The reports as JUnit XML: a suite per drill, a case per check.

use std::fmt::Write;

use super::escape::Escaped;
use super::{Report, Verdict};

/// All `reports` in one file.
pub fn junit(reports: &[Report]) -> String {
    let mut text =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"tandem drills\">\n");
    for report in reports {
        suite(&mut text, report);
    }
    text.push_str("</testsuites>\n");
    text
}

fn suite(text: &mut String, report: &Report) {
    let name = Escaped(report.name()).to_string();
    let seconds = report.marks.ended_us as f64 / 1e6;
    let failures = report.checks.iter().filter(|check| !check.held).count();
    let is_skipped = matches!(report.verdict, Verdict::Blocked | Verdict::Interrupted);
    let is_broken_off = report.verdict == Verdict::Fail && failures == 0;
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{seconds:.3}\">",
        report.checks.len() + 1,
        failures + usize::from(is_broken_off),
        usize::from(is_skipped),
    );
    let why = Escaped(report.reasons.join("; "));
    let verdict = match report.verdict {
        Verdict::Blocked | Verdict::Interrupted => {
            format!("<skipped message=\"{}: {why}\"/>", report.verdict)
        }
        _ if is_broken_off => format!("<failure message=\"{why}\"/>"),
        verdict => format!("<system-out>{verdict}: {why}</system-out>"),
    };
    let _ = writeln!(
        text,
        "    <testcase classname=\"{name}\" name=\"verdict\" time=\"{seconds:.3}\">{verdict}</testcase>"
    );
    for check in &report.checks {
        let (what, expected) = (Escaped(&check.name), Escaped(&check.expected));
        let observed = Escaped(&check.observed);
        let _ = match check.held {
            true => writeln!(text, "    <testcase classname=\"{name}\" name=\"{what}\"/>"),
            false => writeln!(
                text,
                "    <testcase classname=\"{name}\" name=\"{what}\"><failure message=\"expected {expected}, observed {observed}\"/></testcase>"
            ),
        };
    }
    text.push_str("  </testsuite>\n");
}
