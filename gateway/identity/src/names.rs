//! Names of tenants and applications.

/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 64;

/// Whether a tenant or an application may be called so: 1 to 64 of `A-Z a-z 0-9 . _ -`. They stand in
/// logs and in the ids of callers, where a colon separates.
pub fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for good in ["a", "mcn-one", "A.b_9", &"x".repeat(64)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a b", "a:b", "ä", "a\n", &"x".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
