//! The contract's rules once more, plainly: the second opinion verify uses, and the nasty events that test both.
