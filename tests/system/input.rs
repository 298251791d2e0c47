//! Where the events come from that the tests feed to a server, and what is expected of them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;
use tandem_ingest::lines;
use tandem_ingest::replay::{Item, Replay};
use tandem_model::decode::decode;
use tandem_model::event::Line;
use tandem_model::partition::partition_of;
use tandem_model::record::partition_of_refused;
use tandem_model::{PartitionId, PseudonymKey, Record};
use tandem_plain::Plain;
use tandem_plain::nasty::Run;
use tempfile::TempDir;

use crate::figures::{Expected, Session};

/// Recorded broadcasts; not part of the project, since they may not be republished.
const REAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/real-sessions");

/// A file of events, and the figures it must give.
pub(crate) struct Input {
    pub(crate) file: PathBuf,
    pub(crate) expected: Expected,
    /// Lines that are events.
    pub(crate) events: u64,
    /// Lines that are none.
    pub(crate) malformed: u64,
    /// How many bytes the lines have, unpacked.
    pub(crate) bytes: u64,
    _folder: Option<TempDir>,
}

impl Input {
    /// The recorded broadcasts with the figures that were worked out for them elsewhere; where
    /// they are not at hand, made-up ones and the plain method.
    pub(crate) fn real() -> Self {
        let folder = Path::new(REAL);
        if !folder.is_dir() {
            println!("{REAL} is not there: running on generated events, compared with the plain method");
            return Self::generated(Packing::Zstd);
        }
        let file = folder.join("events.ndjson.zst");
        let unpack = |path: &Path| {
            zstd::decode_all(fs::File::open(path).expect("the file is there")).expect("the file is whole")
        };
        let expected: Value =
            serde_json::from_slice(&unpack(&folder.join("expected.json.zst"))).expect("expected figures");
        let sessions = expected["sessions"].as_object().expect("sessions").iter();
        let sessions = sessions.map(|(id, session)| (id.clone(), Session::from_json(session))).collect();
        let count = |name: &str| expected[name].as_u64().expect("a count");
        Self {
            bytes: unpack(&file).len() as u64,
            file,
            expected: Expected { sessions, has_room_trend: false },
            events: count("lines") - count("malformed"),
            malformed: count("malformed"),
            _folder: None,
        }
    }

    /// The file of the recorded broadcasts, where they are at hand.
    pub(crate) fn recorded() -> Option<PathBuf> {
        Some(Path::new(REAL).join("events.ndjson.zst")).filter(|file| file.is_file())
    }

    /// Events of every kind, good and bad, from a seed.
    pub(crate) fn generated(packing: Packing) -> Self {
        let run = Run {
            lines: 40_000,
            sessions: 6,
            users: 300,
            step_ms: 700,
            gaps: 0.0,
            ends: 0.0005,
            malformed: 0.02,
            start_ms: 1_760_000_000_000,
            flood: None,
            ..Run::of(3)
        };
        let lines = run.lines();
        let text = lines.join(&b'\n');
        let mut records = Vec::new();
        let (mut events, mut malformed) = (0, 0);
        let mut lay = |item: Item<'_>| {
            let laid = match item {
                Item::Line(line) => lay(&Bytes::copy_from_slice(line)),
                Item::Beat(second) => beat(second),
            };
            let is_line = matches!(item, Item::Line(_));
            events += u64::from(is_line && laid[0].1.malformed.is_none());
            malformed += u64::from(laid[0].1.malformed.is_some());
            records.extend(laid);
        };
        let mut replay = Replay::new();
        text.split(|byte| *byte == b'\n').for_each(|line| replay.push(line, &mut lay));
        replay.finish(&mut lay);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join(packing.name());
        fs::write(&file, packing.pack(&text)).expect("a file in our own folder");
        let expected = plainly(records);
        Self { file, expected, events, malformed, bytes: text.len() as u64, _folder: Some(folder) }
    }
}

/// How a file is packed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    const fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "events.ndjson.gz",
            Packing::Zstd => "events.ndjson.zst",
        }
    }

    fn pack(self, text: &[u8]) -> Vec<u8> {
        match self {
            Packing::Gzip => {
                let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packer.write_all(text).expect("memory takes everything");
                packer.finish().expect("memory takes everything")
            }
            Packing::Zstd => zstd::encode_all(text, 1).expect("memory takes everything"),
        }
    }
}

/// How many partitions the log of a server has where nothing is said.
const PARTITIONS: u32 = 4;

/// The figures of the plain method for lines that are posted as they are, beats included.
pub(crate) fn plainly_of_lines(lines: &[Bytes]) -> Expected {
    plainly(lines.iter().flat_map(lay))
}

fn plainly(records: impl IntoIterator<Item = (PartitionId, Record)>) -> Expected {
    // Users do not show in figures, so any key does.
    let plain = |id| Plain::new(PartitionId(id), PARTITIONS, PseudonymKey::new([0; 16])).without_rejected();
    let mut partitions: Vec<(u64, Plain)> = (0..PARTITIONS).map(|id| (0, plain(id))).collect();
    for (partition, record) in records {
        let (offset, plain) = &mut partitions[partition.0 as usize];
        plain.apply(*offset, &record);
        *offset += 1;
    }
    let sessions = partitions.iter().flat_map(|(_, plain)| {
        let figures = |id: &str| plain.session(id).expect("it is one of its own");
        plain.sessions().map(move |id| (id.to_string(), Session::from_plain(&figures(id.as_str()))))
    });
    Expected { sessions: sessions.collect(), has_room_trend: true }
}

/// Where a line goes, by the contract. A `beat` line is one of a replay, which may move time.
fn lay(line: &Bytes) -> Vec<(PartitionId, Record)> {
    let line = line.slice_ref(lines::content(line).expect("no line is blank"));
    let refusal = match decode(&line) {
        Ok(Line::Event(event)) => {
            let partition = partition_of(event.session_id.as_bytes(), PARTITIONS);
            return vec![(partition, Record::line(line.clone()))];
        }
        Ok(Line::Beat { ts }) => return beat(ts / 1_000),
        Ok(line @ (Line::Verdict(_) | Line::Definition(_))) => panic!("{line:?}"),
        Err(refusal) => refusal,
    };
    let record = Record::refused(&line, refusal);
    vec![(partition_of_refused(&record, PARTITIONS), record)]
}

fn beat(second: u64) -> Vec<(PartitionId, Record)> {
    (0..PARTITIONS).map(|id| (PartitionId(id), Record::beat(second))).collect()
}
