//! Any line is an event, a beat or a typed error; never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem_model::decode::decode;

fuzz_target!(|line: &[u8]| {
    if let Err(malformed) = decode(line) {
        assert!(!malformed.to_string().is_empty());
    }
});
