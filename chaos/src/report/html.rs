//! The report as one page that needs nothing else: no script, no font, no picture from elsewhere.

use std::fmt::{Display, Write};

use super::escape::Escaped;
use super::picture::picture;
use super::{Check, Class, Report, Verdict};
use crate::oracle::{Latency, Totals, Violations};

const STYLE: &str = include_str!("style.css");

/// A report as a page.
pub fn html(report: &Report) -> String {
    let title = format!("{} · chain {}", report.drill, report.struck);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{}: {}</title><style>{STYLE}</style></head><body><main>",
        report.verdict,
        Escaped(&title)
    );
    head(&mut page, report, &title);
    figures(&mut page, report);
    section(&mut page, "Reads over time", |page| {
        page.push_str("<div class=\"picture\">");
        page.push_str(&picture(report));
        page.push_str(
            "</div><p class=\"legend\"><span><i class=\"a\"></i>fresh, from a</span> \
             <span><i class=\"b\"></i>fresh, from b</span> <span><i class=\"stale\"></i>stale</span> \
             <span><i class=\"errors\"></i>error</span> <span><i class=\"fault\"></i>fault in force</span></p>",
        );
    });
    section(&mut page, "What was checked", |page| checks(page, &report.checks));
    section(&mut page, "What happened when", |page| timeline(page, report));
    section(&mut page, "Requests", |page| requests(page, report));
    section(&mut page, "Chains and decisions", |page| chains(page, report));
    violations(&mut page, report);
    section(&mut page, "How it was run", |page| run(page, report));
    page.push_str("</main></body></html>\n");
    page
}

fn section(page: &mut String, title: &str, content: impl FnOnce(&mut String)) {
    // Writing to a string does not fail, here and below.
    let _ = write!(page, "<section><h2>{}</h2>", Escaped(title));
    content(page);
    page.push_str("</section>");
}

fn head(page: &mut String, report: &Report, title: &str) {
    let class = match report.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        _ => "open",
    };
    let _ = write!(
        page,
        "<header><p class=\"verdict {class}\">{}</p><h1>{}</h1><p>{}</p>\
         <p><b>Hypothesis.</b> {}</p>",
        report.verdict,
        Escaped(title),
        Escaped(&report.does),
        Escaped(&report.hypothesis)
    );
    if !report.reasons.is_empty() {
        page.push_str("<ul>");
        for reason in &report.reasons {
            let _ = write!(page, "<li>{}</li>", Escaped(reason));
        }
        page.push_str("</ul>");
    }
    page.push_str("</header>");
}

/// The few figures that matter most.
fn figures(page: &mut String, report: &Report) {
    let measured = &report.measured;
    let lost = report.counted.lost.count + report.counted.doubled.count;
    let figures = [
        ("longest gap of any reader", measured.gap.map(|gap| ms(gap.lasted_us))),
        ("errors in the fault minute", Some(format!("{} ppm", measured.errors_ppm))),
        ("answers backwards", Some(report.backwards.count.to_string())),
        ("lost or doubled", Some(lost.to_string())),
        ("hidden by the gateway after", measured.hidden_us.map(ms)),
        ("decided after", measured.decided_us.map(ms)),
    ];
    page.push_str("<dl class=\"figures\">");
    for (name, value) in figures {
        let value = value.unwrap_or_else(|| "–".to_owned());
        let _ = write!(page, "<div><dt>{name}</dt><dd>{}</dd></div>", Escaped(value));
    }
    page.push_str("</dl>");
}

fn checks(page: &mut String, checks: &[Check]) {
    page.push_str("<div class=\"wide\"><table><thead><tr><th></th><th>what</th><th>expected</th><th>observed</th></tr></thead><tbody>");
    let mut sorted: Vec<&Check> = checks.iter().collect();
    sorted.sort_by_key(|check| check.held);
    for check in sorted {
        let class = match check.class {
            Class::Safety => "safety",
            Class::Aim => "aim",
            Class::Coverage => "coverage",
        };
        let (mark, style) = if check.held { ("✓ held", "good") } else { ("✗ did not", "bad") };
        let _ = write!(
            page,
            "<tr><td class=\"{style}\">{mark}</td><td>{} <small>{class}</small></td><td>{}</td><td>{}</td></tr>",
            Escaped(&check.name),
            Escaped(&check.expected),
            Escaped(&check.observed)
        );
    }
    page.push_str("</tbody></table></div>");
}

fn timeline(page: &mut String, report: &Report) {
    page.push_str("<div class=\"wide\"><table><thead><tr><th>at</th><th>since it began to act</th><th>what</th></tr></thead><tbody>");
    for moment in &report.timeline {
        let since = moment.at_us as i64 - report.marks.began_us as i64;
        let _ = write!(
            page,
            "<tr><td class=\"number\">{}</td><td class=\"number\">{:+.1} ms</td><td>{}</td></tr>",
            ms(moment.at_us),
            since as f64 / 1e3,
            Escaped(&moment.what)
        );
    }
    page.push_str("</tbody></table></div>");
}

