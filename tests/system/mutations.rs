//! A short run of what the fuzz targets do at length: no line and no token makes anything panic.

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tandem_fold::Fold;
use tandem_model::decode::decode;
use tandem_model::{LogId, PartitionId, PseudonymKey, Record, Token};
use tandem_plain::nasty;

const MUTATIONS: usize = 20_000;
/// Pieces that mean something to JSON, to the decoder, or to a number.
const PIECES: [&[u8]; 16] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b",",
    b":",
    b"null",
    b"-1",
    b"1e400",
    b"9007199254740992",
    b"\\ud800",
    b"\xff",
    b"\0",
    b"\"type\":\"beat\",",
    b"\"session_id\":\"s0\",",
];

/// Lines that were events, cut, joined, flipped and stuffed.
#[test]
fn no_mutated_line_makes_decoder_or_fold_panic() {
    let mut rng = SmallRng::seed_from_u64(0x7461_6e64_656d);
    let lines: Vec<Bytes> =
        [1, 2, 3].into_iter().flat_map(nasty::generate).filter(|line| line.len() < 4_096).collect();
    let key = PseudonymKey::new([7; 16]);
    let mut fold = Fold::new(PartitionId(0), 1, key);
    for offset in 0..MUTATIONS {
        let mut line = pick(&mut rng, &lines).to_vec();
        for _ in 0..rng.random_range(0..3) {
            mutate(&mut rng, &mut line, &lines);
        }
        if let Err(malformed) = decode(&line) {
            assert!(!malformed.to_string().is_empty());
        }
        fold.apply(offset as u64, &Record::line(line.into()));
        if offset % 1_000 == 0 {
            fold.take_changes();
            let restored = Fold::restore(&fold.snapshot(), PartitionId(0), 1, key).expect("our own snapshot");
            assert_eq!(restored.digests(), fold.digests());
        }
    }
}

#[test]
fn no_mutated_token_makes_anything_panic() {
    let mut rng = SmallRng::seed_from_u64(0x746f_6b65_6e21);
    let mut tokens: Vec<Bytes> = Vec::new();
    for partitions in [0, 1, 4, 200] {
        let mut token = Token::new(LogId(rng.random()));
        (0..partitions).for_each(|id| token.advance(PartitionId(id), rng.random()));
        tokens.push(token.encode().into());
    }
    for _ in 0..MUTATIONS {
        let mut text = pick(&mut rng, &tokens).to_vec();
        for _ in 0..rng.random_range(0..3) {
            mutate(&mut rng, &mut text, &tokens);
        }
        if let Ok(token) = Token::decode(&String::from_utf8_lossy(&text)) {
            assert_eq!(Token::decode(&token.encode()), Ok(token));
        }
    }
}

fn mutate(rng: &mut SmallRng, line: &mut Vec<u8>, others: &[Bytes]) {
    let at = rng.random_range(0..=line.len());
    let to = rng.random_range(at..=line.len());
    match rng.random_range(0..6) {
        0 => line.truncate(at),
        1 => drop(line.drain(at..to)),
        2 => line.splice(at..at, pick(rng, &PIECES).iter().copied()).for_each(drop),
        3 => line.splice(at..to, pick(rng, &PIECES).iter().copied()).for_each(drop),
        4 => {
            let other = pick(rng, others);
            line.truncate(at);
            line.extend_from_slice(&other[rng.random_range(0..=other.len())..]);
        }
        _ => {
            if let Some(byte) = line.get_mut(at) {
                *byte ^= 1 << rng.random_range(0..8);
            }
        }
    }
}

fn pick<'a, T>(rng: &mut SmallRng, choices: &'a [T]) -> &'a T {
    &choices[rng.random_range(0..choices.len())]
}
