//! Any text is a token or an error, and a token survives being sent again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem_model::Token;

fuzz_target!(|text: &str| {
    if let Ok(token) = Token::decode(text) {
        assert_eq!(Token::decode(&token.encode()), Ok(token));
    }
});
