//! Tests of the plain method from outside, in one binary.

mod nasty;
mod robust;
mod rules;
mod script;
mod viewers;
