//! All ports on embedded stores: redb for the log, fjall for rows.
