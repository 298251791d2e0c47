//! Any lines can be folded, verdicts among them, and the state survives a snapshot.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tandem_fold::Fold;
use tandem_model::{PartitionId, PseudonymKey, Record, Verdicts};

const KEY: PseudonymKey = PseudonymKey::new([7; 16]);

fuzz_target!(|body: &[u8]| {
    let lines = body.split(|byte| *byte == b'\n');
    let records: Vec<Record> = lines.map(|line| Record::line(Bytes::copy_from_slice(line))).collect();
    let mut known = Verdicts::default();
    // Each verdict about what came before has it fold again, knowing that.
    let mut fold = loop {
        let fold = fold(&records, &known);
        match fold.revised() {
            Some(revised) => known = revised.clone(),
            None => break fold,
        }
    };
    fold.take_changes();
    let restored = Fold::restore(&fold.snapshot(), PartitionId(0), 1, KEY).expect("our own snapshot");
    assert_eq!(restored.digests(), fold.digests());
});

fn fold(records: &[Record], known: &Verdicts) -> Fold {
    let mut fold = Fold::new(PartitionId(0), 1, KEY).knowing(known).expect("it has folded nothing");
    for (offset, record) in (0..).zip(records) {
        fold.apply(offset, record);
        if fold.revised().is_some() {
            break;
        }
    }
    fold
}
