//! Any lines can be folded, and the state survives a snapshot.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tandem_fold::Fold;
use tandem_model::{PartitionId, PseudonymKey, Record};

const KEY: PseudonymKey = PseudonymKey::new([7; 16]);

fuzz_target!(|body: &[u8]| {
    let mut fold = Fold::new(PartitionId(0), 1, KEY);
    for (offset, line) in body.split(|byte| *byte == b'\n').enumerate() {
        fold.apply(offset as u64, &Record::line(Bytes::copy_from_slice(line)));
    }
    fold.take_changes();
    let restored = Fold::restore(&fold.snapshot(), PartitionId(0), 1, KEY).expect("our own snapshot");
    assert_eq!(restored.digests(), fold.digests());
});
