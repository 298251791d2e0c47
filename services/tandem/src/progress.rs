//! What somebody sees while a long command runs: a bar on a terminal, a line now and then in a
//! log file. Always on stderr, so that results on stdout stay clean.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use crate::terminal::{remark, thousands};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows progress.
pub struct Progress(Shown);

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines(Mutex<Lines>),
}

struct Lines {
    total: Option<u64>,
    noun: &'static str,
    next: Instant,
    is_waiting: bool,
}

impl Progress {
    /// Progress over `total` units (unknown for a stream), counting things named `noun`, in the
    /// plural. `are_bytes` makes the units be shown as such.
    pub fn new(total: Option<u64>, noun: &'static str, are_bytes: bool) -> Self {
        if !std::io::stderr().is_terminal() {
            let next = Instant::now() + LINE_EVERY;
            return Self(Shown::Lines(Mutex::new(Lines { total, noun, next, is_waiting: false })));
        }
        let unit = if are_bytes { "{bytes}/{total_bytes}" } else { "{human_pos}/{human_len}" };
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), format!("{{bar:30}} {unit} · {{msg}} · {{eta}} left")),
            None => (ProgressBar::new_spinner(), "{spinner} {bytes} · {msg} · {elapsed}".to_owned()),
        };
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(Shown::Bar(bar))
    }

    /// Shows nothing at all.
    pub fn hidden() -> Self {
        Self(Shown::Nothing)
    }

    /// `position` of the total is done, which came to `count` things.
    pub fn advance(&self, position: u64, count: u64) {
        match &self.0 {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_position(position);
                let rate = count as f64 / bar.elapsed().as_secs_f64().max(0.001);
                bar.set_message(format!("{} ({}/s)", thousands(count), thousands(rate as u64)));
            }
            Shown::Lines(lines) => lines.lock().advance(position, count),
        }
    }

    /// Nothing goes on at the moment.
    pub fn waiting(&self, reason: &str) {
        match &self.0 {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.set_message(format!("waiting for the server: {reason}")),
            Shown::Lines(lines) => {
                let mut lines = lines.lock();
                if !std::mem::replace(&mut lines.is_waiting, true) {
                    remark(format_args!("waiting for the server: {reason}"));
                }
            }
        }
    }

    /// It goes on again.
    pub fn going_on(&self) {
        if let Shown::Lines(lines) = &self.0
            && std::mem::take(&mut lines.lock().is_waiting)
        {
            remark("the server is back");
        }
    }

    /// Clears the bar away.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Lines {
    fn advance(&mut self, position: u64, count: u64) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + LINE_EVERY;
        let percent = self.total.filter(|total| *total > 0).map(|total| position.min(total) * 100 / total);
        let percent = percent.map(|percent| format!(", {percent} %")).unwrap_or_default();
        remark(format_args!("{} {}{percent}", thousands(count), self.noun));
    }
}
