//! The proof of work: puzzles that cost their solver time and us nothing to remember.
//!
//! A puzzle is text: difficulty, expiry, a random number, and our signature over them and the
//! network it was made for (HMAC-SHA-256). Whoever finds a number that, behind the puzzle and `:`,
//! hashes (SHA-256) to that many leading zero bits has solved it, and gets a clearance: a signed
//! text that lets the same network through for some minutes. Nothing is kept of puzzles that nobody
//! solved. Of solved ones the tag is kept until they expire, in a memory of fixed size, so that a
//! solution counts once. When that memory is full of live ones, solutions are refused rather than
//! forgotten: their solvers try again.
//!
//! Networks are /24 and /48: people's addresses change within them.

use std::net::IpAddr;

mod remembered;
mod text;

use parking_lot::Mutex;
use ring::hmac;

use remembered::Remembered;

use crate::lists::Network;

/// Hardest puzzle, in leading zero bits: some minutes of a browser's work.
pub const DIFFICULTY_BITS_MAX: u8 = 26;
/// Longest solution, in bytes.
pub const SOLUTION_BYTES_MAX: usize = 32;
/// Longest puzzle or clearance, in bytes.
pub const TEXT_BYTES_MAX: usize = 160;

/// How puzzles are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Leading zero bits, 1 to [`DIFFICULTY_BITS_MAX`]. Each more doubles the work; 16 are about
    /// 65,000 hashes. Default 16.
    pub difficulty_bits: u8,
    /// How long a puzzle may take, in milliseconds. Default 120,000.
    pub puzzle_ms: u64,
    /// How long a clearance lasts, in milliseconds. Default 1,800,000.
    pub clearance_ms: u64,
    /// How many solutions are remembered, 8 bytes each and as much for its expiry. Default 65,536.
    pub remembered: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { difficulty_bits: 16, puzzle_ms: 120_000, clearance_ms: 1_800_000, remembered: 65_536 }
    }
}

/// Why a solution or a clearance is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// It does not have the form.
    #[error("it has not the form of a puzzle, solution or clearance")]
    Form,
    /// We have not made it, or for another network.
    #[error("it was not made here for this network")]
    Signature,
    /// Its time is over.
    #[error("its time is over")]
    Expired,
    /// The hash has too few leading zero bits.
    #[error("the solution does not solve the puzzle")]
    Unsolved,
    /// It was taken before.
    #[error("the solution was taken before")]
    Replayed,
    /// Too many solutions at once: try again.
    #[error("too many solutions at once")]
    Full,
}

/// Makes puzzles and takes solutions.
pub struct Challenges {
    settings: Settings,
    key: hmac::Key,
    solved: Mutex<Remembered>,
}

const PUZZLE: &str = "p1";
const CLEARANCE: &str = "c1";

impl Challenges {
    /// With `secret`, which all gateways share that take each other's puzzles: 32 random bytes.
    /// Settings out of range count as the nearest within.
    pub fn new(settings: Settings, secret: &[u8; 32]) -> Self {
        let difficulty_bits = settings.difficulty_bits.clamp(1, DIFFICULTY_BITS_MAX);
        Self {
            settings: Settings { difficulty_bits, ..settings },
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            solved: Mutex::new(Remembered::new(settings.remembered.max(1))),
        }
    }

    /// A puzzle for whoever asks from `address`. `random` is new each time.
    pub fn puzzle(&self, address: IpAddr, now_ms: u64, random: u64) -> String {
        let expires_ms = now_ms.saturating_add(self.settings.puzzle_ms);
        self.sign(PUZZLE, self.settings.difficulty_bits, expires_ms, random, address)
    }

    /// Takes a solution: the clearance, and when that expires, in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// Why it is not taken.
    pub fn solve(
        &self,
        puzzle: &str,
        solution: &str,
        address: IpAddr,
        now_ms: u64,
    ) -> Result<(String, u64), ChallengeError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric();
        if !(1..=SOLUTION_BYTES_MAX).contains(&solution.len()) || !solution.bytes().all(is_allowed) {
            return Err(ChallengeError::Form);
        }
        let parts = self.checked(PUZZLE, puzzle, address, now_ms)?;
        if zero_bits(puzzle, solution) < u32::from(parts.difficulty_bits) {
            return Err(ChallengeError::Unsolved);
        }
        self.solved.lock().take(parts.mark(), parts.expires_ms, now_ms)?;
        let expires_ms = now_ms.saturating_add(self.settings.clearance_ms);
        Ok((self.sign(CLEARANCE, parts.difficulty_bits, expires_ms, parts.random, address), expires_ms))
    }

    /// Whether a clearance lets requests from `address` through.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub fn is_cleared(&self, clearance: &str, address: IpAddr, now_ms: u64) -> Result<(), ChallengeError> {
        self.checked(CLEARANCE, clearance, address, now_ms).map(|_| ())
    }

    fn sign(&self, kind: &str, bits: u8, expires_ms: u64, random: u64, address: IpAddr) -> String {
        let open = format!("{kind}.{bits}.{expires_ms:x}.{random:016x}");
        let tag = hmac::sign(&self.key, &signed(&open, address));
        format!("{open}.{}", text::to_hex(tag.as_ref()))
    }

    fn checked(
        &self,
        kind: &str,
        text: &str,
        address: IpAddr,
        now_ms: u64,
    ) -> Result<text::Parts, ChallengeError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(ChallengeError::Form);
        }
        let (open, tag) = text.rsplit_once('.').ok_or(ChallengeError::Form)?;
        let parts = text::parts(kind, open).ok_or(ChallengeError::Form)?;
        let tag = text::from_hex(tag).ok_or(ChallengeError::Form)?;
        hmac::verify(&self.key, &signed(open, address), &tag).map_err(|_| ChallengeError::Signature)?;
        // A clearance from the future is no gift of ours either: the clock of a gateway went back.
        if now_ms >= parts.expires_ms { Err(ChallengeError::Expired) } else { Ok(parts) }
    }
}

/// What is signed: the open part, and the network it is for.
fn signed(open: &str, address: IpAddr) -> Vec<u8> {
    let address = match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    let network = Network::new(address, if address.is_ipv4() { 24 } else { 48 });
    let mut bytes = open.as_bytes().to_vec();
    bytes.extend_from_slice(&network.to_bytes());
    bytes
}

/// Leading zero bits of the hash of a puzzle and a solution to it.
pub fn zero_bits(puzzle: &str, solution: &str) -> u32 {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    hash.update(puzzle.as_bytes());
    hash.update(b":");
    hash.update(solution.as_bytes());
    let mut zeros = 0;
    for byte in hash.finish().as_ref() {
        zeros += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    zeros
}

#[cfg(test)]
mod tests;
