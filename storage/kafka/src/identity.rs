//! Which log it is: what the meta topic says.
//!
//! Kafka names a topic, but a topic that was deleted and created again has the same name and begins
//! again at offset 0. Positions of the old one must not be taken for positions of the new one, so
//! the meta topic (one partition, compacted) holds under the name of the topic of events:
//!
//! ```json
//! {"version":1,"state":"ready","log":"9f86d081884c7d659a2feaa0c55ad015","generation":0,"partitions":12,"created_ms":1732190400000}
//! ```
//!
//! `creating` stands there while the topic is created (see [`crate::schema`]).

use std::fmt::Write;
use std::ops::ControlFlow;
use std::time::Instant;

use rdkafka::message::Message;
use serde::{Deserialize, Serialize};
use tandem_model::LogId;
use tandem_model::calendar::{Calendar, DEFAULT_ZONE};
use tandem_storage::GENERATION_MAX;

use crate::lookup::{From, Lookup};
use crate::{Error, Settings};

const VERSION: u32 = 1;

/// Which log it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Random, new with every creation.
    pub log_id: LogId,
    /// How many logs stood under this name before.
    pub generation: u32,
    /// How many partitions it has.
    pub partitions: u32,
    /// When it was created, in milliseconds since the epoch.
    pub created_ms: u64,
    /// The calendar of its boards, for its life.
    pub calendar: Calendar,
}

/// What the meta topic holds of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) state: State,
    pub(crate) identity: Identity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// The topic of events is about to be created.
    Creating,
    /// It is there.
    Ready,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    state: State,
    log: String,
    generation: u32,
    partitions: u32,
    created_ms: u64,
    /// Absent where it is the default one, as in all logs from before zones could be chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
}

impl Entry {
    pub(crate) fn encode(&self) -> String {
        let Identity { log_id, generation, partitions, created_ms, calendar } = &self.identity;
        let written = Written {
            version: VERSION,
            state: self.state,
            log: log_id.to_string(),
            generation: *generation,
            partitions: *partitions,
            created_ms: *created_ms,
            time_zone: (calendar.zone() != DEFAULT_ZONE).then(|| calendar.zone().to_owned()),
        };
        serde_json::to_string(&written).expect("it holds only plain data")
    }

    fn decode(value: &[u8]) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(value).map_err(|error| error.to_string())?;
        let Written { version, state, log, generation, partitions, created_ms, time_zone } = written;
        if version != VERSION {
            return Err(format!("it is of version {version}"));
        }
        let log_id = parse(&log).ok_or_else(|| format!("{log:?} is not the id of a log"))?;
        if partitions == 0 || generation > GENERATION_MAX {
            return Err(format!("{partitions} partitions, generation {generation}"));
        }
        let calendar = time_zone.map_or_else(|| Ok(Calendar::default()), |zone| Calendar::new(&zone));
        let calendar = calendar.map_err(|error| error.to_string())?;
        Ok(Self { state, identity: Identity { log_id, generation, partitions, created_ms, calendar } })
    }
}

/// What the meta topic says of the log in `settings.events_topic`, if anything. Blocks.
///
/// # Errors
///
/// When the meta topic can't be read, or is not there.
pub(crate) fn read(lookup: &Lookup, settings: &Settings) -> Result<Option<Entry>, Error> {
    let deadline = Instant::now() + settings.request_timeout();
    let mut last: Option<Vec<u8>> = None;
    lookup
        .read(&settings.meta_topic, 0, From::Beginning, deadline, |message| {
            if message.key() == Some(settings.events_topic.as_bytes()) {
                last = message.payload().map(<[u8]>::to_vec);
            }
            ControlFlow::Continue(())
        })
        .map_err(Error::of_store)?;
    let unreadable = |reason| Error::Unreadable { meta_topic: settings.meta_topic.clone(), reason };
    last.map(|value| Entry::decode(&value).map_err(unreadable)).transpose()
}

fn parse(hex: &str) -> Option<LogId> {
    let mut id = [0; 16];
    for (index, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    let mut again = String::new();
    write!(again, "{}", LogId(id)).ok()?;
    (again == hex).then_some(LogId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_and_others_are_refused() {
        let log_id = LogId([
            0x9f, 0x86, 0xd0, 0x81, 0x88, 0x4c, 0x7d, 0x65, 0x9a, 0x2f, 0xea, 0xa0, 0xc5, 0x5a, 0xd0, 0x15,
        ]);
        let calendar = Calendar::default();
        let identity =
            Identity { log_id, generation: 0, partitions: 12, created_ms: 1_732_190_400_000, calendar };
        let entry = Entry { state: State::Ready, identity };
        let text = entry.encode();
        assert_eq!(
            text,
            r#"{"version":1,"state":"ready","log":"9f86d081884c7d659a2feaa0c55ad015","generation":0,"partitions":12,"created_ms":1732190400000}"#
        );
        assert_eq!(Entry::decode(text.as_bytes()).unwrap(), entry);
        let elsewhere = Calendar::new("Asia/Bangkok").unwrap();
        let elsewhere = Entry { identity: Identity { calendar: elsewhere, ..entry.identity }, ..entry };
        let other = elsewhere.encode();
        assert_eq!(other, text.replace('}', r#","time_zone":"Asia/Bangkok"}"#));
        assert_eq!(Entry::decode(other.as_bytes()).unwrap(), elsewhere);
        assert!(Entry::decode(other.replace("Bangkok", "Atlantis").as_bytes()).is_err());
        let bad = [
            ("\"version\":1", "\"version\":2"),
            ("9f86", "9F86"),
            ("9f86", ""),
            ("9f86", "é6"),
            ("\"generation\":0", "\"generation\":64"),
            ("\"partitions\":12", "\"partitions\":0"),
            ("ready", "done"),
        ];
        for (good, bad) in bad {
            assert!(Entry::decode(text.replace(good, bad).as_bytes()).is_err(), "{bad}");
        }
    }
}
