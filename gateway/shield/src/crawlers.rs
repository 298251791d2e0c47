//! Who may call himself a known crawler.
