//! Bytes as letters and digits, of a width that depends on their number alone.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The number that `bytes` are (big end first) in `width` digits. Digits that do not fit are left
/// out at the front; callers take widths that hold everything.
pub(super) fn encode(bytes: &[u8], width: usize) -> String {
    let mut number = bytes.to_vec();
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        // Long division by 62; what is left over is the digit.
        let mut rest = 0_u32;
        for byte in &mut number {
            let part = rest << 8 | u32::from(*byte);
            *byte = (part / 62) as u8;
            rest = part % 62;
        }
        *digit = DIGITS[rest as usize];
    }
    digits.into_iter().map(char::from).collect()
}

/// The same of a number, without memory of its own: what [`encode`] gives for its four bytes.
pub(super) fn digits(mut number: u32) -> [u8; 6] {
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    digits
}

/// Whether all of `text` are such digits.
pub(super) fn is_base62(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_have_one_text_each() {
        assert_eq!(encode(&[0], 3), "000");
        assert_eq!(encode(&[61], 2), "0z");
        assert_eq!(encode(&[62], 2), "10");
        assert_eq!(encode(&u32::MAX.to_be_bytes(), 6), "4gfFC3");
        for number in [0, 1, 61, 62, 123_456_789, u32::MAX] {
            assert_eq!(digits(number), encode(&number.to_be_bytes(), 6).as_bytes());
        }
        assert_eq!(encode(&u64::MAX.to_be_bytes(), 11), "LygHa16AHYF");
        let largest = encode(&[0xff; 32], 43);
        assert_eq!(largest, "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1");
        let all: BTreeSet<String> = (0..=u16::MAX).map(|number| encode(&number.to_be_bytes(), 3)).collect();
        assert_eq!(all.len(), 1 << 16);
        assert!(is_base62(&largest) && !is_base62("a_b"));
    }
}
