//! One port for everything: the tower stack in front of two chains.
