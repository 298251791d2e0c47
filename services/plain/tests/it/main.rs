//! Tests of the plain method from outside, in one binary.

mod nasty;
mod rules;
mod script;
mod viewers;
