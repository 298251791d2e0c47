//! The guard: where in a connection's bytes we are, and whether they may go on.
//!
//! Heads and trailers pass whole or not at all, so that nothing behind the guard ever sees half of a
//! request that is refused. Bodies pass as they come.
//!
//! The same bytes have the same verdict however they are cut into reads.

use crate::chunks::Chunks;
use crate::head::{Fields, Framing, Head, request_line_bytes_max};
use crate::line::{Line, Step};
use crate::{Limits, Violation, field};

/// How HTTP/2 with prior knowledge begins (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Judges one connection from a client.
#[derive(Clone, Debug)]
pub struct Guard {
    limits: Limits,
    state: State,
    line: Line,
    heads: u64,
}

/// What has become of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Progress {
    /// How many of them may pass, from the first on. Those of earlier reads that were held back pass
    /// with them, as soon as this is more than 0. What is left of them is to be held back; where
    /// there is a refusal, to be thrown away.
    pub clear: usize,
    /// Why nothing more may pass, for good.
    pub refusal: Option<Refusal>,
}

/// Which request is refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub violation: Violation,
    /// Which request of the connection it is wrong with, counted from 1.
    pub request: u64,
    /// Whether that request's head has passed, and what is wrong is in its body.
    pub in_body: bool,
}

#[derive(Clone, Debug)]
enum State {
    /// The connection has begun, with as many bytes of HTTP/2's preface.
    Preface(usize),
    /// Before a request line, after an empty line or none.
    Between {
        has_empty_line: bool,
    },
    /// In a head, after its request line.
    Head(Box<Head>),
    /// In a body with a length: what is left of it, in bytes.
    Body(u64),
    Chunks(Chunks),
    /// After the last chunk.
    Trailers(Fields),
    /// Nothing is judged any more.
    Passing,
    Refused(Refusal),
}

