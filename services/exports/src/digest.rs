//! What says that a part arrived whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest as hash};

/// The SHA-256 of a part, in hexadecimal digits.
pub fn digest(part: &[u8]) -> String {
    hash(&SHA256, part).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same as the header `Repr-Digest` has it (RFC 9530).
pub fn repr_digest(part: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(hash(&SHA256, part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_everybody_else() {
        // FIPS 180-2, appendix B.1; the second as RFC 9530 writes that of an empty body.
        assert_eq!(digest(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(repr_digest(b""), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    }
}
