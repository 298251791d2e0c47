//! Text that comes from elsewhere (reasons, errors) must stay text.

use std::fmt::{Display, Formatter, Result, Write};

/// Text for HTML and XML, also within attributes. What XML has no way to say is left out.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        write!(Escaping(formatter), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> Result {
        for character in text.chars() {
            match character {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                '\n' | '\t' => self.0.write_char(' ')?,
                other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => {}
                other => self.0.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place() {
        let text = "<script>\"&'\u{0}\u{b}\n</script>";
        let escaped = Escaped(text).to_string();
        assert_eq!(escaped, "&lt;script&gt;&quot;&amp;&#39; &lt;/script&gt;");
    }
}
