//! Claims on disk. Written once in the order they come, read back in the order of the log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};
use tandem_model::catalogue::STORED;
use tandem_model::route::Chain;
use tandem_model::{Cut, PartitionId, Row, RowKey, SessionId, SessionRow};

use super::subject::SessionClaim;

/// A temporary file of claims, and where they are in it.
pub(super) struct Spool {
    file: BufWriter<File>,
    end: u64,
    /// By partition and by the position at which they are due.
    places: BTreeMap<(PartitionId, u64), Vec<Place>>,
}

#[derive(Clone, Copy)]
struct Place {
    chain: Chain,
    start: u64,
    bytes: usize,
}

/// A claim as it is written; of the columns only those that are not 0.
#[derive(Serialize, Deserialize)]
struct Stored {
    session_id: SessionId,
    cut: Cut,
    session: SessionRow,
    rows: Vec<(RowKey, Columns, u64)>,
}

/// Columns that are not 0, with their values.
type Columns = Vec<(u8, u64)>;

impl Spool {
    /// An empty one; the file has no name and goes with the process.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile()?), end: 0, places: BTreeMap::new() })
    }

    /// Keeps a claim until `position` of its partition.
    pub(super) fn put(&mut self, chain: Chain, position: u64, claim: &SessionClaim) -> io::Result<()> {
        let rows = claim.rows.iter().map(|row| {
            let columns: Columns = (0_u8..).zip(row.values).filter(|(_, value)| *value != 0).collect();
            (row.key.clone(), columns, row.offset)
        });
        let stored = Stored {
            session_id: claim.session_id.clone(),
            cut: claim.cut,
            session: claim.session.clone(),
            rows: rows.collect(),
        };
        let bytes = postcard::to_stdvec(&stored).map_err(io::Error::other)?;
        self.file.write_all(&bytes)?;
        let place = Place { chain, start: self.end, bytes: bytes.len() };
        self.end += bytes.len() as u64;
        self.places.entry((claim.partition, position)).or_default().push(place);
        Ok(())
    }

    /// The last position of `partition` that a claim waits for.
    pub(super) fn last_position(&self, partition: PartitionId) -> Option<u64> {
        let all = self.places.range((partition, 0)..=(partition, u64::MAX));
        all.last().map(|((_, position), _)| *position)
    }

    /// The first position of `partition` that a claim waits for.
    pub(super) fn first_position(&self, partition: PartitionId) -> Option<u64> {
        let all = self.places.range((partition, 0)..=(partition, u64::MAX));
        all.map(|((_, position), _)| *position).next()
    }

    /// Takes a claim out that waits for exactly `position` of `partition`.
    pub(super) fn take(
        &mut self,
        partition: PartitionId,
        position: u64,
    ) -> io::Result<Option<(Chain, SessionClaim)>> {
        let Some(places) = self.places.get_mut(&(partition, position)) else { return Ok(None) };
        let place = places.pop();
        if places.is_empty() {
            self.places.remove(&(partition, position));
        }
        match place {
            Some(place) => Ok(Some((place.chain, self.read(partition, place)?))),
            None => Ok(None),
        }
    }

    fn read(&mut self, partition: PartitionId, place: Place) -> io::Result<SessionClaim> {
        // Seeking writes out what is buffered.
        self.file.seek(SeekFrom::Start(place.start))?;
        let mut bytes = vec![0; place.bytes];
        self.file.get_mut().read_exact(&mut bytes)?;
        let stored: Stored = postcard::from_bytes(&bytes).map_err(io::Error::other)?;
        let rows = stored.rows.into_iter().map(|(key, columns, offset)| {
            let mut values = [0; STORED];
            for (column, value) in columns {
                if let Some(slot) = values.get_mut(usize::from(column)) {
                    *slot = value;
                }
            }
            Row { key, values, offset }
        });
        Ok(SessionClaim {
            session_id: stored.session_id,
            partition,
            cut: stored.cut,
            session: stored.session,
            rows: rows.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_model::{Breakdown, Table};

    fn claim(id: &str, value: u64) -> SessionClaim {
        let mut values = [0; STORED];
        values[STORED - 1] = value;
        let key = RowKey { table: Table::Total, breakdown: Breakdown::Item, key: "直".into(), bucket: 0 };
        SessionClaim {
            session_id: SessionId::new(id).unwrap(),
            partition: PartitionId(1),
            cut: Cut { next: 5, clock: 4 },
            session: SessionRow::default(),
            rows: vec![Row { key, values, offset: 9 }],
        }
    }

    #[test]
    fn what_goes_in_comes_out_at_its_position() {
        let mut spool = Spool::new().unwrap();
        let claims =
            [(Chain::A, 7, claim("a", u64::MAX)), (Chain::B, 5, claim("b", 0)), (Chain::B, 7, claim("a", 1))];
        for (chain, position, claim) in &claims {
            spool.put(*chain, *position, claim).unwrap();
        }
        let partition = PartitionId(1);
        assert_eq!(spool.first_position(PartitionId(0)), None);
        assert_eq!((spool.first_position(partition), spool.last_position(partition)), (Some(5), Some(7)));
        assert_eq!(spool.take(partition, 6).unwrap(), None);
        assert_eq!(spool.take(partition, 5).unwrap(), Some((Chain::B, claims[1].2.clone())));
        let taken: Vec<_> = (0..2).map(|_| spool.take(partition, 7).unwrap().unwrap()).collect();
        assert!(
            taken.contains(&(Chain::A, claims[0].2.clone()))
                && taken.contains(&(Chain::B, claims[2].2.clone()))
        );
        assert_eq!(spool.first_position(partition), None);
    }
}
