//! The way through the log: once to see where cuts lie and what verdicts say, once to fold.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tandem_model::problem::Problem;
use tandem_model::{PseudonymKey, Record, Rules};
use tandem_past::{Explaining, Moment, Replay, Survey};
use tandem_storage::{SessionRows, StoreError};

use super::desk::{Answer, Order, Outcome};
use super::{At, What};

/// How many bytes of the log are worked on before others have their turn.
const LOG_BYTES: usize = 256 * 1024;

/// Why there is no answer.
enum Stop {
    /// Nobody asks any more.
    Unwanted,
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Carries out an order; none where nobody wants it any more.
pub(super) async fn work(order: &Order) -> Option<Outcome> {
    match answer(order).await {
        Ok(answer) => Some(answer),
        Err(Stop::Unwanted) => None,
        Err(Stop::Store(error)) => Some(Err(problem(&error))),
    }
}

async fn answer(order: &Order) -> Result<Outcome, Stop> {
    let question = &order.question;
    let (first, last) = match question.what {
        What::Reading(at) => (None, place(at)),
        What::Difference { from, to } => (Some(place(from)), place(to)),
        What::Edition { at, heard } => {
            (Some(Place::Cut(Moment::Edition(at))), Place::Cut(Moment::Edition(heard)))
        }
    };
    let places = || [first, Some(last)].into_iter().flatten();
    let moments = places().filter_map(|place| match place {
        Place::Cut(moment) => Some(moment),
        Place::Position(_) => None,
    });
    let mut survey = Survey::new(question.session_id.clone(), moments);
    let positions = places().filter_map(|place| match place {
        Place::Position(next) => Some(next),
        Place::Cut(_) => None,
    });
    let farthest = positions.max().unwrap_or(0);
    read(order, 0, order.limit, |offset, record| {
        if offset >= farthest && survey.is_decided() {
            return false;
        }
        survey.apply(offset, record);
        true
    })
    .await?;
    let mut cuts = survey.cuts();
    let mut position = |place: Place| match place {
        Place::Position(next) => Some(next),
        Place::Cut(_) => cuts.next().flatten(),
    };
    let first = first.map(&mut position);
    let last = position(last);
    drop(cuts);
    let Some(last) = last else { return Ok(Ok(Answer::Unknown)) };
    let Some(first) = first else { return standing(order, &survey, last, last).await };
    let Some(first) = first else { return Ok(Ok(Answer::Unknown)) };
    match question.what {
        What::Edition { .. } => standing(order, &survey, first, last).await,
        _ if first > last => Ok(Ok(Answer::Explained(None))),
        _ => explain(order, &survey, first, last).await,
    }
}

/// Where a reading ends: an offset, or a cut that has to be looked for.
#[derive(Clone, Copy)]
enum Place {
    Position(u64),
    Cut(Moment),
}

const fn place(at: At) -> Place {
    match at {
        At::Position(next) => Place::Position(next),
        At::Moment(ms) => Place::Cut(Moment::UpTo(ms)),
    }
}

/// The session at the cut that ends at `to`, by what was known of records at the one that ends at `heard`.
async fn standing(order: &Order, survey: &Survey, to: u64, heard: u64) -> Result<Outcome, Stop> {
    let question = &order.question;
    let Some(start) = start(survey) else { return Ok(Ok(Answer::Unknown)) };
    let mut replay = Replay::new(
        question.session_id.clone(),
        question.partition,
        order.log.partitions(),
        rules(order),
        survey.verdicts(heard),
    );
    if let What::Edition { .. } = question.what {
        replay = replay.of_hours_and_days();
    }
    let mut has_failed = false;
    read(order, start, to, |offset, record| {
        has_failed = has_failed || fails(|| replay.apply(offset, record));
        !has_failed
    })
    .await?;
    if has_failed {
        return Ok(Err(failed()));
    }
    Ok(Ok(match replay.then(to) {
        None => Answer::Unknown,
        Some(then) => Answer::Session(Arc::new(SessionRows {
            session_id: question.session_id.clone(),
            partition: question.partition,
            cut: then.cut,
            session: then.session,
            rows: then.rows,
        })),
    }))
}

async fn explain(order: &Order, survey: &Survey, from: u64, to: u64) -> Result<Outcome, Stop> {
    let question = &order.question;
    let Some(start) = start(survey) else { return Ok(Ok(Answer::Unknown)) };
    let (heard, verdicts) = (survey.verdicts(from), survey.verdicts(to));
    let mut explaining = Explaining::new(
        &question.session_id,
        question.partition,
        order.log.partitions(),
        rules(order),
        from,
        &heard,
        &verdicts,
    );
    let mut has_failed = false;
    read(order, start, to, |offset, record| {
        has_failed = has_failed || fails(|| explaining.apply(offset, record));
        !has_failed
    })
    .await?;
    if has_failed {
        return Ok(Err(failed()));
    }
    Ok(Ok(match explaining.finish(to) {
        None => Answer::Unknown,
        Some(explanation) => Answer::Explained(Some(Arc::new(explanation))),
    }))
}

/// Hands over the records from `from` up to `to`, until `take` has enough.
async fn read(
    order: &Order,
    from: u64,
    to: u64,
    mut take: impl FnMut(u64, &Record) -> bool,
) -> Result<(), Stop> {
    let mut next = from;
    while next < to {
        if !order.is_wanted() {
            return Err(Stop::Unwanted);
        }
        let records = order.log.read(order.question.partition, next, LOG_BYTES).await?;
        let Some((last, _)) = records.last() else {
            // Offsets may have holes, also before the end.
            return Ok(());
        };
        next = last + 1;
        for (offset, record) in records.iter().take_while(|(offset, _)| *offset < to) {
            if !take(*offset, record) {
                return Ok(());
            }
        }
        // Folding is work for a core; others want it, too.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Where a replay begins.
fn start(survey: &Survey) -> Option<u64> {
    let start = survey.start()?;
    Some(if survey.reaches_before(start) { 0 } else { start })
}

/// No pseudonym is shown, and figures don't depend on their key: one that nobody knows is as good, and
/// nobody can make ids that collide under it.
fn rules(order: &Order) -> Rules {
    let secret = ring::rand::generate(&ring::rand::SystemRandom::new());
    let key = PseudonymKey::new(secret.map_or([0; 16], |secret| secret.expose()));
    Rules { key, calendar: order.calendar.clone() }
}

/// Whether `work` panics: at a record that was put into quarantine later, for that very reason.
fn fails(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}

fn failed() -> Problem {
    Problem::not_found(
        "no chain ever stood there: a record before it can't be counted, and was put into quarantine behind it; ask \
         for a later moment",
    )
}

fn problem(error: &StoreError) -> Problem {
    match error {
        StoreError::Damaged(reason) => Problem::not_found(format!(
            "the log does not reach back to the beginning of this session any more: {reason}"
        )),
        error if error.is_retryable() => {
            tracing::warn!(%error, "the log can't be read for a replay");
            Problem::unavailable("the log does not answer right now: try again in a second")
        }
        error => {
            tracing::error!(%error, "the log can't be read for a replay");
            Problem::internal(format!("{error}; asking again will not help, please tell the operators"))
        }
    }
}
