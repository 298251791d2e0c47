//! The token: how far a client has read, so that it never reads anything older.
//!
//! Form: base64url (no padding) of a version byte, the log's 16 bytes, the number of
//! partitions, per partition its number and the first offset not read (all LEB128), and a CRC-32
//! over all of it. Clients treat it as opaque; the checksum turns a mangled one into an error
//! instead of a wrong position.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::position::{LogId, PartitionId};

const VERSION: u8 = 1;
/// Longest token that is looked at, in characters.
const CHARS_MAX: usize = 16 * 1024;

/// The positions up to which a client has read one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The log the positions belong to.
    pub log: LogId,
    /// Per partition the first offset not read.
    pub next: BTreeMap<PartitionId, u64>,
}

/// Why a text is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was not made by Tandem, or was cut or changed on the way.
    #[error(
        "the token is damaged: send back exactly what the last answer's Tandem-Token header held, or no token"
    )]
    Damaged,
    /// It was made by another version.
    #[error("the token is of version {0}, which this server does not know: start again without a token")]
    Version(u8),
}

impl Token {
    /// A token of a client that has read nothing.
    pub fn new(log: LogId) -> Self {
        Self { log, next: BTreeMap::new() }
    }

    /// Notes that `partition` was read up to `next`; never goes back.
    pub fn advance(&mut self, partition: PartitionId, next: u64) {
        let known = self.next.entry(partition).or_insert(0);
        *known = (*known).max(next);
    }

    /// The join of both: per partition the farther position. Both must be of the same log.
    pub fn join(&mut self, other: &Self) {
        for (partition, next) in &other.next {
            self.advance(*partition, *next);
        }
    }

    /// Whether somebody who has read `partition` up to `next` has read what this token has.
    pub fn is_reached_by(&self, partition: PartitionId, next: u64) -> bool {
        self.next.get(&partition).is_none_or(|needed| *needed <= next)
    }

    /// The text for the client.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(32 + 8 * self.next.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.log.0);
        write_varint(&mut bytes, self.next.len() as u64);
        for (partition, next) in &self.next {
            write_varint(&mut bytes, u64::from(partition.0));
            write_varint(&mut bytes, *next);
        }
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The token in a client's text.
    ///
    /// # Errors
    ///
    /// When the text is not a token of ours, whole and unchanged.
    pub fn decode(text: &str) -> Result<Self, TokenError> {
        if text.len() > CHARS_MAX {
            return Err(TokenError::Damaged);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Damaged)?;
        let (body, checksum) = bytes.split_last_chunk::<4>().ok_or(TokenError::Damaged)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return Err(TokenError::Damaged);
        }
        let (&version, mut rest) = body.split_first().ok_or(TokenError::Damaged)?;
        if version != VERSION {
            return Err(TokenError::Version(version));
        }
        Self::decode_body(&mut rest).filter(|_| rest.is_empty()).ok_or(TokenError::Damaged)
    }

    fn decode_body(bytes: &mut &[u8]) -> Option<Self> {
        let (log, rest) = bytes.split_first_chunk::<16>()?;
        *bytes = rest;
        let mut token = Self::new(LogId(*log));
        for _ in 0..read_varint(bytes)? {
            let partition = PartitionId(u32::try_from(read_varint(bytes)?).ok()?);
            token.advance(partition, read_varint(bytes)?);
        }
        Some(token)
    }
}

fn write_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(entries: &[(u32, u64)]) -> Token {
        let mut token = Token::new(LogId([7; 16]));
        for (partition, next) in entries {
            token.advance(PartitionId(*partition), *next);
        }
        token
    }

    proptest! {
        #[test]
        fn survives_the_way_to_the_client_and_back(entries in proptest::collection::vec(any::<(u32, u64)>(), 0..20)) {
            let token = token(&entries);
            prop_assert_eq!(Token::decode(&token.encode()), Ok(token));
        }

        #[test]
        fn any_text_is_a_token_or_an_error(text in ".{0,80}") {
            let _ = Token::decode(&text);
        }

        #[test]
        fn one_changed_character_is_noticed(at in 0_usize..40, with in "[A-Za-z0-9_-]") {
            let text = token(&[(1, 500), (3, 70_000)]).encode();
            let mut changed = text.clone();
            let at = at % text.len();
            changed.replace_range(at..=at, &with);
            prop_assert!(changed == text || Token::decode(&changed).is_err());
        }
    }

    #[test]
    fn joins_to_the_farther_position() {
        let mut left = token(&[(0, 5), (1, 9)]);
        left.join(&token(&[(1, 3), (2, 4)]));
        assert_eq!(left, token(&[(0, 5), (1, 9), (2, 4)]));
        assert!(left.is_reached_by(PartitionId(7), 0));
        assert!(left.is_reached_by(PartitionId(1), 9));
        assert!(!left.is_reached_by(PartitionId(1), 8));
    }
}