fn requests(page: &mut String, report: &Report) {
    page.push_str("<div class=\"wide\"><table><thead><tr><th></th><th>before</th><th>during</th><th>after</th></tr></thead><tbody>");
    let parts = &report.totals;
    let mut row = |name: &str, value: fn(&Totals) -> u64| {
        let _ = write!(
            page,
            "<tr><td>{name}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            value(&parts.before),
            value(&parts.during),
            value(&parts.after)
        );
    };
    row("reads", |totals| totals.reads);
    row("fresh", |totals| totals.good);
    row("… from chain a", |totals| totals.by_chain[0]);
    row("… from chain b", |totals| totals.by_chain[1]);
    row("stale, and said so", |totals| totals.stale);
    row("session not known yet", |totals| totals.unknown);
    row("503, try again", |totals| totals.unavailable);
    row("other refusals", |totals| totals.failed);
    row("no answer", |totals| totals.no_answer);
    row("bodies of events sent", |totals| totals.writes);
    row("bodies to be sent again", |totals| totals.writes_failed);
    page.push_str("</tbody></table></div><ul>");
    let latency = |latency: Option<Latency>| match latency {
        Some(latency) => {
            format!("p50 {}, p99 {}, max {}", ms(latency.p50_us), ms(latency.p99_us), ms(latency.max_us))
        }
        None => "–".to_owned(),
    };
    item(page, "Reads before", latency(report.measured.latency_before));
    item(page, "Reads during", latency(report.measured.latency_during));
    let hidden = &report.hidden;
    item(
        page,
        "The gateway, from then on",
        format!(
            "{} hedged, {} retried, {} waited for the token",
            hidden.hedged, hidden.retried, hidden.waited
        ),
    );
    if let Some(hedges) = report.measured.hedges_ppm_before {
        item(page, "Hedges when all was well", format!("{:.2} %", hedges as f64 / 1e4));
    }
    page.push_str("</ul>");
}

fn chains(page: &mut String, report: &Report) {
    page.push_str("<ul>");
    item(page, "Digests before", &report.parity_before);
    item(page, "Digests at the end", &report.parity_after);
    let lag = |lag: Option<u64>| lag.map_or("not told".to_owned(), |records| format!("{records} records"));
    if let Some([a, b]) = report.lag_at_switch {
        item(page, "Still to read at the switch", format!("a {}, b {}", lag(a), lag(b)));
    }
    for decision in &report.decisions {
        item(
            page,
            format!("Epoch {} at {}", decision.epoch, ms(decision.at_us)),
            format!("chain {} serves: {}", decision.active, decision.reason),
        );
    }
    if report.decisions.is_empty() {
        item(page, "Decisions", "none");
    }
    match report.rules.is_empty() {
        true => item(page, "Safety rules", "the control group tells nothing of them here"),
        false => report.rules.iter().for_each(|rule| item(page, "Safety rule", rule)),
    }
    let counted = &report.counted;
    item(
        page,
        "Written",
        format!(
            "{} bodies with {} events acknowledged, {} bodies open",
            counted.bodies_acknowledged, counted.events_acknowledged, counted.bodies_open
        ),
    );
    page.push_str("</ul>");
}

fn violations(page: &mut String, report: &Report) {
    let counted = &report.counted;
    let kinds: [(&str, &Violations); 5] = [
        ("Backwards", &report.backwards),
        ("Lost", &counted.lost),
        ("Doubled", &counted.doubled),
        ("More than was sent", &counted.ahead),
        ("Own writes not read", &counted.unread),
    ];
    for (name, violations) in kinds.into_iter().filter(|(_, violations)| !violations.is_none()) {
        section(page, name, |page| {
            page.push_str("<ul>");
            for told in &violations.told {
                let _ = write!(page, "<li>{}</li>", Escaped(told));
            }
            let more = violations.count - violations.told.len() as u64;
            if more > 0 {
                let _ = write!(page, "<li>and {more} more</li>");
            }
            page.push_str("</ul>");
        });
    }
}

fn run(page: &mut String, report: &Report) {
    page.push_str("<ul>");
    item(page, "Stand", &report.stand);
    item(page, "Version", format!("{} ({})", report.version, report.commit));
    item(page, "Seed", report.seed);
    item(page, "Began", format!("{} ms since 1970 (UTC)", report.began_wall_ms));
    for strike in &report.strikes {
        let whom = strike.chain.map_or("everybody".to_owned(), |chain| format!("chain {chain}"));
        let to = strike.to_us.map_or("the end".to_owned(), ms);
        let struck =
            strike.struck.map_or("not counted".to_owned(), |calls| format!("{calls} calls disturbed"));
        let what = format!("{} ({whom})", strike.fault);
        item(page, what, format!("{} to {to}; {struck}. {}", ms(strike.from_us), strike.fault.title()));
    }
    let (timing, load) = (&report.timing, &report.load);
    item(
        page,
        "Planned",
        format!(
            "{} ms before, {} ms of fault, {} ms after",
            timing.before_ms, timing.fault_ms, timing.after_ms
        ),
    );
    item(
        page,
        "Load",
        format!(
            "{} readers and {} writers over HTTP, {} ms between two requests of each, {} sessions per writer",
            load.readers, load.writers, load.pause_ms, load.sessions
        ),
    );
    item(page, "Stop condition", format!("{} failed reads", report.budget.reads_max));
    page.push_str("</ul>");
}

fn item(page: &mut String, name: impl Display, value: impl Display) {
    let _ = write!(page, "<li><b>{}:</b> {}</li>", Escaped(name), Escaped(value));
}

fn ms(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1e3)
}
