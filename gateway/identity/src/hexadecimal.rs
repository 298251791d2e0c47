//! Hashes as text: lower-case hexadecimal digits, and nothing else.

use std::fmt::Write as _;

/// `bytes` as lower-case hexadecimal digits.
pub fn to_hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// 32 bytes out of 64 lower-case hexadecimal digits. One form only, so that what is signed has one.
pub fn from_hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_back_and_other_forms_are_none() {
        let bytes: [u8; 32] = std::array::from_fn(|index| (index * 37) as u8);
        let text = to_hexadecimal(&bytes);
        assert_eq!(from_hexadecimal(&text), Some(bytes));
        let multibyte = "é".repeat(32);
        for wrong in ["", &text[1..], &text.to_uppercase(), &format!("{text}00"), &multibyte] {
            assert_eq!(from_hexadecimal(wrong), None, "{wrong}");
        }
    }
}
