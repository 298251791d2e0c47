//! The fold against the plain method, over generated nasty logs. One binary, to link once.

mod agreement;
mod editions;
mod invariance;
mod kept;
mod purity;
mod table;
mod verdicts;
