//! Who decides which chain serves: the interface, and a single decision maker behind it.
