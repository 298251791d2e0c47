//! What an object holds: the fold's state, and enough to know that it is that.
//!
//! ```text
//! "TNDMSNOB" | version u32 | CRC-32 | chain u8, three zeros | partition u32 | log 16 bytes | next u64
//!            | body length u64 | body
//! ```
//!
//! Numbers are little-endian; the CRC is over everything behind it. The place stands inside, too:
//! an object that was copied to where another belongs is found out, as is one that was cut.

use bytes::Bytes;
use tandem_model::route::Chain;
use tandem_model::{LogId, PartitionId};

const MAGIC: &[u8; 8] = b"TNDMSNOB";
const VERSION: u32 = 1;
/// Where what the CRC covers begins.
const COVERED: usize = 8 + 4 + 4;
/// Length of the head, in bytes.
pub(crate) const HEAD_BYTES: usize = COVERED + 4 + 4 + 16 + 8 + 8;

/// Where a snapshot belongs.
pub(crate) struct Place {
    pub(crate) chain: Chain,
    pub(crate) log: LogId,
    pub(crate) partition: PartitionId,
    pub(crate) next: u64,
}

/// What stands before `body`.
pub(crate) fn head(place: &Place, body: &[u8]) -> Bytes {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&VERSION.to_le_bytes());
    let covered = covered(place, body.len());
    head.extend_from_slice(&crc(&covered, body).to_le_bytes());
    head.extend_from_slice(&covered);
    head.into()
}

/// The body of an object, or what is wrong with the object.
pub(crate) fn body(place: &Place, object: &Bytes) -> Result<Bytes, &'static str> {
    let (head, body) = object.split_at_checked(HEAD_BYTES).ok_or("the object is cut off")?;
    if head[..8] != *MAGIC {
        return Err("this is not a snapshot");
    }
    if head[8..12] != VERSION.to_le_bytes() {
        return Err("its format version is not known; another version of Tandem may have written it");
    }
    let found = &head[COVERED..];
    if head[12..COVERED] != crc(found, body).to_le_bytes() {
        return Err("it is cut or changed: its checksum does not match");
    }
    if *found != covered(place, body.len()) {
        return Err("it belongs to another place, or its length is wrong");
    }
    Ok(object.slice(HEAD_BYTES..))
}

fn covered(place: &Place, body_bytes: usize) -> [u8; HEAD_BYTES - COVERED] {
    let mut covered = [0; HEAD_BYTES - COVERED];
    covered[0] = place.chain as u8;
    covered[4..8].copy_from_slice(&place.partition.0.to_le_bytes());
    covered[8..24].copy_from_slice(&place.log.0);
    covered[24..32].copy_from_slice(&place.next.to_le_bytes());
    covered[32..].copy_from_slice(&(body_bytes as u64).to_le_bytes());
    covered
}

fn crc(covered: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(covered);
    hasher.update(body);
    hasher.finalize()
}
