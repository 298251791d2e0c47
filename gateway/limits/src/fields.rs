//! How limits are announced: the fields `RateLimit-Policy` and `RateLimit` as of
//! **draft-ietf-httpapi-ratelimit-headers-11** (May 2026), which are lists of structured fields
//! (RFC 9651), and `Retry-After` (RFC 9110, 10.2.3). All that follows the draft is here.
//!
//! `q` and `w` are the rule's units and seconds; a burst of another size stands beside them as
//! `tandem-burst`. `r` is what may be spent now, and `t` the whole seconds until one more unit is
//! there, left out where nothing is missing. `Retry-After` is never before `t`, as the draft wants.
//! A client that keeps to `r` and `t` can't send more than the rule allows, so nothing is capped
//! further. Partition keys are not sent: they would tell callers about keys and addresses.

use crate::rate::Standing;
use crate::rules::Rule;

/// The name of the field that says what the limits are.
pub const POLICY_FIELD: &str = "ratelimit-policy";
/// The name of the field that says what is left.
pub const LIMIT_FIELD: &str = "ratelimit";
/// The member of a problem that names the rules which refused, as in the draft's problem type
/// `quota-exceeded`.
pub const VIOLATED_POLICIES: &str = "violated-policies";
/// The longest wait that is told, in seconds: a month. Who would wait for ever is told this.
const RETRY_S_MAX: u64 = 31 * 24 * 3600;
const SECOND_NS: u64 = 1_000_000_000;
/// What an item of `RateLimit` has besides its name, at most.
const ITEM_REST_BYTES_MAX: usize = 32;
/// The largest integer of a structured field.
const INTEGER_MAX: u64 = 999_999_999_999_999;

/// One item of `RateLimit-Policy`.
pub(crate) fn policy(rule: &Rule, burst: u64) -> String {
    // Names hold nothing that a string of a structured field would have to escape.
    let mut item = format!("\"{}\";q={};w={}", rule.name, rule.requests, rule.window_s);
    if burst != rule.requests {
        item.push_str(&format!(";tandem-burst={burst}"));
    }
    item
}

/// One item of `RateLimit`.
pub(crate) fn limit(name: &str, standing: Standing) -> String {
    // By hand: every answer has one.
    let mut item = String::with_capacity(name.len() + ITEM_REST_BYTES_MAX);
    item.push('"');
    item.push_str(name);
    item.push_str("\";r=");
    push(&mut item, standing.remaining.min(INTEGER_MAX));
    if standing.next_ns != 0 {
        item.push_str(";t=");
        push(&mut item, seconds(standing.next_ns));
    }
    item
}

/// Writes a number.
fn push(text: &mut String, mut number: u64) {
    let digits = number.checked_ilog10().unwrap_or(0);
    let mut place = 10_u64.pow(digits);
    while place > 0 {
        text.push(char::from(b'0' + (number / place) as u8));
        number %= place;
        place /= 10;
    }
}

/// Items as one field.
pub(crate) fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut field = String::with_capacity(128);
    for item in items {
        if !field.is_empty() {
            field.push_str(", ");
        }
        field.push_str(item);
    }
    field
}

/// The value of `Retry-After` for a wait: whole seconds, rounded up, at least 1.
pub(crate) fn retry_after_s(wait_ns: u64) -> u64 {
    seconds(wait_ns)
}

fn seconds(ns: u64) -> u64 {
    ns.div_ceil(SECOND_NS).clamp(1, RETRY_S_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::RuleSet;

    fn of(name: &str, requests: u64, window_s: u64, more: &str) -> String {
        let text = format!(
            "[[rules]]\nname = \"{name}\"\nkey = \"key\"\nrequests = {requests}\nwindow_s = {window_s}\n{more}"
        );
        RuleSet::parse(&text).unwrap().rules()[0].policy.clone()
    }

    /// The draft's own examples (sections 3.1 and 4.1, appendix), as far as they are made of what
    /// is sent here.
    #[test]
    fn the_examples_of_the_draft() {
        assert_eq!(of("default", 100, 10, ""), r#""default";q=100;w=10"#);
        let (minute, hour) = (of("permin", 50, 60, ""), of("perhr", 1_000, 3_600, ""));
        assert_eq!(
            list([minute.as_str(), hour.as_str()].into_iter()),
            r#""permin";q=50;w=60, "perhr";q=1000;w=3600"#
        );
        let standing = |remaining, seconds| Standing { remaining, next_ns: seconds * SECOND_NS };
        assert_eq!(limit("default", standing(50, 30)), r#""default";r=50;t=30"#);
        assert_eq!(limit("default", standing(0, 5)), r#""default";r=0;t=5"#);
        assert_eq!(limit("day", standing(100, 36_000)), r#""day";r=100;t=36000"#);
        assert_eq!(limit("default", standing(999, 0)), r#""default";r=999"#);
    }

    #[test]
    fn a_burst_of_another_size_is_announced() {
        assert_eq!(of("default", 100, 60, "burst = 30"), r#""default";q=100;w=60;tandem-burst=30"#);
    }

    #[test]
    fn seconds_are_rounded_up_and_never_0() {
        let cases = [
            (0, 1),
            (1, 1),
            (SECOND_NS - 1, 1),
            (SECOND_NS, 1),
            (SECOND_NS + 1, 2),
            (90 * SECOND_NS, 90),
            (u64::MAX, RETRY_S_MAX),
        ];
        for (ns, expected) in cases {
            assert_eq!(retry_after_s(ns), expected, "{ns}");
        }
        let standing = Standing { remaining: u64::MAX, next_ns: 1 };
        assert_eq!(limit("a", standing), r#""a";r=999999999999999;t=1"#);
    }
}
