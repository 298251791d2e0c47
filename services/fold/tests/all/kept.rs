//! Memory: what is no longer needed leaves the working set.

use tandem_fold::{Fold, Usage};
use tandem_model::{PartitionId, PseudonymKey, Record};

const DAY_S: u64 = 24 * 60 * 60;

fn event(id: u64, second: u64, rest: &str) -> Record {
    let ts = second * 1_000;
    Record::line(format!(r#"{{"event_id":"e{id}","ts":{ts},"session_id":"s",{rest}}}"#).into())
}

#[test]
fn buckets_viewers_and_sessions_leave_in_turn() {
    let mut fold = Fold::new(PartitionId(0), 1, PseudonymKey::new([1; 16]));
    let mut offset = 0;
    let mut apply = |fold: &mut Fold, record: Record| {
        fold.apply(offset, &record);
        fold.take_changes();
        offset += 1;
    };
    let start = 1_700_000_000;
    let mut cells_per_hour = Vec::new();
    for second in start..start + 4 * 3_600 {
        apply(&mut fold, Record::beat(second));
        let user = second % 50;
        apply(&mut fold, event(second, second, &format!(r#""type":"enter","user_id":"u{user}""#)));
        if (second - start) % 3_600 == 3_599 {
            cells_per_hour.push(fold.usage());
        }
    }
    // Flat: what an hour adds, an hour takes away. Ids are dropped in steps of five minutes.
    for usage in &cells_per_hour {
        assert_eq!(usage.viewers, 50);
        assert!(usage.cells < 1_000, "{usage:?}");
        assert!(usage.event_ids <= 16 * 60, "{usage:?}");
    }
    let end = start + 4 * 3_600;
    apply(&mut fold, event(1, end, r#""type":"session_end""#));
    apply(&mut fold, Record::beat(end + 600));
    let closed = Usage { closed_sessions: 1, ..Usage::default() };
    assert_eq!(fold.usage(), closed);
    apply(&mut fold, Record::beat(end + 600 + 30 * DAY_S - 1));
    assert_eq!(fold.usage(), closed);
    apply(&mut fold, Record::beat(end + 600 + 30 * DAY_S));
    assert_eq!(fold.usage(), Usage { over_sessions: 1, ..Usage::default() });
    assert!(fold.snapshot().len() < 250, "{} bytes", fold.snapshot().len());
}
