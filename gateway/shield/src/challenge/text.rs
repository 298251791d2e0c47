//! Puzzles and clearances as text.

/// What a puzzle or a clearance says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) difficulty_bits: u8,
    pub(super) expires_ms: u64,
    pub(super) random: u64,
}

impl Parts {
    /// Tells one puzzle from the others.
    pub(super) fn mark(&self) -> u128 {
        (u128::from(self.random) << 64) | u128::from(self.expires_ms)
    }
}

/// Reads `kind.bits.expiry.random`, in the one form in which it is written.
pub(super) fn parts(kind: &str, open: &str) -> Option<Parts> {
    let mut fields = open.split('.');
    let (first, bits, expires, random) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    if first != kind || fields.next().is_some() {
        return None;
    }
    let parts = Parts {
        difficulty_bits: bits.parse().ok()?,
        expires_ms: u64::from_str_radix(expires, 16).ok()?,
        random: u64::from_str_radix(random, 16).ok()?,
    };
    Some(parts)
}

/// Bytes in hexadecimal.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// The 32 bytes that 64 digits say.
pub(super) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| (digit as char).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(out)
}
