//! How much of everything a request may have.

/// What a request's head, trailers and chunk extensions may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest request target, in bytes. Longer is a 414.
    pub target_bytes_max: usize,
    /// Most header fields, and most trailer fields. More is a 431.
    pub fields_max: usize,
    /// Longest line of one field, in bytes. Longer is a 431.
    pub field_bytes_max: usize,
    /// Longest header, all lines of fields together without their ends, in bytes; the same for the
    /// trailers. Longer is a 431.
    pub header_bytes_max: usize,
    /// How much of one body may be chunk extensions, in bytes.
    pub extension_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            target_bytes_max: 8 * 1024,
            fields_max: 64,
            field_bytes_max: 20 * 1024,
            header_bytes_max: 24 * 1024,
            extension_bytes_max: 1024,
        }
    }
}