impl Guard {
    /// For a connection that begins.
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: State::Preface(0), line: Line::default(), heads: 0 }
    }

    /// Judges nothing from here on: the connection has become something else than HTTP/1 (a 101 has
    /// been answered). What was held back may pass. A refused connection stays refused.
    pub fn pass_through(&mut self) {
        if !matches!(self.state, State::Refused(_)) {
            self.state = State::Passing;
            self.line = Line::default();
        }
    }

    /// Whether it judges nothing any more: HTTP/2 is spoken, or [`Guard::pass_through`] was called.
    pub fn is_passing(&self) -> bool {
        matches!(self.state, State::Passing)
    }

    /// How many heads have passed.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether everything that came belongs to requests that are complete.
    pub fn is_between_requests(&self) -> bool {
        matches!(self.state, State::Preface(0) | State::Between { has_empty_line: false })
            && self.line.is_empty()
    }

    /// Judges the next bytes.
    pub fn read(&mut self, bytes: &[u8]) -> Progress {
        let mut read = 0;
        let mut clear = 0;
        while read < bytes.len() {
            let (step, violation) = match self.step(&bytes[read..]) {
                Ok(step) => (step, None),
                Err((step, violation)) => (step, Some(violation)),
            };
            read += step.read;
            if step.is_clear {
                clear = read;
            }
            if let Some(violation) = violation {
                self.refuse(violation);
                break;
            }
        }
        let refusal = match self.state {
            State::Refused(refusal) => Some(refusal),
            _ => None,
        };
        Progress { clear, refusal }
    }

    fn refuse(&mut self, violation: Violation) {
        let in_body = matches!(self.state, State::Body(_) | State::Chunks(_) | State::Trailers(_));
        let request = if in_body { self.heads } else { self.heads + 1 };
        self.state = State::Refused(Refusal { violation, request, in_body });
        self.line = Line::default();
    }

    fn step(&mut self, bytes: &[u8]) -> Result<Taken, (Taken, Violation)> {
        match &mut self.state {
            State::Passing => Ok(Taken::clear(bytes.len())),
            State::Refused(_) => Ok(Taken::held(bytes.len())),
            State::Preface(matched) => {
                let rest = &PREFACE[*matched..];
                let same = rest.iter().zip(bytes).take_while(|(one, other)| one == other).count();
                *matched += same;
                match () {
                    () if same == rest.len() => {
                        self.state = State::Passing;
                        Ok(Taken::clear(same))
                    }
                    () if same == bytes.len() => Ok(Taken::held(same)),
                    () => self.not_the_preface(same),
                }
            }
            State::Between { .. } | State::Head(_) | State::Trailers(_) => self.read_line(bytes),
            State::Body(left) => {
                let here = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= here as u64;
                if *left == 0 {
                    self.state = State::Between { has_empty_line: false };
                }
                Ok(Taken::clear(here))
            }
            State::Chunks(chunks) => match chunks.read(bytes, &self.limits) {
                Ok((read, is_last)) => {
                    if is_last {
                        self.state = State::Trailers(Fields::default());
                    }
                    Ok(Taken::clear(read))
                }
                Err((read, violation)) => Err((Taken { read, is_clear: read > 0 }, violation)),
            },
        }
    }

    /// It began like the preface and is a request after all, or nonsense. `same` bytes of this
    /// reading were still like it; all that were are judged again, as what they are.
    fn not_the_preface(&mut self, same: usize) -> Result<Taken, (Taken, Violation)> {
        let State::Preface(matched) = self.state else {
            return Ok(Taken::held(same));
        };
        self.state = State::Between { has_empty_line: false };
        let mut again = &PREFACE[..matched];
        while !again.is_empty() {
            let taken = self.read_line(again).map_err(|(_, violation)| (Taken::held(same), violation))?;
            again = &again[taken.read..];
        }
        Ok(Taken::held(same))
    }

    fn read_line(&mut self, bytes: &[u8]) -> Result<Taken, (Taken, Violation)> {
        let limits = self.limits;
        let (bytes_max, too_long) = match &self.state {
            State::Head(head) => head.fields().line_bytes_max(&limits),
            State::Trailers(fields) => fields.line_bytes_max(&limits),
            _ => (request_line_bytes_max(&limits), Violation::TargetTooLong),
        };
        let held = |violation| (Taken::held(0), violation);
        let Step::Whole(read) = self.line.read(bytes, bytes_max, too_long).map_err(held)? else {
            return Ok(Taken::held(bytes.len()));
        };
        let Self { state, line, heads, .. } = self;
        let is_clear =
            line.whole(&bytes[..read], |line| take_line(state, heads, line, &limits)).map_err(held)?;
        if is_clear {
            // Idle connections are many: they keep nothing.
            self.line.rest();
        }
        Ok(Taken { read, is_clear })
    }
}

/// A line has come. Whether all that came is clear with it.
fn take_line(state: &mut State, heads: &mut u64, line: &[u8], limits: &Limits) -> Result<bool, Violation> {
    match state {
        // One empty line is forgiven (RFC 9112, 2.2): old clients end bodies with it.
        State::Between { has_empty_line } if line.is_empty() => {
            match std::mem::replace(has_empty_line, true) {
                true => Err(Violation::EmptyLines),
                false => Ok(false),
            }
        }
        State::Head(head) if line.is_empty() => {
            let framing = head.end()?;
            *heads += 1;
            *state = match framing {
                Framing::Length(0) => State::Between { has_empty_line: false },
                Framing::Length(length) => State::Body(length),
                Framing::Chunked => State::Chunks(Chunks::new()),
            };
            Ok(true)
        }
        State::Head(head) => head.field(line, limits).map(|()| false),
        State::Trailers(_) if line.is_empty() => {
            *state = State::Between { has_empty_line: false };
            Ok(true)
        }
        State::Trailers(fields) => {
            fields.add(line, limits)?;
            let (name, _) = field::split(line)?;
            if field::is_forbidden_trailer(name) { Err(Violation::Trailer) } else { Ok(false) }
        }
        _ => {
            *state = State::Head(Box::new(Head::begin(line, limits)?));
            Ok(false)
        }
    }
}

/// What one step has read.
#[derive(Clone, Copy)]
struct Taken {
    read: usize,
    /// Whether it and all before it may pass.
    is_clear: bool,
}

impl Taken {
    fn clear(read: usize) -> Self {
        Self { read, is_clear: true }
    }

    fn held(read: usize) -> Self {
        Self { read, is_clear: false }
    }
}
