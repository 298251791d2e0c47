//! Writing a change: bounded calls, numbered, in bounded pipelines; the progress last.
//!
//! Small sessions share a call, because the server spends more on a call than on a row. A session
//! stands in one call whole, however many of its rows changed (at most some 10,000, by the
//! contract's limits on keys): its rows become visible together. That one call then takes the
//! server up to 5 ms, about what five reads of such a session take; it happens when a chain
//! catches up, hardly ever live.

use std::ops::Range;

use redis::{Cmd, Pipeline, Value};
use tandem_model::{Changes, Cut, SessionChange};
use tandem_storage::{Applied, Incarnation, Result};

use crate::fields::{push_header, push_row, totals};
use crate::functions::{call, library};
use crate::hot::{CALL_ROWS_MAX, Hot, pipeline, unexpected};
use crate::link::Lane;

/// Sessions that share a call.
const CALL_SESSIONS_MAX: usize = 64;
/// A pipeline is sent once it is about this large, in bytes.
const PIPELINE_BYTES_MAX: usize = 1 << 20;

impl Hot {
    /// See [`tandem_storage::HotStore::apply`].
    pub(crate) async fn write_change(
        &self,
        incarnation: Incarnation,
        base: Cut,
        changes: &Changes,
    ) -> Result<Applied> {
        let mut writer = Writer {
            hot: self,
            changes,
            waiting: pipeline([]),
            groups: Vec::new(),
            bytes: 0,
            absent: Vec::new(),
        };
        let mut number = 0_u64;
        for group in groups(&changes.sessions) {
            number += 1;
            let command =
                self.apply_call(incarnation, base, changes, number, &changes.sessions[group.clone()]);
            if writer.bytes > PIPELINE_BYTES_MAX && writer.send().await? == Answer::Lost {
                return Ok(Applied::Lost);
            }
            writer.add(command, group);
        }
        let state = self.inner.keys.state(changes.partition);
        let mut command = call(&library().advance, [state.as_str()].into_iter());
        command.arg(incarnation.0).arg(base.next).arg(changes.cut.next).arg(changes.cut.clock).arg(number);
        writer.add(command, 0..0);
        match writer.send().await? {
            Answer::Lost => Ok(Applied::Lost),
            Answer::Done => Ok(Applied::Done {
                absent: writer
                    .absent
                    .into_iter()
                    .map(|index| changes.sessions[index].session_id.clone())
                    .collect(),
            }),
        }
    }

    fn apply_call(
        &self,
        incarnation: Incarnation,
        base: Cut,
        changes: &Changes,
        number: u64,
        sessions: &[SessionChange],
    ) -> Cmd {
        let keys = &self.inner.keys;
        let state = [keys.state(changes.partition)];
        let sessions_keys =
            sessions.iter().map(|change| keys.session(changes.partition, change.session_id.as_str()));
        let all: Vec<String> = state.into_iter().chain(sessions_keys).collect();
        let mut command = call(&library().apply, all.iter().map(String::as_str));
        command.arg(incarnation.0).arg(base.next).arg(changes.cut.next).arg(changes.cut.clock);
        command.arg(number).arg(self.inner.session_expiry_s);
        let mut scratch = Vec::new();
        for change in sessions {
            command.arg(2 * (usize::from(change.session.is_some()) + totals(&change.rows).count()));
            if let Some(row) = &change.session {
                push_header(row, &mut command);
            }
            totals(&change.rows).for_each(|row| push_row(row, &mut scratch, &mut command));
        }
        command
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Done,
    Lost,
}

/// Gathers calls, sends them, and keeps what they answered.
struct Writer<'a> {
    hot: &'a Hot,
    changes: &'a Changes,
    waiting: Pipeline,
    /// Per waiting call, its sessions.
    groups: Vec<Range<usize>>,
    bytes: usize,
    /// Sessions that are absent, as far as is known.
    absent: Vec<usize>,
}

impl Writer<'_> {
    fn add(&mut self, command: Cmd, group: Range<usize>) {
        self.bytes += command.args_iter().map(|argument| argument_bytes(&argument)).sum::<usize>();
        self.waiting.add_command(command);
        self.groups.push(group);
    }

    async fn send(&mut self) -> Result<Answer> {
        let lane = Lane::Write(self.changes.partition.0);
        let answers = self.hot.inner.link.call(lane, &self.waiting).await?;
        for (answer, group) in answers.into_iter().zip(self.groups.drain(..)) {
            match answer {
                Value::SimpleString(word) if word == "LOST" => return Ok(Answer::Lost),
                Value::Array(absent) => {
                    for position in absent {
                        match position {
                            Value::Int(position) if (0..group.len() as i64).contains(&position) => {
                                self.absent.push(group.start + position as usize);
                            }
                            other => return Err(unexpected(&other)),
                        }
                    }
                }
                Value::Int(1) if group.is_empty() => {}
                other => return Err(unexpected(&other)),
            }
        }
        self.waiting = pipeline([]);
        self.bytes = 0;
        Ok(Answer::Done)
    }
}

fn argument_bytes(argument: &redis::Arg<&[u8]>) -> usize {
    match argument {
        redis::Arg::Simple(bytes) => bytes.len() + 8,
        _ => 8,
    }
}

/// Sessions in runs that share a call, in order.
fn groups(sessions: &[SessionChange]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let mut rows = 0;
        let mut end = start;
        while end < sessions.len() && end - start < CALL_SESSIONS_MAX {
            rows += totals(&sessions[end].rows).count() + 1;
            if end > start && rows > CALL_ROWS_MAX {
                break;
            }
            end += 1;
        }
        let group = start..end;
        start = end;
        (!group.is_empty()).then_some(group)
    })
}

#[cfg(test)]
mod tests {
    use tandem_storage::suite::fixtures::change;

    use super::*;

    #[test]
    fn calls_are_bounded_and_leave_no_session_out() {
        for keys in [0, 1, 40, CALL_ROWS_MAX as u64, 3 * CALL_ROWS_MAX as u64] {
            for count in [0, 1, CALL_SESSIONS_MAX, 2 * CALL_SESSIONS_MAX + 1] {
                let sessions: Vec<_> =
                    (0..count).map(|index| change(&format!("s-{index}"), 1, keys)).collect();
                let mut next = 0;
                for group in groups(&sessions) {
                    assert_eq!(group.start, next);
                    assert!(!group.is_empty() && group.len() <= CALL_SESSIONS_MAX);
                    let rows: usize =
                        sessions[group.clone()].iter().map(|change| totals(&change.rows).count() + 1).sum();
                    assert!(group.len() == 1 || rows <= CALL_ROWS_MAX);
                    next = group.end;
                }
                assert_eq!(next, count);
            }
        }
    }
}
