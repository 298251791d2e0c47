//! What the fold keeps in memory, read off the process while it works through a file.

use super::input::Input;

/// The process at its fullest, seen from the fold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peak {
    /// After which batch the fold held most viewers.
    pub(super) batch: usize,
    pub(super) live_sessions: u64,
    pub(super) viewers: u64,
    pub(super) cells: u64,
    pub(super) event_ids: u64,
    /// By how much the resident memory of the process had grown by then; absent where the system
    /// doesn't tell.
    pub(super) grown_bytes: Option<u64>,
}

/// Folds the file once and looks after every few batches. Run before anything else, so that what
/// the process freed earlier doesn't hide what it takes now.
pub(super) fn peak(input: &Input) -> Peak {
    let before = resident_bytes();
    let mut peak = Peak::default();
    // Looking costs a walk over all live sessions.
    let every = (input.batches().len() / 50).max(1);
    let mut folds = input.folds();
    for (index, batch) in input.batches().iter().enumerate() {
        input.apply(batch, &mut folds);
        if index % every != 0 {
            continue;
        }
        let mut now = Peak { batch: index, ..Peak::default() };
        for usage in folds.iter().map(tandem_fold::Fold::usage) {
            now.live_sessions += usage.live_sessions as u64;
            now.viewers += usage.viewers as u64;
            now.cells += usage.cells as u64;
            now.event_ids += usage.event_ids as u64;
        }
        now.grown_bytes = resident_bytes().zip(before).map(|(now, before)| now.saturating_sub(before));
        if now.viewers >= peak.viewers {
            peak = now;
        }
    }
    peak
}

/// Linux: `VmRSS` of the process.
pub(super) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
