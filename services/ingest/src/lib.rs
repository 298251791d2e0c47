//! Events in: an HTTP body to records in the log, receipts, the metronome.
