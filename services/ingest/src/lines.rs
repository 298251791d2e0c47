//! What a line is: one place for it, so that a body and a replayed file are cut alike.

/// The content of a physical line whose LF is already off: without one CR before the LF, and
/// nothing where only white space (as JSON has it) is left.
pub fn content(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is_blank = line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
    (!is_blank).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cr_goes_and_blank_lines_vanish() {
        for blank in [&b""[..], b"\r", b" ", b" \t \r", b"\r\r"] {
            assert_eq!(content(blank), None, "{blank:?}");
        }
        assert_eq!(content(b"{}\r"), Some(&b"{}"[..]));
        assert_eq!(content(b"{}\r\r"), Some(&b"{}\r"[..]));
        assert_eq!(content(b" {} "), Some(&b" {} "[..]));
        assert_eq!(content(b"\x0b"), Some(&b"\x0b"[..]));
    }
}
